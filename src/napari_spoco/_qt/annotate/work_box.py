"""The work box: a part of a large image as layers of its own, whose annotations go back into the whole.

The cycle of writing back:

1. A job finds out what has changed in the box (`PixelsToPaint`); both layers are as they were.
2. While a mouse button is held, a stroke may be under way: it is waited for. If the user may have painted in the box
   meanwhile, it is looked at again.
3. The event loop paints into the whole, and closes the box.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_spoco._qt.annotate import annotation_job, annotation_layer
from napari_spoco._qt.annotate.box_places import annotations_of, place_in, whole_of
from napari_spoco._qt.annotate.stroke_labels import KEPT
from napari_spoco._qt.jobs.worker import SideJob
from napari_spoco._qt.layers.image_axes import axes_of, pixels_of
from napari_spoco._qt.layers.layers import add_annotations, spatial_shape, unwatch_painting, watch_painting
from napari_spoco._qt.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Collection

    import napari.viewer
    from napari.layers import Image, Labels, Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.annotate.annotation_job import Crop, PixelsToPaint
    from napari_spoco.data.work_box import WorkBox

_GONE = "The annotations that this box was cropped from are gone; it stays as it is."
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
    """Crops what the tab has chosen, and writes it back.

    Cropping and looking for changes are jobs; `changed` says that one begins or ends.
    """

    noticed = Signal(object)  # Notice
    failed = Signal(object)  # Exception
    changed = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, tab: AnnotateTab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._tab = viewer, tab
        self._cropped: tuple[Image, Labels | None] | None = None
        self._edited: _Edited | None = None
        self._is_changed = False
        self._found: PixelsToPaint | None = None
        self._end = Notice("")
        self._cropping, self._writing = SideJob(self), SideJob(self)
        self._cropping.returned.connect(self._on_cropped)
        self._writing.returned.connect(self._on_changes_known)
        self._writing.failed.connect(self._leave)
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.setInterval(_MILLISECONDS)
        self._turn.timeout.connect(self._on_turn)
        for job in (self._cropping, self._writing):
            job.failed.connect(self.failed)
            job.changed.connect(self.changed)

    @property
    def is_working(self) -> bool:
        """Whether a job is running."""
        return self._cropping.is_running or self._writing.is_running or self._turn.isActive()

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
        annotations = None if taken is None else annotation_layer.find_layer(self._viewer, taken.annotations)
        if annotations is None and whole is not None:
            annotations = annotations_of(self._viewer, whole)
        place = None if whole is None else place_in(whole, part)
        if (taken is None and place is None) or (taken is not None and annotations is None):
            self.noticed.emit(Notice(_GONE, "bad"))
            return
        if annotations is None:
            annotations = add_annotations(self._viewer, whole)
        self._edited = _Edited(part, edited, whole, annotations, place if taken is None else taken.box, reserved)
        watch_painting(edited, self._on_edited_changed)
        self._look()

    def end(self) -> None:
        """Forget what the jobs were begun for."""
        self._cropped = None
        self._turn.stop()
        self._leave()

    def _on_cropped(self, crop: Crop) -> None:
        if self._cropped is None:
            return
        image, annotations = self._cropped
        part = annotation_layer.add_part(self._viewer, image, crop.pixels, [side.start for side in crop.place])
        labels = None
        if annotations is not None and crop.box is not None:
            labels = annotation_layer.add_taken_box(self._viewer, part, annotations, crop.box)
        self._tab.image.choose(part)
        self._tab.annotations.choose("none" if labels is None else labels)
        todo = _TRY if labels is None else _ANNOTATE
        self.noticed.emit(Notice(f"{describe_part(crop.place, spatial_shape(image))} {todo}", "good"))

    def _look(self) -> None:
        edited, self._is_changed = self._edited, False
        arrays = edited.annotations.data, edited.labels.data
        self._writing.start(annotation_job.run_write_back, *arrays, edited.place, edited.reserved)

    def _on_edited_changed(self, _event: Any) -> None:
        self._is_changed = True

    def _on_changes_known(self, found: PixelsToPaint) -> None:
        self._found = found
        self._on_turn()

    def _on_turn(self) -> None:
        if self._edited is None or self._edited.annotations not in self._viewer.layers:
            self._leave()
        elif QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._turn.start()
        elif self._is_changed:
            self._look()
        else:
            self._write(self._found)

    def _write(self, found: PixelsToPaint) -> None:
        edited, annotations = self._edited.labels, self._edited.annotations
        n_left = n_pixels = len(found.after)
        if n_pixels:
            n_left -= annotation_layer.put_pixels(annotations, found.indices, found.before, found.after)
        if KEPT in edited.metadata:
            annotations.metadata[KEPT] = edited.metadata[KEPT]
        self._close(self._leave())
        left = f" {n_left} of them were painted over in the whole meanwhile and stay as they are." if n_left else ""
        self._end = Notice(f"{found.text}{left} The box is closed.", "good")
        QTimer.singleShot(_MILLISECONDS, self._tell_end)  # After what is said of removed layers: these are not lost.

    def _leave(self, _error: Exception | None = None) -> _Edited | None:
        """Forget the box that was being written back, and return it."""
        edited, self._edited, self._found = self._edited, None, None
        if edited is not None:
            unwatch_painting(edited.labels, self._on_edited_changed)
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
