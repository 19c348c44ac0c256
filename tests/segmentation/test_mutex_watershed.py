from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_spoco.segmentation import mutex_engine
from napari_spoco.segmentation.affinities import default_offsets
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed


@pytest.fixture(params=["kernel", "library"], autouse=True)
def engine(request, monkeypatch):
    """Run every test with our kernel and with what stands in for it."""
    if request.param == "kernel":
        pytest.importorskip("numba")
        assert mutex_engine.compile_kernel()
    else:
        monkeypatch.setattr(mutex_engine, "_is_ready", False)
    return request.param


def slow_mutex_watershed(embeddings, offsets, delta_dist, foreground, engine):
    """Kruskal's algorithm with explicit sets of mutexes, edge by edge, strongest first.

    The kernel knows 65535 priorities and visits equal ones in the order attraction, pixel, offset; the library keeps
    the order of the channels.
    """
    shape = embeddings.shape[1:]
    flat = embeddings.reshape(len(embeddings), -1).astype(np.float64)
    index = np.arange(flat.shape[1]).reshape(shape)
    edges = []
    for offset, pixel in itertools.product(offsets, itertools.product(*map(range, shape))):
        neighbour = tuple(p + o for p, o in zip(pixel, offset, strict=True))
        if not all(0 <= n < size for n, size in zip(neighbour, shape, strict=True)):
            continue
        if foreground[pixel] and foreground[neighbour]:
            i, j = index[pixel], index[neighbour]
            distance = np.linalg.norm(flat[:, i] - flat[:, j])
            affinity = max((2 * delta_dist - distance) / (2 * delta_dist), 0) ** 2
            if engine == "kernel":
                affinity = round(65534 * affinity) / 65534
            attracts = max(map(abs, offset)) == 1
            edges.append((affinity if attracts else 1 - affinity, attracts, i, j))
    orders = {"library": lambda edge: -edge[0], "kernel": lambda edge: (-edge[0], not edge[1], edge[2])}
    cluster = list(range(index.size))
    mutexes = {i: set() for i in cluster}
    for _, attracts, i, j in sorted(edges, key=orders[engine]):
        a, b = cluster[i], cluster[j]
        if a == b:
            continue
        if not attracts:
            mutexes[a].add(b)
            mutexes[b].add(a)
        elif b not in mutexes[a]:
            cluster = [a if c == b else c for c in cluster]
            for other in mutexes.pop(b):
                mutexes[other].discard(b)
                mutexes[other].add(a)
                mutexes[a].add(other)
    return np.where(foreground, np.array(cluster).reshape(shape) + 1, 0)


OFFSETS = {
    "default 2D": None,
    "negative and diagonal": [(-1, 0), (0, -1), (1, 1), (0, 3), (-2, 2), (4, 0)],
    "mutex edges first": [(0, 3), (3, 0), (0, 1), (1, 0)],
}


@pytest.mark.parametrize("name", OFFSETS)
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "foreground"])
def test_equals_slow_reference_2d(name, seed, masked, assert_same_partition, engine):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 9, 2))
    embeddings = rng.normal(0, rng.choice([0.2, 0.5]), (4, *shape)).astype(np.float32)
    foreground = rng.random(shape) < 0.7 if masked else np.ones(shape, dtype=bool)
    offsets = OFFSETS[name] or default_offsets(2)
    found = segment_mutex_watershed(
        embeddings, offsets=OFFSETS[name], foreground=foreground if masked else None, delta_dist=1.0
    )
    assert_same_partition(found, slow_mutex_watershed(embeddings, offsets, 1.0, foreground, engine))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "foreground"])
def test_equals_slow_reference_3d(seed, masked, assert_same_partition, engine):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 6, 3))
    embeddings = rng.normal(0, 0.6, (4, *shape)).astype(np.float32)
    foreground = rng.random(shape) < 0.8 if masked else np.ones(shape, dtype=bool)
    found = segment_mutex_watershed(embeddings, foreground=foreground, delta_dist=2.0)
    assert_same_partition(found, slow_mutex_watershed(embeddings, default_offsets(3), 2.0, foreground, engine))


@pytest.mark.parametrize("shape", [(60, 50), (12, 30, 28)], ids=["2D", "3D"])
def test_finds_separated_instances(shape, make_cells, assert_same_partition):
    embeddings, truth = make_cells(shape, 9, noise=0.05)
    found = segment_mutex_watershed(embeddings)
    assert found.dtype == np.uint32
    assert found.shape == shape
    np.testing.assert_array_equal(np.unique(found), np.arange(1, 10))
    assert_same_partition(found, truth)


@pytest.mark.parametrize("case", ["blobs2d_easy", "blobs3d_easy", "dense2d_touching"])
def test_shared_clustering_cases(shared, case):
    arrays = np.load(shared / "golden" / "clustering.npz")
    instances = arrays[f"{case}__instances"]
    found = segment_mutex_watershed(arrays[f"{case}__emb_f"], foreground=instances, fragment_size=10)
    scores = evaluate_segmentation(found, instances)
    assert scores["ap50"] > 0.99
    assert scores["arand_error"] < 0.01


def test_smoothing_and_growth_cure_noise(make_cells):
    embeddings, truth = make_cells((64, 64), 8, noise=0.5)
    raw = evaluate_segmentation(segment_mutex_watershed(embeddings), truth)
    cured = evaluate_segmentation(segment_mutex_watershed(embeddings, smoothing=1.0, fragment_size=100), truth)
    assert raw["arand_error"] > 0.3
    assert cured["arand_error"] < 0.1  # smoothing moves the borders by a pixel
    assert cured["abs_dic"] == 0


