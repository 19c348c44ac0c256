"""What a run leaves in the repository: the averaged weights as a shipped model, and the course of its loss."""

from __future__ import annotations

import csv
from dataclasses import fields
from typing import TYPE_CHECKING

from napari_spoco import EmbeddingModel, save_model
from napari_spoco.models.registry import shipped_path
from napari_spoco.training.reports import LossTerms

if TYPE_CHECKING:
    from pathlib import Path

    from napari_spoco.training.trainer import TrainingResult

STEPS_PER_ROW = 50


def ship(result: TrainingResult, name: str, log: Path, **card: object) -> Path:
    """Write the averaged weights as the shipped model of that name, with fields of its card, and every 50th step."""
    model = result.model
    if model.teacher is None:
        raise AssertionError("the model of this training has a teacher")
    with log.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "seconds", "rate", *(field.name for field in fields(LossTerms))])
        for report in result.reports:
            if report.step % STEPS_PER_ROW == 0:
                terms = (f"{value:.4f}" for value in vars(report.terms).values())
                writer.writerow([report.step, round(report.elapsed), f"{report.learning_rate:.2e}", *terms])
    return save_model(EmbeddingModel(model.teacher, model.card.model_copy(update=card)), shipped_path(name))
