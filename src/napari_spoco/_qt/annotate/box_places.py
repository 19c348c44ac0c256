"""Which image is a part of which other one: a work box lies on the pixels of the image that it was cropped from.

It is noted when it is cropped, and kept with the project. Where the box comes back without its whole, nobody knows of
that, but it is called after its whole, and lies in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spoco._qt.annotate.annotation_layer import find_layer
from napari_spoco._qt.annotate.image_layers import WHOLE
from napari_spoco._qt.layers.image_axes import spatial_axes
from napari_spoco._qt.layers.layers import image_layers, labels_layers, linked_image, spatial_shape

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

_OFF = 0.01
"""Pixels by which rounding may move a box."""


def whole_of(viewer: napari.viewer.Viewer, part: Layer) -> Layer | None:
    """Return the image that an image was cropped from; None where it is no part, or the whole is not there."""
    noted = find_layer(viewer, part.metadata.get(WHOLE, ""))
    if noted is not None:
        return noted
    for image in image_layers(viewer):
        if image != part and part.name.startswith(f"{image.name} box") and place_in(image, part) is not None:
            return image
    return None


def place_in(whole: Layer, part: Layer) -> tuple[slice, ...] | None:
    """Return which pixels of an image, by its spatial axes, a part of it covers; None where it does not lie on them."""
    shapes = spatial_shape(whole), spatial_shape(part)
    if len(shapes[0]) != len(shapes[1]) or whole.ndim != part.ndim or whole.units != part.units:
        return None
    axes, last = spatial_axes(whole), np.array(shapes[1]) - 1
    first, end = (_pixel(whole, part, corner) for corner in (np.zeros_like(last), last))
    start = np.rint(first[axes]).astype(int)
    is_on_pixels = np.abs(first[axes] - start).max() < _OFF and np.abs(end[axes] - start - last).max() < _OFF
    is_inside = (start >= 0).all() and (start + last < shapes[0]).all()
    return tuple(map(slice, start.tolist(), (start + last + 1).tolist())) if is_on_pixels and is_inside else None


def annotations_of(viewer: napari.viewer.Viewer, whole: Layer) -> Layer | None:
    """Return the topmost layer that is painted on for an image, and lies on its pixels."""
    linked = (labels for labels in labels_layers(viewer) if linked_image(labels) == str(whole.unique_id))
    return next((labels for labels in linked if spatial_shape(labels) == spatial_shape(whole)), None)


def _pixel(whole: Layer, part: Layer, corner: np.ndarray) -> np.ndarray:
    """Return where a pixel of a part lies in the whole, in its pixels."""
    place = np.zeros(part.ndim)
    place[spatial_axes(part)] = corner
    return np.array(whole.world_to_data(part.data_to_world(place)))
