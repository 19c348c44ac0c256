"""Export: which labels to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton

from napari_spoco._qt import layers
from napari_spoco._qt.layer_choice import LayerChoice
from napari_spoco._qt.parts import row, show_control
from napari_spoco._qt.tabs import Tab

if TYPE_CHECKING:
    import napari.viewer

    from napari_spoco._qt.session import Controls


class ExportTab(Tab):
    """Choose a Labels layer and save it."""

    chosen = Signal()
    save_requested = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__("Export")
        self.labels = LayerChoice(viewer, layers.labels_layers, fixed=(("none", "no labels"),))
        self.save_button = QPushButton()
        self.column.addLayout(row(self.labels, self.save_button))
        self.labels.chosen.connect(self.chosen)
        self.save_button.clicked.connect(self._on_save_clicked)

    def show_controls(self, controls: Controls) -> None:
        """Show what may be pressed."""
        show_control(self.save_button, controls.save_labels)

    def release(self) -> None:
        """Let go of the viewer."""
        self.labels.disconnect_viewer()

    def _on_save_clicked(self) -> None:
        self.save_requested.emit()
