"""What the window says, in sentences. Pure; knows neither Qt nor napari."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_spoco.config import Parameters
from napari_spoco.models.registry import RUN_MODELS
from napari_spoco.training.verdict import FEWEST_STEPS, change_in_words, doubt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_spoco.training.reports import ScoreReport, StepReport, TrainingFinished, TrainingStarted

Tone = Literal["plain", "good", "bad"]

EXPECTED = (ValueError, OSError)
"""What input and files can be blamed for: its text is a sentence. Of anything else the kind is told, too."""
_SCORE_HELP = (
    "Some of the painted objects are left out: the network is not shown them. The score is how far what it finds there "
    "agrees with what was painted (IoU): 1 is perfect, 0 is nothing. The last model is kept, unless an earlier "
    "one was clearly better."
)
"""Tooltip of the score."""
_DEVICES = {
    "auto": "a graphics card (GPU) if there is one",
    "cuda": "the graphics card (GPU)",
    "mps": "the graphics processor (GPU)",
    "cpu": "the processor (CPU)",
}
_UNNAMED = "the model that it started from"
FEWEST_NEW_STEPS = 250
"""With fewer, a new model is none yet: so many are the fewest that came close to what more reach (docs/benchmarks.md,
nuclei in one minute and in three; in EM and in stacks more of them still pay)."""
_TO_TELL = "to tell whether the model gets better"


@dataclass(frozen=True)
class Notice:
    """A sentence for the user; `details` is for a report, `folder` is where the file lies that it speaks of.

    `bring_back` brings back what it says was removed.
    """

    text: str
    tone: Tone = "plain"
    details: str = ""
    folder: str = ""
    bring_back: Callable[[], None] | None = None


def failure(error: Exception) -> Notice:
    """Say why something was not done; where it was raised is in the details."""
    is_expected = isinstance(error, EXPECTED)
    details = "" if is_expected and error.__traceback__ is None else "".join(traceback.format_exception(error))
    return Notice(str(error) if is_expected else f"{type(error).__name__}: {error}", "bad", details)


def started(message: TrainingStarted) -> Notice:
    """Say on what is trained."""
    left_out = f", {message.n_left_out} of them left out to score it" if message.n_left_out else ""
    resumed = f", from step {message.first_step} on" if message.first_step > 1 else ""
    return Notice(f"Training on {_count(message.n_objects, 'object')}{left_out} ({message.device}){resumed}.")


def finished(
    message: TrainingFinished,
    score: ScoreReport | None,
    start: str | None,
    minutes: int | None = None,
    *,
    is_new: bool = False,
    can_resume: bool = True,
) -> Notice:
    """Say how a training ended, which model is in use and how to use the other, and how good it is.

    Parameters
    ----------
    message, score
        Its end, and its last score if there was one.
    start
        What the model is called that it started from; None where that is a new one, or not known.
    minutes
        In which `FEWEST_STEPS` more steps are done, or a new model has made `FEWEST_NEW_STEPS`, where that is known.
    is_new
        Whether the run began with a new model.
    can_resume
        Whether it can be gone on with.
    """
    ended = f"{'Stopped' if message.stopped else 'Done'} after {_count(message.n_steps, 'step')}."
    if message.n_steps == 0:
        kept = f" {start} stays in use." if start else ""
        return Notice(f"Stopped before the first step.{kept}", "good")
    if message.best_step == 0:
        folder = str(Path(message.model_path).parent)
        return Notice(f"{ended} {_refused(message, score, start or _UNNAMED, minutes)}", "good", folder=folder)
    if is_new and message.n_steps < FEWEST_NEW_STEPS:
        return Notice(f"{ended} {_too_new(minutes, can_resume=can_resume)}")
    verdict = _accepted(message, score, start, minutes) if start else _best(message, score)
    return Notice(f"{ended} {verdict}".rstrip(), "good")


def _too_new(minutes: int | None, *, can_resume: bool) -> str:
    why = "That is too few for a new model, which may take the pieces of an object for objects"
    much = "" if minutes is None else f" for {_count(minutes, 'more minute')}"
    return f"{why}: {f'press Resume (tab Train){much}' if can_resume else 'train one for longer'}."


def _refused(message: TrainingFinished, score: ScoreReport | None, start: str, minutes: int | None) -> str:
    unsure = _doubt(message, score, minutes)
    change = f" (score {change_in_words(message.score_change)})" if message.score_change else ""
    better = f"Still better, {start} stays in use{change}."
    why = f"{unsure[0]}; {start} stays in use. {unsure[1]}" if unsure else better
    return f"{why} The new model is {RUN_MODELS[-1]} in the folder of the training (Load model…)."


def _accepted(message: TrainingFinished, score: ScoreReport | None, start: str, minutes: int | None) -> str:
    unsure = _doubt(message, score, minutes)
    why = f"{unsure[0]}; the new model is in use. {unsure[1]}" if unsure else _best(message, score)
    return f"{why} To go back, load {start} again."


def _doubt(message: TrainingFinished, score: ScoreReport | None, minutes: int | None) -> tuple[str, str] | None:
    if minutes is None:
        return doubt(message.n_steps, score)
    return doubt(message.n_steps, score, f"{_count(minutes, 'more minute')}: {FEWEST_STEPS} steps")


def _best(message: TrainingFinished, score: ScoreReport | None) -> str:
    """Say from which step the model is, and how good it is; nothing of the last one."""
    if message.best_step is None:
        return ""
    best = f" (highest score {score.best_score:.2f})" if score is not None else ""
    if message.score_change:
        best = f" (score {change_in_words(message.score_change)})"
    return f"Best model from step {message.best_step}{best}."


def too_short(n_steps: int, limit: float, minutes: int, *, is_new: bool = False) -> Notice:
    """Say that a training will make too few steps in the minutes of its limit, and how many minutes enough would take.

    Plain: it may be what the user wants to try out.

    Parameters
    ----------
    n_steps
        Of the run at its end, with those before it was resumed.
    limit, minutes
        What is set, and what enough steps take.
    is_new
        Whether the run began with a new model.
    """
    too_few, enough = ("for a new model", FEWEST_NEW_STEPS) if is_new else (_TO_TELL, FEWEST_STEPS)
    return Notice(
        f"About {_count(n_steps, 'step')} by the end of the {limit:g} min: too few {too_few}. "
        f"{enough} steps take about {minutes} min; Resume goes on after the end."
    )


def killed(*, can_resume: bool) -> Notice:
    """Say what is left of a training that was ended at once."""
    if can_resume:
        return Notice("The training was ended at once. It can be resumed from its last autosave.")
    return Notice("The training was ended at once; nothing of it is kept.")


def model_summary(name: str, message: TrainingFinished) -> str:
    """Describe the model of a training, which is called so, in a line."""
    if message.best_step == 0:
        return f"{name}: as the training found it"
    is_last = message.best_step in (None, message.n_steps)
    best = "" if is_last else f", the best model from step {message.best_step}"
    return f"{name}: {_count(message.n_steps, 'step')} of training{best}"


def short_size(size: Sequence[float]) -> str:
    """Name a pixel size in micrometers, in as many characters as it takes."""
    return " \u00d7 ".join(f"{step:.4g}" for step in size) + " µm"


def score_line(report: ScoreReport) -> str:
    """Say how well left-out objects are found."""
    return f"Score on {_count(report.n_objects, 'left-out object')}: {report.score:.2f} " + (
        "(the best)" if report.is_best else f"(highest {report.best_score:.2f})"
    )


def change_line(change: tuple[float, float]) -> str:
    """Say how well left-out objects were found before a fine-tuning, and are after it."""
    return f"Score on left-out objects: {change_in_words(change)}"


def score_help(report: ScoreReport) -> str:
    """Explain the score, with its parts."""
    return (
        f"{_SCORE_HELP}\n\nStep {report.step}: {report.soft_iou:.2f} by one click on an object, "
        f"{report.clustered_iou:.2f} by segmenting its surroundings; the score is made of both."
    )


def settings_line(config: Parameters, title: str = "Settings") -> str:
    """Name the settings that differ from the defaults, as the form does: "Settings: Steps 400, Loss > Pull 2.0"."""
    changed = ", ".join(changed_settings(config, type(config)()))
    return f"{title}: {changed or 'the defaults'}."


def changed_settings(config: Parameters, default: Parameters) -> Iterator[str]:
    """Name the settings that differ from others, each with its value, as the form does."""
    for name, field in type(config).model_fields.items():
        value, before = getattr(config, name), getattr(default, name)
        title = field.title or name.capitalize()
        if value == before:
            continue
        if isinstance(value, Parameters):
            yield from (f"{title} > {text}" for text in changed_settings(value, before))
        else:
            yield f"{title} {'auto' if value is None else str(value).replace('_', ' ')}"


def device_line(message: TrainingStarted) -> str:
    """Say what a step is made of, and on what it is made."""
    patch = " \u00d7 ".join(map(str, message.patch_shape))
    memory = "" if message.memory is None else f", {amount(message.memory)} of memory"
    return (
        f"{message.batch_size} \u00d7 {patch} pixels a step, {message.n_parameters / 1e6:.2f} million parameters, "
        f"learning rate {message.learning_rate:.2g}, {message.precision} on {message.device}{memory}"
    )


def loss_line(report: StepReport) -> str:
    """Say what the loss of a step is made of, and how much time is left."""
    terms = ", ".join(
        f"{field.name.replace('_', ' ')} {value:.3f}"
        for field in fields(report.terms)
        if (value := getattr(report.terms, field.name))
    )
    return f"Step {report.step}: loss {report.terms.total:.3f} ({terms}); {time_left(report.remaining)} left"


def memory_line(device: str, n_bytes: float, free: float, *, name: str = "") -> Notice:
    """Say how much memory a training will take, in bytes, and whether that will fit.

    Parameters
    ----------
    device, name
        What trains, "auto" as long as that is not known, and what its maker calls it, if that is.
    n_bytes, free
        What it takes, and what the computer has left; of a GPU's own memory nothing is known before the training.
    """
    where = f"the graphics card {name}" if name else _DEVICES.get(device, device)
    takes = f"Trains on {where}: about {amount(n_bytes)} of memory"
    if device not in ("auto", "cpu"):
        return Notice(f"{takes} of the device.")
    if n_bytes > free:
        return Notice(f"{takes}, but {amount(free)} are free: choose a smaller patch or batch (Advanced).", "bad")
    return Notice(f"{takes}; {amount(free)} are free.")


def amount(n_bytes: float) -> str:
    """Say an amount of memory: "640 MB", "1.2 GB"."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def time_left(seconds: float) -> str:
    """Say a duration as a person would: "40 s", "3 min", "1 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
