"""Processor time as a number of steps: the clock on the wall lies where other programs run as well."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

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
