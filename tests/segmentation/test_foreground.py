from __future__ import annotations

import numpy as np
import pytest
from bioimage_cpp.segmentation import watershed
from scipy import ndimage
from skimage.feature import peak_local_max

from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.background import background_embedding
from napari_spoco.segmentation.cleanup import remove_small, split_disconnected
from napari_spoco.segmentation.foreground import (
    best_radius,
    foreground_by_distance,
    radius_from_annotations,
    segment_foreground,
    split_foreground,
)
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
    annotations = np.where(labels == 2, 2, 0)
    radius = radius_from_annotations([embeddings, embeddings], [annotations, np.zeros_like(annotations)])
    assert 4.0 < radius < 5.0
    kept = foreground_by_distance(embeddings, radius=radius)[labels == 2].mean()
    assert kept == pytest.approx(0.9, abs=0.01)


def test_strokes_put_the_radius_where_objects_and_background_part():
    rng = np.random.default_rng(0)
    inside, outside = (rng.normal(middle, 1.0, n) for middle, n in ((6.0, 2_000), (1.0, 38_000)))
    everywhere = np.concatenate([inside, outside])
    radius = best_radius(inside[:300], outside[:300], everywhere)
    dice = [2 * (inside > r).sum() / (len(inside) + (everywhere > r).sum()) for r in np.linspace(0, 8, 200)]
    found = 2 * (inside > radius).sum() / (len(inside) + (everywhere > radius).sum())
    assert found > max(dice) - 0.02
    # A tenth of the annotated pixels lies within a radius that lets more background in.
    assert radius < np.quantile(inside[:300], 0.1)


def test_strokes_choose_the_radius_unless_the_share_is_given(scene):
    embeddings, labels = scene
    annotations = np.where(labels == 2, 2, 0)
    strokes = annotations.copy()
    strokes[:5], strokes[-5:] = BACKGROUND, BACKGROUND
    kept = [
        foreground_by_distance(embeddings, radius=radius_from_annotations([embeddings], [painted], quantile=share))
        for painted, share in ((strokes, None), (strokes, 0.1), (annotations, None))
    ]
    # Nothing of the background is far out, so that a lower radius costs nothing.
    assert [mask[labels == 2].mean() for mask in kept] == pytest.approx([0.98, 0.9, 0.9], abs=0.01)


def test_strokes_that_say_nothing_leave_the_usual_radius():
    distances = np.linspace(1, 2, 1000)
    assert best_radius(distances, distances + 5, distances) == pytest.approx(1.1, abs=0.01)


def test_radius_is_measured_from_the_background_that_is_shown(scene):
    """The discs' embeddings are 5 from the background's, and 5 sqrt(2) from each other."""
    embeddings, labels = scene
    annotations = np.where(labels == 2, 2, 0)
    options = {"quantile": 0.5, "smoothing": 1.0}
    found = [
        radius_from_annotations([embeddings] * 2, [annotations] * 2, backgrounds=[shown, None], **options)
        for shown in (None, labels == 0, (0, 0), np.ones(8))
    ]
    np.testing.assert_allclose(found, found[0], atol=0.1)
    from_disc = radius_from_annotations([embeddings], [annotations], backgrounds=[(150, 50)], quantile=0.5)
    assert from_disc == pytest.approx(5 * np.sqrt(2), abs=0.1)


@pytest.mark.parametrize(
    ("annotations", "options", "message"),
    [
        pytest.param(np.zeros((200, 200), int), {}, "annotations: .*none", id="nothing annotated"),
        pytest.param(np.ones((20, 20), int), {}, "annotations: expected shape", id="shape"),
        pytest.param(np.ones((200, 200), int), {"quantile": 1.0}, "quantile: ", id="quantile"),
        pytest.param(np.ones((200, 200), int), {"backgrounds": [(0, 0), None]}, "zip", id="number of backgrounds"),
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


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 2), (2, 1, 1)], ids=str)
def test_what_is_flat_is_one_object(shape):
    """The distance to the background is the same everywhere, and has no peak."""
    assert (split_foreground(np.ones(shape, dtype=bool)) == 1).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(40, 41), (12, 13, 14)], ids=["2D", "3D"])
def test_the_watershed_covers_the_mask_and_crosses_no_gap(shape, seed):
    """Every object is connected, and every pixel of the mask in one."""
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.0) > 0
    found = split_foreground(mask, min_distance=3)
    np.testing.assert_array_equal(found > 0, mask)
    assert split_disconnected(found).max() == found.max() >= ndimage.label(mask)[1]


def touching_balls(step: float) -> np.ndarray:
    """Return labels of touching balls of radius 10 in a lattice, of planes that lie `step` apart."""
    z, y, x = np.meshgrid(np.arange(0, 60, step), np.arange(66), np.arange(66), indexing="ij")
    labels = np.zeros(z.shape, dtype=np.uint8)
    for i, (cz, cy, cx) in enumerate(np.ndindex(3, 3, 3), start=1):
        place = 12.5 + 17.5 * np.array([cz, cy, cx])
        labels[(z - place[0]) ** 2 + (y - place[1]) ** 2 + (x - place[2]) ** 2 < 100] = i
    return labels


