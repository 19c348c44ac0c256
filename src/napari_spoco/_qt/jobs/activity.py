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
    """Follows a session until `end`.

    Parameters
    ----------
    session
        Whose jobs have a bar.
    dock
        What shows everything itself as long as it can be seen.
    """

    def __init__(self, session: SessionController, dock: QWidget, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._dock = session, dock
        self._n_done = 0
        self._bar: progress | None = None
        self._is_changing = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self._on_timeout)
        session.state_changed.connect(self._on_state_changed)
        session.training_reported.connect(self._on_training_reported)
        session.embedding_reported.connect(self._on_embedding_reported)

    def end(self) -> None:
        """Take the bar away."""
        self._timer.stop()
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def tell(self, notice: Notice) -> None:
        """Hand a sentence on to napari: how something ended, where nobody sees it in the dock."""
        if notice.tone in _SEVERITY and self._dock.visibleRegion().isEmpty():
            notification_manager.dispatch(_notification(notice))

    def _on_state_changed(self) -> None:
        if self._session.state is not SessionState.STOPPING:
            self._n_done = 0
        self._timer.start()

    def _on_training_reported(self, message: object) -> None:
        if isinstance(message, StepReport):
            self._note(message.elapsed, message.elapsed + message.remaining)

    def _on_embedding_reported(self, message: PredictionProgress | JobStep) -> None:
        if not isinstance(message, JobStep):
            self._note(message.n_done, message.n_tiles)
        elif message.number:
            self._note(message.number - 1, message.n_steps)

    def _note(self, done: float, whole: float) -> None:
        self._n_done = round(_TOTAL * done / whole) if whole else 0
        if not self._timer.isActive():
            self._timer.start()

    def _on_timeout(self) -> None:
        if self._is_changing:
            return
        self._is_changing = True
        title = _TITLES.get(self._session.state)
        if self._bar is not None and self._bar.desc.removesuffix(": ") != title:
            self.end()
        if self._bar is None and title is not None:
            # The file keeps it from the terminal.
            self._bar = progress(total=_TOTAL, desc=title, file=io.StringIO(), leave=False)
        self._is_changing = False
        if self._bar is not None and self._bar.n != self._n_done:
            self._bar.update(self._n_done - self._bar.n)


def _notification(notice: Notice) -> Notification:
    if not notice.details:
        return Notification(notice.text, _SEVERITY[notice.tone])
    error = RuntimeError(notice.text)
    error.add_note(notice.details)  # Its traceback; the error may come from another process.
    return ErrorNotification(error)
