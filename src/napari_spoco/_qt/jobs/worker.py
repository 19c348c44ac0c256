"""Background jobs: a generator in a thread, whose reports come back numbered.

Two traps of superqt's `GeneratorWorker` are cured here. It swallows a RuntimeError (so every shape error of
torch and every CUDA out-of-memory) without any signal, and `quit` leaves the generator open, so that its `finally`
waits for the garbage collector. A job's body is a generator function that takes a `JobContext` first; it knows no
window.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from superqt.utils import GeneratorWorker as _SuperqtGeneratorWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

logger = logging.getLogger(__name__)


class GeneratorWorker(_SuperqtGeneratorWorker):
    """Generator worker that emits `errored` for every exception and always closes its generator."""

    def work(self) -> Any:
        """Exhaust the generator, or close it when told to quit; runs in the worker's thread."""
        try:
            while not self.abort_requested:
                self.yielded.emit(next(self._gen))
        except StopIteration as end:
            if not self.abort_requested:
                return end.value
        finally:
            self._gen.close()
        self.aborted.emit()
        return None

    def run(self) -> None:
        """Run `work` and emit signals; called by the thread pool."""
        try:
            super().run()
        except RuntimeError:
            # The signals' C++ object is gone: the application has quit. PyQt would abort on an escaping exception.
            logger.debug("A worker ended after its application", exc_info=True)


@dataclass(frozen=True)
class JobContext:
    """What a job's body sees of the outside: where to report from a callback, and whether to give up."""

    report: Callable[[object], None]
    is_cancelled: Callable[[], bool]


class Job(QObject):
    """One run of a generator function in a thread.

    What it yields or reports arrives as `reported(generation, message)`; then exactly one of
    `returned(generation, result)`, `failed(generation, exception)` and `cancelled(generation)`. All arrive in the
    thread of the event loop; whoever holds a newer generation drops them.
    """

    reported = Signal(int, object)
    returned = Signal(int, object)
    failed = Signal(int, object)
    cancelled = Signal(int)

    def __init__(
        self,
        generation: int,
        body: Callable[..., Generator[object, None, object]],
        *args: object,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.generation = generation
        context = JobContext(self._report, self._is_cancelled)
        self._worker = worker = GeneratorWorker(body, context, *args)
        worker.yielded.connect(self._on_worker_yielded)
        worker.returned.connect(self._on_worker_returned)
        worker.errored.connect(self._on_worker_errored)
        worker.aborted.connect(self._on_worker_aborted)

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def cancel(self) -> None:
        """Ask the body to give up; it does so at its next yield or question."""
        self._worker.quit()

    def _report(self, message: object) -> None:
        self._worker.yielded.emit(message)

    def _is_cancelled(self) -> bool:
        return bool(self._worker.abort_requested)

    def _on_worker_yielded(self, message: object) -> None:
        self.reported.emit(self.generation, message)

    def _on_worker_returned(self, result: object) -> None:
        self.returned.emit(self.generation, result)

    def _on_worker_errored(self, error: Exception) -> None:
        self.failed.emit(self.generation, error)

    def _on_worker_aborted(self) -> None:
        self.cancelled.emit(self.generation)


class SideJob(QObject):
    """Runs jobs beside the main one, one at a time: `returned(result)` or `failed(exception)` ends each."""

    changed = Signal()
    returned = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: Job | None = None

    @property
    def is_running(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    def start(self, body: Callable[..., Generator[object, None, object]], *args: object) -> bool:
        """Start a job unless one is running; return whether it was started."""
        if self._job is not None:
            return False
        self._job = job = Job(0, body, *args, parent=self)
        job.returned.connect(self._on_returned)
        job.failed.connect(self._on_failed)
        job.start()
        self.changed.emit()
        return True

    def _on_returned(self, _generation: int, result: object) -> None:
        self._forget()
        self.returned.emit(result)

    def _on_failed(self, _generation: int, error: Exception) -> None:
        self._forget()
        self.failed.emit(error)

    def _forget(self) -> None:
        if self._job is not None:
            self._job.deleteLater()
        self._job = None
        self.changed.emit()