@pytest.mark.parametrize("step", [1, 3, 5, 8])
def test_touching_balls_come_apart_whatever_the_distance_of_the_planes(step):
    labels = touching_balls(step)
    found = split_foreground(labels > 0, scale=(0.2 * step, 0.2, 0.2))
    assert found.max() == 27
    assert evaluate_segmentation(found, labels)["sbd"] > 0.93
    np.testing.assert_array_equal(split_foreground(labels > 0, scale=(step, 1, 1)), found)


def test_pixels_alone_do_not_part_balls_of_few_planes():
    assert split_foreground(touching_balls(8) > 0).max() < 27


def reference_split(mask: np.ndarray, min_distance: int, smoothing: float) -> np.ndarray:
    """Split by the library's functions for pixels of equal sizes."""
    components, _ = ndimage.label(mask)
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim].astype(np.float32)
    distance = ndimage.gaussian_filter(distance, smoothing)
    peaks = peak_local_max(distance, min_distance=min_distance, labels=components, exclude_border=False, p_norm=2.0)
    seeds = np.zeros(mask.shape, dtype=np.uint32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    divided = watershed(-distance, seeds, mask=mask)
    return np.where(mask & (divided == 0), components + len(peaks), divided)


@pytest.mark.parametrize("scale", [None, (0.3, 0.3, 0.3), (7, 7, 7)], ids=str)
@pytest.mark.parametrize("shape", [(60, 61), (16, 30, 31)], ids=["2D", "3D"])
def test_pixels_of_equal_sizes_are_split_as_ever(shape, scale, rng):
    mask = ndimage.gaussian_filter(rng.normal(size=shape), 2.0) > 0
    found = split_foreground(mask, min_distance=4, smoothing=1.0, scale=scale and scale[: len(shape)])
    expected = reference_split(mask, 4, 1.0)
    np.testing.assert_array_equal(found, remove_small(expected, 0))


@pytest.mark.parametrize("smoothing", [1.0, 2.0])
def test_nearly_equal_sizes_give_what_equal_ones_give(smoothing, rng):
    mask = ndimage.gaussian_filter(rng.normal(size=(16, 30, 31)), 2.0) > 0
    found = split_foreground(mask, smoothing=smoothing, scale=(1.0001, 1, 1))
    expected = split_foreground(mask, smoothing=smoothing)
    assert found.max() == expected.max()
    assert evaluate_segmentation(found, expected)["sbd"] > 0.999


@pytest.mark.parametrize("step", [3, 9])
def test_a_ball_between_two_planes_is_one_object(step):
    """Its distance to the background is the same in both, and they may lie farther apart than two peaks have to."""
    z, y, x = np.meshgrid(step * np.arange(6), np.arange(30), np.arange(30), indexing="ij")
    mask = (z - 2.5 * step) ** 2 + (y - 15) ** 2 + (x - 15) ** 2 < 144
    assert (split_foreground(mask, scale=(step, 1, 1)) == mask).all()


@pytest.mark.parametrize("n_pixels", [0, 1, 50], ids=["nothing", "a pixel", "everything"])
def test_flat_masks_of_unequal_pixels(n_pixels):
    mask = np.arange(50).reshape(2, 5, 5) < n_pixels
    assert (split_foreground(mask, scale=(3, 1, 1)) == mask).all()


def test_the_foreground_is_split_by_the_scale_too():
    labels = touching_balls(5)
    embeddings = 5.0 * (labels > 0)[None].astype(np.float32)
    found = segment_foreground(embeddings, radius=3.0, background=np.zeros(1), scale=(5, 1, 1))
    np.testing.assert_array_equal(found, split_foreground(labels > 0, scale=(5, 1, 1)))


# --- both together -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["watershed", "mutex_watershed"])
def test_segments_the_foreground(scene, split, assert_same_partition):
    embeddings, labels = scene
    found = segment_foreground(embeddings, radius=3.0, split=split, fragment_size=50)
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(found > 0, labels > 0)
    assert evaluate_segmentation(found, labels)["sbd"] > 0.95


def test_components_leave_touching_objects_together(scene):
    embeddings, labels = scene
    found = segment_foreground(embeddings, radius=3.0, split="components")
    np.testing.assert_array_equal(found, ndimage.label(labels)[0])


@pytest.mark.parametrize("split", ["watershed", "components", "mutex_watershed"])
def test_segments_the_foreground_of_a_volume(split, assert_same_partition):
    z, y, x = np.mgrid[:20, :24, :40]
    labels = sum(i * ((z - 10) ** 2 + (y - 12) ** 2 + (x - c) ** 2 < 64) for i, c in ((1, 10), (2, 30)))
    embeddings = 5.0 * (np.arange(3)[:, None, None, None] == labels)
    assert_same_partition(segment_foreground(embeddings, radius=3.0, split=split), labels)


@pytest.mark.parametrize("kind", ["strokes", "annotations", "click", "embedding"])
def test_the_background_may_be_shown(scene, kind):
    """Most of the background is cut away, so that the dominant mode is an object's."""
    embeddings, labels = (array[..., 27:53, 27:77] for array in scene)
    assert segment_foreground(embeddings, radius=3.0)[0].all()
    strokes = np.zeros(labels.shape, dtype=bool)
    strokes[0] = True
    shown = {
        "strokes": strokes,
        "annotations": np.where(strokes, BACKGROUND, labels.astype(int)),
        "click": (0, 0),
        "embedding": np.ones(8),
    }
    found = segment_foreground(embeddings, radius=3.0, background=shown[kind])
    np.testing.assert_array_equal(found > 0, labels > 0)


def test_a_background_of_two_embeddings(scene):
    embeddings, labels = scene
    embeddings[:, :, 90:] += np.where(labels[:, 90:] > 0, 0.0, 4.0)
    strokes = np.zeros(labels.shape, dtype=bool)
    strokes[90:95] = True
    found = foreground_by_distance(embeddings, radius=3.0, background=strokes)
    np.testing.assert_array_equal(found, labels > 0)


def test_fragments_grow_and_small_objects_go():
    """A square of two colours, the small part of which is nearer to the background, and a speck."""
    embeddings = np.zeros((2, 30, 30), dtype=np.float32)
    embeddings[0, 5:15, 5:15], embeddings[1, 5:15, 13:15], embeddings[1, 22, 22] = 8.0, 6.0, 6.0
    options = {"radius": 3.0, "split": "mutex_watershed"}
    assert segment_foreground(embeddings, **options).max() == 3
    assert segment_foreground(embeddings, fragment_size=30, **options).max() == 2
    np.testing.assert_array_equal(
        segment_foreground(embeddings, fragment_size=30, min_size=2, **options), embeddings[0] > 0
    )


def test_smoothing_knows_the_scale(rng):
    """Planes far apart: what is in one plane only must not be smoothed away."""
    embeddings = np.zeros((1, 9, 20, 20), dtype=np.float32)
    embeddings[0, 4, 5:15, 5:15] = 5.0
    assert not segment_foreground(embeddings, radius=3.0, smoothing=1.0).any()
    assert segment_foreground(embeddings, radius=3.0, smoothing=1.0, scale=(10, 1, 1)).max() == 1


def test_settings_reach_the_mutex_watershed(scene):
    embeddings, _ = scene
    options = {"radius": 3.0, "split": "mutex_watershed"}
    assert segment_foreground(embeddings, delta_dist=0.1, **options).max() > 100
    without_mutex = segment_foreground(embeddings, offsets=[(0, 1), (1, 0)], **options)
    assert without_mutex.max() == 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 1, 1)], ids=str)
