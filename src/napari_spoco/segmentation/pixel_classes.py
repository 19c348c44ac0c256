"""Objects by the classes of pixels that a network tells apart beside its embeddings: outside, inside, border.

What is surely inside are the cores of objects: found by themselves, or divided by a mutex watershed of the embeddings,
they grow over the border. What is not outside is a foreground for the other methods. Classes are
`config.PIXEL_CLASSES`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from bioimage_cpp.segmentation import watershed
from scipy import ndimage
from scipy.special import softmax

from napari_spoco.config import PIXEL_CLASSES
from napari_spoco.segmentation.arguments import check_mask, check_number
from napari_spoco.segmentation.cleanup import remove_small
from napari_spoco.segmentation.smoothing import smooth_embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_OUTSIDE, _INSIDE = PIXEL_CLASSES.index("outside"), PIXEL_CLASSES.index("inside")
_LIKELY = 0.5
"""What cores grow over is more likely part of an object than outside."""
_CORE_SHARE = 1 / 4
"""Of the smallest object: smaller cores are none."""


def class_probabilities(
    scores: NDArray[Any], smoothing: float = 0.0, *, scale: Sequence[float] | None = None
) -> NDArray[np.float32]:
    """Turn the scores of the classes into probabilities.

    Parameters
    ----------
    scores
        (3, *spatial) logits, floating point, as `predict_outputs` returns them behind the embeddings.
    smoothing, scale
        Of the probabilities, as for `smooth_embeddings`.

    Returns
    -------
    numpy.ndarray
        (3, *spatial) float32.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range.
    """
    if np.ndim(scores) not in (3, 4) or len(scores) != len(PIXEL_CLASSES):
        raise ValueError(f"scores: expected shape ({len(PIXEL_CLASSES)}, *spatial), got {np.shape(scores)}.")
    probabilities = softmax(np.asarray(scores, dtype=np.float32), axis=0)
    return smooth_embeddings(probabilities, smoothing, scale=scale)


def foreground_by_classes(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Take as foreground (*spatial) what is not outside with a higher probability than the threshold."""
    threshold = _check_threshold(threshold)
    is_inside: NDArray[np.bool_] = probabilities[_OUTSIDE] < 1 - threshold
    return is_inside


def find_cores(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Find what is surely inside of objects (*spatial): with a higher probability than the threshold.

    Objects that touch are apart there, as their border is none of it.
    """
    is_core: NDArray[np.bool_] = probabilities[_INSIDE] > _check_threshold(threshold)
    return is_core & foreground_by_classes(probabilities, _LIKELY)


def grow_cores(
    cores: NDArray[np.uint32],
    probabilities: NDArray[np.float32],
    min_size: int = 0,
    foreground: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint32]:
    """Grow cores (*spatial), ids from 1, over what is more likely part of an object than outside.

    Cores of less than a quarter of `min_size` pixels do not grow, and objects of less than that are removed; objects
    end with the `foreground` (*spatial), if one is given.
    """
    mask = foreground_by_classes(probabilities, _LIKELY)
    if foreground is not None:
        mask &= foreground
        cores = np.where(foreground, cores, 0)
    seeds = remove_small(cores, math.ceil(check_number(min_size, name="min_size", at_least=0) * _CORE_SHARE))
    grown: NDArray[np.uint32] = watershed(-probabilities[_INSIDE], seeds, mask=mask)
    return remove_small(grown, min_size)


def segment_pixel_classes(
    probabilities: NDArray[np.float32],
    *,
    threshold: float = 0.5,
    min_size: int = 0,
    foreground: NDArray[Any] | None = None,
) -> NDArray[np.uint32]:
    """Segment probabilities of classes into objects: cores that do not touch, grown over the border.

    Parameters
    ----------
    probabilities
        (3, *spatial), smoothed, from `class_probabilities`.
    threshold
        Of the inside's probability, above which a pixel belongs to a core. Higher ones part objects that touch, and
        lose those of which the network is less sure.
    min_size
        Objects of fewer pixels become label 0; a core of less than a quarter of that is none.
    foreground
        (*spatial) bool or integer, where objects may be; None = anywhere.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, 0 = background.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range.
    """
    mask = None if foreground is None else check_mask(foreground, probabilities.shape[1:], name="foreground")
    is_core = find_cores(probabilities, threshold)
    cores, _ = ndimage.label(is_core if mask is None else is_core & mask)
    return grow_cores(cores.astype(np.uint32), probabilities, min_size, mask)


def _check_threshold(threshold: float) -> float:
    threshold = check_number(threshold, name="threshold", above=0)
    if threshold >= 1:
        raise ValueError(f"threshold: expected a number below 1, got {threshold}.")
    return threshold
