"""Which annotations belong to which image of the viewer, and which of these pairs are trained on.

A Labels layer is linked to an image when it is made for it, or chosen for it in the Annotate tab; the link is in the
layer's metadata, so that it lives as long as the layer. The pair chosen in the tab always counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate.image_layers import ImageStage, newest_objects, owner
from napari_spoco._qt.layers import layers
from napari_spoco._qt.layers.image_axes import voxel_size
from napari_spoco._qt.train.run_images import RunImage, read_run_images
from napari_spoco._qt.train.training_job import AnnotatedSource

if TYPE_CHECKING:
    from pathlib import Path

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.forms.layer_choice import LayerChoice


@dataclass(frozen=True)
class AnnotatedImage:
    """An Image layer, the Labels layer of its annotations, and the Shapes layer of its boxes, if it has one."""

    image: Layer
    annotations: Layer
    boxes: Layer | None = None

    def source(self) -> AnnotatedSource:
        """Return what a training gets of it; raises ValueError for an image or boxes that cannot be read."""
        boxes = () if self.boxes is None else layers.read_boxes(self.boxes, self.annotations)
        image = layers.read_image(self.image)
        return AnnotatedSource(image, layers.labels_pixels(self.annotations), boxes, self.about())

    def about(self) -> RunImage:
        """Return what the image is known by in the folder of a training."""
        image = self.image
        return RunImage(image.name, layers.identity(image), layers.spatial_shape(image), voxel_size(image))


class AnnotatedImages(QObject):
    """Follows the choices of the Annotate tab, and the layers of the viewer.

    Whoever chooses an image is shown its own annotations and boxes.
    """

    changed = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, annotate: AnnotateTab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._annotate, self.stage = viewer, annotate, ImageStage(viewer)
        annotate.image.chosen.connect(self._on_image_chosen)
        annotate.annotations.chosen.connect(self._on_annotations_chosen)
        annotate.boxes.chosen.connect(self._on_boxes_chosen)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.connect(self._on_layers_changed)

    def current(self) -> AnnotatedImage | None:
        """Return the pair that is chosen in the Annotate tab."""
        image, annotations = self._annotate.image.layer(), self._annotate.annotations.layer()
        if image is None or annotations is None:
            return None
        return AnnotatedImage(image, annotations, self._annotate.boxes.layer())

    def every(self) -> list[AnnotatedImage]:
        """Return every Labels layer that is linked to an image, with it, lowest first; and the chosen pair."""
        images = {layers.identity(image): image for image in layers.image_layers(self._viewer)}
        shapes = layers.shapes_layers(self._viewer)
        current = self.current()
        pairs = []
        for labels in reversed(layers.labels_layers(self._viewer)):
            image = images.get(str(layers.linked_image(labels)))
            if current is not None and labels is current.annotations:
                pairs.append(current)
            elif image is not None:
                boxes = next((s for s in shapes if layers.linked_image(s) == layers.identity(image)), None)
                pairs.append(AnnotatedImage(image, labels, boxes))
        return pairs

    def one_each(self) -> list[AnnotatedImage]:
        """Return one pair per image: the chosen one, or that of its topmost annotations."""
        pairs = {layers.identity(pair.image): pair for pair in self.every()}
        if (current := self.current()) is not None:
            pairs[layers.identity(current.image)] = current
        return list(pairs.values())

    def choose(self, image: Layer) -> None:
        """Choose an image with its own annotations and boxes; what covers it is put by."""
        self._annotate.image.choose(image)
        self._on_image_chosen()
        self.stage.show(image)

    def bring_up(self, image: Layer) -> None:
        """Choose an image as a person does: it is shown with what belongs to it, of which a layer is selected."""
        self._annotate.image.choose(image)
        self._on_image_chosen()
        annotations, objects = self._annotate.annotations.layer(), newest_objects(self._viewer, image)
        self.stage.show(image, [layer for layer in (image, annotations, objects) if layer is not None])
        selection = self._viewer.layers.selection
        if owner(self._viewer, selection.active) not in (None, image):
            selection.active = annotations or image

    def show(self, layer: Layer) -> None:
        """Bring a layer into sight, over the image that it belongs to; what covers it is put by."""
        if (image := owner(self._viewer, layer)) is not None:
            self.stage.show(image, (image, layer))

    def has_annotations(self, image: Layer) -> bool:
        """Say whether something is linked to an image, to be painted on."""
        linked = map(layers.linked_image, layers.labels_layers(self._viewer))
        return layers.identity(image) in linked

    def to_resume(self, folder: str | Path) -> list[AnnotatedImage]:
        """Return the pairs that a training was made on, in its order.

        A training on one image goes on with the chosen pair, as does one that does not say what it was made on.

        Raises
        ------
        ValueError
            Some are missing; the sentence names them.
        """
        wanted, current = read_run_images(folder), self.current()
        if len(wanted) <= 1:
            return [] if current is None else [current]
        pairs = self.one_each()
        found = [_find(image, pairs) for image in wanted]
        missing = [f"“{image.name}”" for image, pair in zip(wanted, found, strict=True) if pair is None]
        if missing:
            names = ", ".join(f"“{image.name}”" for image in wanted)
            raise ValueError(
                f"images: expected those of the training to resume, {names}; {', '.join(missing)} "
                f"{'are' if len(missing) > 1 else 'is'} not open, or without annotations."
            )
        return [pair for pair in found if pair is not None]

    def release(self) -> None:
        """Let go of the viewer."""
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.disconnect(self._on_layers_changed)

    def _on_layers_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self.changed.emit()

    def _on_image_chosen(self) -> None:
        image = self._annotate.image.layer()
        if image is not None:
            self._show_own(self._annotate.annotations, layers.labels_layers(self._viewer), image)
            self._show_own(self._annotate.boxes, layers.shapes_layers(self._viewer), image)
        self.changed.emit()

    def _show_own(self, choice: LayerChoice, candidates: list[Layer], image: Layer) -> None:
        """Choose what is linked to the image; what is linked to another one is not left chosen."""
        chosen, wanted = choice.layer(), layers.identity(image)
        if chosen is not None and layers.linked_image(chosen) in (wanted, None):
            return
        own = next((layer for layer in candidates if layers.linked_image(layer) == wanted), None)
        others = {layers.identity(layer) for layer in layers.image_layers(self._viewer)}
        if own is not None:
            choice.choose(own)
        elif chosen is not None and layers.linked_image(chosen) in others:
            choice.choose("none")

    def _on_annotations_chosen(self) -> None:
        pair = self.current()
        if pair is not None and layers.spatial_shape(pair.image) == layers.spatial_shape(pair.annotations):
            layers.link_to_image(pair.annotations, pair.image)
        self.changed.emit()

    def _on_boxes_chosen(self) -> None:
        image, boxes = self._annotate.image.layer(), self._annotate.boxes.layer()
        if image is None:
            return
        for layer in layers.shapes_layers(self._viewer):
            if layers.linked_image(layer) == layers.identity(image):
                layers.link_to_image(layer, None)
        if boxes is not None:
            layers.link_to_image(boxes, image)
        self.changed.emit()


def _find(wanted: RunImage, pairs: list[AnnotatedImage]) -> AnnotatedImage | None:
    """Return the pair of the very layer, or of one of that name and shape."""
    very = [pair for pair in pairs if layers.identity(pair.image) == wanted.identity]
    alike = [
        pair
        for pair in pairs
        if pair.image.name == wanted.name and layers.spatial_shape(pair.image) == tuple(wanted.shape)
    ]
    return next(iter(very + alike), None)
