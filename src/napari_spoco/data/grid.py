"""The pixels of synthetic images: how many, how far apart, and whether what is given fits to them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def check_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of pixels along (Y, X) or (Z, Y, X); raise ValueError for anything else."""
    pixels = tuple(shape)
    if len(pixels) not in (2, 3) or any(size < 1 for size in pixels):
        raise ValueError(f"shape: expected 2 or 3 numbers of at least 1, got {pixels}")
    return pixels


def check_scale(scale: Sequence[float], ndim: int) -> tuple[float, ...]:
    """Return the distances of neighbouring pixels per axis; raise ValueError where they are not positive."""
    spacing = tuple(float(step) for step in scale)
    if len(spacing) != ndim or any(not (step > 0 and math.isfinite(step)) for step in spacing):
        raise ValueError(f"scale: expected {ndim} positive numbers, got {spacing}")
    return spacing


def check_labels(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return labels as int64 (*spatial); raise ValueError where they are no labels of a 2D or 3D image."""
    array = np.asarray(labels)
    if not np.issubdtype(array.dtype, np.integer) or array.ndim not in (2, 3) or not array.size or array.min() < 0:
        raise ValueError(
            f"labels: expected integers from 0 with axes (Y, X) or (Z, Y, X), got {array.dtype} of shape {array.shape}"
        )
    return array.astype(np.int64)


def renumbered(labels: NDArray[Any]) -> NDArray[np.uint32]:
    """Return labels with the objects that are there numbered from 1 without gaps, in their order; 0 stays."""
    is_there = np.bincount(labels.ravel()) > 0
    is_there[0] = False
    numbers = np.cumsum(is_there, dtype=np.uint32)
    numbers[0] = 0
    compact: NDArray[np.uint32] = numbers[labels]
    return compact
