from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from napari_spoco.data.synthetic import membrane_stack
from napari_spoco.segmentation.agglomeration import merge_by_embedding
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
from napari_spoco.segmentation.supervoxels import boundary_signal, find_supervoxels, segment_supervoxels


def blurred_embeddings(labels, rng, *, blur, noise, n_channels=16):
    """Return embeddings as short trainings give them: blurred at borders, with slow and with pixel-wise errors.

    Centres of two objects are about 4 apart, as delta_dist = 2 asks for; `noise` is per channel, of either kind.
    """
    centres = rng.normal(0, 4 / np.sqrt(2 * n_channels), (labels.max() + 1, n_channels))
    embeddings = np.moveaxis(centres[labels], -1, 0)
    sigma = (0, *[blur] * labels.ndim)
    slow = ndimage.gaussian_filter(rng.normal(size=embeddings.shape), (0, *[3.0] * labels.ndim))
    errors = noise * (slow / slow.std() + rng.normal(size=embeddings.shape))
    return (ndimage.gaussian_filter(embeddings, sigma) + errors).astype(np.float32)


@pytest.mark.parametrize("blur_and_noise", [(1.0, 0.3), (2.0, 0.5)], ids=["good", "poor"])
@pytest.mark.parametrize(
    ("shape", "scale", "photons"),
    [((160, 160), None, 20.0), ((24, 96, 96), None, 10.0), ((16, 96, 96), (2.0, 1.0, 1.0), 10.0)],
    ids=["2D", "3D", "anisotropic"],
)
def test_beats_mutex_watershed_on_membranes(shape, scale, photons, blur_and_noise):
    rng = np.random.default_rng(0)
    tissue = membrane_stack(shape, rng=rng, photons=photons, scale=scale)
    blur, noise = blur_and_noise
    embeddings = blurred_embeddings(tissue.labels, rng, blur=blur, noise=noise)
    a_third = int(np.median(np.bincount(tissue.labels.ravel())[1:]) / 3)
    errors = {
        name: evaluate_segmentation(found, tissue.labels)["arand_error"]
        for name, found in {
            "supervoxels": segment_supervoxels(embeddings, tissue.image, merge_distance=2.0, scale=scale),
            "mutex": segment_mutex_watershed(embeddings, smoothing=1.0),
            "mutex, grown": segment_mutex_watershed(embeddings, smoothing=1.0, fragment_size=a_third),
        }.items()
    }
    assert errors["supervoxels"] < 0.2
    assert errors["supervoxels"] < 0.5 * min(errors["mutex"], errors["mutex, grown"]), errors


def mislead(image, rng):
    """Erase membranes in a tenth of the image, and put bright organelles into a twentieth."""
    gaps = ndimage.gaussian_filter(rng.normal(size=image.shape), 3.0)
    organelles = ndimage.gaussian_filter(rng.normal(size=image.shape), 1.2)
    faded = np.where(gaps > np.quantile(gaps, 0.9), 30 + 0.15 * (image - 30.0), image)
    return faded + np.where(organelles > np.quantile(organelles, 0.95), 120.0, 0.0)


def segment_by_image_alone(image):
    """Return the distance-transform watershed of the thresholded signal, as classical tools do."""
    heights = boundary_signal(image)
    distance = ndimage.distance_transform_edt(heights < threshold_otsu(heights))
    distance = ndimage.gaussian_filter(distance, 1.0)
    seeds = np.zeros(image.shape, dtype=np.int32)
    peaks = peak_local_max(distance, min_distance=3, exclude_border=False)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(heights, seeds)


@pytest.mark.parametrize(("shape", "photons"), [((160, 160), 20.0), ((24, 96, 96), 10.0)], ids=["2D", "3D"])
def test_embeddings_help_where_the_image_misleads(shape, photons):
    rng = np.random.default_rng(0)
    tissue = membrane_stack(shape, rng=rng, photons=photons)
    embeddings = blurred_embeddings(tissue.labels, rng, blur=1.0, noise=0.3)
    image = mislead(tissue.image, rng)
    found = segment_supervoxels(embeddings, image, merge_distance=1.5)
    error = evaluate_segmentation(found, tissue.labels)["arand_error"]
    error_alone = evaluate_segmentation(segment_by_image_alone(image), tissue.labels)["arand_error"]
    assert error < 0.15
    assert error < 0.8 * error_alone


