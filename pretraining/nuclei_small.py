"""Train the shipped model `nuclei-small`: 2D fluorescent nuclei, every object of the pool annotated.

The pool is the CC0 collection of the 2018 Data Science Bowl without the images of the demo (no tile of one image is in
both). A run is ended by Ctrl-C or by its minutes, keeps its model either way, and `--resume` goes on from it:

    python pretraining/nuclei_small.py POOL --minutes 25
    python pretraining/nuclei_small.py POOL --minutes 25 --resume

POOL holds `images/*.tif` and `labels/*.tif` of the same names. The log grows beside this script.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import asdict
from pathlib import Path

from napari_spoco import EmbeddingModel, SparseAnnotations, TrainingConfig, load_model, read_labels, save_model
from napari_spoco.config import AugmentationConfig, LossConfig
from napari_spoco.data.images import read_image
from napari_spoco.models.registry import shipped_path
from napari_spoco.training.devices import limit_threads
from napari_spoco.training.reports import StepReport
from napari_spoco.training.trainer import Trainer

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
    # Nothing is unlabeled, so there is nothing for the teacher to agree on.
    loss=LossConfig(consistency_weight=0.0),
    augmentation=AugmentationConfig(scaling=0.3, gamma=0.5),
)


def main() -> None:
    """Train, log, and keep the averaged weights as the shipped model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--resume", action="store_true", help="go on from the shipped model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help="instead of the shipped model")
    options = parser.parse_args()
    out = options.out or shipped_path("nuclei-small")
    limit_threads(None)
    images, annotations = read_pool(options.pool)
    config = CONFIG.model_copy(update={"max_minutes": options.minutes, "seed": options.seed})
    trainer = Trainer(images, annotations, config=config, start_from=load_model(out) if options.resume else None)
    try:
        for report in trainer.run():
            if isinstance(report, StepReport) and report.step % STEPS_PER_ROW == 0:
                log(report)
    except KeyboardInterrupt:
        print("Stopped; the model is kept.")
    model = trainer.result().model
    if model.teacher is None:
        raise AssertionError("a trained model has a teacher")
    save_model(EmbeddingModel(model.teacher, model.card), out)
    print(f"{out}: {model.card.history.steps} steps in {model.card.history.seconds:.0f} s")


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


def log(report: StepReport) -> None:
    """Append a row of the terms of the loss."""
    row = {"step": report.step, "seconds": round(report.elapsed), "rate": f"{report.learning_rate:.2e}"}
    row |= {name: f"{value:.4f}" for name, value in asdict(report.terms).items()}
    is_new = not LOG.exists()
    with LOG.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if is_new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
