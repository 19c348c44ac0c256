"""How the pixels of a layer are read: which of its axes hold planes, rows, columns, and channels.

Layers do not say. What is guessed (`data.channels.guess_axes`), or what the user has said instead, is kept in the
layer's metadata, so that it lives as long as the layer. napari lays axes over each other from the last one on:
annotations lie on the planes of an image only if its channels come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_spoco.data.channels import POSSIBLE_AXES, SERIES_AXES, guess_axes, guess_series
from napari_spoco.data.units import in_micrometers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Layer

AXES = "napari-spoco axes"
"""Key of an image's metadata; the value is one of `POSSIBLE_AXES` or `SERIES_AXES`."""
CHANNELS = "napari-spoco channels"
"""Key of an image's metadata; the value are the names of its channels."""
COLOURS = ("red", "green", "blue")


def pixels_of(layer: Layer) -> Any:
    """Return the pixels of a layer, at full resolution; may be lazy."""
    return levels_of(layer)[0]


def levels_of(layer: Layer) -> list[Any]:
    """Return the pixels of a layer at every resolution it has, the finest first; may be lazy."""
    return [*layer.data] if layer.multiscale else [layer.data]


def possible_axes(layer: Layer) -> tuple[str, ...]:
    """Return how a layer may be read, without the colours of pixels; nothing where it cannot be."""
    possible = POSSIBLE_AXES.get(layer.ndim, ())
    if not isinstance(layer, Image) or layer.rgb:
        return tuple(axes for axes in possible if "C" not in axes)
    return possible


def axes_of(layer: Layer) -> str:
    """Return how a layer is read, one of `possible_axes`; empty where it cannot be."""
    possible = possible_axes(layer)
    if len(possible) < 2:
        return "".join(possible)
    said = layer.metadata.get(AXES)
    if said in possible:
        return str(said)
    if said in possible_series(layer):
        return ""
    return guess_axes(pixels_of(layer).shape, names=layer.axis_labels, scale=layer.scale)


def series_axes(layer: Layer) -> str:
    """Return the axes of an image that is a time series, which is not readable as it is; empty for all other layers."""
    if not isinstance(layer, Image) or layer.rgb or axes_of(layer):
        return ""
    said = layer.metadata.get(AXES)
    if said in possible_series(layer):
        return str(said)
    return guess_series(pixels_of(layer).shape, names=layer.axis_labels, scale=layer.scale)


def possible_series(layer: Layer) -> tuple[str, ...]:
    """Return what a layer may be if it is a time series."""
    return SERIES_AXES.get(layer.ndim, ()) if isinstance(layer, Image) and not layer.rgb else ()


def ask_for_axes(layer: Layer) -> str:
    """Say what to do about an image whose axes are not known."""
    if series_axes(layer):
        return "a time series: go to a time point, and press Take this time point"
    return "say which ones they are" if possible_axes(layer) else "choose an image with 2 or 3, besides channels"


def set_axes(layer: Layer, axes: str) -> None:
    """Read a layer in another one of its `possible_axes`, or take it for one of its `possible_series`."""
    layer.metadata[AXES] = axes


def spatial_axes(layer: Layer) -> list[int]:
    """Return the indices of a layer's axes that are no channels."""
    channels = axes_of(layer).find("C")
    return [axis for axis in range(layer.ndim) if axis != channels]


def voxel_size(layer: Layer) -> tuple[float, ...] | None:
    """Return the distance of neighbouring pixels per spatial axis in micrometers; None where it is not known.

    It is not where the layer's unit is no length: pixels, which napari takes where a file or its reader is silent.
    """
    axes = spatial_axes(layer)
    scale, units = [float(layer.scale[axis]) for axis in axes], [str(layer.units[axis]) for axis in axes]
    try:
        return in_micrometers(scale, units, len(axes))
    except ValueError:
        return None


def n_channels(layer: Layer) -> int:
    """Return how many channels, or colours, an image has."""
    if layer.rgb:
        return len(COLOURS)
    axis = axes_of(layer).find("C")
    return 1 if axis < 0 else int(pixels_of(layer).shape[axis])


def channel_names(layer: Layer) -> tuple[str, ...]:
    """Return what the channels, or colours, of an image are called; their numbers where they have no names."""
    names, n = COLOURS if layer.rgb else given_names(layer), n_channels(layer)
    return names if len(names) == n else tuple(map(str, range(n)))


def given_names(layer: Layer) -> tuple[str, ...]:
    """Return the names that the channels of an image were given; empty where they have none."""
    return tuple(layer.metadata.get(CHANNELS, ()))


def name_channels(layer: Layer, names: Sequence[str]) -> None:
    """Call the channels of an image so; by their numbers where there are no names."""
    layer.metadata[CHANNELS] = tuple(names)


def is_readable(layer: Layer) -> bool:
    """Say whether `layers.read_image` takes an image as it is."""
    return axes_of(layer).find("C", 1) < 0 and bool(axes_of(layer))


def at_index(layer: Layer, axis: int, index: int) -> list[Any]:
    """Return the pixels of an image at one place of an axis, at every resolution; nothing is copied."""
    key = (slice(None),) * axis + (index,)
    return [_lazy(level)[key] for level in levels_of(layer)]


def put_channels_first(layer: Layer) -> None:
    """Move the axis of the channels to the front, with everything that places the layer; no pixel is copied.

    Axes that nobody has named get names, which the view shows at its sliders.

    Raises
    ------
    ValueError
        The layer is sheared.
    """
    if np.any(layer.shear):
        raise ValueError(f"image: expected a layer without shear to put its channels first, got “{layer.name}”.")
    axes = axes_of(layer)
    order = [axes.find("C"), *spatial_axes(layer)]
    units, names = list(layer.units), _axis_names(layer.axis_labels, axes)
    scale, translate, rotate = np.array(layer.scale), np.array(layer.translate), np.array(layer.rotate)
    affine = np.array(layer.affine.affine_matrix)
    layer.metadata[AXES] = "C" + axes.replace("C", "")
    if layer.multiscale:
        layer.data = [_moved(level, order) for level in layer.data]
    else:
        layer.data = _moved(layer.data, order)
    layer.scale, layer.translate, layer.rotate = scale[order], translate[order], rotate[np.ix_(order, order)]
    layer.affine = affine[np.ix_([*order, -1], [*order, -1])]
    layer.units = [units[index] for index in order]
    layer.axis_labels = [names[index] for index in order]


def with_channel_axis(place: Mapping[str, Any]) -> dict[str, Any]:
    """Return what places an image without channels in the world, for one with its channels first."""
    labels: Sequence[str] = place.get("axis_labels") or ()
    names = {"axis_labels": ("c", *_axis_names(labels, "ZYX"[-len(labels) :]))} if labels else {}
    units = {"units": ("pixel", *place["units"])} if place.get("units") else {}
    affine = {"affine": np.array(place["affine"])} if "affine" in place else {}
    return {**place, **names, **units, **affine}  # napari itself puts an axis in front of the others, of arrays.


def _axis_names(labels: Sequence[str], axes: str) -> Sequence[str]:
    """Return the names of axes; where napari has numbered them from the last one on, their letters."""
    return list(axes.lower()) if any(label.startswith("-") for label in labels) else labels


def _moved(pixels: Any, order: list[int]) -> Any:
    return _lazy(pixels).transpose(order)


def _lazy(pixels: Any) -> Any:
    """Return an array that can be turned and cut without being read: those of zarr cannot."""
    if hasattr(pixels, "transpose"):
        return pixels
    from dask.array import from_array

    return from_array(pixels)
