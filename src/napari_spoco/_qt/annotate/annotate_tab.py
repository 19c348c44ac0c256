"""Annotate: which image, which annotations, what is painted, and the tools to paint more."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton

from napari_spoco._qt.annotate.annotation_status import ACTIONS, IMPORT, PAINTING, TOOLS, WORK_BOX, AnnotationStatus
from napari_spoco._qt.annotate.counting import Counting
from napari_spoco._qt.annotate.image_form import ImageForm
from napari_spoco._qt.annotate.import_form import ImportForm
from napari_spoco._qt.annotate.object_list import ObjectList
from napari_spoco._qt.annotate.stroke_colours import COLOURS, STROKE_ACTIONS
from napari_spoco._qt.forms.layer_choice import LayerChoice
from napari_spoco._qt.forms.parts import buttons, folded, row, sentence
from napari_spoco._qt.forms.swatches import underline
from napari_spoco._qt.jobs.files_job import AnnotationSummary
from napari_spoco._qt.layers import layers
from napari_spoco._qt.tabs import Tab
from napari_spoco.config import AnnotationConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_spoco._qt.annotate.annotation_status import Elsewhere
    from napari_spoco.training.process import Box

_TITLE_WIDTH = 80
_IMAGE_HELP = (
    "The image to annotate, to train on and to segment. Are its channels layers of their own? Choose one of them, and "
    "press Combine below."
)
_ANNOTATIONS_HELP = "The Labels layer that is painted on: a label per object; 0 is unknown, not background."
_BOXES_HELP = (
    "A Shapes layer of rectangles in which every object is painted: what is left unpainted there is background, not "
    "unknown. In a stack a rectangle counts for the plane in which it is drawn; draw one in each plane it is true for."
)
_DRAW_HELP = "Draw a rectangle with the mouse around a region in which you have painted every object."
_VIEW_HELP = "State that every object is painted in what is on show: adds a rectangle around it, in this plane."


class AnnotateTab(Tab):
    """Choose the image and the annotations, see what is painted, paint more."""

    chosen = Signal()
    counted = Signal()
    new_requested = Signal()
    action_requested = Signal(str)
    drawing_requested = Signal()
    view_box_requested = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__("Annotate")
        self.summary = AnnotationSummary()
        self._meaning, self._status = AnnotationConfig(), AnnotationStatus()
        self.counting = Counting(self)
        self.image = LayerChoice(viewer, layers.image_layers, fixed=(("none", "no image"),), takes_first=True)
        self.image.setToolTip(_IMAGE_HELP)
        self.annotations = LayerChoice(viewer, layers.labels_layers, fixed=(("none", "none yet"),))
        self.annotations.setToolTip(_ANNOTATIONS_HELP)
        self.new_button = QPushButton()
        self.action_buttons = {action.name: QPushButton(action.text) for action in ACTIONS}
        for action, stroke in STROKE_ACTIONS.items():
            underline(self.action_buttons[action], COLOURS[stroke])
        self.objects, self.importing = ObjectList(), ImportForm(viewer)
        self.boxes = LayerChoice(viewer, layers.shapes_layers, fixed=(("none", "none"),))
        self.boxes.setToolTip(_BOXES_HELP)
        self.draw_button, self.view_button = QPushButton("Draw a box"), QPushButton("All that is on show")
        self.draw_button.setToolTip(_DRAW_HELP)
        self.view_button.setToolTip(_VIEW_HELP)
        self.image_form = ImageForm(title_width=_TITLE_WIDTH)
        self._about_annotations = sentence()
        self._about_brush, self._advice = sentence(), sentence()
        self._lay_out()
        self._connect()
        self.count()

    def interpret(self, meaning: AnnotationConfig) -> None:
        """Count painted ids by this meaning from now on."""
        self._meaning = meaning
        if self.counting.interpret(meaning):
            self.count()

    def read_boxes(self) -> tuple[Box, ...]:
        """Return the fully annotated boxes in pixels of the annotations; raises ValueError for odd shapes."""
        shapes, annotations = self.boxes.layer(), self.annotations.layer()
        return () if shapes is None or annotations is None else layers.read_boxes(shapes, annotations)

    def count(self) -> None:
        """Count the painted objects now; large annotations in a thread."""
        self.counting.count()

    def show_status(self, status: AnnotationStatus, key_of: Callable[[str], str]) -> None:
        """Show how things stand; `key_of` returns the key of an action, or nothing."""
        for action in ACTIONS:
            button, reason, key = self.action_buttons[action.name], status.reason(action.name), key_of(action.name)
            button.setText(f"{action.text} ({key})" if key else action.text)
            button.setToolTip(reason or action.hint)
            button.setEnabled(not reason)
        self.importing.allow(not status.reason(IMPORT))
        for button in (self.draw_button, self.view_button):
            button.setEnabled(status.is_open)
        self._status = replace(status, elsewhere=self._status.elsewhere)
        self._show_lines()

    def show_elsewhere(self, elsewhere: Elsewhere) -> None:
        """Advise by what is painted in other images, too."""
        self._status = replace(self._status, elsewhere=elsewhere)
        self._show_lines()

    def press(self, name: str) -> None:
        """Do what the button of an action does."""
        if name == "new_object" and self.annotations.layer() is None:
            self.new_requested.emit()  # Its brush is ready for the first object.
        else:
            self.action_requested.emit(name)

    def release(self) -> None:
        """Let go of viewer and layers."""
        self.counting.follow(None)
        for choice in (self.image, self.annotations, self.boxes, self.importing.labels):
            choice.disconnect_viewer()

    def _show_lines(self) -> None:
        for label, text in ((self._about_brush, self._status.brush), (self._advice, self._status.advice)):
            label.setText(text)
            label.setVisible(bool(text))

    def _lay_out(self) -> None:
        self.column.addLayout(row(self.image, title="Image", title_width=_TITLE_WIDTH))
        self.column.addWidget(self.image_form)
        self.column.addLayout(row(self.annotations, self.new_button, title="Annotations", title_width=_TITLE_WIDTH))
        for actions in (PAINTING, TOOLS):
            self.column.addLayout(buttons(*(self.action_buttons[action.name] for action in actions)))
            if actions is PAINTING:
                self.column.addWidget(self._about_brush)
        self.column.addWidget(self.objects, 1)
        for about in (self._about_annotations, self._advice):  # Lines come and go: the list makes room for them.
            self.column.addWidget(about)
        self.column.addLayout(row(self.boxes, title="Fully annotated boxes"))
        self.column.addLayout(buttons(self.draw_button, self.view_button))
        boxes = (self.action_buttons[action.name] for action in WORK_BOX)
        self.column.addLayout(row(*boxes, title="Work box", title_width=_TITLE_WIDTH))
        self.column.addWidget(folded("Import objects", self.importing))

    def _connect(self) -> None:
        self.counting.counted.connect(self._on_counted)
        self.counting.failed.connect(self._on_counting_failed)
        self.image.chosen.connect(self.chosen)
        self.annotations.chosen.connect(self._on_annotations_chosen)
        self.new_button.clicked.connect(self._on_new_clicked)
        self.draw_button.clicked.connect(self._on_draw_clicked)
        self.view_button.clicked.connect(self._on_view_clicked)
        for name, button in self.action_buttons.items():
            button.clicked.connect(partial(self._on_action_clicked, name))

    def _on_new_clicked(self) -> None:
        self.new_requested.emit()

    def _on_action_clicked(self, name: str) -> None:
        self.press(name)

    def _on_draw_clicked(self) -> None:
        self.drawing_requested.emit()

    def _on_view_clicked(self) -> None:
        self.view_box_requested.emit()

    def _on_annotations_chosen(self) -> None:
        self.summary = AnnotationSummary()
        self.counting.follow(self.annotations.layer())
        self.chosen.emit()
        self.count()

    def _on_counted(self, summary: AnnotationSummary) -> None:
        self.summary = summary
        if summary.n_objects:
            many = "s" if summary.n_objects > 1 else ""
            text = f"{summary.n_objects} object{many} painted, median size {summary.median_size} pixels"
        else:
            text = "no object painted yet"
        self._show_count("; ".join((text, *self._statements())))

    def _on_counting_failed(self, error: Exception) -> None:
        self.summary = AnnotationSummary()
        self._show_count(str(error))

    def _statements(self) -> list[str]:
        """Say which labels are no objects."""
        meaning, n_pixels = self._meaning, self.summary.n_background
        said = []
        if meaning.background_label is not None:
            said.append(f"label {meaning.background_label} counts as background ({n_pixels} pixels)")
        if meaning.ignore_label is not None:
            said.append(f"label {meaning.ignore_label} is ignored")
        return said

    def _show_count(self, text: str) -> None:
        self._about_annotations.setText(text)
        self._about_annotations.setVisible(self.annotations.layer() is not None)
        self.counted.emit()
