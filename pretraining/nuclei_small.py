"""Train the shipped model `nuclei-small`: 2D fluorescent nuclei, every object of the pool annotated.

The pool is the CC0 collection of the 2018 Data Science Bowl without the images of the demo (no tile of one image is in
both). The run is kept in a folder; Ctrl-C ends it after its step, and `--resume` goes on as if it had never ended:

    python pretraining/nuclei_small.py POOL --out RUN --minutes 25
    python pretraining/nuclei_small.py POOL --out RUN --minutes 50 --resume --ship

POOL holds `images/*.tif` and `labels/*.tif` of the same names; `--minutes` counts from the start of the run. The
averaged weights become the shipped model, and the log beside this script that of the run, only with `--ship`.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spoco import EmbeddingModel, SparseAnnotations, TrainingConfig, load_model, read_labels, save_model
from napari_spoco.cli.interruption import Interruption
from napari_spoco.config import AugmentationConfig, LossConfig, ValidationConfig
from napari_spoco.data.images import read_image
from napari_spoco.models.registry import shipped_path
from napari_spoco.training.devices import limit_threads
from napari_spoco.training.reports import LossTerms
from napari_spoco.training.trainer import Trainer

if TYPE_CHECKING:
    from napari_spoco.training.trainer import TrainingResult

LOG = Path(__file__).with_suffix(".csv")
STEPS_PER_ROW = 50
LEAST_OBJECTS = 2
CONFIG = TrainingConfig(
    max_steps=1_000_000,
    learning_rate=1e-3,
    batch_size=8,
    feature_maps=(16, 32, 64, 128),
    patch_shape=(128, 128),
    preview_seconds=1e9,
    # A run that starts from an earlier one goes on at the full rate.
    fine_tuning_factor=1.0,
    # Nothing is unlabeled, so there is nothing for the teacher to agree on.
    loss=LossConfig(supervision="dense", consistency_weight=0.0),
    augmentation=AugmentationConfig(scaling=0.3, gamma=0.5),
    validation=ValidationConfig(left_out="none"),
)


def main() -> None:
    """Train, and ship the averaged weights if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=CONFIG.seed)
    parser.add_argument("--start-from", default=None, help="model file, or name of a shipped model")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--ship", action="store_true", help="replace the shipped model and its log")
    options = parser.parse_args()
    limit_threads(None)
    images, annotations = read_pool(options.pool)
    config = CONFIG.model_copy(update={"max_minutes": options.minutes, "seed": options.seed})
    start = load_model(options.start_from) if options.start_from else None
    trainer = Trainer(images, annotations, start_from=start, config=config, folder=options.out, resume=options.resume)
    with Interruption("Stopping after this step.") as interruption:
        for _ in trainer.run(interruption.is_asked):
            pass
        result = trainer.result()
    history = result.model.card.history
    print(f"{result.path}: {history.steps} steps in {history.seconds:.0f} s, best step {result.best_step}")
    if options.ship:
        print(f"Shipped as {ship(result)}")


def read_pool(folder: Path) -> tuple[list, list[SparseAnnotations]]:
    """Read all images with at least two objects, fully annotated."""
    images, annotations = [], []
    for path in sorted((folder / "images").glob("*.tif")):
        labels = read_labels(folder / "labels" / path.name)
        dense = SparseAnnotations.from_labels(labels, dense=True)
        if dense.n_objects >= LEAST_OBJECTS:
            images.append(read_image(path, ndim=2).data)
            annotations.append(dense)
    return images, annotations


def ship(result: TrainingResult) -> Path:
    """Write the averaged weights as the shipped model, and the terms of the loss beside this script."""
    model = result.model
    if model.teacher is None:
        raise AssertionError("the model of this training has a teacher")
    rows = [report for report in result.reports if report.step % STEPS_PER_ROW == 0]
    with LOG.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "seconds", "rate", *(field.name for field in fields(LossTerms))])
        for row in rows:
            terms = (f"{value:.4f}" for value in vars(row.terms).values())
            writer.writerow([row.step, round(row.elapsed), f"{row.learning_rate:.2e}", *terms])
    return save_model(EmbeddingModel(model.teacher, model.card), shipped_path("nuclei-small"))


if __name__ == "__main__":
    main()