@pytest.mark.parametrize("shape", [(30, 40), (8, 20, 21)], ids=["2D", "3D"])
def test_clean_embeddings_give_the_truth_with_borders_on_the_image(shape, rng, assert_same_partition):
    tissue = membrane_stack(shape, rng=rng, photons=400.0, noise=0.0)
    embeddings = blurred_embeddings(tissue.labels, rng, blur=0.0, noise=0.0)
    supervoxels = find_supervoxels(boundary_signal(tissue.image))
    oracle = np.array([np.bincount(tissue.labels[supervoxels == i]).argmax() for i in range(1, supervoxels.max() + 1)])
    found = segment_supervoxels(embeddings, tissue.image, merge_distance=1.0)
    assert found.dtype == np.uint32
    assert evaluate_segmentation(found, oracle[supervoxels - 1])["ap50"] > 0.95


def test_clean_up_is_that_of_mutex_watershed():
    embeddings = np.zeros((1, 12, 24), dtype=np.float32)
    embeddings[0, 4:9, 2:7], embeddings[0, 4:9, 16:18] = 5.0, -5.0
    image = boundary_signal(embeddings[0], "gradient")
    options = {"merge_distance": 2.0, "boundary_smoothing": 0.0}
    assert segment_supervoxels(embeddings, image, **options).max() == 3
    for background in ("largest", "mode"):
        found = segment_supervoxels(embeddings, image, background=background, **options)
        assert found.max() == 2
        assert found[0, 0] == 0
    grown = segment_supervoxels(embeddings, image, fragment_size=20, **options)
    assert grown.max() == 2
    kept = segment_supervoxels(embeddings, image, background="largest", min_size=20, **options)
    assert kept.max() == 1
    assert kept[6, 4] == 1


# --- the boundary signal ---


@pytest.mark.parametrize("spacing", [(1, 1), (4, 1), (1, 2, 1), (6, 2, 1)], ids=str)
@pytest.mark.parametrize("unit", [0.1, 1.0, 325.0])
def test_the_gradient_of_a_ramp_is_its_slope_per_finest_pixel(spacing, unit):
    places = np.meshgrid(*(np.arange(24) * step for step in spacing), indexing="ij")
    ramp = 3.0 * places[0] - 4.0 * places[-1]
    scale = np.multiply(spacing, unit)
    inner = (slice(10, 14),) * len(spacing)
    gradient = boundary_signal(ramp, "gradient", sigma=1.0, scale=scale)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient[inner], 5.0, rtol=1e-3)
    np.testing.assert_allclose(boundary_signal(ramp, sigma=1.0, scale=scale)[inner], ramp[inner], rtol=1e-4, atol=1e-3)


def test_a_plane_alone_has_no_gradient_across():
    image = np.zeros((1, 8, 8))
    image[0, 4:] = 1.0
    np.testing.assert_array_equal(boundary_signal(image, "gradient")[0], boundary_signal(image[0], "gradient"))


def test_smoothing_is_in_pixels_of_the_finest_axis():
    image = np.zeros((21, 21))
    image[10, 10] = 1.0
    smooth = boundary_signal(image, sigma=2.0, scale=(0.6, 0.3))
    np.testing.assert_allclose(smooth, ndimage.gaussian_filter(image, (1.0, 2.0)), atol=1e-6)
    np.testing.assert_array_equal(boundary_signal(image, sigma=0.0), image)


# --- supervoxels ---


@pytest.mark.parametrize("shape", [(30, 40), (6, 15, 16), (1, 1), (1, 9), (9, 1), (1, 5, 1)], ids=str)
@pytest.mark.parametrize("with_foreground", [False, True], ids=["whole", "foreground"])
def test_supervoxels_are_connected_and_cover_the_foreground(shape, with_foreground, rng):
    heights = np.round(ndimage.gaussian_filter(rng.normal(size=shape), 1.0) * 20)  # plateaus, too
    foreground = rng.random(shape) < 0.7 if with_foreground else None
    found = find_supervoxels(heights, foreground=foreground)
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(found > 0, True if foreground is None else foreground)
    n_found = int(found.max())
    assert all(ndimage.label(found == i)[1] == 1 for i in range(1, n_found + 1))


def test_borders_run_along_the_ridge():
    heights = np.tile([0, 1, 2, 5, 2, 0, 1, 6, 1], (4, 1))
    found = find_supervoxels(heights)
    assert found.max() == 3
    assert (found[:, :3] == found[0, 0]).all()
    assert (found[:, 4:7] == found[0, 4]).all()
    assert (found[:, 8] == found[0, 8]).all()


