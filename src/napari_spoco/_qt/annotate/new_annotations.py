"""Makes annotations of what is no brush stroke: an empty layer, a picked object, objects that were accepted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate.annotation_layer import is_paintable
from napari_spoco._qt.annotate.image_layers import owner
from napari_spoco._qt.layers import adding_job, layers
from napari_spoco._qt.layers.adding import ObjectAdding
from napari_spoco._qt.notices import Notice

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.embeddings.picking_job import Picked
    from napari_spoco._qt.layers.adding_job import FreePixels
    from napari_spoco._qt.review.review_job import AcceptedObjects

_STOPPED = Notice("The objects are not added: the part of them that was there is undone.")


class NewAnnotations(QObject):
    """Puts annotations into layers, and chooses these in the Annotate tab."""

    noticed = Signal(object)  # Notice
    failed = Signal(object)  # Exception
    begun = Signal(object)  # Layer that is painted on

    def __init__(self, viewer: napari.viewer.Viewer, tab: AnnotateTab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._tab = viewer, tab
        self._adding = ObjectAdding(self)
        self._adding.failed.connect(self.failed)
        self._adding.stopped.connect(self._on_stopped)
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
        if not is_paintable(annotations):
            text = f"annotations: expected pixels in memory, to paint on, got others in the layer “{annotations.name}”."
            self.failed.emit(ValueError(f"{text} Press New for others."))
            return
        self._adding.add(annotations, self._on_picked_added, adding_job.run_finding_rest, picked.mask, picked.start)

    def add_accepted(self, reviewed: Layer, accepted: AcceptedObjects) -> None:
        """Add objects that were accepted in the review to the annotations of their image, or to new ones.

        An object on which something is painted already is left out: it would have two ids.
        """
        if (image := owner(self._viewer, reviewed)) is not None:
            self._tab.image.choose(image)
        annotations = self._annotations_of(image, accepted.labels.shape)
        if annotations is None:
            annotations = layers.add_accepted(self._viewer, reviewed, accepted.labels)
            text = f"{_count(len(accepted.ids))} now the annotations, in “{annotations.name}”."
            self.noticed.emit(Notice(text, "good"))
        else:
            on_added = partial(self._on_accepted_added, annotations.name, len(accepted.ids))
            self._adding.add(annotations, on_added, adding_job.run_finding_whole, accepted.labels, accepted.boxes)
        self._tab.annotations.choose(annotations)

    def _on_picked_added(self, added: FreePixels) -> None:
        text = "That object is annotated already."
        if added.n_objects:
            text = f"Annotated as object {added.ids[0]}; undo takes it back."
        self.noticed.emit(Notice(text))

    def _on_accepted_added(self, name: str, n_accepted: int, added: FreePixels) -> None:
        text = f"{_count(added.n_objects)} added to “{name}”; undo there takes that back."
        if n_left := n_accepted - added.n_objects:
            text += f" {_count(n_left)} painted on already, and left as painted."
        self.noticed.emit(Notice(text, "good"))

    def _on_stopped(self) -> None:
        self.noticed.emit(_STOPPED)

    def _annotations_of(self, image: Layer | None, shape: tuple[int, ...]) -> Layer | None:
        """Return the annotations of an image: those that are chosen, or the topmost ones; None where none fit."""
        if image is None:
            return None
        key = layers.identity(image)
        own = [layer for layer in layers.labels_layers(self._viewer) if layers.linked_image(layer) == key]
        fitting = [layer for layer in own if isinstance(layer.data, np.ndarray) and layer.data.shape == shape]
        chosen = self._tab.annotations.layer()
        return chosen if chosen in fitting else next(iter(fitting), None)


def _count(n_objects: int) -> str:
    return f"{n_objects} accepted {'object is' if n_objects == 1 else 'objects are'}"
