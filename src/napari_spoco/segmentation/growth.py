"""Growth of fragments on a table of segments: which segments become one, without a look at the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PATIENT_ROUNDS = 50
"""Rounds of growth in which only the closest pairs merge; after that whole chains do, which halves the fragments."""
_BLOCK = 1 << 13
"""Pairs; their differences stay in the cache."""


def merge_fragments(
    pairs: NDArray[np.int64], sizes: NDArray[np.int64], sums: NDArray[np.float64], fragment_size: int
) -> NDArray[np.intp]:
    """Merge segments of fewer than `fragment_size` pixels into the touching segment of the nearest mean embedding.

    The rounds are those of `cleanup.grow_fragments`.

    Parameters
    ----------
    pairs
        (n_pairs, 2) rows of touching segments, the smaller one first, unique.
    sizes
        (n,) pixels of every segment, at least 1 wherever it touches another.
    sums
        (n, E) sums of its embeddings.
    fragment_size
        In pixels.

    Returns
    -------
    numpy.ndarray
        (n,) for every segment the one it ends up in, 0..m - 1 without gaps, in order of the first member.
    """
    segment_of = np.arange(len(sizes))
    n_rounds = 0
    # Two segments that are no fragments never merge, so their pairs are of no more use.
    while len(pairs := pairs[(is_fragment := sizes < fragment_size)[pairs].any(axis=1)]):
        n_rounds += 1
        merged = _choose_merges(pairs, sums / sizes[:, None], is_fragment, with_chains=n_rounds > _PATIENT_ROUNDS)
        graph = coo_array((np.ones(len(merged), dtype=bool), tuple(merged.T)), shape=(len(sizes), len(sizes)))
        n_segments, joined = connected_components(graph, directed=False)
        sizes = np.bincount(joined, weights=sizes, minlength=n_segments).astype(np.int64)
        sums = np.stack([np.bincount(joined, weights=column, minlength=n_segments) for column in sums.T], axis=1)
        segment_of = joined[segment_of]
        first, second = joined[pairs].T
        apart = first != second
        pairs = unique_pairs(pair_keys(first[apart], second[apart], n_segments), n_segments)
    return segment_of


def _choose_merges(
    pairs: NDArray[np.int64], means: NDArray[np.float64], is_fragment: NDArray[np.bool_], *, with_chains: bool
) -> NDArray[np.int64]:
    """Return the pairs to merge now: (n_merges, 2), at most one per fragment.

    Without chains a fragment waits while its nearest neighbour is a fragment that itself prefers another one. As
    equal distances are ordered by the pair, the closest pair of all is always chosen, and there are no cycles.
    """
    distances = _squared_distances(means, pairs)
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


def _squared_distances(means: NDArray[np.float64], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
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
