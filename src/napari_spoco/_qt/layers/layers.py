"""Layers: finds, reads, creates, updates and names them, with all their transforms.

What the view shows of them is known to `layer_view`. Layers come and go at the user's will: nothing here trusts that a
layer of a moment ago is still in the viewer.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes
from napari.utils.transforms import Affine
from qtpy.QtCore import QTimer

from napari_spoco._qt.layers.image_axes import ask_for_axes, axes_of, is_readable, n_channels, pixels_of, spatial_axes
from napari_spoco._qt.layers.redrawing import redrawn
from napari_spoco._qt.layers.sources import Geometry, ImageSource
from napari_spoco.data.channels import describe_axes
from napari_spoco.data.units import alike

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import napari.viewer
    from numpy.typing import NDArray

    from napari_spoco.training.process import Box

MAKER = "napari-spoco"
"""Key of our layers' metadata; the value is the `identity` of the image they belong to."""
PASSING = "napari-spoco passing"
"""Key of the mark of layers that come and go with the pointer or the view."""
LINK = "napari-spoco image"
"""Key of the metadata of annotations and boxes; the value is the `identity` of the image they are painted for."""
FOUND_BY = "napari-spoco found by"
"""Key of the mark of found objects; the value says in JSON by which model and settings (`ModelInUse`)."""
_SLACK = 0.5
"""Pixels by which a side of a rectangle may be off its axis."""
_EPSILON = 1e-6
"""Pixels that transforms may lose."""


def image_layers(viewer: napari.viewer.Viewer) -> list[Layer]:
    """Return the Image layers that are not pictures of ours, topmost first."""
    return [layer for layer in _layers(viewer) if isinstance(layer, Image) and MAKER not in layer.metadata]


def labels_layers(viewer: napari.viewer.Viewer) -> list[Layer]:
    """Return the Labels layers that hold more than a preview, topmost first."""
    return [layer for layer in _layers(viewer) if isinstance(layer, Labels) and not mark_of(layer, PASSING)]


def shapes_layers(viewer: napari.viewer.Viewer) -> list[Layer]:
    """Return the Shapes layers, topmost first."""
    return [layer for layer in _layers(viewer) if isinstance(layer, Shapes)]


def spatial_shape(layer: Layer) -> tuple[int, ...]:
    """Return the shape of the layer's pixels, without channels and colour."""
    shape = tuple(pixels_of(layer).shape)
    return tuple(shape[axis] for axis in spatial_axes(layer))


def describe_image(layer: Layer) -> str:
    """Say how an image is read: "Z 40, channels 3, Y 1024, X 1024; pixels of 1 by 0.2 by 0.2 micrometers"."""
    axes, shape = axes_of(layer), pixels_of(layer).shape
    if not axes:
        return f"{layer.ndim} axes: {ask_for_axes(layer)}."
    places = spatial_axes(layer)
    units = {f"{layer.units[axis]:~P}" for axis in places}
    unit = units.pop() if len(units) == 1 else ""
    sizes = _times(f"{layer.scale[axis]:.4g}" for axis in places)
    size = "" if unit in ("pixel", "px") else f"; pixels of {sizes} {unit}"
    colours = f", colours {n_channels(layer)}" if layer.rgb else ""
    return f"{describe_axes(axes, shape[: layer.ndim])}{colours}{size}"


def read_image(layer: Layer) -> ImageSource:
    """Return a layer's pixels, channels or colours first, with its geometry; nothing is copied or computed.

    The geometry is in micrometers where axes have different units of length.

    Raises
    ------
    ValueError
        The layer has other than 2 or 3 spatial axes, or its channels do not come first.
    """
    data = pixels_of(layer)
    axes = axes_of(layer)
    if not axes:
        raise ValueError(
            f"image: expected 2 or 3 axes besides that of channels, got shape {tuple(data.shape)} in the layer "
            f"“{layer.name}”."
        )
    if not is_readable(layer):
        raise ValueError(
            f"image: expected the channels as first axis, got {describe_axes(axes, data.shape)} in the layer "
            f"“{layer.name}”; press “Put channels first” in Annotate."
        )
    if layer.rgb:
        data = np.moveaxis(data[..., :3], -1, 0)
    return ImageSource(data, _geometry(layer), layer.name)


