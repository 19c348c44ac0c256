"""Pixels as inside, border or outside of an object: what classifiers of pixels learn, and how objects come of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.annotation_budget.contestants import Readout, Setting
from bioimage_cpp.segmentation import watershed
from scipy import ndimage

from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.agreement import CLASS_THRESHOLDS
from napari_spoco.segmentation.cleanup import remove_small

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.data.annotations import SparseAnnotations

OUTSIDE, INSIDE, BORDER, UNKNOWN = 0, 1, 2, -1
N_CLASSES = 3
_RIM = 1
"""Width of the border inside of an object, and of what is known around it, in pixels."""


def classify_pixels(labels: NDArray[Any], *, is_tissue: bool) -> NDArray[np.int64]:
    """Say of which class annotated pixels are.

    Parameters
    ----------
    labels
        (*spatial) annotations: ids from 1, `BACKGROUND`, others unknown.
    is_tissue
        Objects touch, so what surrounds an object is border; otherwise it is outside, by the assumption that an
        annotator outlines what ends there.

    Returns
    -------
    numpy.ndarray
        (*spatial) `OUTSIDE`, `INSIDE`, `BORDER` or `UNKNOWN`.
    """
    inner = np.maximum(labels, 0)
    low, high = (f(inner, 2 * _RIM + 1, mode="nearest") for f in (ndimage.minimum_filter, ndimage.maximum_filter))
    around = ndimage.maximum_filter(inner, 4 * _RIM + 1, mode="nearest") > 0
    classes = np.full(labels.shape, UNKNOWN, dtype=np.int64)
    classes[(labels == 0) & around] = BORDER if is_tissue else OUTSIDE
    classes[labels == BACKGROUND] = OUTSIDE
    classes[labels > 0] = BORDER
    classes[(labels > 0) & (low == high)] = INSIDE
    return classes


def readouts(annotations: Sequence[SparseAnnotations], *, is_tissue: bool) -> dict[str, Readout]:
    """Return the watershed of the probabilities, with seeds where the inside is probable, by thresholds."""
    sizes = [size for a in annotations for size in a.sizes.values()]
    least = float(np.median(sizes)) / 4
    settings = [Setting(f"threshold {t}", partial(_segment, t, least, is_tissue)) for t in CLASS_THRESHOLDS]
    return {"watershed of probabilities": Readout(settings, ascending=True)}


def _segment(
    threshold: float, least: float, is_tissue: bool, _: NDArray[Any], probabilities: NDArray[np.float32]
) -> NDArray[Any]:
    """Flood from the seeds over the pixels that are not outside; probabilities (3, *spatial)."""
    inside = ndimage.gaussian_filter(probabilities[INSIDE], 1.0)
    seeds, _n = ndimage.label(inside > threshold)
    seeds = remove_small(seeds, int(least / 4))
    mask = None if is_tissue else (probabilities[OUTSIDE] < 0.5) | (seeds > 0)
    found = watershed(1 - inside, seeds, mask=mask)
    return found if is_tissue else remove_small(found, int(least))
