"""Train the shipped model `nuclei-small`: 2D fluorescent nuclei, every object of the pool annotated.

The pool is the CC0 collection of the 2018 Data Science Bowl without the images of the demo (no tile of one image is in
both). The run is kept in a folder; Ctrl-C ends it after its step, and `--resume` goes on as if it had never ended:

    python pretraining/nuclei_small.py POOL --out RUN --minutes 25 --start-from nuclei-small
    python pretraining/nuclei_small.py POOL --out RUN --minutes 50 --resume --ship

POOL holds `images/*.tif` and `labels/*.tif` of the same names; `--minutes` counts from the start of the run. The
averaged weights become the shipped model, and the log beside this script that of the run, only with `--ship`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from runs import read_options, run, ship
from skimage.transform import resize

from napari_spoco import SparseAnnotations, TrainingConfig, read_labels
from napari_spoco.config import AugmentationConfig, LossConfig, ValidationConfig
from napari_spoco.data.images import read_image
from napari_spoco.models.checkpoint import ReplaySpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.models.checkpoint import TrainingHistory

LOG = Path(__file__).with_suffix(".csv")
LEAST_OBJECTS = 2
DIAMETER, NEAR = 19.0, 1.5
"""Pixels, and by which factor the nuclei of an image may differ from it to count as near."""
CROWDED, TILE, REPEATS = 20, 90_000, 12
CARD = {
    # Read-out and radius were chosen on the training images of the demo (benchmarks/nuclei.py). A mutex watershed has
    # .790 / .797 there (a watershed .784 / .803), but is behind after fine-tuning (README).
    "method": "watershed",
    "foreground": "embedding",
    "foreground_radius": 3.4,
    "replay": ReplaySpec(source="nuclei", n_images=14),
}
CONFIG = TrainingConfig(
    max_steps=1_000_000,
    learning_rate=3e-4,
    batch_size=4,
    feature_maps=(16, 32, 64, 128),
    patch_shape=(128, 128),
    preview_seconds=1e9,
    # A run that starts from an earlier one goes on at the full rate.
    fine_tuning_factor=1.0,
    # Nothing is unlabeled, so there is nothing for the teacher to agree on.
    loss=LossConfig(supervision="dense", consistency_weight=0.0, instance_anchor="mean"),
    # How bright a nucleus is beside the others tells whether it was worth annotating: weak changes of contrast.
    augmentation=AugmentationConfig(scaling=0.3, gamma=0.2, contrast=0.1, noise=0.02, blur=0.7),
    validation=ValidationConfig(left_out="none"),
)


def main() -> None:
    """Train, and ship the averaged weights if asked to."""
    options = read_options(__doc__, "pool", seed=CONFIG.seed)
    images, annotations = read_pool(options.pool)
    result = run(options, images, annotations, CONFIG)
    if options.ship:
        ship(result, "nuclei-small", LOG, **CARD, history=count(annotations, result.model.card.history))


def read_pool(folder: Path) -> tuple[list[NDArray[np.float32]], list[SparseAnnotations]]:
    """Read all images with at least two objects, fully annotated, brought closer to one scale.

    Half-way, on a logarithmic scale, to nuclei of `DIAMETER`; crowded images that were near it count `REPEATS` times,
    as most of the pool is of isolated nuclei.
    """
    images, annotations = [], []
    for path in sorted((folder / "images").glob("*.tif")):
        labels = read_labels(folder / "labels" / path.name)
        if len(np.unique(labels)) <= LEAST_OBJECTS:  # 0 is among them
            continue
        image = read_image(path, ndim=2).data[0].astype(np.float32)
        factor = DIAMETER / np.sqrt(np.median(np.unique(labels[labels > 0], return_counts=True)[1]) * 4 / np.pi)
        shape = np.rint(np.array(labels.shape) * np.sqrt(factor)).astype(int)
        resampled = resize(labels, shape, order=0, preserve_range=True, anti_aliasing=False).astype(labels.dtype)
        dense = SparseAnnotations.from_labels(resampled, dense=True)
        is_near = 1 / NEAR < factor < NEAR and dense.n_objects >= CROWDED and labels.size <= TILE
        for _ in range(REPEATS if is_near else 1):
            images.append(resize(image, shape, order=1, preserve_range=True, anti_aliasing=bool(factor < 1)))
            annotations.append(dense)
    if not images:
        raise ValueError(f"pool: expected images/*.tif with objects in {folder}, got none")
    return images, annotations


def count(annotations: list[SparseAnnotations], history: TrainingHistory) -> TrainingHistory:
    """Correct what a run has seen: images that were repeated count once."""
    pool = {id(dense): dense.n_objects for dense in annotations}
    return history.model_copy(update={"n_images": len(pool), "n_objects": sum(pool.values())})


if __name__ == "__main__":
    main()
