"""How far a run is, by steps or by time, and when it is to be saved; one clock for all processes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightning_fabric import Fabric

    from napari_spoco.config import TrainingConfig


_FIRST_SAVE_SECONDS = 10.0
"""Until the first autosave, at most: whatever happens to the computer, a training is not lost as a whole."""


class Lap(NamedTuple):
    """After which step, and second of training, the steps and minutes of the settings are counted.

    A run that is gone on with after its end may get them anew; one that was stopped before is still in the same lap.
    `ended_by` are the steps and minutes that it came to its end with; None before that.
    """

    step: int = 0
    seconds: float = 0.0
    ended_by: tuple[int, float | None] | None = None

    def end(self, config: TrainingConfig) -> Lap:
        """Return the lap as it is after its end."""
        return self._replace(ended_by=(config.max_steps, config.max_minutes))

    def has_ended(self, config: TrainingConfig) -> bool:
        """Say whether it has ended, and no other steps or minutes have been set since."""
        return self.ended_by == (config.max_steps, config.max_minutes)

    def last_step(self, config: TrainingConfig) -> int:
        """Return the last step that the settings grant."""
        return self.step + config.max_steps

    def progress(self, config: TrainingConfig, n_steps: int, seconds: float) -> float:
        """Return the share of the lap that is done after so many steps and seconds of the run; 1 or more at its end."""
        by_steps = (n_steps - self.step) / config.max_steps
        minutes = config.max_minutes
        return max(by_steps, (seconds - self.seconds) / (60 * minutes) if minutes else 0.0)


_FIRST_LAP = Lap()


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
    lap
        From where its steps and minutes are counted.
    """

    def __init__(self, config: TrainingConfig, fabric: Fabric, elapsed: float, lap: Lap = _FIRST_LAP) -> None:
        self._config, self._fabric, self._lap = config, fabric, lap
        self._saved = time.monotonic()
        self._began = self._saved - elapsed
        self._pause = min(config.autosave_seconds, _FIRST_SAVE_SECONDS)

    @property
    def elapsed(self) -> float:
        """Seconds of training."""
        return time.monotonic() - self._began

    def ask(self, n_steps: int, stop: Callable[[], bool] | None) -> tuple[float, bool]:
        """Return the share of the lap that is done after so many steps, and whether the run is to be stopped.

        All processes see the clock and the stop of the first one, so that they end at the same step.
        """
        answer = self._lap.progress(self._config, n_steps, self.elapsed), stop is not None and stop()
        if self._fabric.world_size > 1:
            answer = self._fabric.broadcast(answer)
        return answer

    def remaining(self, n_steps: int) -> float:
        """Return the seconds that are left if the run goes on as it has."""
        elapsed = self.elapsed
        progress = self._lap.progress(self._config, n_steps, elapsed)
        return max((elapsed - self._lap.seconds) * (1 / max(progress, 1e-9) - 1), 0.0)

    def is_time_to_save(self) -> bool:
        """Say whether the run is to be saved, now and not again for a while."""
        now = time.monotonic()
        if now - self._saved < self._pause:
            return False
        self._saved, self._pause = now, self._config.autosave_seconds
        return True
