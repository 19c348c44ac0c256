"""How well images are segmented: whole images, and annotated objects apart from those that nobody annotated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.segmentation.metrics import evaluate_segmentation, match_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.data.annotations import SparseAnnotations

Scores = dict[str, float]
_MEASURES = ("sbd", "ap50", "arand_error", "abs_dic")


def score_images(found: Sequence[NDArray[Any]], truths: Sequence[NDArray[Any]]) -> Scores:
    """Return the means over images of SBD, AP@0.5, adapted Rand error and |DiC|."""
    rows = [evaluate_segmentation(labels, truth) for labels, truth in zip(found, truths, strict=True)]
    return {name: float(np.mean([row[name] for row in rows])) for name in _MEASURES}


def score_objects(
    found: Sequence[NDArray[Any]], truths: Sequence[NDArray[Any]], ids: Sequence[Sequence[int]]
) -> Scores | None:
    """Score some of the true objects of each image.

    What is found elsewhere cannot be wrong here, so there is no precision: a found object may belong to any true one.

    Parameters
    ----------
    found, truths
        Per image (*spatial) found and all true objects.
    ids
        Per image the true objects to score.

    Returns
    -------
    dict or None
        n_objects; dice, mean over the objects of the Dice with their partners (one to one, 0 without); recall, share
        with an IoU above 0.5; arand_error, mean over the images with such objects, of their pixels alone. None
        without any object.
    """
    ious, errors = [], []
    for labels, truth, wanted in zip(found, truths, ids, strict=True):
        if len(wanted):
            among = set(wanted)
            ious += [match.iou for match in match_objects(labels, truth) if match.true_id in among]
            errors.append(evaluate_segmentation(labels, np.where(np.isin(truth, wanted), truth, 0))["arand_error"])
    if not ious:
        return None
    iou = np.array(ious)
    return {
        "n_objects": len(iou),
        "dice": float((2 * iou / (1 + iou)).mean()),
        "recall": float((iou > 0.5).mean()),
        "arand_error": float(np.mean(errors)),
    }


def split_ids(
    truths: Sequence[NDArray[Any]], annotations: Sequence[SparseAnnotations]
) -> tuple[list[list[int]], list[list[int]]]:
    """Return per image the ids of the annotated objects, and of those that nobody annotated."""
    annotated = [list(a.instance_ids) for a in annotations]
    others = [sorted(set(np.unique(t[t > 0]).tolist()) - set(ids)) for t, ids in zip(truths, annotated, strict=True)]
    return annotated, others
