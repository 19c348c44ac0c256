"""Gives an image another voxel size, with all layers that lie on its pixels, under the eyes of who looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.transforms import Affine

from napari_spoco._qt.annotate.channel_layers import are_channels
from napari_spoco._qt.annotate.image_layers import PARTS, WHOLE, owned
from napari_spoco._qt.layers import layers
from napari_spoco._qt.layers.image_axes import spatial_axes, voxel_size
from napari_spoco._qt.layers.layer_view import displayed_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer
    from napari.layers import Layer
    from numpy.typing import NDArray


def set_voxel_size(
    viewer: napari.viewer.Viewer, image: Layer, size: Sequence[float] | None, also: Sequence[Layer] = ()
) -> None:
    """Set the scale of images and of what lies on their pixels; what is on show of the first stays on show.

    Parameters
    ----------
    viewer
        Whose layers.
    image
        One of them.
    size
        Micrometers per spatial axis; None for pixels of no known size.
    also
        Others that get the same size.
    """
    place, before = _place_on_show(viewer, image), np.array(image.scale)
    for one in (*also, image):
        _resize(viewer, one, size)
    _show_place(viewer, image, place, (np.array(image.scale) / before)[spatial_axes(image)])


def images_alike(viewer: napari.viewer.Viewer, image: Layer) -> list[Layer]:
    """Return the other images with pixels as many and as large, as far as is known, that do not lie on its pixels."""
    on_it = layers_on(viewer, image)
    wanted = layers.spatial_shape(image), voxel_size(image)
    return [
        other
        for other in layers.image_layers(viewer)
        if other != image and other not in on_it and (layers.spatial_shape(other), voxel_size(other)) == wanted
    ]


def _resize(viewer: napari.viewer.Viewer, image: Layer, size: Sequence[float] | None) -> None:
    axes = spatial_axes(image)
    on_it = layers_on(viewer, image)
    ratio = np.array(size or (1.0,) * len(axes)) / image.scale[axes]
    unit = "pixel" if size is None else "micrometer"
    before = _placing(image)
    starts = [before.inverse(layer.translate[spatial_axes(layer)]) for layer in on_it]
    _scale(image, ratio, unit)
    after = _placing(image)
    for layer, start in zip(on_it, starts, strict=True):
        _scale(layer, ratio, unit)
        _put(layer, after(start))


def layers_on(viewer: napari.viewer.Viewer, image: Layer) -> list[Layer]:
    """Return the other layers that lie on the pixels of an image.

    They are the other channels of it, the work boxes cut from it or the whole that it was cut from, and what was made
    or painted for any of them.
    """
    images = [image]
    for one in images:  # It grows meanwhile.
        images += [
            other for other in layers.image_layers(viewer) if other not in images and _is_of_one_grid(one, other)
        ]
    return [layer for layer in owned(viewer, images) if layer != image]


def _is_of_one_grid(image: Layer, other: Layer) -> bool:
    named = [
        layers.identity(a) in (*b.metadata.get(PARTS, ()), b.metadata.get(WHOLE))
        for a, b in ((image, other), (other, image))
    ]
    return any(named) or are_channels(image, other)


def _placing(layer: Layer) -> Affine:
    """Return what leads from pixels of a layer to its world, but for its outer affine, which stays as it is."""
    place = layers.transforms(layer)
    inner = {name: place[name] for name in ("scale", "rotate", "shear")}
    return Affine(**inner, translate=layer.translate[spatial_axes(layer)])


def _scale(layer: Layer, ratio: NDArray[np.float64], unit: str) -> None:
    axes, scale, units = spatial_axes(layer), np.array(layer.scale), list(layer.units)
    scale[axes] *= ratio
    for axis in axes:
        units[axis] = unit
    layer.units = units
    layer.scale = scale


def _put(layer: Layer, translate: NDArray[np.float64]) -> None:
    place = np.array(layer.translate)
    place[spatial_axes(layer)] = translate
    layer.translate = place


def _place_on_show(viewer: napari.viewer.Viewer, image: Layer) -> NDArray[np.float64]:
    """Return the pixel of an image, which may lie between some, in the middle of the view and in the plane on show."""
    world = np.array(viewer.dims.point, dtype=float)
    shown = list(viewer.dims.displayed)
    world[shown] = viewer.scene.camera.center[-len(shown) :]
    return np.array(image.world_to_data(world[-image.ndim :]))


def _show_place(
    viewer: napari.viewer.Viewer, image: Layer, place: NDArray[np.float64], ratio: NDArray[np.float64]
) -> None:
    """Bring a pixel back into the middle, as large as it was on the screen."""
    world, offset = np.array(image.data_to_world(place)), viewer.dims.ndim - image.ndim
    shown = list(viewer.dims.displayed)
    for axis in range(offset, viewer.dims.ndim):
        if axis not in shown:
            viewer.dims.set_point(axis, world[axis - offset])
    camera = viewer.scene.camera
    camera.center = (0.0,) * (3 - len(shown)) + tuple(
        float(world[axis - offset]) if axis >= offset else 0.0 for axis in shown
    )
    displayed, _ = displayed_axes(viewer, image)
    camera.zoom /= float(np.prod(ratio[displayed]) ** (1 / max(len(displayed), 1)))
