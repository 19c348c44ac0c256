"""Small squares of a colour, which tell what a colour in the image stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QPushButton

_SIZE = 12
"""Logical pixels of a side."""
_EDGE = QColor(128, 128, 128)
"""On a light and on a dark theme, also around white and black."""


def underline(button: QPushButton, colour: str) -> None:
    """Draw a line of a colour along the foot of a button, which makes it no larger."""
    button.setStyleSheet(f"QPushButton {{ border-bottom: 3px solid {colour}; padding-bottom: 1px; }}")


def swatch(colour: str | Sequence[int]) -> QIcon:
    """Make a square of a colour: a name such as "#ffffff", or (red, green, blue, opacity) of 255."""
    pixmap = _draw(QColor(colour) if isinstance(colour, str) else QColor(*colour))
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon


def _draw(colour: QColor) -> QPixmap:
    """Draw a square in the device pixels of the finest screen; a coarser one has it scaled down."""
    ratio = QApplication.instance().devicePixelRatio()
    pixmap = QPixmap(round(_SIZE * ratio), round(_SIZE * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setPen(QPen(_EDGE, 1))
    painter.setBrush(colour)
    painter.drawRect(QRectF(0.5, 0.5, _SIZE - 1, _SIZE - 1))
    painter.end()
    return pixmap
