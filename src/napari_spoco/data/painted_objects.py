"""Where each object of a label image is, in one scan, for thousands of objects as for ten.

What it costs is one comparison of neighbouring pixels; afterwards only runs of equal labels are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from napari_spoco.data.runs import find_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PaintedObjects:
    """One row per value other than 0, ascending.

    Attributes
    ----------
    ids : ndarray
        int64 (N,), the values; negative ones where the labels have them.
    n_pixels : ndarray
        int64 (N,).
    first, last : ndarray
        int64 (N, ndim), the corner pixels of the bounding boxes, both inside.
    middles : ndarray
        int64 (N, ndim), a pixel of each object about half-way through it along the first axis.
    n_planes : ndarray
        int64 (N,), indices along the first axis at which the object has pixels.
    """

    ids: NDArray[np.int64]
    n_pixels: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    middles: NDArray[np.int64]
    n_planes: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.int32]) -> Self:
        """Find the objects of int32 labels (*spatial), two axes or more."""
        values, starts, lengths = find_runs(labels)
        painted = np.flatnonzero(values)
        order = painted[np.argsort(values[painted], kind="stable")]
        ids, starts, lengths = values[order].astype(np.int64), starts[order], lengths[order]
        firsts = np.flatnonzero(np.diff(ids, prepend=0))  # No value is 0: the first run begins the first object.
        places = np.stack(np.unravel_index(starts, labels.shape), axis=1).astype(np.int64)
        ends = places.copy()
        ends[:, -1] += lengths - 1
        if not len(firsts):
            none = np.empty((0, labels.ndim), np.int64)
            return cls(firsts, firsts, none, none, none, firsts)
        is_new_plane = np.diff(places[:, 0], prepend=-1) != 0
        is_new_plane[firsts] = True
        return cls(
            ids[firsts],
            np.add.reduceat(lengths, firsts),
            np.minimum.reduceat(places, firsts),
            np.maximum.reduceat(ends, firsts),
            places[(firsts + np.append(firsts[1:], len(ids)) - 1) // 2],
            np.add.reduceat(is_new_plane.astype(np.int64), firsts),
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def row(self, instance_id: int) -> int | None:
        """Return the row of an id; None where nothing has it."""
        row = int(np.searchsorted(self.ids, instance_id))
        return row if row < len(self.ids) and self.ids[row] == instance_id else None


def count_touching(labels: NDArray[np.integer]) -> int:
    """Return the number of objects (ids from 1) with a pixel next to one of another object, along an axis."""
    touching = []
    for axis in range(labels.ndim):
        along = np.moveaxis(labels, axis, 0)
        lower, upper = along[:-1], along[1:]
        meets = (lower != upper) & (lower > 0) & (upper > 0)
        touching += [np.unique(lower[meets]), np.unique(upper[meets])]
    return len(np.unique(np.concatenate(touching)))
