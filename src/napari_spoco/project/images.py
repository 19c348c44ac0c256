"""The image files of a project, and what their names may be."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import tifffile

from napari_spoco.data.writers import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_CLASSIC_TIFF = 2**32 - 2**25
"""Bytes that a TIFF file can have without the larger offsets of BigTIFF, with room for what describes them."""
_NAME = re.compile(r"\w([\w .()+-]*[\w)+-])?")


def check_name(name: str | None, taken: Iterable[str]) -> str:
    """Return a name if it is free and names a file on every system.

    Raises
    ------
    ValueError
        It is taken, or there is something else in it than letters, digits, and .()+- or spaces between them.
    """
    if name is None or not _NAME.fullmatch(name):
        raise ValueError(f"name: expected letters, digits, and .()+- or spaces between them, got {name!r}")
    if name.casefold() in {other.casefold() for other in taken}:
        raise ValueError(f"name: expected one that is not taken (upper or lower case), got {name!r}")
    return name


def free_name(title: str, taken: Iterable[str]) -> str:
    """Return a name that `check_name` accepts, as like to a title as can be."""
    stem = re.sub(r"[^\w .()+-]+", "-", title).strip(" .()+-")[:80].rstrip(" .(") or "image"
    used = {other.casefold() for other in taken}
    name, count = stem, 1
    while name.casefold() in used:
        count += 1
        name = f"{stem} {count}"
    return name


def copy_image(source: Path, target: Path) -> Path:
    """Copy an image file; raises FileExistsError where there is a file of that name."""
    if target.exists():
        raise FileExistsError(f"name: expected one whose file is not there yet, got {target}")
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def write_image(path: Path, image: NDArray[Any], scale: Sequence[float], units: Sequence[str]) -> None:
    """Write (C, *spatial) as `read_image` reads it.

    Raises
    ------
    FileExistsError
        There is a file of that name.
    ValueError
        Scale or units are not one per spatial axis.
    """
    if path.exists():
        raise FileExistsError(f"name: expected one whose file is not there yet, got {path}")
    ndim = image.ndim - 1
    if len(scale) != ndim or len(units) != ndim:
        raise ValueError(f"scale, units: expected one for each of {ndim} axes, got {scale} and {units}")
    metadata = {"axes": "C" + "ZYX"[-ndim:], "scale": [1.0, *map(float, scale)], "units": ["", *units]}
    with atomic_path(path) as temporary:
        # tifffile does not see beforehand that compressed data will pass 4 GB.
        is_big = image.nbytes >= _CLASSIC_TIFF
        tifffile.imwrite(
            temporary, image, bigtiff=is_big, photometric="minisblack", compression="zlib", metadata=metadata
        )
