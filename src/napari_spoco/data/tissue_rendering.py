"""What a confocal microscope sees of cells whose membranes are stained.

From labels to grey levels, whether the labels are synthetic or those of a real tissue. Lengths are in micrometers, grey
levels of 255.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import ndimage

from napari_spoco.config import Fraction, setting
from napari_spoco.data.grid import check_labels, check_scale
from napari_spoco.data.optics import Optics, smooth_field, take_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Field = NDArray[np.float32]

_FWHM = 2 * math.sqrt(2 * math.log(2))
"""Width of a Gaussian at half of its height, in standard deviations."""
_LEAST_DENSITY, _FADING = 0.15, 0.4
"""Of the stain in a gap, and how steeply it begins, in standard deviations of the field that places the gaps."""


class MembraneAppearance(Optics):
    """How stained membranes look; the defaults are those of `CLEAN`.

    In a clean stack of an Arabidopsis ovule membranes have 201 +- 34 grey levels, are 1.0 to 1.3 um wide at half of
    their height and vary by 12 % from face to face and by 8 % within a face; cells have 41 +- 29. In a poor stack of a
    root the cells have 74, and vary by 30 between each other.
    """

    membrane: float = setting(250.0, "Membrane", "In its middle, before the blur.", unit="grey levels", ge=0)
    interior: float = setting(37.0, "Interior", "Inside of cells.", unit="grey levels", ge=0)
    outside: float = setting(12.0, "Outside", "Outside of the tissue.", unit="grey levels", ge=0)
    membrane_width: float = setting(1.15, "Membrane width", "At half of its height, in the image.", unit="um", gt=0)
    face_variation: float = setting(0.12, "Variation of faces", "Between faces, of the stain (of its logarithm).", ge=0)
    patch_variation: float = setting(0.08, "Variation in faces", "Within a face, relative.", ge=0)
    gaps: Fraction = setting(0.02, "Gaps", "Share of the membranes that is not stained.")
    gap_length: float = setting(1.0, "Gap length", "Size of the gaps.", unit="um", gt=0)
    cell_variation: float = setting(22.0, "Variation of cells", "Between cells.", unit="grey levels", ge=0)
    bright_cells: Fraction = setting(0.01, "Bright cells", "Share of the cells that are stained throughout.")
    nucleoli: float = setting(20.0, "Nucleoli", "Brightness above the interior.", unit="grey levels", ge=0)
    aggregates: float = setting(0.0, "Aggregates", "Lumps of stain.", unit="per 10,000 um^ndim", ge=0)
    texture: float = setting(15.0, "Texture", "Standard deviation inside of cells.", unit="grey levels", ge=0)
    texture_length: float = setting(0.5, "Texture length", "Over which it changes.", unit="um", gt=0)


CLEAN = MembraneAppearance()
HARD = MembraneAppearance(
    membrane=220.0,
    interior=74.0,
    outside=35.0,
    membrane_width=1.3,
    face_variation=0.25,
    patch_variation=0.15,
    gaps=0.1,
    gap_length=1.2,
    cell_variation=30.0,
    bright_cells=0.05,
    nucleoli=60.0,
    aggregates=3.0,
    texture=15.0,
    axial_blur=0.5,
    attenuation=0.2,
    photons=20.0,
    noise=14.0,
)
"""A poor stack: bright, uneven cells, faint faces, noise."""
MEMBRANE_PRESETS = {"clean": CLEAN, "hard": HARD}
"""Starting points by name."""


class _Walls(NamedTuple):
    """Pixels that touch another label, as a mask (*spatial), and for each of them, in its order, the pair of labels."""

    mask: NDArray[np.bool_]
    face: NDArray[np.intp]
    n_faces: int


def render_membranes(
    labels: NDArray[Any],
    *,
    scale: Sequence[float],
    rng: np.random.Generator,
    appearance: MembraneAppearance = CLEAN,
) -> NDArray[np.uint8]:
    """Make the image of a tissue whose membranes are stained.

    Parameters
    ----------
    labels : ndarray
        Integers (*spatial), 2D or 3D: cells from 1, 0 = outside of the tissue, `grow_cells` or those of a real tissue.
    scale : sequence of float
        Distance of neighbouring pixels per axis, in micrometers.
    rng : numpy.random.Generator
        Draws the staining and the noise.
    appearance : MembraneAppearance
        One of `MEMBRANE_PRESETS`, or anything else.

    Returns
    -------
    numpy.ndarray
        uint8 (*spatial).

    Raises
    ------
    ValueError
        Labels that are not integers from 0, in 2D or 3D, or a scale that does not fit.
    """
    labels = check_labels(labels)
    spacing = check_scale(scale, labels.ndim)
    density = _stain(labels, spacing, appearance, rng)
    light = _contents(labels, spacing, appearance, rng)
    light += (np.float32(appearance.membrane) - light) * density
    _add_aggregates(light, spacing, appearance, rng)
    return take_picture(light, scale=spacing, rng=rng, optics=appearance)


def _stain(
    labels: NDArray[Any], spacing: tuple[float, ...], look: MembraneAppearance, rng: np.random.Generator
) -> Field:
    """Return the density of the stain (*spatial), about 1 in the middle of a membrane."""
    walls = _find_walls(labels)
    if not walls.n_faces:
        return np.zeros(labels.shape, dtype=np.float32)
    # What the blur in the plane adds to the width is taken off before.
    sigma = math.sqrt(max((look.membrane_width / _FWHM) ** 2 - look.blur**2, 0.01))
    brightness = np.exp(look.face_variation * rng.standard_normal(walls.n_faces, dtype=np.float32))
    stain = brightness[walls.face]
    stain *= (
        1 + look.patch_variation * smooth_field(labels.shape, look.gap_length / 2, scale=spacing, rng=rng)[walls.mask]
    )
    if look.gaps:
        field = smooth_field(labels.shape, look.gap_length, scale=spacing, rng=rng)[walls.mask]
        edge = np.quantile(field, look.gaps).astype(np.float32)
        stain *= np.clip(_LEAST_DENSITY + (field - edge) / _FADING, _LEAST_DENSITY, 1)
    return _spread(stain, walls.mask, spacing, sigma)


def _spread(stain: Field, mask: NDArray[np.bool_], spacing: tuple[float, ...], sigma: float) -> Field:
    """Give each pixel the stain of the nearest pixel at a wall, less the farther it is from the wall."""
    distance, nearest = ndimage.distance_transform_edt(~mask, sampling=spacing, return_indices=True)
    on_walls = np.zeros(mask.shape, dtype=np.float32)
    on_walls[mask] = stain
    # A wall lies between the pixels on both of its sides.
    distance += min(spacing) / 2
    density: Field = on_walls[tuple(nearest)] * np.exp(-0.5 * np.square(distance.astype(np.float32) / sigma))
    return density


def _find_walls(labels: NDArray[np.int64]) -> _Walls:
    """Find pixels that touch another label, and the face on which each of them lies."""
    other = labels.copy()
    for axis in range(labels.ndim):
        low, high = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        other_low, other_high = np.moveaxis(other, axis, 0)[:-1], np.moveaxis(other, axis, 0)[1:]
        differ = low != high
        np.copyto(other_low, high, where=differ)
        np.copyto(other_high, low, where=differ)
    mask = other != labels
    own, touched = labels[mask], other[mask]
    pairs, face = np.unique(
        np.minimum(own, touched) * (labels.max() + 1) + np.maximum(own, touched), return_inverse=True
    )
    return _Walls(mask, face, len(pairs))


def _contents(
    labels: NDArray[Any], spacing: tuple[float, ...], look: MembraneAppearance, rng: np.random.Generator
) -> Field:
    """Return the grey levels (*spatial) inside of cells and outside of the tissue."""
    levels = rng.normal(look.interior, look.cell_variation, labels.max() + 1)
    is_bright = rng.random(len(levels)) < look.bright_cells
    levels += is_bright * rng.uniform(0.3, 0.7, len(levels)) * look.membrane
    levels[0] = look.outside
    light: Field = np.clip(levels, 0, None).astype(np.float32)[labels]
    if look.texture:
        field = smooth_field(labels.shape, look.texture_length, scale=spacing, rng=rng)
        light += np.float32(look.texture) * (labels > 0) * field
    if look.nucleoli:
        _add_nucleoli(light, labels, spacing, look, rng)
    return light.clip(0)


def _add_nucleoli(
    light: Field, labels: NDArray[Any], spacing: tuple[float, ...], look: MembraneAppearance, rng: np.random.Generator
) -> None:
    """Add a bright spot near the middle of each cell, in place."""
    for cell, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            inside = labels[box] == cell
            centre = inside.shape * rng.uniform(0.38, 0.62, labels.ndim)
            spot = _spot(inside.shape, centre, rng.uniform(0.5, 1.1), spacing)
            light[box] += np.float32(look.nucleoli * rng.uniform(0.3, 1.5)) * spot * inside


def _add_aggregates(
    light: Field, spacing: tuple[float, ...], look: MembraneAppearance, rng: np.random.Generator
) -> None:
    """Add lumps of stain as bright as can be, in place."""
    for _ in range(rng.poisson(look.aggregates * np.prod(spacing) * light.size / 1e4)):
        radius = rng.uniform(0.4, 2.5)
        centre = rng.uniform(0, light.shape)
        reach = 2 * radius / np.array(spacing)
        low, high = np.clip(centre - reach, 0, None).astype(int), np.ceil(centre + reach).astype(int)
        part = light[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        part += 255 * _spot(part.shape, centre - low, radius, spacing)


def _spot(shape: Sequence[int], centre: NDArray[Any], radius: float, spacing: tuple[float, ...]) -> Field:
    """Return a spot of height 1 (*shape) with a flat top and soft rim; the centre is in pixels."""
    axes = np.indices(tuple(shape), dtype=np.float32, sparse=True)
    squared = sum(((axis - c) * (s / radius)) ** 2 for axis, c, s in zip(axes, centre, spacing, strict=True))
    return np.asarray(np.exp(-0.5 * squared**2), dtype=np.float32)
