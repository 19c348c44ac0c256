"""What tabs are put together from: rows, sentences, groups that fold, buttons that look as the session says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QLabel, QLayout, QPushButton, QSizePolicy, QWidget
from superqt import QCollapsible, QElidingLabel

if TYPE_CHECKING:
    from napari_spoco._qt.notices import Tone
    from napari_spoco._qt.session import Control


def line() -> QFrame:
    """Make a thin line that both themes show."""
    frame = QFrame()
    frame.setFixedHeight(1)
    frame.setStyleSheet("background: rgba(128, 128, 128, 110);")
    return frame


def row(*widgets: QWidget, title: str = "", title_width: int = 0) -> QLayout:
    """Put widgets side by side, behind a title with the tooltip of the first one, which takes what is left."""
    layout = QHBoxLayout()
    layout.setSpacing(4)
    if title:
        label = QLabel(title)
        label.setMinimumWidth(title_width)
        label.setToolTip(widgets[0].toolTip())
        layout.addWidget(label)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if index == 0 else 0)
    return layout


def buttons(*widgets: QPushButton) -> QLayout:
    """Put buttons side by side, all of one width."""
    layout = QHBoxLayout()
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget, 1)
    return layout


def one_line(*, keeps_end: bool = False) -> QElidingLabel:
    """Make a label for text that is cut where it is too long, at its end or in its middle: what is below stays put."""
    label = QElidingLabel()
    label.setElideMode(Qt.TextElideMode.ElideMiddle if keeps_end else Qt.TextElideMode.ElideRight)
    return label


def sentence(text: str = "") -> QLabel:
    """Make a label for text that may need several lines."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def show_tone(label: QWidget, tone: Tone) -> None:
    """Let the colour of a label say how it is meant."""
    mark(label, "tone", tone)


def mark(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the sheet of the dock (`theme_colours.style_sheet`) looks at."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)  # Else the sheet would not look again.
        widget.style().polish(widget)


def folded(title: str, *widgets: QWidget) -> QCollapsible:
    """Make a group of widgets that is closed at first."""
    group = QCollapsible(title, expandedIcon="▾", collapsedIcon="▸")
    group.layout().setContentsMargins(0, 0, 0, 0)
    group.layout().setSpacing(2)
    for widget in widgets:
        group.addWidget(widget)
    group.content().hide()  # It has no height, but the Tab key would walk through it.
    group.toggled.connect(group.content().setVisible)
    return group


def show_control(button: QAbstractButton, control: Control) -> None:
    """Make a button look as the session says."""
    button.setEnabled(control.enabled)
    button.setText(control.text)
    button.setToolTip(control.hint)
