"""What napari itself shows of our jobs: a bar in its activity dock, and notifications while our dock is out of sight.

A bar of napari's lets the event loop run whenever it changes, so that slots are re-entered from within. Therefore slots
here only take note, and a timer of their own puts it into the bar.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from napari.utils import progress
from napari.utils.notifications import (
    ErrorNotification,
    Notification,
    NotificationSeverity,
    notification_manager,
)
from qtpy.QtCore import QObject, QTimer

from napari_spoco._qt.jobs.job_steps import JobStep
from napari_spoco._qt.session import SessionState
from napari_spoco.training.reports import StepReport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtCore import SignalInstance
    from qtpy.QtWidgets import QWidget

    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.embeddings.prediction_job import PredictionProgress
    from napari_spoco._qt.notices import Notice

_MILLISECONDS = 500
_TITLES = {
    SessionState.TRAINING: "SPOCO: training",
    SessionState.STOPPING: "SPOCO: stopping",
    SessionState.PREDICTING: "SPOCO: embeddings",
    SessionState.SEGMENTING: "SPOCO: objects",
}
_TOTAL = 1000
_SEVERITY = {"good": NotificationSeverity.INFO, "bad": NotificationSeverity.ERROR}


class Activity(QObject):
    """Follows a session, and what runs beside it, until `end`.

    Parameters
    ----------
    session
        Whose jobs have a bar.
    beside
        What else has one, by its title: a signal that brings how many of how many are done, 0 of 0 at the end.
    dock
        What shows everything itself as long as it can be seen.
    """

    def __init__(
        self,
        session: SessionController,
        beside: Mapping[str, SignalInstance],
        dock: QWidget,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._dock = session, dock
        self._bar = _Bar(self)
        self._bars = [self._bar]
        session.state_changed.connect(self._on_state_changed)
        session.training_reported.connect(self._on_training_reported)
        session.embedding_reported.connect(self._on_embedding_reported)
        for title, progressed in beside.items():
            self._bars.append(bar := _Bar(self, title))
            progressed.connect(bar.show_count)

    def end(self) -> None:
        """Take the bars away."""
        for bar in self._bars:
            bar.end()

    def tell(self, notice: Notice) -> None:
        """Hand a sentence on to napari: how something ended, where nobody sees it in the dock."""
        if notice.tone in _SEVERITY and self._dock.visibleRegion().isEmpty():
            notification_manager.dispatch(_notification(notice))

    def _on_state_changed(self) -> None:
        state = self._session.state
        self._bar.show(_TITLES.get(state), self._bar.share if state is SessionState.STOPPING else 0.0)

    def _on_training_reported(self, message: object) -> None:
        if isinstance(message, StepReport):
            self._note(message.elapsed, message.elapsed + message.remaining)

    def _on_embedding_reported(self, message: PredictionProgress | JobStep) -> None:
        if not isinstance(message, JobStep):
            self._note(message.n_done, message.n_tiles)
        elif message.number:
            self._note(message.number - 1, message.n_steps)

    def _note(self, done: float, whole: float) -> None:
        self._bar.show(_TITLES.get(self._session.state), done / whole if whole else 0.0)


class _Bar(QObject):
    """A bar of napari's, which is there as long as it has a title: the given one in `show_count`."""

    def __init__(self, parent: QObject, name: str = "") -> None:
        super().__init__(parent)
        self._name, self.share = name, 0.0
        self._title: str | None = None
        self._bar: progress | None = None
        self._is_changing = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self.update)

    def show(self, title: str | None, share: float) -> None:
        """Show how much is done, within half a second; None takes the bar away."""
        self._title, self.share = title, share
        if not self._timer.isActive():
            self._timer.start()

    def show_count(self, n_done: int, n_all: int) -> None:
        """Show how many of how many are done; 0 of 0 takes the bar away."""
        self.show(self._name if n_all else None, n_done / max(n_all, 1))

    def end(self) -> None:
        """Take the bar away."""
        self._timer.stop()
        self._close()

    def update(self) -> None:
        """Make the bar as it is to be; it lets the event loop run meanwhile."""
        if self._is_changing:
            return
        self._is_changing = True
        if self._bar is not None and self._bar.desc.removesuffix(": ") != self._title:
            self._close()
        if self._bar is None and self._title is not None:
            # The file keeps it from the terminal.
            self._bar = progress(total=_TOTAL, desc=self._title, file=io.StringIO(), leave=False)
        self._is_changing = False
        n_done = round(_TOTAL * self.share)
        if self._bar is not None and self._bar.n != n_done:
            self._bar.update(n_done - self._bar.n)

    def _close(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()


def _notification(notice: Notice) -> Notification:
    if not notice.details:
        return Notification(notice.text, _SEVERITY[notice.tone])
    error = RuntimeError(notice.text)
    error.add_note(notice.details)  # Its traceback; the error may come from another process.
    return ErrorNotification(error)
