from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from sklearn.cluster import HDBSCAN, MeanShift

from napari_spoco.segmentation import consistency, mean_shift, sampling
from napari_spoco.segmentation.clustering import segment_consistency, segment_hdbscan, segment_mean_shift
from napari_spoco.segmentation.consistency import find_consistent
from napari_spoco.segmentation.mean_shift import find_modes, merge_close
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.sampling import nearest_centres, sample_pixels, sample_size


def by_hdbscan(embeddings, **options):
    return segment_hdbscan(embeddings, **{"min_size": 5, **options})


def by_consistency(embeddings, **options):
    return segment_consistency(embeddings, embeddings, **options)


METHODS = {"HDBSCAN": by_hdbscan, "mean-shift": segment_mean_shift, "consistency": by_consistency}


@pytest.fixture(params=METHODS)
def segment(request):
    """Return each of the three methods as a function of embeddings."""
    return METHODS[request.param]


@pytest.mark.parametrize("shape", [(60, 50), (8, 20, 18)], ids=["2D", "3D"])
@pytest.mark.parametrize("n_cells", [2, 9, 40])
def test_finds_separated_instances(segment, shape, n_cells, make_cells, assert_same_partition):
    embeddings, truth = make_cells(shape, n_cells, noise=0.02)
    found = segment(embeddings, split_disconnected=False)  # the narrowest of 40 cells touch themselves at corners
    assert found.dtype == np.uint32
    assert found.shape == shape
    np.testing.assert_array_equal(np.unique(found), np.arange(1, n_cells + 1))
    assert_same_partition(found, truth)


@pytest.mark.parametrize("n_samples", [None, 2_000], ids=["default", "2,000"])
@pytest.mark.parametrize("shape", [(150, 140), (16, 40, 40)], ids=["2D", "3D"])
def test_a_sample_finds_separated_instances(segment, shape, n_samples, make_cells, assert_same_partition):
    embeddings, truth = make_cells(shape, 9, noise=0.05)
    assert_same_partition(segment(embeddings, n_samples=n_samples), truth)


@pytest.mark.parametrize("case", ["blobs2d_easy", "blobs3d_easy", "dense2d_touching"])
@pytest.mark.parametrize(
    ("name", "reference", "in_foreground"),
    [
        ("HDBSCAN", "hdbscan_min50_eps0.5", False),
        ("HDBSCAN", "hdbscan_min50_eps0.5_fgmask", True),
        ("mean-shift", "meanshift_bw0.5_binseed", False),
        ("consistency", "meanshift_bw0.5_binseed", False),  # which all of its clusters equal, as described there
    ],
)
@pytest.mark.parametrize("n_samples", [None, 1_500], ids=["all pixels", "sample"])
def test_equals_the_shared_references(shared, case, name, reference, in_foreground, n_samples, assert_same_partition):
    arrays = np.load(shared / "golden" / "clustering.npz")
    expected = arrays[f"{case}__{reference}"]
    options = {"foreground": arrays[f"{case}__instances"]} if in_foreground else {}
    if name == "HDBSCAN":
        options["min_size"] = 50
    found = METHODS[name](arrays[f"{case}__emb_f"], split_disconnected=False, n_samples=n_samples, **options)
    if n_samples is None:
        assert_same_partition(found, expected)
    else:
        assert evaluate_segmentation(found, expected)["arand_error"] < 0.01


@pytest.mark.parametrize("case", ["blobs2d_easy", "dense2d_touching"])
def test_shared_references_of_student_and_teacher(shared, case, assert_same_partition):
    arrays = np.load(shared / "golden" / "clustering.npz")
    student, teacher = arrays[f"{case}__emb_f"], arrays[f"{case}__emb_g"]
    expected = arrays[f"{case}__meanshift_bw0.5_binseed"]
    assert_same_partition(segment_consistency(student, teacher, split_disconnected=False), expected)
    assert_same_partition(segment_mean_shift(student, merge_distance=2.0, split_disconnected=False), expected)


