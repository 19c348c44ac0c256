"""Wishes and jobs in turn: a wish waits until no job is running, so that it meets what it was meant for.

Knows nothing of what is wished. All but the bodies of the jobs is on the event loop.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.jobs.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Body = Callable[..., Generator[object, None, object]]


class Turns(QObject):
    """Follows wishes one after another; each may start one job, the result of which comes before the next wish.

    `reported` brings what the job says, `failed` the exception of a wish or a job, and then the wishes that wait are
    dropped: they were made in the belief that this one would be followed. `changed` comes after every turn.
    """

    reported = Signal(object)
    failed = Signal(object)
    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wishes: deque[Callable[[], None]] = deque()
        self._generation = 0
        self._job: Job | None = None
        self._on_result: Callable[[Any], None] = _ignore

    @property
    def is_busy(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    def wish(self, step: Callable[[], None]) -> None:
        """Do a step when its turn has come; a ValueError in it is a failure that is said."""
        self._wishes.append(step)
        self._go_on()

    def start(self, on_result: Callable[[Any], None], body: Body, *args: object) -> None:
        """Start a job and give its result to a step; only in a step, and once in it."""
        self._generation += 1
        self._on_result = on_result
        self._job = job = Job(self._generation, body, *args, parent=self)
        job.reported.connect(self._on_job_reported)
        job.returned.connect(self._on_job_returned)
        job.failed.connect(self._on_job_failed)
        job.start()

    def drop(self) -> None:
        """Forget all wishes, and the job; what its thread still says is stale."""
        self._generation += 1
        self._wishes.clear()
        if self._job is not None:
            self._job.cancel()
        self._job, self._on_result = None, _ignore

    def _go_on(self) -> None:
        try:
            while self._wishes and self._job is None:
                self._wishes.popleft()()
        except ValueError as error:
            self._wishes.clear()
            self.failed.emit(error)
        self.changed.emit()

    def _on_job_reported(self, generation: int, message: object) -> None:
        if generation == self._generation:
            self.reported.emit(message)

    def _on_job_returned(self, generation: int, result: object) -> None:
        if generation == self._generation:
            self._forget_job()
            self._wishes.appendleft(lambda: self._on_result(result))
            self._go_on()

    def _on_job_failed(self, generation: int, error: Exception) -> None:
        if generation == self._generation:
            self._forget_job()
            self._wishes.clear()
            self.failed.emit(error)
            self.changed.emit()

    def _forget_job(self) -> None:
        if self._job is not None:
            self._job.deleteLater()
        self._job = None


def _ignore(_result: object) -> None:
    """Take no notice."""
