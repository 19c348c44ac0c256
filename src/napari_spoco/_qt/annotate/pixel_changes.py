"""Changes of annotations that many pixels may take part in: filling, removing, importing.

The cycle of one:

1. A job finds out which pixels become what (`PixelsToPaint`); the layer is as it was. One job at a time.
2. The event loop paints them, as one step of napari's own undo, and leaves those alone that were painted meanwhile.
3. The layer tells of it as of every stroke, and the list follows (`Counting`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate import annotation_job, annotation_layer
from napari_spoco._qt.jobs.worker import SideJob
from napari_spoco._qt.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from napari.layers import Labels

    from napari_spoco._qt.annotate.annotation_job import PixelsToPaint
    from napari_spoco.config import AnnotationConfig


class PixelChanges(QObject):
    """Changes layers; `changed` says that a job begins or ends."""

    noticed = Signal(object)  # Notice
    failed = Signal(object)  # Exception
    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None  # of the job
        self._job = SideJob(self)
        self._job.returned.connect(self._on_pixels_known)
        self._job.failed.connect(self.failed)
        self._job.changed.connect(self.changed)

    @property
    def is_working(self) -> bool:
        """Whether a job is running."""
        return self._job.is_running

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
        """Forget what the job was begun for."""
        self._layer = None

    def _start(self, layer: Labels, body: Callable[..., Any], *args: object) -> None:
        self._layer = layer
        self._job.start(body, layer.data, *args)

    def _on_pixels_known(self, found: PixelsToPaint) -> None:
        if self._layer is None:
            return
        if len(found.indices[0]):
            annotation_layer.put_pixels(self._layer, found.indices, found.before, found.after)
        self.noticed.emit(Notice(found.text, "good"))