@pytest.mark.parametrize("seed", range(20))
def test_modes_equal_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 2, (rng.integers(1, 8), rng.integers(1, 6)))
    points = (centres[rng.integers(0, len(centres), 150)] + rng.normal(0, 0.15, (150, centres.shape[1]))) + 30.0
    points = points.astype(np.float32)
    expected = MeanShift(bandwidth=0.8).fit(points)
    modes = find_modes(points, 0.8)
    assert len(modes) == len(expected.cluster_centers_)
    distances = np.linalg.norm(modes[:, None] - expected.cluster_centers_, axis=-1)
    assert distances.min(axis=1).max() < 0.1 * 0.8  # seeds that have met go on as one
    agree = distances.argmin(axis=1)[nearest_centres(points, modes)[0]] == expected.labels_
    assert agree.mean() > 0.98


@pytest.mark.parametrize("seed", range(3))
def test_hdbscan_of_all_pixels_equals_scikit_learn(seed, assert_same_partition):
    rng = np.random.default_rng(seed)
    embeddings = (rng.normal(0, 2, (5, 4))[rng.integers(0, 5, (40, 40))] + rng.normal(0, 0.4, (40, 40, 4))).T
    expected = HDBSCAN(min_cluster_size=60, copy=True).fit_predict(embeddings.reshape(4, -1).T.astype(np.float32))
    found = segment_hdbscan(embeddings, min_size=60, split_disconnected=False)
    assert_same_partition(found, expected.reshape(40, 40) + 1)


def test_a_sample_agrees_with_all_pixels(make_cells):
    embeddings, _ = make_cells((110, 120), 12, noise=0.1, n_channels=16)
    embeddings = ndimage.gaussian_filter(embeddings, (0, 0.7, 0.7))
    complete = segment_hdbscan(embeddings, min_size=100, n_samples=embeddings[0].size)
    sampled = segment_hdbscan(embeddings, min_size=100)
    assert evaluate_segmentation(sampled, complete)["arand_error"] < 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (1, 6, 6), (2, 1, 1), (120, 120)])
def test_constant_embeddings_are_one_object(segment, shape):
    options = {"min_size": 1} if segment is by_hdbscan else {}
    found = segment(np.full((3, *shape), 1 / 3, dtype=np.float32), **options)
    np.testing.assert_array_equal(found, np.ones(shape))


def test_one_noisy_object(segment, rng):
    embeddings = rng.normal(7, 0.05, (8, 110, 100)).astype(np.float32)
    found = segment(embeddings, smoothing=1.0)
    assert found.max() == 1
    assert (found == 1).mean() > 0.99


def test_pixels_far_from_every_cluster_are_noise_of_a_sample(segment, make_cells):
    embeddings, _ = make_cells((150, 150), 4, noise=0.02)
    embeddings[:, 40, 50] = 100.0
    found = segment(embeddings, n_samples=3_000, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(np.argwhere(found == 0), [[40, 50]])


@pytest.mark.parametrize("n_samples", [None, 100], ids=["all pixels", "sample"])
def test_foreground_limits_the_objects(segment, n_samples):
    embeddings = np.zeros((2, 30, 30), dtype=np.float32)
    embeddings[0, 15:] = 5.0
    foreground = np.zeros((30, 30), dtype=np.uint8)
    assert not segment(embeddings, foreground=foreground, n_samples=n_samples).any()
    foreground[:, :10] = foreground[:, 20:] = 1
    found = segment(embeddings, foreground=foreground, n_samples=n_samples)
    np.testing.assert_array_equal(found > 0, foreground > 0)
    assert found.max() == 4
    joined = segment(embeddings, foreground=foreground, n_samples=n_samples, split_disconnected=False)
    assert joined.max() == 2


@pytest.mark.parametrize("background", ["largest", "mode"])
def test_background_in_pieces_becomes_zero(segment, background):
    embeddings = np.zeros((2, 20, 30), dtype=np.float32)
    embeddings[0, :, 8:14], embeddings[1, 12:18, 20:28] = 5.0, 5.0
    found = segment(embeddings, background=background)
    np.testing.assert_array_equal(found > 0, embeddings.any(axis=0))
    assert found.max() == 2


def test_fragments_grow_into_objects_and_background(segment):
    embeddings = np.zeros((1, 20, 20), dtype=np.float32)
    embeddings[0, 5:15, 5:15] = 5.0
    embeddings[0, 5:15, 5] = 4.0  # nearer to the object
    embeddings[0, 0, 0:5] = 1.0  # nearer to the background
    expected = np.zeros((20, 20))
    expected[5:15, 5:15] = 1
    found = segment(embeddings, background="largest", fragment_size=12)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(120, 130), (20, 40, 40)], ids=["2D", "3D"])
