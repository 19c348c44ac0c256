"""The tabs of the dock, in the order of the work, each a column that scrolls."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QLayout,
    QLayoutItem,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_NARROW = "QTabBar::tab { padding: 3px 2px; }"
"""All titles are in sight; what they need is the least width of the dock."""


class Tab(QWidget):
    """A column of rows, under a title."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(4, 8, 8, 4)
        self.column.setSpacing(6)


class Tabs(QTabWidget):
    """Shows one tab at a time."""

    def __init__(self, *tabs: Tab) -> None:
        super().__init__()
        self._tabs = tabs
        self.setDocumentMode(True)
        self.setUsesScrollButtons(False)
        self.tabBar().setElideMode(Qt.TextElideMode.ElideNone)
        self.tabBar().setStyleSheet(_NARROW)
        for tab in tabs:
            tab.column.addStretch(1)
            scroll = QScrollArea()
            scroll.setWidgetResizable(True)
            scroll.setFrameShape(QFrame.Shape.NoFrame)
            scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            scroll.setWidget(tab)
            self.addTab(scroll, tab.title)
            for before, after in pairwise(dict.fromkeys(_in_reading_order(tab))):
                QWidget.setTabOrder(before, after)

    @property
    def current_title(self) -> str:
        """Title of the tab on show."""
        return self._tabs[self.currentIndex()].title

    def reveal(self, widget: QWidget) -> None:
        """Show the tab in which a widget is, scrolled so that it is in sight."""
        for index, tab in enumerate(self._tabs):
            if tab is widget or tab.isAncestorOf(widget):
                self.setCurrentIndex(index)
                self.widget(index).ensureWidgetVisible(widget)


def _in_reading_order(part: QWidget | QLayout) -> Iterator[QWidget]:
    """Yield what the Tab key can reach, in the order of the layouts, and not in that of its making."""
    layout = part if isinstance(part, QLayout) else part.layout()
    if layout is None:
        if part.focusPolicy() & Qt.FocusPolicy.TabFocus:
            yield part
        return
    for item in _items(layout):
        inner = item.layout() if item.widget() is None else item.widget()  # An empty QComboBox is false.
        if inner is not None:
            yield from _in_reading_order(inner)


def _items(layout: QLayout) -> list[QLayoutItem]:
    """Return the parts of a layout; a form has its own in the order in which they were made."""
    if not isinstance(layout, QFormLayout):
        return [layout.itemAt(index) for index in range(layout.count())]
    roles = (QFormLayout.ItemRole.LabelRole, QFormLayout.ItemRole.FieldRole, QFormLayout.ItemRole.SpanningRole)
    rows = (layout.itemAt(row, role) for row in range(layout.rowCount()) for role in roles)
    return [item for item in rows if item is not None]
