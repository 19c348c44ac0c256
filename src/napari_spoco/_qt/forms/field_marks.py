"""Marks of fields whose value is refused: a border, a sign at the name, and the reason above the help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QAbstractSpinBox, QLabel, QWidget

from napari_spoco._qt.forms.parts import mark

if TYPE_CHECKING:
    from napari_spoco._qt.forms.editors import Editor

SIGN = "⚠"


class FieldMark:
    """The mark of one field, which is in order at first.

    Parameters
    ----------
    editor, label
        The field, which has its help as tooltip, and its name in front of it.
    """

    def __init__(self, editor: Editor, label: QLabel) -> None:
        self._editor, self._label = editor, label
        self._title, self._help = label.text(), editor.toolTip()
        self._framed: list[QWidget] = editor.findChildren(QAbstractSpinBox) or [editor]
        self.reason = ""

    def show(self, reason: str) -> None:
        """Mark the field and say why, or, where there is no reason, take the mark away."""
        if reason == self.reason:
            return
        self.reason = reason
        hint = f"{SIGN} {reason}\n\n{self._help}" if reason else self._help
        self._label.setText(marked(self._title, bool(reason)))
        for widget in (self._editor, self._label):
            widget.setToolTip(hint)
        for widget in self._framed:
            mark(widget, "refused", bool(reason))
            widget.setAccessibleDescription(reason)


def marked(title: str, is_refused: bool) -> str:
    """Return a name with or without the sign."""
    return f"{SIGN} {title}" if is_refused else title
