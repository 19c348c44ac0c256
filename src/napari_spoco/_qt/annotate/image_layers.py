"""Which layers belong to which image, and what of them is on show when one image is worked on.

Images that lie over each other are looked at one at a time: those that are put by come back as they were. What the user
has hidden stays so, and layers that are of no image, such as points, are left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np
from napari.layers import Image, Labels

from napari_spoco._qt.annotate.channel_layers import are_channels
from napari_spoco._qt.layers import layers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import napari.viewer
    from napari.layers import Layer

PARTS = "napari-spoco parts"
"""Key of an image's metadata; the value are the `identity` of the layers that are on show in its place."""
WHOLE = "napari-spoco whole"
"""Key of the metadata of an image, or of annotations; the value is the `identity` of those that it is a part of."""
_OPAQUE = ("opaque", "translucent", "translucent_no_depth")
_SHARE = 1 / 2
"""Of the smaller one of two images, that the other one covers where they lie over each other."""


def owner(viewer: napari.viewer.Viewer, layer: Layer | None) -> Layer | None:
    """Return the image that a layer is itself, or was made or painted for; None where it is of no image."""
    return _owner(_by_identity(viewer), layer)


def owned(viewer: napari.viewer.Viewer, images: Collection[Layer]) -> list[Layer]:
    """Return the layers the `owner` of which is one of these images, lowest first."""
    known = _by_identity(viewer)
    return [layer for layer in viewer.layers if _owner(known, layer) in images]


def parts_of(viewer: napari.viewer.Viewer, image: Layer) -> list[Layer]:
    """Return the layers that are on show in place of an image, as far as they are there."""
    wanted = image.metadata.get(PARTS)
    return [layer for layer in viewer.layers if layers.identity(layer) in wanted] if wanted else []


def newest_objects(viewer: napari.viewer.Viewer, image: Layer) -> Layer | None:
    """Return the topmost layer of objects that were found in an image."""
    found = (layer for layer in layers.labels_layers(viewer) if layers.MAKER in layer.metadata)
    known = _by_identity(viewer)
    return next((layer for layer in found if _owner(known, layer) == image), None)


def are_overlaid(viewer: napari.viewer.Viewer, image: Layer, other: Layer) -> bool:
    """Say whether two images are looked at together: as channels, or through one that the user has made transparent.

    napari itself makes the channels of a file transparent, over whatever else is open: these are of their file only.
    """
    if other in parts_of(viewer, image) or image in parts_of(viewer, other) or are_channels(image, other):
        return True
    upper = max(image, other, key=viewer.layers.index)
    if upper.blending in _OPAQUE and upper.opacity == 1:
        return False
    siblings = [layer for layer in layers.image_layers(viewer) if layer.source.path == upper.source.path is not None]
    return len(siblings) <= 1


class ImageStage:
    """Shows the layers of one image, and hides those of the images that lie over or under it."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._hidden: WeakSet[Layer] = WeakSet()  # here; what the user has hidden is not among them

    def show(self, image: Layer, wanted: Sequence[Layer] = ()) -> None:
        """Show an image alone: of its layers those that were put by, and the wanted ones.

        In the grid every layer has its own place: nothing is hidden there.
        """
        own = self.reveal(image)
        for layer in wanted:
            if layer == image and (parts := parts_of(self._viewer, image)):
                _show(parts)
            else:
                _show([layer])
        if self._viewer.canvas.grid.enabled:
            return
        others = [other for other in layers.image_layers(self._viewer) if other not in own]
        hiding = [other for other in others if _is_in_the_way(self._viewer, image, other)]
        self._put_by([layer for layer in self._layers_of(hiding) if layer not in own])

    def reveal(self, image: Layer) -> list[Layer]:
        """Show what was put by of an image, and of the other channels of it; return their layers."""
        images = [image, *(other for other in layers.image_layers(self._viewer) if are_channels(image, other))]
        own = self._layers_of(images)
        back = [layer for layer in own if layer in self._hidden]
        _show(back)
        self._hidden.difference_update(back)
        return own

    def show_all(self) -> None:
        """Show all that was put by."""
        _show([layer for layer in self._viewer.layers if layer in self._hidden])
        self._hidden.clear()

    def _put_by(self, hidden: Sequence[Layer]) -> None:
        for layer in hidden:
            if layer.visible:
                layer.visible = False
                self._hidden.add(layer)

    def _layers_of(self, images: Sequence[Layer]) -> list[Layer]:
        return owned(self._viewer, {*images, *(part for image in images for part in parts_of(self._viewer, image))})


def is_annotation(layer: Layer) -> bool:
    """Say whether a layer was made, or chosen, to be painted on, and is not a result."""
    return isinstance(layer, Labels) and layers.linked_image(layer) is not None and layers.MAKER not in layer.metadata


def _by_identity(viewer: napari.viewer.Viewer) -> dict[str, Layer]:
    return {layers.identity(layer): layer for layer in viewer.layers}


def _owner(known: Mapping[str, Layer], layer: Layer | None) -> Layer | None:
    visited: list[Layer] = []
    while layer is not None and layer not in visited:
        if isinstance(layer, Image) and layers.MAKER not in layer.metadata:
            return layer
        visited.append(layer)
        layer = known.get(layer.metadata.get(layers.LINK, layer.metadata.get(layers.MAKER)))
    return None


def _show(wanted: Sequence[Layer]) -> None:
    for layer in wanted:
        if not layer.visible:  # Else napari would take the brush away.
            layer.visible = True


def _is_in_the_way(viewer: napari.viewer.Viewer, image: Layer, other: Layer) -> bool:
    """Say whether an image hides another one, or shows around it; a part lies on its whole, and needs it."""
    whole = _by_identity(viewer).get(image.metadata[WHOLE]) if WHOLE in image.metadata else None
    if whole is not None and other in (whole, *parts_of(viewer, whole)):
        return False
    return _share_a_place(image, other) and not are_overlaid(viewer, image, other)


def _share_a_place(image: Layer, other: Layer) -> bool:
    """Say whether one of two images covers much of the other, in their planes."""
    first, second = (layer.extent.world[:, -2:] for layer in (image, other))
    common = np.minimum(first[1], second[1]) - np.maximum(first[0], second[0])
    least = min(np.prod(extent[1] - extent[0]) for extent in (first, second))
    return bool(np.prod(np.maximum(common, 0)) > _SHARE * least)