@pytest.mark.parametrize("split", ["watershed", "components", "mutex_watershed"])
def test_thin_images(shape, split):
    embeddings = np.zeros((3, *shape), dtype=np.float32)
    assert not segment_foreground(embeddings, radius=1.0, split=split).any()
    everywhere = segment_foreground(embeddings, radius=1.0, split=split, background=np.full(3, 9.0), fragment_size=2)
    assert everywhere.max() == 1
    assert everywhere.all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"radius": 0}, "radius: ", id="radius"),
        pytest.param({"split": "shape"}, "split: .*'shape'", id="split"),
        pytest.param({"background": (1, 2, 3)}, "background: ", id="background"),
        pytest.param({"smoothing": -1}, "smoothing: ", id="smoothing"),
        pytest.param({"scale": (1, 1, 1)}, "scale: ", id="scale"),
        pytest.param({"min_distance": 0}, "min_distance: ", id="distance"),
        pytest.param({"fragment_size": -1}, "fragment_size: ", id="fragment size"),
        pytest.param({"min_size": -1}, "min_size: ", id="size"),
    ],
)
def test_segment_foreground_errors_name_the_argument(options, message, scene):
    with pytest.raises(ValueError, match=message):
        segment_foreground(scene[0], **{"radius": 3.0, **options})


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
        pytest.param(
            lambda _: split_foreground(np.ones((4, 4), bool), scale=(1, 1, 1)),
            ValueError,
            "scale: expected 2 numbers, one per axis, got 3",
            id="axes of the scale",
        ),
        pytest.param(
            lambda _: split_foreground(np.ones((4, 4), bool), scale=(0, 1)), ValueError, "scale: .*got 0", id="scale"
        ),
    ],
)
def test_errors_name_the_argument(call, error, message, scene):
    with pytest.raises(error, match=message):
        call(scene[0])
