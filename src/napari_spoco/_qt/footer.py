"""The foot of the dock, always in sight: what to do next, progress, the last sentence, and its details."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPlainTextEdit, QProgressBar, QVBoxLayout, QWidget

from napari_spoco._qt.parts import folded, line, sentence

if TYPE_CHECKING:
    from napari_spoco._qt.notices import Notice
    from napari_spoco.training.reports import StepReport

_BREAK = "\u200b"
"""An invisible place to break a line."""
_COLOURS = {"plain": "", "good": "#3aa65a", "bad": "#e8604c"}


class Footer(QWidget):
    """Hint, progress bar, sentence and details."""

    def __init__(self) -> None:
        super().__init__()
        self.hint = sentence()
        font = self.hint.font()
        font.setItalic(True)
        self.hint.setFont(font)
        self.bar = QProgressBar()
        self.bar.hide()
        self.message = sentence("Ready.")
        self._details = QPlainTextEdit()
        self._details.setReadOnly(True)
        self._details.setFixedHeight(140)
        self._details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._folded = folded("Details", self._details)
        self._folded.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        for widget in (line(), self.hint, self.bar, self.message, self._folded):
            layout.addWidget(widget)

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
        colour = _COLOURS[notice.tone]
        self.message.setStyleSheet(f"color: {colour}" if colour else "")
        self._details.setPlainText(notice.details)
        self._folded.setVisible(bool(notice.details))

    def show_progress(self, n_done: int, n_all: int, text: str) -> None:
        """Show how far a job is; without a number in all, that it is on its way."""
        self.bar.setRange(0, n_all)
        self.bar.setValue(n_done)
        self.bar.setFormat(text)
        self.bar.show()

    def show_step(self, report: StepReport) -> None:
        """Show how far a training is, by time."""
        share = report.elapsed / max(report.elapsed + report.remaining, 1e-9)
        self.show_progress(round(1000 * share), 1000, f"step {report.step}, {time_left(report.remaining)} left")

    def hide_progress(self) -> None:
        """Take the bar away."""
        self.bar.hide()


def time_left(seconds: float) -> str:
    """Say a duration as a person would: "40 s", "3 min", "1 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
