"""Train: what to start from, settings of the training, its buttons, its curve and its score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton

from napari_spoco._qt import notices
from napari_spoco._qt.loss_plot import LossPlot
from napari_spoco._qt.parts import buttons, sentence, show_control
from napari_spoco._qt.start_choice import StartChoice
from napari_spoco._qt.tabs import Tab
from napari_spoco._qt.training_settings import TrainingSettings

if TYPE_CHECKING:
    from napari_spoco._qt.session import Controls
    from napari_spoco.training.reports import ScoreReport, StepReport


class TrainTab(Tab):
    """Settings, Train, Stop, the loss curve and the score."""

    train_requested = Signal()
    stop_requested = Signal()

    def __init__(self) -> None:
        super().__init__("Train")
        self.start, self.settings = StartChoice(), TrainingSettings()
        self.settings.quick.put_first("Start from", self.start)
        self.train_button, self.stop_button = QPushButton(), QPushButton()
        self.plot, self.score = LossPlot(), sentence()
        self.column.addWidget(self.settings)
        self.column.addLayout(buttons(self.train_button, self.stop_button))
        for widget in (self.plot, self.score):
            widget.hide()
            self.column.addWidget(widget)
        self.train_button.clicked.connect(self._on_train_clicked)
        self.stop_button.clicked.connect(self._on_stop_clicked)

    def show_controls(self, controls: Controls) -> None:
        """Show what may be pressed and changed."""
        show_control(self.train_button, controls.train)
        show_control(self.stop_button, controls.stop)
        self.settings.set_editable(controls.inputs)
        self.start.setEnabled(controls.inputs)
        self.start.offer(controls.starts, controls.start)

    def begin(self, first_step: int) -> None:
        """Begin the curve, or go on with it from that step."""
        self.plot.go_on_from(first_step)
        self.score.hide()

    def show_step(self, report: StepReport) -> None:
        """Add a step to the curve."""
        self.plot.show()
        self.plot.add(report)

    def show_score(self, report: ScoreReport) -> None:
        """Show how well left-out objects are found."""
        self.score.setText(notices.score_line(report))
        self.score.setToolTip(notices.score_help(report))
        self.score.show()

    def _on_train_clicked(self) -> None:
        self.train_requested.emit()

    def _on_stop_clicked(self) -> None:
        self.stop_requested.emit()
