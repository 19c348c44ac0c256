"""One anchor, one object: what a click on a pixel gives, while the mouse moves.

The soft mask needs the distances of all pixels; the object around an anchor is flooded, and only pixels that the flood
comes to are looked at. The loops are compiled by numba (`flood`); without it NumPy gives the same, later.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spoco.segmentation.arguments import check_number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import NDArray

_BLOCK = 16_384
"""Pixels whose distances are summed together: they stay in the cache of one core."""


def select_instance(
    embeddings: NDArray[Any], anchor: Sequence[int], *, delta_var: float = 0.5, kernel_threshold: float = 0.9
) -> NDArray[np.float32]:
    """Compute the soft mask of the instance that a pixel belongs to.

    S = exp(-|e - e_anchor|^2 / (2 sigma^2)), 2 sigma^2 = delta_var^2 / -ln(kernel_threshold): Eq. 3 of the paper.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point. Anything but C-contiguous float32 is copied, which takes longer than
        everything else.
    anchor
        The pixel, one index per spatial axis, (Z)YX, from 0.
    delta_var
        Pull margin of the training.
    kernel_threshold
        Value of the kernel at distance `delta_var`, between 0 and 1.

    Returns
    -------
    numpy.ndarray
        (*spatial) float32 in [0, 1], 1 at the anchor.

    Raises
    ------
    TypeError
        `embeddings` are no floating-point numbers, or `anchor` holds something that is not an integer.
    ValueError
        `embeddings` have other axes or hold NaN or infinity, `anchor` is outside of the image, or a number is out of
        its bounds.
    """
    width = _two_sigma_squared(delta_var, kernel_threshold)
    embeddings = _check_embeddings(embeddings)
    anchor = _check_anchor(anchor, embeddings.shape[1:])
    mask = _squared_distances(embeddings, anchor)
    mask *= np.float32(-1.0 / width)
    return np.exp(mask, out=mask)


def instance_around(
    embeddings: NDArray[Any],
    anchor: Sequence[int],
    *,
    threshold: float = 0.5,
    delta_var: float = 0.5,
    kernel_threshold: float = 0.9,
) -> NDArray[np.bool_]:
    """Find the object around a pixel: where `select_instance` is at least `threshold`, connected to the pixel.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, as in `select_instance`. Where numba is installed, only the pixels that the object
        reaches are read, and refused if they hold NaN or infinity.
    anchor
        The pixel, one index per spatial axis, (Z)YX, from 0.
    threshold
        Least value of the soft mask inside of the object, above 0 and at most 1. 0.5 is distance 1.28 at the defaults
        of the other two.
    delta_var, kernel_threshold
        Of `select_instance`.

    Returns
    -------
    numpy.ndarray
        (*spatial) bool, connected through pixel faces; true at the anchor.

    Raises
    ------
    TypeError, ValueError
        As `select_instance`, and for `threshold`.
    """
    width = _two_sigma_squared(delta_var, kernel_threshold)
    if check_number(threshold, name="threshold", above=0) > 1:
        raise ValueError(f"threshold: expected a number of at most 1, got {threshold}.")
    embeddings = _check_embeddings(embeddings)
    anchor = _check_anchor(anchor, embeddings.shape[1:])
    most_squared = -math.log(threshold) * width
    compiled = _compiled()
    if compiled is None:
        components, _ = ndimage.label(_squared_distances(embeddings, anchor) <= most_squared)
        whole: NDArray[np.bool_] = components == components[anchor]
        return whole
    shape = embeddings.shape[1:]
    volume = (*(1,) * (3 - len(shape)), *shape)
    pixel = int(np.ravel_multi_index(anchor, shape))
    state, n_bad = compiled.flood(*_flat(embeddings, anchor), most_squared, volume, pixel)
    if n_bad:
        _refuse_non_finite(embeddings)
    found: NDArray[np.bool_] = (state == compiled.PART).reshape(shape)
    return found


def _compiled() -> ModuleType | None:
    try:
        from napari_spoco.segmentation import flood
    except ImportError:
        return None
    return flood


def _squared_distances(embeddings: NDArray[np.float32], anchor: tuple[int, ...]) -> NDArray[np.float32]:
    """Return |e - e_anchor|^2 (*spatial); refuses NaN and infinity."""
    compiled = _compiled()
    flat, vector = _flat(embeddings, anchor)
    squared: NDArray[np.float32] = (
        _sum_squares(flat, vector) if compiled is None else compiled.squared_distances(flat, vector, _BLOCK)
    )
    if not np.isfinite(squared.max()):
        _refuse_non_finite(embeddings)
    return squared.reshape(embeddings.shape[1:])


def _sum_squares(flat: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    squared = np.zeros(flat.shape[1], dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for channel, coordinate in zip(flat, vector, strict=True):
            squared += np.square(channel - coordinate)
    return squared


def _flat(embeddings: NDArray[np.float32], anchor: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the embeddings as (E, N) and the anchor's (E,).

    Both are marked read-only: numba compiles anew for each kind of array, and should not while the mouse moves.
    """
    flat = embeddings.reshape(len(embeddings), -1)[:]
    index: tuple[Any, ...] = (slice(None), *anchor)
    vector = embeddings[index].copy()
    flat.flags.writeable = vector.flags.writeable = False
    return flat, vector


def _refuse_non_finite(embeddings: NDArray[np.float32]) -> None:
    """Raise if what made a distance not finite was not finite itself: the square of a large number may overflow."""
    if not np.isfinite(embeddings).all():
        raise ValueError("embeddings: expected finite numbers, got NaN or infinity.")


def _two_sigma_squared(delta_var: float, kernel_threshold: float) -> float:
    check_number(delta_var, name="delta_var", above=0)
    if check_number(kernel_threshold, name="kernel_threshold", above=0) >= 1:
        raise ValueError(f"kernel_threshold: expected a number below 1, got {kernel_threshold}.")
    return delta_var**2 / -math.log(kernel_threshold)


def _check_embeddings(embeddings: NDArray[Any]) -> NDArray[np.float32]:
    """Return C-contiguous float32; whether all are finite is left to the distances, as looking takes longer."""
    array = np.asarray(embeddings)
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(f"embeddings: expected floating-point numbers, got dtype {array.dtype}.")
    if array.ndim not in (3, 4) or array.size == 0:
        raise ValueError(f"embeddings: expected axes (E, Y, X) or (E, Z, Y, X), got shape {array.shape}.")
    return np.ascontiguousarray(array, dtype=np.float32)


def _check_anchor(anchor: Sequence[int], shape: tuple[int, ...]) -> tuple[int, ...]:
    try:
        index = tuple(operator.index(i) for i in anchor)
    except TypeError as error:
        raise TypeError(f"anchor: expected {len(shape)} integers, got {anchor!r}.") from error
    if len(index) != len(shape) or not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
        raise ValueError(f"anchor: expected one index per axis inside of an image of shape {shape}, got {index}.")
    return index
