"""Train: what to start from, settings of the training, its memory, its buttons, curves, score and log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton

from napari_spoco._qt import notices
from napari_spoco._qt.forms.parts import buttons, sentence, show_control, show_tone
from napari_spoco._qt.session import Start
from napari_spoco._qt.tabs import Tab
from napari_spoco._qt.train.log_drawer import LogDrawer
from napari_spoco._qt.train.loss_plot import LossPlot
from napari_spoco._qt.train.start_choice import StartChoice, advise_start
from napari_spoco._qt.train.train_on import TrainOnForm
from napari_spoco._qt.train.training_settings import TrainingSettings

if TYPE_CHECKING:
    from napari_spoco._qt.notices import Notice
    from napari_spoco._qt.session import Controls
    from napari_spoco.training.reports import ScoreReport, StepReport

_MEMORY_HELP = (
    "An estimate from image, patch, batch and network, for the computer's memory; right within a factor of about 1.5. "
    "If it does not fit, the training halves patch or batch once, and says so."
)


class TrainTab(Tab):
    """Settings, memory, Train, Stop, the curves, the score and the log."""

    train_requested = Signal()
    stop_requested = Signal()

    def __init__(self) -> None:
        super().__init__("Train")
        self.train_on, self.start, self.settings = TrainOnForm(), StartChoice(), TrainingSettings()
        self.settings.quick.put_first("Start from", self.start)
        self.settings.quick.put_first("Train on", self.train_on)
        self.train_button, self.stop_button = QPushButton(), QPushButton()
        self.about_start, self.memory = sentence(), sentence()
        self.about_start.hide()
        self.memory.setToolTip(_MEMORY_HELP)
        self.memory.hide()
        self.plot, self.score, self.log = LossPlot(), sentence(), LogDrawer()
        self.column.addWidget(self.settings)
        self.column.addLayout(buttons(self.train_button, self.stop_button))
        self.column.addWidget(self.about_start)  # Lines come and go: below the buttons, which stay.
        self.column.addWidget(self.memory)
        for widget in (self.plot, self.score):
            widget.hide()
            self.column.addWidget(widget)
        self.column.addWidget(self.log)
        self.train_button.clicked.connect(self._on_train_clicked)
        self.stop_button.clicked.connect(self._on_stop_clicked)

    def show_controls(self, controls: Controls, model: str, loading: str) -> None:
        """Show what may be pressed and changed, by the names of the model in use and the one that is being loaded."""
        show_control(self.train_button, controls.train)
        show_control(self.stop_button, controls.stop)
        self.settings.set_editable(controls.inputs)
        self.train_on.allow(controls.inputs, is_resumed=controls.start is Start.RESUME)
        self.start.setEnabled(controls.load_model.enabled)
        self.start.offer(controls.starts, controls.start, model, loading)

    def show_start(self, model_summary: str, ndim: int | None) -> None:
        """Say what is started from, see `advise_start`."""
        text = advise_start(self.start.start, model_summary, ndim)
        self.about_start.setText(text)
        self.about_start.setVisible(bool(text))

    def show_memory(self, notice: Notice | None) -> None:
        """Show how much memory a training will take; None where it cannot be said."""
        self.memory.setVisible(notice is not None)
        if notice is not None:
            self.memory.setText(notice.text)
            show_tone(self.memory, notice.tone)

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
        self.plot.add_score(report)
        self.score.setText(notices.score_line(report))
        self.score.setToolTip(notices.score_help(report))
        self.score.show()

    def show_change(self, change: tuple[float, float]) -> None:
        """Show the scores before and after a fine-tuning."""
        self.score.setText(notices.change_line(change))
        self.score.show()

    def _on_train_clicked(self) -> None:
        self.train_requested.emit()

    def _on_stop_clicked(self) -> None:
        self.stop_requested.emit()
