"""Ids on another grid that covers the same box of space, decided by a vote.

Every id counts by the share of the new pixel that it covers: of n pixels along an axis, pixel i covers the part from
i / n to (i + 1) / n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, sparse

from napari_spoco.data.annotations import UNLABELED
from napari_spoco.data.runs import group_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Box = tuple[slice, ...]

_ROUNDING = 1e-5


def elect_annotations(labels: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Bring painted labels, int32 of any shape, to a grid of another; as `Resampling.annotations`."""
    votes = _Votes(shape)
    is_crest = np.zeros(shape, dtype=bool)
    for label, box, shares in _shares(labels, _matrices(labels.shape, shape, _overlaps)):
        is_won = votes.cast(label, box, shares)
        crest = shares >= 0.5 * ndimage.maximum_filter(shares, size=3, mode="constant") - _ROUNDING
        is_crest[box][is_won] = crest[is_won]
    return np.where((votes.total >= 0.5 - _ROUNDING) | is_crest, votes.winners, UNLABELED).astype(np.int32)


def resample_mask(mask: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Bring a mask of any shape to a grid of another; as `Resampling.mask`."""
    shares = (mask != 0).astype(np.float32)
    for axis, matrix in enumerate(_matrices(mask.shape, shape, _overlaps)):
        shares = _along(axis, matrix, shares)
    return np.asarray(shares >= 0.5 - _ROUNDING)


def elect_labels(labels: NDArray[np.integer], shape: tuple[int, ...]) -> NDArray[np.uint32]:
    """Bring found objects, ids from 0 to below 2**31 of any shape, to a grid of another; as `Resampling.labels`."""
    votes = _Votes(shape)
    for label, box, shares in _shares(labels.astype(np.int32), _matrices(labels.shape, shape, _interpolation)):
        votes.cast(label, box, shares)
    # 1 - total is the share of 0.
    return np.where(votes.best + votes.total > 1, votes.winners, 0).astype(np.uint32)


class _Votes:
    """For each pixel of a grid the id with the largest share so far, that share, and the sum of all shares."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.winners = np.zeros(shape, dtype=np.int32)
        self.best = np.zeros(shape, dtype=np.float32)
        self.total = np.zeros(shape, dtype=np.float32)

    def cast(self, label: int, box: Box, shares: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Count the shares of a label in a box; returns where it is ahead of all others."""
        self.total[box] += shares
        is_won: NDArray[np.bool_] = shares > self.best[box]
        self.winners[box][is_won] = label
        self.best[box][is_won] = shares[is_won]
        return is_won


def _shares(
    labels: NDArray[np.int32], matrices: list[sparse.csc_array]
) -> Iterator[tuple[int, Box, NDArray[np.float32]]]:
    """Yield each id but 0, the box of the new grid in which it is, and its share of the pixels there; objects first."""
    groups = group_runs(labels, unwanted=(UNLABELED,))
    for label in sorted(groups, key=lambda label: (label < 0, label)):
        firsts = np.unravel_index(groups[label].starts, labels.shape)
        lasts = (*firsts[:-1], firsts[-1] + np.diff(groups[label].ends, prepend=0) - 1)
        source = tuple(slice(int(a.min()), int(b.max()) + 1) for a, b in zip(firsts, lasts, strict=True))
        shares = (labels[source] == label).astype(np.float32)
        box = []
        for axis, (matrix, part) in enumerate(zip(matrices, source, strict=True)):
            columns = matrix[:, part]
            begin, end = int(columns.indices.min()), int(columns.indices.max()) + 1
            shares = _along(axis, columns[begin:end], shares)
            box.append(slice(begin, end))
        yield label, tuple(box), shares


def _matrices(
    before: tuple[int, ...], after: tuple[int, ...], make: Callable[[int, int], sparse.csc_array]
) -> list[sparse.csc_array]:
    return [make(n, m) for n, m in zip(before, after, strict=True)]


def _along(axis: int, matrix: sparse.csc_array, array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply a matrix to an axis."""
    moved = np.moveaxis(array, axis, 0)
    product = (matrix @ moved.reshape(len(moved), -1)).reshape(-1, *moved.shape[1:])
    return np.moveaxis(product, 0, axis)


def _overlaps(n: int, m: int) -> sparse.csc_array:
    """Return (m, n): which share of each of m pixels lies in each of n pixels that cover the same length."""
    edges = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)  # in units that divide both
    weights = (np.diff(edges) / n).astype(np.float32)
    return sparse.csc_array((weights, (edges[:-1] // n, edges[:-1] // m)), shape=(m, n))


def _interpolation(n: int, m: int) -> sparse.csc_array:
    """Return (m, n): linear interpolation at the centres of m pixels; the mean where they are the larger ones."""
    if m <= n:
        return _overlaps(n, m)
    centres = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
    below = np.minimum(centres.astype(int), max(n - 2, 0))
    above = np.minimum(below + 1, n - 1)
    weights = np.concatenate([1 - (centres - below), centres - below]).astype(np.float32)
    rows = np.tile(np.arange(m), 2)
    matrix = sparse.csc_array((weights, (rows, np.concatenate([below, above]))), shape=(m, n))
    matrix.eliminate_zeros()
    return matrix