def test_seams_of_noise_between_touching_objects_grow(segment, shape, make_cells):
    embeddings, truth = make_cells(shape, 12, noise=0.03)
    embeddings = ndimage.gaussian_filter(embeddings, (0, *[1.0] * len(shape)))
    size = truth.size // 36
    seams = segment(embeddings, min_size=20) == 0
    assert seams.mean() > 0.003
    found = segment(embeddings, min_size=20, fragment_size=size)
    assert found.all()
    assert evaluate_segmentation(found, truth)["arand_error"] < 0.2


def test_large_regions_of_noise_stay():
    """What belongs to no cluster of the sample is no part of an object, unless it is smaller than a fragment."""
    embeddings = np.zeros((2, 150, 150), dtype=np.float32)
    embeddings[0, 30:100, 30:100] = 5.0
    embeddings[:, 96:104, 60:68] = 50.0
    options = {"n_samples": 40, "background": "largest", "rng": np.random.default_rng(1)}
    found = segment_mean_shift(embeddings, fragment_size=60, **options)
    np.testing.assert_array_equal(found, embeddings[0] == 5.0)


def test_small_objects_are_removed(make_cells):
    embeddings = np.zeros((1, 12, 12), dtype=np.float32)
    embeddings[0, 2:4, 2:4], embeddings[0, 7:11, 7:11] = 5.0, -5.0
    found = segment_mean_shift(embeddings, background="largest", min_size=5)
    np.testing.assert_array_equal(found, embeddings[0] < 0)


def test_merging_does_not_chain_large_clusters_through_small_ones():
    means = np.array([[0.0], [1.5], [3.0], [9.0]], dtype=np.float32)
    np.testing.assert_array_equal(merge_close(means, np.array([100, 1, 90, 5]), 2.0), [0, 0, 1, 2])
    np.testing.assert_array_equal(merge_close(means, np.array([10, 10, 10, 5]), 2.0), [0, 0, 1, 2])


@pytest.mark.parametrize("seed", range(5))
def test_merged_means_are_apart(seed):
    rng = np.random.default_rng(seed)
    means, sizes = rng.normal(0, 1, (60, 2)).astype(np.float32), rng.integers(1, 50, 60)
    new_ids = merge_close(means, sizes, 1.0)
    merged = [np.average(means[new_ids == k], axis=0, weights=sizes[new_ids == k]) for k in range(new_ids.max() + 1)]
    distances = np.linalg.norm(np.array(merged)[:, None] - np.array(merged), axis=-1)
    assert distances[~np.eye(len(merged), dtype=bool)].min() >= 1.0 - 1e-5


def test_merging_unites_an_over_segmented_object(segment_with_merging):
    embeddings = np.zeros((1, 20, 30), dtype=np.float32)
    embeddings[0, :, 10:] = 1.0
    embeddings[0, :, 20:] = 6.0
    assert segment_with_merging(embeddings).max() == 3
    assert segment_with_merging(embeddings, merge_distance=2.0).max() == 2


@pytest.fixture(params=["HDBSCAN", "mean-shift"])
def segment_with_merging(request):
    return METHODS[request.param]


def test_only_what_the_teacher_sees_as_well_is_kept():
    student = np.zeros((1, 20, 30), dtype=np.float32)
    student[0, 2:8, 2:8], student[0, 2:8, 12:18], student[0, 12:18, 2:8] = 4.0, 8.0, 12.0
    teacher = student.copy()
    teacher[0, 2:8, 12:15] = 20.0  # half of the second object
    teacher[0, 12:17, 12:18] = 12.0  # the third is nearly twice as large
    found = segment_consistency(student, teacher, background="largest")
    np.testing.assert_array_equal(found, student[0] == 4.0)
    lenient = segment_consistency(student, teacher, background="largest", iou_threshold=0.45)
    np.testing.assert_array_equal(lenient > 0, student[0] > 0)


