"""The tabs of the dock, in the order of the work, each a column that scrolls."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QTabWidget, QVBoxLayout, QWidget


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
        for tab in tabs:
            tab.column.addStretch(1)
            scroll = QScrollArea()
            scroll.setWidgetResizable(True)
            scroll.setFrameShape(QFrame.Shape.NoFrame)
            scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            scroll.setWidget(tab)
            self.addTab(scroll, tab.title)

    def reveal(self, widget: QWidget) -> None:
        """Show the tab in which a widget is, scrolled so that it is in sight."""
        for index, tab in enumerate(self._tabs):
            if tab is widget or tab.isAncestorOf(widget):
                self.setCurrentIndex(index)
                self.widget(index).ensureWidgetVisible(widget)
