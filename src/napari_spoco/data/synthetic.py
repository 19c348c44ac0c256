"""Plain tissue whose instances are known exactly, because it was made here; `tissue` has tissue as in real stacks.

Cells are a Voronoi partition in physical space; the image is what a confocal microscope would see of their
stained membranes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_spoco.data.grid import check_scale, check_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SyntheticStack:
    """An image with its truth.

    Attributes
    ----------
    image : ndarray
        uint8 (*spatial).
    labels : ndarray
        uint32 (*spatial), ids from 1 without gaps, 0 = no object.
    scale : tuple of float
        Distance of neighbouring pixels per axis, in micrometers.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint32]
    scale: tuple[float, ...]


def membrane_stack(
    shape: Sequence[int] = (24, 96, 96),
    *,
    rng: np.random.Generator,
    cell_diameter: float = 12.0,
    scale: Sequence[float] | None = None,
    membrane_width: float = 0.8,
    blur: float = 0.5,
    photons: float = 40.0,
    noise: float = 4.0,
) -> SyntheticStack:
    """Make a tissue of touching cells with bright membranes.

    Parameters
    ----------
    shape : sequence of int
        Pixels along (Y, X) or (Z, Y, X).
    rng : numpy.random.Generator
        Draws cells, brightness and noise; equal generators make equal stacks.
    cell_diameter : float
        Typical diameter of a cell, in micrometers.
    scale : sequence of float, optional
        Distance of neighbouring pixels per axis, in micrometers; 1 by default. (2, 1, 1) is a stack with
        planes twice as far apart as pixels.
    membrane_width : float
        Standard deviation of the brightness across a membrane, in micrometers.
    blur : float
        Standard deviation of the optical blur in the plane, in micrometers; along Z twice as much.
    photons : float
        Mean number of photons of a bright membrane pixel: the fewer, the stronger the Poisson noise.
    noise : float
        Standard deviation of the camera's noise, in grey values of 255.

    Returns
    -------
    SyntheticStack
        Membranes at about 180 of 255, cells at about 30; every pixel belongs to a cell.

    Raises
    ------
    ValueError
        A shape or a parameter out of bounds.
    """
    shape = check_shape(shape)
    spacing = check_scale((1.0,) * len(shape) if scale is None else scale, len(shape))
    _check_positive(cell_diameter=cell_diameter, membrane_width=membrane_width, photons=photons)
    _check_not_negative(blur=blur, noise=noise)
    extent = np.multiply(shape, spacing)
    seeds = _spread_seeds(extent, cell_diameter, rng)
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) * spacing
    labels, edge_distance = _voronoi(points, seeds)
    signal = 30 + 150 * np.exp(-0.5 * (edge_distance / membrane_width) ** 2) * _patchiness(shape, rng)
    sigma = [blur * (2 if axis < len(shape) - 2 else 1) / size for axis, size in enumerate(spacing)]
    signal = ndimage.gaussian_filter(signal, sigma)
    grey_per_photon = 180 / photons
    counts = rng.poisson(signal / grey_per_photon) * grey_per_photon + rng.normal(0, noise, shape)
    return SyntheticStack(np.clip(counts, 0, 255).astype(np.uint8), labels, spacing)


def _spread_seeds(extent: NDArray[Any], diameter: float, rng: np.random.Generator) -> NDArray[Any]:
    """Place one seed per box of a brick pattern, jittered; a margin of one cell lies outside of the image."""
    n_cells = np.ceil(extent / diameter).astype(int) + 2
    grid = np.stack(np.meshgrid(*map(np.arange, n_cells), indexing="ij"), axis=-1).reshape(-1, len(extent))
    bricks = grid.astype(float)
    for axis in range(1, len(extent)):
        bricks[:, axis] += 0.5 * (grid[:, axis - 1] % 2)
    return np.asarray((bricks - 0.75 + rng.uniform(-0.3, 0.3, bricks.shape)) * diameter)


def _voronoi(points: NDArray[Any], seeds: NDArray[Any]) -> tuple[NDArray[np.uint32], NDArray[Any]]:
    """Return labels from 1 of the nearest seed, and the distance of every point to the wall of its cell.

    A point's distance to the wall between its two nearest seeds a and b is (|p-b|^2 - |p-a|^2) / (2 |a-b|).
    """
    distances, nearest = cKDTree(seeds).query(points, k=2)
    between = np.linalg.norm(seeds[nearest[..., 0]] - seeds[nearest[..., 1]], axis=-1)
    wall = (distances[..., 1] ** 2 - distances[..., 0] ** 2) / (2 * between)
    _, labels = np.unique(nearest[..., 0], return_inverse=True)
    return (labels.reshape(points.shape[:-1]) + 1).astype(np.uint32), wall


def _patchiness(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    """Return slow variations of the staining, between about 0.6 and 1.4."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), 4, mode="wrap")
    return np.asarray(1 + 0.2 * np.clip(field / (field.std() or 1.0), -2, 2))


def _check_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not (number > 0 and math.isfinite(number)):
            raise ValueError(f"{name}: expected a positive number, got {number}")


def _check_not_negative(**numbers: float) -> None:
    for name, number in numbers.items():
        if not (number >= 0 and math.isfinite(number)):
            raise ValueError(f"{name}: expected a number of at least 0, got {number}")
