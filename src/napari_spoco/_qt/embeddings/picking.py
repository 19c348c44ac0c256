"""Objects that the mouse points at: they light up, and with a click become annotations.

In the plane under the pointer that is quick enough for the event loop (`InstancePicker`); the object of a click, which
in a stack has other planes too, is found in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.embeddings.picking_job import Picked, PlanePicker, run_pick
from napari_spoco._qt.embeddings.pointing import Pointing
from napari_spoco._qt.jobs.worker import SideJob

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.embeddings.embedding_job import EmbeddedImage
    from napari_spoco._qt.layers.result_layers import ResultLayers


class Picking(QObject):
    """Picks objects of one image from `begin` to `end` or `pause`."""

    picked = Signal(object)  # Picked
    failed = Signal(object)  # Exception

    def __init__(self, viewer: napari.viewer.Viewer, results: ResultLayers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._results = results
        self._layer: Layer | None = None
        self._image: EmbeddedImage | None = None
        self._picker: PlanePicker | None = None
        self._shown: Picked | None = None
        self._pixel: tuple[int, ...] | None = None  # under the pointer
        self._reach = 1.0
        self._clicks: list[tuple[EmbeddedImage, tuple[int, ...], float]] = []  # the first one is being looked at
        self._job = SideJob(self)
        self._job.returned.connect(self._on_picked)
        self._job.failed.connect(self._on_failed)
        self.pointing = Pointing(viewer, self)
        self.pointing.hovered.connect(self._on_hovered)
        self.pointing.clicked.connect(self._on_clicked)
        self.pointing.left.connect(self._on_left)

    @property
    def is_following(self) -> bool:
        """Whether objects are picked."""
        return self._layer is not None

    def begin(self, layer: Layer, image: EmbeddedImage) -> None:
        """Pick objects of an image that has been embedded."""
        self.pause()
        self._layer, self._image, self._picker = layer, image, PlanePicker(image)
        self.pointing.begin(layer)

    def set_reach(self, reach: float) -> None:
        """Pick as far as `run_pick` says; the object that is lit up follows at once."""
        self._reach, self._shown = reach, None
        if self._pixel is not None:
            self._on_hovered(self._pixel)

    def end(self) -> None:
        """Pick nothing more; the last object under the pointer is taken away."""
        self.pause()
        self._results.drop_pick()

    def pause(self) -> None:
        """Pick nothing until it begins again."""
        self.pointing.end()
        self._on_left()
        self._layer = self._image = self._picker = None

    def _on_hovered(self, pixel: tuple[int, ...]) -> None:
        self._pixel = pixel
        if self._picker is None or self._layer is None or (self._shown is not None and self._shown.holds(pixel)):
            return
        self._shown = self._picker.pick(pixel, self._reach)
        self._results.show_pick(self._layer, self._shown.mask, self._shown.start)

    def _on_clicked(self, pixel: tuple[int, ...]) -> None:
        if self._image is not None:
            self._clicks.append((self._image, pixel, self._reach))
            self._pick_next()

    def _pick_next(self) -> None:
        """Find the objects of the clicks one after the other; those in another image are meant no more."""
        if self._job.is_running:
            return
        self._clicks = [click for click in self._clicks if click[0] is self._image]
        if self._clicks:
            self._job.start(run_pick, *self._clicks[0])

    def _on_left(self) -> None:
        self._shown = self._pixel = None
        self._results.hide_pick()

    def _on_picked(self, picked: Picked) -> None:
        image, *_ = self._clicks.pop(0)
        if image is self._image:
            self.picked.emit(picked)
        self._pick_next()

    def _on_failed(self, error: Exception) -> None:
        self._clicks.pop(0)
        self.failed.emit(error)
        self._pick_next()
