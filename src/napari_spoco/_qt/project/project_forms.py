"""What a project keeps of the window beside its layers: settings of training and segmentation, model and training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.notices import Notice
from napari_spoco._qt.session import SessionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.project.project_job import OpenedProject
    from napari_spoco._qt.segment.segment_tab import SegmentTab
    from napari_spoco._qt.train.run_folders import Run
    from napari_spoco._qt.train.train_tab import TrainTab
    from napari_spoco.config import Parameters


class ProjectForms(QObject):
    """Reads and fills the forms of two tabs, and the model of the session."""

    changed = Signal()
    noticed = Signal(object)  # Notice

    def __init__(
        self, train: TrainTab, segment: SegmentTab, session: SessionController, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._train, self._segment, self._session = train, segment, session
        self._work: tuple[str | Path | None, Run | None] = (None, None)
        self._interrupted = ""
        session.run_opened.connect(self._on_run_opened)
        train.settings.changed.connect(self.changed)
        segment.changed.connect(self.changed)
        train.train_on.changed.connect(self.changed)

    @property
    def may_show(self) -> bool:
        """Whether a model may be taken into use: nothing else runs."""
        return not self._session.state.is_busy

    def read(self) -> dict[str, Any]:
        """Return what `KeptSession` keeps of the forms; None for a form that cannot be read at the moment."""
        training, segmentation = _read(self._train.settings.config), _read(self._segment.config)
        return {
            "meaning": _read(self._train.settings.annotations),
            "training": None if training is None else training.model_dump_json(indent=2),
            "segmentation": None if segmentation is None else segmentation.model_dump_json(indent=2),
            "train_on": self._train.train_on.wish.model_dump_json(indent=2),
            **self._read_work(),
            "is_training": self._session.state in (SessionState.TRAINING, SessionState.STOPPING),
        }

    def show(self, opened: OpenedProject) -> None:
        """Fill the forms, take the model of a project into use, and offer its training; when `may_show`."""
        if opened.training is not None:
            self._train.settings.show_config(opened.training)
        if opened.segmentation is not None:
            self._segment.show_config(opened.segmentation)
        if opened.train_on is not None:
            self._train.train_on.show_wish(opened.train_on)
        self._work, self._interrupted = (opened.model, opened.run), opened.interrupted
        self._session.restore(None if opened.model is None else str(opened.model), opened.run)

    def _on_run_opened(self) -> None:
        """Say why there is a training to be resumed, after its model has been loaded."""
        interrupted, self._interrupted = self._interrupted, ""
        if interrupted:
            self.noticed.emit(Notice(interrupted))

    def _read_work(self) -> dict[str, Path | None]:
        """Return what `ProjectWork` has of the session; as it was before, while a model is on its way."""
        if self._session.state is not SessionState.LOADING:
            self._work = self._session.model_path, self._session.kept_run
        model, run = self._work
        folder, start = (None, None) if run is None else (run.folder, run.start_from)
        files = {"model": model, "run": folder, "start": start}
        return {name: None if file is None else Path(file) for name, file in files.items()}


def _read(read: Callable[[], Parameters]) -> Any:
    try:
        return read()
    except ValueError:
        return None
