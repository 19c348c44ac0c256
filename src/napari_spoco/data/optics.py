"""What a fluorescence microscope makes of light: blur, loss with depth, and noise.

Lengths are in micrometers, grey levels of 255.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spoco.config import Fraction, Parameters, setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Field = NDArray[np.float32]

_ATTENUATION_DEPTH = 10.0
_TRUNCATE = 3.0


class Optics(Parameters):
    """The microscope; what is dyed adds its own properties."""

    blur: float = setting(0.15, "Blur", "Standard deviation in the plane.", unit="um", ge=0)
    axial_blur: float = setting(0.35, "Axial blur", "Standard deviation across planes.", unit="um", ge=0)
    attenuation: Fraction = setting(0.1, "Attenuation", "Share of the light that is lost every 10 um of depth.")
    photons: float = setting(90.0, "Photons", "Of a white pixel; the fewer, the more shot noise.", gt=0)
    noise: float = setting(8.0, "Noise", "Standard deviation of correlated noise.", unit="grey levels", ge=0)
    noise_length: float = setting(0.2, "Noise length", "Over which that noise is correlated.", unit="um", ge=0)


def take_picture(
    light: Field, *, scale: Sequence[float], rng: np.random.Generator, optics: Optics
) -> NDArray[np.uint8]:
    """Turn light (*spatial) in grey levels, on a grid of that scale, into an image uint8 (*spatial).

    Blur, loss with depth along the first of three axes, shot noise, correlated noise, in this order.
    """
    sigmas = [optics.axial_blur] * (light.ndim - 2) + [optics.blur] * 2
    signal = _gaussian(light, sigmas, scale)
    if light.ndim == 3:
        depth = np.arange(light.shape[0], dtype=np.float32) * scale[0] / _ATTENUATION_DEPTH
        signal *= ((1 - optics.attenuation) ** depth)[:, None, None]
    grey_per_photon = 255 / optics.photons
    counts = rng.poisson(np.clip(signal, 0, None) / grey_per_photon).astype(np.float32)
    counts *= np.float32(grey_per_photon)
    if optics.noise:
        counts += np.float32(optics.noise) * smooth_field(light.shape, optics.noise_length, scale=scale, rng=rng)
    return np.clip(np.rint(counts), 0, 255).astype(np.uint8)


def smooth_field(shape: Sequence[int], length: float, *, scale: Sequence[float], rng: np.random.Generator) -> Field:
    """Draw Gaussian noise float32 of mean 0 and standard deviation 1 that changes over a length."""
    field = _gaussian(rng.standard_normal(tuple(shape), dtype=np.float32), [length] * len(shape), scale, mode="wrap")
    return field / (field.std() or np.float32(1))


def _gaussian(array: Field, sigmas: Sequence[float], scale: Sequence[float], **options: Any) -> Field:
    pixels = [sigma / step for sigma, step in zip(sigmas, scale, strict=True)]
    filtered: Field = ndimage.gaussian_filter(array, pixels, truncate=_TRUNCATE, **options)
    return filtered