def labels_pixels(layer: Layer) -> Any:
    """Return the pixels of a Labels layer themselves, to be read only; may be lazy."""
    return pixels_of(layer)


def read_boxes(shapes: Layer, labels: Layer) -> tuple[Box, ...]:
    """Return the rectangles of a Shapes layer as boxes of pixels of a Labels layer, wherever both lie in the world.

    A pixel is inside if its centre is. Along an axis on which a rectangle has no extent, such as that of the planes of
    a stack, it covers the nearest pixel. What is outside of the labels is cut off.

    Raises
    ------
    ValueError
        The layers have different numbers of axes; or a shape is no rectangle, is turned against the pixels, or lies
        outside.
    """
    if shapes.ndim != labels.ndim:
        raise ValueError(
            f"boxes: expected shapes with the {labels.ndim} axes of the annotations, got {shapes.ndim} in the layer "
            f"“{shapes.name}”."
        )
    ratio = _unit_ratio(shapes, labels)
    boxes = []
    for index, (kind, vertices) in enumerate(zip(shapes.shape_type, shapes.data, strict=True)):
        if kind != "rectangle":
            raise ValueError(f"boxes: expected rectangles, got a {kind} as shape {index} of “{shapes.name}”.")
        corners = np.array([labels.world_to_data(shapes.data_to_world(vertex) * ratio) for vertex in vertices])
        boxes.append(_pixel_box(corners, pixels_of(labels).shape, f"shape {index} of “{shapes.name}”"))
    return tuple(boxes)


def add_accepted(viewer: napari.viewer.Viewer, reviewed: Layer, labels: NDArray[np.integer]) -> Layer:
    """Add objects of a Labels layer as annotations, placed like it; an array of int32 is not copied."""
    layer = Labels(labels.astype(np.int32, copy=False), name=f"{reviewed.name} accepted", **transforms(reviewed))
    viewer.add_layer(layer)
    return layer


def add_annotations(viewer: napari.viewer.Viewer, image: Layer) -> Layer:
    """Add an empty Labels layer on the image, selected, ready to paint the first object.

    Raises
    ------
    ValueError
        The image has other than 2 or 3 spatial axes.
    """
    read_image(image)
    empty = np.zeros(spatial_shape(image), dtype=np.int32)
    layer = Labels(empty, name=f"{image.name} annotations", metadata={LINK: identity(image)}, **transforms(image))
    viewer.add_layer(layer)
    viewer.layers.selection.active = layer
    layer.selected_label = 1
    layer.mode = "paint"
    return layer


def label_colours(labels: Layer, ids: NDArray[np.integer]) -> list[tuple[int, ...] | None]:
    """Return the colour of each id, (red, green, blue, opacity) of 255; None for 0."""
    colours = {
        label: tuple((255 * np.asarray(labels.get_color(label))).astype(int).tolist())
        for label in set(ids.tolist()) - {0}
    }
    return [colours.get(label) for label in ids.tolist()]


def show_features(labels: Layer, features: Mapping[str, Any]) -> None:
    """Give a Labels layer a table of its objects, which goes as soon as they are changed."""
    labels.features = features

    def drop(_event: Any = None) -> None:
        labels.features = {}
        for event in changes:
            event.disconnect(drop)

    changes = (labels.events.paint, labels.events.labels_update, labels.events.data)
    for event in changes:
        event.connect(drop)


def watch_painting(layer: Layer, slot: Callable[..., None]) -> None:
    """Call the slot when pixels of a Labels layer may have changed: painting, undo, new data."""
    # `undo` emits neither `paint` nor `data`; redrawings are many, so the slot has to be cheap.
    for event in (layer.events.paint, layer.events.data, redrawn(layer)):
        event.connect(slot)


def unwatch_painting(layer: Layer, slot: Callable[..., None]) -> None:
    """Undo `watch_painting`."""
    for event in (layer.events.paint, layer.events.data, redrawn(layer)):
        event.disconnect(slot)


def _layers(viewer: napari.viewer.Viewer) -> list[Layer]:
    return [layer for layer in viewer.layers if isinstance(layer, Layer)][::-1]


def _geometry(layer: Layer) -> Geometry:
    axes = spatial_axes(layer)
    scale, units = alike([float(layer.scale[axis]) for axis in axes], [str(layer.units[axis]) for axis in axes])
    return Geometry(scale, units, tuple(layer.axis_labels[axis] for axis in axes))


