"""The dock at the widths that people give it: every tab is in sight, and nothing in it is cut off."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtWidgets import QAbstractButton, QComboBox, QDockWidget, QLabel, QLineEdit, QWidget

TITLES = ["Annotate", "Train", "Embeddings", "Segment", "Review", "Export", "Batch"]


def resize(spoco, qtbot, width: int) -> list[str]:
    """Make the dock so wide; return the titles then."""
    window = spoco.window()
    window.resize(1500, 900)
    with qtbot.waitExposed(window):
        window.show()
    dock = next(one for one in window.findChildren(QDockWidget) if one.isAncestorOf(spoco))
    window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: spoco.width() == width, timeout=60_000)
    return [spoco.tabs.tabText(index) for index in range(spoco.tabs.count())]


@pytest.mark.parametrize("width", [340, 420])
def test_all_titles_are_in_sight(ready, qtbot, width) -> None:
    titles = resize(ready, qtbot, width)
    bar = ready.tabs.tabBar()
    for index, title in enumerate(titles):
        place = bar.tabRect(index)
        assert bar.rect().contains(place)
        assert bar.fontMetrics().horizontalAdvance(title) <= place.width()
    assert bar.usesScrollButtons() is False


def test_titles_are_short_only_where_they_must_be(ready, qtbot) -> None:
    for _ in range(2):
        assert resize(ready, qtbot, 420) == TITLES
        assert ready.tabs.tabToolTip(2) == ""
        assert resize(ready, qtbot, 340) == ["Embed" if title == "Embeddings" else title for title in TITLES]
        assert ready.tabs.tabToolTip(2) == "Embeddings"
    ready.tabs.setCurrentIndex(2)
    assert ready.tabs.current_title == "Embeddings"


@pytest.mark.parametrize("index", range(7))
def test_nothing_is_cut_off_at_340(ready, qtbot, index) -> None:
    resize(ready, qtbot, 340)
    ready.tabs.setCurrentIndex(index)
    scroll = ready.tabs.widget(index)
    tab = scroll.widget()
    qtbot.waitUntil(lambda: tab.isVisible() and tab.width() <= scroll.viewport().width())
    for kind in (QAbstractButton, QComboBox, QLabel, QLineEdit):
        for one in tab.findChildren(kind):
            if one.isVisibleTo(tab):
                assert tab.rect().contains(QRect(one.mapTo(tab, QPoint(0, 0)), one.size())), one


@pytest.mark.parametrize("width", [340, 420])
def test_a_tab_scrolls_only_where_there_is_more_than_room(ready, qtbot, width) -> None:
    """Sentences may be long in few lines: the height of a tab is that of its rows, at the width that they have."""
    resize(ready, qtbot, width)
    for index in range(ready.tabs.count()):
        ready.tabs.setCurrentIndex(index)
        scroll = ready.tabs.widget(index)
        tab = scroll.widget()
        qtbot.waitUntil(lambda tab=tab: tab.isVisible())
        rows = [child.geometry().bottom() for child in tab.findChildren(QWidget) if child.parent() is tab]
        assert tab.height() <= max(scroll.viewport().height(), max(rows) + 30)


def test_the_table_of_a_batch_takes_the_room(ready, qtbot) -> None:
    resize(ready, qtbot, 420)
    ready.tabs.reveal(ready.batch.table)
    before = ready.batch.table.height()
    ready.window().resize(1500, 1100)
    qtbot.waitUntil(lambda: ready.batch.table.height() > before + 100)
