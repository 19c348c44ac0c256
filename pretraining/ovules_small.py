"""Train the shipped model `ovules-small`: 3D membranes, on synthetic tissue alone, every cell known.

The stacks (`tissue_pool.py`) are made when the run begins, from its seed, and kept in its folder. Ctrl-C ends the run
after its step, and `--resume` goes on as if it had never ended:

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

from runs import read_options, run, ship
from tissue_pool import REPLAY, VOXEL_SIZE, PoolSize, read_pool

from napari_spoco import TrainingConfig
from napari_spoco.config import AugmentationConfig, LossConfig, ValidationConfig

LOG = Path(__file__).with_suffix(".csv")
POOL = PoolSize(24)
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
    images, annotations = read_pool(options.out / "pool.npz", options.cells, options.seed, POOL)
    result = run(options, images, annotations, CONFIG, voxel_size=VOXEL_SIZE, units=("micrometer",) * 3)
    if options.ship:
        ship(result, "ovules-small", LOG, replay=REPLAY, method="edges")


if __name__ == "__main__":
    main()
