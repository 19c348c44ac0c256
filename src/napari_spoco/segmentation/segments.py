"""What is known of every segment: size, mean embedding, touching segments.

A table is made from the pixels once; growth of fragments, removal of the background and of small objects then work on
its rows, so that a slider that moves one of their settings does not visit the embeddings again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_spoco.segmentation.background import background_embedding
from napari_spoco.segmentation.growth import RegionGraph, pair_keys, unique_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SegmentTable:
    """Segments and what is computed of them when it is first asked for; made by `cleanup.measure_segments`.

    Attributes
    ----------
    labels : ndarray
        (*spatial) uint32, 1..n without gaps, 0 = no segment.
    embeddings : ndarray
        (E, *spatial) float32.
    """

    labels: NDArray[np.uint32]
    embeddings: NDArray[np.float32]

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Pixels of every label, (n + 1,); those of label 0 are not counted."""
        sizes = np.bincount(self.labels.ravel(), minlength=1).astype(np.int64)
        sizes[0] = 0
        return sizes

    @cached_property
    def sums(self) -> NDArray[np.float64]:
        """Sums of the embeddings of every label, (n + 1, E).

        A segment is summed run by run along the last axis: there are far fewer runs than pixels, and none is long
        enough to lose digits in float32.
        """
        is_start = np.ones(self.labels.shape, dtype=np.bool_)
        np.not_equal(self.labels[..., 1:], self.labels[..., :-1], out=is_start[..., 1:])
        starts = np.flatnonzero(is_start)
        run_labels = self.labels.ravel()[starts]
        sums = np.empty((len(self.sizes), len(self.embeddings)))
        for index, channel in enumerate(self.embeddings):
            runs = np.add.reduceat(channel.ravel(), starts)
            sums[:, index] = np.bincount(run_labels, weights=runs, minlength=len(sums))
        return sums

    @cached_property
    def touching(self) -> NDArray[np.int64]:
        """Pairs (a < b) of labels above 0 that share a pixel face, (n_pairs, 2), sorted and unique."""
        n_labels = len(self.sizes)
        flat = self.labels.ravel()
        keys = [np.empty(0, dtype=np.int64)]
        for axis in range(self.labels.ndim):
            ahead = (slice(None),) * axis
            here, there = (*ahead, slice(None, -1)), (*ahead, slice(1, None))
            differs = np.zeros(self.labels.shape, dtype=np.bool_)
            np.not_equal(self.labels[here], self.labels[there], out=differs[here])
            pixels = np.flatnonzero(differs)
            step = math.prod(self.labels.shape[axis + 1 :])
            found = pair_keys(flat[pixels], flat[pixels + step], n_labels)
            keys.append(found[found >= n_labels])  # the others have label 0
        return unique_pairs(np.concatenate(keys), n_labels)

    @property
    def graph(self) -> RegionGraph:
        """The segments as a graph, in which label i is number i - 1."""
        return RegionGraph(self.touching - 1, self.sizes[1:].astype(np.float64), self.sums[1:])

    @cached_property
    def mode(self) -> NDArray[np.float32]:
        """The dominant mode of the embeddings of all segments, (1, E)."""
        return background_embedding(self.embeddings, mask=self.labels)[None]


@dataclass(frozen=True, eq=False)
class GrownSegments:
    """What became of the segments of a table.

    `segment_of` (n,) the number 0..m - 1 of what label i + 1 is part of now, -1 = nothing; `graph` of those m.
    """

    table: SegmentTable
    segment_of: NDArray[np.intp]
    graph: RegionGraph

    def labels(self, is_object: NDArray[np.bool_], min_size: int) -> NDArray[np.uint32]:
        """Return (*spatial) labels 1..k of the objects (m,) of at least `min_size` pixels, 0 elsewhere."""
        is_kept = is_object & (self.graph.sizes >= min_size)
        new_ids = np.append(np.where(is_kept, np.cumsum(is_kept), 0), 0).astype(np.uint32)
        labels: NDArray[np.uint32] = np.append(np.uint32(0), new_ids[self.segment_of])[self.table.labels]
        return labels
