"""Where objects are imported from, and which ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDialog, QFileDialog, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_spoco._qt.forms.layer_choice import LayerChoice
from napari_spoco._qt.forms.parts import buttons, row
from napari_spoco._qt.layers import layers
from napari_spoco.data.label_files import ZARR_SUFFIX

if TYPE_CHECKING:
    import napari.viewer

_IDS_HELP = "Labels of the objects that you trust, such as “1-5, 9”, or “all”."
_LAYER_HELP = (
    "A Labels layer of the shape of the annotations, such as a segmentation; it is taken pixel by pixel. What is "
    "painted already stays, and objects whose label is in use get a new one."
)
_FILE_HELP = (
    "Paint objects of a file of labels into the annotations: TIFF, PNG, NumPy (.npy) or OME-Zarr. Of a .zarr folder, "
    "choose the folder itself and press Open."
)
_FILE_FILTER = "Labels (*.tif *.tiff *.png *.npy *.zarr zarr.json)"
_TITLE_WIDTH = 50


def ask_labels_to_import(parent: QWidget) -> str:
    """Ask for a file or a zarr folder of labels; empty where the user thinks better of it."""
    dialog = LabelFileDialog(parent)
    try:
        return dialog.selectedFiles()[0] if dialog.exec() else ""
    finally:
        dialog.deleteLater()


class LabelFileDialog(QFileDialog):
    """Asks for one file, or for a folder that ends in .zarr, which no dialog of the system would let one open."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, "Import objects", "", _FILE_FILTER)
        self.setOption(QFileDialog.Option.DontUseNativeDialog)
        self.setFileMode(QFileDialog.FileMode.ExistingFile)

    def accept(self) -> None:
        """Take a zarr folder as it is; other folders are entered."""
        chosen = [Path(path) for path in self.selectedFiles()]
        if len(chosen) == 1 and chosen[0].suffix.lower() == ZARR_SUFFIX and chosen[0].is_dir():
            self.done(int(QDialog.DialogCode.Accepted))
        else:
            super().accept()


class ImportForm(QWidget):
    """A layer or a file, and ids."""

    layer_requested = Signal()
    file_requested = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.labels = LayerChoice(viewer, layers.labels_layers, fixed=(("none", "choose a layer"),))
        self.labels.setToolTip(_LAYER_HELP)
        self.ids = QLineEdit()
        self.ids.setPlaceholderText("all")
        self.ids.setToolTip(_IDS_HELP)
        self.layer_button, self.file_button = QPushButton("Import from layer"), QPushButton("From file…")
        self.layer_button.setToolTip("Paint the chosen objects of the layer into the annotations.")
        self.file_button.setToolTip(_FILE_HELP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row(self.labels, title="Layer", title_width=_TITLE_WIDTH))
        layout.addLayout(row(self.ids, title="Labels", title_width=_TITLE_WIDTH))
        layout.addLayout(buttons(self.layer_button, self.file_button))
        self.labels.chosen.connect(self._on_layer_chosen)
        self.layer_button.clicked.connect(self._on_layer_clicked)
        self.file_button.clicked.connect(self._on_file_clicked)
        self._is_possible = False
        self.allow(False)

    def allow(self, is_possible: bool) -> None:
        """Let objects be imported or not."""
        self._is_possible = is_possible
        self.file_button.setEnabled(is_possible)
        self.layer_button.setEnabled(is_possible and self.labels.layer() is not None)

    def _on_layer_chosen(self) -> None:
        self.allow(self._is_possible)

    def _on_layer_clicked(self) -> None:
        self.layer_requested.emit()

    def _on_file_clicked(self) -> None:
        self.file_requested.emit()
