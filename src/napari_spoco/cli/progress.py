"""A training on the screen: a bar, the terms of the loss, the score; lines now and then where there is no terminal."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from napari_spoco.cli.terminal import console
from napari_spoco.training.reports import ScoreReport, StepReport, TrainingNotice, TrainingStarted

if TYPE_CHECKING:
    from napari_spoco.training.reports import TrainerMessage

_SECONDS_PER_LINE = 20.0
"""Between two lines of progress where the output is no terminal."""


class TrainingProgress:
    """Shows what a training reports, while it is entered."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("step {task.completed} of {task.total}, {task.fields[left]}"),
            console=console,
        )
        self._task = self._progress.add_task("Training", total=None, left="starting", visible=False)
        self._terms, self._score = Text(), Text()
        self._live = Live(
            Group(self._progress, self._terms, self._score), console=console, transient=True, refresh_per_second=5
        )
        self._best_step: int | None = None
        self._next_line = 0.0

    def __enter__(self) -> TrainingProgress:
        """Begin to draw, on a terminal."""
        if console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self._live.stop()

    def on_report(self, report: TrainerMessage) -> None:
        """Show a report of the training."""
        match report:
            case TrainingStarted():
                self._say(_start_line(report))
                self._next_line = 0.0
            case StepReport():
                self._show_step(report)
            case ScoreReport():
                self._show_score(report)
            case TrainingNotice(text):
                self._say(text)

    def _show_step(self, report: StepReport) -> None:
        left, total = _time_left(report.remaining), report.n_steps
        self._progress.update(self._task, completed=report.step, total=total, left=left, visible=True)
        self._terms.plain = _terms_line(report)
        if not console.is_terminal and report.elapsed >= self._next_line:
            self._next_line = report.elapsed + _SECONDS_PER_LINE
            self._say(f"step {report.step} of {total}, {left}; {self._terms.plain}")

    def _show_score(self, report: ScoreReport) -> None:
        if report.is_best:
            self._best_step = report.step
        best_step = "" if self._best_step is None else f", best model of step {self._best_step}"
        self._score.plain = (
            f"left-out score {report.score:.3f} at step {report.step} (objects: {report.n_objects}); "
            f"highest {report.best_score:.3f}{best_step}"
        )
        if not console.is_terminal:
            self._say(self._score.plain)

    def _say(self, text: str) -> None:
        console.print(text, soft_wrap=True, markup=False)


def _start_line(report: TrainingStarted) -> str:
    patch = " x ".join(map(str, report.patch_shape))
    left_out = f", {report.n_left_out} of them left out to score it" if report.n_left_out else ""
    resumed = f"Resumed at step {report.first_step}. " if report.first_step > 1 else ""
    return (
        f"{resumed}{report.n_objects} annotated objects{left_out}; network of {report.n_parameters:,} parameters on "
        f"{report.device} in {report.precision}; {report.batch_size} patches of {patch} a step"
    )


def _time_left(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"


def _terms_line(report: StepReport) -> str:
    names = [field.name for field in fields(report.terms)]
    parts = ", ".join(f"{name.replace('_', ' ')} {getattr(report.terms, name):.3f}" for name in names)
    return f"loss {report.terms.total:.3f} ({parts})"
