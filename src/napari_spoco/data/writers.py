"""Results as files: labels, pictures and object tables.

This module alone knows which TIFF flavour keeps ids and scale. Every file appears under its name complete or
not at all.
"""

from __future__ import annotations

import csv
import math
import os
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import skimage.io
import tifffile

from napari_spoco.data.images import as_channels_first
from napari_spoco.data.objects import object_columns
from napari_spoco.data.tiff import canonical_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

_IMAGEJ_UNITS = {"micrometer": "micron", "nanometer": "nm", "millimeter": "mm", "pixel": "pixel"}
_IMAGEJ_MAX_BYTES = 2**32 - 2**20
# The resolution tag is a ratio of two 32-bit integers; within these sizes it is exact to nine digits.
_RATIONAL_SIZES = (1e-4, 1e4)


class WriteError(OSError):
    """A file could not be written; nothing was left behind, and an older file of that name is untouched."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` when the block ends well.

    The temporary file lies in the same folder, keeps the suffix, and is created before the block runs, so a
    folder that cannot be written is found before any work is done.

    Raises
    ------
    WriteError
        The folder does not exist or cannot be written, `path` is a folder, or writing failed half-way.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{path.name}")
    if path.is_dir():
        raise WriteError(f"cannot write {path}: a folder of that name exists")
    try:
        with temporary.open("xb"):
            pass
    except OSError as error:
        reason = "its folder does not exist" if not path.parent.exists() else error.strerror
        raise WriteError(f"cannot write {path}: {reason}") from error
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_folder(folder: str | Path) -> None:
    """Make sure that files can be written into a folder, before hours of work are put into them.

    Raises
    ------
    WriteError
        The folder does not exist or cannot be written.
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WriteError(f"cannot write to {folder}: {error.strerror or error}") from error


def write_labels(
    path: str | Path,
    labels: ArrayLike,
    *,
    scale: Sequence[float] | None = None,
    units: str | Sequence[str] = "pixel",
    axis_labels: Sequence[str] | None = None,
) -> Path:
    """Write instance ids as TIFF, with scale and units.

    Ids up to 65535 become an ImageJ TIFF (uint16). Anything else becomes a compressed TIFF of the smallest
    integer type that holds all ids, its geometry as JSON in the description. No id is ever changed.

    Parameters
    ----------
    path : str or Path
        File to write or to replace, ending in .tif or .tiff.
    labels : array-like
        Integers (Y, X) or (Z, Y, X).
    scale : sequence of float, optional
        Distance of neighbouring pixels per axis, in `units`; 1 by default.
    units : str or sequence of str
        Unit of all axes or of each, such as "micrometer".
    axis_labels : sequence of str, optional
        Names of the axes, kept in the JSON description; ("z", "y", "x") by default.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    ValueError
        Not integers, other axes, empty, or a scale or units that do not fit.
    WriteError
        The file cannot be written; nothing is left behind.
    """
    path = _with_suffix(path, (".tif", ".tiff"))
    array = _as_labels(labels)
    sizes = _as_scale(scale, array.ndim)
    unit_names = tuple(canonical_unit(unit) or unit for unit in _per_axis(units, array.ndim, "units"))
    names = _per_axis(axis_labels or "zyx"[-array.ndim :], array.ndim, "axis_labels")
    with atomic_path(path) as temporary:
        array = array.astype(_smallest_type(array), copy=False)
        if _fits_imagej(array, sizes, unit_names):
            metadata: dict[str, Any] = {"axes": "ZYX"[-array.ndim :], "unit": _IMAGEJ_UNITS[unit_names[0]]}
            if array.ndim == 3:
                metadata["spacing"] = sizes[0]
            tifffile.imwrite(temporary, array, imagej=True, metadata=metadata, **_resolution(sizes))
        else:
            metadata = {"axes": "ZYX"[-array.ndim :], "scale": sizes, "units": unit_names, "axis_labels": names}
            resolution = _resolution(sizes) if _is_rational(sizes) else {}
            tifffile.imwrite(
                temporary, array, photometric="minisblack", compression="zlib", metadata=metadata, **resolution
            )
    return path


