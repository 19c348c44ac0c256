"""How well a segmentation agrees with what was painted and nothing else: what settings may be chosen by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.metrics import match_objects
from napari_spoco.segmentation.pixel_classes import segment_pixel_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CLASS_THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)
"""About evenly spaced in their log-odds: networks that have learned a few objects for long are sure of much."""
_SMALLEST_SHARES = (1 / 8, 1 / 3)
"""Of the median annotated object."""
AS_GOOD = 0.01
"""Agreements that lie so close together tell no thresholds apart."""
_AS_GOOD_SIZES = 0.03
"""The same for the smallest object: a larger one loses nothing but small objects."""


def agreement(found: Sequence[NDArray[Any]], annotations: Sequence[NDArray[Any]]) -> float:
    """Say how well segmentations agree with what was painted.

    The harmonic mean of the mean Dice of the annotated objects and, where there are strokes of background, of the
    estimated share of the foreground that is right: of the pixels of annotated objects a share t became foreground, of
    the strokes a share f, of all pixels a share s, so that objects cover a share p of the images with
    s = p t + (1 - p) f, and p t / s of the foreground is right.

    Parameters
    ----------
    found
        Per image labels (*spatial), ids from 1.
    annotations
        Per image (*spatial) integers: objects from 1, `BACKGROUND` strokes; other pixels say nothing.

    Returns
    -------
    float
        In [0, 1]; 0 without an annotated object.
    """
    matches = [
        match
        for labels, painted in zip(found, annotations, strict=True)
        for match in match_objects(labels, np.maximum(painted, 0))
        if match.true_id > 0
    ]
    dice = float(np.mean([2 * match.iou / (1 + match.iou) for match in matches])) if matches else 0.0
    masks = [labels > 0 for labels in found]
    objects, strokes, everywhere = (
        np.concatenate([mask[where(painted)] for mask, painted in zip(masks, annotations, strict=True)])
        for where in (lambda painted: painted > 0, lambda painted: painted == BACKGROUND, np.isfinite)
    )
    if not strokes.size or not dice:
        return dice
    t, f, s = (float(part.mean()) for part in (objects, strokes, everywhere))
    covered = min(max((s - f) / (t - f), 0.0), 1.0) if t > f else 0.0
    precision = covered * t / s
    return 2 * dice * precision / (dice + precision)


class ClassSettings(NamedTuple):
    """How to read pixel classes.

    Attributes
    ----------
    threshold : float
        Of `segment_pixel_classes`.
    smallest_share : float
        How small an object may be, as a share of the median annotated one.
    agreement : float
        With what was painted, as far as neighbouring thresholds agree, too.
    """

    threshold: float
    smallest_share: float
    agreement: float


def best_class_settings(
    probabilities: Sequence[NDArray[np.float32]], annotations: Sequence[NDArray[Any]], *, object_size: float = 0.0
) -> ClassSettings:
    """Return the strictest settings of pixel classes that agree with what was painted about as well as the best.

    Networks that have seen little background take too much for objects, those that have seen all of it do not. What is
    wrongly found where nothing was painted does not lower the agreement, and neither low thresholds nor small sizes
    keep it out; but the painted objects are those the network knows best, so what is too strict loses others first. As
    a few objects make the agreement jump, it is averaged with those of the next thresholds.

    Parameters
    ----------
    probabilities
        Per image (3, *spatial), smoothed, from `class_probabilities`.
    annotations
        As for `agreement`.
    object_size
        Median of the annotated objects, in pixels.
    """

    def judge(threshold: float, share: float) -> float:
        size = int(share * object_size)
        found = [segment_pixel_classes(p, threshold=threshold, min_size=size) for p in probabilities]
        return agreement(found, annotations)

    by_share = []
    for share in _SMALLEST_SHARES:
        scores = steadied([judge(threshold, share) for threshold in CLASS_THRESHOLDS])
        index = last_as_good(scores, AS_GOOD)
        by_share.append(ClassSettings(CLASS_THRESHOLDS[index], share, scores[index]))
    return by_share[last_as_good([own.agreement for own in by_share], _AS_GOOD_SIZES)]


def steadied(scores: Sequence[float]) -> list[float]:
    """Average the scores of ascending settings with those of the next ones, which count half."""
    padded = np.pad(np.asarray(scores, dtype=float), 1, mode="edge")
    return [float(score) for score in np.convolve(padded, (0.25, 0.5, 0.25), mode="valid")]


def last_as_good(scores: Sequence[float], tolerance: float) -> int:
    """Return the index of the last score that lies no further than the tolerance below the best."""
    return max(i for i, score in enumerate(scores) if score >= max(scores) - tolerance)
