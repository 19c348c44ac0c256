"""The traps of generator workers: swallowed errors, generators left open, threads that cannot be told to give up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator

import pytest
from qtpy.QtCore import QObject

from napari_spoco._qt.jobs.worker import GeneratorWorker, Job, JobContext


class Ears(QObject):
    """Hears the signals of a job."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.heard: list[tuple[str, object]] = []
        self.threads: set[int] = set()
        job.reported.connect(self._on_reported)
        job.returned.connect(self._on_returned)
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._on_cancelled)

    def _hear(self, kind: str, what: object) -> None:
        self.heard.append((kind, what))
        self.threads.add(threading.get_ident())

    def _on_reported(self, generation: int, what: object) -> None:
        self._hear("reported", (generation, what))

    def _on_returned(self, generation: int, what: object) -> None:
        self._hear("returned", (generation, what))

    def _on_failed(self, generation: int, what: object) -> None:
        self._hear("failed", (generation, type(what)))

    def _on_cancelled(self, generation: int) -> None:
        self._hear("cancelled", generation)


def run(job: Job, until: Callable, end: str) -> Ears:
    ears = Ears(job)
    job.start()
    until(lambda: ears.heard and ears.heard[-1][0] == end)
    return ears


def counts(_context: JobContext, n: int) -> Generator[int, None, str]:
    yield from range(n)
    return "done"


@pytest.mark.parametrize("error", [RuntimeError, ValueError, MemoryError])
def test_an_exception_arrives_whatever_it_is(qapp: object, until: Callable, error: type[Exception]) -> None:
    def body(_context: JobContext) -> Generator[int, None, None]:
        yield 1
        raise error("mat1 and mat2 shapes cannot be multiplied")

    ears = run(Job(7, body), until, "failed")
    assert ears.heard == [("reported", (7, 1)), ("failed", (7, error))]


def test_reports_and_result_arrive_in_order_in_the_thread_of_the_window(qapp: object, until: Callable) -> None:
    ears = run(Job(3, counts, 4), until, "returned")
    assert ears.heard == [*(("reported", (3, i)) for i in range(4)), ("returned", (3, "done"))]
    assert ears.threads == {threading.get_ident()}


def test_a_body_may_report_from_a_callback(qapp: object, until: Callable) -> None:
    def body(context: JobContext) -> Generator[None, None, None]:
        context.report("tile 1")
        return
        yield

    assert run(Job(0, body), until, "returned").heard[0] == ("reported", (0, "tile 1"))


def test_cancel_closes_the_generator_at_once_and_in_its_own_thread(qapp: object, until: Callable) -> None:
    closed_in: list[int] = []

    def body(_context: JobContext) -> Generator[int, None, None]:
        try:
            while True:
                yield 0
                time.sleep(0.005)
        finally:
            closed_in.append(threading.get_ident())

    job = Job(0, body)
    ears = Ears(job)
    job.start()
    until(lambda: len(ears.heard) > 2)
    job.cancel()
    until(lambda: ears.heard[-1][0] == "cancelled")
    assert len(closed_in) == 1
    assert closed_in[0] != threading.get_ident()


def test_a_long_call_can_ask_whether_to_give_up(qapp: object, until: Callable) -> None:
    started = threading.Event()

    def body(context: JobContext) -> Generator[None, None, None]:
        started.set()
        while not context.is_cancelled():
            time.sleep(0.005)
        return
        yield

    job = Job(0, body)
    ears = Ears(job)
    job.start()
    until(started.is_set)
    job.cancel()
    until(lambda: ears.heard == [("cancelled", 0)])


def test_a_failing_cleanup_is_no_silence(qapp: object, until: Callable) -> None:
    def body(_context: JobContext) -> Generator[int, None, None]:
        try:
            while True:
                yield 0
                time.sleep(0.005)
        finally:
            raise OSError("disk full")

    job = Job(0, body)
    ears = Ears(job)
    job.start()
    until(lambda: bool(ears.heard))
    job.cancel()
    until(lambda: ears.heard[-1] == ("failed", (0, OSError)))


def test_only_generator_functions_are_jobs(qapp: object) -> None:
    with pytest.raises(TypeError, match="FunctionWorker"):
        GeneratorWorker(lambda: None)
