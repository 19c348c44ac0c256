"""The table of a batch: a row per image, and what has become of it. As cheap for ten thousand images as for ten."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HEADINGS = ("Image", "State")
_IMAGE_WIDTH = 120
_LEAST_HEIGHT = 130


class ImageStates(QAbstractTableModel):
    """Images and a text for each."""

    def __init__(self) -> None:
        super().__init__()
        self._images: list[Path] = []
        self._texts: list[str] = []
        self._rows: dict[Path, int] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        """What is said of the images, in order."""
        return tuple(self._texts)

    def begin(self, images: Sequence[Path], text: str) -> None:
        """List other images, all with this text."""
        self.beginResetModel()
        self._images, self._texts = list(images), [text] * len(images)
        self._rows = {image: row for row, image in enumerate(images)}
        self.endResetModel()

    def row(self, image: Path) -> int:
        """Return the row of an image."""
        return self._rows[image]

    def say(self, image: Path, text: str) -> None:
        """Say something else of an image."""
        row = self.row(image)
        self._texts[row] = text
        index = self.index(row, 1)
        self.dataChanged.emit(index, index)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of images."""
        return 0 if parent is not None and parent.isValid() else len(self._images)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(_HEADINGS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell; the tooltip has what the cell is too narrow for, in lines that fit the screen."""
        image, text = self._images[index.row()], self._texts[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return text if index.column() else image.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"<qt>{escape(text if index.column() else str(image))}</qt>"
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Return the heading of a column; rows have none."""
        is_heading = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return _HEADINGS[section] if is_heading else None


class BatchTable(QTableView):
    """Shows the states of images, each in as many lines as it takes; only the rows in sight are measured for that."""

    def __init__(self) -> None:
        super().__init__()
        self.states = ImageStates()
        self.setModel(self.states)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setMinimumHeight(_LEAST_HEIGHT)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.resizeSection(0, _IMAGE_WIDTH)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        # A header tells of a new width before the column has it.
        header.sectionResized.connect(self._fit_rows, Qt.ConnectionType.QueuedConnection)
        self.verticalScrollBar().valueChanged.connect(self._fit_rows)
        for changed in (self.states.dataChanged, self.states.modelReset):
            changed.connect(self._fit_rows)

    def sizeHint(self) -> QSize:
        """Ask for no more than the least height: what room is left is taken all the same."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def reveal(self, image: Path) -> None:
        """Scroll so that an image is in sight."""
        self.scrollTo(self.states.index(self.states.row(image), 0))

    def _fit_rows(self, *_: object) -> None:
        top, bottom = self.rowAt(0), self.rowAt(self.viewport().height() - 1)
        for row in range(max(top, 0), (bottom if bottom >= 0 else self.states.rowCount() - 1) + 1):
            self.resizeRowToContents(row)
