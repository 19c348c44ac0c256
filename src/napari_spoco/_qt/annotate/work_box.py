"""The work box: a part of a large image as layers of its own, whose annotations go back into the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate import annotation_job, annotation_layer
from napari_spoco._qt.annotate.stroke_labels import KEPT
from napari_spoco._qt.image_axes import axes_of, pixels_of
from napari_spoco._qt.notices import Notice
from napari_spoco._qt.worker import SideJob

if TYPE_CHECKING:
    from collections.abc import Collection

    import napari.viewer
    from napari.layers import Image, Labels

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.annotate.annotation_job import Crop, PixelsToPaint

_GONE = "The annotations that this box was cropped from are gone; it stays as it is."


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
        self._cropped: tuple[Image, Labels] | None = None
        self._edited: Labels | None = None
        self._cropping, self._writing = SideJob(self), SideJob(self)
        self._cropping.returned.connect(self._on_cropped)
        self._writing.returned.connect(self._on_changes_known)
        for job in (self._cropping, self._writing):
            job.failed.connect(self.failed)
            job.changed.connect(self.changed)

    @property
    def is_working(self) -> bool:
        """Whether a job is running."""
        return self._cropping.is_running or self._writing.is_running

    def crop(self, reserved: Collection[int]) -> None:
        """Make layers of what is on show; `reserved` ids are no objects."""
        self._cropped = image, annotations = self._tab.image.layer(), self._tab.annotations.layer()
        box = annotation_layer.visible_part(self._viewer, annotations)
        self.noticed.emit(Notice("Making layers of what is on show …"))
        part = (slice(None), *box) if "C" in axes_of(image) else box
        self._cropping.start(annotation_job.run_crop, annotations.data, pixels_of(image), part, box, reserved)

    def write_back(self, reserved: Collection[int]) -> None:
        """Put what has changed in the chosen box into the annotations it comes from."""
        self._edited = edited = self._tab.annotations.layer()
        annotations, box = self._annotations(), annotation_layer.work_box_origin(edited).box
        if annotations is None:
            self.noticed.emit(Notice(_GONE, "bad"))
        else:
            self._writing.start(annotation_job.run_write_back, annotations.data, edited.data, box, reserved)

    def end(self) -> None:
        """Forget what the jobs were begun for."""
        self._cropped = self._edited = None

    def _annotations(self) -> Labels | None:
        """Return the annotations that the edited box was cropped from."""
        return annotation_layer.find_layer(self._viewer, annotation_layer.work_box_origin(self._edited).annotations)

    def _on_cropped(self, crop: Crop) -> None:
        if self._cropped is None:
            return
        part, labels = annotation_layer.add_work_box(self._viewer, *self._cropped, crop)
        self._tab.image.choose(part)
        self._tab.annotations.choose(labels)
        self.noticed.emit(Notice("Annotate in this box, then press Write back."))

    def _on_changes_known(self, found: PixelsToPaint) -> None:
        edited = self._edited
        annotations = None if edited is None else self._annotations()
        if annotations is None:
            return
        n_left = n_pixels = len(found.after)
        if n_pixels:
            n_left -= annotation_layer.put_pixels(annotations, found.indices, found.before, found.after)
        if KEPT in edited.metadata:
            annotations.metadata[KEPT] = edited.metadata[KEPT]
        self._close(annotations)
        left = f" {n_left} of them were painted over in the whole meanwhile and stay as they are." if n_left else ""
        self.noticed.emit(Notice(f"{found.text}{left} The box is closed.", "good"))

    def _close(self, annotations: Labels) -> None:
        """Choose the whole again, and remove the layers of the box."""
        origin, edited = annotation_layer.work_box_origin(self._edited), self._edited
        image = annotation_layer.find_layer(self._viewer, origin.image)
        if image is not None:
            self._tab.image.choose(image)
        self._tab.annotations.choose(annotations)
        self._viewer.layers.selection.active = annotations
        for layer in (edited, annotation_layer.find_layer(self._viewer, origin.part)):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._edited = None
