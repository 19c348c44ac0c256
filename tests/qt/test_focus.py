"""The Tab key walks through every control of a tab that can be used, in the order of reading."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QSlider, QWidget
from superqt import QCollapsible

CONTROLS = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QSlider)
"""Lists and plots may be reached, too, but they are not asked for."""


def outer(widget: QWidget) -> QWidget:
    """Return the control that a person sees: the field of a spin box or an editable choice is a part of it."""
    parent = widget.parentWidget()
    return parent if isinstance(parent, QAbstractSpinBox | QComboBox) else widget


def controls(tab: QWidget) -> list[QWidget]:
    """Return what can be used now and is on show, folded groups being closed."""
    found = {outer(one) for kind in CONTROLS for one in tab.findChildren(kind)}
    return [
        one for one in found if one.isVisibleTo(tab) and one.isEnabled() and one.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]


def place(widget: QWidget, tab: QWidget) -> QRect:
    return QRect(widget.mapTo(tab, QPoint(0, 0)), widget.size())


def comes_after(one: QRect, other: QRect) -> bool:
    """Return whether a place is below the other, or right of it in the same row."""
    overlap = min(one.bottom(), other.bottom()) - max(one.top(), other.top())
    if overlap > min(one.height(), other.height()) / 2:
        return one.left() >= other.right() - 2
    return one.top() > other.top()


@pytest.mark.parametrize("index", range(7))
def test_the_tab_key_walks_in_the_order_of_reading(trained, viewer, qtbot, index) -> None:
    viewer.add_labels(np.eye(64, dtype=np.uint8), name="found")
    trained.tabs.setCurrentIndex(index)
    window = trained.window()
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    tab = trained.tabs.widget(index).widget()
    expected = set(controls(tab))
    assert expected, "nothing can be used here"
    qtbot.waitUntil(lambda: window.isActiveWindow(), timeout=60_000)
    trained.tabs.tabBar().setFocus()
    walked: list[QWidget] = []
    for _ in range(200):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        focused = QApplication.focusWidget()
        if focused is None or not tab.isAncestorOf(focused):
            if walked:
                break
            continue
        if outer(focused) not in walked:
            walked.append(outer(focused))
    missing = [(type(one).__name__, one.toolTip()[:40]) for one in expected.difference(walked)]
    assert not missing
    order = [one for one in walked if one in expected]
    for before, after in pairwise(order):
        assert comes_after(place(after, tab), place(before, tab)), f"{before.toolTip()!r} > {after.toolTip()!r}"


def test_the_help_button_is_reached(trained) -> None:
    assert trained.help.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_folded_settings_are_passed_by_and_unfolded_ones_are_not(ready, qtbot) -> None:
    threads = ready.train.settings.advanced.editor("threads")
    assert not threads.isVisibleTo(ready)
    group = next(one for one in ready.train.findChildren(QCollapsible) if one.isAncestorOf(threads))
    qtbot.mouseClick(group.toggleButton(), Qt.MouseButton.LeftButton)
    ready.tabs.setCurrentIndex(1)
    assert threads.isVisibleTo(ready)
