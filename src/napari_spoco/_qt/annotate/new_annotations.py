"""Makes annotations of what is no brush stroke: an empty layer, a picked object, objects that were accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt import layers
from napari_spoco._qt.annotate.image_layers import owner
from napari_spoco._qt.notices import Notice

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.embeddings.picking_job import Picked
    from napari_spoco._qt.review.review_job import AcceptedObjects


class NewAnnotations(QObject):
    """Puts annotations into layers, and chooses these in the Annotate tab."""

    noticed = Signal(object)  # Notice
    failed = Signal(object)  # Exception
    begun = Signal(object)  # Layer that is painted on

    def __init__(self, viewer: napari.viewer.Viewer, tab: AnnotateTab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._tab = viewer, tab
        tab.new_requested.connect(self.begin)

    def begin(self) -> None:
        """Choose a new layer, empty, on the chosen image."""
        image = self._tab.image.layer()
        if image is None:
            return
        try:
            annotations = layers.add_annotations(self._viewer, image)
        except ValueError as error:
            self.failed.emit(error)
            return
        self._tab.annotations.choose(annotations)
        self.begun.emit(annotations)

    def add_picked(self, picked: Picked) -> None:
        """Paint the object that was clicked in the chosen image; begin annotations first where there are none."""
        if self._tab.annotations.layer() is None:
            self.begin()
        image, annotations = self._tab.image.layer(), self._tab.annotations.layer()
        is_there = image is not None and annotations is not None
        if not is_there or layers.spatial_shape(annotations) != layers.spatial_shape(image):
            self.failed.emit(ValueError("annotations: expected a Labels layer of the image's shape."))
            return
        label = layers.add_object(annotations, picked.mask, picked.start)
        text = f"Annotated as object {label}; undo takes it back." if label else "That object is annotated already."
        self.noticed.emit(Notice(text))

    def add_accepted(self, reviewed: Layer, accepted: AcceptedObjects) -> None:
        """Choose a new layer of the objects of a Labels layer that were accepted in the review, and their image."""
        if (image := owner(self._viewer, reviewed)) is not None:
            self._tab.image.choose(image)
        self._tab.annotations.choose(layers.add_accepted(self._viewer, reviewed, accepted.labels))
