"""What painting tools do with the annotations' layer in its viewer: brush, changes of pixels, rectangles, work boxes.

Everything here is on the event loop; who found out what to change did so in a thread.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Image, Labels, Shapes

from napari_spoco._qt.annotate.image_layers import PARTS, WHOLE
from napari_spoco._qt.annotate.stroke_labels import KEPT
from napari_spoco._qt.layers.image_axes import axes_of, given_names, name_channels, set_axes, with_channel_axis
from napari_spoco._qt.layers.layer_view import displayed_axes, visible_box
from napari_spoco._qt.layers.layers import LINK, identity, spatial_shape, transforms

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_spoco.data.work_box import WorkBox

_PLANE = 2**62
"""More pixels than any plane has."""
_QUICK_PLANE = 2**22
"""Pixels of a plane that is quick to paint on."""
_PART_PIXELS = 2**26
"""Pixels of a part that is cropped in a moment, and fits into memory a few times."""
_WORK_BOX = "napari-spoco work box"
"""Key of the metadata of cropped annotations; the value is a `TakenBox`."""


class TakenBox(NamedTuple):
    """What was cropped, as it was then; and the `identity` of the annotations that it is of."""

    box: WorkBox
    annotations: str


def is_paintable(layer: Layer) -> bool:
    """Return whether the layer holds one array in memory, with 2 or 3 axes."""
    return not layer.multiscale and isinstance(layer.data, np.ndarray) and layer.ndim in (2, 3)


def greatest_id(layer: Labels) -> int:
    """Return the greatest id that the layer, and everybody who reads it as int32, can hold."""
    return min(int(np.iinfo(layer.data.dtype).max), np.iinfo(np.int32).max)


def pixel_size(layer: Layer) -> tuple[str, float]:
    """Return the unit of a length, and the area or volume of a pixel in it; no unit where it has no one length."""
    units = {f"{unit:~P}" for unit in layer.units}
    unit = units.pop() if len(units) == 1 else ""
    return ("" if unit in ("pixel", "px") else unit), float(np.prod(layer.scale))


def take_brush(viewer: napari.viewer.Viewer, layer: Labels, label: int, *, size: int | None = None) -> None:
    """Get ready to paint with an id, in the plane; `size` of the brush is in pixels, None leaves it."""
    viewer.dims.ndisplay = 2
    viewer.layers.selection.active = layer
    layer.visible = True
    layer.n_edit_dimensions = 2
    layer.selected_label = label
    layer.mode = "paint"
    if size is not None:
        layer.brush_size = size


def visible_part(viewer: napari.viewer.Viewer, layer: Layer) -> tuple[slice, ...]:
    """Return the part of an image, or of annotations, that is on show, in pixels of its spatial axes.

    It has all planes of a stack, and the middle of what is on show where that is too large to paint on; of stacks too
    large to be cropped only as many planes as there is room for, around the one on show.
    """
    displayed, hidden = displayed_axes(viewer, layer)
    n_most = _QUICK_PLANE if len(displayed) == 2 else _PART_PIXELS
    plane = visible_box(viewer, layer, n_pixels=n_most, n_planes=1)
    part, shape = list(plane), spatial_shape(layer)
    room = _PART_PIXELS // max(prod(side.stop - side.start for side in plane), 1)
    for axis in hidden:
        n_more = shape[axis] if shape[axis] <= room else room // 2
        part[axis] = slice(max(0, part[axis].start - n_more), min(shape[axis], part[axis].stop + n_more))
    return tuple(part)


def add_part(viewer: napari.viewer.Viewer, image: Image, pixels: NDArray[Any], start: Sequence[int]) -> Image:
    """Add a part of an image, all its channels, that begins at a pixel of its spatial axes, where it lies in the whole.

    Of a hidden image the part is hidden, too: its channels are on show as layers of their own.
    """
    look = {} if image.rgb else {"colormap": image.colormap, "contrast_limits": image.contrast_limits}
    place, axes = transforms(image, start), axes_of(image)
    if "C" in axes:
        place = with_channel_axis(place)
    part = Image(pixels, rgb=image.rgb, name=f"{image.name} box", visible=image.visible, **look, **place)
    part.metadata[WHOLE] = identity(image)
    if PARTS in image.metadata:
        part.metadata[PARTS] = image.metadata[PARTS]
    set_axes(part, axes)
    name_channels(part, given_names(image))
    viewer.add_layer(part)
    return part


def add_taken_box(
    viewer: napari.viewer.Viewer, part: Image, annotations: Labels, box: WorkBox, pixels: NDArray[Any]
) -> Labels:
    """Add the annotations of a part of an image, pixels of the layer's own, where they lie in the whole."""
    kept = {key: value for key, value in annotations.metadata.items() if key == KEPT}
    labels = Labels(
        pixels,
        name=f"{annotations.name} box",
        metadata={**kept, LINK: identity(part)},
        **transforms(annotations, box.start),
    )
    note_taken_box(labels, annotations, box)
    viewer.add_layer(labels)
    return labels


def note_taken_box(labels: Labels, annotations: Labels, box: WorkBox) -> None:
    """Note of which annotations others are a part, and what is known of it."""
    labels.metadata[_WORK_BOX] = TakenBox(box, identity(annotations))


def taken_box(layer: Layer) -> TakenBox | None:
    """Return what annotations of a work box were when it was cropped; None where that is not known."""
    return layer.metadata.get(_WORK_BOX)


def whole_key(layer: Layer) -> str:
    """Return the `identity` of the annotations that others are a part of; empty where that is not known."""
    taken = taken_box(layer)
    return layer.metadata.get(WHOLE, "") if taken is None else taken.annotations


def find_layer(viewer: napari.viewer.Viewer, wanted: str) -> Layer | None:
    """Return the layer of an `identity`; None where it is gone."""
    return next((layer for layer in viewer.layers if identity(layer) == wanted), None)


def add_box_layer(viewer: napari.viewer.Viewer, annotations: Layer) -> Shapes:
    """Add a Shapes layer for rectangles, placed like the annotations."""
    layer = Shapes(
        ndim=annotations.ndim,
        name=f"{annotations.name} boxes",
        face_color="transparent",
        edge_color="#ffb000",
        **transforms(annotations),
    )
    viewer.add_layer(layer)
    return layer


def draw_rectangles(viewer: napari.viewer.Viewer, boxes: Shapes) -> None:
    """Let the mouse draw rectangles."""
    viewer.dims.ndisplay = 2
    viewer.layers.selection.active = boxes
    boxes.mode = "add_rectangle"


def add_visible_rectangle(viewer: napari.viewer.Viewer, boxes: Shapes, annotations: Layer) -> None:
    """Add a rectangle around the pixels of the annotations that are on show, in the plane on show.

    Raises
    ------
    ValueError
        The view is in 3D, or shows nothing of the annotations.
    """
    displayed, hidden = displayed_axes(viewer, annotations)
    if len(displayed) != 2:
        raise ValueError("A box is drawn in a plane: switch the view to 2D first.")
    box = visible_box(viewer, annotations, n_pixels=_PLANE, n_planes=1)
    corners = np.zeros((4, annotations.ndim))
    for axis in hidden:
        corners[:, axis] = box[axis].start
    rows, columns = (box[axis] for axis in displayed)
    corners[:, displayed[0]] = [rows.start, rows.start, rows.stop - 1, rows.stop - 1]
    corners[:, displayed[1]] = [columns.start, columns.stop - 1, columns.stop - 1, columns.start]
    world = [annotations.data_to_world(corner) for corner in corners]
    boxes.add_rectangles(np.array([boxes.world_to_data(corner) for corner in world]))
