"""Random appearance of views: blur, gamma, contrast and brightness, colour, noise, grayscale; no pixel moves.

Every view draws its own strengths, but all views are computed together: a strength of zero is a step that changes
nothing, not a branch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import AugmentationConfig

_BLURRED = 0.5
"""Share of the views that are blurred."""


class Appearance:
    """Change intensities at random.

    Parameters
    ----------
    config : AugmentationConfig
        Strengths; steps of strength 0 are left out.
    steps : sequence of float
        Voxel size per axis, in units of the pixels in which the blur is given.
    """

    def __init__(self, config: AugmentationConfig, steps: Sequence[float] | NDArray[np.float64]) -> None:
        self._config = config
        self._steps = [float(step) for step in steps]

    def __call__(self, views: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return float32 (N, C, *spatial) of new intensities, on the same device; each view draws its own."""
        config = self._config
        has_colours = views.shape[1] > 1
        strengths = moved(self._draw(rng, len(views), views.shape[1], has_colours), views.device)  # (N, 4 + 2 C)
        sizes = [1, 1, 1, 1, views.shape[1], views.shape[1]]
        columns = [column.view(*column.shape, *[1] * len(self._steps)) for column in strengths.split(sizes, dim=1)]
        sigma, gamma, noise, is_gray, factor, offset = columns  # (N, 1 or C, 1, ...)
        seed = int(rng.integers(2**63))

        if config.blur:
            views = blur(views, [sigma.flatten() / step for step in self._steps])
        if config.gamma:
            views = apply_gamma(views, gamma)
        if config.contrast or (config.colour and has_colours):
            views = torch.addcmul(offset, views, factor)
        if config.noise:
            generator = torch.Generator(views.device).manual_seed(seed)
            normal = torch.randn(views.shape, generator=generator, device=views.device)
            views = torch.addcmul(views, normal, noise)
        if config.grayscale and has_colours:
            views = torch.where(is_gray > 0, views.mean(1, keepdim=True), views)
        return views

    def _draw(self, rng: np.random.Generator, n_views: int, n_channels: int, has_colours: bool) -> NDArray[np.float32]:
        """Return a row per view: sigma of the blur, gamma, noise, whether gray, and C factors and C offsets."""
        config = self._config
        colour = config.colour if has_colours else 0.0
        sigma = rng.uniform(0, config.blur, n_views) * (rng.random(n_views) < _BLURRED)
        gamma = np.exp(rng.uniform(-1, 1, n_views) * np.log1p(config.gamma))
        noise = rng.uniform(0, config.noise, n_views)
        is_gray = rng.random(n_views) < config.grayscale
        contrast, brightness = config.contrast * rng.uniform(-1, 1, (2, n_views, 1))
        factors, offsets = colour * rng.uniform(-1, 1, (2, n_views, n_channels))
        columns = [sigma[:, None], gamma[:, None], noise[:, None], is_gray[:, None]]
        columns += [(1 + contrast) * (1 + factors), (brightness + offsets) / 2]
        return np.concatenate(columns, axis=1).astype(np.float32)


def moved(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return an array as a tensor on the device; a GPU is not waited for until it has computed what it has to."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def blur(views: torch.Tensor, sigmas: Sequence[torch.Tensor]) -> torch.Tensor:
    """Blur each view with a Gaussian of its own.

    One product with a matrix of weights per axis: unlike a convolution it takes another sigma for each view, and at
    the borders the mean over what is inside, where padding would darken them.

    Parameters
    ----------
    views : Tensor
        (N, C, *spatial).
    sigmas : sequence of Tensor
        (N,) per axis, pixels; 0 leaves a view as it is.
    """
    return along_axes(views, [_gaussian_weights(sigma, n) for sigma, n in zip(sigmas, views.shape[2:], strict=True)])


def along_axes(arrays: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    """Multiply by a matrix along each spatial axis.

    Parameters
    ----------
    arrays : Tensor
        (N, C, *spatial).
    matrices : sequence of Tensor
        Per axis (m, n), or (N, m, n) with one for each array; n is the length of the axis, m its new length.
    """
    for matrix in reversed(matrices):  # the last axis is done and becomes the first one, until all are in place again
        rows = arrays.flatten(1, -2) @ matrix.mT  # (N, C * others, m)
        arrays = rows.view(*arrays.shape[:-1], rows.shape[-1]).movedim(-1, 2)
    return arrays


def _gaussian_weights(sigma: torch.Tensor, n: int) -> torch.Tensor:
    """Return (N, n, n), rows of weights that sum up to 1, for the sigmas (N,) of an axis of n pixels."""
    positions = torch.arange(n, device=sigma.device)
    distances = (positions[:, None] - positions) / sigma.clamp_min(1e-3)[:, None, None]
    return torch.softmax(-0.5 * distances.square(), dim=-1)


def apply_gamma(views: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    """Raise intensities to a power, between the least and the greatest of each view, which stay as they are."""
    over = tuple(range(1, views.ndim))
    low, high = views.amin(over, keepdim=True), views.amax(over, keepdim=True)
    span = (high - low).clamp_min(torch.finfo(views.dtype).tiny)
    return ((views - low) / span).pow(gamma) * span + low
