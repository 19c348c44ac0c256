"""The tabs of the dock, in the order of the work, each a column that scrolls."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
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

    from qtpy.QtGui import QResizeEvent

_TIGHT = "QTabBar::tab { padding: 3px 1px; }"
"""The tabs share what room there is; this is the least."""
_SHORT = {"Embeddings": "Embed"}
"""Titles for a dock that is too narrow for the full ones."""


class Tab(QWidget):
    """A column of rows, under a title."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(4, 8, 8, 4)
        self.column.setSpacing(6)

    def minimumSizeHint(self) -> QSize:
        """Return the height that the rows need at the width there is: sentences tell that of a much narrower one."""
        least = super().minimumSizeHint()
        if not self.column.hasHeightForWidth():
            return least
        room = self if self.parentWidget() is None else self.parentWidget()
        return QSize(least.width(), self.column.minimumHeightForWidth(room.width()))


class _Column(QScrollArea):
    """Scrolls a tab up and down; it is never narrower than the tab."""

    def __init__(self, tab: Tab) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(tab)

    def minimumSizeHint(self) -> QSize:
        """Return the width at which nothing in the tab is cut off."""
        width = self.widget().minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width()
        return QSize(width, super().minimumSizeHint().height())


class Tabs(QTabWidget):
    """Shows one tab at a time; all titles are always in sight.

    What the tabs hold decides how narrow the dock may be. Where letters are so wide that not even the short titles fit
    then, they are elided.
    """

    def __init__(self, *tabs: Tab) -> None:
        super().__init__()
        self._tabs = tabs
        self.setDocumentMode(True)
        self.setUsesScrollButtons(False)
        self.tabBar().setExpanding(True)
        self.tabBar().setElideMode(Qt.TextElideMode.ElideRight)
        self.tabBar().setStyleSheet(_TIGHT)
        for tab in tabs:
            if not any(map(tab.column.stretch, range(tab.column.count()))):  # Else a row of its own takes the room.
                tab.column.addStretch(1)
            self.addTab(_Column(tab), tab.title)
            for before, after in pairwise(dict.fromkeys(_in_reading_order(tab))):
                QWidget.setTabOrder(before, after)

    @property
    def current_title(self) -> str:
        """Title of the tab on show."""
        return self._tabs[self.currentIndex()].title

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the full titles where there is room for them, else the short ones."""
        super().resizeEvent(event)
        bar, titles = self.tabBar(), [tab.title for tab in self._tabs]
        shown = [bar.tabText(index) for index in range(bar.count())]
        full, now = (sum(map(bar.fontMetrics().horizontalAdvance, texts)) for texts in (titles, shown))
        fits = bar.sizeHint().width() + full - now <= self.width()
        for index, title in enumerate(titles):
            text = title if fits else _SHORT.get(title, title)
            if text != shown[index]:
                bar.setTabText(index, text)
            bar.setTabToolTip(index, "" if fits else title)

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
