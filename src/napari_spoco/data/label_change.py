"""One change of a label array: which pixels, what they were and what they become. Exact to undo, in any plane.

This module knows neither why labels change nor who shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Box = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class LabelChange:
    """The pixels that differ, and nothing else.

    Attributes
    ----------
    pixels : ndarray
        int64 (N,), flat indices in C order, ascending, each once.
    before, after : ndarray
        (N,) labels of the array's type; they differ at every pixel.
    shape : tuple of int
        Of the array.
    """

    pixels: NDArray[np.int64]
    before: NDArray[Any]
    after: NDArray[Any]
    shape: tuple[int, ...]

    @classmethod
    def between(cls, labels: NDArray[Any], edited: NDArray[Any], box: Box) -> Self:
        """Return what turns `labels[box]` into `edited`; `labels` is the whole array."""
        old = labels[box]
        places = np.nonzero(old != edited)
        starts = [part.start or 0 for part in box]
        index = tuple(place + start for place, start in zip(places, starts, strict=True))
        return cls(_flat(index, labels.shape), old[places], edited[places].astype(labels.dtype), labels.shape)

    @classmethod
    def none(cls, labels: NDArray[Any]) -> Self:
        """Return what leaves labels as they are."""
        empty = np.empty(0, labels.dtype)
        return cls(np.empty(0, np.int64), empty, empty, labels.shape)

    def __bool__(self) -> bool:
        """Say whether anything changes."""
        return bool(len(self.pixels))

    @property
    def indices(self) -> tuple[NDArray[np.int64], ...]:
        """The pixels as one array of indices per axis."""
        return tuple(axis.astype(np.int64, copy=False) for axis in np.unravel_index(self.pixels, self.shape))

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids that lose or gain pixels, ascending, without 0."""
        return tuple(sorted({*np.unique(self.before).tolist(), *np.unique(self.after).tolist()} - {0}))

    @property
    def new_ids(self) -> tuple[int, ...]:
        """Ids that gain pixels, ascending, without 0."""
        return tuple(sorted(set(np.unique(self.after).tolist()) - {0}))

    @property
    def planes(self) -> tuple[int, ...]:
        """Indices along the first axis at which something changes, ascending."""
        return tuple(np.unique(self.indices[0]).tolist())

    @cached_property
    def digest(self) -> str:
        """Hexadecimal digits that no other change has."""
        digest = blake2b(repr((self.shape, self.before.dtype.str, self.after.dtype.str)).encode(), digest_size=16)
        for part in (self.pixels, self.before, self.after):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    def can_apply(self, labels: NDArray[Any]) -> bool:
        """Return whether `apply` would make the change."""
        return not self._misfit(labels, self.indices, self.before, self.after)

    def can_revert(self, labels: NDArray[Any]) -> bool:
        """Return whether `revert` would take the change back."""
        return not self._misfit(labels, self.indices, self.after, self.before)

    def apply(self, labels: NDArray[Any]) -> None:
        """Make the change, in place.

        Raises
        ------
        ValueError
            The array is of another shape, its pixels are not what they were before the change, or its type cannot hold
            what they become; it stays as it is.
        """
        self._put(labels, self.before, self.after)

    def revert(self, labels: NDArray[Any]) -> None:
        """Take the change back, in place; errors as `apply`."""
        self._put(labels, self.after, self.before)

    def _put(self, labels: NDArray[Any], expected: NDArray[Any], values: NDArray[Any]) -> None:
        indices = self.indices
        if misfit := self._misfit(labels, indices, expected, values):
            raise ValueError(f"labels: expected {misfit}")
        labels[indices] = values

    def _misfit(
        self, labels: NDArray[Any], indices: tuple[NDArray[np.int64], ...], expected: NDArray[Any], values: NDArray[Any]
    ) -> str:
        """Say what was expected and what came; nothing if labels are as expected and can become the values."""
        if labels.shape != self.shape:
            return f"shape {self.shape}, got {labels.shape}."
        if n_other := int((labels[indices] != expected).sum()):
            return f"what the change was made for, but {n_other} of its pixels differ."
        if (values.astype(labels.dtype) != values).any():
            return f"a type that holds ids up to {values.max()}, got {labels.dtype}."
        return ""


def next_free_id(labels: NDArray[Any]) -> int:
    """Return an id that no pixel has: one above the greatest, or the smallest unused one if the type ends there.

    Raises
    ------
    ValueError
        The type of the labels has no unused id.
    """
    limit = int(np.iinfo(labels.dtype).max)
    greatest = max(int(labels.max(initial=0)), 0)
    if greatest < limit:
        return greatest + 1
    used = np.unique(labels[labels > 0]).astype(np.uint64)
    gaps = np.flatnonzero(used != np.arange(1, len(used) + 1, dtype=np.uint64))
    if not len(gaps):
        raise ValueError(f"labels: expected an unused id of type {labels.dtype}, got all up to {limit} in use.")
    return int(gaps[0]) + 1


def _flat(index: Sequence[NDArray[np.intp]], shape: tuple[int, ...]) -> NDArray[np.int64]:
    flat: NDArray[np.int64] = np.ravel_multi_index(tuple(index), shape).astype(np.int64, copy=False)
    return flat
