"""Mean-shift with a flat kernel: the modes of a set of embeddings, and the union of modes that are close.

Every point climbs to the mean of the points within the bandwidth until it stands still (Comaniciu and Meer 2002).
Seeds that have met are carried on as one, so that most of the work is done after two or three steps, and all distances
are matrix products.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_N_SHIFTS = 300
_STANDS_STILL = 1e-3
_HAVE_MET = 0.05
"""Both in bandwidths; modes closer than one bandwidth become one in the end."""
_BLOCK_DISTANCES = 2**18
"""Distances at a time; they stay in the cache."""


def find_modes(points: NDArray[np.float32], bandwidth: float) -> NDArray[np.float32]:
    """Find the modes of the density of points, the strongest first.

    Parameters
    ----------
    points
        (N, E), contiguous; each is a seed.
    bandwidth
        Radius of the flat kernel.

    Returns
    -------
    numpy.ndarray
        (K, E), farther apart than `bandwidth`, in the order of how many points lie within it. Of closer modes the
        strongest is kept.
    """
    if not len(points):
        return points
    origin = points.mean(axis=0)  # keeps the expanded square exact far from the origin
    points = points - origin
    norms = np.square(points).sum(axis=1)
    seeds, modes, strengths = points, [], []
    for n_shifts in range(1, _N_SHIFTS + 1):
        means, counts = _shift(seeds, points, norms, bandwidth)
        still = np.square(means - seeds).sum(axis=1) <= (_STANDS_STILL * bandwidth) ** 2
        still |= n_shifts == _N_SHIFTS
        modes.append(means[still])
        strengths.append(counts[still])
        seeds = _unite_met(means[~still], _HAVE_MET * bandwidth)
        if not len(seeds):
            break
    kept: NDArray[np.float32] = _keep_strongest(np.concatenate(modes), np.concatenate(strengths), bandwidth) + origin
    return kept


def _shift(
    seeds: NDArray[np.float32], points: NDArray[np.float32], norms: NDArray[np.float32], bandwidth: float
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the mean of the points within the bandwidth of each seed (S, E), and their number (S,)."""
    means, counts = np.empty_like(seeds), np.empty(len(seeds), dtype=np.intp)
    ones = np.ones((max(len(points), len(seeds)), 1), dtype=np.float32)
    countable = np.hstack((points, ones[: len(points)]))  # the last sum is their number
    # |seed - point|^2 - |seed|^2 is one product of (seed, 1) with these; passes over the block cost as much as that.
    measure = np.ascontiguousarray(np.hstack((-2.0 * points, norms[:, None])).T)  # (E + 1, N)
    step = max(1, _BLOCK_DISTANCES // len(points))
    room = np.empty((min(step, len(seeds)), len(points)), dtype=np.float32)
    for start in range(0, len(seeds), step):
        block = seeds[start : start + step]
        reach = bandwidth**2 - np.square(block).sum(axis=1, keepdims=True)
        within = np.matmul(np.hstack((block, ones[: len(block)])), measure, out=room[: len(block)])
        sums = np.less_equal(within, reach, out=within) @ countable
        count = sums[:, -1:]
        counts[start : start + step] = count[:, 0]
        # A seed is the mean of points, yet around a ring none of them need lie within the bandwidth: then it stays.
        means[start : start + step] = np.where(count > 0, sums[:, :-1] / np.maximum(count, 1.0), block)
    return means, counts


def _unite_met(seeds: NDArray[np.float32], distance: float) -> NDArray[np.float32]:
    """Return one seed of each cell of a grid of this spacing, in their order."""
    first: dict[bytes, int] = {}  # faster than numpy.unique, which sorts whole rows
    for index, cell in enumerate(np.rint(seeds / distance).astype(np.int64)):
        first.setdefault(cell.tobytes(), index)
    return seeds[list(first.values())]


def _keep_strongest(modes: NDArray[np.float32], strengths: NDArray[np.intp], bandwidth: float) -> NDArray[np.float32]:
    """Return modes from the strongest to the weakest, without those within the bandwidth of a stronger one."""
    # Equal strengths are ordered by their coordinates, so that the result does not depend on the order of the points.
    waiting = modes[np.lexsort((*modes.T[::-1], strengths))[::-1]]
    kept = []
    while len(waiting):
        kept.append(waiting[0])
        waiting = waiting[np.square(waiting - waiting[0]).sum(axis=1) > bandwidth**2]
    return np.stack(kept)


def merge_close(means: NDArray[np.float32], sizes: NDArray[np.intp], distance: float) -> NDArray[np.intp]:
    """Merge clusters whose mean embeddings are closer than `distance`, large ones first.

    Every cluster, from the largest to the smallest, joins the nearest of those before it or stands by itself; means are
    weighted by size, and the passes go on until no two means are closer. So small clusters on the way between two
    large ones do not chain them.

    Parameters
    ----------
    means
        (K, E) mean embedding of each cluster.
    sizes
        (K,) number of pixels of each.
    distance
        For natural images delta_dist of the training (section 4.2 of the paper).

    Returns
    -------
    numpy.ndarray
        (K,) new cluster 0..k-1 of each, the largest old one first.
    """
    new_ids = np.arange(len(means))
    weights: NDArray[Any] = sizes.astype(np.float64)
    while True:
        joined = _join_larger(means, weights, distance)
        new_ids = joined[new_ids]
        n_left = joined.max(initial=-1) + 1
        if n_left == len(means):
            return new_ids
        sums = [np.bincount(joined, weights=weights * column) for column in means.T]
        weights = np.bincount(joined, weights=weights)
        means = (np.stack(sums, axis=1) / weights[:, None]).astype(np.float32)


def _join_larger(means: NDArray[np.float32], weights: NDArray[np.float64], distance: float) -> NDArray[np.intp]:
    joined = np.empty(len(means), dtype=np.intp)
    centres, masses = np.empty_like(means), np.zeros(len(means))
    n_centres = 0
    for cluster in np.argsort(-weights, kind="stable"):
        squared = np.square(centres[:n_centres] - means[cluster]).sum(axis=1)
        nearest = int(squared.argmin()) if n_centres else 0
        if n_centres == 0 or squared[nearest] >= distance**2:
            nearest, n_centres = n_centres, n_centres + 1
            centres[nearest] = 0.0
        joined[cluster] = nearest
        masses[nearest] += weights[cluster]
        centres[nearest] += (means[cluster] - centres[nearest]) * (weights[cluster] / masses[nearest])
    return joined
