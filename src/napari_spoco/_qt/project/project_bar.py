"""The row on top of the dock: which project is open, when it was saved last, and what else may be opened."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from napari_spoco._qt.forms.parts import buttons, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spoco._qt.project.project_folders import LeftProject
    from napari_spoco._qt.project.removed_layers import Removed

_NONE = "No project"
_HELP = (
    "A project is a folder that keeps images, what is painted, trainings, results and settings, as they come about. "
    "Without one, what is painted is kept all the same, to be restored at the next start."
)
_RESTORE_HELP = (
    "Brings back what was open last: images, annotations, objects, model and settings. The last image is on show, the "
    "others are hidden."
)
_REMOVED_HELP = "Removed from the layer list, and kept: bring it back."
MORE_IS_KEPT = "More of it is in the menu above: what was removed from the layer list."
_BESIDE = "What is open now stays, too."
_LONGEST = 30
"""Characters of a name that are shown."""


class ProjectBar(QWidget):
    """Name and menu of the project, the word "saved 12:03", and an offer to restore what was open last."""

    new_requested = Signal(str)
    open_requested = Signal(str)
    restore_requested = Signal(object)  # Path
    close_requested = Signal()
    dismissed = Signal(object)  # Path
    menu_opened = Signal()
    removed_requested = Signal(object)  # Removed

    def __init__(self) -> None:
        super().__init__()
        self.menu = QMenu(self)
        self.menu.setToolTipsVisible(True)
        self.button = QToolButton()
        # The style's own arrow lies over the text.
        self.button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.button.setMenu(self.menu)
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.status = QLabel()
        self.about_offer = sentence()
        self.restore_button = QPushButton("Restore")
        self.restore_button.setToolTip(f"{_RESTORE_HELP} {_BESIDE}")
        self.dismiss_button = QPushButton("Not now")
        self.dismiss_button.setToolTip("It stays in the menu of the project.")
        self._offered: Path | None = None
        self._lay_out()
        self.menu.aboutToShow.connect(self.menu_opened)
        self.restore_button.clicked.connect(self._on_restore_clicked)
        self.dismiss_button.clicked.connect(self._on_dismiss_clicked)
        self.show_project("", "")
        self.fill_menu([], [], [], is_named=False)

    @property
    def is_offering(self) -> bool:
        """Whether there is an offer on show."""
        return self._offered is not None

    def show_project(self, name: str, folder: str) -> None:
        """Show the name of the project; none if empty."""
        shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        self.button.setText(f"{shown or _NONE} ▾")
        self.button.setToolTip(f"{folder}\n{_HELP}" if name else _HELP)

    def show_status(self, text: str, hint: str = "") -> None:
        """Say when something was saved last, or that it cannot be."""
        self.status.setText(text)
        self.status.setToolTip(hint)

    def show_offer(self, left: LeftProject | None) -> None:
        """Offer to restore what was open last; None takes the offer away."""
        self._offered = None if left is None else left.folder
        if left is not None:
            more = MORE_IS_KEPT if left.n_closed else ""
            self.about_offer.setText(" ".join(filter(None, (left.offer, _BESIDE, more))))
        self._offer_row.setVisible(left is not None)

    def fill_menu(
        self, recent: Sequence[Path], untitled: Sequence[LeftProject], removed: Sequence[Removed], *, is_named: bool
    ) -> None:
        """List what may be done and opened."""
        self.menu.clear()
        self.menu.addAction("New…", self._on_new_chosen).setToolTip("Make a project of what is open now.")
        self.menu.addAction("Open…", self._on_open_chosen).setToolTip("Open the folder of a project.")
        close = self.menu.addAction("Close", self.close_requested.emit)
        close.setToolTip("Save the project and take its layers away.")
        close.setEnabled(is_named)
        if removed:
            self.menu.addSection("Removed from the layer list")
        for item in removed:
            action = self.menu.addAction(item.text, partial(self.removed_requested.emit, item))
            action.setToolTip(_REMOVED_HELP)
        if recent:
            self.menu.addSection("Recent")
        for folder in recent:
            self.menu.addAction(folder.name, partial(self.open_requested.emit, str(folder))).setToolTip(str(folder))
        if untitled:
            self.menu.addSection("Painted without a project")
        for item in untitled:
            action = self.menu.addAction(item.title, partial(self.restore_requested.emit, item.folder))
            action.setToolTip(_RESTORE_HELP)

    def _lay_out(self) -> None:
        first = QHBoxLayout()
        first.addWidget(self.button)
        first.addStretch(1)
        first.addWidget(self.status)
        self._offer_row = QWidget()
        second = QVBoxLayout(self._offer_row)
        second.setContentsMargins(0, 0, 0, 0)
        second.setSpacing(4)
        second.addWidget(self.about_offer)
        second.addLayout(buttons(self.restore_button, self.dismiss_button))
        self._offer_row.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 2)
        layout.setSpacing(4)
        layout.addLayout(first)
        layout.addWidget(self._offer_row)

    def _on_new_chosen(self) -> None:
        if path := QFileDialog.getSaveFileName(self, "New project: name of its folder")[0]:
            self.new_requested.emit(path)

    def _on_open_chosen(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of the project"):
            self.open_requested.emit(path)

    def _on_restore_clicked(self) -> None:
        self.restore_requested.emit(self._offered)

    def _on_dismiss_clicked(self) -> None:
        self.dismissed.emit(self._offered)
