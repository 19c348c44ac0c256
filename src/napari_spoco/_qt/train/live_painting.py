"""Watches Labels layers while a training runs, and hands on at a modest pace what was painted.

On the event loop nothing is copied or compared: events mark a layer as painted, a timer hands its pixels to a job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer

from napari_spoco._qt.layers import layers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Layer

_MILLISECONDS = 2000
_TICKS_PER_POLL = 5
"""So often pixels are handed on although no event has told of painting: scripts write into arrays unannounced."""


class LivePainting(QObject):
    """Follows layers from `begin` to `end`.

    Parameters
    ----------
    send
        Takes the pixels of the painted layers by their index, and returns whether it has; asked again later if not.
    layer_now
        Returns what is to be followed in place of a layer: another one, if it was removed and brought back.
    """

    def __init__(
        self,
        send: Callable[[dict[int, Any]], bool],
        layer_now: Callable[[Layer], Layer],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._send, self._layer_now = send, layer_now
        self._layers: tuple[Layer, ...] = ()
        self._painted: set[int] = set()
        self._n_ticks = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def is_following(self) -> bool:
        """Whether layers are followed."""
        return bool(self._layers)

    def begin(self, followed: Sequence[Layer]) -> None:
        """Follow layers, in the order of the training's images; what has been painted so far is handed on first."""
        self.end()
        self._layers, self._painted, self._n_ticks = tuple(followed), set(range(len(followed))), 0
        for layer in self._layers:
            layers.watch_painting(layer, self._on_painted)
        self._timer.start()

    def end(self) -> None:
        """Follow no layer any more."""
        self._timer.stop()
        for layer in self._layers:
            layers.unwatch_painting(layer, self._on_painted)
        self._layers = ()

    def _on_painted(self, event: Any) -> None:
        if isalive(self):
            self._painted |= {index for index, layer in enumerate(self._layers) if layer is event.source}

    def _renew(self) -> None:
        """Follow the layers that were brought back; nobody may have seen what was painted on them before."""
        for index, layer in enumerate(self._layers):
            if (now := self._layer_now(layer)) is not layer:
                layers.unwatch_painting(layer, self._on_painted)
                layers.watch_painting(now, self._on_painted)
                self._layers = (*self._layers[:index], now, *self._layers[index + 1 :])
                self._painted.add(index)

    def _on_timeout(self) -> None:
        self._renew()
        self._n_ticks += 1
        due = set(range(len(self._layers))) if self._n_ticks % _TICKS_PER_POLL == 0 else self._painted
        if due and self._send({index: layers.labels_pixels(self._layers[index]) for index in sorted(due)}):
            self._painted = set()
