from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.segmentation.affinities import embedding_affinities
from napari_spoco.segmentation.crossing import crossing_distance, crossing_warning, neighbour_distance
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
from napari_spoco.segmentation.smoothing import smooth_embeddings


@pytest.mark.parametrize("delta_dist", [0.5, 2.0, 3.0])
def test_attraction_and_repulsion_are_equal_at_the_crossing(delta_dist):
    embeddings = np.zeros((1, 1, 2), dtype=np.float32)
    embeddings[0, 0, 1] = crossing_distance(delta_dist)
    attraction = embedding_affinities(embeddings, [(0, 1)], delta_dist=delta_dist)[0, 0, 0]
    assert attraction == pytest.approx(1 - attraction, abs=1e-6)


def test_the_crossing_of_the_usual_margin():
    assert crossing_distance(2.0) == pytest.approx(1.17, abs=0.005)


@pytest.mark.parametrize("shape", [(120, 120), (12, 40, 40)], ids=["2D", "3D"])
def test_noise_collapses_mutex_watershed_and_smoothing_cures_it(shape, make_cells):
    """The warning comes with the collapse, and goes with the cure that it names."""
    embeddings, truth = make_cells(shape, 8, noise=0.2, n_channels=16)
    assert evaluate_segmentation(segment_mutex_watershed(embeddings), truth)["arand_error"] > 0.5
    assert "Set the smoothing to 1 pixel." in crossing_warning(embeddings)
    smooth = smooth_embeddings(embeddings, 1.0)
    assert evaluate_segmentation(segment_mutex_watershed(smooth), truth)["arand_error"] < 0.15
    assert crossing_warning(smooth) is None


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.12])
def test_no_warning_where_mutex_watershed_works(noise, make_cells):
    embeddings, truth = make_cells((100, 100), 8, noise=noise, n_channels=16)
    assert evaluate_segmentation(segment_mutex_watershed(embeddings), truth)["arand_error"] < 0.01
    assert crossing_warning(embeddings) is None


def test_it_depends_on_the_margin(make_cells):
    embeddings, _ = make_cells((50, 50), 3, noise=0.2, n_channels=16)
    assert crossing_warning(embeddings, delta_dist=4.0) is None
    assert "near the 1.76 at" in crossing_warning(embeddings * 1.5, delta_dist=3.0)


def test_more_smoothing_is_the_cure_after_smoothing(make_cells):
    embeddings, _ = make_cells((50, 50), 3, noise=0.2, n_channels=16)
    assert crossing_warning(embeddings, smoothing=1.5).endswith("Set the smoothing to 2.5 pixels.")


@pytest.mark.parametrize("shape", [(40, 50), (10, 16, 12)], ids=["2D", "3D"])
def test_the_sample_is_near_the_median_of_all_pairs(shape, make_cells):
    embeddings, labels = make_cells(shape, 6, noise=0.2)
    distances = []
    for axis in range(len(shape)):
        inside = np.diff(labels.astype(int), axis=axis) == 0
        distances.append(np.linalg.norm(np.diff(embeddings, axis=axis + 1), axis=0)[inside])
    found = neighbour_distance(embeddings, labels=labels)
    assert found == pytest.approx(np.median(np.concatenate(distances)), rel=0.02)
    assert found == neighbour_distance(embeddings, labels=labels)
    other = neighbour_distance(embeddings, labels=labels, rng=np.random.default_rng(3))
    assert other == pytest.approx(found, rel=0.02)


def test_only_the_inside_of_annotated_objects_counts(rng):
    embeddings = rng.normal(0, 0.5, (8, 40, 40))  # noisy wherever nothing is annotated
    labels = np.full((40, 40), -1)
    labels[5:15, 5:15], labels[5:15, 15:20] = 4, 9
    embeddings[:, labels == 4], embeddings[:, labels == 9] = 0.0, 7.0
    assert neighbour_distance(embeddings, labels=labels) == 0.0
    assert crossing_warning(embeddings, labels=labels) is None
    assert crossing_warning(embeddings) is not None


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        pytest.param((1, 1), None, id="one pixel"),
        pytest.param((4, 4), np.zeros((4, 4), int), id="nothing annotated"),
        pytest.param((4, 4), np.arange(16).reshape(4, 4), id="objects of one pixel"),
    ],
)
def test_no_pair_no_warning(shape, labels):
    embeddings = np.ones((2, *shape), dtype=np.float32)
    assert neighbour_distance(embeddings, labels=labels) is None
    assert crossing_warning(embeddings, labels=labels) is None


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1, 9)], ids=str)
def test_thin_images_have_pairs(shape):
    embeddings = np.cumsum(np.full((1, *shape), 0.5), axis=1 + np.argmax(shape))
    assert neighbour_distance(embeddings) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        pytest.param(lambda e: crossing_warning(e[0]), ValueError, "embeddings: .*axes", id="axes"),
        pytest.param(lambda e: crossing_warning(e.astype(int)), ValueError, "embeddings: .*int64", id="integers"),
        pytest.param(lambda e: crossing_warning(e * np.nan), ValueError, "embeddings: .*NaN", id="NaN"),
        pytest.param(lambda e: crossing_warning(e, delta_dist=0), ValueError, "delta_dist: ", id="delta_dist"),
        pytest.param(lambda e: crossing_warning(e, smoothing=-1), ValueError, "smoothing: ", id="smoothing"),
        pytest.param(
            lambda e: crossing_warning(e, labels=np.ones((3, 3), int)), ValueError, "labels: expected shape", id="shape"
        ),
        pytest.param(lambda e: crossing_warning(e, labels=np.ones((4, 4))), TypeError, "labels: .*float64", id="float"),
    ],
)
def test_errors_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call(np.ones((2, 4, 4)))
