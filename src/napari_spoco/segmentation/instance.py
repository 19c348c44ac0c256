"""One anchor, one object: what a click on a pixel gives, while the mouse moves.

The soft mask needs the distances of all pixels; the object around an anchor is flooded, and only pixels that the flood
comes to are looked at. The loops are compiled by numba (`flood`); without it NumPy gives the same, later.
"""

from __future__ import annotations

import math
import operator
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spoco.segmentation.arguments import check_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

_is_held = threading.Event()
_BLOCK = 32_768
"""Pixels whose distances are summed together: they stay in the cache of one core."""


def select_instance(
    embeddings: NDArray[Any], anchor: Sequence[int], *, delta_var: float = 0.5, kernel_threshold: float = 0.9
) -> NDArray[np.float32]:
    """Compute the soft mask of the instance that a pixel belongs to: `InstancePicker.soft`, once.

    Parameters
    ----------
    embeddings, delta_var, kernel_threshold
        Of `InstancePicker`, which is made once where many anchors follow each other.
    anchor
        The pixel, one index per spatial axis, (Z)YX, from 0.

    Returns
    -------
    numpy.ndarray
        (*spatial) float32 in [0, 1], 1 at the anchor.

    Raises
    ------
    TypeError, ValueError
        As `InstancePicker` and `InstancePicker.soft`.
    """
    return InstancePicker(embeddings, delta_var=delta_var, kernel_threshold=kernel_threshold).soft(anchor)


def instance_around(
    embeddings: NDArray[Any],
    anchor: Sequence[int],
    *,
    threshold: float = 0.5,
    delta_var: float = 0.5,
    kernel_threshold: float = 0.9,
) -> NDArray[np.bool_]:
    """Find the object around a pixel: `InstancePicker.around`, once.

    Parameters
    ----------
    embeddings, delta_var, kernel_threshold
        Of `InstancePicker`, which is made once where many anchors follow each other.
    anchor, threshold
        Of `InstancePicker.around`.

    Returns
    -------
    numpy.ndarray
        (*spatial) bool, connected through pixel faces; true at the anchor.

    Raises
    ------
    TypeError, ValueError
        As `InstancePicker` and `InstancePicker.around`.
    """
    picker = InstancePicker(embeddings, delta_var=delta_var, kernel_threshold=kernel_threshold)
    return picker.around(anchor, threshold=threshold)


