"""The work box: a part of a large image as layers of its own, whose annotations go back into the whole.

The cycle of writing back:

1. A job finds out what has changed in the box (`BoxPixels`); both layers are as they were.
2. If the user may have painted in the box or in the whole meanwhile, it is looked at again.
3. It is painted into the whole in many turns of the event loop (`PixelWriting`), until the user takes it back. The box
   knows what is being painted: whatever keeps that from coming to its end, it can be written back again.
4. The box is closed, unless the user may have painted in it since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QObject, QTimer, Signal

from napari_spoco._qt.annotate import annotation_job, annotation_layer
from napari_spoco._qt.annotate.box_places import annotations_of, place_in, whole_of
from napari_spoco._qt.annotate.stroke_labels import KEPT
from napari_spoco._qt.jobs.worker import SideJob
from napari_spoco._qt.layers.image_axes import axes_of, pixels_of
from napari_spoco._qt.layers.layers import add_annotations, spatial_shape, unwatch_painting, watch_painting
from napari_spoco._qt.layers.pixel_writing import PixelWriting
from napari_spoco._qt.notices import Notice
from napari_spoco.data.work_box import WorkBox

if TYPE_CHECKING:
    from collections.abc import Collection

    import napari.viewer
    from napari.layers import Image, Labels, Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.annotate.annotation_job import BoxPixels, Crop

_GONE = "The annotations that this box was cropped from are gone; it stays as it is."
_STOPPED = (
    "The rest is not written back: what was written so far is undone, or the annotations are new ones. The box stays "
    "open."
)
_STAYS = "The box stays open, as it may have been painted in meanwhile: press Write back again for what is new in it."
_ANNOTATE = "Annotate in this box, then press Write back."
_TRY = "Try a model on it (tab Segment), or press New object to annotate in it."

_MILLISECONDS = 50


class _Edited(NamedTuple):
    """A box that is being written back: its layers, the whole image, and the annotations that are written into.

    `place` is what is known of it, as `annotation_job.run_write_back` takes it; `reserved` ids are no objects.
    """

    part: Layer | None
    labels: Labels
    whole: Layer | None
    annotations: Labels
    place: WorkBox | tuple[slice, ...]
    reserved: Collection[int]


class WorkBoxes(QObject):
    """Crops what the tab has chosen, and writes it back; `changed` says that a part of that begins or ends."""

    noticed = Signal(object)  # Notice
    failed = Signal(object)  # Exception
    changed = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, tab: AnnotateTab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._tab = viewer, tab
        self._cropped: tuple[Image, Labels | None] | None = None
        self._edited: _Edited | None = None
        self._is_changed = False
        self._found: BoxPixels | None = None
        self._pixels: Any = None  # of the annotations that are written into
        self._end = Notice("")
        self._cropping, self._looking, self._writing = SideJob(self), SideJob(self), PixelWriting(self)
        self._cropping.returned.connect(self._on_cropped)
        self._cropping.failed.connect(self.failed)
        self._looking.returned.connect(self._on_looked)
        for job in (self._cropping, self._looking):
            job.changed.connect(self.changed)
        self._writing.written.connect(self._on_written)
        self._writing.stopped.connect(self._on_stopped)
        for part in (self._looking, self._writing):
            part.failed.connect(self._on_failed)

    @property
    def is_working(self) -> bool:
        """Whether a part is being cropped or written back."""
        return self._cropping.is_running or self._looking.is_running or self._writing.is_running

    def is_box(self) -> bool:
        """Return whether what is chosen is a work box."""
        image, annotations = self._tab.image.layer(), self._tab.annotations.layer()
        is_taken = annotations is not None and annotation_layer.taken_box(annotations) is not None
        return is_taken or (image is not None and whole_of(self._viewer, image) is not None)

    def crop(self, reserved: Collection[int]) -> None:
        """Make layers of what is on show; `reserved` ids are no objects."""
        self._cropped = image, annotations = self._tab.image.layer(), self._tab.annotations.layer()
        place = annotation_layer.visible_part(self._viewer, image if annotations is None else annotations)
        self.noticed.emit(Notice("Making layers of what is on show …"))
        part = (slice(None), *place) if "C" in axes_of(image) else place
        labels = None if annotations is None else annotations.data
        self._cropping.start(annotation_job.run_crop, labels, pixels_of(image), part, place, reserved)

    def write_back(self, reserved: Collection[int]) -> None:
        """Put what has changed in the chosen box into the annotations it comes from, or into new ones of the whole."""
        part, edited = self._tab.image.layer(), self._tab.annotations.layer()
        taken, whole = annotation_layer.taken_box(edited), None if part is None else whole_of(self._viewer, part)
        annotations = annotation_layer.find_layer(self._viewer, annotation_layer.whole_key(edited))
        if annotations is None and whole is not None:
            annotations = annotations_of(self._viewer, whole)
        place = None if whole is None else place_in(whole, part)
        if (taken is None and place is None) or (taken is not None and annotations is None):
            self.noticed.emit(Notice(_GONE, "bad"))
            return
        if annotations is None:
            annotations = add_annotations(self._viewer, whole)
        self._edited = _Edited(part, edited, whole, annotations, place if taken is None else taken.box, reserved)
        for layer in (edited, annotations):
            watch_painting(layer, self._on_painted)
        self._look()

    def end(self) -> None:
        """Forget what was begun; undo takes back what is written of a box, which stays open."""
        self._cropped = None
        self._writing.end()
        self._leave()

    def _on_cropped(self, crop: Crop) -> None:
        if self._cropped is None:
            return
        image, annotations = self._cropped
        part = annotation_layer.add_part(self._viewer, image, crop.pixels, [side.start for side in crop.place])
        labels = None
        if annotations is not None and crop.box is not None:
            labels = annotation_layer.add_taken_box(self._viewer, part, annotations, crop.box, crop.labels)
        self._tab.image.choose(part)
        self._tab.annotations.choose("none" if labels is None else labels)
        todo = _TRY if labels is None else _ANNOTATE
        self.noticed.emit(Notice(f"{describe_part(crop.place, spatial_shape(image))} {todo}", "good"))

    def _look(self) -> None:
        edited, self._is_changed = self._edited, False
        self._pixels = edited.annotations.data
        arrays = self._pixels, edited.labels.data
        self._looking.start(annotation_job.run_write_back, *arrays, edited.place, edited.reserved)

    def _on_painted(self, _event: Any) -> None:
        self._is_changed = True

    def _on_looked(self, found: BoxPixels) -> None:
        if self._edited is None:
            return
        self._found = found
        if not isinstance(self._edited.place, WorkBox):  # What is painted in the whole from now on is to stay there.
            self._edited = self._edited._replace(place=found.taken)
        self._writing.start(self._edited.annotations, self._pixels, found, self._holds)
        self.changed.emit()

    def _holds(self) -> bool:
        """Say whether what was found is to be written; look again where it may hold no longer."""
        edited = self._edited
        if edited.annotations not in self._viewer.layers:
            self._conclude(Notice(_GONE, "bad"))
            return False
        if self._is_changed:
            self._look()
            return False
        unwatch_painting(edited.annotations, self._on_painted)
        annotation_layer.note_taken_box(edited.labels, edited.annotations, self._found.painted)
        if KEPT in edited.labels.metadata:
            edited.annotations.metadata[KEPT] = edited.labels.metadata[KEPT]
        return True

    def _on_written(self) -> None:
        edited, text, n_left, layers = self._edited, self._found.text, self._writing.n_left, self._viewer.layers
        if n_left:
            text += f" {n_left} of them were painted over in the whole meanwhile and stay as they are."
        if edited.annotations not in layers:
            self._conclude(Notice(_GONE, "bad"))
        elif self._is_changed and edited.labels in layers:
            self._conclude(Notice(f"{text} {_STAYS}"))
        else:
            self._close(self._leave())
            self._end = Notice(f"{text} The box is closed.", "good")
            # After what is said of removed layers: these are not lost.
            QTimer.singleShot(_MILLISECONDS, self._tell_end)
            self.changed.emit()

    def _on_stopped(self) -> None:
        self._conclude(Notice(_STOPPED))

    def _on_failed(self, error: Exception) -> None:
        self._leave()
        self.failed.emit(error)
        self.changed.emit()

    def _conclude(self, notice: Notice) -> None:
        """Leave the box open, and say why."""
        self._leave()
        self.noticed.emit(notice)
        self.changed.emit()

    def _leave(self) -> _Edited | None:
        """Forget the box that was being written back, and return it."""
        edited, self._edited, self._found, self._pixels = self._edited, None, None, None
        if edited is not None:
            for layer in (edited.labels, edited.annotations):
                unwatch_painting(layer, self._on_painted)
        return edited

    def _tell_end(self) -> None:
        self.noticed.emit(self._end)

    def _close(self, done: _Edited) -> None:
        """Choose the whole again, and remove the layers of the box."""
        if done.whole is not None and done.whole in self._viewer.layers:
            self._tab.image.choose(done.whole)
        self._tab.annotations.choose(done.annotations)
        self._viewer.layers.selection.active = done.annotations
        for layer in (done.labels, done.part):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)


def describe_part(place: tuple[slice, ...], shape: tuple[int, ...]) -> str:
    """Say what was cropped of an image of a shape: "Cropped 346 by 309 pixels, all 40 planes."."""
    *ahead, rows, columns = place
    text = f"{rows.stop - rows.start} \u00d7 {columns.stop - columns.start} pixels"
    for planes, n in zip(ahead, shape, strict=False):
        is_all = planes.stop - planes.start == n
        text += f", all {n} planes" if is_all else f", planes {planes.start} to {planes.stop - 1} of {n}"
    return f"Cropped {text}."
