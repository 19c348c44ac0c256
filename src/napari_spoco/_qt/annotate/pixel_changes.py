"""Changes of annotations that many pixels may take part in: filling, removing, importing.

The cycle of one:

1. A job finds out which pixels become what (`PixelsToPaint`); the layer is as it was. One job at a time.
2. The event loop paints them in many turns (`PixelWriting`), as one step of napari's own undo, and leaves those alone
   that were painted meanwhile.
3. The layer tells of it as of every stroke, and the list follows (`Counting`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate import annotation_job
from napari_spoco._qt.jobs.worker import SideJob
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
        self._text = ""
        self._job = SideJob(self)
        self._job.returned.connect(self._on_pixels_known)
        self._job.failed.connect(self.failed)
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
        self._layer = self._pixels = None
        self._writing.end()

    def _start(self, layer: Labels, body: Callable[..., Any], *args: object) -> None:
        self._layer, self._pixels = layer, layer.data
        self._job.start(body, self._pixels, *args)

    def _on_pixels_known(self, found: PixelsToPaint) -> None:
        if self._layer is None:
            return
        self._text = found.text
        self._writing.start(self._layer, self._pixels, found)
        self.changed.emit()

    def _on_written(self) -> None:
        self._conclude(Notice(self._text, "good"))

    def _on_stopped(self) -> None:
        self._conclude(_STOPPED)

    def _on_failed(self, error: Exception) -> None:
        self.failed.emit(error)
        self.changed.emit()

    def _conclude(self, notice: Notice) -> None:
        self.noticed.emit(notice)
        self.changed.emit()
