"""What the view shows of a layer, and what brings a part of a layer into view."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from napari_spoco._qt.layers.image_axes import spatial_axes
from napari_spoco._qt.layers.layers import spatial_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_spoco.training.process import Box

_SHARE = 1 / 3
"""Of the canvas, that what is brought into view fills."""
_LEAST_EXTENT = 8
"""Pixels, however small it is."""
_MOST, _LEAST = 0.9, 1 / 60
"""Of the canvas, that what is kept in view may fill, and has to."""


def displayed_axes(viewer: napari.viewer.Viewer, layer: Layer) -> tuple[list[int], list[int]]:
    """Return the spatial axes of a layer that are on show, in the order of the view, and those that are not."""
    ndim = len(spatial_axes(layer))
    offset = viewer.dims.ndim - ndim
    displayed = [axis - offset for axis in viewer.dims.displayed if axis >= offset]
    return displayed, [axis for axis in range(ndim) if axis not in displayed]


def look_at(
    viewer: napari.viewer.Viewer, layer: Layer, first: Sequence[int], last: Sequence[int], middle: Sequence[int]
) -> None:
    """Bring a box of pixels (`first` to `last`) into the middle of the view, in the planes of the pixel `middle`."""
    place = (np.array(first) + np.array(last)) / 2
    displayed, hidden = displayed_axes(viewer, layer)
    place[hidden] = np.array(middle)[hidden]
    world = np.array(layer.data_to_world(place))
    for axis in hidden:
        viewer.dims.set_point(axis + viewer.dims.ndim - layer.ndim, world[axis])
    viewer.scene.camera.center = (0.0,) * (3 - len(displayed)) + tuple(world[displayed].tolist())


def plane_axis(viewer: napari.viewer.Viewer, layer: Layer) -> int:
    """Return the axis of a layer along which the view shows one plane; the first one where it shows all in 3D."""
    return next(iter(displayed_axes(viewer, layer)[1]), 0)


def visible_box(viewer: napari.viewer.Viewer, layer: Layer, *, n_pixels: int, n_planes: int) -> tuple[slice, ...]:
    """Return the part of a layer that is on show, in pixels: the middle of it where that is too large.

    Parameters
    ----------
    viewer, layer
        An Image layer of the viewer.
    n_pixels
        Most pixels of the box.
    n_planes
        Most planes of a stack around the one that is on show.
    """
    shape = np.array(spatial_shape(layer))
    displayed, hidden = displayed_axes(viewer, layer)
    axes = spatial_axes(layer)
    here, corners = np.array(layer.world_to_data(viewer.dims.point))[axes], _visible_corners(layer)[:, axes]
    start = np.clip(np.rint(here), 0, shape - 1).astype(int)
    stop = start + 1
    start[displayed] = np.clip(corners[0, displayed], 0, shape[displayed] - 1)
    stop[displayed] = np.clip(corners[1, displayed] + 1, start[displayed] + 1, shape[displayed])
    excess = (np.prod(stop - start) / n_pixels) ** (1 / len(displayed))
    if excess > 1:
        middle, half = (start + stop) // 2, ((stop - start) / excess / 2).astype(int)
        start[displayed] = (middle - half)[displayed]
        stop[displayed] = (middle + np.maximum(half, 1))[displayed]
    n_more = min(n_planes, n_pixels // max(int(np.prod(stop - start)), 1)) // 2
    for axis in hidden:
        start[axis], stop[axis] = max(0, start[axis] - n_more), min(shape[axis], stop[axis] + n_more)
    return tuple(map(slice, start.tolist(), stop.tolist()))


def _visible_corners(layer: Layer) -> NDArray[np.intp]:
    """Return the first and the last pixel on show, (2, ndim); napari counts those of the resolution on show."""
    if not layer.multiscale:
        return layer.corner_pixels
    factors = np.rint(layer.downsample_factors[layer.data_level]).astype(int)
    return layer.corner_pixels * factors + np.stack([np.zeros_like(factors), factors - 1])


def pixel_under(layer: Layer, position: Sequence[float]) -> tuple[int, ...] | None:
    """Return the pixel of a layer at a position in the world; None outside."""
    index = np.rint(layer.world_to_data(position))[spatial_axes(layer)].astype(int)
    inside = (index >= 0) & (index < np.array(spatial_shape(layer)))
    return tuple(index.tolist()) if inside.all() else None


def keep_in_view(viewer: napari.viewer.Viewer, layer: Layer, box: Box, pixel: Sequence[int]) -> None:
    """Bring a box of a layer's pixels into view as far as it is not there, so that whoever works there is not moved.

    The plane on show stays if the box reaches into it; otherwise it becomes that of `pixel`. The camera stays if all of
    the box is in view and fills at least a sixtieth of it. Otherwise the box comes into the middle: at the same zoom,
    or, if it is smaller than that or does not fit (`_MOST`), so that it fills a third of the view.
    """
    displayed, hidden = displayed_axes(viewer, layer)
    here = np.rint(layer.world_to_data(viewer.dims.point))
    for axis in hidden:
        if not box[axis].start <= here[axis] < box[axis].stop:
            place = np.array(layer.data_to_world(pixel))
            viewer.dims.set_point(axis + viewer.dims.ndim - layer.ndim, place[axis])
    corners = np.array([layer.data_to_world(corner) for corner in product(*((b.start, b.stop - 1) for b in box))])
    low, high = corners.min(axis=0)[displayed], corners.max(axis=0)[displayed]
    camera, canvas = viewer.scene.camera, np.array(viewer.canvas.size)
    least = _LEAST_EXTENT * float(layer.scale[displayed].max())
    share = max((high - low).max(), least) * camera.zoom / canvas.min()
    is_of_a_size = _LEAST <= share <= _MOST
    if is_of_a_size and _is_in_view(low, high, np.array(camera.center)[-len(displayed) :], canvas / camera.zoom):
        return
    camera.center = (0.0,) * (3 - len(displayed)) + tuple(((low + high) / 2).tolist())
    if not is_of_a_size:
        camera.zoom *= _SHARE / share


def _is_in_view(
    low: NDArray[np.float64], high: NDArray[np.float64], centre: NDArray[np.float64], view: NDArray[np.float64]
) -> bool:
    """Say whether a view of a height and width around a centre holds a box; in 3D, from wherever it is looked at."""
    if len(low) == 2:
        return bool((np.maximum(centre - low, high - centre) <= view / 2).all())
    away = np.linalg.norm((low + high) / 2 - centre) + np.linalg.norm(high - low) / 2
    return bool(away <= view.min() / 2)


def bring_into_view(viewer: napari.viewer.Viewer, layer: Layer, box: Box) -> None:
    """Bring a box of a layer's pixels into the middle of the view, in its middle plane."""
    first, last = ([getattr(part, end) - shift for part in box] for end, shift in (("start", 0), ("stop", 1)))
    middle = np.rint((np.array(first) + last) / 2)
    place = np.array(layer.data_to_world(middle))
    displayed, hidden = displayed_axes(viewer, layer)
    for axis in hidden:
        viewer.dims.set_point(axis + viewer.dims.ndim - layer.ndim, place[axis])
    camera = viewer.scene.camera
    camera.center = (0.0,) * (3 - len(displayed)) + tuple(place[displayed].tolist())
    extents = [max(box[axis].stop - box[axis].start, _LEAST_EXTENT) * float(layer.scale[axis]) for axis in displayed]
    camera.zoom = _SHARE * min(viewer.canvas.size) / max(extents)