def transforms(layer: Layer, start: Sequence[int] | None = None, axes: Sequence[int] = ()) -> dict[str, Any]:
    """Return everything that places the spatial axes of a layer, or those given, in the world.

    With `start`, a pixel of these axes, it is for the box that begins there.
    """
    axes = list(axes) or spatial_axes(layer)
    is_spatial = np.isin(np.triu_indices(layer.ndim, 1), axes).all(axis=0)  # of each pair of axes that is sheared
    inner = {
        "scale": layer.scale[axes],
        "translate": layer.translate[axes],
        "rotate": layer.rotate[np.ix_(axes, axes)],
        "shear": layer.shear[is_spatial],
    }
    return inner | {
        "translate": Affine(**inner)([0] * len(axes) if start is None else start),
        "affine": layer.affine if len(axes) == layer.ndim else layer.affine.set_slice(axes),
        "units": tuple(layer.units[axis] for axis in axes),
        "axis_labels": tuple(layer.axis_labels[axis] for axis in axes),
    }


def _unit_ratio(layer: Layer, other: Layer) -> NDArray[np.float64]:
    """Return what a layer's world coordinates are multiplied with to be another's; 1 where units tell nothing."""
    try:
        return np.array([to.m_from(1 * unit) for unit, to in zip(layer.units, other.units, strict=True)])
    except TypeError:  # pint's DimensionalityError: pixels have no length.
        return np.ones(layer.ndim)


def _pixel_box(corners: NDArray[np.float64], shape: tuple[int, ...], name: str) -> Box:
    """Return the pixels inside of a rectangle of corners (4, ndim), in pixels."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    from_sides = np.minimum(corners - low, high - corners)
    if from_sides.max() > _SLACK:
        raise ValueError(f"boxes: expected rectangles along the axes of the annotations, got {name}, which is turned.")
    start, stop = np.ceil(low - _EPSILON), np.floor(high + _EPSILON) + 1
    is_flat = stop <= start
    start = np.where(is_flat, np.rint((low + high) / 2), start)
    stop = np.where(is_flat, start + 1, stop)
    start, stop = np.clip(start, 0, shape).astype(int), np.clip(stop, 0, shape).astype(int)
    if (stop <= start).any():
        raise ValueError(f"boxes: expected rectangles inside of the annotations, got {name}, which is outside.")
    return tuple(map(slice, start.tolist(), stop.tolist()))


def linked_image(layer: Layer) -> str | None:
    """Return the `identity` of the image that a layer of annotations or boxes is painted for, if it is known."""
    return layer.metadata.get(LINK)


def link_to_image(layer: Layer, image: Layer | None) -> None:
    """Note for which image a layer is painted; None for none."""
    layer.metadata.pop(LINK, None)
    if image is not None:
        layer.metadata[LINK] = identity(image)


def identity(layer: Layer) -> str:
    return str(layer.unique_id)


def mark(layer: Layer, key: str, value: Any) -> None:
    """Note in a layer's metadata what holds for this layer alone, and not for one that the user makes of it."""
    layer.metadata[key] = (identity(layer), value)


def mark_of(layer: Layer, key: str) -> Any:
    """Return what `mark` has noted at this very layer, else None: napari copies the metadata when it duplicates one."""
    marked, value = layer.metadata.get(key, ("", None))
    return value if marked == identity(layer) else None


def insert_above(viewer: napari.viewer.Viewer, below: Layer, layer: Layer) -> None:
    """Add a layer directly above another one, leaving the selection (and the user's brush) alone."""
    selection = viewer.layers.selection
    selected = set(selection)
    index = viewer.layers.index(below) + 1 if below in viewer.layers else len(viewer.layers)
    viewer.layers.insert(index, layer)
    selection.symmetric_difference_update(selected ^ set(selection))  # At once: napari follows every step.


def take_away(viewer: napari.viewer.Viewer, layer: Layer, *, is_removal: bool) -> None:
    """Remove a layer if it is there; while napari is removing others, which may include it, not before it is done."""
    if is_removal:
        QTimer.singleShot(0, partial(take_away, viewer, layer, is_removal=False))
    elif layer in viewer.layers:
        viewer.layers.remove(layer)


def _times(parts: Any) -> str:
    return " \u00d7 ".join(parts)
