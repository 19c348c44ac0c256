"""Annotate: which image, which annotations, and how much has been painted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QPushButton

from napari_spoco._qt import layers
from napari_spoco._qt.files_job import AnnotationSummary, count_objects, summarize
from napari_spoco._qt.layer_choice import LayerChoice
from napari_spoco._qt.parts import row, sentence
from napari_spoco._qt.tabs import Tab
from napari_spoco._qt.worker import Job
from napari_spoco.config import AnnotationConfig

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco.training.process import Box

COUNTED_AT_ONCE = 2**18
"""Pixels up to which annotations are counted on the event loop; that takes a few milliseconds."""
_COUNT_MILLISECONDS = 250
_TITLE_WIDTH = 80
_BOXES_HELP = (
    "A Shapes layer of rectangles in which every object is painted: what is left unpainted there is background, not "
    "unknown. In a stack a rectangle counts for the plane in which it is drawn; draw one in each plane it is true for."
)


class AnnotateTab(Tab):
    """Choose the image and the annotations; counts what is painted, a moment after the brush has paused."""

    chosen = Signal()
    counted = Signal()
    new_requested = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__("Annotate")
        self.summary = AnnotationSummary()
        self._meaning = AnnotationConfig()
        self._watched: Layer | None = None
        self._generation = 0
        self._job: Job | None = None
        self.image = LayerChoice(viewer, layers.image_layers, fixed=(("none", "no image"),), takes_first=True)
        self.annotations = LayerChoice(viewer, layers.labels_layers, fixed=(("none", "choose, or press New"),))
        self.new_button = QPushButton()
        self.boxes = LayerChoice(viewer, layers.shapes_layers, fixed=(("none", "none"),))
        self.boxes.setToolTip(_BOXES_HELP)
        self._about_image, self._about_annotations = sentence(), sentence()
        self.column.addLayout(row(self.image, title="Image", title_width=_TITLE_WIDTH))
        self.column.addWidget(self._about_image)
        self.column.addLayout(row(self.annotations, self.new_button, title="Annotations", title_width=_TITLE_WIDTH))
        self.column.addWidget(self._about_annotations)
        self.column.addLayout(row(self.boxes, title="Fully annotated boxes"))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_COUNT_MILLISECONDS)
        self._timer.timeout.connect(self.count)
        self.image.chosen.connect(self._on_image_chosen)
        self.annotations.chosen.connect(self._on_annotations_chosen)
        self.new_button.clicked.connect(self._on_new_clicked)
        self._describe()
        self.count()

    def interpret(self, meaning: AnnotationConfig) -> None:
        """Count painted ids by this meaning from now on."""
        if meaning != self._meaning:
            self._meaning = meaning
            self.count()

    def read_boxes(self) -> tuple[Box, ...]:
        """Return the fully annotated boxes in pixels of the annotations; raises ValueError for odd shapes."""
        shapes, annotations = self.boxes.layer(), self.annotations.layer()
        return () if shapes is None or annotations is None else layers.read_boxes(shapes, annotations)

    def count(self) -> None:
        """Count the painted objects now; large annotations in a thread."""
        layer = self.annotations.layer()
        self._generation += 1
        if layer is None:
            self._show_summary(AnnotationSummary())
            return
        pixels = layers.labels_pixels(layer)
        if math.prod(pixels.shape) <= COUNTED_AT_ONCE:
            try:
                self._show_summary(summarize(pixels, self._meaning))
            except ValueError as error:
                self._show_problem(error)
            return
        self._job = job = Job(self._generation, count_objects, pixels, self._meaning, parent=self)
        job.returned.connect(self._on_job_returned)
        job.failed.connect(self._on_job_failed)
        job.start()

    def release(self) -> None:
        """Let go of viewer and layers."""
        self._timer.stop()
        self._generation += 1
        self._watch(None)
        self.image.disconnect_viewer()
        self.annotations.disconnect_viewer()
        self.boxes.disconnect_viewer()

    def _on_new_clicked(self) -> None:
        self.new_requested.emit()

    def _on_image_chosen(self) -> None:
        self._describe()
        self.chosen.emit()

    def _on_annotations_chosen(self) -> None:
        self._watch(self.annotations.layer())
        self.count()
        self.chosen.emit()

    def _on_painted(self, _event: Any = None) -> None:
        if isalive(self) and not self._timer.isActive():
            self._timer.start()

    def _on_job_returned(self, generation: int, summary: AnnotationSummary) -> None:
        if generation == self._generation:
            self._show_summary(summary)

    def _on_job_failed(self, generation: int, error: Exception) -> None:
        if generation == self._generation:
            self._show_problem(error)

    def _watch(self, layer: Layer | None) -> None:
        if self._watched is not None:
            layers.unwatch_painting(self._watched, self._on_painted)
        self._watched = layer
        if layer is not None:
            layers.watch_painting(layer, self._on_painted)

    def _describe(self) -> None:
        layer = self.image.layer()
        self._about_image.setText(layers.describe_image(layer) if layer is not None else "")
        self._about_image.setVisible(layer is not None)

    def _show_summary(self, summary: AnnotationSummary) -> None:
        self.summary = summary
        if summary.n_objects:
            many = "s" if summary.n_objects > 1 else ""
            text = f"{summary.n_objects} object{many} painted, median size {summary.median_size} pixels"
        else:
            text = "no object painted yet"
        self._show_count("; ".join((text, *self._statements())))

    def _statements(self) -> list[str]:
        """Say which labels are no objects."""
        meaning, n_pixels = self._meaning, self.summary.n_background
        said = []
        if meaning.background_label is not None:
            said.append(f"label {meaning.background_label} counts as background ({n_pixels} pixels)")
        if meaning.ignore_label is not None:
            said.append(f"label {meaning.ignore_label} is ignored")
        return said

    def _show_problem(self, error: Exception) -> None:
        self.summary = AnnotationSummary()
        self._show_count(str(error))

    def _show_count(self, text: str) -> None:
        self._about_annotations.setText(text)
        self._about_annotations.setVisible(self.annotations.layer() is not None)
        self.counted.emit()
