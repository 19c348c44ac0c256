"""Checks of the arguments that all of segmentation shares, made once, at the public functions.

Every message names the argument, what was expected and what came. What the values mean is not known here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def check_embeddings(embeddings: NDArray[Any], *, name: str = "embeddings") -> NDArray[np.float32]:
    """Return embeddings (E, Y, X) or (E, Z, Y, X) as finite, C-contiguous float32.

    Raises
    ------
    TypeError
        The array does not hold real floating-point numbers.
    ValueError
        It has another number of axes, is empty, or contains NaN or infinity.
    """
    array = np.asarray(embeddings)
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(f"{name}: expected floating-point numbers, got dtype {array.dtype}.")
    if array.ndim not in (3, 4):
        raise ValueError(f"{name}: expected axes (E, Y, X) or (E, Z, Y, X), got shape {array.shape}.")
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one pixel, got shape {array.shape}.")
    array = np.ascontiguousarray(array, dtype=np.float32)
    if not _is_finite(array):
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity.")
    return array


def _is_finite(array: NDArray[np.float32]) -> bool:
    """Look for NaN and infinity at the speed of memory: the sum of squares is finite only if every number is."""
    flat = array.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        is_finite = bool(np.isfinite(np.dot(flat, flat)))
    return is_finite or bool(np.isfinite(array).all())  # squares of large numbers overflow


def check_labels(
    labels: NDArray[Any], *, shape: tuple[int, ...] | None = None, name: str = "labels"
) -> NDArray[np.integer[Any]]:
    """Return non-negative integer labels; `shape` is the shape that they must have, if any.

    Raises
    ------
    TypeError
        The array does not hold integers.
    ValueError
        It has another shape or a negative label.
    """
    array = np.asarray(labels)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name}: expected integers, got dtype {array.dtype}.")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}.")
    if array.size and array.min() < 0:
        raise ValueError(f"{name}: expected labels of at least 0, got {array.min()}.")
    return array


def check_mask(mask: NDArray[Any], shape: tuple[int, ...], *, name: str) -> NDArray[np.bool_]:
    """Return a mask of this shape as C-contiguous bool; integers count as true where they are not zero.

    Raises
    ------
    TypeError
        The array holds neither booleans nor integers.
    ValueError
        It has another shape.
    """
    array = np.asarray(mask)
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name}: expected booleans or integers, got dtype {array.dtype}.")
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}.")
    return np.ascontiguousarray(array != 0)


def check_number(value: float, *, name: str, above: float | None = None, at_least: float | None = None) -> float:
    """Return a finite number inside the bounds.

    Raises
    ------
    TypeError
        It is not a real number.
    ValueError
        It is not finite or outside the bounds.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number, got {value!r}.")
    if not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value}.")
    if above is not None and value <= above:
        raise ValueError(f"{name}: expected a number greater than {above}, got {value}.")
    if at_least is not None and value < at_least:
        raise ValueError(f"{name}: expected a number of at least {at_least}, got {value}.")
    return float(value)


def check_scale(scale: Sequence[float], ndim: int) -> tuple[float, ...]:
    """Return the size of a pixel along every spatial axis.

    Raises
    ------
    TypeError, ValueError
        It is not one positive number per axis.
    """
    if len(scale) != ndim:
        raise ValueError(f"scale: expected {ndim} numbers, one per axis, got {len(scale)}.")
    return tuple(check_number(size, name="scale", above=0) for size in scale)


def check_choice(value: str, choices: tuple[str, ...], *, name: str) -> str:
    """Return one of the choices.

    Raises
    ------
    ValueError
        It is none of them.
    """
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}.")
    return value
