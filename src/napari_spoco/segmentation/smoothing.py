"""Gaussian smoothing of embeddings, which pixel noise would otherwise shatter into fragments, and of images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from bioimage_cpp.filters import gaussian_smoothing

from napari_spoco.segmentation.arguments import check_embeddings, check_number, check_scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_REACH = 3.0
"""The Gaussian ends after this many standard deviations, rounded up to whole pixels."""
_LEAST_SIGMA = 0.1
"""The library takes no zero; at this width a neighbour weighs exp(-50), nothing in float32."""
_NEAR = 1.0
"""Width of the smoothing of a pixel that is compared with what is around it."""


def smooth_embeddings(
    embeddings: NDArray[Any], sigma: float, *, scale: Sequence[float] | None = None
) -> NDArray[np.float32]:
    """Smooth every embedding channel by a Gaussian over the spatial axes.

    Borders reflect (d c b a | a b c d), so that every value stays a weighted mean of pixels inside of the image.

    Parameters
    ----------
    embeddings
        (E, *spatial), floating point.
    sigma
        Standard deviation in pixels; 0 returns the embeddings as they are.
    scale
        Size of a pixel along every spatial axis, in any unit; `sigma` then counts pixels of the last axis, and the
        Gaussian has the same physical width along all axes. None = equal sizes.

    Raises
    ------
    TypeError, ValueError
        `embeddings` is no finite floating-point array of these axes, `sigma` is negative, or `scale` is not one
        positive number per spatial axis.
    """
    embeddings = check_embeddings(embeddings)
    sigma = check_number(sigma, name="smoothing", at_least=0)
    sigmas = _sigmas(sigma, scale, embeddings.ndim - 1)
    if sigma == 0:
        return embeddings
    # The library mirrors without repeating the border pixel, hence the padding.
    reach = [math.ceil(_REACH * width) for width in sigmas]
    padding = [(pixels, pixels) for pixels in reach]
    inside = tuple(slice(pixels, -pixels) for pixels in reach)
    smoothed = np.empty_like(embeddings)
    for channel, out in zip(embeddings, smoothed, strict=True):
        padded = np.pad(channel, padding, mode="symmetric")
        out[...] = gaussian_smoothing(padded, sigmas, window_size=_REACH)[inside]
    return smoothed


def local_contrast(
    channels: NDArray[Any], sigma: float, *, scale: Sequence[float] | None = None
) -> NDArray[np.float32]:
    """Measure how much brighter a pixel, smoothed a little, is than what is around it.

    As `smooth_embeddings`, of channels (C, *spatial) of real numbers; `sigma` is the width of what is around.
    """
    channels = channels.astype(np.float32)
    return smooth_embeddings(channels, _NEAR, scale=scale) - smooth_embeddings(channels, sigma, scale=scale)


def _sigmas(sigma: float, scale: Sequence[float] | None, ndim: int) -> list[float]:
    """Return the standard deviation along every axis, in pixels of that axis."""
    sizes = check_scale([1.0] * ndim if scale is None else scale, ndim)
    return [max(sigma * sizes[-1] / size, _LEAST_SIGMA) for size in sizes]
