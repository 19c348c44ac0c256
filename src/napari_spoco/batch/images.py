"""Which files a batch takes for images. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

IMAGE_SUFFIXES = (".tif", ".tiff", ".tf2", ".tf8", ".btf", ".lsm", ".stk")
"""Of files that `data.images.read_image` takes: TIFF, BigTIFF, and the TIFF files of Zeiss and MetaMorph."""
_LABEL_SHARE = 0.5
"""Of the pairs of neighbours that are not both 0: labels have so many of one value, and images hardly any."""


def find_images(text: str) -> Sequence[Path]:
    """Return what a file name, a folder or a pattern stands for; a file need not be there. Hidden ones are none.

    Numbers in names count: "cell 2.tif" comes before "cell 10.tif".
    """
    path = Path(text).expanduser()
    if is_folder(text):
        found = (entry for entry in path.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES)
    elif is_pattern(text) and not path.exists():
        found = (entry for entry in map(Path, glob.glob(str(path), recursive=True)) if entry.is_file())
    else:
        return [path]
    return sorted((entry for entry in found if not _is_hidden(entry)), key=_natural)


def _natural(path: Path) -> tuple[list[list[str | int]], Path]:
    """Return what a path is sorted by: text and numbers take turns in the name of every folder; spelling is last."""
    names = [re.split(r"(\d+)", part.lower()) for part in path.parts]
    return [[int(part) if index % 2 else part for index, part in enumerate(name)] for name in names], path


def _is_hidden(path: Path) -> bool:
    """Say whether a file is not meant to be seen, as macOS keeps "._cells.tif" beside "cells.tif" on foreign disks."""
    return path.name.startswith(".")


def is_folder(text: str) -> bool:
    """Say whether a text names a folder of images: OME-Zarr images are folders, too."""
    path = Path(text).expanduser()
    return path.is_dir() and path.suffix.lower() != ".zarr"


def is_pattern(text: str) -> bool:
    """Say whether a text stands for several names."""
    return any(sign in text for sign in "*?[")


def holds_labels(path: Path, others: Sequence[Path]) -> bool:
    """Say whether a TIFF file seems to hold labels: integers of 16 bits or more, most of whose neighbours are equal.

    Parameters
    ----------
    path
        The file; one that cannot be read holds none.
    others
        The other files of its folder. Labels of 8 bits are told from dark images only by the name of an image whose
        name theirs begins with, such as "cells.tif" beside "cells_mask.tif".
    """
    plane = _middle_plane(path)
    if plane is None or plane.dtype.kind not in "iu" or not _looks_like_labels(plane):
        return False
    stem = path.name.split(".")[0]
    beside = {other.name.split(".")[0] for other in others} - {stem}
    return plane.dtype.itemsize > 1 or any(stem.startswith(one) and not stem[len(one)].isalnum() for one in beside)


def _middle_plane(path: Path) -> NDArray[np.generic] | None:
    """Return the middle page of a TIFF file, (Y, X); None where there is none of one channel."""
    from napari_spoco.data.tiff import open_tiff

    try:
        with open_tiff(path) as file:
            plane = np.asarray(file.pages[len(file.pages) // 2].asarray())
    except (OSError, ValueError):  # Said where the image itself is read.
        return None
    return plane if plane.ndim == 2 else None


def _looks_like_labels(plane: NDArray[np.generic]) -> bool:
    left, right = plane[:, :-1], plane[:, 1:]
    n_pairs = np.count_nonzero((left != 0) | (right != 0))
    n_equal = np.count_nonzero((left == right) & (left != 0))
    return bool(n_equal > _LABEL_SHARE * n_pairs)
