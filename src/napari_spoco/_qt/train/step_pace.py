"""How long the steps of a training take, from what it reports. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_spoco.training.reports import StepReport

_FEWEST_STEPS = 3
"""Between two reports, before their time tells anything."""


class StepPace:
    """Takes the steps of one run, the first of which may be late: it has compiled and warmed up what others use."""

    def __init__(self) -> None:
        self._first: StepReport | None = None
        self._last: StepReport | None = None

    def add(self, report: StepReport) -> bool:
        """Take a step; return whether the pace is known from this one on."""
        self._first, self._last = self._first or report, report
        return report.step - self._first.step == _FEWEST_STEPS

    @property
    def seconds(self) -> float | None:
        """Seconds a step; None before it is known."""
        first, last = self._first, self._last
        if first is None or last is None or last.step - first.step < _FEWEST_STEPS:
            return None
        return (last.elapsed - first.elapsed) / (last.step - first.step)

    def minutes(self, n_steps: int) -> int | None:
        """Return the whole minutes, at least one, in which so many steps are done; None before the pace is known."""
        seconds = self.seconds
        return None if seconds is None else max(1, math.ceil(n_steps * seconds / 60))

    def n_steps_left(self) -> int | None:
        """Return how many more steps the time of the run is enough for; None before the pace is known."""
        seconds = self.seconds
        return None if not seconds or self._last is None else int(self._last.remaining / seconds)
