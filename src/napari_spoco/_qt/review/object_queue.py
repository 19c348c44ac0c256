"""The list of the objects under review: decision, id and score, in the order of the scores. Knows no decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

if TYPE_CHECKING:
    from napari_spoco.review.queue import ReviewQueue

_HEADINGS = ("Object", "Score", "Accepted")
_LEAST_ROWS = 4
"""In sight, in however short a dock."""
_HELP = "The objects, the most doubtful first; a score of 100 % is without any doubt. A click goes there."


class QueueRows(QAbstractTableModel):
    """The model."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: ReviewQueue | None = None

    def show(self, queue: ReviewQueue | None) -> None:
        """Show another queue."""
        self.beginResetModel()
        self.queue = queue
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of objects."""
        return 0 if self.queue is None or (parent is not None and parent.isValid()) else len(self.queue.scores)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(_HEADINGS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text or alignment of a cell."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignCenter
        if role != Qt.ItemDataRole.DisplayRole or self.queue is None:
            return None
        one = self.queue.scores[index.row()]
        accepted = "✓" if one.instance_id in self.queue.accepted else ""
        return (str(one.instance_id), f"{one.score:.0%}", accepted)[index.column()]

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Return the heading of a column; rows have none."""
        is_heading = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return _HEADINGS[section] if is_heading else None


class ObjectQueue(QTableView):
    """Shows the objects of a review; `opened` brings the id of the one that was clicked."""

    opened = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.rows = QueueRows()
        self.setModel(self.rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # It would take the keys to search in itself.
        self.setShowGrid(False)
        self.setToolTip(_HELP)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setHighlightSections(False)
        rows = self.verticalHeader()
        rows.hide()
        rows.setDefaultSectionSize(self.fontMetrics().lineSpacing() + 6)
        self.horizontalHeader().setFixedHeight(rows.defaultSectionSize())
        self.setMinimumHeight((1 + _LEAST_ROWS) * rows.defaultSectionSize() + 2 * self.frameWidth())
        self.clicked.connect(self._on_clicked)

    def sizeHint(self) -> QSize:
        """Return the least size: more is welcome, but the tab needs not scroll for it."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def show_queue(self, queue: ReviewQueue | None, current: int | None) -> None:
        """Show a queue, and the object that is looked at."""
        if queue is not self.rows.queue:
            self.rows.show(queue)
        self.clearSelection()
        order = [] if queue is None else [one.instance_id for one in queue.scores]
        if current in order:
            row = order.index(current)
            self.selectRow(row)
            self.scrollTo(self.rows.index(row, 0))

    def _on_clicked(self, index: QModelIndex) -> None:
        if self.rows.queue is not None:
            self.opened.emit(self.rows.queue.scores[index.row()].instance_id)
