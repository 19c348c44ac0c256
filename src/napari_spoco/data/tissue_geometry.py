"""Where the cells of a synthetic tissue are: a power diagram of packed spheres, stretched and bent.

This module alone knows shapes; what a microscope makes of them is the business of others. Everything is computed in
physical space, so that voxels may have any size. Lengths are in micrometers, 2D and 3D are alike.

A power diagram (Laguerre tessellation) gives each point to the seed s of least |p - s|^2 - w. With the spheres of a
dense random packing as seeds and weights its cells are convex and have about the volumes of the spheres.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from napari_spoco.config import Fraction, Parameters, setting
from napari_spoco.data.grid import check_scale, check_shape, renumbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Points = NDArray[np.float64]
    Coordinates = Sequence[NDArray[Any]]

_UNIT_BALL = {2: math.pi, 3: 4 / 3 * math.pi}
_PACKING_STEPS, _PUSH = 40, 0.15
_VOLUME_STEPS, _SAMPLES_PER_LENGTH = 6, 6
_REACH = 2.2
"""Radii of its sphere from a seed to where its cell ends at most."""


class TissueGeometry(Parameters):
    """Sizes and shapes of cells; the defaults are measured on an ovule of Arabidopsis.

    There cells have a median of 37,000 voxels of 0.235 x 0.15 x 0.15 micrometers (diameter of the ball 7.2), a spread
    of 0.46, an elongation (longest over middle axis of inertia) of 1.35 and 12 to 15 neighbours.
    """

    cell_diameter: float = setting(7.2, "Cell diameter", "Of the ball (disc) of median volume (area).", unit="um", gt=0)
    size_spread: float = setting(
        0.46, "Size spread", "Standard deviation of the logarithm of the volume (area).", ge=0, le=1
    )
    stretch: float = setting(1.4, "Stretch", "Cells are longer by this along one random direction.", ge=1, le=3)
    bending: float = setting(0.6, "Bending", "Largest displacement of walls from planes.", unit="um", ge=0)
    bending_length: float = setting(6.0, "Bending length", "Distance over which it changes.", unit="um", gt=0)
    outside: Fraction = setting(0.0, "Outside", "Share of the cells, on one side, in whose place is no tissue.")


def grow_cells(
    shape: Sequence[int], *, scale: Sequence[float], rng: np.random.Generator, geometry: TissueGeometry | None = None
) -> NDArray[np.uint32]:
    """Make the labels of a tissue whose cells touch.

    Parameters
    ----------
    shape, scale : sequence
        Pixels along (Y, X) or (Z, Y, X), and their distance per axis in micrometers.
    rng : numpy.random.Generator
        Draws the cells.
    geometry : TissueGeometry, optional
        Sizes and shapes.

    Returns
    -------
    numpy.ndarray
        uint32 (*shape): cells 1..n without gaps, 0 = outside of the tissue.

    Raises
    ------
    ValueError
        A shape or a scale out of bounds.
    """
    geometry = geometry or TissueGeometry()
    shape = check_shape(shape)
    scale = check_scale(scale, len(shape))
    stretching = _stretch_matrix(geometry.stretch, len(shape), rng)
    bent = np.stack(_bent_grid(shape, scale, geometry, rng))
    positions = np.tensordot(stretching.astype(np.float32), bent, axes=1)  # (ndim, *shape)
    low, high = (f(positions.reshape(len(shape), -1), axis=1) for f in (np.min, np.max))
    seeds, radii, weights = _pack(high - low, geometry, rng)
    seeds += low
    # Where in the image a cell may be: the box around its stretched and bent sphere.
    centres = seeds @ np.linalg.inv(stretching).T
    reach = _REACH * radii * np.linalg.norm(np.linalg.inv(stretching), 2) + geometry.bending
    nearest = _power_cells(list(positions), seeds, weights, centres / scale, reach[:, None] / scale)
    is_outside = _is_outside(centres, np.multiply(shape, scale), geometry.outside, rng)
    return renumbered(np.where(is_outside, 0, np.arange(1, len(seeds) + 1))[nearest])


def _pack(extent: Points, geometry: TissueGeometry, rng: np.random.Generator) -> tuple[Points, Points, Points]:
    """Return seeds (n, ndim), radii and weights (n,) of a power diagram of a box, which goes on beyond its borders.

    Spheres of log-normal volumes that would fill the box push each other apart; then the weights are adjusted until
    the cells have about the volumes of the spheres.
    """
    ndim = len(extent)
    margin = math.exp(geometry.size_spread) * geometry.cell_diameter
    extent = extent + 2 * margin
    median_size = _UNIT_BALL[ndim] * (geometry.cell_diameter / 2) ** ndim
    mean_size = median_size * math.exp(geometry.size_spread**2 / 2)
    sizes = rng.lognormal(0.0, geometry.size_spread, math.ceil(np.prod(extent) / mean_size))
    sizes *= np.prod(extent) / sizes.sum()
    radii = (sizes / _UNIT_BALL[ndim]) ** (1 / ndim)
    seeds = rng.uniform(0, extent, (len(sizes), ndim))
    for _ in range(_PACKING_STEPS):
        seeds = (seeds + _repulsion(seeds, radii, extent)) % extent
    return seeds - margin, radii, _adjusted_weights(seeds, radii, sizes, extent)


def _repulsion(seeds: Points, radii: Points, extent: Points) -> Points:
    """Return moves of spheres in a periodic box away from those that they overlap."""
    first, second = cKDTree(seeds, boxsize=extent).query_pairs(2 * radii.max(), output_type="ndarray").T
    apart = seeds[first] - seeds[second]
    apart -= extent * np.rint(apart / extent)
    distance = np.linalg.norm(apart, axis=1)
    overlap = np.clip(radii[first] + radii[second] - distance, 0, None)
    push = apart * (_PUSH * overlap / np.maximum(distance, 1e-9))[:, None]
    return np.column_stack(
        [np.bincount(first, along, len(seeds)) - np.bincount(second, along, len(seeds)) for along in push.T]
    )


def _adjusted_weights(seeds: Points, radii: Points, sizes: Points, extent: Points) -> Points:
    """Return weights with which cells have about the wanted sizes, measured on a coarse grid."""
    step = sizes.mean() ** (1 / len(extent)) / _SAMPLES_PER_LENGTH
    axes = [np.arange(math.ceil(length / step), dtype=np.float32) * np.float32(step) for length in extent]
    grid = np.meshgrid(*axes, indexing="ij")
    boxes = seeds / step, np.repeat(_REACH * radii[:, None] / step, len(extent), axis=1)
    weights = radii**2
    for _ in range(_VOLUME_STEPS):
        nearest = _power_cells(grid, seeds, weights, *boxes)
        found = np.bincount(nearest.ravel(), minlength=len(seeds)) * step ** len(extent)
        weights = weights + 0.4 * radii**2 * np.log(np.clip(sizes / np.maximum(found, 1e-9), 1 / 3, 3))
    return weights


def _power_cells(
    positions: Coordinates, seeds: Points, weights: Points, centres: Points, reaches: Points
) -> NDArray[np.int32]:
    """Return the seed of least |p - s|^2 - w for each pixel.

    Parameters
    ----------
    positions
        Per axis (*spatial), where the pixels are in the space of the seeds.
    seeds, weights
        (n, ndim) and (n,).
    centres, reaches
        (n, ndim), the box of pixels in which a seed is looked at: its centre, and its half width.
    """
    shape = positions[0].shape
    nearest = np.zeros(shape, dtype=np.int32)
    least = np.full(shape, np.inf, dtype=np.float32)
    lows = np.clip(np.floor(centres - reaches).astype(int), 0, shape)
    highs = np.clip(np.ceil(centres + reaches).astype(int) + 1, 0, shape)
    for index in np.flatnonzero((lows < highs).all(axis=1)):
        box = tuple(slice(a, b) for a, b in zip(lows[index], highs[index], strict=True))
        power = np.full(least[box].shape, -weights[index], dtype=np.float32)
        for axis, coordinate in zip(positions, seeds[index], strict=True):
            power += np.square(axis[box] - np.float32(coordinate))
        is_nearer = power < least[box]
        np.copyto(least[box], power, where=is_nearer)
        np.copyto(nearest[box], np.int32(index), where=is_nearer)
    return nearest


def _bent_grid(
    shape: Sequence[int], scale: Sequence[float], geometry: TissueGeometry, rng: np.random.Generator
) -> Coordinates:
    """Return where the pixels are, per axis (*shape), displaced by a cubic spline through random values."""
    nodes = np.ceil(np.multiply(shape, scale) / geometry.bending_length).astype(int) + 3
    grid = []
    for pixels, spacing in zip(np.indices(shape, dtype=np.float32, sparse=True), scale, strict=True):
        field = rng.uniform(-geometry.bending, geometry.bending, nodes)
        for axis, (n, step) in enumerate(zip(shape, scale, strict=True)):
            at = 1 + np.arange(n) * step / geometry.bending_length
            field = CubicSpline(np.arange(nodes[axis]), field, axis=axis)(at).astype(np.float32)
        grid.append(pixels * np.float32(spacing) + field)
    return grid


def _stretch_matrix(stretch: float, ndim: int, rng: np.random.Generator) -> Points:
    """Return a symmetric matrix of determinant 1 that shortens one random direction by `stretch` beside the others."""
    direction = rng.normal(size=ndim)
    direction /= np.linalg.norm(direction)
    along = np.outer(direction, direction)
    matrix: Points = stretch ** (1 / ndim) * (np.eye(ndim) - along + along / stretch)
    return matrix


def _is_outside(centres: Points, extent: Points, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose the cells that are farthest from a point beside the image: the surface is curved, with bumps."""
    direction = rng.normal(size=len(extent))
    middle = extent / 2 - direction / np.linalg.norm(direction) * extent.max()
    distance = np.linalg.norm(centres - middle, axis=1)
    is_in_image = ((centres >= 0) & (centres <= extent)).all(axis=1)
    if share == 0 or not is_in_image.any():
        return np.zeros(len(centres), dtype=np.bool_)
    return np.asarray(distance > np.quantile(distance[is_in_image], 1 - share))
