"""The bar that says how far a job is, and how long it has been at a step whose length nobody knows.

An animated bar would say no more, and napari's window is drawn anew with each of its pictures: without a graphics card
that took .6 of a processor core from the job itself. Seconds that are counted cost one picture each.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QProgressBar, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

_MILLISECONDS = 1000


class JobBar(QProgressBar):
    """Shows a share with a text, or a text with the seconds since then; `now` says the time in seconds."""

    def __init__(self, parent: QWidget | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(parent)
        self._now, self._start, self._text = now, 0.0, ""
        self._timer = QTimer(self)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self._on_timeout)
        self.hide()

    def show_share(self, n_done: int, n_all: int, text: str) -> None:
        """Show that `n_done` of `n_all` are done."""
        self._timer.stop()
        self._fill(n_done, n_all, text)

    def show_wait(self, text: str, n_done: int = 0, n_all: int = 0) -> None:
        """Show a step that takes as long as it takes, behind `n_done` of `n_all` others."""
        self._text, self._start = text, self._now()
        self._fill(n_done, n_all or 1, text)
        self._timer.start()

    def end(self) -> None:
        """Take the bar away."""
        self._timer.stop()
        self.hide()

    def _fill(self, n_done: int, n_all: int, text: str) -> None:
        self.setRange(0, n_all)
        self.setValue(n_done)
        self.setFormat(text)
        self.show()

    def _on_timeout(self) -> None:
        seconds = f"{self._now() - self._start:.0f} s"
        self.setFormat(f"{self._text}, {seconds}" if self._text else seconds)
