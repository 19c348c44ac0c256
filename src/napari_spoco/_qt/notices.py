"""What the window says about a training, in sentences. Pure; knows neither Qt nor napari."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from napari_spoco.training.reports import ScoreReport, TrainingFinished, TrainingStarted

Tone = Literal["plain", "good", "bad"]

_SCORE_HELP = (
    "Some of the painted objects are left out: the network is not shown them. The score is how far what it finds there "
    "agrees with what was painted (IoU): 1 is perfect, 0 is nothing. The last model is kept, unless an earlier "
    "one was clearly better."
)
"""Tooltip of the score."""


@dataclass(frozen=True)
class Notice:
    """A sentence for the user; `details` is for a report."""

    text: str
    tone: Tone = "plain"
    details: str = ""


def started(message: TrainingStarted) -> Notice:
    """Say on what is trained."""
    left_out = f", {message.n_left_out} of them left out to score it" if message.n_left_out else ""
    resumed = f", from step {message.first_step} on" if message.first_step > 1 else ""
    return Notice(f"Training on {_objects(message.n_objects)}{left_out} ({message.device}){resumed}.")


def finished(message: TrainingFinished, score: ScoreReport | None) -> Notice:
    """Say how a training ended, which model is in use, and how good it is."""
    ended = f"{'Stopped' if message.stopped else 'Done'} after {message.n_steps} steps."
    if message.best_step == 0:
        return Notice(f"{ended} The model it started from is still the better one and stays in use.", "good")
    if message.best_step is None:
        return Notice(ended, "good")
    best = f" (highest score {score.best_score:.2f})" if score is not None else ""
    return Notice(f"{ended} Best model from step {message.best_step}{best}.", "good")


def killed(*, can_resume: bool) -> Notice:
    """Say what is left of a training that was ended at once."""
    if can_resume:
        return Notice("The training was ended at once. It can be resumed from its last autosave.")
    return Notice("The training was ended at once; nothing of it is kept.")


def model_summary(message: TrainingFinished, before: str) -> str:
    """Describe the model of a training in a line; `before` is what the model in use until then was called."""
    if message.best_step == 0:
        return before
    best = "" if message.best_step is None else f", best of them from step {message.best_step}"
    return f"{message.n_steps} steps of training{best}"


def score_line(report: ScoreReport) -> str:
    """Say how well left-out objects are found."""
    return f"Score on {report.n_objects} left-out {_plural(report.n_objects)}: {report.score:.2f} " + (
        "(the best)" if report.is_best else f"(highest {report.best_score:.2f})"
    )


def score_help(report: ScoreReport) -> str:
    """Explain the score, with its parts."""
    return (
        f"{_SCORE_HELP}\n\nStep {report.step}: {report.soft_iou:.2f} by one click on an object, "
        f"{report.clustered_iou:.2f} by segmenting its surroundings; the score is made of both."
    )


def _objects(n_objects: int) -> str:
    return f"{n_objects} {_plural(n_objects)}"


def _plural(n_objects: int) -> str:
    return "object" if n_objects == 1 else "objects"
