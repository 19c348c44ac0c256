"""Writes the log of a training: settings, everything that is said, scores, and the losses now and then.

It goes into the drawer of the tab, and into a file in the folder of the run.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_spoco._qt import notices
from napari_spoco._qt.session import SessionState
from napari_spoco._qt.train.run_log import RunLog
from napari_spoco.training.reports import ScoreReport, StepReport, TrainingFinished, TrainingStarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.notices import Notice
    from napari_spoco._qt.train.log_drawer import LogDrawer
    from napari_spoco._qt.train.run_folders import Run
    from napari_spoco.config import TrainingConfig

_EVERY_SECONDS = 30.0
"""Of training, between two lines of losses."""


class TrainingLog(QObject):
    """Follows the trainings of a session.

    Parameters
    ----------
    session
        Whose trainings.
    drawer
        Where the lines go.
    now
        Says the time.
    """

    def __init__(
        self,
        session: SessionController,
        drawer: LogDrawer,
        parent: QObject | None = None,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        super().__init__(parent)
        self._session, self._drawer, self._now = session, drawer, now
        self._file: RunLog | None = None  # while something is logged
        self._next_losses = 0.0
        session.noticed.connect(self._on_noticed)
        session.training_reported.connect(self._on_reported)
        session.state_changed.connect(self._on_state_changed)
        session.run_opened.connect(self._on_run_opened)

    def begin(self, config: TrainingConfig, folder: str, *, is_resumed: bool = False) -> None:
        """Begin the log of a run; to be called before the session trains."""
        self._file, self._next_losses = RunLog(folder), 0.0
        if self._drawer.text:
            self._drawer.add("")
        self._write(f"{'Resumed' if is_resumed else 'New'} run in {folder}")
        self._write(notices.settings_line(config))
        self._drawer.show_folder(folder)

    def _on_noticed(self, notice: Notice) -> None:
        if self._file is not None:
            self._write("\n    ".join((notice.text, *notice.details.splitlines())))

    def _on_reported(self, message: object) -> None:
        match message:
            case TrainingStarted():
                self._write(notices.device_line(message))
            case ScoreReport():
                self._write(f"Step {message.step}: {notices.score_line(message)}")
            case StepReport() if message.elapsed >= self._next_losses:
                self._next_losses = message.elapsed + _EVERY_SECONDS
                self._write(notices.loss_line(message))
            case TrainingFinished():
                self._write(f"The model is {message.model_path}")

    def _on_state_changed(self) -> None:
        state = self._session.state
        if self._file is None or state in (SessionState.TRAINING, SessionState.STOPPING):
            return
        self._file.end(is_failed=state is SessionState.FAILED)
        self._file = None

    def _on_run_opened(self, run: Run) -> None:
        self._drawer.show_log(run.log)
        self._drawer.show_folder(run.folder)

    def _write(self, text: str) -> None:
        moment = self._now()
        self._drawer.add(f"{moment:%H:%M:%S}  {text}")
        if self._file is not None:
            self._file.add(f"{moment:%Y-%m-%d %H:%M:%S}  {text}")
