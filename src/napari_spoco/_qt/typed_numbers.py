"""What stands in a number field while it is typed, allowed or not; `editors` has the fields.

Qt's spin boxes swallow what their range does not allow, and an empty field falls back to its last number. Here it can
be typed, so that the form can say what is wrong with it, and an empty field means what its lowest position means.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtGui import QValidator


class TypedNumber:
    """Mixin of a spin box; `number` is the type of its numbers.

    What is left in the field when it loses the focus is the last number that its range allows.
    """

    number: type[int] | type[float] = float

    def typed(self: Any) -> float | None:
        """Return the number that stands in the field; None where it is blank. Raises ValueError for anything else."""
        text = self.cleanText()
        if self._means_blank(text):
            return None
        value, is_number = self.locale().toDouble(text)
        if not is_number:
            raise ValueError("expected a number" + (f", got “{text}”." if text else "."))
        return int(value) if self.number is int else float(value)

    def validate(self: Any, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Let numbers be typed that are out of range."""
        state, text, position = super().validate(text, position)
        if not self._bare(text) and self.specialValueText():
            state = QValidator.State.Acceptable
        elif state == QValidator.State.Invalid and self._is_number(self._bare(text)):
            state = QValidator.State.Intermediate
        return state, text, position

    def valueFromText(self: Any, text: str) -> float:
        """Return the lowest position for an empty field that may be blank."""
        blank = not self._bare(text) and self.specialValueText()
        return self.minimum() if blank else super().valueFromText(text)

    def _means_blank(self: Any, text: str) -> bool:
        return bool(self.specialValueText()) and text in ("", self.specialValueText())

    def _bare(self: Any, text: str) -> str:
        return text.removesuffix(self.suffix()).strip()

    def _is_number(self: Any, text: str) -> bool:
        read = self.locale().toLongLong if self.number is int else self.locale().toDouble
        return bool(text == "-" or read(text)[1])