@pytest.mark.parametrize("background", ["largest", "mode"])
def test_background_becomes_zero_and_ids_stay_without_gaps(background):
    embeddings = np.zeros((2, 20, 30), dtype=np.float32)
    embeddings[0, 3:9, 3:9], embeddings[1, 12:18, 20:28] = 5.0, 5.0
    found = segment_mutex_watershed(embeddings, background=background)
    assert found[0, 0] == 0
    np.testing.assert_array_equal(np.unique(found), [0, 1, 2])
    assert (found > 0).sum() == 6 * 6 + 6 * 8


def test_small_objects_are_removed_after_growth():
    embeddings = np.zeros((1, 12, 12), dtype=np.float32)
    embeddings[0, 2:4, 2:4], embeddings[0, 7:11, 7:11] = 5.0, -5.0
    found = segment_mutex_watershed(embeddings, background="largest", min_size=5)
    assert found.max() == 1
    assert (found > 0).sum() == 16


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (1, 6, 6), (2, 1, 1)])
def test_thin_images_of_one_object(shape):
    np.testing.assert_array_equal(segment_mutex_watershed(np.zeros((3, *shape), dtype=np.float32)), np.ones(shape))


def test_foreground_limits_the_objects():
    embeddings = np.zeros((2, 8, 8), dtype=np.float32)
    foreground = np.zeros((8, 8), dtype=np.uint8)
    assert not segment_mutex_watershed(embeddings, foreground=foreground).any()
    foreground[:, :2] = foreground[:, 6:] = 1
    found = segment_mutex_watershed(embeddings, foreground=foreground, offsets=[(1, 0), (0, 1), (0, 6)])
    np.testing.assert_array_equal(found[0], [1, 1, 0, 0, 0, 0, 2, 2])


def test_without_attractive_edges_every_pixel_is_an_object():
    embeddings = np.zeros((2, 3, 3), dtype=np.float32)
    assert segment_mutex_watershed(embeddings, offsets=[(2, 0)]).max() == 9
    foreground = np.eye(3, dtype=bool)
    assert segment_mutex_watershed(embeddings, offsets=[(2, 0)], foreground=foreground).max() == 3


def test_the_input_is_left_as_it_was(make_cells):
    embeddings, _ = make_cells((20, 20), 3)
    before = embeddings.copy()
    segment_mutex_watershed(embeddings, smoothing=1.0, fragment_size=30, background="mode")
    np.testing.assert_array_equal(embeddings, before)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        pytest.param({"delta_dist": -1.0}, ValueError, "delta_dist: ", id="negative margin"),
        pytest.param({"delta_dist": np.nan}, ValueError, "delta_dist: ", id="NaN margin"),
        pytest.param(
            {"foreground": np.ones((4, 5), bool)}, ValueError, r"foreground: .*\(4, 4\), got \(4, 5\)", id="shape"
        ),
        pytest.param({"foreground": np.ones((4, 4))}, TypeError, "foreground: .*float64", id="float mask"),
        pytest.param({"smoothing": -0.5}, ValueError, "smoothing: ", id="negative smoothing"),
        pytest.param({"fragment_size": -1}, ValueError, "fragment_size: ", id="negative fragments"),
        pytest.param({"min_size": -1}, ValueError, "min_size: ", id="negative size"),
        pytest.param({"background": "sky"}, ValueError, "background: .*'sky'", id="unknown background"),
        pytest.param({"background_radius": 0}, ValueError, "background_radius: ", id="no radius"),
        pytest.param({"mutex_stride": 0}, ValueError, "mutex_stride: ", id="no stride"),
        pytest.param({"mutex_stride": 1.5}, ValueError, "mutex_stride: .*whole", id="half a stride"),
        pytest.param({"n_threads": 0}, ValueError, "n_threads: ", id="no thread"),
        pytest.param({"offsets": [(1,)]}, ValueError, "offsets: ", id="short offset"),
    ],
)
def test_errors_name_the_argument(options, error, message):
    with pytest.raises(error, match=message):
        segment_mutex_watershed(np.zeros((2, 4, 4), dtype=np.float32), **options)


def test_stride_drops_mutex_edges():
    embeddings = np.zeros((1, 1, 9), dtype=np.float32)
    embeddings[0, 0] = np.linspace(0, 8, 9)  # every neighbour attracts more than the far ones repel
    offsets = [(0, 1), (0, 7)]
    assert segment_mutex_watershed(embeddings, offsets=offsets, delta_dist=2.0).max() == 2
    assert segment_mutex_watershed(embeddings, offsets=offsets, delta_dist=2.0, mutex_stride=2).max() == 2
    embeddings[0, 0, 0] = 1.0
    assert segment_mutex_watershed(embeddings, offsets=[(0, 1), (0, -3)], mutex_stride=20).max() == 1


def test_threads_change_nothing(make_cells):
    embeddings, _ = make_cells((30, 40), 6, noise=0.2)
    np.testing.assert_array_equal(segment_mutex_watershed(embeddings, n_threads=2), segment_mutex_watershed(embeddings))


def test_nan_is_refused():
    embeddings = np.zeros((2, 4, 4), dtype=np.float32)
    embeddings[0, 1, 2] = np.nan
    with pytest.raises(ValueError, match=r"embeddings: .*NaN"):
        segment_mutex_watershed(embeddings)
