"""The mutex watershed as compiled loops: priorities, exact contraction, and the watershed on the graph that is left.

Edges are visited from the strongest to the weakest: a direct neighbour attracts with priority a = 1 - w and merges
two segments unless a mutex edge between them was stronger; a mutex edge repels with w (equation 12 of the SPOCO paper;
Wolf et al. 2018). Three steps, each a pass over memory, give that result without sorting the edges of an image:

1. Priorities of 16 bit, straight from the embeddings, row by row. A priority v in [0, 1] becomes
   1 + round(65534 v); 0 means that there is no edge.
2. Contraction. Components of attraction >= t that hold no mutex edge > t inside are segments of the result or parts of
   them, because nothing outside can split them: they become one node. The other components are redone with the next t,
   and what is left after the last t stays single pixels.
3. The watershed on the nodes. Only attractive edges are sorted. A mutex between two segments need not be noted before
   somebody wants to merge them: then the pixels of the smaller one are searched for a stronger mutex edge to the other.
   All of them are visited only when a merge follows, so each pixel about log(n) times at most; a pixel whose edge
   forbids a merge moves to the front, where the next attempt finds it at once.

Of equal priorities attraction goes first, then the earlier pixel, then the earlier offset.

No `parallel=True`: its threads would go on spinning and starve PyTorch. All functions release the GIL, so that plain
threads can share rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

Function = TypeVar("Function", bound="Callable[..., Any]")

HIGHEST = 65535
_CONTRACTION_LEVELS = (0.55, 0.65, 0.75, 0.85)
LEVELS = np.array([1 + round(65534 * level) for level in _CONTRACTION_LEVELS], dtype=np.int64)
"""The priorities t of the contraction; below the crossing at 0.5 hardly any component is free of mutex edges."""


def _compiled(function: Function) -> Function:
    """Compile on the first call, and keep the result on disk where there is a folder to write to."""
    try:
        return cast("Function", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba finds no place for its cache
        return cast("Function", njit(nogil=True)(function))


@_compiled
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
        (Z, Y, X, K), written.
    """
    depth, height, width = foreground.shape
    ranks = np.empty(width, np.uint16)
    for row in range(start, stop):
        z, y = row // height, row % height
        for k in range(len(offsets)):
            out = priorities[z, y, :, k]
            out[:] = 0
            z2, y2, dx = z + offsets[k, 0], y + offsets[k, 1], offsets[k, 2]
            first, last = max(0, -dx), min(width, width - dx)
            is_inside = 0 <= z2 < depth and 0 <= y2 < height and first < last
            if not is_inside or z % stride != 0 or y % stride != 0:
                continue
            here = row * width + first
            there = (z2 * height + y2) * width + first + dx
            _rank_pairs(embeddings, here, there, last - first, reach, is_repulsion, ranks)
            is_here, is_there = foreground[z, y, first:last], foreground[z2, y2, first + dx : last + dx]
            inner = out[first:last]
            for x in range((-first) % stride, last - first, stride):
                if is_here[x] and is_there[x]:
                    inner[x] = ranks[x]


@_compiled
def _rank_pairs(
    embeddings: NDArray[np.float32],
    here: int,
    there: int,
    n_pairs: int,
    reach: float,
    is_repulsion: bool,
    ranks: NDArray[np.uint16],
) -> None:
    """Write the priorities of the pairs (here + x, there + x), in loops that become vector instructions."""
    squared = np.zeros(n_pairs, np.float32)
    for e in range(len(embeddings)):
        ours, theirs = embeddings[e, here : here + n_pairs], embeddings[e, there : there + n_pairs]
        for x in range(n_pairs):
            difference = ours[x] - theirs[x]
            squared[x] += difference * difference
    scale = np.float32(1.0 / reach)
    for x in range(n_pairs):
        closeness = max(np.float32(1) - np.sqrt(squared[x]) * scale, np.float32(0))
        rank = np.int32(closeness * closeness * np.float32(65534) + np.float32(0.5))
        ranks[x] = HIGHEST - rank if is_repulsion else 1 + rank


