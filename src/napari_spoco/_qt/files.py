"""Loads and saves what the user points to: models, packages, labels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_spoco._qt import paths
from napari_spoco._qt.train.run_folders import model_name
from napari_spoco.models.registry import shipped_path

if TYPE_CHECKING:
    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.export_tab import ExportTab
    from napari_spoco._qt.segment.segment_tab import SegmentTab
    from napari_spoco._qt.train.start_choice import StartChoice


_COUNTED = re.compile(r" \[\d+\]$")
"""How napari tells layers of one name apart."""
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|]+')


class Files(QObject):
    """Asks for paths, and hands them to the session.

    A dialog begins where something was saved last, or else where the image lies. What is saved is what it was opened
    for: while it is open, jobs end, and may choose another result or model.

    Parameters
    ----------
    start, segment, export
        Where the user says what is to be loaded or saved.
    session
        Has the model in use; reads and writes.
    models_folder
        Where to look for a model first.
    """

    def __init__(
        self,
        start: StartChoice,
        segment: SegmentTab,
        export: ExportTab,
        session: SessionController,
        models_folder: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._segment, self._export = segment, export
        self._session, self._models_folder = session, models_folder
        self._last_folder: Path | None = None
        start.shipped_requested.connect(self._on_shipped_requested)
        segment.shipped_requested.connect(self._on_shipped_requested)
        segment.load_requested.connect(self._on_load_requested)
        segment.save_requested.connect(self._on_save_model_requested)
        export.save_requested.connect(self._on_save_labels_requested)
        export.model_requested.connect(self._on_save_model_requested)
        export.package_requested.connect(self._on_save_package_requested)

    def _on_shipped_requested(self, name: str) -> None:
        self._session.load_model(str(shipped_path(name)))

    def _on_load_requested(self) -> None:
        if path := paths.ask_model_to_load(self._segment, self._models_folder):
            self._session.load_model(path, import_into=self._models_folder)

    def _on_save_model_requested(self) -> None:
        model = self._session.model_path
        if path := self._noted(paths.ask_model_to_save(self._export, self._proposed(self._model_name()))):
            self._session.save_model(path, model)

    def _on_save_package_requested(self) -> None:
        model = self._session.model_path
        if path := self._noted(paths.ask_package_to_save(self._export, self._proposed(self._model_name()))):
            self._session.save_package(path, model)

    def _on_save_labels_requested(self) -> None:
        layer, kind = self._export.labels.layer(), str(self._export.format.value())
        labels = self._export.labels_to_write()
        if layer is None or labels is None:
            return
        name = self._proposed(_COUNTED.sub("", layer.name))
        if path := self._noted(paths.ask_labels_to_save(self._export, name, kind)):
            self._session.save_labels(labels, path)

    def _model_name(self) -> str:
        return model_name(self._session.model_path or "model")

    def _proposed(self, name: str) -> str:
        """Return a name for a file, in the folder where the dialog is to begin."""
        folder = self._last_folder or self._export.image_folder()
        name = _NOT_IN_NAMES.sub("-", name)
        return name if folder is None else str(folder / name)

    def _noted(self, path: str) -> str:
        """Return what was chosen, after a note of its folder."""
        if path:
            self._last_folder = Path(path).parent
        return path
