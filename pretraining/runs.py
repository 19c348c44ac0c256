"""The runs of our models: their options, how they are trained, and what they leave in the repository or as release."""

from __future__ import annotations

import argparse
import csv
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_spoco import EmbeddingModel, load_model, save_model
from napari_spoco.cli.interruption import Interruption
from napari_spoco.models.checksum import write_checksum
from napari_spoco.models.registry import shipped_path
from napari_spoco.training.devices import limit_threads
from napari_spoco.training.reports import LossTerms
from napari_spoco.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco import SparseAnnotations, TrainingConfig
    from napari_spoco.training.trainer import TrainingResult

STEPS_PER_ROW = 50


def read_options(description: str | None, source: str, *, seed: int, is_shipped: bool = True) -> argparse.Namespace:
    """Read the options of a run; `source` names the one argument, `seed` is the usual one.

    A model that does not ship with the package has `--release FOLDER` in the place of `--ship`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(source, type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--start-from", default=None, help="model file, or name of a shipped model")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    if is_shipped:
        parser.add_argument("--ship", action="store_true", help="replace the shipped model and its log")
    else:
        parser.add_argument("--release", type=Path, metavar="FOLDER", help="write the release file and replace the log")
    return parser.parse_args()


def run(
    options: argparse.Namespace,
    images: Sequence[NDArray[Any]],
    annotations: Sequence[SparseAnnotations],
    config: TrainingConfig,
    **voxels: Any,
) -> TrainingResult:
    """Train until the time is over or Ctrl-C is pressed; `voxels` are voxel size and units, if they are known."""
    limit_threads(None)
    trainer = Trainer(
        images,
        annotations,
        start_from=load_model(options.start_from) if options.start_from else None,
        config=config.model_copy(update={"max_minutes": options.minutes, "seed": options.seed}),
        folder=options.out,
        resume=options.resume,
        **voxels,
    )
    with Interruption("Stopping after this step.") as interruption:
        for _ in trainer.run(interruption.is_asked):
            pass
        result = trainer.result()
    history = result.model.card.history
    print(f"{result.path}: {history.steps} steps in {history.seconds:.0f} s")
    return result


def ship(result: TrainingResult, name: str, log: Path, **card: object) -> None:
    """Write the averaged weights as the shipped model of that name, with fields of its card, and every 50th step."""
    path = save_model(averaged(result.model, card), shipped_path(name))
    write_log(result, log)
    print(f"Shipped as {path}")


def release(result: TrainingResult, name: str, log: Path, folder: Path, **card: object) -> None:
    """Write the same as `ship`, but the model into a folder of one's choice, with its checksum beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = save_model(averaged(result.model, card), folder / f"{name}.safetensors")
    checksum = write_checksum(path)
    write_log(result, log)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, SHA-256 {checksum}")


def averaged(model: EmbeddingModel, card: dict[str, object]) -> EmbeddingModel:
    """Return the model of the teacher alone, with fields of its card."""
    if model.teacher is None:
        raise AssertionError("the model of this training has a teacher")
    return EmbeddingModel(model.teacher, model.card.model_copy(update=card))


def write_log(result: TrainingResult, path: Path) -> None:
    """Write every 50th step of the run."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "seconds", "rate", *(field.name for field in fields(LossTerms))])
        for report in result.reports:
            if report.step % STEPS_PER_ROW == 0:
                terms = (f"{value:.4f}" for value in vars(report.terms).values())
                writer.writerow([report.step, round(report.elapsed), f"{report.learning_rate:.2e}", *terms])
