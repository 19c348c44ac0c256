"""Watches a Labels layer while a training runs, and hands on at a modest pace what was painted.

On the event loop nothing is copied or compared: events mark the layer as painted, a timer hands its pixels to a job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer

from napari_spoco._qt import layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

_MILLISECONDS = 2000
_TICKS_PER_POLL = 5
"""So often pixels are handed on although no event has told of painting: scripts write into arrays unannounced."""


class LivePainting(QObject):
    """Follows one layer from `begin` to `end`.

    Parameters
    ----------
    send
        Takes the pixels of the layer, and returns whether it has; asked again later if not.
    """

    def __init__(self, send: Callable[[Any], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._send = send
        self._layer: Layer | None = None
        self._is_painted = False
        self._n_ticks = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def is_following(self) -> bool:
        """Whether a layer is followed."""
        return self._layer is not None

    def begin(self, layer: Layer) -> None:
        """Follow a layer; what has been painted so far is handed on first."""
        self.end()
        self._layer, self._is_painted, self._n_ticks = layer, True, 0
        layers.watch_painting(layer, self._on_painted)
        self._timer.start()

    def end(self) -> None:
        """Follow no layer any more."""
        self._timer.stop()
        if self._layer is not None:
            layers.unwatch_painting(self._layer, self._on_painted)
        self._layer = None

    def _on_painted(self, _event: Any = None) -> None:
        if isalive(self):
            self._is_painted = True

    def _on_timeout(self) -> None:
        self._n_ticks += 1
        is_due = self._is_painted or self._n_ticks % _TICKS_PER_POLL == 0
        if is_due and self._layer is not None and self._send(layers.labels_pixels(self._layer)):
            self._is_painted = False
