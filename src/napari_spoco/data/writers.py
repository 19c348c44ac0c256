"""Results as files: labels, pictures and object tables. Every file appears under its name complete or not at all."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from napari_spoco.data import label_tiff
from napari_spoco.data.images import as_channels_first
from napari_spoco.data.label_arrays import as_labels, as_scale, per_axis, smallest_type
from napari_spoco.data.objects import name_units, object_columns
from napari_spoco.data.units import canonical_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray


_FLUSH_LIMIT = 2**26
"""Bytes; what is larger was made by a machine, and can be made again."""


class WriteError(OSError):
    """A file could not be written; nothing was left behind, and an older file of that name is untouched."""


@contextmanager
def atomic_path(path: str | Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` when the block ends well.

    The temporary file lies in the same folder, keeps the suffix, and is created before the block runs, so a
    folder that cannot be written is found before any work is done.

    Parameters
    ----------
    path
        File to write or to replace.
    flush
        Whether a file of up to 64 MiB is on the disk itself before it takes its place: after a power cut there is the
        old one or the new one. That may take as long as the disk is busy: not for an event loop.

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
        if flush and temporary.stat().st_size <= _FLUSH_LIMIT:
            _flush(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


@contextmanager
def atomic_folder(path: Path, *, may_replace: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield a new folder beside `path`, which takes its place when the block ends well.

    Parameters
    ----------
    path
        Folder to write.
    may_replace
        Asked about what is at `path` already, if anything is.

    Raises
    ------
    WriteError
        What is there may not be replaced, the folder above does not exist or cannot be written, or writing failed
        half-way; what was there is untouched.
    """
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{path.name}")
    if path.exists() and not may_replace(path):
        raise WriteError(f"cannot write {path}: something else of that name exists")
    try:
        temporary.mkdir()
    except OSError as error:
        reason = "its folder does not exist" if not path.parent.exists() else error.strerror
        raise WriteError(f"cannot write {path}: {reason}") from error
    try:
        yield temporary
        _take_place(temporary, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take_place(new: Path, path: Path) -> None:
    """Put a folder in the place of another one, if there is one; that comes back if it fails."""
    if not path.exists():
        new.rename(path)
        return
    old = new.with_name(f"{new.name}-old")
    path.rename(old)
    try:
        new.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


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

    A name that ends in .ome.tif or .ome.tiff asks for an OME-TIFF. Otherwise ids up to 65535 become an ImageJ TIFF
    (uint16), and anything else a compressed TIFF with its geometry as JSON in the description. Written is the smallest
    integer type from 16 bits on that holds all ids. No id is ever changed.

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
        Not integers, other axes, empty, a scale or units that do not fit, or what OME-TIFF does not hold: ids of more
        than 32 bits, units of no length.
    WriteError
        The file cannot be written; nothing is left behind.
    """
    path = _with_suffix(path, (".tif", ".tiff"))
    array = as_labels(labels)
    array = array.astype(smallest_type(array), copy=False)
    sizes = as_scale(scale, array.ndim)
    unit_names = tuple(canonical_unit(unit) or unit for unit in per_axis(units, array.ndim, "units"))
    names = per_axis(axis_labels or "zyx"[-array.ndim :], array.ndim, "axis_labels")
    with atomic_path(path) as temporary:
        if path.name.lower().endswith((".ome.tif", ".ome.tiff")):
            label_tiff.save_ome(temporary, array, sizes, unit_names)
        else:
            label_tiff.save_plain(temporary, array, sizes, unit_names, names)
    return path


def write_objects_csv(
    path: str | Path,
    labels: ArrayLike,
    *,
    scale: Sequence[float] | None = None,
    units: str | Sequence[str] = "pixel",
    image: ArrayLike | None = None,
    scores: Mapping[int, float] | None = None,
) -> Path:
    """Write a table with a row per object.

    The columns are those of `objects.object_columns`; their names end in the unit: volume_um3, area_px2 (`name_units`).

    Parameters
    ----------
    path : str or Path
        File to write or to replace, ending in .csv.
    labels : array-like
        Integers (Y, X) or (Z, Y, X); ids from 1 are objects.
    scale : sequence of float, optional
        Distance of neighbouring pixels per axis, in `units`; 1 by default.
    units : str or sequence of str
        Unit of all axes or of each.
    image : array-like, optional
        (*spatial) or (C, *spatial) intensities.
    scores : mapping of int to float, optional
        A score per id, such as `segmentation.review.score_objects` gives.

    Returns
    -------
    Path
        The written file; without objects it holds the header only.

    Raises
    ------
    ValueError
        Labels, scale, units or image are invalid.
    WriteError
        The file cannot be written; nothing is left behind.
    """
    path = _with_suffix(path, (".csv",))
    array = as_labels(labels)
    sizes = as_scale(scale, array.ndim)
    unit_names = per_axis(units, array.ndim, "units")
    channels = None
    if image is not None:
        channels = as_channels_first(image, ndim=array.ndim)
        if channels.shape[1:] != array.shape:
            raise ValueError(f"image: expected the shape of the labels {array.shape}, got {channels.shape[1:]}")
    with atomic_path(path) as temporary:
        columns = name_units(object_columns(array, sizes, unit_names, channels, scores), unit_names[-1])
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
            from skimage.io import imsave  # It takes half of what the dock takes to open.

            imsave(temporary, rgb, check_contrast=False)
        else:
            tifffile.imwrite(temporary, rgb, photometric="rgb", compression="zlib")
    return path


def _with_suffix(path: str | Path, suffixes: Sequence[str]) -> Path:
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"path: expected a file ending in {' or '.join(suffixes)}, got {path.name!r}")
    return path
