"""Review: the objects of a segmentation, worst first; decide about each, and correct them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QProgressBar, QPushButton

from napari_spoco._qt.annotate.image_layers import newest_objects, owner
from napari_spoco._qt.forms.layer_choice import LayerChoice
from napari_spoco._qt.forms.parts import buttons, line, row, sentence, show_control
from napari_spoco._qt.layers import layers
from napari_spoco._qt.review.object_queue import ObjectQueue
from napari_spoco._qt.review.review_status import ACTIONS, DECISIONS, STEPS, TOOLS, ReviewStatus
from napari_spoco._qt.session import Control
from napari_spoco._qt.tabs import Tab

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.keys import KeyChoice

_ABOUT = (
    "Look at the objects, the most doubtful first. A click on an object chooses it, Shift+click adds another. The keys "
    "work while the layer under review is selected."
)


class ReviewTab(Tab):
    """Choose a segmentation, walk through its objects, correct them."""

    start_requested = Signal()
    end_requested = Signal()
    action_requested = Signal(str)
    object_requested = Signal(int)
    annotations_requested = Signal()
    stop_requested = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__("Review")
        self._viewer = viewer
        self.labels = LayerChoice(viewer, layers.labels_layers, fixed=(("", "choose a layer"),), takes_first=True)
        self.labels.setToolTip("The Labels layer whose objects are reviewed; corrections are made in it.")
        self.start_button = QPushButton()
        self.bar, self.summary, self.order, self.about = QProgressBar(), sentence(), sentence(), sentence()
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("Do not compare student and teacher: the order stays as it is.")
        self.bar.setTextVisible(False)
        self._keep_places()
        self.action_buttons = {action.name: QPushButton(f"{action.text} ({action.key})") for action in ACTIONS}
        self.objects = ObjectQueue()
        self.annotations_button = QPushButton("Use accepted as annotations")
        self.annotations_button.setToolTip("Add the accepted objects to the annotations of the image: to train on.")
        self._lay_out()
        self._connect()
        self.show_status(ReviewStatus())

    def show_status(self, status: ReviewStatus) -> None:
        """Show how the review stands."""
        has_ended = not status.is_open and not self.labels.isEnabled()
        self.labels.setEnabled(not status.is_open)
        self._show_start(status.is_open)
        self._show_progress(status)
        self.summary.setText(status.summary)
        self.show_order(status)
        self.about.setText(status.about)
        for name, button in self.action_buttons.items():
            button.setEnabled(status.allows(name))
        self.action_buttons["split"].setChecked(status.is_drawing)
        self.objects.show_queue(status.queue, status.chosen[0] if status.chosen else None)
        self.annotations_button.setEnabled(status.queue is not None and bool(status.queue.accepted))
        if has_ended:
            self._follow()

    def show_order(self, status: ReviewStatus) -> None:
        """Show what there is to say about the order; the list of objects stays where the user has scrolled to."""
        self.order.setText(status.order)
        self.order.setVisible(bool(status.order))
        self.stop_button.setVisible(status.is_comparing)

    def show_keys(self, keys: KeyChoice) -> None:
        """Show on the buttons which keys do the same."""
        for action in ACTIONS:
            key = keys.key(action.name)
            self.action_buttons[action.name].setText(f"{action.text} ({key})" if key else action.text)

    def release(self) -> None:
        """Let go of the viewer."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active_changed)
        self.labels.disconnect_viewer()

    def _keep_places(self) -> None:
        """Let the buttons stay where they are while texts and bar come and go."""
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        for text, n_lines in ((self.summary, 3), (self.about, 7)):
            text.setMinimumHeight(n_lines * text.fontMetrics().lineSpacing())
            text.setAlignment(Qt.AlignmentFlag.AlignTop)

    def _lay_out(self) -> None:
        for action in ACTIONS:
            self.action_buttons[action.name].setToolTip(action.hint)
        self.action_buttons["split"].setCheckable(True)
        self.column.addWidget(sentence(_ABOUT))
        self.column.addLayout(row(self.labels, self.start_button, title="Objects"))
        self.column.addWidget(self.bar)
        self.column.addWidget(self.summary)
        self.column.addWidget(line())
        self.column.addWidget(self.about)
        for actions in (DECISIONS, TOOLS[:2], TOOLS[2:], STEPS):
            self.column.addLayout(buttons(*(self.action_buttons[action.name] for action in actions)))
        self.column.addLayout(row(self.order, self.stop_button))
        self.column.addWidget(self.objects, 1)
        self.column.addWidget(self.annotations_button)

    def _connect(self) -> None:
        self._viewer.layers.selection.events.active.connect(self._on_active_changed)
        self.labels.chosen.connect(self._on_layer_chosen)
        self.start_button.clicked.connect(self._on_start_clicked)
        for name, button in self.action_buttons.items():
            button.clicked.connect(partial(self._on_action_clicked, name))
        self.objects.opened.connect(self.object_requested)
        self.annotations_button.clicked.connect(self._on_annotations_clicked)
        self.stop_button.clicked.connect(self._on_stop_clicked)

    def _show_start(self, is_open: bool) -> None:
        start = Control(True, "Start review", "Look at the objects of the layer, the most doubtful first.")
        if is_open:
            start = Control(True, "End review", "Leave the layer as it is now.")
        elif self.labels.layer() is None:
            start = replace(start, enabled=False, hint="Choose a layer first.")
        show_control(self.start_button, start)

    def _show_progress(self, status: ReviewStatus) -> None:
        self.bar.setVisible(status.is_open and status.queue is None)
        if status.progress is not None:
            self.bar.setRange(0, status.progress.n_objects)
            self.bar.setValue(status.progress.n_done)

    def _on_active_changed(self, _event: Any = None) -> None:
        if not isalive(self):
            return
        if self.labels.isEnabled():
            self._follow()
            return
        wanted = self._wanted()
        if wanted not in (None, self.labels.layer()) and layers.MAKER in wanted.metadata:
            self.end_requested.emit()  # Other objects are looked at: Accept and Reject are not to meet these.

    def _follow(self) -> None:
        """Choose the layer that the user has selected, or what was found in the image that it belongs to."""
        if (wanted := self._wanted()) is not None:
            self.labels.choose(wanted)

    def _wanted(self) -> Layer | None:
        active = self._viewer.layers.selection.active
        if active is None:
            return None
        if active in layers.labels_layers(self._viewer) and layers.linked_image(active) is None:
            return active
        image = owner(self._viewer, active)
        return None if image is None else newest_objects(self._viewer, image)

    def _on_layer_chosen(self) -> None:
        if self.labels.isEnabled():
            self._show_start(False)

    def _on_start_clicked(self) -> None:
        (self.start_requested if self.labels.isEnabled() else self.end_requested).emit()

    def _on_action_clicked(self, name: str) -> None:
        self.action_requested.emit(name)

    def _on_stop_clicked(self) -> None:
        self.stop_requested.emit()

    def _on_annotations_clicked(self) -> None:
        self.annotations_requested.emit()
