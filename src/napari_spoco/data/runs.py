"""Runs of equal labels: a volume is scanned once, afterwards only what is labelled is looked at.

A run is a piece of one row (last axis), so it never crosses a row or a plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PixelRuns:
    """The pixels of one object, in C order, without a list of them.

    Attributes
    ----------
    starts : ndarray
        int64 (R,), flat index of each run's first pixel, ascending.
    ends : ndarray
        int64 (R,), number of the object's pixels up to and with each run.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def n_pixels(self) -> int:
        """Number of pixels."""
        return int(self.ends[-1])

    def pixel(self, index: int) -> int:
        """Return the flat index of one pixel, `index` in [0, n_pixels)."""
        run = int(np.searchsorted(self.ends, index, side="right"))
        before = int(self.ends[run - 1]) if run else 0
        return int(self.starts[run]) + index - before

    def pixels(self) -> NDArray[np.int64]:
        """Return the flat indices of all pixels, ascending."""
        lengths = np.diff(self.ends, prepend=0)
        return np.arange(self.n_pixels) + np.repeat(self.starts - self.ends + lengths, lengths)


def find_runs(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Return value, flat index of the first pixel and length of all runs of (*spatial), in C order."""
    is_start = np.ones(labels.shape, dtype=bool)
    np.not_equal(labels[..., 1:], labels[..., :-1], out=is_start[..., 1:])
    starts = np.flatnonzero(is_start)
    return labels.ravel()[starts], starts, np.diff(starts, append=labels.size)


def group_runs(labels: NDArray[np.int32], unwanted: tuple[int, ...]) -> dict[int, PixelRuns]:
    """Return the runs of each value but the unwanted ones, ascending by value."""
    values, starts, lengths = find_runs(labels)
    wanted = np.flatnonzero(~np.isin(values, unwanted))
    order = wanted[np.argsort(values[wanted], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(values[order])) + 1) if len(order) else []
    return {int(values[group[0]]): PixelRuns(starts[group], np.cumsum(lengths[group])) for group in groups}
