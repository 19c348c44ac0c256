"""How far a run is, by steps or by time, and when it is to be saved; one clock for all processes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightning_fabric import Fabric

    from napari_spoco.config import TrainingConfig


_FIRST_SAVE_SECONDS = 10.0
"""Until the first autosave, at most: whatever happens to the computer, a training is not lost as a whole."""


class RunClock:
    """Starts when it is made.

    Parameters
    ----------
    config
        Steps and minutes of the run, and the time between autosaves.
    fabric
        Processes of the run.
    elapsed
        Seconds that a resumed run had trained already.
    """

    def __init__(self, config: TrainingConfig, fabric: Fabric, elapsed: float) -> None:
        self._config, self._fabric = config, fabric
        self._saved = time.monotonic()
        self._began = self._saved - elapsed
        self._pause = min(config.autosave_seconds, _FIRST_SAVE_SECONDS)

    @property
    def elapsed(self) -> float:
        """Seconds of training."""
        return time.monotonic() - self._began

    def ask(self, n_steps: int, stop: Callable[[], bool] | None) -> tuple[float, bool]:
        """Return the share of the run that is done after so many steps, and whether it is to be stopped.

        All processes see the clock and the stop of the first one, so that they end at the same step.
        """
        answer = self._progress(n_steps, self.elapsed), stop is not None and stop()
        if self._fabric.world_size > 1:
            answer = self._fabric.broadcast(answer)
        return answer

    def remaining(self, n_steps: int) -> float:
        """Return the seconds that are left if the run goes on as it has."""
        elapsed = self.elapsed
        return max(elapsed * (1 / max(self._progress(n_steps, elapsed), 1e-9) - 1), 0.0)

    def is_time_to_save(self) -> bool:
        """Say whether the run is to be saved, now and not again for a while."""
        now = time.monotonic()
        if now - self._saved < self._pause:
            return False
        self._saved, self._pause = now, self._config.autosave_seconds
        return True

    def _progress(self, n_steps: int, seconds: float) -> float:
        minutes = self._config.max_minutes
        return max(n_steps / self._config.max_steps, seconds / (60 * minutes) if minutes else 0.0)