@_compiled
def _find(parent: NDArray[Any], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@_compiled
def contract(
    attraction: NDArray[np.uint16],
    neighbours: NDArray[np.int64],
    repulsion: NDArray[np.uint16],
    mutexes: NDArray[np.int64],
    levels: NDArray[np.int64],
    parent: NDArray[Any],
) -> None:
    """Point every pixel to the first pixel of its node.

    Parameters
    ----------
    attraction, repulsion
        (n_pixels, K) priorities of the attractive and of the mutex edges.
    neighbours, mutexes
        (K,) what to add to the number of a pixel to get that of the other end of the edge.
    levels
        Priorities t in ascending order.
    parent
        (n_pixels,), written; its type is that of all pixel numbers.
    """
    n_remaining = len(parent)
    remaining = np.arange(n_remaining).astype(parent.dtype)
    is_torn = np.zeros(n_remaining, np.bool_)
    parent[:] = remaining
    for level in levels:
        pixels = remaining[:n_remaining]
        _join(attraction, neighbours, level, pixels, parent)
        _mark_torn(repulsion, mutexes, level, pixels, parent, is_torn)
        n_remaining = 0
        for i in pixels:
            if is_torn[parent[i]]:
                remaining[n_remaining] = i
                n_remaining += 1
        for i in remaining[:n_remaining]:
            parent[i] = i
            is_torn[i] = False


@_compiled
def _join(
    attraction: NDArray[np.uint16],
    neighbours: NDArray[np.int64],
    level: int,
    pixels: NDArray[Any],
    parent: NDArray[Any],
) -> None:
    """Point the pixels, in ascending order, to the first pixel of their component of attraction >= level."""
    for i in pixels:
        for k in range(len(neighbours)):
            if attraction[i, k] >= level:
                a, b = _find(parent, i), _find(parent, i + neighbours[k])
                if a < b:
                    parent[b] = a
                else:
                    parent[a] = b
    for i in pixels:
        parent[i] = parent[parent[i]]


@_compiled
def _mark_torn(
    repulsion: NDArray[np.uint16],
    mutexes: NDArray[np.int64],
    level: int,
    pixels: NDArray[Any],
    parent: NDArray[Any],
    is_torn: NDArray[np.bool_],
) -> None:
    """Mark the components that hold a mutex edge > level."""
    for i in pixels:
        node = parent[i]
        if is_torn[node]:
            continue
        for k in range(len(mutexes)):
            if repulsion[i, k] > level and parent[i + mutexes[k]] == node:
                is_torn[node] = True


@_compiled
def sort_attractive(
    attraction: NDArray[np.uint16], neighbours: NDArray[np.int64], parent: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the attractive edges between nodes, strongest first, as (M, 2) nodes, and where each priority begins.

    Edges of priority p stand at begins[HIGHEST - p] to begins[HIGHEST - p + 1].
    """
    begins = np.zeros(HIGHEST + 2, np.int64)
    for i in range(len(parent)):
        for k in range(len(neighbours)):
            priority = attraction[i, k]
            if priority > 0 and parent[i] != parent[i + neighbours[k]]:
                begins[HIGHEST - priority + 1] += 1
    for p in range(HIGHEST + 1):
        begins[p + 1] += begins[p]
    filled = begins[:-1].copy()
    edges = np.empty((begins[-1], 2), parent.dtype)
    for i in range(len(parent)):
        for k in range(len(neighbours)):
            priority = attraction[i, k]
            if priority > 0 and parent[i] != parent[i + neighbours[k]]:
                place = filled[HIGHEST - priority]
                filled[HIGHEST - priority] = place + 1
                edges[place, 0], edges[place, 1] = parent[i], parent[i + neighbours[k]]
    return edges, begins


@_compiled
def merge_nodes(
    edges: NDArray[Any],
    begins: NDArray[np.int64],
    repulsion: NDArray[np.uint16],
    mutexes: NDArray[np.int64],
    following: NDArray[Any],
    sizes: NDArray[Any],
    parent: NDArray[Any],
) -> None:
    """Visit the attractive edges, strongest first, and merge the nodes that no stronger mutex edge separates.

    The pixels of a segment form a ring, so that two segments are joined by exchanging two successors.
    """
    sizes[:] = 0
    for i in range(len(parent)):
        node = parent[i]
        following[i] = i
        following[i], following[node] = following[node], following[i]
        sizes[node] += 1
    for p in range(HIGHEST):
        for m in range(begins[p], begins[p + 1]):
            a, b = _find(parent, edges[m, 0]), _find(parent, edges[m, 1])
            if a == b:
                continue
            if sizes[a] > sizes[b]:
                a, b = b, a
            if not _is_forbidden(a, b, sizes[a], HIGHEST - p, repulsion, mutexes, following, parent):
                parent[a] = b
                sizes[b] += sizes[a]
                following[a], following[b] = following[b], following[a]


@_compiled
def _is_forbidden(
    a: int,
    b: int,
    size: int,
    priority: int,
    repulsion: NDArray[np.uint16],
    mutexes: NDArray[np.int64],
    following: NDArray[Any],
    parent: NDArray[Any],
) -> bool:
    """Search the pixels of a for a mutex edge to b above the priority; the one that has it moves to the front."""
    before, i = a, a
    for _ in range(size):
        for k in range(len(mutexes)):
            ahead, behind = i + mutexes[k], i - mutexes[k]
            if (repulsion[i, k] > priority and _find(parent, ahead) == b) or (
                0 <= behind < len(parent) and repulsion[behind, k] > priority and _find(parent, behind) == b
            ):
                if before != a:
                    following[before] = following[i]
                    following[i] = following[a]
                    following[a] = i
                return True
        before, i = i, following[i]
    return False


@_compiled
def number_segments(parent: NDArray[Any], foreground: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Return (n_pixels,) labels 1..n in the order of their first pixels; 0 outside of the foreground."""
    labels = np.zeros(len(parent), np.uint32)
    id_of = np.zeros(len(parent), np.uint32)
    n_segments = 0
    for i in range(len(parent)):
        if foreground[i]:
            root = _find(parent, i)
            if id_of[root] == 0:
                n_segments += 1
                id_of[root] = n_segments
            labels[i] = id_of[root]
    return labels
