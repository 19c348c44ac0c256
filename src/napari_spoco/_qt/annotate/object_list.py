"""The list of painted objects: a row per object, as cheap for ten thousand as for ten.

Knows nothing of layers: what a row shows beyond numbers, it asks for when the row is in sight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QItemSelection, QItemSelectionModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableView

from napari_spoco._qt.forms.swatches import swatch
from napari_spoco._qt.jobs.files_job import AnnotationSummary
from napari_spoco.data.annotations import BACKGROUND, IGNORE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QFocusEvent, QKeyEvent

_STROKES = {BACKGROUND: "background", IGNORE: "ignored"}
_HELP = (
    "What is painted. A click, or Return: go there and paint on. Ctrl+click or Shift+click: select several. Delete: "
    "remove what is selected; undo takes that back. The size is that of the painted pixels; planes are counted from 0, "
    "as napari does."
)
PLANES = "In planes"
_LEAST_ROWS = 4
"""In sight, in however short a dock."""


@dataclass(frozen=True)
class ListedObjects:
    """What the list shows.

    Attributes
    ----------
    summary : AnnotationSummary
        The objects.
    background, ignored : int
        With which ids strokes are painted.
    unit : str
        Of a length, such as "µm"; empty where none is known.
    pixel_size : float
        Area or volume of a pixel in that unit.
    """

    summary: AnnotationSummary = field(default_factory=AnnotationSummary)
    background: int = BACKGROUND
    ignored: int = IGNORE
    unit: str = ""
    pixel_size: float = 1.0

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.summary.shape)

    @property
    def headings(self) -> tuple[str, ...]:
        """Titles of the columns."""
        size = (f"{self.unit}{'³' if self.ndim == 3 else '²'}",) if self.unit else ()
        return ("Object", "Pixels", *size, *((PLANES,) if self.ndim == 3 else ()))

    def label(self, row: int) -> int:
        """Return the id with which a row is painted."""
        stated = int(self.summary.objects.ids[row])
        return {BACKGROUND: self.background, IGNORE: self.ignored}.get(stated, stated)

    def row(self, label: int) -> int | None:
        """Return the row of what is painted with an id; None where nothing is."""
        return self.summary.objects.row({self.background: BACKGROUND, self.ignored: IGNORE}.get(label, label))

    def text(self, row: int, heading: str) -> str:
        """Return what a cell says."""
        objects = self.summary.objects
        if heading == "Object":
            name = _STROKES.get(int(objects.ids[row]))
            return f"{name} ({self.label(row)})" if name else str(self.label(row))
        if heading == "Pixels":
            return str(objects.n_pixels[row])
        if heading == PLANES:
            first, last = int(objects.first[row, 0]), int(objects.last[row, 0])
            is_whole = objects.n_planes[row] == last - first + 1
            return str(first) if first == last else f"{first}-{last}{'' if is_whole else f' ({objects.n_planes[row]})'}"
        return _short(float(objects.n_pixels[row]) * self.pixel_size)


class ObjectRows(QAbstractTableModel):
    """The model; `colour_of` returns (red, green, blue, opacity) of 255 for an id."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = ListedObjects()
        self.colour_of: Callable[[int], Sequence[int] | None] = lambda _label: None

    def show(self, listed: ListedObjects) -> None:
        """Show other objects."""
        self.beginResetModel()
        self.listed = listed
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of objects and kinds of strokes."""
        return 0 if parent is not None and parent.isValid() else len(self.listed.summary.objects)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.listed.headings)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, alignment or the swatch of a cell."""
        heading = self.listed.headings[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self.listed.text(index.row(), heading)
        if role == Qt.ItemDataRole.TextAlignmentRole and heading != "Object":
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.DecorationRole and heading == "Object":
            colour = self.colour_of(self.listed.label(index.row()))
            return None if colour is None else swatch(colour)
        if role == Qt.ItemDataRole.ToolTipRole and heading == PLANES:
            return f"Painted in {self.listed.summary.objects.n_planes[index.row()]} planes: {index.data()}."
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Return the heading of a column; rows have none."""
        is_heading = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return self.listed.headings[section] if is_heading else None


class ObjectList(QTableView):
    """Shows painted objects.

    `opened` brings the id of the object that the user wants to go to, `removal_requested` ids (a tuple),
    `undo_requested` that Ctrl+Z was pressed here. A click leaves the keys to the image, the Tab key brings them here.
    """

    opened = Signal(int)
    removal_requested = Signal(tuple)
    undo_requested = Signal()
    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows = ObjectRows()
        self._label = 0
        self.setModel(self.rows)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setToolTip(_HELP)
        self.horizontalHeader().setResizeContentsPrecision(0)  # What is in sight decides, however long the list is.
        self.horizontalHeader().setHighlightSections(False)
        self.verticalHeader().hide()
        height = self.fontMetrics().lineSpacing() + 6
        self.verticalHeader().setDefaultSectionSize(height)
        self.horizontalHeader().setFixedHeight(height)
        self.setMinimumHeight((1 + _LEAST_ROWS) * height + 2 * self.frameWidth())
        self.clicked.connect(self._on_clicked)
        self.selectionModel().selectionChanged.connect(self._on_selection_changed)

    def sizeHint(self) -> QSize:
        """Return the least size: more is welcome, but the tab needs not scroll for it."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def show_objects(self, listed: ListedObjects) -> None:
        """Show other objects; what is selected, and where the list stands, stays."""
        selected, current = set(self.selected()) or {self._label}, self._label_at(self.currentIndex())
        scrolled = self.verticalScrollBar().value()
        self.rows.show(listed)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._select(selected)
        if current is not None and (row := listed.row(current)) is not None:
            flag = QItemSelectionModel.SelectionFlag.NoUpdate
            self.selectionModel().setCurrentIndex(self.rows.index(row, 0), flag)
        self.executeDelayedItemsLayout()  # Until then, the list takes itself to be short.
        self.verticalScrollBar().setValue(scrolled)

    def selected(self) -> tuple[int, ...]:
        """Return the ids of the selected rows, from the top."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return tuple(self.rows.listed.label(row) for row in rows)

    def follow(self, label: int) -> None:
        """Select what the brush paints, as soon as it is in the list; several rows that it is one of stay selected."""
        self._label = label
        if label not in self.selected():
            self.clearSelection()
            self.reveal(label)

    def reveal(self, label: int) -> None:
        """Select the row of an id, and scroll so that it is in sight."""
        row = self.rows.listed.row(label)
        if row is not None:
            self._select({label})  # `selectRow` would heed a held Ctrl.
            self.selectionModel().setCurrentIndex(self.rows.index(row, 0), QItemSelectionModel.SelectionFlag.NoUpdate)
            self.scrollTo(self.rows.index(row, 0))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return opens, Delete removes, Ctrl+Z takes back."""
        label = self._label_at(self.currentIndex())
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and label is not None:
            self.opened.emit(label)
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removal_requested.emit(self.selected())
        elif event.matches(QKeySequence.StandardKey.Undo):
            self.undo_requested.emit()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Have a current row for the keys."""
        super().focusInEvent(event)
        if not self.currentIndex().isValid() and self.rows.rowCount():
            flag = QItemSelectionModel.SelectionFlag.NoUpdate
            self.selectionModel().setCurrentIndex(self.rows.index(0, 0), flag)

    def _select(self, labels: set[int]) -> None:
        selection, last = QItemSelection(), self.rows.columnCount() - 1
        for row in map(self.rows.listed.row, labels):
            if row is not None:
                selection.select(self.rows.index(row, 0), self.rows.index(row, last))
        self.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _label_at(self, index: QModelIndex) -> int | None:
        return self.rows.listed.label(index.row()) if index.isValid() else None

    def _on_clicked(self, index: QModelIndex) -> None:
        if (focused := QApplication.focusWidget()) is not None:
            focused.clearFocus()  # What no widget wants, napari's window hands on to the image.
        label = self.rows.listed.label(index.row())
        if self.selected() == (label,):
            self.opened.emit(label)

    def _on_selection_changed(self, _selected: QItemSelection, _deselected: QItemSelection) -> None:
        self.chosen.emit()


def _short(size: float) -> str:
    """Write a size with three digits, without an exponent where a person can do without."""
    if size == 0 or not 1e-3 <= size < 1e7:
        return f"{size:.3g}"
    return f"{size:.{max(0, 2 - math.floor(math.log10(size)))}f}"
