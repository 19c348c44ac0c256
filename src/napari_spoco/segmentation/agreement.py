"""How well a segmentation agrees with what was painted and nothing else: what settings may be chosen by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.metrics import match_objects
from napari_spoco.segmentation.pixel_classes import segment_pixel_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
AS_GOOD = 0.03
"""Agreements that lie so close together tell nothing apart: a few painted objects do not know more."""


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


def best_class_threshold(
    probabilities: Sequence[NDArray[np.float32]], annotations: Sequence[NDArray[Any]], *, min_size: int = 0
) -> float:
    """Return the highest threshold of `segment_pixel_classes` that agrees with what was painted as well as the best.

    Networks that have seen little background take too much for objects, those that have seen all of it do not. What is
    wrongly found where nothing was painted does not lower the agreement, and a low threshold finds more of it: of
    thresholds whose agreements differ by no more than `AS_GOOD` the highest is chosen.

    Parameters
    ----------
    probabilities
        Per image (3, *spatial), smoothed, from `class_probabilities`.
    annotations
        As for `agreement`.
    min_size
        Of the objects, in pixels.
    """
    scores = {
        threshold: agreement(
            [segment_pixel_classes(p, threshold=threshold, min_size=min_size) for p in probabilities], annotations
        )
        for threshold in _THRESHOLDS
    }
    return max(t for t, score in scores.items() if score >= max(scores.values()) - AS_GOOD)
