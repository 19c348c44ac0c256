"""The foot of the dock, always in sight: what to do next, progress, the last sentence, its details and folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPlainTextEdit, QPushButton, QToolButton, QVBoxLayout, QWidget

from napari_spoco._qt.forms.folder_button import FolderButton
from napari_spoco._qt.forms.parts import folded, line, row, sentence, show_tone
from napari_spoco._qt.jobs.job_bar import JobBar
from napari_spoco._qt.jobs.job_steps import JobStep
from napari_spoco._qt.notices import Notice, time_left
from napari_spoco._qt.segment.tile_pace import TilePace

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spoco._qt.embeddings.prediction_job import PredictionProgress
    from napari_spoco.training.reports import StepReport

_BREAK = "\u200b"
"""An invisible place to break a line."""


class Footer(QWidget):
    """Warning, hint, help, progress bar, sentence, details, and the folder of a file that was written."""

    def __init__(self, help_button: QToolButton) -> None:
        super().__init__()
        self.hint = sentence()
        font = self.hint.font()
        font.setItalic(True)
        self.hint.setFont(font)
        self.warning = sentence()
        show_tone(self.warning, "bad")
        self.warning.hide()
        self._pace = TilePace()
        self.bar = JobBar()
        self.message = sentence("Ready.")
        self._details = QPlainTextEdit()
        self._details.setReadOnly(True)
        self._details.setFixedHeight(140)
        self._details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._folded = folded("Details", self._details)
        self._folded.hide()
        self.folder_button = FolderButton()
        self.folder_button.hide()
        self.back_button = QPushButton("Bring back")
        self.back_button.setToolTip("Put it into the layer list again.")
        self.back_button.hide()
        self.back_button.clicked.connect(self._on_back_clicked)
        self._bring_back: Callable[[], None] | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        first = QHBoxLayout()  # The button keeps it in place while there is no hint.
        first.addWidget(self.hint, 1)
        first.addStretch()
        first.addWidget(help_button, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(line())
        layout.addWidget(self.warning)
        layout.addLayout(first)
        layout.addWidget(self.bar)
        layout.addLayout(row(self.message, self.folder_button, self.back_button))
        layout.addWidget(self._folded)

    @property
    def text(self) -> str:
        """The sentence on show."""
        return self.message.text().replace(_BREAK, "")

    @property
    def details(self) -> str:
        """The details on offer."""
        return self._details.toPlainText()

    def show_hint(self, text: str, warning: str = "") -> None:
        """Say what to do next, and what is likely to go wrong then; nothing where there is nothing to say."""
        for label, said in ((self.hint, text), (self.warning, warning)):
            label.setText(said)
            label.setVisible(bool(said))

    def show_notice(self, notice: Notice) -> None:
        """Show a sentence."""
        # Paths and dotted names may break anywhere; a label breaks lines at spaces only.
        self.message.setText(re.sub(r"([/\\._])(?=\S{12})", rf"\1{_BREAK}", notice.text))
        show_tone(self.message, notice.tone)
        self.folder_button.show_folder(notice.folder)
        self.folder_button.setVisible(bool(notice.folder))
        self._bring_back = notice.bring_back
        self.back_button.setVisible(notice.bring_back is not None)
        self._details.setPlainText(notice.details)
        self._folded.setVisible(bool(notice.details))

    def withdraw(self, notice: Notice) -> None:
        """Take a sentence away, if it is still the one on show: it holds no longer."""
        if self.text == notice.text:
            self.show_notice(Notice(""))

    def pass_by(self) -> None:
        """Take the sentence away, since something else begins; what it offers to bring back stays on offer."""
        if self._bring_back is None:
            self.show_notice(Notice(""))

    def show_busy(self) -> None:
        """Show that a job is on its way."""
        self.bar.show_wait("")

    def show_embedding(self, message: PredictionProgress | JobStep) -> None:
        """Show which step of its way to objects an image is at, or how many of its tiles are done."""
        if not isinstance(message, JobStep):
            self._show_tiles(message)
        elif message.number:
            text = f"step {message.number} of {message.n_steps}"
            self.bar.show_wait(text, message.number - 1, message.n_steps)
        else:
            self.bar.show_wait("")

    def _show_tiles(self, progress: PredictionProgress) -> None:
        """Show how many tiles are predicted and how long the others take; before the first one, that is not known."""
        left = self._pace.seconds_left(progress.n_done, progress.n_tiles)
        if left is None:
            self.bar.show_wait(f"tile 1 of {progress.n_tiles}", 0, progress.n_tiles)
        else:
            text = f"tile {progress.n_done} of {progress.n_tiles}, {time_left(left)} left"
            self.bar.show_share(progress.n_done, progress.n_tiles, text)

    def show_step(self, report: StepReport) -> None:
        """Show how far a training is, by time."""
        share = report.elapsed / max(report.elapsed + report.remaining, 1e-9)
        self.bar.show_share(round(1000 * share), 1000, f"step {report.step}, {time_left(report.remaining)} left")

    def hide_progress(self) -> None:
        """Take the bar away."""
        self.bar.end()

    def _on_back_clicked(self) -> None:
        if self._bring_back is not None:
            self._bring_back()
