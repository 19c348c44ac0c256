"""Review: the objects of a segmentation, worst first; decide about each, and correct them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QItemSelectionModel, QModelIndex, QStringListModel, Qt, Signal
from qtpy.QtWidgets import QListView, QProgressBar, QPushButton

from napari_spoco._qt import layers
from napari_spoco._qt.layer_choice import LayerChoice
from napari_spoco._qt.parts import buttons, line, row, sentence, show_control
from napari_spoco._qt.review.review_status import ACTIONS, DECISIONS, STEPS, TOOLS, ReviewStatus, list_objects
from napari_spoco._qt.session import Control
from napari_spoco._qt.tabs import Tab

if TYPE_CHECKING:
    import napari.viewer

    from napari_spoco._qt.keys import KeyChoice
    from napari_spoco.review.queue import ReviewQueue

_ABOUT = (
    "Look at the objects, the most doubtful first. A click on an object chooses it, Shift+click adds another. The keys "
    "work while the layer under review is selected."
)
_N_ROWS = 6
"""Of the list, in sight."""


class ReviewTab(Tab):
    """Choose a segmentation, walk through its objects, correct them."""

    start_requested = Signal()
    end_requested = Signal()
    action_requested = Signal(str)
    object_requested = Signal(int)
    annotations_requested = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__("Review")
        self.labels = LayerChoice(viewer, layers.labels_layers, fixed=(("", "choose a layer"),), takes_first=True)
        self.labels.setToolTip("The Labels layer whose objects are reviewed; corrections are made in it.")
        self.start_button = QPushButton()
        self.bar, self.summary, self.about = QProgressBar(), sentence(), sentence()
        self.bar.setTextVisible(False)
        self.about.setMinimumHeight(3 * self.about.fontMetrics().lineSpacing())  # Reasons come and go, buttons stay.
        self.about.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.action_buttons = {action.name: QPushButton(f"{action.text} ({action.key})") for action in ACTIONS}
        self.objects, self._lines = QListView(), QStringListModel(self)
        self._queue: ReviewQueue | None = None
        self.annotations_button = QPushButton("Use accepted as annotations")
        self.annotations_button.setToolTip("Train on the accepted objects.")
        self._lay_out()
        self._connect()
        self.show_status(ReviewStatus())

    def show_status(self, status: ReviewStatus) -> None:
        """Show how the review stands."""
        self.labels.setEnabled(not status.is_open)
        self._show_start(status.is_open)
        self._show_progress(status)
        self.summary.setText(status.summary)
        self.about.setText(status.about)
        for name, button in self.action_buttons.items():
            button.setEnabled(status.allows(name))
        self.action_buttons["split"].setChecked(status.is_drawing)
        self._show_objects(status)
        self.annotations_button.setEnabled(status.queue is not None and bool(status.queue.accepted))

    def show_keys(self, keys: KeyChoice) -> None:
        """Show on the buttons which keys do the same."""
        for action in ACTIONS:
            key = keys.key(action.name)
            self.action_buttons[action.name].setText(f"{action.text} ({key})" if key else action.text)

    def release(self) -> None:
        """Let go of the viewer."""
        self.labels.disconnect_viewer()

    def _lay_out(self) -> None:
        for action in ACTIONS:
            self.action_buttons[action.name].setToolTip(action.hint)
        self.action_buttons["split"].setCheckable(True)
        self.objects.setModel(self._lines)
        self.objects.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.objects.setUniformItemSizes(True)
        self.objects.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # It would take the keys to search in itself.
        self.objects.setFixedHeight(_N_ROWS * (self.objects.fontMetrics().lineSpacing() + 4))
        self.objects.setToolTip("Object and score, worst first: 100 % is without any doubt. ✓: accepted.")
        self.column.addWidget(sentence(_ABOUT))
        self.column.addLayout(row(self.labels, self.start_button, title="Objects"))
        self.column.addWidget(self.bar)
        self.column.addWidget(self.summary)
        self.column.addWidget(line())
        self.column.addWidget(self.about)
        for actions in (DECISIONS, TOOLS[:2], TOOLS[2:], STEPS):
            self.column.addLayout(buttons(*(self.action_buttons[action.name] for action in actions)))
        self.column.addWidget(self.objects)
        self.column.addWidget(self.annotations_button)

    def _connect(self) -> None:
        self.labels.chosen.connect(self._on_layer_chosen)
        self.start_button.clicked.connect(self._on_start_clicked)
        for name, button in self.action_buttons.items():
            button.clicked.connect(partial(self._on_action_clicked, name))
        self.objects.clicked.connect(self._on_object_clicked)
        self.annotations_button.clicked.connect(self._on_annotations_clicked)

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

    def _show_objects(self, status: ReviewStatus) -> None:
        if status.queue is not self._queue:
            self._queue = status.queue
            self._lines.setStringList([] if status.queue is None else list_objects(status.queue))
        chosen = self.objects.selectionModel()
        chosen.clearSelection()
        if self._queue is None or not status.chosen:
            return
        order = [one.instance_id for one in self._queue.scores]
        if status.chosen[0] in order:
            index = self._lines.index(order.index(status.chosen[0]))
            chosen.select(index, QItemSelectionModel.SelectionFlag.Select)
            self.objects.scrollTo(index)

    def _on_layer_chosen(self) -> None:
        if self.labels.isEnabled():
            self._show_start(False)

    def _on_start_clicked(self) -> None:
        (self.start_requested if self.labels.isEnabled() else self.end_requested).emit()

    def _on_action_clicked(self, name: str) -> None:
        self.action_requested.emit(name)

    def _on_object_clicked(self, index: QModelIndex) -> None:
        if self._queue is not None:
            self.object_requested.emit(self._queue.scores[index.row()].instance_id)

    def _on_annotations_clicked(self) -> None:
        self.annotations_requested.emit()
