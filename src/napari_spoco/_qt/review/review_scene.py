"""What a review changes in the view, and takes back at its end; the outline of the chosen objects.

The objects under review come to the top, so that neither annotations nor mistakes lie over them, and pictures of
embeddings, which hide the image, are put by. The outline, white with black inside of it, is seen on bright and dark,
however far away one looks from. It shows the pixels of the layer under review themselves: its arrays are parts of
theirs, so that nothing is copied or compared, however large an object is. In 3D the chosen objects shine through all
others.
"""

from __future__ import annotations

import warnings
import weakref
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap

from napari_spoco._qt.layers.layers import MAKER, PASSING, identity, insert_above, mark, take_away, transforms

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import napari.viewer
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_spoco.data.label_change import Box

_LINES = (("chosen", "white", 1), ("chosen inside", "black", 2))
"""Of the outline, those in front first: name, colour, and how many widths of a line they reach into the object."""
_WIDTH = 2
"""Of a line, pixels of the screen."""
_THIN = 12
"""How many times as large as a line is wide the object is, at least."""


class ReviewScene:
    """Holds the view of a viewer as a review of a Labels layer needs it, until `end`."""

    def __init__(self, viewer: napari.viewer.Viewer, layer: Labels) -> None:
        self._viewer, self._layer = viewer, layer
        self._pixels: NDArray[Any] = layer.data
        self._outline: list[Labels] = []
        self._extent = 1
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
        viewer.scene.camera.events.zoom.connect(self._on_zoomed)

    def mark(self, boxes: Mapping[int, Box]) -> None:
        """Outline the objects of these ids, each of which lies in its box."""
        if boxes == self._marked and (not boxes or self._is_there):
            return
        self._marked = dict(boxes)
        if not boxes:
            for line in self._outline:
                line.visible = False
            return
        axes = zip(*boxes.values(), strict=True)
        box = tuple(
            slice(max(min(part.start for part in parts) - 1, 0), min(max(part.stop for part in parts) + 1, n))
            for parts, n in zip(axes, self._pixels.shape, strict=True)
        )
        self._extent = max(part.stop - part.start for one in boxes.values() for part in one[-2:])
        self._show(box)

    def refresh(self) -> None:
        """Show what has become of the pixels."""
        for line in self._outline:
            line.refresh()

    def end(self, *, is_removal: bool) -> None:
        """Take everything back; `is_removal` as for `take_away`."""
        self._viewer.scene.camera.events.zoom.disconnect(self._on_zoomed)
        outline, self._outline = self._outline, []
        for line in outline:
            take_away(self._viewer, line, is_removal=is_removal)
        for picture in _alive(self._viewer, self._hidden):
            picture.visible = True
        above = _alive(self._viewer, self._above)
        if self._layer in self._viewer.layers and above:
            place = min(map(self._viewer.layers.index, above))
            _move(self._viewer, self._viewer.layers.index(self._layer), place)

    @property
    def _is_there(self) -> bool:
        return bool(self._outline) and all(line in self._viewer.layers for line in self._outline)

    @property
    def _width(self) -> int:
        """Of a line, in pixels of the layer."""
        wanted = _WIDTH / (self._viewer.scene.camera.zoom * float(self._layer.scale[-1]))
        return max(1, min(round(wanted), self._extent // _THIN))

    def _show(self, box: Box) -> None:
        placed = transforms(self._layer, [part.start for part in box])
        is_there = self._is_there
        if not is_there:
            for line in filter(self._viewer.layers.__contains__, self._outline):
                self._viewer.layers.remove(line)
            look = {"opacity": 1, "blending": "translucent_no_depth"}
            look["metadata"] = {MAKER: identity(self._layer)}
            names = [f"{self._layer.name} {name}" for name, *_ in _LINES]
            look["visible"] = False
            self._outline = [Labels(self._pixels[box], name=name, **look, **placed) for name in names]
            for line in self._outline:
                mark(line, PASSING, True)
        for line, (_, colour, n_widths) in zip(self._outline, _LINES, strict=True):
            line.visible = False  # napari draws what is in sight anew with each of these steps.
            line.data, line.translate = self._pixels[box], placed["translate"]
            line.colormap = _only(self._marked, colour)
            line.contour = n_widths * self._width
            line.visible = True
        for line in () if is_there else self._outline:
            insert_above(self._viewer, self._layer, line)

    def _on_zoomed(self, _event: Any = None) -> None:
        for line, (*_, n_widths) in zip(self._outline, _LINES, strict=False):
            if line.visible and line.contour != n_widths * self._width:
                line.contour = n_widths * self._width


def _only(ids: Collection[int], colour: str) -> CyclicLabelColormap | DirectLabelColormap:
    """Make a colormap in which these ids have a colour, and no others.

    For one it is napari's selection, which compares the ids. Colours by label, which there have to be for several, take
    twice as long each time, and half a second at the first time (`review_job.run_measuring` gets them ready).
    """
    if len(ids) == 1:
        (only,) = ids
        return CyclicLabelColormap(
            colors=("transparent", colour), background_value=0, use_selection=True, selection=only
        )
    return DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", **dict.fromkeys(ids, colour)})


def _move(viewer: napari.viewer.Viewer, index: int, place: int) -> None:
    """Move a layer before the one at a place."""
    if place not in (index, index + 1):
        viewer.layers.move(index, place)


def _alive(viewer: napari.viewer.Viewer, layers: list[weakref.ref[Layer]]) -> list[Layer]:
    return [layer for layer in (reference() for reference in layers) if layer is not None and layer in viewer.layers]
