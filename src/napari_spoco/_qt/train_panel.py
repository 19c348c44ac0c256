"""Section 2: settings of the training, its buttons and its curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_spoco._qt.editors import ChoiceEditor, ignore_wheel
from napari_spoco._qt.forms import ModelForm, read_parameters
from napari_spoco._qt.loss_plot import LossPlot
from napari_spoco._qt.section import Section, buttons, folded, show_control
from napari_spoco.config import TrainingConfig

if TYPE_CHECKING:
    from napari_spoco._qt.session import Controls

_QUICK = ("max_steps", "max_minutes", "device")
_CHOICES = {"device": ("auto", "cpu", "cuda", "mps")}
_BLANKS = {"max_minutes": "no limit"}


class TrainPanel(Section):
    """Settings, Train, Stop and the loss curve."""

    train_requested = Signal()
    stop_requested = Signal()
    start_chosen = Signal()

    def __init__(self) -> None:
        super().__init__("2   Train")
        self.quick = ModelForm(TrainingConfig, _QUICK, choices=_CHOICES, blanks=_BLANKS)
        self.advanced = ModelForm(TrainingConfig, [name for name in TrainingConfig.model_fields if name not in _QUICK])
        self.start = ChoiceEditor(((True, "Go on with the current model"), (False, "Start a new model")))
        ignore_wheel(self.start)
        self.start.hide()
        self.train_button, self.stop_button = QPushButton(), QPushButton()
        self.plot = LossPlot()
        self.plot.hide()
        self._folded = folded("Advanced settings", self.advanced)
        for widget in (self.quick, self._folded, self.start):
            self.column.addWidget(widget)
        self.column.addLayout(buttons(self.train_button, self.stop_button))
        self.column.addWidget(self.plot)
        self.train_button.clicked.connect(self._on_train_clicked)
        self.stop_button.clicked.connect(self._on_stop_clicked)
        self.start.edited.connect(self.start_chosen)

    @property
    def device(self) -> str:
        """The chosen device, which predicts too."""
        return str(self.quick.editor("device").value())

    @property
    def goes_on(self) -> bool:
        """Whether a training is to start from the current model, if there is one."""
        return bool(self.start.value())

    def config(self) -> TrainingConfig:
        """Return the settings; raises ValueError with a sentence for the user."""
        return read_parameters(TrainingConfig, self.quick, self.advanced)

    def show_controls(self, controls: Controls, *, has_model: bool) -> None:
        """Show what may be pressed and changed."""
        show_control(self.train_button, controls.train)
        show_control(self.stop_button, controls.stop)
        inputs: tuple[QWidget, ...] = (self.quick, self.advanced, self.start)
        for widget in inputs:
            widget.setEnabled(controls.inputs)
        self.start.setVisible(has_model)

    def _on_train_clicked(self) -> None:
        self.train_requested.emit()

    def _on_stop_clicked(self) -> None:
        self.stop_requested.emit()
