"""The foot of the dock, always in sight: what to do next, progress, the last sentence, its details and folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPlainTextEdit, QProgressBar, QToolButton, QVBoxLayout, QWidget

from napari_spoco._qt.folder_button import FolderButton
from napari_spoco._qt.notices import TONES, time_left
from napari_spoco._qt.parts import folded, line, row, sentence
from napari_spoco._qt.segment.tile_pace import TilePace

if TYPE_CHECKING:
    from napari_spoco._qt.embeddings.embedding_job import PredictionProgress
    from napari_spoco._qt.notices import Notice
    from napari_spoco.training.reports import StepReport

_BREAK = "\u200b"
"""An invisible place to break a line."""


class Footer(QWidget):
    """Hint, help, progress bar, sentence, details, and the folder of a file that was written."""

    def __init__(self, help_button: QToolButton) -> None:
        super().__init__()
        self.hint = sentence()
        font = self.hint.font()
        font.setItalic(True)
        self.hint.setFont(font)
        self._pace = TilePace()
        self.bar = QProgressBar()
        self.bar.hide()
        self.message = sentence("Ready.")
        self._details = QPlainTextEdit()
        self._details.setReadOnly(True)
        self._details.setFixedHeight(140)
        self._details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._folded = folded("Details", self._details)
        self._folded.hide()
        self.folder_button = FolderButton()
        self.folder_button.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        first = QHBoxLayout()  # The button keeps it in place while there is no hint.
        first.addWidget(self.hint, 1)
        first.addStretch()
        first.addWidget(help_button, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(line())
        layout.addLayout(first)
        layout.addWidget(self.bar)
        layout.addLayout(row(self.message, self.folder_button))
        layout.addWidget(self._folded)

    @property
    def text(self) -> str:
        """The sentence on show."""
        return self.message.text().replace(_BREAK, "")

    @property
    def details(self) -> str:
        """The details on offer."""
        return self._details.toPlainText()

    def show_hint(self, text: str) -> None:
        """Say what to do next; nothing where there is nothing to do."""
        self.hint.setText(text)
        self.hint.setVisible(bool(text))

    def show_notice(self, notice: Notice) -> None:
        """Show a sentence."""
        # Paths and dotted names may break anywhere; a label breaks lines at spaces only.
        self.message.setText(re.sub(r"([/\\._])(?=\S{12})", rf"\1{_BREAK}", notice.text))
        colour = TONES[notice.tone]
        self.message.setStyleSheet(f"color: {colour}" if colour else "")
        self.folder_button.show_folder(notice.folder)
        self.folder_button.setVisible(bool(notice.folder))
        self._details.setPlainText(notice.details)
        self._folded.setVisible(bool(notice.details))

    def withdraw(self, notice: Notice) -> None:
        """Take a sentence away, if it is still the one on show: it holds no longer."""
        if self.text == notice.text:
            self.message.clear()
            self._folded.hide()

    def show_progress(self, n_done: int, n_all: int, text: str) -> None:
        """Show how far a job is; without a number in all, that it is on its way."""
        self.bar.setRange(0, n_all)
        self.bar.setValue(n_done)
        self.bar.setFormat(text)
        self.bar.show()

    def show_busy(self) -> None:
        """Show that a job is on its way."""
        self.show_progress(0, 0, "")

    def show_tiles(self, progress: PredictionProgress) -> None:
        """Show how many tiles of an image are predicted, once it is known of how many, and how long that takes."""
        if progress.n_tiles:
            text = f"tile {progress.n_done} of {progress.n_tiles}"
            left = self._pace.seconds_left(progress.n_done, progress.n_tiles)
            text += "" if left is None else f", {time_left(left)} left"
            self.show_progress(progress.n_done, progress.n_tiles, text)

    def show_step(self, report: StepReport) -> None:
        """Show how far a training is, by time."""
        share = report.elapsed / max(report.elapsed + report.remaining, 1e-9)
        self.show_progress(round(1000 * share), 1000, f"step {report.step}, {time_left(report.remaining)} left")

    def hide_progress(self) -> None:
        """Take the bar away."""
        self.bar.hide()
