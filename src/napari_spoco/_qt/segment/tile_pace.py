"""How long a prediction still takes, by the tiles that are done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class TilePace:
    """Takes the time of the tiles of one image after the other; `now` says it, in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._n_first, self._start = 0, 0.0

    def seconds_left(self, n_done: int, n_tiles: int) -> float | None:
        """Return how long the other tiles take; None until one has been done since the first call for an image."""
        if n_done <= self._n_first:
            self._n_first, self._start = n_done, self._now()
            return None
        return (self._now() - self._start) / (n_done - self._n_first) * (n_tiles - n_done)
