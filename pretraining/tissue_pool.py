"""The stacks that models of membranes are trained on: every cell known, at one voxel size, made from a seed.

Half of the stacks have synthetic cells; the others show the cells of a real ovule in one part of its volume, each time
with other staining. Stack i of a seed is the same in a pool of any number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_spoco import SparseAnnotations, read_labels
from napari_spoco.data.annotations import BACKGROUND, IGNORE
from napari_spoco.data.tissue_geometry import TissueGeometry, grow_cells
from napari_spoco.data.tissue_rendering import CLEAN, HARD, MembraneAppearance, render_membranes
from napari_spoco.data.writers import atomic_path
from napari_spoco.models.checkpoint import ReplaySpec

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VOXEL_SIZE = (0.235, 0.3, 0.3)
"""Half the resolution of the real ovule in the plane: cells fit into the field of view, and a step costs a quarter."""
LEAST_PIXELS = 30
TRAINING_PART = 190
"""Columns of the real geometry, at `VOXEL_SIZE`, that are trained on; the others are left for evaluation."""
REPLAY = ReplaySpec(source="membranes", n_images=4, shape=(48, 128, 128), voxel_size=VOXEL_SIZE)


class PoolSize(NamedTuple):
    """How many stacks, and their voxels along Z, Y, X."""

    n_stacks: int
    shape: tuple[int, ...] = (64, 128, 128)


def read_pool(path: Path, cells: Path, seed: int, size: PoolSize) -> tuple[list[NDArray[Any]], list[SparseAnnotations]]:
    """Return the stacks of the run, which are made when it begins, fully annotated.

    Parameters
    ----------
    path
        File of the pool (.npz); it is made if it is not there, and read as it is otherwise.
    cells
        TIFF with the labels of the real ovule, at 0.235 x 0.15 x 0.15 micrometers.
    seed, size
        Of the stacks, if they are made.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            np.savez(temporary, **make_pool(read_labels(cells)[:, ::2, ::2], seed, size))
    with np.load(path) as pool:
        names = sorted(name for name in pool.files if name.startswith("image"))
        images = [pool[name] for name in names]
        labels = [pool[name.replace("image", "labels")] for name in names]
    return images, [fully_annotated(array) for array in labels]


def fully_annotated(labels: NDArray[Any]) -> SparseAnnotations:
    """State that everything is known, but for the tips of cells that the border of the stack leaves."""
    sizes = np.bincount(labels.ravel())
    stated = np.where(labels > 0, labels, BACKGROUND)
    return SparseAnnotations(np.where(sizes[labels] < LEAST_PIXELS, IGNORE, stated).astype(np.int32))


def make_pool(real_cells: NDArray[Any], seed: int, size: PoolSize) -> dict[str, NDArray[Any]]:
    """Make as many stacks with synthetic cells as with real ones, each with a staining of its own."""
    arrays = {}
    for index in range(size.n_stacks):
        rng = np.random.default_rng((seed, index))
        labels = some_synthetic_cells(size.shape, rng) if index % 2 else some_real_cells(real_cells, size.shape, rng)
        arrays[f"image{index:03}"] = render_membranes(labels, scale=VOXEL_SIZE, rng=rng, appearance=some_look(rng))
        arrays[f"labels{index:03}"] = labels.astype(np.uint16)
    return arrays


def some_synthetic_cells(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.uint32]:
    """Grow a tissue, half of the time with some outside of it."""
    geometry = TissueGeometry(
        cell_diameter=TissueGeometry().cell_diameter * rng.uniform(0.9, 1.12),
        size_spread=rng.uniform(0.35, 0.6),
        stretch=rng.uniform(1.1, 1.8),
        bending=rng.uniform(0.2, 1.2),
        outside=rng.choice([0.0, rng.uniform(0.1, 0.5)]),
    )
    return grow_cells(shape, scale=VOXEL_SIZE, rng=rng, geometry=geometry)


def some_real_cells(cells: NDArray[Any], shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    """Cut a box out of the part of the real ovule that is trained on, most of it tissue."""
    usable = cells[..., :TRAINING_PART]
    while True:
        start = [rng.integers(n - m + 1) for n, m in zip(usable.shape, shape, strict=True)]
        box = usable[tuple(slice(a, a + m) for a, m in zip(start, shape, strict=True))]
        if (box > 0).mean() > 0.5:
            return box


def some_look(rng: np.random.Generator) -> MembraneAppearance:
    """Draw each property between that of a clean and somewhat beyond that of a hard stack."""
    toward_hard = rng.uniform(0, 1)
    clean, hard = CLEAN.model_dump(), HARD.model_dump()
    drawn = {
        name: clean[name] + (hard[name] - clean[name]) * np.clip(toward_hard + rng.uniform(-0.5, 0.5), 0, 1.2)
        for name in clean
    }
    exposure = rng.choice([1.0, rng.uniform(0.3, 1)])
    for name in ("membrane", "interior", "outside", "cell_variation", "nucleoli", "texture", "noise"):
        drawn[name] *= exposure
    widths = {"membrane_width": rng.uniform(0.75, 1.4), "face_variation": rng.uniform(0.1, 0.5)}
    return MembraneAppearance(**drawn | widths)
