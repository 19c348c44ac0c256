"""What all writers of labels ask of their arguments: an array of ids, and the geometry of its axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def as_labels(labels: ArrayLike) -> NDArray[Any]:
    """Return integers (Y, X) or (Z, Y, X), as they are.

    Raises
    ------
    ValueError
        Not integers, other axes, or empty.
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise ValueError(f"labels: expected integers, got {array.dtype}")
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"labels: expected a non-empty array (Y, X) or (Z, Y, X), got shape {array.shape}")
    return array


def as_scale(scale: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return a positive number per axis; 1 where none are given.

    Raises
    ------
    ValueError
        Another number of them, or not positive and finite.
    """
    if scale is None:
        return (1.0,) * ndim
    sizes = tuple(float(size) for size in scale)
    if len(sizes) != ndim or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise ValueError(f"scale: expected {ndim} positive numbers, got {sizes}")
    return sizes


def per_axis(names: str | Sequence[str], ndim: int, argument: str) -> tuple[str, ...]:
    """Return a name per axis; one unit, but not one axis label, may stand for all.

    Raises
    ------
    ValueError
        Another number of them.
    """
    given = (names,) * ndim if isinstance(names, str) and argument == "units" else tuple(map(str, names))
    if len(given) != ndim:
        raise ValueError(f"{argument}: expected {ndim} names, got {given}")
    return given


def smallest_type(labels: NDArray[Any]) -> np.dtype[Any]:
    """Return the smallest integer type from 16 bits (32 with sign) that holds all labels."""
    low, high = int(labels.min()), int(labels.max())
    candidates = (np.uint16, np.uint32, np.uint64) if low >= 0 else (np.int32, np.int64)
    return next(np.dtype(t) for t in candidates if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