class InstancePicker:
    """The instance at any pixel of one image, for a pointer that moves over it.

    Costs nothing to make for C-contiguous float32 embeddings, which are kept and not copied; others are converted
    once, which takes longer than a query. Holds nothing that a query changes: any thread may ask.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    delta_var
        Pull margin of the training.
    kernel_threshold
        Value of the kernel at distance `delta_var`, between 0 and 1.

    Raises
    ------
    TypeError
        `embeddings` are no floating-point numbers.
    ValueError
        `embeddings` have other axes, or a number is out of its bounds.
    """

    def __init__(self, embeddings: NDArray[Any], *, delta_var: float = 0.5, kernel_threshold: float = 0.9) -> None:
        check_number(delta_var, name="delta_var", above=0)
        if check_number(kernel_threshold, name="kernel_threshold", above=0) >= 1:
            raise ValueError(f"kernel_threshold: expected a number below 1, got {kernel_threshold}.")
        self._two_sigma_squared = delta_var**2 / -math.log(kernel_threshold)
        self._embeddings = _check_embeddings(embeddings)
        self._shape = self._embeddings.shape[1:]

    def soft(self, anchor: Sequence[int]) -> NDArray[np.float32]:
        """Compute the soft mask of the instance that a pixel belongs to.

        S = exp(-|e - e_anchor|^2 / (2 sigma^2)), 2 sigma^2 = delta_var^2 / -ln(kernel_threshold): Eq. 3 of the paper.

        Parameters
        ----------
        anchor
            The pixel, one index per spatial axis, (Z)YX, from 0.

        Returns
        -------
        numpy.ndarray
            (*spatial) float32 in [0, 1], 1 at the anchor.

        Raises
        ------
        TypeError
            `anchor` holds something that is not an integer.
        ValueError
            `anchor` is outside of the image, or the embeddings hold NaN or infinity.
        """
        mask = self._squared_distances(_check_anchor(anchor, self._shape))
        mask *= np.float32(-1.0 / self._two_sigma_squared)
        return np.exp(mask, out=mask)

    def around(self, anchor: Sequence[int], *, threshold: float = 0.5) -> NDArray[np.bool_]:
        """Find the object around a pixel: where `soft` is at least `threshold`, connected to the pixel.

        Where numba is installed, only the embeddings that the object reaches are read, and refused if they hold NaN or
        infinity.

        Parameters
        ----------
        anchor
            The pixel, one index per spatial axis, (Z)YX, from 0.
        threshold
            Least value of the soft mask inside of the object, above 0 and at most 1. 0.5 is distance 1.28 at the
            defaults of the picker.

        Returns
        -------
        numpy.ndarray
            (*spatial) bool, connected through pixel faces; true at the anchor.

        Raises
        ------
        TypeError, ValueError
            As `soft`, and for `threshold`.
        """
        if check_number(threshold, name="threshold", above=0) > 1:
            raise ValueError(f"threshold: expected a number of at most 1, got {threshold}.")
        anchor = _check_anchor(anchor, self._shape)
        most_squared = -math.log(threshold) * self._two_sigma_squared
        compiled = _compiled()
        if compiled is None:
            components, _ = ndimage.label(self._squared_distances(anchor) <= most_squared)
            whole: NDArray[np.bool_] = components == components[anchor]
            return whole
        missing = (3 - len(self._shape)) * (1,)
        volume, pixel = (*missing, *self._shape), (*(0 for _ in missing), *anchor)
        words, n_bad = compiled.flood(*self._flat(anchor), most_squared, volume, pixel)
        if n_bad:
            self._refuse_non_finite()
        bits = np.unpackbits(words.astype("<u8", copy=False).view(np.uint8), axis=-1, bitorder="little")
        return np.ascontiguousarray(bits[:, : self._shape[-1]]).view(np.bool_).reshape(self._shape)

    def _squared_distances(self, anchor: tuple[int, ...]) -> NDArray[np.float32]:
        """Return |e - e_anchor|^2 (*spatial); refuses NaN and infinity."""
        compiled = _compiled()
        flat, vector = self._flat(anchor)
        squared: NDArray[np.float32] = (
            _sum_squares(flat, vector) if compiled is None else compiled.squared_distances(flat, vector, _BLOCK)
        )
        if not np.isfinite(squared.max()):
            self._refuse_non_finite()
        return squared.reshape(self._shape)

    def _flat(self, anchor: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the embeddings as (E, N) and the anchor's (E,).

        Both are marked read-only: numba compiles anew for each kind of array, and should not while the mouse moves.
        """
        flat = self._embeddings.reshape(len(self._embeddings), -1)[:]
        index: tuple[Any, ...] = (slice(None), *anchor)
        vector = self._embeddings[index].copy()
        flat.flags.writeable = vector.flags.writeable = False
        return flat, vector

    def _refuse_non_finite(self) -> None:
        """Raise if what made a distance not finite was not finite itself: the square of a large number may overflow."""
        if not np.isfinite(self._embeddings).all():
            raise ValueError("embeddings: expected finite numbers, got NaN or infinity.")


@contextmanager
def without_compiled() -> Iterator[None]:
    """Answer with NumPy alone, in all threads, while another process compiles the loops: nobody compiles them twice."""
    _is_held.set()
    try:
        yield
    finally:
        _is_held.clear()


def _compiled() -> ModuleType | None:
    if _is_held.is_set():
        return None
    try:
        from napari_spoco.segmentation import flood
    except ImportError:
        return None
    return flood


def _sum_squares(flat: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    squared = np.zeros(flat.shape[1], dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for channel, coordinate in zip(flat, vector, strict=True):
            squared += np.square(channel - coordinate)
    return squared


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