def test_parts_of_a_constant_image_are_one_supervoxel_each():
    foreground = np.zeros((5, 9), dtype=np.uint8)
    foreground[1:4, :3] = foreground[:, 6:] = 1
    found = find_supervoxels(np.full((5, 9), 7, dtype=np.uint8), foreground=foreground)
    np.testing.assert_array_equal(np.unique(found), [0, 1, 2])
    assert find_supervoxels(np.zeros((5, 9)), foreground=np.zeros((5, 9), bool)).max() == 0


# --- merging ---


def touching(labels):
    """Return the pairs of segments that share a face."""
    pairs = set()
    for pixel in itertools.product(*map(range, labels.shape)):
        for axis in range(labels.ndim):
            beside = tuple(p + (a == axis) for a, p in enumerate(pixel))
            if beside[axis] < labels.shape[axis] and 0 < labels[pixel] != labels[beside] > 0:
                pairs.add(tuple(sorted((int(labels[pixel]), int(labels[beside])))))
    return pairs


def mean_distances(labels, embeddings):
    means = {i: embeddings[:, labels == i].mean(axis=1) for i in np.unique(labels) if i}
    return {pair: np.linalg.norm(means[pair[0]] - means[pair[1]]) for pair in touching(labels)}


def slow_merge(labels, embeddings, merge_distance):
    """Merge the closest touching pair, again and again."""
    labels = labels.copy()
    while distances := mean_distances(labels, embeddings):
        (a, b), distance = min(distances.items(), key=lambda item: item[1])
        if distance >= merge_distance:
            break
        labels[labels == b] = a
    return labels


@pytest.mark.parametrize("shape", [(14, 15), (4, 8, 8)], ids=["2D", "3D"])
@pytest.mark.parametrize("seed", range(8))
def test_no_touching_pair_stays_closer_than_the_distance(shape, seed, assert_same_partition):
    rng = np.random.default_rng(seed)
    labels = find_supervoxels(ndimage.gaussian_filter(rng.normal(size=shape), 0.7))
    labels[rng.random(shape) < 0.1] = 0
    embeddings = rng.normal(0, 1, (3, *shape)).astype(np.float32)
    embeddings += rng.normal(0, 1, (3, labels.max() + 1)).astype(np.float32)[:, labels]
    for merge_distance in (0.0, 0.7, 1.5, 1e6):
        found = merge_by_embedding(labels, embeddings, merge_distance)
        assert found.dtype == np.uint32
        assert min(mean_distances(found, embeddings).values(), default=np.inf) >= merge_distance - 1e-6
        assert all(len(np.unique(found[labels == i])) == 1 for i in np.unique(labels))
        np.testing.assert_array_equal(np.unique(found[labels > 0]), np.arange(1, found.max() + 1))
    assert_same_partition(merge_by_embedding(labels, embeddings, 0.0), labels)


@pytest.mark.parametrize("shape", [(20, 24), (5, 9, 10)], ids=["2D", "3D"])
@pytest.mark.parametrize("seed", range(5))
def test_equals_the_closest_pair_first_where_objects_are_distinct(shape, seed, make_cells, assert_same_partition):
    embeddings, truth = make_cells(shape, 6, noise=0.3)
    rng = np.random.default_rng(seed)
    pieces = find_supervoxels(ndimage.gaussian_filter(rng.normal(size=shape), 0.8)).astype(np.int64)
    _, split = np.unique(pieces * 10 + truth, return_inverse=True)
    split = split.reshape(shape) + 1
    found = merge_by_embedding(split, embeddings, 2.0)
    assert_same_partition(found, slow_merge(split, embeddings, 2.0))


def test_means_are_weighted_by_size():
    # 0 (9 pixels) and 1 merge first, to .1, which is too far from 1.15; unweighted it would be .5 and near enough.
    embeddings = np.repeat([0.0, 1.0, 1.95], [9, 1, 5])[None, None].astype(np.float32)
    labels = np.repeat([1, 2, 3], [9, 1, 5])[None]
    embeddings[0, 0, 9] = 0.9
    np.testing.assert_array_equal(merge_by_embedding(labels, embeddings, 1.5)[0], np.repeat([1, 1, 2], [9, 1, 5]))


