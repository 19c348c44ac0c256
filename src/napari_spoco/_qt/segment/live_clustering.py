"""The objects of the part of an image that is on show, found again while a person moves the settings.

1. `request` says what is wanted; it comes many times a second.
2. One job runs at a time. A wish that comes meanwhile replaces the one that waits, and the job is told to give up: it
   does so at its next stage, and what it has done until then is kept (`Reclustering`).
3. The end of a job starts the wish that waits. Only the last wish's result is handed on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.jobs.worker import Job
from napari_spoco._qt.segment.segmentation_job import ViewResult, run_view

if TYPE_CHECKING:
    from napari_spoco._qt.embeddings.embedding_job import EmbeddedImage
    from napari_spoco.config import SegmentationConfig

    Wish = tuple[EmbeddedImage, SegmentationConfig, tuple[slice, ...]]


class LiveClustering(QObject):
    """Finds the objects of a box, the last one that was asked for."""

    found = Signal(object)  # ViewResult
    failed = Signal(object)  # Exception

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._generation = 0
        self._job: Job | None = None
        self._waiting: Wish | None = None

    @property
    def is_running(self) -> bool:
        """Whether a result is on its way."""
        return self._job is not None

    def request(self, image: EmbeddedImage, config: SegmentationConfig, box: tuple[slice, ...]) -> None:
        """Find the objects in a box of an image as soon as possible."""
        self._generation += 1
        self._waiting = (image, config, box)
        if self._job is None:
            self._start_waiting()
        else:
            self._job.cancel()

    def forget(self) -> None:
        """Drop what is wanted; nothing is handed on any more."""
        self._generation += 1
        self._waiting = None
        if self._job is not None:
            self._job.cancel()

    def _start_waiting(self) -> None:
        if self._waiting is None:
            return
        wish, self._waiting = self._waiting, None
        self._job = job = Job(self._generation, run_view, *wish, parent=self)
        job.returned.connect(self._on_job_returned)
        job.failed.connect(self._on_job_failed)
        job.cancelled.connect(self._end_job)
        job.start()

    def _on_job_returned(self, generation: int, result: ViewResult | None) -> None:
        if generation == self._generation and result is not None:
            self.found.emit(result)
        self._end_job()

    def _on_job_failed(self, generation: int, error: Exception) -> None:
        if generation == self._generation:
            self.failed.emit(error)
        self._end_job()

    def _end_job(self, _generation: int = 0) -> None:
        if self._job is not None:
            self._job.deleteLater()
        self._job = None
        self._start_waiting()
