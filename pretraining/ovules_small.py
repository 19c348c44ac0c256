"""Train the shipped model `ovules-small`: 3D membranes, on synthetic tissue alone, every cell known.

Half of the stacks have synthetic cells; the others show the cells of a real ovule in one part of its volume, each time
with other staining. The stacks are made at the voxel size of the model, from the seed, and kept in the folder of the
run. Ctrl-C ends the run after its step, and `--resume` goes on as if it had never ended:

    python pretraining/ovules_small.py CELLS --out RUN --minutes 25
    python pretraining/ovules_small.py CELLS --out RUN --minutes 75 --resume --ship

CELLS is the TIFF with the labels of the real ovule (MIT; `resources/sample_cells.h5` of pytorch-3dunet) at
0.235 x 0.15 x 0.15 micrometers; `--minutes` counts from the start of the run. The averaged weights become the shipped
model, and the log beside this script that of the run, only with `--ship`. That of the shipped model is of three runs,
one after the other, each on new stacks and from the last one's model:

    python pretraining/ovules_small.py CELLS --out FIRST --minutes 88
    python pretraining/ovules_small.py CELLS --out SECOND --minutes 97 --seed 1 --start-from FIRST/last.safetensors
    python pretraining/ovules_small.py CELLS --out END --minutes 38 --seed 2 --start-from SECOND/last.safetensors --ship
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from runs import read_options, run, ship

from napari_spoco import SparseAnnotations, TrainingConfig, read_labels
from napari_spoco.config import AugmentationConfig, LossConfig, ValidationConfig
from napari_spoco.data.annotations import BACKGROUND, IGNORE
from napari_spoco.data.tissue_geometry import TissueGeometry, grow_cells
from napari_spoco.data.tissue_rendering import CLEAN, HARD, MembraneAppearance, render_membranes
from napari_spoco.models.checkpoint import ReplaySpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOG = Path(__file__).with_suffix(".csv")
VOXEL_SIZE = (0.235, 0.3, 0.3)
"""Half the resolution of the real ovule in the plane: cells fit into the field of view, and a step costs a quarter."""
LEAST_PIXELS = 30
STACK_SHAPE, N_STACKS = (64, 128, 128), 24
TRAINING_PART = 190
"""Columns of the real geometry, at `VOXEL_SIZE`, that are trained on; the others are left for evaluation."""
REPLAY = ReplaySpec(source="membranes", n_images=4, shape=(48, 128, 128), voxel_size=VOXEL_SIZE)
CONFIG = TrainingConfig(
    max_steps=1_000_000,
    learning_rate=1e-3,
    batch_size=1,
    feature_maps=(16, 32, 64, 128),
    norm="group",
    patch_shape=(32, 64, 64),
    preview_seconds=1e9,
    # A run that starts from an earlier one goes on at the full rate.
    fine_tuning_factor=1.0,
    # Nothing is unlabeled, so there is nothing for the teacher to agree on.
    loss=LossConfig(supervision="dense", consistency_weight=0.0),
    augmentation=AugmentationConfig(scaling=0.3, gamma=0.6, blur=1.0, noise=0.08),
    validation=ValidationConfig(left_out="none"),
)


def main() -> None:
    """Train, and ship the averaged weights if asked to."""
    options = read_options(__doc__, "cells", seed=CONFIG.seed)
    images, annotations = read_pool(options.out / "pool.npz", options.cells, options.seed)
    result = run(options, images, annotations, CONFIG, voxel_size=VOXEL_SIZE, units=("micrometer",) * 3)
    if options.ship:
        ship(result, "ovules-small", LOG, replay=REPLAY, method="edges")


def read_pool(path: Path, cells: Path, seed: int) -> tuple[list[NDArray[Any]], list[SparseAnnotations]]:
    """Return the stacks of the run, which are made when it begins, fully annotated."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **make_pool(read_labels(cells)[:, ::2, ::2], seed))
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


def make_pool(real_cells: NDArray[Any], seed: int) -> dict[str, NDArray[Any]]:
    """Make as many stacks with synthetic cells as with real ones, each with a staining of its own."""
    arrays = {}
    for index in range(N_STACKS):
        rng = np.random.default_rng((seed, index))
        labels = some_synthetic_cells(rng) if index % 2 else some_real_cells(real_cells, rng)
        arrays[f"image{index:03}"] = render_membranes(labels, scale=VOXEL_SIZE, rng=rng, appearance=some_look(rng))
        arrays[f"labels{index:03}"] = labels.astype(np.uint16)
    return arrays


def some_synthetic_cells(rng: np.random.Generator) -> NDArray[np.uint32]:
    """Grow a tissue, half of the time with some outside of it."""
    geometry = TissueGeometry(
        cell_diameter=TissueGeometry().cell_diameter * rng.uniform(0.9, 1.12),
        size_spread=rng.uniform(0.35, 0.6),
        stretch=rng.uniform(1.1, 1.8),
        bending=rng.uniform(0.2, 1.2),
        outside=rng.choice([0.0, rng.uniform(0.1, 0.5)]),
    )
    return grow_cells(STACK_SHAPE, scale=VOXEL_SIZE, rng=rng, geometry=geometry)


def some_real_cells(cells: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Cut a box out of the part of the real ovule that is trained on, most of it tissue."""
    usable = cells[..., :TRAINING_PART]
    while True:
        start = [rng.integers(n - m + 1) for n, m in zip(usable.shape, STACK_SHAPE, strict=True)]
        box = usable[tuple(slice(a, a + m) for a, m in zip(start, STACK_SHAPE, strict=True))]
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


if __name__ == "__main__":
    main()