def test_an_object_is_not_taken_for_a_background_on_which_the_two_disagree():
    student = np.zeros((1, 20, 30), dtype=np.float32)
    student[0, 2:8, 2:8] = 4.0
    teacher = student.copy()
    teacher[0, ::2] += np.where(student[0, ::2] == 0, 9.0, 0.0)
    np.testing.assert_array_equal(segment_consistency(student, teacher, background="largest"), student[0] == 4.0)


@pytest.mark.parametrize("seed", range(10))
def test_consistency_equals_algorithm_1_step_by_step(seed):
    rng = np.random.default_rng(seed)
    clusters = rng.integers(-1, 6, 80)
    teacher = (2.0 * clusters[:, None] * (rng.random((80, 1)) < 0.8) + rng.normal(0, 0.2, (80, 3))).astype(np.float32)
    expected = []
    for cluster in range(clusters.max() + 1):
        inside, ious = clusters == cluster, []
        for anchor in np.flatnonzero(inside):
            near = np.linalg.norm(teacher - teacher[anchor], axis=1) < 0.6
            ious.append((near & inside).sum() / (near | inside).sum())
        expected.append(np.median(ious) > 0.5)
    found = find_consistent(
        clusters,
        6,
        teacher,
        bandwidth=0.6,
        iou_threshold=0.5,
        n_anchors=1_000,
        min_size=0,
        rng=np.random.default_rng(0),
    )
    np.testing.assert_array_equal(found, expected)


def test_equal_generators_give_equal_results(segment, rng):
    embeddings = ndimage.gaussian_filter(rng.normal(0, 8, (4, 120, 130)), (0, 6, 6)).astype(np.float32)
    before = embeddings.copy()
    first, second = (segment(embeddings, rng=np.random.default_rng(3), background="mode") for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(embeddings, before)
    np.testing.assert_array_equal(segment(embeddings), segment(embeddings, rng=np.random.default_rng(0)))


def test_what_would_take_hours_is_refused(segment):
    embeddings = np.zeros((1, 600, 600), dtype=np.float32)
    with pytest.raises(ValueError, match=r"n_samples: .*300000.*got 360000; leave it out"):
        segment(embeddings, n_samples=360_000)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"foreground": np.ones((4, 5), bool)}, ValueError, r"foreground: .*\(4, 4\), got \(4, 5\)"),
        ({"foreground": np.ones((4, 4))}, TypeError, "foreground: .*float64"),
        ({"smoothing": -0.5}, ValueError, "smoothing: "),
        ({"fragment_size": -1}, ValueError, "fragment_size: "),
        ({"min_size": -1}, ValueError, "min_size: "),
        ({"background": "sky"}, ValueError, "background: .*'sky'"),
        ({"background_radius": 0}, ValueError, "background_radius: "),
        ({"n_samples": 0}, ValueError, "n_samples: "),
        ({"n_samples": "all"}, TypeError, "n_samples: .*'all'"),
    ],
    ids=str,
)
def test_errors_name_the_argument(segment, options, error, message):
    with pytest.raises(error, match=message):
        segment(np.zeros((2, 4, 4), dtype=np.float32), **options)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (segment_hdbscan, {"min_size": 0}, "min_size: "),
        (segment_hdbscan, {"min_size": 2, "merge_distance": 0.0}, "merge_distance: "),
        (segment_mean_shift, {"bandwidth": 0.0}, "bandwidth: "),
        (segment_mean_shift, {"merge_distance": np.nan}, "merge_distance: "),
        (by_consistency, {"bandwidth": -1.0}, "bandwidth: "),
        (by_consistency, {"iou_threshold": 1.0}, "iou_threshold: "),
        (by_consistency, {"n_anchors": 0}, "n_anchors: "),
    ],
)
def test_errors_name_the_argument_of_one_method(method, options, message):
    with pytest.raises(ValueError, match=message):
        method(np.zeros((2, 4, 4), dtype=np.float32), **options)


