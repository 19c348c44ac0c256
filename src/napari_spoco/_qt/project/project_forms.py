"""What a project keeps of the window beside its layers: settings of training and segmentation, model and training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.project.project_job import OpenedProject
    from napari_spoco._qt.segment.segment_tab import SegmentTab
    from napari_spoco._qt.train.train_tab import TrainTab
    from napari_spoco.config import Parameters


class ProjectForms(QObject):
    """Reads and fills the forms of two tabs, and the model of the session."""

    changed = Signal()

    def __init__(
        self, train: TrainTab, segment: SegmentTab, session: SessionController, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._train, self._segment, self._session = train, segment, session
        train.settings.changed.connect(self.changed)
        segment.changed.connect(self.changed)

    def read(self) -> dict[str, Any]:
        """Return what `KeptSession` keeps of the forms; None for a form that cannot be read at the moment."""
        run, model = self._session.resumable, self._session.model_path
        training, segmentation = _read(self._train.settings.config), _read(self._segment.config)
        return {
            "meaning": _read(self._train.settings.annotations),
            "training": None if training is None else training.model_dump_json(indent=2),
            "segmentation": None if segmentation is None else segmentation.model_dump_json(indent=2),
            "model": None if model is None else Path(model),
            "resumable_run": None if run is None else Path(run.folder),
        }

    def show(self, opened: OpenedProject) -> None:
        """Fill the forms, and take the model and the training of a project into use."""
        if opened.training is not None:
            self._train.settings.show_config(opened.training)
        if opened.segmentation is not None:
            self._segment.show_config(opened.segmentation)
        if self._session.state.is_busy:
            return
        if opened.resumable_run is not None:
            self._session.load_model(str(opened.resumable_run), to_resume=True)
        elif opened.model is not None:
            self._session.load_model(str(opened.model))


def _read(read: Callable[[], Parameters]) -> Any:
    try:
        return read()
    except ValueError:
        return None
