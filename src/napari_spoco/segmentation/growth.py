"""Merging on a graph of segments: fragments grow, without a look at the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array, csc_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PATIENT_ROUNDS = 50
"""Rounds of growth in which only the closest pairs merge; after that whole chains do, which halves the fragments."""
_BLOCK = 1 << 13
"""Pairs; their differences stay in the cache."""


class RegionGraph(NamedTuple):
    """Segments 0..n - 1 and which of them touch.

    Attributes
    ----------
    pairs : ndarray
        (n_pairs, 2) rows of touching segments, the smaller one first, sorted and unique.
    sizes : ndarray
        (n,) pixels of every segment, or their weights; above 0 wherever it touches another.
    sums : ndarray
        (n, E) sums of its embeddings.
    """

    pairs: NDArray[np.int64]
    sizes: NDArray[np.float64]
    sums: NDArray[np.float64]

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean embeddings (n, E)."""
        return self.sums / self.sizes[:, None]

    def joined(self, segment_of: NDArray[np.intp], n_segments: int) -> RegionGraph:
        """Return the graph of `n_segments` segments that these become; -1 leaves one out."""
        is_kept = segment_of >= 0
        ids = segment_of[is_kept]
        # Column i says which segment becomes which: a product sums all channels at once.
        becomes = csc_array((np.ones(len(ids)), ids, np.arange(len(ids) + 1)), shape=(n_segments, len(ids)))
        first, second = segment_of[self.pairs].T
        apart = (first != second) & (np.minimum(first, second) >= 0)
        keys = pair_keys(first[apart], second[apart], n_segments)
        return RegionGraph(unique_pairs(keys, n_segments), becomes @ self.sizes[is_kept], becomes @ self.sums[is_kept])

    def merged(self, pairs: NDArray[np.int64]) -> tuple[NDArray[np.intp], RegionGraph]:
        """Merge the segments of these pairs; return for each the one it becomes, in order of the first member."""
        n_before = len(self.sizes)
        edges = coo_array((np.ones(len(pairs), dtype=bool), tuple(pairs.T)), shape=(n_before, n_before))
        n_segments, segment_of = connected_components(edges, directed=False)
        return segment_of, self.joined(segment_of, n_segments)


def merge_fragments(graph: RegionGraph, fragment_size: float) -> NDArray[np.intp]:
    """Merge segments of fewer than `fragment_size` pixels into the touching segment of the nearest mean embedding.

    The rounds are those of `cleanup.grow_fragments`.

    Parameters
    ----------
    graph
        The segments.
    fragment_size
        In pixels.

    Returns
    -------
    numpy.ndarray
        (n,) for every segment the one it ends up in, 0..m - 1 without gaps, in order of the first member.
    """
    segment_of = np.arange(len(graph.sizes))
    n_rounds = 0
    while True:
        is_fragment = graph.sizes < fragment_size
        # Two segments that are no fragments never merge, so their pairs are of no more use.
        graph = graph._replace(pairs=graph.pairs[is_fragment[graph.pairs].any(axis=1)])
        if not len(graph.pairs):
            return segment_of
        n_rounds += 1
        chosen = _choose_merges(graph, is_fragment, with_chains=n_rounds > _PATIENT_ROUNDS)
        joined, graph = graph.merged(chosen)
        segment_of = joined[segment_of]


def _choose_merges(graph: RegionGraph, is_fragment: NDArray[np.bool_], *, with_chains: bool) -> NDArray[np.int64]:
    """Return the pairs to merge now: (n_merges, 2), at most one per fragment.

    Without chains a fragment waits while its nearest neighbour is a fragment that itself prefers another one. As
    equal distances are ordered by the pair, the closest pair of all is always chosen, and there are no cycles.
    """
    pairs = graph.pairs
    distances = squared_distances(graph.means, pairs)
    rank = np.empty(len(pairs), dtype=np.int64)
    rank[np.argsort(distances, kind="stable")] = np.arange(len(pairs))
    best = np.full(len(is_fragment), len(pairs))  # per segment the rank of its closest pair
    np.minimum.at(best, pairs[:, 0], rank)
    np.minimum.at(best, pairs[:, 1], rank)
    chosen_by = (best[pairs] == rank[:, None]) & is_fragment[pairs]  # (n_pairs, 2)
    is_merged: NDArray[np.bool_] = (
        chosen_by.any(axis=1) if with_chains else (chosen_by | ~is_fragment[pairs]).all(axis=1)
    )
    merged: NDArray[np.int64] = pairs[is_merged]
    return merged


def squared_distances(means: NDArray[np.float64], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the squared distance of the mean embeddings of every pair, (n_pairs,)."""
    squared = np.empty(len(pairs))
    for start in range(0, len(pairs), _BLOCK):
        block = slice(start, start + _BLOCK)
        steps = means[pairs[block, 0]] - means[pairs[block, 1]]
        np.einsum("ne,ne->n", steps, steps, out=squared[block])
    return squared


def unique_pairs(keys: NDArray[np.int64], n_segments: int) -> NDArray[np.int64]:
    """Return the pairs (a < b) of the keys from `pair_keys`, (n_pairs, 2), sorted and unique; `keys` are sorted too."""
    keys.sort()  # much faster than numpy.unique, which hashes first, where there are hundreds of thousands
    return np.stack(np.divmod(keys[_is_new(keys)], n_segments), axis=1)


def pair_keys(first: NDArray[np.integer[Any]], second: NDArray[np.integer[Any]], n_segments: int) -> NDArray[np.int64]:
    """Return a number for each unordered pair of segments, without those that repeat the one before."""
    first, second = first.astype(np.int64), second.astype(np.int64)
    keys = np.minimum(first, second) * n_segments + np.maximum(first, second)
    fresh: NDArray[np.int64] = keys[_is_new(keys)]
    return fresh


def _is_new(keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    is_new = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
    return is_new
