"""What a review changes in the view, and takes back at its end; the outline of the chosen objects.

The objects under review come to the top, so that neither annotations nor mistakes lie over them, and pictures of
embeddings, which hide the image, are put by. The outline shows the pixels of the layer under review themselves: its
array is a part of theirs, so that nothing is copied or compared, however large an object is. In 3D the chosen objects
shine through all others.
"""

from __future__ import annotations

import warnings
import weakref
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_spoco._qt.layers import MAKER, PASSING, identity, insert_above, take_away, transforms

if TYPE_CHECKING:
    from collections.abc import Mapping

    import napari.viewer
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_spoco.data.label_change import Box

_COLOUR = "white"
"""Of the outline: objects have none of that."""
_THIN = 60
"""How many times as large as the outline is wide the object is."""


class ReviewScene:
    """Holds the view of a viewer as a review of a Labels layer needs it, until `end`."""

    def __init__(self, viewer: napari.viewer.Viewer, layer: Labels) -> None:
        self._viewer, self._layer = viewer, layer
        self._pixels: NDArray[Any] = layer.data
        self._outline: Labels | None = None
        self._marked: dict[int, Box] = {}
        index = viewer.layers.index(layer)
        self._above = [weakref.ref(other) for other in viewer.layers[index + 1 :]]
        pictures = [other for other in viewer.layers if isinstance(other, Image) and MAKER in other.metadata]
        self._hidden = [weakref.ref(picture) for picture in pictures if picture.visible]
        for picture in pictures:
            picture.visible = False
        layer.visible = True
        # It shows whole objects there, which is as well; its own callbacks run before ours could take the outline off.
        warnings.filterwarnings("ignore", "Contours are not displayed during 3D rendering", module="napari")
        _move(viewer, index, len(viewer.layers))

    def mark(self, boxes: Mapping[int, Box]) -> None:
        """Outline the objects of these ids, each of which lies in its box."""
        if boxes == self._marked and (not boxes or self._is_there):
            return
        self._marked = dict(boxes)
        if not boxes:
            if self._outline is not None:
                self._outline.visible = False
            return
        axes = zip(*boxes.values(), strict=True)
        box = tuple(
            slice(max(min(part.start for part in parts) - 1, 0), min(max(part.stop for part in parts) + 1, n))
            for parts, n in zip(axes, self._pixels.shape, strict=True)
        )
        self._show(box, max(part.stop - part.start for one in boxes.values() for part in one))

    def refresh(self) -> None:
        """Show what has become of the pixels."""
        if self._outline is not None:
            self._outline.refresh()

    def end(self, *, is_removal: bool) -> None:
        """Take everything back; `is_removal` as for `take_away`."""
        outline, self._outline = self._outline, None
        if outline is not None:
            take_away(self._viewer, outline, is_removal=is_removal)
        for picture in _alive(self._viewer, self._hidden):
            picture.visible = True
        above = _alive(self._viewer, self._above)
        if self._layer in self._viewer.layers and above:
            place = min(map(self._viewer.layers.index, above))
            _move(self._viewer, self._viewer.layers.index(self._layer), place)

    @property
    def _is_there(self) -> bool:
        return self._outline is not None and self._outline in self._viewer.layers

    def _show(self, box: Box, extent: int) -> None:
        colours = {None: "transparent", 0: "transparent", **dict.fromkeys(self._marked, _COLOUR)}
        placed = transforms(self._layer, [part.start for part in box])
        if not self._is_there:
            metadata = {MAKER: identity(self._layer), PASSING: True}
            look = {"name": f"{self._layer.name} chosen", "opacity": 1, "blending": "translucent_no_depth"}
            self._outline = Labels(self._pixels[box], **look, metadata=metadata, **placed)
        outline = self._outline
        outline.data, outline.translate = self._pixels[box], placed["translate"]
        outline.colormap = DirectLabelColormap(color_dict=colours)
        outline.contour = max(1, round(extent / _THIN))
        outline.visible = True
        if not self._is_there:
            insert_above(self._viewer, self._layer, outline)


def _move(viewer: napari.viewer.Viewer, index: int, place: int) -> None:
    """Move a layer before the one at a place."""
    if place not in (index, index + 1):
        viewer.layers.move(index, place)


def _alive(viewer: napari.viewer.Viewer, layers: list[weakref.ref[Layer]]) -> list[Layer]:
    return [layer for layer in (reference() for reference in layers) if layer is not None and layer in viewer.layers]
