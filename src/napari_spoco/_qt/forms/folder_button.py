"""A button that shows a folder in the system's file browser."""

from __future__ import annotations

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QPushButton


class FolderButton(QPushButton):
    """Opens a folder; there is none at first."""

    def __init__(self) -> None:
        super().__init__("Open folder")
        self._folder = ""
        self.clicked.connect(self._on_clicked)
        self.show_folder("")

    @property
    def folder(self) -> str:
        """The folder that would be opened; empty = none."""
        return self._folder

    def show_folder(self, folder: str) -> None:
        """Offer another folder; an empty name for none."""
        self._folder = folder
        self.setEnabled(bool(folder))
        self.setToolTip(f"Show {folder} in the file browser." if folder else "There is no folder yet.")

    def _on_clicked(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(self._folder))
