"""Which layers are channels of one image, that napari, or the user, has opened one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spoco._qt.layers import image_axes, layers

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image, Layer
    from numpy.typing import NDArray


def likely_channels(viewer: napari.viewer.Viewer, image: Layer) -> list[Image]:
    """Return the layers that are likely channels of one image, lowest first; nothing where there are not two.

    Of all that lie over the given one pixel by pixel these are the selected ones, or those that were opened with it.
    """
    alike = [layer for layer in reversed(layers.image_layers(viewer)) if _is_alike(layer, image)]
    selected = [layer for layer in alike if layer in viewer.layers.selection]
    opened = [layer for layer in alike if layer == image or _is_opened_with(layer, image)]
    return next((group for group in (selected, opened) if len(group) > 1), [])


def are_channels(layer: Layer, other: Layer) -> bool:
    """Say whether two layers are likely channels of one image: pixel over pixel, and opened together."""
    return _is_alike(layer, other) and _is_opened_with(layer, other)


def _is_opened_with(layer: Layer, other: Layer) -> bool:
    """Say whether two layers are of one file.

    Of what is of no file, as all samples are, the colours decide: napari gives each channel its own, and images grey.
    """
    if layer.source.path is not None or other.source.path is not None:
        return bool(layer.source.path == other.source.path)
    return layer.source.sample == other.source.sample and layer.colormap.name != other.colormap.name


def _is_alike(layer: Layer, image: Layer) -> bool:
    """Say whether both are images of one channel, pixel over pixel."""
    return (
        _shapes(layer) == _shapes(image)
        and _is_one_channel(layer)
        and _is_one_channel(image)
        and layer.units == image.units
        and np.allclose(_place(layer), _place(image), rtol=1e-5, atol=1e-12)
    )


def _is_one_channel(layer: Layer) -> bool:
    axes = image_axes.axes_of(layer)
    return not layer.rgb and bool(axes) and "C" not in axes


def _shapes(layer: Layer) -> tuple[bool, list[tuple[int, ...]]]:
    """Return the shape at every resolution, and whether there are several in the layer."""
    return bool(layer.multiscale), [tuple(level.shape) for level in image_axes.levels_of(layer)]


def _place(layer: Layer) -> NDArray[np.float64]:
    """Return all numbers that place a layer in the world."""
    parts = (layer.scale, layer.translate, layer.rotate, layer.shear, layer.affine.affine_matrix)
    return np.concatenate([np.ravel(part) for part in parts])
