"""What makes a segmentation usable: no background, no fragments, no specks, ids without gaps.

Everything here works on tables of segments (sizes, mean embeddings, touching pairs); pixels are visited once by
vectorised NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_spoco.segmentation.arguments import check_choice, check_embeddings, check_labels, check_number
from napari_spoco.segmentation.background import background_embedding

if TYPE_CHECKING:
    from numpy.typing import NDArray

BACKGROUND_MODES = ("none", "largest", "mode")
_PATIENT_ROUNDS = 50
"""Rounds of growth in which only the closest pairs merge; after that whole chains do, which halves the fragments."""


def remove_small(labels: NDArray[Any], min_size: int) -> NDArray[np.uint32]:
    """Set objects of fewer than `min_size` pixels to 0 and number the others 1..n in their order.

    Parameters
    ----------
    labels
        Non-negative integers of any shape.
    min_size
        In pixels; 0 and 1 keep every object.

    Raises
    ------
    TypeError, ValueError
        `labels` are no non-negative integers, or `min_size` is negative.
    """
    labels = check_labels(labels)
    check_number(min_size, name="min_size", at_least=0)
    if labels.size and labels.max() > 2 * labels.size:  # a table up to the largest id would be larger than the image
        ids, inverse = np.unique(labels, return_inverse=True)
        labels = inverse.reshape(labels.shape) + int(ids[0] != 0)
    sizes = np.bincount(labels.ravel(), minlength=1)
    kept = (sizes > 0) & (sizes >= min_size)
    kept[0] = False
    new_ids = np.where(kept, np.cumsum(kept), 0).astype(np.uint32)
    renumbered: NDArray[np.uint32] = new_ids[labels]
    return renumbered


def remove_background(
    labels: NDArray[Any], embeddings: NDArray[Any], mode: Literal["none", "largest", "mode"], radius: float = 2.0
) -> NDArray[np.uint32]:
    """Set the segments that are background to 0 and number the others 1..n in their order.

    Parameters
    ----------
    labels
        (*spatial) segments, non-negative integers.
    embeddings
        (E, *spatial), floating point.
    mode
        "none": nothing is background. "largest": the largest segment. "mode": every segment whose mean embedding
        is within `radius` of the dominant mode of the segments' embeddings; the way for a background in pieces.
    radius
        Distance in embedding space; about delta_dist.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range.
    """
    check_choice(mode, BACKGROUND_MODES, name="background")
    embeddings = check_embeddings(embeddings)
    labels = remove_small(check_labels(labels, shape=embeddings.shape[1:]), 0)
    radius = check_number(radius, name="background_radius", above=0)
    if mode == "none" or not labels.any():
        return labels
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    if mode == "largest":
        is_background = np.zeros(len(sizes), dtype=bool)
        is_background[sizes.argmax()] = True
    else:
        means = _sum_embeddings(labels, embeddings, len(sizes)) / np.maximum(sizes, 1)[:, None]
        centre = background_embedding(embeddings, mask=labels)
        is_background = np.linalg.norm(means - centre, axis=1) <= radius
    return remove_small(np.where(is_background[labels], np.uint32(0), labels), 0)


def grow_fragments(labels: NDArray[Any], embeddings: NDArray[Any], fragment_size: int) -> NDArray[np.uint32]:
    """Merge segments of fewer than `fragment_size` pixels into the touching segment of the nearest mean embedding.

    In rounds: every fragment points to its nearest neighbour through a pixel face; those that point to a segment
    that is no fragment, or to each other, are merged, then sizes and means are updated, until no fragment touches
    anything. So two segments of at least `fragment_size` are never merged, and the closest pairs go first. Fragments
    that touch nothing but label 0 stay.

    Parameters
    ----------
    labels
        (*spatial) segments, non-negative integers, 0 = no segment.
    embeddings
        (E, *spatial), floating point.
    fragment_size
        In pixels; 0 and 1 change nothing.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range.
    """
    embeddings = check_embeddings(embeddings)
    labels = remove_small(check_labels(labels, shape=embeddings.shape[1:]), 0)
    check_number(fragment_size, name="fragment_size", at_least=0)
    sizes = np.bincount(labels.ravel(), minlength=1)
    if not (sizes[1:] < fragment_size).any():
        return labels
    sums = _sum_embeddings(labels, embeddings, len(sizes))
    pairs = _touching_pairs(labels, len(sizes)) - 1  # the tables leave out label 0
    segment_of = _merge_fragments(pairs, sizes[1:], sums[1:], fragment_size)
    return remove_small(np.concatenate(([0], segment_of + 1))[labels], 0)


def _sum_embeddings(labels: NDArray[np.uint32], embeddings: NDArray[np.float32], n_labels: int) -> NDArray[np.float64]:
    """Return the sum of the embeddings of every label, (n_labels, E)."""
    flat = labels.ravel()
    return np.stack([np.bincount(flat, weights=channel.ravel(), minlength=n_labels) for channel in embeddings], axis=1)


def _touching_pairs(labels: NDArray[np.uint32], n_labels: int) -> NDArray[np.int64]:
    """Return the pairs (a < b) of labels above 0 that share a pixel face, (n_pairs, 2), sorted and unique."""
    keys = [np.empty(0, dtype=np.int64)]
    for axis in range(labels.ndim):
        ahead = (slice(None),) * axis
        first, second = labels[(*ahead, slice(None, -1))], labels[(*ahead, slice(1, None))]
        differs = (first != second) & (first > 0) & (second > 0)
        keys.append(_pair_keys(first[differs].astype(np.int64), second[differs].astype(np.int64), n_labels))
    return np.stack(np.divmod(np.unique(np.concatenate(keys)), n_labels), axis=1)


def _pair_keys(first: NDArray[np.int64], second: NDArray[np.int64], n_labels: int) -> NDArray[np.int64]:
    return np.minimum(first, second) * n_labels + np.maximum(first, second)


def _merge_fragments(
    pairs: NDArray[np.int64], sizes: NDArray[np.int64], sums: NDArray[np.float64], fragment_size: int
) -> NDArray[np.intp]:
    """Return for each segment the one it ends up in; numbers are those of the merged table."""
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
        first, second = joined[pairs].astype(np.int64).T
        apart = first != second
        keys = np.unique(_pair_keys(first[apart], second[apart], n_segments))
        pairs = np.stack(np.divmod(keys, n_segments), axis=1)
    return segment_of


def _choose_merges(
    pairs: NDArray[np.int64], means: NDArray[np.float64], is_fragment: NDArray[np.bool_], *, with_chains: bool
) -> NDArray[np.int64]:
    """Return the pairs to merge now: (n_merges, 2), at most one per fragment.

    Without chains a fragment waits while its nearest neighbour is a fragment that itself prefers another one. As
    equal distances are ordered by the pair, the closest pair of all is always chosen, and there are no cycles.
    """
    distances = np.square(means[pairs[:, 0]] - means[pairs[:, 1]]).sum(axis=1)
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
