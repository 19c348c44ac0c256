"""Spin boxes of one number each, which may be blank; with `editors`, the editors of values."""

from __future__ import annotations

import math

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QSpinBox

from napari_spoco._qt.forms.typed_numbers import TypedNumber

_DECIMALS = 8
_INT_MAX = 2**31 - 1
_FLOAT_MAX = 1e12
_MINUTES = " min"


class IntEditor(TypedNumber, QSpinBox):
    """Spin box for whole numbers; with `blank`, its lowest position reads so and means None."""

    edited = Signal()
    number = int

    def __init__(self, lower: int | None, upper: int | None, unit: str, blank: str | None) -> None:
        super().__init__()
        lower = 0 if lower is None else lower
        self.setRange(lower if blank is None else lower - 1, _INT_MAX if upper is None else upper)
        _dress(self, unit, blank)

    def value(self) -> int | None:
        """Return the number, or None."""
        return None if self._is_blank() else super().value()

    def set_value(self, value: int | None) -> None:
        """Show a number or None."""
        blocked = self.blockSignals(True)
        self.setValue(self.minimum() if value is None else value)
        self.blockSignals(blocked)

    def _is_blank(self) -> bool:
        return bool(self.specialValueText()) and super().value() == self.minimum()

    def _on_value_changed(self, _value: int) -> None:
        self.edited.emit()


class FloatEditor(TypedNumber, QDoubleSpinBox):
    """Spin box for numbers of any magnitude, shown with as few digits as they need.

    With `blank`, its lowest position reads so and means None: an open lower bound itself (`is_open`), which is no
    value, or else a position below.
    """

    edited = Signal()

    def __init__(
        self, lower: float | None, upper: float | None, unit: str, blank: str | None, *, is_open: bool = True
    ) -> None:
        super().__init__()
        self.setDecimals(_DECIMALS)
        lower = 0.0 if lower is None else lower
        lower = lower if blank is None or is_open else lower - 1.0
        self.setRange(lower, _FLOAT_MAX if upper is None else upper)
        _dress(self, unit, blank)

    def value(self) -> float | None:
        """Return the number, or None."""
        return None if self._is_blank() else super().value()

    def set_value(self, value: float | None) -> None:
        """Show a number or None."""
        blocked = self.blockSignals(True)
        self.setValue(self.minimum() if value is None else value)
        self.blockSignals(blocked)

    def textFromValue(self, value: float) -> str:
        """Return 0.0002 as 0.0002, not 0.00020000."""
        return f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".") or "0"

    def stepBy(self, steps: int) -> None:
        """Step through minutes one by one, the first two by halves; through other numbers by a tenth of their size."""
        if self.suffix() != _MINUTES:
            super().stepBy(steps)
            return
        value, direction = super().value(), 1 if steps > 0 else -1
        for _ in range(abs(steps)):
            step = 0.5 if value + 0.5 * direction < 2 else 1.0
            value = (math.floor(value / step) + 1) * step if steps > 0 else (math.ceil(value / step) - 1) * step
        self.setValue(value)

    def _is_blank(self) -> bool:
        return bool(self.specialValueText()) and super().value() == self.minimum()

    def _on_value_changed(self, _value: float) -> None:
        self.edited.emit()


def _dress(box: IntEditor | FloatEditor, unit: str, blank: str | None) -> None:
    box.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
    box.setKeyboardTracking(False)
    if unit:
        box.setSuffix(f" {unit}")
    if blank is not None:
        box.setSpecialValueText(blank)
    box.valueChanged.connect(box._on_value_changed)
