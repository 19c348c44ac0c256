"""Embeddings: what a network makes of the image, as colours, as dots, and as objects under the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QPushButton

from napari_spoco._qt.embeddings.scatter_plot import ScatterPlot
from napari_spoco._qt.forms.editors import ChoiceEditor, ignore_wheel
from napari_spoco._qt.forms.parts import buttons, one_line, row, sentence, show_control
from napari_spoco._qt.forms.spin_boxes import IntEditor
from napari_spoco._qt.tabs import Tab

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_spoco._qt.session import Controls

_ABOUT = (
    "Pixels that the network takes for one object have like embeddings, and like colours here. While it is trained the "
    "part of the picture that you look at is renewed every few seconds."
)
_DOTS_HELP = (
    "The image and the model of these dots. They do not follow a training, nor what is painted since: "
    "Show embeddings draws them anew."
)
_NETWORKS = (("teacher", "teacher: steadier"), ("student", "student: as trained last"))
_NETWORK_HELP = (
    "Training makes two networks: the student learns, the teacher is its average over the last steps, and usually the "
    "better one. What is chosen embeds the image here, for picking, and in Segment; a training shows it from its next "
    "picture on."
)
_REACH_HELP = (
    "How unlike the pixel under the pointer the others may be to light up with it: more takes in paler rims and gaps, "
    "less lets neighbours go. 100 % is what suits the training of the model. Shift and the mouse wheel over the image "
    "do the same."
)
_REACH_RANGE, _REACH_STEP = (10, 500), 10
"""Percent."""
_ONE_NETWORK = "The model in use has one network only."
_NO_TEACHER = "This training makes one network only, the student, which is shown."


class EmbeddingsTab(Tab):
    """Choose the network, show embeddings, pick objects, the scatter plot."""

    embed_requested = Signal()
    cancel_requested = Signal()
    network_chosen = Signal()
    pick_toggled = Signal(bool)
    reach_changed = Signal(float)

    def __init__(self) -> None:
        super().__init__("Embeddings")
        self.embed_button, self.cancel_button, self.pick = QPushButton(), QPushButton(), QCheckBox()
        self.network = ChoiceEditor(_NETWORKS)
        ignore_wheel(self.network)
        self.offer_networks(has_both=True)
        self.reach = IntEditor(*_REACH_RANGE, "%", None)
        self.reach.setStepType(QAbstractSpinBox.StepType.DefaultStepType)
        self.reach.setSingleStep(_REACH_STEP)
        self.reach.set_value(100)
        self.reach.setToolTip(_REACH_HELP)
        ignore_wheel(self.reach)
        self.dots_source, self.scatter = one_line(), ScatterPlot()
        self.dots_source.setToolTip(_DOTS_HELP)
        self.hide_points()
        self.column.addWidget(sentence(_ABOUT))
        self.column.addLayout(row(self.network, title="Network"))
        self.column.addLayout(buttons(self.embed_button, self.cancel_button))
        self.column.addWidget(self.pick)
        self.column.addLayout(row(self.reach, title="Reach of picking"))
        self.column.addWidget(self.dots_source)
        self.column.addWidget(self.scatter)
        self.embed_button.clicked.connect(self._on_embed_clicked)
        self.cancel_button.clicked.connect(self._on_cancel_clicked)
        self.pick.toggled.connect(self.pick_toggled)
        self.network.edited.connect(self.network_chosen)
        self.reach.edited.connect(self._on_reach_edited)

    def show_controls(self, controls: Controls) -> None:
        """Show what may be pressed."""
        show_control(self.embed_button, controls.embed)
        show_control(self.cancel_button, controls.cancel)
        show_control(self.pick, controls.pick)
        self.reach.setEnabled(controls.pick.enabled)

    def offer_networks(self, *, has_both: bool, is_training: bool = False) -> None:
        """Let the network be chosen where the model in use, or the one in training, has two."""
        self.network.setEnabled(has_both)
        self.network.setToolTip(_NETWORK_HELP if has_both else _NO_TEACHER if is_training else _ONE_NETWORK)

    @property
    def is_picking_wanted(self) -> bool:
        """Whether objects are to be picked: asked for, and the tab is on show."""
        return self.pick.isChecked() and self.isVisibleTo(self.window())

    def show_points(
        self, points: NDArray[np.float32], colours: Sequence[tuple[int, ...] | None], *, source: str
    ) -> None:
        """Show pixels (N, 2) of an image in their colours, None = not annotated, and of what they are."""
        self.scatter.show_points(points, colours)
        self.dots_source.setText(f"Dots: {source}")
        for widget in (self.dots_source, self.scatter):
            widget.show()

    def hide_points(self) -> None:
        """Take the pixels out of sight: they are not of what is on show any more."""
        for widget in (self.dots_source, self.scatter):
            widget.hide()

    def _on_embed_clicked(self) -> None:
        self.embed_requested.emit()

    def _on_cancel_clicked(self) -> None:
        self.cancel_requested.emit()

    def _on_reach_edited(self) -> None:
        self.reach_changed.emit(self.reach.value() / 100)
