"""A part of a large label array that is annotated by itself, and what of it goes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    Box = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class WorkBox:
    """The labels of a part, as they were when it was taken.

    Attributes
    ----------
    start : tuple of int
        First pixel of the part in the whole.
    labels : ndarray
        (*part), a copy.
    greatest_id : int
        Of the objects of the whole, inside of the part or not; new objects begin above.
    written : ndarray or None
        (*part), what the part of the whole was to become when changes were last written there, perhaps not to the end;
        None where they never were.
    """

    start: tuple[int, ...]
    labels: NDArray[Any]
    greatest_id: int
    written: NDArray[Any] | None = None

    @classmethod
    def of(cls, labels: NDArray[Any], box: Box, *, reserved: Collection[int] = ()) -> Self:
        """Take a part of labels; `reserved` ids are no objects."""
        ids = set(np.unique(labels).tolist()) - set(reserved)
        return cls(tuple(part.start for part in box), labels[box].copy(), max([0, *ids]))

    def changes(
        self, labels: NDArray[Any], edited: NDArray[Any], *, reserved: Collection[int] = ()
    ) -> tuple[tuple[NDArray[np.intp], ...], NDArray[Any], NDArray[Any]]:
        """Find out what editing the part means for the whole.

        Parameters
        ----------
        labels
            (*spatial), the whole.
        edited
            (*part), the part as it is now.
        reserved
            Ids that mean the same everywhere, such as background.

        Returns
        -------
        tuple
            Indices into the whole, (N,) per axis; what these pixels were; what they become, of the type of the whole.
            An object that is new in the part never becomes one with an object outside: where it has the id of one, it
            gets the next free id. What was `written` before, and is there still, is changed along.

        Raises
        ------
        ValueError
            The part has another shape than when it was taken.
        """
        if edited.shape != self.labels.shape:
            raise ValueError(f"box: expected its shape {self.labels.shape}, got {edited.shape}.")
        part = tuple(slice(first, first + n) for first, n in zip(self.start, edited.shape, strict=True))
        there = labels[part].copy()
        is_written = np.zeros(edited.shape, bool)
        if self.written is not None:
            is_written = (there == self.written) & (there != self.labels)
        within = np.nonzero((edited != self.labels) | is_written)
        after = edited[within].astype(labels.dtype)
        new = set(np.unique(after).tolist()) - set(np.unique(self.labels).tolist()) - {0, *reserved}
        if new:
            in_use = _ids_beside(labels, there[is_written])
            following = max(in_use | new | set(reserved)) + 1
            taken = after.copy()
            for number, label in enumerate(sorted(new & in_use)):
                after[taken == label] = following + number
        indices = tuple(axis + first for axis, first in zip(within, self.start, strict=True))
        before = np.where(is_written, there, self.labels)[within].astype(labels.dtype)
        return indices, before, after

    def with_written(self, indices: tuple[NDArray[np.intp], ...], after: NDArray[Any]) -> Self:
        """Return the box for which changes, pixels of the whole and what they become, are being written."""
        written = self.labels.astype(after.dtype)
        written[tuple(axis - first for axis, first in zip(indices, self.start, strict=True))] = after
        return replace(self, written=written)


def _ids_beside(labels: NDArray[Any], some: NDArray[Any]) -> set[int]:
    """Return the ids of labels that other pixels than some of them, of which these are the labels, have."""
    all_numbers, numbers = (_numbers(part) for part in (labels, some))
    return {label for label, n in all_numbers.items() if n > numbers.get(label, 0)}


def _numbers(labels: NDArray[Any]) -> dict[int, int]:
    ids, numbers = np.unique(labels, return_counts=True)
    return dict(zip(ids.tolist(), numbers.tolist(), strict=True))
