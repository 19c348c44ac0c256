"""Adds objects to annotations while the user goes on, and perhaps paints there.

The cycle of what is to be added, one after another:

1. A job finds the pixels and free ids (`adding_job`); the layer is as it was.
2. If the user may have changed the layer meanwhile, it is looked at again: what was found holds for another one.
3. The pixels are written in many turns of the event loop (`PixelWriting`), until the user takes them back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.jobs.worker import SideJob
from napari_spoco._qt.layers.layers import unwatch_painting, watch_painting
from napari_spoco._qt.layers.pixel_writing import PixelWriting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari.layers import Labels

    from napari_spoco._qt.layers.adding_job import FreePixels


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
        self._job = SideJob(self)
        self._job.returned.connect(self._on_found)
        self._job.failed.connect(self._on_failed)
        self._writing = PixelWriting(self)
        self._writing.written.connect(self._on_written)
        self._writing.stopped.connect(self._on_stopped)
        self._writing.failed.connect(self._on_failed)

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
        self._writing.start(self._wishes[0].layer, self._pixels, found, self._holds)

    def _holds(self) -> bool:
        """Say whether what was found holds still; look again where it may not."""
        is_changed = self._is_changed
        if is_changed:
            self._find()
        return not is_changed

    def _on_written(self) -> None:
        found = self._found
        self._end().on_added(found)

    def _on_stopped(self) -> None:
        self._end()
        self.stopped.emit()

    def _on_failed(self, error: Exception) -> None:
        self._end()
        self.failed.emit(error)

    def _end(self) -> _Wish:
        """Go on with the next wish, and return the one that has come to its end."""
        ended = self._wishes.pop(0)
        unwatch_painting(ended.layer, self._on_changed)
        self._pixels = self._found = None
        if self._wishes:
            self._begin()
        return ended
