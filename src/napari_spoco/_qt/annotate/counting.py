"""Counts what is painted in one Labels layer, a moment after the brush has paused; large layers in a thread.

Nothing is counted while a mouse button is held, and no more than one job runs: what is painted meanwhile is counted by
the next one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_spoco._qt.jobs.files_job import AnnotationSummary, count_objects, summarize
from napari_spoco._qt.jobs.worker import Job
from napari_spoco._qt.layers import layers
from napari_spoco.config import AnnotationConfig

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

COUNTED_AT_ONCE = 2**18
"""Pixels up to which annotations are counted on the event loop; that takes a few milliseconds."""
_PAUSE_MILLISECONDS = 250
_COUNTING = "Wait a moment: it is still being counted what is painted here, and which labels are free."


class Counting(QObject):
    """Follows one layer.

    `counted` brings an `AnnotationSummary`, `failed` the exception where ids mean nothing.

    Attributes
    ----------
    uncounted : str
        Why it is not known which ids are in use, though nothing was painted; empty where it is.
    greatest_id : int
        Of the objects that the layer has, or has had: undo brings ids back before they are counted again.
    """

    counted = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer: Layer | None = None
        self._meaning = AnnotationConfig()
        self.uncounted, self.greatest_id = "", 0
        self._generation = 0  # of layer and meaning
        self._job: Job | None = None
        self._is_due = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MILLISECONDS)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def is_pending(self) -> bool:
        """Whether something may have been painted that is not counted yet."""
        return self._timer.isActive() or self._job is not None

    def follow(self, layer: Layer | None) -> None:
        """Count this layer from now on; None ends it."""
        self._timer.stop()
        if self._layer is not None:
            layers.unwatch_painting(self._layer, self._on_painted)
        self._layer = layer
        self._forget_ids()
        if layer is not None:
            layers.watch_painting(layer, self._on_painted)

    def interpret(self, meaning: AnnotationConfig) -> bool:
        """Take ids to mean this; return whether that is something new."""
        is_new = meaning != self._meaning
        if is_new:
            is_stroke_an_object = bool(_stroke_ids(self._meaning) - _stroke_ids(meaning))
            self._meaning = meaning
            self._generation += 1
            if is_stroke_an_object:
                self._forget_ids()
        return is_new

    def count(self) -> None:
        """Count now."""
        self._timer.stop()
        if self._layer is None:
            self._tell(AnnotationSummary())
            return
        pixels = layers.labels_pixels(self._layer)
        if math.prod(pixels.shape) <= COUNTED_AT_ONCE:
            self._count_at_once(pixels)
        elif self._job is not None:
            self._is_due = True
        else:
            self._job = job = Job(self._generation, count_objects, pixels, self._meaning, parent=self)
            job.returned.connect(self._on_job_returned)
            job.failed.connect(self._on_job_failed)
            job.start()

    def _count_at_once(self, pixels: Any) -> None:
        try:
            summary = summarize(pixels, self._meaning)
        except ValueError as error:
            self._tell_failure(error)
        else:
            self._tell(summary)

    def _tell(self, summary: AnnotationSummary) -> None:
        self.uncounted = ""
        self._note_ids(summary.objects.ids)
        self.counted.emit(summary)

    def _tell_failure(self, error: Exception) -> None:
        self.uncounted = f"It is not known which labels are free here ({error})."
        self.failed.emit(error)

    def _forget_ids(self) -> None:
        """Know of no id until the next count; one that is under way is of something else."""
        self.uncounted, self.greatest_id = "" if self._layer is None else _COUNTING, 0
        self._generation += 1

    def _on_painted(self, event: Any) -> None:
        if not isalive(self):
            return
        self._timer.start()
        if event.type == "data":
            self._forget_ids()
        elif event.type == "paint":
            for *_, ids in event.value:
                self._note_ids(np.atleast_1d(ids))

    def _note_ids(self, ids: NDArray[np.integer]) -> None:
        """Keep the greatest of what was found or painted, strokes apart."""
        strokes = _stroke_ids(self._meaning)
        if ids.max(initial=0) in strokes:
            ids = ids[~np.isin(ids, list(strokes))]
        self.greatest_id = max(self.greatest_id, int(ids.max(initial=0)))

    def _on_timeout(self) -> None:
        if QApplication.mouseButtons() == Qt.MouseButton.NoButton:
            self.count()
        else:
            self._timer.start()

    def _on_job_returned(self, generation: int, summary: AnnotationSummary) -> None:
        self._forget()
        if generation == self._generation:
            self._tell(summary)

    def _on_job_failed(self, generation: int, error: Exception) -> None:
        self._forget()
        if generation == self._generation:
            self._tell_failure(error)

    def _forget(self) -> None:
        if self._job is not None:
            self._job.deleteLater()
        self._job = None
        is_due, self._is_due = self._is_due, False
        if is_due and self._layer is not None:
            self.count()


def _stroke_ids(meaning: AnnotationConfig) -> set[int]:
    return {label for label in (meaning.background_label, meaning.ignore_label) if label is not None}
