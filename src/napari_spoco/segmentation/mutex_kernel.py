"""The mutex watershed on the nodes that the contraction leaves, as compiled loops.

Edges are visited from the strongest to the weakest: an attractive edge merges two segments unless a mutex edge between
them was stronger (Wolf et al. 2018). Of equal priorities attraction goes first, then the earlier pixel, then the
earlier offset.

Only attractive edges are sorted. A mutex between two segments need not be noted before somebody wants to merge them:
then the mutex edges of the segment that has fewer are searched for a stronger one to the other. All of them are visited
only when a merge follows, so each about log(n) times at most; one that forbids a merge moves to the front, where the
next attempt finds it at once.

The order of the priorities is random in memory, and an edge leads from one cache miss to the next. So what the next
edges will need is read beforehand, all of it at once, which costs about one miss for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spoco.segmentation.compiled import compiled
from napari_spoco.segmentation.mutex_priorities import HIGHEST

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

_AHEAD = 32
"""Edges whose data is read beforehand: many misses at once, and still in the fastest cache when their turn comes."""


@compiled
def number_nodes(first_pixels: NDArray[Any], nodes: NDArray[Any]) -> int:
    """Write the numbers 0..n - 1 of the nodes, in the order of their first pixels, to `nodes` (n_pixels,); return n."""
    n_nodes = 0
    for i in range(len(first_pixels)):
        if first_pixels[i] == i:
            nodes[i] = n_nodes
            n_nodes += 1
        else:
            nodes[i] = nodes[first_pixels[i]]
    return n_nodes


@compiled
def sort_attractive(
    attraction: NDArray[np.uint16], neighbours: NDArray[np.int64], nodes: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the attractive edges between nodes, strongest first, as (M, 2) nodes, and where each priority begins.

    Edges of priority p stand at begins[HIGHEST - p] to begins[HIGHEST - p + 1]. `attraction` is (K, n_pixels),
    `neighbours` (K,) leads from a pixel to the other end, `nodes` (n_pixels,) are the nodes of the pixels.
    """
    begins = np.zeros(HIGHEST + 2, np.int64)
    for k in range(len(neighbours)):
        for i in range(len(nodes)):
            priority = attraction[k, i]
            if priority > 0 and nodes[i] != nodes[i + neighbours[k]]:
                begins[HIGHEST - priority + 1] += 1
    for p in range(HIGHEST + 1):
        begins[p + 1] += begins[p]
    filled = begins[:-1].copy()
    edges = np.empty((begins[-1], 2), nodes.dtype)
    for i in range(len(nodes)):
        for k in range(len(neighbours)):
            priority = attraction[k, i]
            if priority > 0 and nodes[i] != nodes[i + neighbours[k]]:
                place = filled[HIGHEST - priority]
                filled[HIGHEST - priority] = place + 1
                edges[place, 0], edges[place, 1] = nodes[i], nodes[i + neighbours[k]]
    return edges, begins


@compiled
def gather_mutexes(
    repulsion: NDArray[np.uint16],
    mutexes: NDArray[np.int64],
    nodes: NDArray[Any],
    others: NDArray[Any],
    priorities: NDArray[np.uint16],
    begins: NDArray[np.int64],
) -> None:
    """List the mutex edges of every node, at both of their ends.

    Parameters
    ----------
    repulsion
        (K, n_pixels) priorities of the mutex edges.
    mutexes
        (K,) what to add to the number of a pixel to get that of the other end.
    nodes
        (n_pixels,) nodes of the pixels, 0..n - 1.
    others, priorities
        (2 K n_pixels + 1,), written as far as needed: the nodes at the other ends.
    begins
        (n + 1,) zeros, written: the edges of a node stand at begins[node] to begins[node + 1].
    """
    pixels = _pixels_by_node(nodes, begins)
    n_edges, node = 0, -1
    for i in pixels:
        if nodes[i] != node:
            node = nodes[i]
            begins[node] = n_edges
        # Everything is written, and what is no edge is overwritten by the next: no branch that could be guessed wrong.
        for k in range(len(mutexes)):
            priority = repulsion[k, i]
            others[n_edges] = nodes[i + mutexes[k]] if priority > 0 else node
            priorities[n_edges] = priority
            n_edges += others[n_edges] != node
            before = i - mutexes[k]
            if 0 <= before < len(nodes):
                others[n_edges] = nodes[before] if repulsion[k, before] > 0 else node
                priorities[n_edges] = repulsion[k, before]
                n_edges += others[n_edges] != node
    begins[-1] = n_edges


@compiled
def _pixels_by_node(nodes: NDArray[Any], begins: NDArray[np.int64]) -> NDArray[Any]:
    """Return the pixels ordered by their nodes, then by their numbers; `begins` is overwritten."""
    for node in nodes:
        begins[node + 1] += 1
    for node in range(len(begins) - 1):
        begins[node + 1] += begins[node]
    pixels = np.empty_like(nodes)
    for i in range(len(nodes)):
        pixels[begins[nodes[i]]] = i
        begins[nodes[i]] += 1
    return pixels