def write_objects_csv(
    path: str | Path,
    labels: ArrayLike,
    *,
    scale: Sequence[float] | None = None,
    units: str = "pixel",
    image: ArrayLike | None = None,
) -> Path:
    """Write a table with a row per object.

    The columns are those of `objects.object_columns`.

    Parameters
    ----------
    path : str or Path
        File to write or to replace, ending in .csv.
    labels : array-like
        Integers (Y, X) or (Z, Y, X); ids from 1 are objects.
    scale : sequence of float, optional
        Distance of neighbouring pixels per axis, in `units`; 1 by default.
    units : str
        Unit of all axes.
    image : array-like, optional
        (*spatial) or (C, *spatial) intensities.

    Returns
    -------
    Path
        The written file; without objects it holds the header only.

    Raises
    ------
    ValueError
        Labels, scale or image are invalid.
    WriteError
        The file cannot be written; nothing is left behind.
    """
    path = _with_suffix(path, (".csv",))
    array = _as_labels(labels)
    sizes = _as_scale(scale, array.ndim)
    channels = None
    if image is not None:
        channels = as_channels_first(image, ndim=array.ndim)
        if channels.shape[1:] != array.shape:
            raise ValueError(f"image: expected the shape of the labels {array.shape}, got {channels.shape[1:]}")
    with atomic_path(path) as temporary:
        columns = object_columns(array, sizes, units, channels)
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
    return path


def write_rgb(path: str | Path, rgb: NDArray[np.uint8]) -> Path:
    """Write a colour picture.

    Parameters
    ----------
    path : str or Path
        File to write or to replace: .png for planes, .tif or .tiff for planes and stacks.
    rgb : ndarray
        uint8 (Y, X, 3) or (Z, Y, X, 3).

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    ValueError
        Not uint8, other axes, or a stack as .png.
    WriteError
        The file cannot be written; nothing is left behind.
    """
    path = _with_suffix(path, (".png", ".tif", ".tiff"))
    if rgb.dtype != np.uint8 or rgb.ndim not in (3, 4) or rgb.shape[-1] != 3 or rgb.size == 0:
        raise ValueError(f"rgb: expected uint8 (Y, X, 3) or (Z, Y, X, 3), got {rgb.dtype} {rgb.shape}")
    is_png = path.suffix.lower() == ".png"
    if is_png and rgb.ndim == 4:
        raise ValueError(f"rgb: expected one plane for .png, got shape {rgb.shape}; write a .tif")
    with atomic_path(path) as temporary:
        if is_png:
            skimage.io.imsave(temporary, rgb, check_contrast=False)
        else:
            tifffile.imwrite(temporary, rgb, photometric="rgb", compression="zlib")
    return path


def _as_labels(labels: ArrayLike) -> NDArray[Any]:
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise ValueError(f"labels: expected integers, got {array.dtype}")
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"labels: expected a non-empty array (Y, X) or (Z, Y, X), got shape {array.shape}")
    return array


def _as_scale(scale: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    if scale is None:
        return (1.0,) * ndim
    sizes = tuple(float(size) for size in scale)
    if len(sizes) != ndim or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise ValueError(f"scale: expected {ndim} positive numbers, got {sizes}")
    return sizes


def _per_axis(names: str | Sequence[str], ndim: int, argument: str) -> tuple[str, ...]:
    given = (names,) * ndim if isinstance(names, str) and argument == "units" else tuple(map(str, names))
    if len(given) != ndim:
        raise ValueError(f"{argument}: expected {ndim} names, got {given}")
    return given


def _smallest_type(labels: NDArray[Any]) -> np.dtype[Any]:
    """Return the smallest integer type from 16 bits (32 with sign) that holds all labels."""
    low, high = int(labels.min()), int(labels.max())
    candidates = (np.uint16, np.uint32, np.uint64) if low >= 0 else (np.int32, np.int64)
    return next(np.dtype(t) for t in candidates if np.iinfo(t).min <= low and high <= np.iinfo(t).max)


def _fits_imagej(labels: NDArray[Any], scale: Sequence[float], units: Sequence[str]) -> bool:
    """Tell whether ImageJ's TIFF keeps these labels and this geometry.

    It knows 16 bits and one unit, drops the Z axis of one plane, and tifffile mistakes stacks of one column.
    """
    is_small = labels.dtype == np.uint16 and labels.nbytes < _IMAGEJ_MAX_BYTES
    keeps_axes = labels.ndim == 2 or (labels.shape[0] > 1 and labels.shape[-1] > 1)
    return is_small and keeps_axes and len(set(units)) == 1 and units[0] in _IMAGEJ_UNITS and _is_rational(scale)


def _is_rational(scale: Sequence[float]) -> bool:
    return all(_RATIONAL_SIZES[0] <= size <= _RATIONAL_SIZES[1] for size in scale)


def _resolution(scale: Sequence[float]) -> dict[str, Any]:
    """Return tifffile's arguments for the pixels per unit along X and Y."""
    return {"resolution": (1 / scale[-1], 1 / scale[-2]), "resolutionunit": tifffile.RESUNIT.NONE}


def _with_suffix(path: str | Path, suffixes: Sequence[str]) -> Path:
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"path: expected a file ending in {' or '.join(suffixes)}, got {path.name!r}")
    return path
