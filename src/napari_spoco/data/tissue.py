"""Stacks like those of a plant ovule, membranes or nuclei, whose instances are known exactly.

Sizes, shapes and grey levels are measured on real stacks; `synthetic` has a plainer and faster tissue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spoco.data.grid import check_scale, check_shape
from napari_spoco.data.nuclei import NucleusAppearance, place_nuclei, render_nuclei
from napari_spoco.data.synthetic import SyntheticStack
from napari_spoco.data.tissue_geometry import TissueGeometry, grow_cells
from napari_spoco.data.tissue_rendering import CLEAN, MembraneAppearance, render_membranes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

OVULE_SCALE = (0.235, 0.15, 0.15)
"""Micrometers along Z, Y, X of the stacks that the defaults are measured on."""


def tissue_stack(
    shape: Sequence[int] = (96, 192, 192),
    *,
    rng: np.random.Generator,
    scale: Sequence[float] | None = None,
    geometry: TissueGeometry | None = None,
    appearance: MembraneAppearance = CLEAN,
) -> SyntheticStack:
    """Make a plant tissue with stained membranes, as a confocal microscope shows an ovule.

    Parameters
    ----------
    shape : sequence of int
        Pixels along (Y, X) or (Z, Y, X).
    rng : numpy.random.Generator
        Draws cells, staining and noise; equal generators make equal stacks.
    scale : sequence of float, optional
        Distance of neighbouring pixels per axis, in micrometers; `OVULE_SCALE` by default.
    geometry : TissueGeometry, optional
        Sizes and shapes of the cells.
    appearance : MembraneAppearance
        Staining and microscope: one of `MEMBRANE_PRESETS`, or anything else.

    Returns
    -------
    SyntheticStack
        Membrane pixels belong to cells; label 0 is the outside of the tissue, if the geometry has one.

    Raises
    ------
    ValueError
        A shape or a scale out of bounds.
    """
    shape, spacing = _check_grid(shape, scale)
    labels = grow_cells(shape, scale=spacing, rng=rng, geometry=geometry)
    image = render_membranes(labels, scale=spacing, rng=rng, appearance=appearance)
    return SyntheticStack(image, labels, spacing)


def nuclei_stack(
    shape: Sequence[int] = (96, 192, 192),
    *,
    rng: np.random.Generator,
    scale: Sequence[float] | None = None,
    geometry: TissueGeometry | None = None,
    share: float = 0.15,
    appearance: NucleusAppearance | None = None,
) -> SyntheticStack:
    """Make the stained nuclei of a tissue.

    Parameters
    ----------
    shape, rng, scale, geometry
        As in `tissue_stack`; there is a nucleus in each cell.
    share : float
        Mean volume of a nucleus by that of its cell: 0.15 leaves space in between, above 0.5 they touch.
    appearance : NucleusAppearance, optional
        Staining and microscope.

    Returns
    -------
    SyntheticStack
        Label 0 lies between the nuclei.

    Raises
    ------
    ValueError
        A shape, a scale or a share out of bounds.
    """
    shape, spacing = _check_grid(shape, scale)
    cells = grow_cells(shape, scale=spacing, rng=rng, geometry=geometry)
    labels = place_nuclei(cells, scale=spacing, rng=rng, share=share)
    return SyntheticStack(render_nuclei(labels, scale=spacing, rng=rng, appearance=appearance), labels, spacing)


def _check_grid(shape: Sequence[int], scale: Sequence[float] | None) -> tuple[tuple[int, ...], tuple[float, ...]]:
    pixels = check_shape(shape)
    return pixels, check_scale(OVULE_SCALE[-len(pixels) :] if scale is None else scale, len(pixels))
