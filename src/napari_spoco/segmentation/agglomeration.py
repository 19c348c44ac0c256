"""Merging of touching segments by the distance of their mean embeddings, on tables of segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bioimage_cpp.graph import region_adjacency_graph

from napari_spoco.segmentation.arguments import check_embeddings, check_labels, check_mask, check_number
from napari_spoco.segmentation.cleanup import remove_small
from napari_spoco.segmentation.growth import RegionGraph, squared_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OUTSIDE_WEIGHT = 1e-3
"""Of a pixel that is not interior: enough for segments without interior, of no account in others."""


def merge_by_embedding(
    labels: NDArray[Any], embeddings: NDArray[Any], merge_distance: float, *, interior: NDArray[Any] | None = None
) -> NDArray[np.uint32]:
    """Merge touching segments until no two that touch have mean embeddings closer than `merge_distance`.

    In rounds: all pairs that are each other's nearest neighbours and close enough become one segment, whose mean is
    that of its pixels (average linkage, weighted by size). The closest pair of all is always among them.

    Parameters
    ----------
    labels
        (*spatial) segments, non-negative integers, 0 = no segment. Segments touch through pixel faces.
    embeddings
        (E, *spatial), floating point.
    merge_distance
        Distance in embedding space.
    interior
        (*spatial) bool or integer: the pixels that make a segment's mean, where it has any; None = all. At boundaries
        embeddings lie between those of two objects, and means that hold them draw both together.

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
    shape = embeddings.shape[1:]
    labels = remove_small(check_labels(labels, shape=shape), 0)
    merge_distance = check_number(merge_distance, name="merge_distance", at_least=0)
    if interior is None:
        weights = np.ones(labels.size)
    else:
        weights = np.where(check_mask(interior, shape, name="interior").ravel(), 1.0, _OUTSIDE_WEIGHT)
    flat = labels.ravel()
    sizes = np.bincount(flat, weights).astype(np.float64)
    sums = np.stack([np.bincount(flat, weights * channel.ravel()) for channel in embeddings], axis=1, dtype=np.float64)
    pairs = region_adjacency_graph(labels, number_of_threads=1).uv_ids().astype(np.int64)
    pairs = pairs[(pairs > 0).all(axis=1)] - 1  # the tables leave out label 0
    segment_of = _merge_nearest(RegionGraph(pairs, sizes[1:], sums[1:]), merge_distance)
    return remove_small(np.concatenate(([0], segment_of + 1))[labels], 0)


def _merge_nearest(graph: RegionGraph, merge_distance: float) -> NDArray[np.intp]:
    """Return for each segment the one it ends up in; numbers are those of the merged graph."""
    segment_of = np.arange(len(graph.sizes))
    while len(chosen := _mutually_nearest(graph, merge_distance)):
        joined, graph = graph.merged(chosen)
        segment_of = joined[segment_of]
    return segment_of


def _mutually_nearest(graph: RegionGraph, merge_distance: float) -> NDArray[np.int64]:
    """Return the pairs closer than `merge_distance` of which neither has a closer one; equal ones by their order."""
    squared = squared_distances(graph.means, graph.pairs)
    order = np.argsort(squared, kind="stable")
    order = order[squared[order] < merge_distance**2]
    close, rank = graph.pairs[order], np.arange(len(order))[:, None]
    best = np.full(len(graph.sizes), len(order))  # per segment the rank of its closest pair
    np.minimum.at(best, close, rank)
    chosen: NDArray[np.int64] = close[(best[close] == rank).all(axis=1)]
    return chosen
