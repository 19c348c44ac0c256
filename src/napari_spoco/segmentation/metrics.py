"""How well a segmentation agrees with the truth: SBD, |DiC|, AP, mAP and adapted Rand error.

All measures are read off one table of overlaps. Label 0, and only label 0, is background. Scores of several
images are the mean of the images' scores, as in the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.metrics import adapted_rand_error

from napari_spoco.segmentation.arguments import check_labels
from napari_spoco.segmentation.cleanup import remove_small

if TYPE_CHECKING:
    from numpy.typing import NDArray

IOU_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))


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
            objects in the background.

        Where neither holds an object: sbd, ap50 and map are 1, abs_dic and arand_error 0. Where only one does: sbd,
        ap50 and map are 0, arand_error is 1.

    Raises
    ------
    TypeError, ValueError
        An argument holds no non-negative integers, the shapes differ, or `min_size` is negative.
    """
    ground_truth = remove_small(check_labels(ground_truth, name="ground_truth"), min_size)
    labels = remove_small(check_labels(labels, shape=ground_truth.shape), min_size)
    overlaps, sizes, true_sizes = _overlaps(labels, ground_truth)
    n_found, n_true = len(sizes), len(true_sizes)
    abs_dic = float(abs(n_found - n_true))
    if n_found == 0 or n_true == 0:
        agree = float(n_found == n_true)
        return {"sbd": agree, "abs_dic": abs_dic, "ap50": agree, "map": agree, "arand_error": 1.0 - agree}
    precisions = _average_precisions(overlaps, sizes, true_sizes)
    return {
        "sbd": _symmetric_best_dice(overlaps, sizes, true_sizes),
        "abs_dic": abs_dic,
        "ap50": float(precisions[0]),
        "map": float(precisions.mean()),
        # Of the three values that scikit-image returns only the first is meant; the second falls with splits and
        # the third with merges, whatever they are called.
        "arand_error": float(adapted_rand_error(ground_truth, labels)[0]),
    }


class _Overlaps:
    """Pairs of a found and a true object that share pixels: indices from 0 and the number of shared pixels."""

    def __init__(self, found: NDArray[np.intp], true: NDArray[np.intp], pixels: NDArray[np.intp]) -> None:
        self.found, self.true, self.pixels = found, true, pixels


def _overlaps(
    labels: NDArray[np.uint32], ground_truth: NDArray[np.uint32]
) -> tuple[_Overlaps, NDArray[np.intp], NDArray[np.intp]]:
    """Return the overlaps, the sizes of the found and of the true objects; ids must be 1..n."""
    sizes = np.bincount(labels.ravel(), minlength=1)[1:]
    true_sizes = np.bincount(ground_truth.ravel(), minlength=1)[1:]
    both = (labels > 0) & (ground_truth > 0)
    width = max(len(true_sizes), 1)
    keys = (labels[both].astype(np.int64) - 1) * width + (ground_truth[both].astype(np.int64) - 1)
    pairs, pixels = np.unique(keys, return_counts=True)
    found, true = np.divmod(pairs, width)
    return _Overlaps(found, true, pixels), sizes, true_sizes


def _symmetric_best_dice(overlaps: _Overlaps, sizes: NDArray[np.intp], true_sizes: NDArray[np.intp]) -> float:
    dice = 2.0 * overlaps.pixels / (sizes[overlaps.found] + true_sizes[overlaps.true])
    best_of_found = np.zeros(len(sizes))
    best_of_true = np.zeros(len(true_sizes))
    np.maximum.at(best_of_found, overlaps.found, dice)
    np.maximum.at(best_of_true, overlaps.true, dice)
    return float(min(best_of_found.mean(), best_of_true.mean()))


def _average_precisions(
    overlaps: _Overlaps, sizes: NDArray[np.intp], true_sizes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return TP / (TP + FP + FN) at every threshold; above 1/2 an object has one match at most."""
    iou = overlaps.pixels / (sizes[overlaps.found] + true_sizes[overlaps.true] - overlaps.pixels)
    n_matches = (iou[:, None] > np.array(IOU_THRESHOLDS)).sum(axis=0)
    scores: NDArray[np.float64] = n_matches / (len(sizes) + len(true_sizes) - n_matches)
    return scores
