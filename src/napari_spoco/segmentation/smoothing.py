"""Gaussian smoothing of embeddings, which pixel noise would otherwise shatter into fragments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spoco.segmentation.arguments import check_embeddings, check_number

if TYPE_CHECKING:
    from numpy.typing import NDArray


def smooth_embeddings(embeddings: NDArray[Any], sigma: float) -> NDArray[np.float32]:
    """Smooth every embedding channel by a Gaussian over the spatial axes; reflecting borders.

    Parameters
    ----------
    embeddings
        (E, *spatial), floating point.
    sigma
        Standard deviation in pixels; 0 returns the embeddings as they are.

    Raises
    ------
    TypeError, ValueError
        `embeddings` is no finite floating-point array of these axes or `sigma` is negative.
    """
    embeddings = check_embeddings(embeddings)
    sigma = check_number(sigma, name="smoothing", at_least=0)
    if sigma == 0:
        return embeddings
    smoothed = np.empty_like(embeddings)
    for channel, out in zip(embeddings, smoothed, strict=True):
        ndimage.gaussian_filter(channel, sigma, output=out, truncate=3.0)
    return smoothed
