"""How well a segmentation agrees with the truth: SBD, |DiC|, AP, mAP, adapted Rand error, precision, recall, F1.

All measures are read off one table of overlaps. Label 0, and only label 0, is background. Scores of several
images are the mean of the images' scores, as in the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_spoco.segmentation.arguments import check_number
from napari_spoco.segmentation.overlaps import Overlaps, count_overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

IOU_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))


class ThresholdScore(NamedTuple):
    """Counts and scores of the objects whose intersection over union is greater than `iou_threshold`."""

    iou_threshold: float
    n_matched: int
    n_false: int
    n_missed: int
    precision: float
    recall: float
    f1: float
    average_precision: float


class ObjectMatch(NamedTuple):
    """A true and a found object, sizes in pixels; what has no partner has its id, its size and the IoU 0."""

    true_id: int
    found_id: int
    iou: float
    true_size: int
    found_size: int


def evaluate_segmentation(labels: NDArray[Any], ground_truth: NDArray[Any], *, min_size: int = 0) -> dict[str, float]:
    """Score a segmentation of one image.

    Parameters
    ----------
    labels
        (*spatial) found objects, non-negative integers, 0 = background; any ids.
    ground_truth
        (*spatial) true objects in the same form.
    min_size
        Objects of fewer pixels are taken out of both before anything is measured.

    Returns
    -------
    dict
        sbd
            Symmetric best Dice of the CVPPP challenge: the smaller of the mean best Dice of the true objects among the
            found ones and of the found among the true, Dice = 2 |A & B| / (|A| + |B|) without smoothing.
        abs_dic
            |number of found - number of true objects|.
        ap50
            TP / (TP + FP + FN) at an intersection over union greater than 0.5.
        map
            The mean of that over the thresholds 0.50, 0.55, .. 0.95.
        arand_error
            1 - F-score of the pairs of pixels, in scikit-image's default convention: pixels whose truth is 0 are left
            out, label 0 of the found objects counts as one more object. It measures splits and merges, not false
            objects in the background. 0 where no object holds a pair of pixels.
        precision, recall, f1
            TP / (TP + FP), TP / (TP + FN) and their harmonic mean at an intersection over union greater than 0.5; at
            other thresholds: `score_by_threshold`.

        Where neither holds an object: abs_dic and arand_error are 0, the others 1. Where only one does: arand_error
        is 1, abs_dic the number of its objects, the others are 0.

    Raises
    ------
    TypeError, ValueError
        An argument holds no non-negative integers, the shapes differ, or `min_size` is negative.
    """
    overlaps = count_overlaps(labels, ground_truth, min_size)
    scores = [_score_at(overlaps, threshold) for threshold in IOU_THRESHOLDS]
    return {
        "sbd": _symmetric_best_dice(overlaps),
        "abs_dic": float(abs(overlaps.n_found - overlaps.n_true)),
        "ap50": scores[0].average_precision,
        "map": float(np.mean([score.average_precision for score in scores])),
        "arand_error": _arand_error(overlaps),
        "precision": scores[0].precision,
        "recall": scores[0].recall,
        "f1": scores[0].f1,
    }


def score_by_threshold(
    labels: NDArray[Any],
    ground_truth: NDArray[Any],
    *,
    min_size: int = 0,
    thresholds: Sequence[float] = IOU_THRESHOLDS,
) -> tuple[ThresholdScore, ...]:
    """Count found, false and missed objects by how much overlap a match asks for.

    A true and a found object match if their intersection over union is greater than the threshold. From 0.5 on an
    object has one match at most.

    Parameters
    ----------
    labels, ground_truth, min_size
        Of `evaluate_segmentation`.
    thresholds
        At least 0.5 and below 1.

    Returns
    -------
    tuple of ThresholdScore
        In the order of the thresholds: n_matched = TP, n_false = FP = found objects without a match, n_missed = FN =
        true objects without a match; precision = TP / (TP + FP), recall = TP / (TP + FN), f1 = 2 TP / (2 TP + FP +
        FN), average_precision = TP / (TP + FP + FN). All four are 1 where neither holds an object, 0 where only one
        does.

    Raises
    ------
    TypeError, ValueError
        As `evaluate_segmentation`, and for a threshold out of its bounds.
    """
    for threshold in thresholds:
        if check_number(threshold, name="thresholds", at_least=0.5) >= 1:
            raise ValueError(f"thresholds: expected numbers below 1, got {threshold}.")
    overlaps = count_overlaps(labels, ground_truth, min_size)
    return tuple(_score_at(overlaps, threshold) for threshold in thresholds)


def match_objects(
    labels: NDArray[Any], ground_truth: NDArray[Any], *, min_size: int = 0, min_iou: float = 0.0
) -> tuple[ObjectMatch, ...]:
    """Pair true and found objects, and list every object once.

    Pairs are made one to one from the greatest intersection over union to the least; equal ones in the order of the
    true, then the found id. The pairs above a threshold of at least 0.5 are the matches of `score_by_threshold`. Below,
    a pair says what most of an object became: of two true objects merged into one, one stays without a partner.

    Parameters
    ----------
    labels, ground_truth, min_size
        Of `evaluate_segmentation`.
    min_iou
        Only pairs with a greater intersection over union are made.

    Returns
    -------
    tuple of ObjectMatch
        One row per true object in the order of the ids as they were given, `found_id` 0 for the missed ones; then one
        per found object without a partner, with `true_id` 0.

    Raises
    ------
    TypeError, ValueError
        As `evaluate_segmentation`, and for a negative `min_iou`.
    """
    check_number(min_iou, name="min_iou", at_least=0)
    overlaps = count_overlaps(labels, ground_truth, min_size)
    true_ids, found_ids = overlaps.true_ids.tolist(), overlaps.found_ids.tolist()
    true_sizes, sizes = overlaps.true_sizes.tolist(), overlaps.sizes.tolist()
    partners = _pair_up(overlaps, min_iou)
    rows = []
    for true in range(overlaps.n_true):
        found, iou = partners.get(true, (-1, 0.0))
        found_id, size = (found_ids[found], sizes[found]) if found >= 0 else (0, 0)
        rows.append(ObjectMatch(true_ids[true], found_id, iou, true_sizes[true], size))
    unpaired = sorted(set(range(overlaps.n_found)) - {found for found, _ in partners.values()})
    return (*rows, *(ObjectMatch(0, found_ids[found], 0.0, 0, sizes[found]) for found in unpaired))


def _symmetric_best_dice(overlaps: Overlaps) -> float:
    if overlaps.n_true == 0 or overlaps.n_found == 0:
        return float(overlaps.n_true == overlaps.n_found)
    dice = 2.0 * overlaps.pixels / (overlaps.true_sizes[overlaps.true] + overlaps.sizes[overlaps.found])
    best_of_true, best_of_found = np.zeros(overlaps.n_true), np.zeros(overlaps.n_found)
    np.maximum.at(best_of_true, overlaps.true, dice)
    np.maximum.at(best_of_found, overlaps.found, dice)
    return float(min(best_of_true.mean(), best_of_found.mean()))


def _score_at(overlaps: Overlaps, threshold: float) -> ThresholdScore:
    n_matched = int((overlaps.iou > threshold).sum())
    n_false, n_missed = overlaps.n_found - n_matched, overlaps.n_true - n_matched
    nothing = float(n_matched + n_false + n_missed == 0)
    return ThresholdScore(
        threshold,
        n_matched,
        n_false,
        n_missed,
        precision=n_matched / overlaps.n_found if overlaps.n_found else nothing,
        recall=n_matched / overlaps.n_true if overlaps.n_true else nothing,
        f1=nothing or 2 * n_matched / (overlaps.n_found + overlaps.n_true),
        average_precision=nothing or n_matched / (n_matched + n_false + n_missed),
    )


def _arand_error(overlaps: Overlaps) -> float:
    """Return 1 - 2 P / (S + T): pairs of pixels that are together in both, in the found and in the true objects.

    The measure of scikit-image's `adapted_rand_error`, which is not defined where no two pixels are together.
    """
    if overlaps.n_true == 0 or overlaps.n_found == 0:
        return float(overlaps.n_true != overlaps.n_found)
    unfound = overlaps.in_background
    in_truth = np.bincount(overlaps.found, overlaps.pixels)
    together = _n_pairs(overlaps.pixels) + _n_pairs(unfound)
    apart_or_not = _n_pairs(in_truth) + _n_pairs(unfound.sum()) + _n_pairs(overlaps.true_sizes)
    return 1.0 - 2.0 * together / apart_or_not if apart_or_not else 0.0


def _n_pairs(sizes: NDArray[Any]) -> float:
    """Return how many ordered pairs of pixels lie in segments of these sizes."""
    exact = np.asarray(sizes, dtype=np.float64)
    return float((exact * (exact - 1)).sum())


def _pair_up(overlaps: Overlaps, min_iou: float) -> dict[int, tuple[int, float]]:
    """Return the partner and the intersection over union by the index of the true object."""
    iou = overlaps.iou
    partners: dict[int, tuple[int, float]] = {}
    taken = set()
    for pair in np.argsort(-iou, kind="stable").tolist():
        true, found = int(overlaps.true[pair]), int(overlaps.found[pair])
        if iou[pair] > min_iou and true not in partners and found not in taken:
            partners[true] = (found, float(iou[pair]))
            taken.add(found)
    return partners
