"""A combo box for names that may be long: what tells them apart stands at their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QToolTip

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

_MARGIN = 6
"""Pixels that the style leaves free beside the text."""


class ElidingChoice(QComboBox):
    """Leaves out the middle of a chosen text that is too long; its tooltip begins with the whole text then."""

    @property
    def shown_text(self) -> str:
        """What is painted."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        control, part = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
        width = self.style().subControlRect(control, option, part, self).width() - _MARGIN
        return self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideMiddle, width)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the box with the text that fits."""
        option, painter = QStyleOptionComboBox(), QStylePainter(self)
        self.initStyleOption(option)
        option.currentText = self.shown_text
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: QEvent) -> bool:
        """Show the whole text above the help."""
        if event.type() != QEvent.Type.ToolTip or self.shown_text == self.currentText():
            return super().event(event)
        QToolTip.showText(event.globalPos(), "\n\n".join(filter(None, (self.currentText(), self.toolTip()))), self)
        return True
