from __future__ import annotations

import json

import numpy as np
import pytest

from napari_spoco.segmentation.metrics import evaluate_segmentation

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
    assert found == pytest.approx(expected, abs=1e-12)


def test_shared_golden(shared):
    arrays = np.load(shared / "golden" / "metrics.npz")
    results = json.loads((shared / "golden" / "metrics.json").read_text())["results"]
    for case, expected in results.items():
        found = evaluate_segmentation(arrays[f"{case}__pred"], arrays[f"{case}__gt"])
        assert found == pytest.approx(
            {
                "sbd": expected["SBD_no_smoothing"],
                "abs_dic": expected["absDiC"],
                "ap50": expected["label0_background_AP50"],
                "map": expected["label0_background_mAP"],
                "arand_error": expected["arand_skimage_default"]["error"],
            },
            abs=1e-12,
        ), case


def slow_scores(labels, truth):
    """SBD and AP@0.5 object by object."""
    found = [labels == i for i in np.unique(labels) if i]
    true = [truth == i for i in np.unique(truth) if i]

    def best_dice(some, others):
        return np.mean([max(2 * (a & b).sum() / (a.sum() + b.sum()) for b in others) for a in some])

    n_matches = sum(any((a & b).sum() / (a | b).sum() > 0.5 for b in found) for a in true)
    sbd = min(best_dice(found, true), best_dice(true, found))
    return sbd, n_matches / (len(found) + len(true) - n_matches)


@pytest.mark.parametrize("shape", [(12, 15), (4, 6, 7)], ids=["2D", "3D"])
def test_equals_slow_reference(shape, rng):
    for _ in range(20):
        truth = rng.integers(0, 4, shape)
        labels = np.where(rng.random(shape) < 0.8, truth, rng.integers(0, 6, shape))
        found = evaluate_segmentation(labels, truth)
        assert (found["sbd"], found["ap50"]) == pytest.approx(slow_scores(labels, truth))


def test_symmetric_measures(rng):
    labels, truth = rng.integers(0, 4, (10, 10)), rng.integers(0, 3, (10, 10))
    one, other = evaluate_segmentation(labels, truth), evaluate_segmentation(truth, labels)
    for name in ("sbd", "abs_dic", "ap50", "map"):
        assert one[name] == other[name]


EMPTY = np.zeros((6, 6), dtype=np.uint16)
FULL = np.ones((6, 6), dtype=np.uint16)


@pytest.mark.parametrize(
    ("labels", "truth", "expected"),
    [
        pytest.param(EMPTY, EMPTY, {"sbd": 1, "abs_dic": 0, "ap50": 1, "map": 1, "arand_error": 0}, id="both empty"),
        pytest.param(EMPTY, FULL, {"sbd": 0, "abs_dic": 1, "ap50": 0, "map": 0, "arand_error": 1}, id="nothing found"),
        pytest.param(FULL, EMPTY, {"sbd": 0, "abs_dic": 1, "ap50": 0, "map": 0, "arand_error": 1}, id="nothing there"),
        pytest.param(FULL, FULL, {"sbd": 1, "abs_dic": 0, "ap50": 1, "map": 1, "arand_error": 0}, id="one object"),
    ],
)
def test_empty_images(labels, truth, expected):
    assert evaluate_segmentation(labels, truth) == expected


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
