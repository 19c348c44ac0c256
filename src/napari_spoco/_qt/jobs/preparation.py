"""What is done behind the open window: compiled loops are got ready, then it is found out which device trains.

The first time after the installation the loops are compiled, in another process (`segmentation.warm_up`); later only
loaded. Another process imports torch, to ask it for the device (`training.default_device`). Everything can be used
meanwhile.
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

    from napari_spoco.training.default_device import DefaultDevice

    WarmUp = Callable[[Callable[[str], None]], object]
    FindDevice = Callable[[], DefaultDevice | None]

logger = logging.getLogger(__name__)

_BEGIN_MILLISECONDS = 1000
_PATIENCE_MILLISECONDS = 8000
"""Loading is quicker than that and not worth a word."""
_BEGUN = Notice(
    "Making the segmentation faster on this computer; only after an installation or an update, for about a minute. You "
    "can work meanwhile."
)
_FAILED = Notice("The segmentation could not be made faster on this computer: it works, but takes longer.")


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


def find_device() -> DefaultDevice | None:
    """Find out which device trains; to be called in a thread."""
    from napari_spoco.training.default_device import find_default_device

    return find_default_device()


class Preparation(QObject):
    """Begins on its own, and says what takes long.

    Parameters
    ----------
    warm_up
        Starts the work and returns at once; calls the function it is given with "ready", "failed" or "skipped" at the
        end, in any thread.
    find_device
        Returns the device that trains where the user leaves the choice, or None; called in a thread.
    """

    noticed = Signal(object)  # Notice
    withdrawn = Signal(object)  # Notice
    device_found = Signal(object)  # DefaultDevice
    _ended = Signal(str)

    def __init__(
        self, warm_up: WarmUp, parent: QObject | None = None, *, find_device: FindDevice = find_device
    ) -> None:
        super().__init__(parent)
        self._warm_up, self._find_device = warm_up, find_device
        self._is_told = self._is_over = False
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
        self._is_over = True
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
        if self._is_told:  # That it is ready is no news to anybody who did not wait for it.
            self.withdrawn.emit(_BEGUN)
        if self._is_told and state == "failed":
            self.noticed.emit(_FAILED)
        if not self._is_over:
            threading.Thread(target=self._find, name="spoco-device", daemon=True).start()

    def _find(self) -> None:
        found = self._find_device()
        if found is not None and isalive(self):
            self.device_found.emit(found)
