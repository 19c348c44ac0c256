"""Priorities of the edges of the mutex watershed, straight from the embeddings, row by row.

A direct neighbour attracts with a = 1 - w, a mutex edge repels with w (equation 12 of the SPOCO paper). A priority v in
[0, 1] becomes 1 + round(65534 v), 16 bit; 0 means that there is no edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spoco.segmentation.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIGHEST = 65535
_UNROLLED = 4


@compiled
def fill_priorities(
    embeddings: NDArray[np.float32],
    foreground: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    reach: float,
    is_repulsion: bool,
    stride: int,
    start: int,
    stop: int,
    priorities: NDArray[np.uint16],
) -> None:
    """Write the priorities of the edges that start in the rows `start` to `stop` of an image.

    Parameters
    ----------
    embeddings
        (E, n_pixels), pixels numbered row by row.
    foreground
        (Z, Y, X): edges from and to other pixels do not exist. A plane has Z = 1.
    offsets
        (K, 3) displacements.
    reach
        Distance at which the attraction is 0, that is 2 delta_dist.
    is_repulsion
        Whether these are mutex edges.
    stride
        Edges start only at pixels whose coordinates are multiples of it.
    start, stop
        Rows along X, counted through all planes.
    priorities
        (K, Z, Y, X), written.
    """
    depth, height, width = foreground.shape
    squared, ranks = np.empty(width, np.float32), np.empty(width, np.uint16)
    for row in range(start, stop):
        z, y = row // height, row % height
        for k in range(len(offsets)):
            priorities[k, z, y] = 0
            z2, y2, dx = z + offsets[k, 0], y + offsets[k, 1], offsets[k, 2]
            first, last = max(0, -dx), min(width, width - dx)
            is_inside = 0 <= z2 < depth and 0 <= y2 < height and first < last
            if not is_inside or z % stride != 0 or y % stride != 0:
                continue
            here = row * width + first
            there = (z2 * height + y2) * width + first + dx
            _rank_pairs(embeddings, here, there, reach, is_repulsion, squared[: last - first], ranks)
            is_here, is_there = foreground[z, y, first:last], foreground[z2, y2, first + dx : last + dx]
            out = priorities[k, z, y, first:last]
            for x in range((-first) % stride, last - first, stride):
                out[x] = ranks[x] if is_here[x] & is_there[x] else np.uint16(0)


@compiled
def _rank_pairs(
    embeddings: NDArray[np.float32],
    here: int,
    there: int,
    reach: float,
    is_repulsion: bool,
    squared: NDArray[np.float32],
    ranks: NDArray[np.uint16],
) -> None:
    """Write the priorities of the pairs (here + x, there + x), in loops that become vector instructions.

    `squared` is overwritten; its length is the number of pairs.
    """
    squared[:] = 0
    n_pairs, n_channels = len(squared), len(embeddings)
    n_unrolled = n_channels - n_channels % _UNROLLED
    # Four channels at a time, added one after the other, so that the sums go through memory less often.
    for e in range(0, n_unrolled, _UNROLLED):
        ours0, theirs0 = embeddings[e, here : here + n_pairs], embeddings[e, there : there + n_pairs]
        ours1, theirs1 = embeddings[e + 1, here : here + n_pairs], embeddings[e + 1, there : there + n_pairs]
        ours2, theirs2 = embeddings[e + 2, here : here + n_pairs], embeddings[e + 2, there : there + n_pairs]
        ours3, theirs3 = embeddings[e + 3, here : here + n_pairs], embeddings[e + 3, there : there + n_pairs]
        for x in range(n_pairs):
            d0, d1, d2, d3 = ours0[x] - theirs0[x], ours1[x] - theirs1[x], ours2[x] - theirs2[x], ours3[x] - theirs3[x]
            squared[x] = (((squared[x] + d0 * d0) + d1 * d1) + d2 * d2) + d3 * d3
    for e in range(n_unrolled, n_channels):
        ours0, theirs0 = embeddings[e, here : here + n_pairs], embeddings[e, there : there + n_pairs]
        for x in range(n_pairs):
            d0 = ours0[x] - theirs0[x]
            squared[x] += d0 * d0
    scale = np.float32(1.0 / reach)
    for x in range(n_pairs):
        closeness = max(np.float32(1) - np.sqrt(squared[x]) * scale, np.float32(0))
        rank = np.int32(closeness * closeness * np.float32(65534) + np.float32(0.5))
        ranks[x] = HIGHEST - rank if is_repulsion else 1 + rank
