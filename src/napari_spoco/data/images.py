"""Images as the rest of the package sees them: channel first, finite, with the scale of their axes.

This module alone knows which arrays are images. It does not know networks: patch sizes and strides are
checked where they matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.channels import take_channels
from napari_spoco.data.tiff import TiffSeries, read_geometry, read_series
from napari_spoco.data.units import alike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_spoco.config import Normalization

MAX_PERCENTILE_PIXELS = 4_000_000
"""Percentiles of larger channels are estimated from about so many of their pixels."""

GreyValues = tuple[tuple[float, float], ...]
"""Per channel, the intensities that become 0 and 1."""

_SPATIAL_AXES = {2: "YX", 3: "ZYX"}


@dataclass(frozen=True, eq=False)
class SourceImage:
    """An image with the geometry of its file.

    Attributes
    ----------
    data : ndarray
        (C, *spatial), as `as_channels_first` returns it.
    scale : tuple of float
        Distance of neighbouring pixels per spatial axis, in `units`.
    units : tuple of str
        Unit per spatial axis; "pixel" where the file gives none.
    axis_labels : tuple of str
        Names of the spatial axes: ("y", "x") or ("z", "y", "x").
    name : str
        File name without suffix.
    """

    data: NDArray[Any]
    scale: tuple[float, ...]
    units: tuple[str, ...]
    axis_labels: tuple[str, ...]
    name: str


def as_channels_first(
    image: ArrayLike,
    *,
    ndim: int,
    channels: Sequence[int] | None = None,
    name: str = "image",
    may_be_constant: bool = False,
) -> NDArray[Any]:
    """Return a valid image with its channel axis first.

    Parameters
    ----------
    image : array-like
        (*spatial) or (C, *spatial) with `ndim` spatial axes, integer or floating.
    ndim : int
        Number of spatial axes, 2 or 3.
    channels : sequence of int, optional
        Which channels to take (`take_channels`); the others may be what they like. All if None.
    name : str
        Name of the argument in error messages.
    may_be_constant : bool
        Take an image without contrast, as a part of one may be.

    Returns
    -------
    ndarray
        (C, *spatial); integers keep their type, other floats become float32. Not a copy where none is needed.

    Raises
    ------
    ValueError
        Wrong number of axes, no such channels, channels last, empty, boolean, complex or non-numeric, NaN or infinite,
        constant unless it may be.
    """
    array = np.asarray(image)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected integers or floats, got {array.dtype}")
    if array.ndim not in (ndim, ndim + 1):
        axes = ", ".join(_SPATIAL_AXES[ndim])
        raise ValueError(f"{name}: expected axes ({axes}) or (C, {axes}), got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one pixel, got shape {array.shape}")
    if array.ndim == ndim:
        array = array[np.newaxis]
    elif array.shape[-1] in (3, 4) and array.shape[0] > 4:
        raise ValueError(f"{name}: expected the channel axis first, got shape {array.shape}, which looks like RGB last")
    array = take_channels(array, channels, name=name)
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name}: expected finite values, got NaN or infinity")
    if low == high and not may_be_constant:
        raise ValueError(f"{name}: expected an image with contrast, got the value {low} everywhere")
    if array.dtype.kind == "f":
        if max(abs(float(low)), abs(float(high))) > float(np.finfo(np.float32).max):
            raise ValueError(f"{name}: expected values that fit into float32, got {low} to {high}")
        return array.astype(np.float32, copy=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def normalize_image(
    image: NDArray[Any], normalization: Normalization, grey_values: GreyValues | None = None
) -> NDArray[np.float32]:
    """Map each channel's dark percentile to 0 and its bright percentile to 1, without clipping; or to z-scores.

    Parameters
    ----------
    image : ndarray
        (C, *spatial), see `as_channels_first`.
    normalization : Normalization
        The two percentiles, or "standard".
    grey_values : tuple of tuple of float, optional
        What `find_grey_values` found in the whole image of which this is a part; None for an image that is whole.

    Returns
    -------
    ndarray
        float32 (C, *spatial); a constant channel becomes 0. With "standard" the mean is 0, the standard deviation 1.
    """
    out = np.zeros(image.shape, np.float32)
    known = find_grey_values(image, normalization) if grey_values is None else grey_values
    for channel, target, (zero, one) in zip(image, out, known, strict=True):
        if zero < one:
            # float64 where float32 cannot tell neighbouring integers apart
            wide = channel.astype(np.result_type(channel.dtype, np.float32))
            target[...] = (wide - zero) / (one - zero)
    return out


def find_grey_values(image: NDArray[Any], normalization: Normalization) -> GreyValues:
    """Return for each channel of an image (C, *spatial) the intensities that become 0 and 1.

    Percentiles of channels of more than `MAX_PERCENTILE_PIXELS` pixels come from every n-th pixel: of 4 million, the
    bright .2 % are still 8000, so that what the percentile then stands for is .2 % within some hundredths of it. Where
    the two percentiles coincide, the channel's extremes take their place. With "standard", mean and standard deviation
    are those of all pixels.
    """
    return tuple(_grey_values(channel, normalization) for channel in image)


def _grey_values(channel: NDArray[Any], normalization: Normalization) -> tuple[float, float]:
    if normalization.kind == "standard":
        mean = float(channel.mean(dtype=np.float64))
        return mean, mean + float(channel.std(dtype=np.float64))
    low, high = np.percentile(_regular_subset(channel), (normalization.lower, normalization.upper))
    if low == high:
        return float(channel.min()), float(channel.max())
    return float(low), float(high)


def _regular_subset(channel: NDArray[Any]) -> NDArray[Any]:
    """Return every n-th pixel, with n prime to the row length so that no column is preferred."""
    step = math.ceil(channel.size / MAX_PERCENTILE_PIXELS)
    while math.gcd(step, channel.shape[-1]) > 1:
        step += 1
    return channel.reshape(-1)[::step]


def read_image(path: str | Path, *, ndim: int | None = None) -> SourceImage:
    """Read the first series of a TIFF file with its scale.

    Parameters
    ----------
    path : str or Path
        TIFF, ImageJ TIFF or OME-TIFF. Colour becomes channels and alpha is dropped. Axes without a name are
        taken as Z, then as channel (with `ndim` 2: as channel).
    ndim : int, optional
        2 or 3 spatial axes. By default what the file holds.

    Returns
    -------
    SourceImage
        Scale 1 "pixel" where the file names none; in micrometers where it gives axes different units of length.
        Inches are print resolutions and are not taken as a scale, except in files written by ImageJ.

    Raises
    ------
    OSError
        The file does not exist or cannot be read.
    ValueError
        The file is no TIFF, holds a time series or other axes than asked for, or `as_channels_first` refuses it.
    """
    path = Path(path)
    series = read_series(path)
    if ndim != 3:
        series = _without_single_plane(series)
    axes = _name_axes(series.axes, ndim, path)
    spatial = _SPATIAL_AXES[3 if "Z" in axes else 2]
    order = ("C" if "C" in axes else "") + spatial
    array = series.array.transpose([axes.index(axis) for axis in order])
    scale, units = alike(
        [series.scale.get(axis, 1.0) for axis in spatial], [series.units.get(axis, "pixel") for axis in spatial]
    )
    return SourceImage(
        data=as_channels_first(array, ndim=len(spatial), name=path.name),
        scale=scale,
        units=units,
        axis_labels=tuple(spatial.lower()),
        name=path.stem,
    )


def read_voxel_size(path: str | Path) -> dict[str, tuple[float, str]]:
    """Read what a TIFF file says of the size of its voxels; no pixel is read.

    Parameters
    ----------
    path : str or Path
        TIFF, ImageJ TIFF or OME-TIFF.

    Returns
    -------
    dict of str to (float, str)
        Distance of neighbouring pixels and unit, a length, by the letter of an axis: Z, Y, X. Axes of which the file
        does not say both are left out, as are inches outside of files of ImageJ (`read_image`).

    Raises
    ------
    OSError
        The file does not exist or cannot be read.
    ValueError
        The file is no TIFF, or broken.
    """
    scale, units = read_geometry(Path(path))
    return {axis: (scale[axis], units[axis]) for axis in "ZYX" if axis in scale and units.get(axis, "pixel") != "pixel"}


def read_labels(path: str | Path) -> NDArray[Any]:
    """Read the instance ids of a TIFF file.

    Parameters
    ----------
    path : str or Path
        Any TIFF with one integer per pixel.

    Returns
    -------
    ndarray
        Integers (*spatial), two or three axes, in the file's type.

    Raises
    ------
    OSError
        The file does not exist or cannot be read.
    ValueError
        The file is no TIFF, does not hold integers, or has other axes.
    """
    array = _read_spatial(Path(path), "labels")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{Path(path).name}: expected integer labels, got {array.dtype}")
    return array


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """Read a mask from a TIFF file, (*spatial): true where it is not 0; errors as those of `read_labels`."""
    mask: NDArray[np.bool_] = _read_spatial(Path(path), "a mask") != 0
    return mask


def _read_spatial(path: Path, what: str) -> NDArray[Any]:
    series = read_series(path)
    if series.array.ndim not in _SPATIAL_AXES or "S" in series.axes:
        got = f"axes {series.axes} of shape {series.array.shape}"
        raise ValueError(f"{path.name}: expected {what} with axes (Y, X) or (Z, Y, X), got {got}")
    return series.array


def _without_single_plane(series: TiffSeries) -> TiffSeries:
    """Take a stack of one plane as this plane."""
    z = series.axes.find("Z")
    if z < 0 or series.array.shape[z] != 1:
        return series
    return replace(series, array=series.array.squeeze(z), axes=series.axes.replace("Z", ""))


def _name_axes(axes: str, ndim: int | None, path: Path) -> str:
    """Return the axes with every letter in "CZYX"; samples are channels, unnamed axes are Z, then C."""
    named = list(axes.replace("S", "C"))
    for i in reversed(range(len(named))):
        if named[i] in "QI":
            named[i] = "Z" if ndim != 2 and "Z" not in named else "C"
    found = "".join(named)
    wanted = {_SPATIAL_AXES[n] for n in ([ndim] if ndim is not None else _SPATIAL_AXES)}
    spatial = "".join(axis for axis in "ZYX" if axis in found)
    if len(set(found)) != len(found) or set(found) - set("CZYX") or spatial not in wanted:
        expected = " or ".join(sorted(wanted))
        raise ValueError(f"{path.name}: expected axes {expected}, with or without channels (C), got axes {axes}")
    return found
