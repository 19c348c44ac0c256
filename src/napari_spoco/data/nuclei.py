"""Nuclei with known instances: one ellipsoid in the middle of each cell of a tissue, and its fluorescence.

Lengths are in micrometers, grey levels of 255.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spoco.config import Fraction, setting
from napari_spoco.data.grid import check_labels, check_scale, renumbered
from napari_spoco.data.optics import Optics, smooth_field, take_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LEAST_LEVEL = 0.3
"""Of the mean level, for the dimmest nuclei."""


class NucleusAppearance(Optics):
    """How stained nuclei look."""

    nucleus: float = setting(140.0, "Nucleus", "Mean grey level.", unit="grey levels", ge=0)
    background: float = setting(15.0, "Background", "Between nuclei.", unit="grey levels", ge=0)
    nucleus_variation: float = setting(0.25, "Variation of nuclei", "Between nuclei, relative.", ge=0)
    texture: float = setting(0.25, "Texture", "Within a nucleus, relative.", ge=0)
    texture_length: float = setting(0.4, "Texture length", "Over which it changes.", unit="um", gt=0)
    nucleolus: Fraction = setting(0.35, "Nucleolus", "Its diameter, which is dark, by that of the nucleus.")


def place_nuclei(
    cells: NDArray[Any], *, scale: Sequence[float], rng: np.random.Generator, share: float = 0.15
) -> NDArray[np.uint32]:
    """Put a nucleus into each cell.

    Parameters
    ----------
    cells : ndarray
        Integers (*spatial), cells from 1.
    scale : sequence of float
        Distance of neighbouring pixels per axis, in micrometers.
    rng : numpy.random.Generator
        Draws size and elongation.
    share : float
        Mean volume of a nucleus by that of its cell: 0.15 leaves space in between, above 0.5 they touch.

    Returns
    -------
    numpy.ndarray
        uint32 (*spatial), nuclei 1..n without gaps, each within its cell, 0 = between them.

    Raises
    ------
    ValueError
        Labels, a scale or a share out of bounds.
    """
    cells = check_labels(cells)
    spacing = check_scale(scale, cells.ndim)
    if not 0 < share <= 1:
        raise ValueError(f"share: expected a number above 0 and at most 1, got {share}")
    nuclei = np.zeros(cells.shape, dtype=np.int64)
    for cell, box in enumerate(ndimage.find_objects(cells), start=1):
        if box is not None:
            inside = cells[box] == cell
            n_pixels = round(inside.sum() * min(share * rng.lognormal(0, 0.2), 1.0))
            nuclei[box][_innermost(inside, max(n_pixels, 1), spacing, rng)] = cell
    return renumbered(nuclei)


def render_nuclei(
    labels: NDArray[Any],
    *,
    scale: Sequence[float],
    rng: np.random.Generator,
    appearance: NucleusAppearance | None = None,
) -> NDArray[np.uint8]:
    """Make the image of stained nuclei.

    Parameters
    ----------
    labels : ndarray
        Integers (*spatial), nuclei from 1, 0 = between them.
    scale, rng, appearance
        As in `render_membranes`.

    Returns
    -------
    numpy.ndarray
        uint8 (*spatial).

    Raises
    ------
    ValueError
        Labels that are not integers from 0, in 2D or 3D, or a scale that does not fit.
    """
    look = appearance or NucleusAppearance()
    labels = check_labels(labels)
    spacing = check_scale(scale, labels.ndim)
    levels = look.nucleus * np.clip(1 + look.nucleus_variation * rng.standard_normal(labels.max() + 1), _LEAST_LEVEL, 2)
    light = levels.astype(np.float32)[labels]
    light *= 1 + look.texture * smooth_field(labels.shape, look.texture_length, scale=spacing, rng=rng)
    for nucleus, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None and look.nucleolus:
            inside = labels[box] == nucleus
            n_pixels = round(inside.sum() * look.nucleolus**labels.ndim)
            light[box][_innermost(inside, n_pixels, spacing, rng)] *= np.float32(0.4)
    light = np.clip(np.where(labels > 0, light, look.background), 0, None).astype(np.float32)
    return take_picture(light, scale=spacing, rng=rng, optics=look)


def _innermost(
    inside: NDArray[np.bool_], n_pixels: int, spacing: tuple[float, ...], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return the pixels of a mask (*box) that are nearest to its centre of mass, by an elongated distance."""
    positions = np.argwhere(inside) * np.array(spacing)
    offsets = positions - positions.mean(axis=0)
    direction = rng.normal(size=inside.ndim)
    along = offsets @ (direction / np.linalg.norm(direction))
    distance = (offsets**2).sum(axis=1) - (1 - 1 / rng.uniform(1, 1.4) ** 2) * along**2
    chosen = np.zeros(inside.shape, dtype=np.bool_)
    chosen[inside] = np.argsort(np.argsort(distance, kind="stable"), kind="stable") < n_pixels
    return chosen
