"""Rectangles in which everything is annotated: drawn with the mouse, or around what is on show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate import annotation_layer
from napari_spoco._qt.notices import Notice

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Shapes

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab


class BoxDrawing(QObject):
    """Makes the Shapes layer of the tab's choice where there is none, and rectangles in it."""

    noticed = Signal(object)  # Notice

    def __init__(self, viewer: napari.viewer.Viewer, tab: AnnotateTab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._tab = viewer, tab
        tab.drawing_requested.connect(self.draw)
        tab.view_box_requested.connect(self.add_view)

    def draw(self) -> None:
        """Let the mouse draw rectangles."""
        if (boxes := self._boxes()) is not None:
            annotation_layer.draw_rectangles(self._viewer, boxes)
            self._say("Draw a rectangle around a region in which every object is painted.")

    def add_view(self) -> None:
        """Add a rectangle around what is on show."""
        annotations = self._tab.annotations.layer()
        if annotations is None or (boxes := self._boxes()) is None:
            return
        active = self._viewer.layers.selection.active
        try:
            annotation_layer.add_visible_rectangle(self._viewer, boxes, annotations)
        except ValueError as error:
            self.noticed.emit(Notice(str(error), "bad"))
            return
        self._viewer.layers.selection.active = active
        self._say("What is on show counts as fully annotated: what is unpainted there is background.")

    def _boxes(self) -> Shapes | None:
        """Return the chosen layer, or a new one; None where there are no annotations."""
        annotations, boxes = self._tab.annotations.layer(), self._tab.boxes.layer()
        if annotations is not None and boxes is None:
            active = self._viewer.layers.selection.active
            boxes = annotation_layer.add_box_layer(self._viewer, annotations)
            self._viewer.layers.selection.active = active
            self._tab.boxes.choose(boxes)
        return boxes

    def _say(self, text: str) -> None:
        self.noticed.emit(Notice(text))
