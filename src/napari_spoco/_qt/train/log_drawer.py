"""The log of the trainings of this session, or of an earlier one, folded: what was said and when.

It can be read, copied, and looked up on the disk.
"""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QApplication, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from napari_spoco._qt.forms.folder_button import FolderButton
from napari_spoco._qt.forms.parts import buttons, folded, sentence
from napari_spoco._qt.train.run_folders import LOG_FILE

_MOST_LINES = 10_000
_HEIGHT = 180
_EMPTY = "Nothing has been trained yet."
_NOT_KEPT = "This run has no log."


class LogDrawer(QWidget):
    """Lines of text that come one by one, the folder of the run, and buttons to copy and to open it."""

    def __init__(self) -> None:
        super().__init__()
        self._text = QPlainTextEdit()
        self._text.setReadOnly(True)
        self._text.setMaximumBlockCount(_MOST_LINES)
        self._text.setFixedHeight(_HEIGHT)
        self._text.setPlaceholderText(_EMPTY)
        self._text.setTabChangesFocus(True)
        self._text.setToolTip("What the trainings of this session have said, or the run that was opened, and when.")
        self._folder = sentence()
        self.copy_button, self.folder_button = QPushButton("Copy log"), FolderButton()
        self.copy_button.setToolTip("Put the whole log on the clipboard, for a notebook or a report.")
        self.group = folded("Log", self._text, self._folder, _column_of(self.copy_button, self.folder_button))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.group)
        self.copy_button.clicked.connect(self._on_copy_clicked)
        self._folder.hide()

    @property
    def text(self) -> str:
        """All lines."""
        return self._text.toPlainText()

    def add(self, text: str) -> None:
        """Add a line; the view follows unless the user has scrolled up."""
        bar = self._text.verticalScrollBar()
        follows = bar.value() == bar.maximum()
        self._text.appendPlainText(text)
        if follows:
            bar.setValue(bar.maximum())

    def show_log(self, text: str) -> None:
        """Show the log of an earlier run, from its end, in place of what there is."""
        self._text.setPlainText(text.rstrip() or _NOT_KEPT)
        bar = self._text.verticalScrollBar()
        bar.setValue(bar.maximum())

    def show_folder(self, folder: str) -> None:
        """Say where the run and its log are kept."""
        self._folder.setText(f"Kept in {Path(folder) / LOG_FILE}")
        self._folder.show()
        self.folder_button.show_folder(folder)

    def _on_copy_clicked(self) -> None:
        QApplication.clipboard().setText(self.text)


def _column_of(*widgets: QPushButton) -> QWidget:
    parent = QWidget()
    layout = buttons(*widgets)
    layout.setContentsMargins(0, 2, 0, 2)
    parent.setLayout(layout)
    return parent
