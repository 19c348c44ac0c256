"""What a training leaves: the picture of its course, and a few lines that say which model is to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from napari_spoco.cli.terminal import console
from napari_spoco.training.verdict import change_in_words, doubt, score_change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_spoco.training.trainer import TrainingResult

_CONTENTS = {
    "best.safetensors": "best model by the objects left out",
    "last.safetensors": "model at the end",
    "loss.png": "terms of the loss, and the score",
    "log.csv": "the same in numbers, a row per step",
    "scores.csv": "a row per score",
    "config.json": "settings, for --config",
    "state.pt": "what --resume goes on from",
}


def tell(result: TrainingResult, folder: Path) -> None:
    """Draw the course of the training into its folder, and print what there is to know."""
    from napari_spoco.pictures import draw_losses

    if result.reports:
        draw_losses(folder / "loss.png", result.reports, result.scores)
    table = Table(show_header=False, box=None)
    for name, what in _CONTENTS.items():
        if (folder / name).exists():
            table.add_row(f"  {name}", what)
    for line in (*outcome_lines(result), f"{folder} holds"):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(table)


def outcome_lines(result: TrainingResult) -> tuple[str, ...]:
    """Say how the training went, how good the model is, how far that can be trusted, and which model is to be used."""
    return (_loss_line(result), *_doubt_line(result), _score_line(result), model_line(result))


def model_line(result: TrainingResult) -> str:
    """Say which model is the one to use."""
    if result.best_step == 0:
        why = "scored higher and is kept" if result.reports else "is kept"
        return f"The model you started from {why}: {result.path}"
    if result.best_step is None:
        return f"The model to use is the last one: {result.path}"
    return f"The model to use is the best one, of step {result.best_step}: {result.path}"


def _loss_line(result: TrainingResult) -> str:
    loss = f", loss {result.reports[-1].terms.total:.3f}" if result.reports else ""
    n_steps = len(result.reports)
    return f"{n_steps} step{'s' if n_steps != 1 else ''}{loss}{', stopped' if result.stopped else ''}"


def _score_line(result: TrainingResult) -> str:
    if not result.scores:
        return "There is no score: no objects were left out, or there were too few steps."
    change, last = score_change(result.scores, result.best_step), result.scores[-1]
    scores = change_in_words(change) if change else f"best {last.best_score:.3f}, last {last.score:.3f}"
    return f"Score on objects left out (1 is perfect): {scores}"


def _doubt_line(result: TrainingResult) -> Iterator[str]:
    if score_change(result.scores, result.best_step) and (unsure := doubt(len(result.reports), result.scores[-1])):
        yield f"{unsure[0]}. {unsure[1]}"
