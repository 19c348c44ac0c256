"""The compiled mutex watershed against a literal one that sorts every edge, and against bioimage-cpp."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from bioimage_cpp.segmentation import mutex_watershed

from napari_spoco.segmentation.affinities import default_offsets
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.mutex_engine import segment_by_library
from napari_spoco.segmentation.mutex_watershed import _split_offsets

pytest.importorskip("numba")
kernel = pytest.importorskip("napari_spoco.segmentation.mutex_kernel")
segment_by_kernel = pytest.importorskip("napari_spoco.segmentation.mutex_engine").segment_by_kernel

NEIGHBOURHOODS = {
    2: [
        default_offsets(2),
        ((-1, 0), (0, -1), (1, 1), (0, 3), (-2, 2), (4, 0)),
        ((1, 0), (0, 1), (-1, 1), (2, 0), (0, 2), (2, -2), (0, -3)),
        ((0, 1), (5, 0)),
    ],
    3: [
        default_offsets(3),
        ((-1, 0, 0), (0, -1, 0), (0, 0, -1), (0, 1, -1), (2, 0, 0), (0, -2, 1), (0, 0, 3)),
    ],
}
N_CASES = 150


def ranked_edges(embeddings, attractive, mutex, delta_dist, foreground, stride):
    """Return (rank, attracts, pixel, neighbour) of every edge, strongest first, by the kernel's rule for ties."""
    shape = embeddings.shape[1:]
    index = np.arange(foreground.size).reshape(shape)
    edges = []
    for pixel in itertools.product(*map(range, shape)):
        for offset in attractive + mutex:
            neighbour = tuple(p + o for p, o in zip(pixel, offset, strict=True))
            if not all(0 <= n < size for n, size in zip(neighbour, shape, strict=True)):
                continue
            attracts = offset in attractive
            is_on_grid = attracts or all(p % stride == 0 for p in pixel)
            if foreground[pixel] and foreground[neighbour] and is_on_grid:
                squared = np.float32(0)
                for channel in embeddings:
                    squared += (channel[pixel] - channel[neighbour]) ** 2
                closeness = max(np.float32(1) - np.sqrt(squared) * np.float32(1 / (2 * delta_dist)), np.float32(0))
                rank = int(closeness * closeness * np.float32(65534) + np.float32(0.5))
                edges.append((1 + rank if attracts else 65535 - rank, attracts, index[pixel], index[neighbour]))
    return sorted(edges, key=lambda edge: (-edge[0], not edge[1]))


def slow_mutex_watershed(edges, foreground):
    """Merge edge by edge, with explicit sets of mutexes."""
    cluster = np.arange(foreground.size)
    mutexes = {i: set() for i in range(foreground.size)}
    for _, attracts, i, j in edges:
        a, b = cluster[i], cluster[j]
        if a == b:
            continue
        if not attracts:
            mutexes[a].add(b)
            mutexes[b].add(a)
        elif b not in mutexes[a]:
            cluster[cluster == b] = a
            for other in mutexes.pop(b):
                mutexes[other].discard(b)
                mutexes[other].add(a)
                mutexes[a].add(other)
    return np.where(foreground, cluster.reshape(foreground.shape) + 1, 0)


def library_in_this_order(edges, attractive, mutex, foreground):
    """Run bioimage-cpp on the places of the edges in the order, which leaves no ties to it."""
    shape = foreground.shape
    channels = {int(np.dot(o, strides_of(shape))): c for c, o in enumerate(attractive + mutex)}
    assert len(channels) == len(attractive + mutex)
    places = np.zeros((len(channels), foreground.size))
    for place, (_, _, i, j) in enumerate(edges):
        places[channels[j - i], i] = 1 - place / (len(edges) + 1)
    return mutex_watershed(
        places.reshape(-1, *shape), attractive + mutex, len(attractive), mask=np.ascontiguousarray(foreground)
    )


def strides_of(shape):
    return [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]


def random_problem(ndim, rng):
    """Draw a small image: flat objects or none, little or much noise, perhaps quantised so that ties abound."""
    shape = tuple(int(size) for size in rng.integers(1, 13 if ndim == 2 else 6, ndim))
    offsets = NEIGHBOURHOODS[ndim][rng.integers(len(NEIGHBOURHOODS[ndim]))]
    centres = rng.normal(0, rng.choice([0.0, 0.6, 1.5]), (3, 4))
    blocks = np.indices(shape).sum(axis=0) // 4 % 3
    embeddings = np.moveaxis(centres[blocks], -1, 0) + rng.normal(0, rng.choice([0.0, 0.1, 0.5]), (4, *shape))
    if rng.random() < 0.3:
        embeddings = np.round(embeddings * 2) / 2
    foreground = rng.random(shape) < rng.choice([0.0, 0.5, 0.8, 1.0, 1.0])
    return np.ascontiguousarray(embeddings, dtype=np.float32), *_split_offsets(offsets, shape), foreground


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_equals_literal_and_library_on_random_problems(ndim, stride, assert_same_partition):
    n_checked = 0
    for seed in range(N_CASES):
        rng = np.random.default_rng([ndim, stride, seed])
        embeddings, attractive, mutex, foreground = random_problem(ndim, rng)
        delta_dist = float(rng.choice([0.5, 1.0, 2.0]))
        found = segment_by_kernel(
            embeddings, attractive, mutex, delta_dist=delta_dist, foreground=foreground, mutex_stride=stride
        )
        edges = ranked_edges(embeddings, attractive, mutex, delta_dist, foreground, stride)
        assert_same_partition(found, slow_mutex_watershed(edges, foreground))
        places = {int(np.dot(offset, strides_of(foreground.shape))) for offset in attractive + mutex}
        if attractive and len(places) == len(attractive + mutex) and stride == 1:
            assert_same_partition(found, library_in_this_order(edges, attractive, mutex, foreground))
            n_checked += 1
    assert n_checked > N_CASES // 3 or stride == 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (1, 1, 1), (1, 1, 7), (7, 1, 1), (1, 5, 5)], ids=str)
