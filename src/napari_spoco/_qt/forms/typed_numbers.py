"""What stands in a number field while it is typed, allowed or not; `editors` has the fields.

Qt's spin boxes swallow what their range does not allow, and an empty field falls back to its last number. Here it can
be typed, so that the form can say what is wrong with it, and an empty field means what its lowest position means.

Numbers are written with a decimal point or a decimal comma, whatever the language of the computer: Qt would take the
other one for a sign between thousands, and drop it without a word.

Between several numbers stand spaces, semicolons, crosses, or commas with a space behind them; a comma without one is a
decimal comma then. Between whole numbers every comma stands for itself, and so it does where decimals have points. What
may still be read in two ways, such as "0,5" alone, is refused.
"""

from __future__ import annotations

import re
from typing import Any

from qtpy.QtGui import QValidator

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")
_SEPARATORS = re.compile(r"[;x\u00d7]|,(?=\s|$)")
_THOUSANDS = re.compile(r"\d{1,3}((\.\d{3})+,\d+|(,\d{3})+\.\d+)")
"""What may be one large number, written in the way of one language or another."""
_LIKE_ONE = re.compile(r"[-+.,\deE\s]*")
"""What may become a number, or is a wrong one: it stands in the field, and is marked."""


def read_number(text: str) -> float | None:
    """Return the number that is written in a text, with a decimal point or one decimal comma; None if it is none."""
    text = text.strip()
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    return float(text) if _NUMBER.fullmatch(text) else None


def read_numbers(text: str, number: type[int] | type[float]) -> tuple[float, ...]:
    """Return the numbers of a type that are written in a text; raises ValueError where it does not say which."""
    parts = _SEPARATORS.sub(" ", text).split()
    if number is int:
        parts = " ".join(parts).replace(",", " ").split()
        if not parts or not all(map(_WHOLE.fullmatch, parts)):
            raise ValueError(f"expected whole numbers separated by commas, got “{text}”.")
        return tuple(map(int, parts))
    is_one = len(parts) == 1 and "," in parts[0] and "." not in parts[0]
    if is_one or any(map(_THOUSANDS.fullmatch, parts)):
        raise ValueError(
            f"expected a space or a semicolon between numbers, or a decimal point, got “{text}”, whose comma may stand "
            "for either."
        )
    pieces = [piece for part in parts for piece in (part.split(",") if "." in part else [part])]
    numbers = [one for one in map(read_number, pieces) if one is not None]
    if not pieces or len(numbers) < len(pieces):
        raise ValueError(f"expected numbers separated by spaces or semicolons, got “{text}”.")
    return tuple(numbers)


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
        value = self._read(text)
        if value is None:
            kind = "a whole number" if self.number is int and text else "a number"
            raise ValueError(f"expected {kind}" + (f", got “{text}”." if text else "."))
        return value

    def validate(self: Any, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Let numbers be typed that are out of range, and what only looks like a number."""
        bare = self._bare(text)
        if self._means_blank(bare):
            return QValidator.State.Acceptable, text, position
        if not _LIKE_ONE.fullmatch(bare):
            return super().validate(text, position)
        value = self._read(bare)
        is_allowed = value is not None and self.minimum() <= value <= self.maximum()
        return (QValidator.State.Acceptable if is_allowed else QValidator.State.Intermediate), text, position

    def fixup(self: Any, text: str) -> str:
        """Return what was typed: Qt would drop a comma, and take what is left for a number."""
        return text

    def valueFromText(self: Any, text: str) -> float:
        """Return the lowest position for an empty field that may be blank."""
        value = self._read(self._bare(text))
        return self.minimum() if value is None else value

    def _means_blank(self: Any, text: str) -> bool:
        return bool(self.specialValueText()) and text in ("", self.specialValueText())

    def _bare(self: Any, text: str) -> str:
        return text.removesuffix(self.suffix()).strip()

    def _read(self: Any, text: str) -> float | None:
        value = read_number(text)
        if self.number is not int:
            return value
        return None if value is None or not value.is_integer() else int(value)
