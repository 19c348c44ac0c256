from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_spoco.segmentation.background import background_embedding
from napari_spoco.segmentation.foreground import foreground_by_distance, radius_from_annotations, split_foreground
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
from napari_spoco.segmentation.smoothing import smooth_embeddings


@pytest.fixture
def scene(rng):
    """Embeddings (8, 200, 200) with a background around (1, .., 1) and five discs, one cluster each, and the truth."""
    y, x = np.mgrid[:200, :200]
    labels = np.zeros((200, 200), dtype=np.uint8)
    for i, (cy, cx) in enumerate([(40, 40), (40, 64), (150, 50), (120, 150), (40, 160)], start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 < 13**2] = i
    centres = np.vstack([np.ones(8), 1 + 5 * np.eye(8)[:5]])
    embeddings = np.moveaxis(centres[labels], -1, 0) + rng.normal(0, 0.2, (8, 200, 200))
    return embeddings.astype(np.float32), labels


# --- the background's embedding --------------------------------------------------------------------------------


def test_mode_is_the_background(scene):
    np.testing.assert_allclose(background_embedding(scene[0]), 1.0, atol=0.02)


def test_mode_is_not_drawn_off_by_objects_of_more_than_half_the_image(rng):
    """40 % background in one cluster, 60 % objects in twenty: the mean would be wrong."""
    centres = np.vstack([np.full(6, -3.0), rng.normal(0, 4, (20, 6)) + 6])
    ids = np.where(rng.random((100, 100)) < 0.4, 0, rng.integers(1, 21, (100, 100)))
    embeddings = np.moveaxis(centres[ids], -1, 0) + rng.normal(0, 0.2, (6, 100, 100))
    np.testing.assert_allclose(background_embedding(embeddings), -3.0, atol=0.05)


def test_mode_inside_of_a_mask(scene):
    embeddings, labels = scene
    np.testing.assert_allclose(background_embedding(embeddings, mask=labels == 3)[2], 6.0, atol=0.05)


def test_mode_is_reproducible_and_far_origins_are_harmless(scene):
    embeddings, _ = scene
    np.testing.assert_array_equal(background_embedding(embeddings), background_embedding(embeddings))
    np.testing.assert_allclose(background_embedding(embeddings + 1000.0), 1001.0, atol=0.02)
    other = background_embedding(embeddings, rng=np.random.default_rng(5))
    np.testing.assert_allclose(other, 1.0, atol=0.02)


def test_mode_of_a_single_pixel():
    np.testing.assert_array_equal(background_embedding(np.full((3, 1, 1), 2.0)), [2, 2, 2])


# --- foreground ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("background", [None, np.ones(8)], ids=["found", "given"])
def test_pixels_far_from_the_background_are_foreground(scene, background):
    embeddings, labels = scene
    found = foreground_by_distance(embeddings, radius=3.0, background=background)
    np.testing.assert_array_equal(found, labels > 0)


def test_smoothing_cures_noise(scene, rng):
    embeddings, labels = scene
    noisy = embeddings + rng.normal(0, 0.8, embeddings.shape)
    raw = foreground_by_distance(noisy, radius=3.5, background=np.ones(8))
    smooth = foreground_by_distance(noisy, radius=3.5, background=np.ones(8), smoothing=1.0)
    assert (smooth != (labels > 0)).mean() < 0.3 * (raw != (labels > 0)).mean()


def test_smoothing_of_zero_changes_nothing_and_constants_stay(scene):
    np.testing.assert_array_equal(smooth_embeddings(scene[0], 0), scene[0])
    np.testing.assert_allclose(smooth_embeddings(np.full((2, 4, 5, 6), 3.0), 1.5), 3.0, rtol=1e-6)


def test_smoothing_is_per_channel(scene):
    expected = ndimage.gaussian_filter(scene[0][3], 2.0, truncate=3.0)
    np.testing.assert_allclose(smooth_embeddings(scene[0], 2.0)[3], expected, rtol=1e-6)