def test_degenerate_shapes_of_one_embedding_are_one_object(shape):
    attractive, mutex = _split_offsets(default_offsets(len(shape)), shape)
    found = segment_by_kernel(np.ones((3, *shape), dtype=np.float32), attractive, mutex)
    np.testing.assert_array_equal(found, np.ones(shape))


def test_holes_and_an_empty_mask():
    embeddings = np.zeros((2, 7, 7), dtype=np.float32)
    foreground = np.ones((7, 7), dtype=bool)
    foreground[3] = False
    found = segment_by_kernel(embeddings, ((1, 0), (0, 1)), ((0, 3),), foreground=foreground)
    np.testing.assert_array_equal(found, np.repeat([1, 0, 2], [3, 1, 3])[:, None] * np.ones(7, int))
    assert not segment_by_kernel(embeddings, ((1, 0),), (), foreground=np.zeros((7, 7), dtype=bool)).any()


def test_distances_beyond_float32_repel():
    embeddings = np.zeros((1, 1, 8), dtype=np.float32)
    embeddings[0, 0, :4], embeddings[0, 0, 4:] = 3e38, -3e38
    found = segment_by_kernel(embeddings, ((0, 1),), ((0, 3),))
    np.testing.assert_array_equal(found, [[1, 1, 1, 1, 2, 2, 2, 2]])


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize(("shape", "n_cells"), [((90, 80), 14), ((20, 40, 40), 12)], ids=["2D", "3D"])
def test_agrees_with_the_library_up_to_ties(shape, n_cells, stride, make_cells):
    for noise, tolerance in [(0.0, 0.0), (0.14, 1e-3)]:
        embeddings, _ = make_cells(shape, n_cells, noise=noise)
        edges = _split_offsets(default_offsets(len(shape)), shape)
        expected = segment_by_library(embeddings, *edges, mutex_stride=stride)
        found = segment_by_kernel(embeddings, *edges, mutex_stride=stride)
        assert evaluate_segmentation(found, expected)["arand_error"] <= tolerance


def test_threads_change_nothing(make_cells):
    embeddings, _ = make_cells((7, 30, 31), 5, noise=0.3)
    edges = _split_offsets(default_offsets(3), (7, 30, 31))
    alone = segment_by_kernel(embeddings, *edges)
    for n_threads in (2, 3, 300):
        np.testing.assert_array_equal(segment_by_kernel(embeddings, *edges, n_threads=n_threads), alone)


def test_labels_are_numbered_without_gaps_in_order(make_cells):
    embeddings, _ = make_cells((40, 40), 6, noise=0.2)
    found = segment_by_kernel(embeddings, *_split_offsets(default_offsets(2), (40, 40)))
    ids, first = np.unique(found, return_index=True)
    np.testing.assert_array_equal(ids, np.arange(1, len(ids) + 1))
    assert (np.diff(first) > 0).all()


def test_numbers_of_pixels_may_be_of_either_size(rng):
    attraction = rng.integers(0, 60000, (1, 40), dtype=np.uint16)
    repulsion = rng.integers(0, 60000, (1, 40), dtype=np.uint16)
    attraction[:, -1:], repulsion[:, -3:] = 0, 0
    results = []
    for dtype in (np.int32, np.int64):
        nodes = np.empty(40, dtype)
        n_nodes = kernel.number_nodes(np.arange(40, dtype=dtype), nodes)
        edges, edge_begins = kernel.sort_attractive(attraction, np.array([1]), nodes)
        others, priorities = np.empty(81, dtype), np.empty(81, np.uint16)
        begins, segments = np.zeros(n_nodes + 1, np.int64), np.empty(n_nodes, dtype)
        kernel.gather_mutexes(repulsion, np.array([3]), nodes, others, priorities, begins)
        kernel.merge_nodes(edges, edge_begins, others, priorities, begins, segments)
        results.append(kernel.number_segments(segments, nodes, np.ones(40, dtype=bool)))
    np.testing.assert_array_equal(*results)
