"""Writes many pixels into a layer while the user goes on, and perhaps paints there.

The cycle:

1. Some pixels are written in each turn of the event loop, but none while a mouse button is held, and none of those that
   are not what they were: these have been painted since. To undo, all are one step, which lies before whatever was
   painted since. Nothing is drawn before the end.
2. Where the brush holds an id that nothing had, and that an object is now to get, it goes on with the next free one.
3. If the user takes back what was written first, or gives the layer new contents, the rest is not written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from napari.layers import Labels
    from numpy.typing import NDArray

    Indices = tuple[NDArray[Any], ...]

_N_A_TURN = 2**16
"""Pixels that are written at a time."""
_STROKE_MILLISECONDS = 50
"""Between two looks whether the user's stroke has ended."""


class WantedPixels(Protocol):
    """What is to be written."""

    @property
    def n_pixels(self) -> int:
        """How many pixels there are."""

    @property
    def new_ids(self) -> Collection[int]:
        """Ids that nothing has before."""

    @property
    def next_id(self) -> int:
        """Where there are such, an id that nothing has afterwards either."""

    def part(self, start: int, n_pixels: int) -> tuple[Indices, Any, Any]:
        """Return the indices, an array per axis, and the labels before and after, one or (N,), of so many pixels."""


class PixelWriting(QObject):
    """Writes what is wanted of one layer at a time.

    `written` says that all of it is there, `failed` brings the exception that ends it, `stopped` says that the user
    has taken back what was there.

    Attributes
    ----------
    n_left : int
        Pixels that were left alone so far by what was started last, as they were not what they had been.
    """

    written = Signal()
    stopped = Signal()
    failed = Signal(object)  # Exception

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._step: _Step | None = None
        self.n_left = 0
        self._may_begin: Callable[[], bool] = _always
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._on_turn)

    @property
    def is_running(self) -> bool:
        """Whether something is still to be written."""
        return self._step is not None

    def start(
        self, layer: Labels, pixels: Any, wanted: WantedPixels, may_begin: Callable[[], bool] | None = None
    ) -> None:
        """Write what was found to be wanted of the `pixels` of a layer.

        Where `may_begin`, which is asked in the turn of the first part, says no, nothing is written, or told.
        """
        self.n_left = 0
        self._step, self._may_begin = _Step(layer, pixels, wanted), may_begin or _always
        self._on_turn()

    def end(self) -> None:
        """Write no more; undo takes back what is there."""
        self._step = None
        self._turn.stop()

    def _on_turn(self) -> None:
        step = self._step
        if step is None:
            return
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._turn.start(_STROKE_MILLISECONDS)
            return
        if not step.has_begun:
            self._step = None  # For whoever asks while it is not known yet.
            if not self._may_begin():
                return
            self._step = step
        try:
            is_taken_back = step.is_taken_back
            if not is_taken_back:
                self.n_left += step.go_on()
        except Exception as error:  # noqa: BLE001 - arrays of any kind are written to, each with errors of its own
            self._finish(self.failed, error)
            return
        if is_taken_back:
            self._finish(self.stopped)
        elif step.is_over:
            step.draw()
            self._finish(self.written)
        else:
            self._turn.start(0)

    def _finish(self, told: Any, *args: object) -> None:
        self._step = None
        told.emit(*args)


class _Step:
    """One step of a layer's undo, written part by part."""

    def __init__(self, layer: Labels, pixels: Any, wanted: WantedPixels) -> None:
        self._layer, self._pixels, self._wanted = layer, pixels, wanted
        self._n_done = 0
        self._first: tuple[Indices, NDArray[Any]] | None = None
        self._parts: list[Any] = []  # what napari undoes at once

    @property
    def has_begun(self) -> bool:
        """Whether a part was written."""
        return self._n_done > 0

    @property
    def is_over(self) -> bool:
        """Whether everything is written."""
        return self._n_done >= self._wanted.n_pixels

    @property
    def is_taken_back(self) -> bool:
        """Whether nothing is left of the first part, or the layer has new contents."""
        if self._layer.data is not self._pixels:
            return True
        if self._first is None:
            return False
        indices, after = self._first
        return not (np.asarray(self._pixels[indices]) == after).any()

    def go_on(self) -> int:
        """Write the next part; return how many pixels of it are not what they were."""
        if not self.has_begun:
            self._free_brush()
        indices, before, after = self._wanted.part(self._n_done, _N_A_TURN)
        self._n_done += _N_A_TURN
        known = np.asarray(self._pixels[indices])
        after = np.broadcast_to(np.asarray(after, dtype=known.dtype), known.shape)
        is_as_before = known == before
        n_left = is_as_before.size - int(np.count_nonzero(is_as_before))
        is_due = is_as_before & (known != after)
        if not is_due.any():
            return n_left
        indices = tuple(axis[is_due] for axis in indices)
        if self._first is None:
            self._first = indices, after[is_due]
            self._parts = _begin_step(self._layer, *self._first)
        else:
            self._continue_step(indices, known[is_due], after[is_due])
        return n_left

    def draw(self) -> None:
        """Show all that was written."""
        self._layer.refresh(extent=False)

    def _free_brush(self) -> None:
        """Let the brush go on with another id where an object is about to get the one that it holds."""
        layer, next_id = self._layer, self._wanted.next_id
        if layer.selected_label in self._wanted.new_ids and next_id <= np.iinfo(self._pixels.dtype).max:
            layer.selected_label = next_id

    def _continue_step(self, indices: Indices, before: NDArray[Any], after: NDArray[Any]) -> None:
        """Write as `Labels.data_setitem` does, but into the step that is begun: each part would be one of its own."""
        part = (indices, before, after)
        self._pixels[indices] = after
        self._parts.append(part)
        self._layer.events.paint(value=[part])


def _begin_step(layer: Labels, indices: Indices, after: NDArray[Any]) -> list[Any]:
    """Write pixels, and return the list of parts that napari keeps of it to undo it."""
    steps: list[list[Any]] = []

    def keep(event: Any) -> None:
        steps.append(event.value)

    layer.events.paint.connect(keep)
    try:
        layer.data_setitem(indices, after, refresh=False)
    finally:
        layer.events.paint.disconnect(keep)
    return steps[-1]


def _always() -> bool:
    return True