def test_foreground_is_split_by_embeddings(scene, assert_same_partition):
    embeddings, labels = scene
    foreground = foreground_by_distance(embeddings, radius=3.0)
    assert_same_partition(segment_mutex_watershed(embeddings, foreground=foreground, fragment_size=50), labels)


# --- the radius from annotations -----------------------------------------------------------------------------


def test_radius_keeps_most_annotated_pixels(scene):
    embeddings, labels = scene
    annotations = np.where(labels == 2, 2, 0) - (labels == 0)
    radius = radius_from_annotations([embeddings, embeddings], [annotations, np.zeros_like(annotations)])
    assert 4.0 < radius < 5.0
    kept = foreground_by_distance(embeddings, radius=radius)[labels == 2].mean()
    assert kept == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(
    ("annotations", "options", "message"),
    [
        pytest.param(np.zeros((200, 200), int), {}, "annotations: .*none", id="nothing annotated"),
        pytest.param(np.ones((20, 20), int), {}, "annotations: expected shape", id="shape"),
        pytest.param(np.ones((200, 200), int), {"quantile": 1.0}, "quantile: ", id="quantile"),
    ],
)
def test_radius_errors_name_the_argument(scene, annotations, options, message):
    with pytest.raises(ValueError, match=message):
        radius_from_annotations([scene[0]], [annotations], **options)


# --- splitting by shape ----------------------------------------------------------------------------------------


def test_watershed_separates_touching_discs_and_components_do_not(scene):
    _, labels = scene
    split = split_foreground(labels)
    assert split.dtype == np.uint32
    np.testing.assert_array_equal(np.unique(split), np.arange(6))
    assert evaluate_segmentation(split, labels)["sbd"] > 0.95
    assert split_foreground(labels > 0, method="components").max() == 4


def test_split_in_3d():
    z, y, x = np.mgrid[:24, :24, :40]
    balls = [((z - 12) ** 2 + (y - 12) ** 2 + (x - c) ** 2) < 81 for c in (12, 27)]
    found = split_foreground(balls[0] | balls[1], min_distance=5)
    assert found.max() == 2
    assert found[12, 12, 12] != found[12, 12, 27]


def test_split_drops_small_parts_and_an_empty_mask_has_none():
    mask = np.zeros((30, 30), dtype=bool)
    assert split_foreground(mask).max() == 0
    mask[2:14, 2:14], mask[20, 20] = True, True
    assert split_foreground(mask).max() == 2
    assert split_foreground(mask, min_size=2).max() == 1
    assert split_foreground(np.ones((9, 9), dtype=bool)).max() == 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        pytest.param(lambda e: foreground_by_distance(e, radius=0), ValueError, "radius: ", id="radius"),
        pytest.param(
            lambda e: foreground_by_distance(e, radius=1, background=np.zeros(3)),
            ValueError,
            r"background: expected shape \(8,\)",
            id="background shape",
        ),
        pytest.param(
            lambda e: foreground_by_distance(e, radius=1, background=np.full(8, np.nan)),
            ValueError,
            "background: .*NaN",
            id="background NaN",
        ),
        pytest.param(lambda e: background_embedding(e, bandwidth=0), ValueError, "bandwidth: ", id="bandwidth"),
        pytest.param(
            lambda e: background_embedding(e, mask=np.zeros((200, 200), bool)),
            ValueError,
            "mask: .*none",
            id="no pixel",
        ),
        pytest.param(lambda e: smooth_embeddings(e, -1), ValueError, "smoothing: ", id="smoothing"),
        pytest.param(lambda _: split_foreground(np.ones(4, bool)), ValueError, "mask: .*axes", id="1D mask"),
        pytest.param(lambda _: split_foreground(np.ones((4, 4))), TypeError, "mask: .*float64", id="float mask"),
        pytest.param(
            lambda _: split_foreground(np.ones((4, 4), bool), method="x"), ValueError, "method: .*'x'", id="method"
        ),
        pytest.param(
            lambda _: split_foreground(np.ones((4, 4), bool), min_distance=0),
            ValueError,
            "min_distance: ",
            id="distance",
        ),
    ],
)
def test_errors_name_the_argument(call, error, message, scene):
    with pytest.raises(error, match=message):
        call(scene[0])