@compiled
def merge_nodes(
    edges: NDArray[Any],
    edge_begins: NDArray[np.int64],
    others: NDArray[Any],
    priorities: NDArray[np.uint16],
    begins: NDArray[np.int64],
    labels: NDArray[Any],
) -> int:
    """Visit the attractive edges, strongest first, and merge the nodes that no stronger mutex edge separates.

    Parameters
    ----------
    edges, edge_begins
        Of `sort_attractive`.
    others, priorities, begins
        Of `gather_mutexes`.
    labels
        (n_nodes,), written: one of the nodes of each node's segment.

    Returns
    -------
    int
        Nothing of use: with a result, what is read beforehand cannot be left out as needless.
    """
    following, sizes = np.empty_like(labels), np.empty_like(begins)
    for a in range(len(labels)):
        labels[a] = following[a] = a
        sizes[a] = begins[a + 1] - begins[a]
    p, touched = 0, 0
    for first in range(0, len(edges), _AHEAD):
        ahead = edges[first : first + _AHEAD]
        touched += _touch(ahead, others, priorities, begins, sizes, following, labels)
        for m in range(len(ahead)):
            while first + m >= edge_begins[p + 1]:
                p += 1
            a, b = labels[ahead[m, 0]], labels[ahead[m, 1]]
            if a == b:
                continue
            if sizes[a] > sizes[b]:
                a, b = b, a
            if not _is_forbidden(a, b, HIGHEST - p, others, priorities, begins, following, labels):
                _merge(a, b, sizes, following, labels)
    return touched


@compiled
def _touch(
    edges: NDArray[Any],
    others: NDArray[Any],
    priorities: NDArray[np.uint16],
    begins: NDArray[np.int64],
    sizes: NDArray[np.int64],
    following: NDArray[Any],
    labels: NDArray[Any],
) -> int:
    """Read what visiting these edges needs, so that it is in the cache then; no read waits for another edge's."""
    total = 0
    for m in range(len(edges)):
        total += sizes[labels[edges[m, 0]]] + sizes[labels[edges[m, 1]]]
    for m in range(len(edges)):
        a, b = labels[edges[m, 0]], labels[edges[m, 1]]
        total += begins[a] + begins[b] + following[a] + following[b]
    for m in range(len(edges)):
        a, b = labels[edges[m, 0]], labels[edges[m, 1]]
        if a != b:
            smaller = a if sizes[a] <= sizes[b] else b
            first, last = begins[smaller], begins[smaller + 1]
            total += priorities[first] + others[first]
            if last > first:
                total += priorities[last - 1] + others[last - 1]
    return total


@compiled
def _is_forbidden(
    a: int,
    b: int,
    priority: int,
    others: NDArray[Any],
    priorities: NDArray[np.uint16],
    begins: NDArray[np.int64],
    following: NDArray[Any],
    labels: NDArray[Any],
) -> bool:
    """Search the mutex edges of segment a for one to b above the priority, which moves to the front."""
    before, node = a, a
    while True:
        first = begins[node]
        for m in range(first, begins[node + 1]):
            if priorities[m] > priority and labels[others[m]] == b:
                others[first], others[m] = others[m], others[first]
                priorities[first], priorities[m] = priorities[m], priorities[first]
                if before != a:
                    following[before] = following[node]
                    following[node] = following[a]
                    following[a] = node
                return True
        before, node = node, following[node]
        if node == a:
            return False


@compiled
def _merge(a: int, b: int, sizes: NDArray[np.int64], following: NDArray[Any], labels: NDArray[Any]) -> None:
    """Make segment a part of b. The nodes of a segment form a ring; two rings join by exchanging two successors."""
    node = a
    while labels[node] != b:
        labels[node] = b
        node = following[node]
    sizes[b] += sizes[a]
    following[a], following[b] = following[b], following[a]


@compiled
def number_segments(labels: NDArray[Any], nodes: NDArray[Any], foreground: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Return (n_pixels,) numbers 1..n of the segments in the order of their first pixels; 0 outside of the foreground.

    `labels` (n_nodes,) are the segments of the nodes, `nodes` (n_pixels,) the nodes of the pixels.
    """
    numbers = np.zeros(len(nodes), np.uint32)
    number_of = np.zeros(len(labels), np.uint32)
    n_segments = 0
    for i in range(len(nodes)):
        if foreground[i]:
            segment = labels[nodes[i]]
            if number_of[segment] == 0:
                n_segments += 1
                number_of[segment] = n_segments
            numbers[i] = number_of[segment]
    return numbers
