"""Changes of annotations that many pixels may take part in: filling, removing, importing.

The cycle of one:

1. A job finds out which pixels become what (`PixelsToPaint`); the layer is as it was. One job at a time. If it has
   ids for new objects, and the user may have painted meanwhile, it is looked at again: they may not be free.
2. The event loop paints them in many turns (`PixelWriting`), as one step of napari's own undo, and leaves those alone
   that were painted meanwhile.
3. The layer tells of it as of every stroke, and the list follows (`Counting`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate import annotation_job
from napari_spoco._qt.jobs.worker import SideJob
from napari_spoco._qt.layers.layers import unwatch_painting, watch_painting
from napari_spoco._qt.layers.pixel_writing import PixelWriting
from napari_spoco._qt.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from napari.layers import Labels

    from napari_spoco._qt.annotate.annotation_job import PixelsToPaint
    from napari_spoco.config import AnnotationConfig

_STOPPED = Notice("The rest is not changed: what was changed so far is undone, or the annotations are new ones.")


class PixelChanges(QObject):
    """Changes layers, one at a time; `changed` says that a change begins or ends."""

    noticed = Signal(object)  # Notice
    failed = Signal(object)  # Exception
    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None  # of the job
        self._pixels: Any = None  # of the layer
        self._wish: tuple[Callable[..., Any], tuple[object, ...]] | None = None
        self._found: PixelsToPaint | None = None
        self._is_changed = False
        self._job = SideJob(self)
        self._job.returned.connect(self._on_pixels_known)
        self._job.failed.connect(self._on_failed)
        self._job.changed.connect(self.changed)
        self._writing = PixelWriting(self)
        self._writing.written.connect(self._on_written)
        self._writing.stopped.connect(self._on_stopped)
        self._writing.failed.connect(self._on_failed)

    @property
    def is_working(self) -> bool:
        """Whether pixels are being looked for, or painted."""
        return self._job.is_running or self._writing.is_running

    def interpolate(self, layer: Labels, axis: int) -> None:
        """Fill the object of the brush between the planes along an axis in which it is painted."""
        scale = [float(step) for step in layer.scale]
        self._start(layer, annotation_job.run_interpolation, int(layer.selected_label), axis, scale)

    def remove(self, layer: Labels, ids: Collection[int], meaning: AnnotationConfig) -> None:
        """Remove what is painted with these ids, which may mean strokes."""
        names = {meaning.background_label: "the background", meaning.ignore_label: "what was ignored"}
        self._start(layer, annotation_job.run_removal, ids, [names.get(label, f"object {label}") for label in ids])

    def bring_in(self, layer: Labels, source: Any, ids: str, reserved: Collection[int]) -> None:
        """Import objects from labels or a file, those of a list such as "1, 5-8"; `reserved` ids are no objects."""
        self._start(layer, annotation_job.run_import, source, ids, reserved)

    def end(self) -> None:
        """Forget what was begun; undo takes back what is painted of it."""
        self._leave()
        self._writing.end()

    def _start(self, layer: Labels, body: Callable[..., Any], *args: object) -> None:
        self._layer, self._wish = layer, (body, args)
        watch_painting(layer, self._on_painted)
        self._look()

    def _look(self) -> None:
        body, args = self._wish
        self._pixels, self._is_changed = self._layer.data, False
        self._job.start(body, self._pixels, *args)

    def _on_painted(self, _event: Any) -> None:
        self._is_changed = True

    def _on_pixels_known(self, found: PixelsToPaint) -> None:
        if self._layer is None:
            return
        self._found = found
        self._writing.start(self._layer, self._pixels, found, self._holds)
        self.changed.emit()

    def _holds(self) -> bool:
        """Say whether the ids that were found to be free are so still; look again where they may not be."""
        is_stale = self._is_changed and bool(self._found.new_ids)
        if is_stale:
            self._look()
        return not is_stale

    def _on_written(self) -> None:
        self._conclude(Notice(self._found.text, "good"))

    def _on_stopped(self) -> None:
        self._conclude(_STOPPED)

    def _on_failed(self, error: Exception) -> None:
        self._leave()
        self.failed.emit(error)
        self.changed.emit()

    def _leave(self) -> None:
        if self._layer is not None:
            unwatch_painting(self._layer, self._on_painted)
        self._layer = self._pixels = self._wish = self._found = None

    def _conclude(self, notice: Notice) -> None:
        self._leave()
        self.noticed.emit(notice)
        self.changed.emit()
