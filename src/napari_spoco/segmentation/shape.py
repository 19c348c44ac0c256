"""The division of a foreground by shape alone: a watershed of the distance to the background.

Lengths are physical: where planes lie farther apart than the pixels inside of them, distances, their smoothing and the
spacing of peaks follow the size of a pixel, or a ball would be as flat as its few planes make it look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bioimage_cpp.distance import distance_transform
from bioimage_cpp.segmentation import watershed
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.feature import peak_local_max

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_ROUNDING = 1e-6


def watershed_by_shape(
    mask: NDArray[np.bool_],
    components: NDArray[np.int32],
    min_distance: int,
    smoothing: float,
    scale: Sequence[float] | None = None,
) -> NDArray[np.uint32]:
    """Split the connected components (*spatial) of a mask at their necks; `foreground.split_foreground` in full."""
    steps = np.ones(mask.ndim) if scale is None else np.asarray(scale, dtype=float) / min(scale)
    is_isotropic = bool(steps.max() < 1 + _ROUNDING)
    # Padded, as what lies outside of the image is background.
    padded = np.pad(mask, 1)
    distance = distance_transform(padded) if is_isotropic else distance_transform(padded, sampling=steps.tolist())
    distance = ndimage.gaussian_filter(distance[(slice(1, -1),) * mask.ndim], smoothing / steps)
    if is_isotropic:
        peaks = peak_local_max(distance, min_distance=min_distance, labels=components, exclude_border=False, p_norm=2.0)
    else:
        peaks = _distant_peaks(distance, components, min_distance, steps)
    seeds = np.zeros(mask.shape, dtype=np.uint32)
    seeds[tuple(peaks.reshape(-1, mask.ndim).T)] = np.arange(1, len(peaks) + 1)
    divided: NDArray[np.uint32] = watershed(-distance, seeds, mask=mask)
    # A component as flat as one pixel, or an image that is all foreground, has no peak: it is one object.
    is_left = mask & (divided == 0)
    divided[is_left] = components[is_left] + len(peaks)
    return divided


def _distant_peaks(
    distance: NDArray[np.floating], components: NDArray[np.int32], min_distance: int, steps: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return the peaks (n, ndim) of each component that are farther from every higher one than the least distance.

    A peak is higher than its neighbours too where planes lie farther apart than that, and what is equally high in
    neighbouring pixels is one peak: a ball between two planes has its middle in both.
    """
    reach = np.where(steps > min_distance, 0, np.rint(min_distance / steps)).astype(int)
    is_peak = _highest_within(reach, distance, components) & _highest_within(np.ones_like(reach), distance, components)
    plateaus, _ = ndimage.label(is_peak, np.ones((3,) * distance.ndim))
    _, firsts = np.unique(plateaus[is_peak], return_index=True)
    peaks = np.argwhere(is_peak)[firsts]
    peaks = peaks[np.argsort(-distance[tuple(peaks.T)], kind="stable")]
    # One axis more keeps components apart.
    places = np.column_stack([peaks * steps, 2.0 * min_distance * components[tuple(peaks.T)]])
    is_kept = np.ones(len(peaks), dtype=bool)
    for index, near in enumerate(KDTree(places).query_ball_point(places, min_distance)):
        if is_kept[index]:
            is_kept[near] = False
            is_kept[index] = True
    return peaks[is_kept]


def _highest_within(
    reach: NDArray[np.intp], distance: NDArray[np.floating], components: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Return where the distance is the highest of its component in the box of this reach on both sides."""
    box = np.ones(2 * reach + 1, dtype=bool)
    peaks = peak_local_max(distance, min_distance=0, footprint=box, labels=components, exclude_border=False)
    is_highest = np.zeros(distance.shape, dtype=bool)
    is_highest[tuple(peaks.reshape(-1, distance.ndim).T)] = True
    return is_highest
