"""Train `ovules`: 3D membranes at the size of the paper's network, on synthetic tissue alone, every cell known.

For a GPU; nobody has trained it yet. The first command does, the second goes on, the last two decide whether the model
is kept: only if the error of embedding edges falls on the hard stacks and does not rise on the root.

    python pretraining/ovules.py CELLS --out RUN --minutes 600 --release FOLDER
    python pretraining/ovules.py CELLS --out RUN --minutes 1200 --resume --release FOLDER
    python benchmarks/membranes.py DATA --model ovules-small
    python benchmarks/membranes.py DATA --model FOLDER/ovules.safetensors

Network, patch, batch, rate and number of steps are the paper's for its ovules; it trains on the device that there is,
in the precision that suits it. Voxel size, staining and augmentation are those of `ovules-small`, so that both are
compared on the same grid. There are eight times as many stacks (`tissue_pool.py`): they are made when the run begins,
in a few minutes of one core, and kept in its folder. Ctrl-C ends the run after its step, and `--resume` goes on as
if it had never ended. CELLS is as in `ovules_small.py`, DATA as in the benchmark; `--minutes` counts from the start of
the run.

With 65 MB the model is a release file, outside of the repository and the wheel. `--release` writes it, the averaged
weights with their card, as FOLDER/ovules.safetensors, with FOLDER/ovules.safetensors.sha256 beside it, and the log
beside this script. It is used by its path, and refused if it is not what the checksum beside it says:

    cd FOLDER && sha256sum -c ovules.safetensors.sha256
    napari-spoco train stack.tif -a painted.tif --start-from FOLDER/ovules.safetensors --out run
"""

from __future__ import annotations

from pathlib import Path

from ovules_small import CONFIG as SMALL
from runs import read_options, release, run
from tissue_pool import REPLAY, VOXEL_SIZE, PoolSize, read_pool

LOG = Path(__file__).with_suffix(".csv")
POOL = PoolSize(192)
PAPER = {"max_steps": 200_000, "learning_rate": 2e-4, "batch_size": 8, "patch_shape": (40, 64, 64)}
CONFIG = SMALL.model_copy(update={**PAPER, "feature_maps": (64, 128, 256, 512)})


def main() -> None:
    """Train, and write the release file if asked to."""
    options = read_options(__doc__, "cells", seed=CONFIG.seed, is_shipped=False)
    images, annotations = read_pool(options.out / "pool.npz", options.cells, options.seed, POOL)
    result = run(options, images, annotations, CONFIG, voxel_size=VOXEL_SIZE, units=("micrometer",) * 3)
    if options.release:
        release(result, "ovules", LOG, options.release, replay=REPLAY, method="edges")


if __name__ == "__main__":
    main()
