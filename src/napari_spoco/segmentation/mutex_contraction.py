"""Exact contraction before the mutex watershed: pixels that it is bound to merge become one node.

Levels of attraction t are gone through from the strongest to the weakest. The nodes of a connected component of
attraction >= t have merged with nothing else by the time the watershed comes to t. If no mutex edge > t runs between
two nodes of the component, nothing forbids a merge inside, and it becomes one node. Otherwise it is *torn*: its nodes
stay as they are at this and all weaker levels, where every component that holds them is torn as well.

Threads share ranges of pixels: each step waits until all of them have ended the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spoco.segmentation.compiled import compiled
from napari_spoco.segmentation.mutex_priorities import HIGHEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from typing import Any

    from numpy.typing import NDArray

_SHARES = (0.2, 0.4, 0.55, 0.65)
"""Where there is much to merge at once: these shares of all attractive edges are stronger than the first levels."""
_WEAKEST = 1 + HIGHEST // 2
"""Below the crossing of both priorities hardly any component is free of mutex edges."""
_SAMPLED = 61
_BLOCK = 128
"""Pixels that are looked at together: they are passed over where nothing is left to do, and vector instructions pay."""


def contraction_levels(attraction: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Choose the levels from the priorities (K, n_pixels) of the attractive edges, strongest first.

    Any levels give the same segmentation; these leave few nodes at any amount of noise.
    """
    sample = attraction[:, ::_SAMPLED]
    sample = sample[sample > 0]
    if not len(sample):
        return np.empty(0, np.int64)
    levels = np.maximum(np.quantile(sample, 1.0 - np.array(_SHARES)).astype(np.int64), _WEAKEST)
    return np.unique(np.append(levels, [(levels.min() + _WEAKEST) // 2, _WEAKEST]))[::-1].copy()


def contract(
    attraction: NDArray[np.uint16],
    neighbours: NDArray[np.int64],
    repulsion: NDArray[np.uint16],
    mutexes: NDArray[np.int64],
    n_threads: int,
    pool: Executor,
) -> NDArray[Any]:
    """Return the first pixel of each pixel's node, (n_pixels,), in the smallest integers that number all pixels.

    Parameters
    ----------
    attraction, repulsion
        (K, n_pixels) priorities of the attractive and of the mutex edges.
    neighbours, mutexes
        (K,) what to add to the number of a pixel to get that of the other end of the edge.
    n_threads, pool
        Threads of this pool that share the pixels.
    """
    n_pixels = attraction.shape[1]
    nodes = np.arange(n_pixels, dtype=np.int32 if n_pixels < 2**31 else np.int64)
    is_final = np.zeros(n_pixels, dtype=np.bool_)
    bounds = np.linspace(0, n_pixels, n_threads + 1).astype(int).tolist()
    longest = int(np.abs(neighbours).max(initial=0))
    above = HIGHEST + 1

    def share(function: Callable[..., None], before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
        list(pool.map(lambda start, stop: function(*before, start, stop, *after), bounds[:-1], bounds[1:]))

    for level in contraction_levels(attraction).tolist():
        parent, is_torn = nodes.copy(), np.zeros(n_pixels, dtype=np.bool_)
        share(_join, (attraction, neighbours, level, above), (is_final, parent, is_torn))
        for seam in bounds[1:-1]:
            start, stop = max(0, seam - longest), min(n_pixels, seam + longest)
            _join(attraction, neighbours, level, above, start, stop, is_final, parent, is_torn)
        share(_flatten, (), (is_final, parent, is_torn))
        share(_mark_torn, (repulsion, mutexes, level), (is_final, nodes, parent, is_torn))
        share(_accept, (), (parent, is_torn, nodes, is_final))
        above = level
    return nodes


@compiled
def _find(parent: NDArray[Any], node: int) -> int:
    """Return the root of a node, and shorten the way to it."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@compiled
def _join(
    attraction: NDArray[np.uint16],
    neighbours: NDArray[np.int64],
    level: int,
    above: int,
    start: int,
    stop: int,
    is_final: NDArray[np.bool_],
    parent: NDArray[Any],
    is_torn: NDArray[np.bool_],
) -> None:
    """Join the components of `parent` by the edges of level <= priority < above within the pixels start to stop.

    The root of a component is its first pixel. Pixels in final nodes are not joined; a component that would have been
    is torn, which is noted at the pixel beside them.
    """
    for first in range(start, stop, _BLOCK):
        last = min(first + _BLOCK, stop)
        for k in range(len(neighbours)):
            step = neighbours[k]
            if is_final[first:last].all() and is_final[max(0, first + step) : max(0, last + step)].all():
                continue
            for i in range(first, last):
                if level <= attraction[k, i] < above and start <= i + step < stop:
                    if is_final[i] or is_final[i + step]:
                        is_torn[i] |= is_final[i + step]
                        is_torn[i + step] |= is_final[i]
                        continue
                    a, b = _find(parent, i), _find(parent, i + step)
                    if a < b:
                        parent[b] = a
                    else:
                        parent[a] = b


@compiled
def _flatten(
    start: int, stop: int, is_final: NDArray[np.bool_], parent: NDArray[Any], is_torn: NDArray[np.bool_]
) -> None:
    """Point the pixels to the roots of their components, and mark a component there that was marked at any pixel."""
    for first in range(start, stop, _BLOCK):
        last = min(first + _BLOCK, stop)
        if is_final[first:last].all():
            continue
        for i in range(first, last):
            root = parent[parent[i]]
            while root != parent[root]:
                root = parent[root]
            parent[i] = root
            if is_torn[i]:
                is_torn[root] = True


@compiled
def _mark_torn(
    repulsion: NDArray[np.uint16],
    mutexes: NDArray[np.int64],
    level: int,
    start: int,
    stop: int,
    is_final: NDArray[np.bool_],
    nodes: NDArray[Any],
    parent: NDArray[Any],
    is_torn: NDArray[np.bool_],
) -> None:
    """Mark the components in which a mutex edge > level, of the pixels start to stop, runs between two nodes."""
    for first in range(start, stop, _BLOCK):
        if is_final[first : min(first + _BLOCK, stop)].all():
            continue
        for k in range(len(mutexes)):
            step = mutexes[k]
            begin, end = max(first, -step), min(first + _BLOCK, stop, len(nodes) - step)
            if begin >= end:
                continue
            priorities = repulsion[k, begin:end]
            here, there = parent[begin:end], parent[begin + step : end + step]
            node, other = nodes[begin:end], nodes[begin + step : end + step]
            n_found = 0
            for x in range(end - begin):
                n_found += (priorities[x] > level) & (here[x] == there[x]) & (node[x] != other[x])
            if n_found > 0:
                for x in range(end - begin):
                    if priorities[x] > level and here[x] == there[x] and node[x] != other[x]:
                        is_torn[here[x]] = True


@compiled
def _accept(
    start: int,
    stop: int,
    parent: NDArray[Any],
    is_torn: NDArray[np.bool_],
    nodes: NDArray[Any],
    is_final: NDArray[np.bool_],
) -> None:
    """Make nodes of the components that are not torn, and final nodes of those in the others."""
    for first in range(start, stop, _BLOCK):
        last = min(first + _BLOCK, stop)
        if is_final[first:last].all():
            continue
        for i in range(first, last):
            if is_torn[parent[i]]:
                is_final[i] = True
            else:
                nodes[i] = parent[i]