def test_nan_is_refused(segment):
    embeddings = np.zeros((2, 4, 4), dtype=np.float32)
    embeddings[0, 1, 2] = np.nan
    with pytest.raises(ValueError, match=r"embeddings: .*NaN"):
        segment(embeddings)


def test_teacher_embeddings_must_fit():
    student = np.zeros((2, 4, 4), dtype=np.float32)
    with pytest.raises(ValueError, match=r"teacher_embeddings: expected shape \(2, 4, 4\), got \(2, 4, 5\)"):
        segment_consistency(student, np.zeros((2, 4, 5), dtype=np.float32))
    with pytest.raises(ValueError, match=r"teacher_embeddings: .*NaN"):
        segment_consistency(student, np.full_like(student, np.nan))


@pytest.mark.parametrize(
    ("n_pixels", "min_size", "n_samples", "expected"),
    [
        pytest.param(10_000, 0, None, 10_000, id="small image: all"),
        pytest.param(10_100, 0, None, 5_000, id="no size known"),
        pytest.param(90_000, 2_000, None, 5_000, id="large objects"),
        pytest.param(90_000, 120, None, 6_000, id="8 pixels per object"),
        pytest.param(90_000, 2, None, 8_000, id="tiny objects"),
        pytest.param(90_000, 2, 300, 300, id="as told"),
        pytest.param(100, 2, 300, 100, id="no more than there are"),
    ],
)
def test_size_of_the_sample(n_pixels, min_size, n_samples, expected):
    size = sample_size(n_samples, n_pixels, min_size)
    assert size == expected
    sample = sample_pixels(np.zeros((1, 10, n_pixels // 10), dtype=np.float32), None, size, seed=0)
    assert len(np.unique(sample.chosen)) == len(sample.chosen_points) == expected
    assert sample.is_complete == (expected == n_pixels)


def test_blocks_do_not_change_the_result(segment, make_cells, monkeypatch):
    embeddings, _ = make_cells((40, 50), 9, noise=0.15)
    at_once = segment(embeddings, n_samples=700)
    monkeypatch.setattr(sampling, "_BLOCK_DISTANCES", 1_000)
    monkeypatch.setattr(mean_shift, "_BLOCK_DISTANCES", 10_000)
    monkeypatch.setattr(consistency, "_BLOCK_PIXELS", 300)
    np.testing.assert_array_equal(segment(embeddings, n_samples=700), at_once)


@pytest.mark.parametrize("n_centres", [1, 32, 33, 200])
@pytest.mark.parametrize("spread", [0.01, 0.3, 3.0])
def test_nearest_centres_equal_all_distances(n_centres, spread, rng):
    centres = rng.normal(20, 2, (n_centres, 5)).astype(np.float32)
    points = (centres[rng.integers(0, n_centres, 500)] + rng.normal(0, spread, (500, 5))).astype(np.float32)
    expected = np.linalg.norm(points[:, None].astype(np.float64) - centres, axis=-1)
    nearest, distances = nearest_centres(points, centres)
    np.testing.assert_array_equal(nearest, expected.argmin(axis=1))
    np.testing.assert_allclose(distances, expected.min(axis=1), rtol=1e-4, atol=1e-5)


def test_the_background_may_be_shown_and_the_scale_be_told(segment):
    embeddings = np.zeros((2, 20, 30), dtype=np.float32)
    embeddings[0, 5:15, 5:15] = 5.0
    embeddings[1, :, 20:] = 5.0
    found = segment(embeddings, background="mode", shown_background=(10, 10), min_size=5)
    np.testing.assert_array_equal(found == 0, embeddings[0] == 5.0)
    with pytest.raises(ValueError, match="scale: "):
        segment(embeddings, smoothing=1.0, scale=(1.0, 1.0, 1.0))


def test_precision_far_from_the_origin(segment, make_cells, assert_same_partition):
    embeddings, truth = make_cells((30, 40), 5, noise=0.02)
    assert_same_partition(segment(embeddings + 500.0, n_samples=600), truth)
