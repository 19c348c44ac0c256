"""Processor time as a number of steps: the clock on the wall lies where other programs run as well."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from napari_spoco.models.checkpoint import load_model, save_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.annotation_budget.contestants import Task

    from napari_spoco.models.checkpoint import EmbeddingModel

_WARM_UP = 3
_N_TIMED = 8


def steps_for(minutes: float, rehearse: Callable[[int, Callable[[], None]], object]) -> int:
    """Return how many steps take so many minutes of this process's time.

    Parameters
    ----------
    minutes
        To be spent, above 0.
    rehearse
        `rehearse(n, tick)` makes n steps of a training that is thrown away, and calls `tick` after each.
    """
    ticks: list[float] = []
    rehearse(_WARM_UP + _N_TIMED, lambda: ticks.append(time.process_time()))
    seconds = statistics.median(b - a for a, b in zip(ticks[_WARM_UP - 1 :], ticks[_WARM_UP:], strict=False))
    return max(1, round(60 * minutes / seconds))


def train_for(
    task: Task, train: Callable[[int, Callable[[], None]], EmbeddingModel], *, from_step: int = 0
) -> tuple[EmbeddingModel, int]:
    """Return a network that was trained for the minutes of a task, and its number of steps.

    Parameters
    ----------
    task
        Whose file of the network, if it has one, is read instead, or written.
    train
        `train(n, tick)` makes n steps, calls `tick` after each, and returns the network.
    from_step
        Steps that were made before.
    """
    if task.kept is not None and task.kept.exists():
        model = load_model(task.kept)
        return model, model.card.history.steps - from_step
    n_steps = steps_for(task.minutes, train)
    model = train(n_steps, lambda: None)
    if task.kept is not None:
        save_model(model, task.kept)
    return model, n_steps
