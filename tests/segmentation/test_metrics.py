from __future__ import annotations

import json

import numpy as np
import pytest
from skimage.metrics import adapted_rand_error

from napari_spoco.segmentation.metrics import (
    IOU_THRESHOLDS,
    ObjectMatch,
    evaluate_segmentation,
    match_objects,
    score_by_threshold,
)

CASES = (
    "identical",
    "permuted_ids",
    "2d_merge",
    "2d_split",
    "2d_miss",
    "2d_shift",
    "2d_erode",
    "2d_merge_split_miss_shift_fp",
)


@pytest.mark.parametrize("case", CASES)
def test_golden(case, golden):
    arrays = np.load(golden / "metrics.npz")
    expected = json.loads((golden / "metrics.json").read_text())[case]
    found = evaluate_segmentation(arrays[f"{case}__pred"], arrays[f"{case}__gt"])
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_shared_golden(shared):
    arrays = np.load(shared / "golden" / "metrics.npz")
    results = json.loads((shared / "golden" / "metrics.json").read_text())["results"]
    for case, expected in results.items():
        found = evaluate_segmentation(arrays[f"{case}__pred"], arrays[f"{case}__gt"])
        reference = {
            "sbd": expected["SBD_no_smoothing"],
            "abs_dic": expected["absDiC"],
            "ap50": expected["label0_background_AP50"],
            "map": expected["label0_background_mAP"],
            "arand_error": expected["arand_skimage_default"]["error"],
        }
        assert {name: found[name] for name in reference} == pytest.approx(reference, abs=1e-12), case


def objects_of(labels):
    return {int(i): labels == i for i in np.unique(labels) if i}


def slow_iou(a, b):
    return (a & b).sum() / (a | b).sum()


def slow_sbd(labels, truth):
    found, true = objects_of(labels).values(), objects_of(truth).values()

    def best_dice(some, others):
        return np.mean([max(2 * (a & b).sum() / (a.sum() + b.sum()) for b in others) for a in some])

    return min(best_dice(found, true), best_dice(true, found))


def random_pair(rng, shape):
    """Return a truth with gaps in its ids and a segmentation that agrees in part."""
    truth = np.array([0, 3, 4, 900])[rng.integers(0, 4, shape)]
    labels = np.where(rng.random(shape) < rng.choice([0.6, 0.8, 0.95]), truth, rng.integers(0, 6, shape))
    return labels, truth


@pytest.mark.parametrize("shape", [(12, 15), (4, 6, 7), (40,)], ids=str)
@pytest.mark.parametrize("seed", range(20))
def test_equals_slow_reference(shape, seed):
    labels, truth = random_pair(np.random.default_rng(seed), shape)
    found, true = objects_of(labels), objects_of(truth)
    scores = evaluate_segmentation(labels, truth)
    assert scores["sbd"] == pytest.approx(slow_sbd(labels, truth))
    assert scores["arand_error"] == pytest.approx(adapted_rand_error(truth, labels)[0])
    for score in score_by_threshold(labels, truth):
        n_matched = sum(any(slow_iou(a, b) > score.iou_threshold for b in found.values()) for a in true.values())
        n_false, n_missed = len(found) - n_matched, len(true) - n_matched
        assert score[1:4] == (n_matched, n_false, n_missed)
        assert score.precision == n_matched / len(found)
        assert score.recall == n_matched / len(true)
        assert score.f1 == pytest.approx(2 * n_matched / (2 * n_matched + n_false + n_missed))
        assert score.average_precision == n_matched / (n_matched + n_false + n_missed)


