"""Gets the compiled loops ready a moment after the window has opened, and says so where it takes long.

The first time after the installation they are compiled, in another process (`segmentation.warm_up`); later only
loaded. Everything can be used meanwhile.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_spoco._qt.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Callable

    WarmUp = Callable[[Callable[[str], None]], object]

logger = logging.getLogger(__name__)

_BEGIN_MILLISECONDS = 1000
_PATIENCE_MILLISECONDS = 3000
"""Loading is quicker than that and not worth a word."""
_BEGUN = Notice(
    "Compiling the fast segmentation, once after the installation. Everything works meanwhile, some of it slower."
)
_ENDED = {
    "ready": Notice("The fast segmentation is compiled.", "good"),
    "failed": Notice("The fast segmentation could not be compiled; the slower one is used."),
}


def warm_up(on_end: Callable[[str], None]) -> None:
    """Get the loops ready; not even their modules are loaded on the event loop."""

    def run() -> None:
        try:
            from napari_spoco.segmentation.warm_up import start_warm_up

            start_warm_up(on_end)
        except Exception:
            logger.exception("The fast segmentation could not be prepared.")
            on_end("failed")

    threading.Thread(target=run, name="spoco-preparation", daemon=True).start()


class Preparation(QObject):
    """Begins on its own, and says what takes long.

    Parameters
    ----------
    warm_up
        Starts the work and returns at once; calls the function it is given with "ready", "failed" or "skipped" at the
        end, in any thread.
    """

    noticed = Signal(object)  # Notice
    _ended = Signal(str)

    def __init__(self, warm_up: WarmUp, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._warm_up = warm_up
        self._is_told = False
        self._ended.connect(self._on_ended)
        self._begin, self._patience = QTimer(self), QTimer(self)
        for timer, milliseconds, slot in (
            (self._begin, _BEGIN_MILLISECONDS, self._on_begin),
            (self._patience, _PATIENCE_MILLISECONDS, self._on_patience_lost),
        ):
            timer.setSingleShot(True)
            timer.setInterval(milliseconds)
            timer.timeout.connect(slot)
        self._begin.start()

    def end(self) -> None:
        """Say nothing any more; what has begun goes on by itself."""
        self._begin.stop()
        self._patience.stop()

    def _on_begin(self) -> None:
        self._patience.start()
        self._warm_up(self._tell)

    def _tell(self, state: str) -> None:
        """Hand on the end, from another thread."""
        if isalive(self):
            self._ended.emit(state)

    def _on_patience_lost(self) -> None:
        self._is_told = True
        self.noticed.emit(_BEGUN)

    def _on_ended(self, state: str) -> None:
        self._patience.stop()
        if self._is_told and state in _ENDED:
            self.noticed.emit(_ENDED[state])
