"""Jobs of a project, one after the other. What is to be done is found out at its turn: things may be otherwise by then.

Knows nothing of what the jobs do.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.jobs.worker import SideJob

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = tuple[Callable[[Any], None], Callable[..., Any], tuple[object, ...]]
    """What is called with the result, the body of the job, and its arguments."""
    Wish = Callable[[], Work | None]
    """Returns what is to be done at its turn; None if nothing is any more."""


class WorkQueue(QObject):
    """Does what is wished, in turn.

    Parameters
    ----------
    is_held
        Whether something else goes on now that the next job has to wait for; `go_on` is called at its end.
    """

    failed = Signal(object, object)  # Exception, what would have been called with the result
    rested = Signal()  # Nothing is left to be done.
    unclaimed = Signal(object)  # the result of a job that was running when all was dropped

    def __init__(self, is_held: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_held = is_held
        self._wishes: deque[Wish] = deque()
        self._then: Callable[[Any], None] = self.unclaimed.emit
        self._is_dropped = False
        self._job = SideJob(self)
        self._job.returned.connect(self._on_returned)
        self._job.failed.connect(self._on_failed)

    @property
    def is_running(self) -> bool:
        """Whether a job runs."""
        return self._job.is_running

    def add(self, wish: Wish) -> None:
        """Do this after everything else."""
        self._wishes.append(wish)
        self.go_on()

    def add_first(self, wish: Wish) -> None:
        """Do this before everything else; from a function that has got a result."""
        self._wishes.appendleft(wish)

    def go_on(self) -> None:
        """Begin the next job if nothing else goes on."""
        while self._wishes and not self._is_working:
            if (work := self._wishes.popleft()()) is not None:
                self._then, body, arguments = work
                self._job.start(body, *arguments)
        if not self._is_working:
            self.rested.emit()

    def drop(self) -> None:
        """Do nothing more; what runs is let run, and its result is not used."""
        self._wishes.clear()
        self._is_dropped = True

    @property
    def _is_working(self) -> bool:
        return self._job.is_running or self._is_held()

    def _on_returned(self, result: Any) -> None:
        if self._is_dropped:
            self.unclaimed.emit(result)
            return
        self._then(result)
        self.go_on()

    def _on_failed(self, error: Exception) -> None:
        if not self._is_dropped:
            self.failed.emit(error, self._then)
            self.go_on()