@pytest.mark.parametrize("seed", range(20))
def test_every_object_stands_in_the_table_once(seed):
    labels, truth = random_pair(np.random.default_rng(seed), (9, 9))
    found, true = objects_of(labels), objects_of(truth)
    rows = match_objects(labels, truth)
    assert [row.true_id for row in rows if row.true_id] == list(true)
    assert sorted(row.found_id for row in rows if row.found_id) == list(found)
    for row in rows:
        assert row.true_size == (true[row.true_id].sum() if row.true_id else 0)
        assert row.found_size == (found[row.found_id].sum() if row.found_id else 0)
        is_pair = row.true_id > 0 and row.found_id > 0
        assert row.iou == (slow_iou(true[row.true_id], found[row.found_id]) if is_pair else 0)
    for score in score_by_threshold(labels, truth):
        assert sum(row.iou > score.iou_threshold for row in rows) == score.n_matched


def test_scores_by_threshold_agree_with_the_summary(rng):
    labels, truth = random_pair(rng, (20, 20))
    summary, series = evaluate_segmentation(labels, truth), score_by_threshold(labels, truth)
    assert tuple(score.iou_threshold for score in series) == IOU_THRESHOLDS
    assert summary["map"] == pytest.approx(np.mean([score.average_precision for score in series]))
    (half,) = score_by_threshold(labels, truth, thresholds=[0.5])
    assert (summary["precision"], summary["recall"], summary["f1"]) == half[4:7]
    assert summary["ap50"] == half.average_precision


def test_symmetric_measures(rng):
    labels, truth = rng.integers(0, 4, (10, 10)), rng.integers(0, 3, (10, 10))
    one, other = evaluate_segmentation(labels, truth), evaluate_segmentation(truth, labels)
    for name in ("sbd", "abs_dic", "ap50", "map", "f1"):
        assert one[name] == other[name]
    assert (one["precision"], one["recall"]) == (other["recall"], other["precision"])


def test_precision_falls_with_false_objects_and_recall_with_missed_ones():
    truth = np.repeat([1, 2, 3, 0, 0], 4)
    missed, false = np.where(truth == 3, 0, truth), np.where(truth == 0, 7, truth)
    scores = evaluate_segmentation(missed, truth)
    assert (scores["precision"], scores["recall"], scores["f1"]) == (1, pytest.approx(2 / 3), pytest.approx(0.8))
    scores = evaluate_segmentation(false, truth)
    assert (scores["precision"], scores["recall"], scores["f1"]) == (0.75, 1, pytest.approx(6 / 7))


def test_the_table_of_a_merge_a_miss_and_a_false_object():
    truth = np.repeat([0, 10, 20, 30, 0], [4, 6, 4, 3, 3])
    labels = np.repeat([8, 0, 5, 0, 0], [2, 2, 10, 3, 3])
    assert match_objects(labels, truth) == (
        ObjectMatch(10, 5, 0.6, 6, 10),
        ObjectMatch(20, 0, 0.0, 4, 0),
        ObjectMatch(30, 0, 0.0, 3, 0),
        ObjectMatch(0, 8, 0.0, 0, 2),
    )
    assert match_objects(labels, truth, min_iou=0.6)[0] == ObjectMatch(10, 0, 0.0, 6, 0)
    assert match_objects(labels, truth, min_size=4)[2:] == ()


def test_equal_overlaps_are_paired_in_the_order_of_the_ids():
    truth, labels = np.repeat([7, 9], 4), np.tile([5, 5, 3, 3], 2)
    assert [(row.true_id, row.found_id) for row in match_objects(labels, truth)] == [(7, 3), (9, 5)]


EMPTY = np.zeros((6, 6), dtype=np.uint16)
FULL = np.ones((6, 6), dtype=np.uint16)


BEST = {"sbd": 1, "abs_dic": 0, "ap50": 1, "map": 1, "arand_error": 0, "precision": 1, "recall": 1, "f1": 1}
WORST = {"sbd": 0, "abs_dic": 1, "ap50": 0, "map": 0, "arand_error": 1, "precision": 0, "recall": 0, "f1": 0}