def test_what_does_not_touch_is_not_merged():
    labels = np.array([[1, 1, 0, 2, 2], [1, 1, 0, 2, 2], [0, 0, 3, 0, 0]])  # 3 touches at corners only
    found = merge_by_embedding(labels, np.zeros((2, 3, 5), np.float32), 1.0)
    np.testing.assert_array_equal(found, labels)
    assert not merge_by_embedding(labels * 0, np.zeros((2, 3, 5), np.float32), 1.0).any()


def test_only_interior_pixels_make_the_mean():
    labels = np.repeat([1, 2], 4)[None]
    embeddings = np.array([[[0, 0, 1.5, 1.5, 1.5, 1.5, 3, 3]]], dtype=np.float32)
    interior = np.array([[1, 1, 0, 0, 0, 0, 1, 1]])
    assert merge_by_embedding(labels, embeddings, 2.0).max() == 1
    assert merge_by_embedding(labels, embeddings, 2.0, interior=interior).max() == 2
    without = np.where(labels == 2, 0, interior)
    assert merge_by_embedding(labels, embeddings, 2.0, interior=without).max() == 2  # 0 and 2.25


# --- errors ---


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        pytest.param({"merge_distance": -1.0}, ValueError, "merge_distance: ", id="negative distance"),
        pytest.param({"merge_distance": np.nan}, ValueError, "merge_distance: ", id="NaN distance"),
        pytest.param({"boundaries": np.ones((4, 5))}, ValueError, r"boundaries: .*\(4, 4\), got \(4, 5\)", id="shape"),
        pytest.param({"boundaries": np.ones((4, 4), complex)}, TypeError, "boundaries: .*complex", id="complex"),
        pytest.param({"boundaries": np.full((4, 4), np.nan)}, ValueError, "boundaries: .*NaN", id="NaN boundaries"),
        pytest.param({"foreground": np.ones((4, 4))}, TypeError, "foreground: .*float64", id="float mask"),
        pytest.param({"foreground": np.ones((3, 4), bool)}, ValueError, r"foreground: .*\(3, 4\)", id="mask shape"),
        pytest.param({"boundary_smoothing": -0.5}, ValueError, "boundary_smoothing: ", id="negative smoothing"),
        pytest.param({"scale": (1.0,)}, ValueError, "scale: expected 2 numbers", id="short scale"),
        pytest.param({"scale": (1.0, 0.0)}, ValueError, "scale: ", id="scale of 0"),
        pytest.param({"fragment_size": -1}, ValueError, "fragment_size: ", id="negative fragments"),
        pytest.param({"min_size": -1}, ValueError, "min_size: ", id="negative size"),
        pytest.param({"background": "sky"}, ValueError, "background: .*'sky'", id="unknown background"),
        pytest.param({"background_radius": 0}, ValueError, "background_radius: ", id="no radius"),
        pytest.param({"embeddings": np.full((2, 4, 4), np.nan)}, ValueError, "embeddings: .*NaN", id="NaN"),
    ],
)
def test_errors_name_the_argument(options, error, message):
    arguments = {
        "embeddings": np.zeros((2, 4, 4), dtype=np.float32),
        "boundaries": np.zeros((4, 4)),
        "merge_distance": 1.0,
    }
    with pytest.raises(error, match=message):
        segment_supervoxels(**(arguments | options))


@pytest.mark.parametrize(
    ("image", "kind", "options", "error", "message"),
    [
        pytest.param(np.zeros((4, 4)), "edges", {}, ValueError, "kind: .*'edges'", id="unknown kind"),
        pytest.param(np.zeros((4, 4)), "image", {"sigma": -1.0}, ValueError, "sigma: ", id="negative sigma"),
        pytest.param(np.zeros(4), "image", {}, ValueError, r"image: .*\(4,\)", id="one axis"),
        pytest.param(np.zeros((0, 4)), "image", {}, ValueError, r"image: .*\(0, 4\)", id="empty"),
    ],
)
def test_errors_of_the_boundary_signal(image, kind, options, error, message):
    with pytest.raises(error, match=message):
        boundary_signal(image, kind, **options)


def test_errors_of_merging():
    with pytest.raises(ValueError, match=r"labels: expected shape \(4, 4\)"):
        merge_by_embedding(np.ones((3, 4), int), np.zeros((2, 4, 4), np.float32), 1.0)
    with pytest.raises(ValueError, match=r"interior: expected shape \(4, 4\)"):
        merge_by_embedding(np.ones((4, 4), int), np.zeros((2, 4, 4), np.float32), 1.0, interior=np.ones((3, 4), bool))
