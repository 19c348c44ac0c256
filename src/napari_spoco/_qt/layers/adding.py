"""Adds objects to annotations while the user goes on, and perhaps paints there.

The cycle of what is to be added, one after another:

1. A job finds the pixels and free ids (`adding_job`); the layer is as it was.
2. If the user may have changed the layer meanwhile, it is looked at again: what was found holds for another one.
3. Some pixels are written in each turn of the event loop, but none while a mouse button is held, and none of those that
   have been painted since. To undo, all are one step, which lies before whatever was painted since.
4. If the user takes back what was written first, or gives the layer new contents, the rest is not written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_spoco._qt.jobs.worker import SideJob
from napari_spoco._qt.layers.layers import unwatch_painting, watch_painting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_spoco._qt.layers.adding_job import FreePixels

    Indices = tuple[NDArray[np.int64], ...]

_N_A_TURN = 2**16
"""Pixels that are written at a time."""
_STROKE_MILLISECONDS = 50
"""Between two looks whether the user's stroke has ended."""


@dataclass(frozen=True, eq=False)
class _Wish:
    layer: Labels
    on_added: Callable[[FreePixels], None]
    body: Callable[..., Generator[None, None, FreePixels]]
    args: tuple[object, ...]


class ObjectAdding(QObject):
    """Follows wishes, in turn.

    `failed` brings the exception that ends one; `stopped` says that the user has taken one back before its end.
    """

    failed = Signal(object)  # Exception
    stopped = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wishes: list[_Wish] = []  # The first one is being followed.
        self._pixels: Any = None  # of the layer
        self._is_changed = False
        self._found: FreePixels | None = None
        self._writing: _Writing | None = None
        self._job = SideJob(self)
        self._job.returned.connect(self._on_found)
        self._job.failed.connect(self._on_failed)
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._on_turn)

    def add(
        self,
        layer: Labels,
        on_added: Callable[[FreePixels], None],
        body: Callable[..., Generator[None, None, FreePixels]],
        *args: object,
    ) -> None:
        """Add what a body of `adding_job` finds in a layer to it, and then call a function."""
        self._wishes.append(_Wish(layer, on_added, body, args))
        if len(self._wishes) == 1:
            self._begin()

    def _begin(self) -> None:
        watch_painting(self._wishes[0].layer, self._on_changed)
        self._find()

    def _find(self) -> None:
        wish = self._wishes[0]
        self._pixels, self._is_changed = wish.layer.data, False
        self._job.start(wish.body, self._pixels, *wish.args)

    def _on_changed(self, _event: Any) -> None:
        self._is_changed = True

    def _on_found(self, found: FreePixels) -> None:
        self._found = found
        self._on_turn()

    def _on_turn(self) -> None:
        layer = self._wishes[0].layer
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._turn.start(_STROKE_MILLISECONDS)
        elif self._writing is None and self._is_changed:
            self._find()
        elif self._writing is not None and (layer.data is not self._pixels or self._writing.is_taken_back):
            self._end()
            self.stopped.emit()
        else:
            self._write(layer, self._found)

    def _write(self, layer: Labels, found: FreePixels) -> None:
        if self._writing is None:
            self._writing = _Writing(layer, found)
        try:
            self._writing.go_on()
        except (TypeError, ValueError, OSError) as error:  # such as a layer that can only be read
            self._on_failed(error)
            return
        if not self._writing.is_over:
            self._turn.start(0)
            return
        layer.refresh(extent=False)
        self._end().on_added(found)

    def _on_failed(self, error: Exception) -> None:
        self._end()
        self.failed.emit(error)

    def _end(self) -> _Wish:
        """Go on with the next wish, and return the one that has come to its end."""
        ended = self._wishes.pop(0)
        unwatch_painting(ended.layer, self._on_changed)
        self._pixels = self._found = self._writing = None
        if self._wishes:
            self._begin()
        return ended


class _Writing:
    """Writes pixels into a layer, part by part; what the user paints meanwhile stays. Nothing is drawn."""

    def __init__(self, layer: Labels, found: FreePixels) -> None:
        self._layer, self._found = layer, found
        self._n_done = 0
        self._first: tuple[Indices, NDArray[np.integer]] | None = None
        self._step: list[Any] = []  # what napari undoes at once

    @property
    def is_over(self) -> bool:
        """Whether everything is written."""
        return self._n_done >= len(self._found.pixels)

    @property
    def is_taken_back(self) -> bool:
        """Whether nothing is left of the first part."""
        if self._first is None:
            return False
        indices, ids = self._first
        return not (np.asarray(self._layer.data[indices]) == ids).any()

    def go_on(self) -> None:
        """Write the next part."""
        indices, ids = self._found.part(self._n_done, _N_A_TURN)
        self._n_done += _N_A_TURN
        is_free = np.asarray(self._layer.data[indices]) == 0
        indices, ids = tuple(axis[is_free] for axis in indices), ids[is_free]
        if not len(ids):
            return
        if self._first is None:
            self._first, self._step = (indices, ids), _begin_step(self._layer, indices, ids)
        else:
            self._continue_step(indices, ids)

    def _continue_step(self, indices: Indices, ids: NDArray[np.integer]) -> None:
        """Write as `Labels.data_setitem` does, but into the step that is begun: each part would be one of its own."""
        part = (indices, np.zeros_like(ids), ids)
        self._layer.data[indices] = ids
        self._step.append(part)
        self._layer.events.paint(value=[part])


def _begin_step(layer: Labels, indices: Indices, ids: NDArray[np.integer]) -> list[Any]:
    """Write pixels, and return the list of parts that napari keeps of it to undo it."""
    steps: list[list[Any]] = []

    def keep(event: Any) -> None:
        steps.append(event.value)

    layer.events.paint.connect(keep)
    try:
        layer.data_setitem(indices, ids, refresh=False)
    finally:
        layer.events.paint.disconnect(keep)
    return steps[-1]