@pytest.mark.parametrize(
    ("labels", "truth", "expected", "rows"),
    [
        pytest.param(EMPTY, EMPTY, BEST, (), id="both empty"),
        pytest.param(EMPTY[:0], EMPTY[:0], BEST, (), id="no pixels"),
        pytest.param(EMPTY, FULL, WORST, (ObjectMatch(1, 0, 0.0, 36, 0),), id="nothing found"),
        pytest.param(FULL, EMPTY, WORST, (ObjectMatch(0, 1, 0.0, 0, 36),), id="nothing there"),
        pytest.param(FULL, FULL, BEST, (ObjectMatch(1, 1, 1.0, 36, 36),), id="one object"),
    ],
)
def test_empty_images(labels, truth, expected, rows):
    assert evaluate_segmentation(labels, truth) == expected
    assert match_objects(labels, truth) == rows
    assert {score.f1 for score in score_by_threshold(labels, truth)} == {expected["f1"]}


def test_objects_of_one_pixel_hold_no_pair_to_be_wrong_about():
    assert evaluate_segmentation(np.array([[0, 2]]), np.array([[0, 1]]))["arand_error"] == 0


def test_ids_may_be_huge():
    truth = np.array([0, 0, 2**63 + 5, 2**63 + 5], dtype=np.uint64)
    labels = np.array([0, 2**31 - 1, 2**31 - 1, 2**31 - 1], dtype=np.int32)
    assert match_objects(labels, truth) == (ObjectMatch(2**63 + 5, 2**31 - 1, 2 / 3, 2, 3),)


def test_objects_that_do_not_overlap_score_zero():
    labels, truth = EMPTY.copy(), EMPTY.copy()
    labels[:2], truth[4:] = 1, 1
    scores = evaluate_segmentation(labels, truth)
    assert (scores["sbd"], scores["ap50"], scores["map"], scores["abs_dic"]) == (0, 0, 0, 0)


def test_an_overlap_of_exactly_one_half_is_no_match():
    truth = FULL.copy()
    labels = EMPTY.copy()
    labels[:3] = 1
    assert evaluate_segmentation(labels, truth)["ap50"] == 0


def test_min_size_applies_to_both():
    labels, truth = EMPTY.copy(), EMPTY.copy()
    labels[:3], truth[:3] = 7, 4
    labels[5, 5], truth[5, 0] = 8, 9
    assert evaluate_segmentation(labels, truth)["ap50"] == pytest.approx(1 / 3)
    assert evaluate_segmentation(labels, truth, min_size=2)["ap50"] == 1


@pytest.mark.parametrize(
    ("labels", "truth", "error", "message"),
    [
        pytest.param(EMPTY, EMPTY[:3], ValueError, r"labels: expected shape \(3, 6\)", id="shape"),
        pytest.param(EMPTY.astype(float), EMPTY, TypeError, "labels: .*float64", id="float"),
        pytest.param(EMPTY, EMPTY > 0, TypeError, "ground_truth: .*bool", id="bool"),
        pytest.param(EMPTY, EMPTY.astype(int) - 1, ValueError, "ground_truth: .*-1", id="negative"),
    ],
)
def test_errors_name_the_argument(labels, truth, error, message):
    with pytest.raises(error, match=message):
        evaluate_segmentation(labels, truth)
    with pytest.raises(error, match=message):
        score_by_threshold(labels, truth)
    with pytest.raises(error, match=message):
        match_objects(labels, truth)


@pytest.mark.parametrize("threshold", [0.49, 1.0, np.nan])
def test_thresholds_with_ambiguous_matches_are_refused(threshold):
    with pytest.raises(ValueError, match="thresholds: "):
        score_by_threshold(FULL, FULL, thresholds=[0.5, threshold])


def test_negative_sizes_and_overlaps_are_refused():
    with pytest.raises(ValueError, match="min_size: "):
        evaluate_segmentation(FULL, FULL, min_size=-1)
    with pytest.raises(ValueError, match="min_iou: "):
        match_objects(FULL, FULL, min_iou=-0.1)
