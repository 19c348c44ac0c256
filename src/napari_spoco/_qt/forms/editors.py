"""Editors of one value each: which widget suits which type, how it is read and written.

An editor has `value()`, `set_value(value)` and the signal `edited`; bounds, unit and choices come from the pydantic
field. Those of numbers lie in `spin_boxes`.
"""

from __future__ import annotations

import types
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QSlider,
    QWidget,
)

from napari_spoco._qt.forms.eliding_choice import ElidingChoice
from napari_spoco._qt.forms.spin_boxes import FloatEditor, IntEditor
from napari_spoco._qt.forms.typed_numbers import read_numbers

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_SLIDER_STEPS = 1000
_SLIDER_POWER = 2


class Editor(Protocol):
    """What all editors offer; they are QWidgets too."""

    edited: Any

    def value(self) -> Any:
        """Return the value."""

    def set_value(self, value: Any) -> None:
        """Show a value without emitting `edited`."""


class BoolEditor(QCheckBox):
    """Check box."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.clicked.connect(self._on_clicked)

    def value(self) -> bool:
        """Return whether it is checked."""
        return self.isChecked()

    def set_value(self, value: bool) -> None:
        """Show a value."""
        self.setChecked(value)

    def _on_clicked(self) -> None:
        self.edited.emit()


class ChoiceEditor(ElidingChoice):
    """Combo box over (value, text) pairs."""

    edited = Signal()

    def __init__(self, choices: tuple[tuple[object, str], ...]) -> None:
        super().__init__()
        for value, text in choices:
            self.addItem(text, value)
        # A long choice must not widen the dock.
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.activated.connect(self._on_activated)

    def value(self) -> object:
        """Return the chosen value."""
        return self.currentData()

    def set_value(self, value: object) -> None:
        """Choose a value; one that was not offered is added."""
        index = self.findData(value)
        if index < 0:
            self.addItem(str(value), value)
            index = self.count() - 1
        self.setCurrentIndex(index)

    def _on_activated(self, _index: int) -> None:
        self.edited.emit()


class TextEditor(QLineEdit):
    """One line of text."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.textEdited.connect(self._on_text_edited)

    def value(self) -> str:
        """Return the text."""
        return self.text().strip()

    def set_value(self, value: str) -> None:
        """Show a text."""
        self.setText(value)

    def _on_text_edited(self, _text: str) -> None:
        self.edited.emit()


class NumbersEditor(TextEditor):
    """Several numbers, such as a shape; empty means None where there is a `blank`.

    When it is left, or Return is pressed, it shows as what they were read.
    """

    def __init__(self, number: type[int] | type[float], blank: str | None) -> None:
        super().__init__()
        self._number = number
        self.setPlaceholderText(blank or "")
        self.editingFinished.connect(self._on_editing_finished)

    def value(self) -> tuple[float, ...] | None:
        """Return the numbers; raises ValueError where the text is something else."""
        if not self.text().strip(" ,") and self.placeholderText():
            return None
        return read_numbers(self.text(), self._number)

    def set_value(self, value: tuple[float, ...] | None) -> None:
        """Show numbers or nothing."""
        self.setText("" if value is None else ", ".join(map(str, value)))

    def _on_editing_finished(self) -> None:
        with suppress(ValueError):  # What cannot be read stays, and is marked.
            self.set_value(self.value())


class SliderEditor(QWidget):
    """A spin box with a slider beside it, over the range in which one looks for a value; others are typed.

    The slider is finer at the low end, where sizes and distances are that differ from each other.
    """

    edited = Signal()

    def __init__(self, spin: IntEditor | FloatEditor, lower: float, upper: float) -> None:
        super().__init__()
        self.spin, self.slider = spin, QSlider(Qt.Orientation.Horizontal)
        self._lower, self._span = lower, upper - lower
        self._blank, self._meant = spin.specialValueText(), None
        self.slider.setRange(0, _SLIDER_STEPS)
        self.slider.setMinimumWidth(60)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(spin, 1)
        layout.addWidget(self.slider, 1)
        for part in (spin, self.slider):
            ignore_wheel(part)
        self.setFocusProxy(spin)
        spin.edited.connect(self._on_spin_edited)
        self.slider.valueChanged.connect(self._on_slider_moved)

    def value(self) -> float | None:
        """Return the number, or None."""
        return self.spin.value()

    def set_value(self, value: Any) -> None:
        """Show a number or None."""
        self.spin.set_value(value)
        self._follow()

    def show_meant(self, value: float | None) -> None:
        """Show which number None stands for, if that is known, in words and by the slider."""
        self._meant = value
        self.spin.setSpecialValueText(self._blank if value is None else f"{self._blank}: {value:.2g}")
        self._follow()

    def setToolTip(self, text: str) -> None:
        """Explain both parts."""
        for part in (self.spin, self.slider):
            part.setToolTip(text)
        super().setToolTip(text)

    def _follow(self) -> None:
        """Move the slider to the number."""
        value = self._meant if self.spin.value() is None else self.spin.value()
        share = 0.0 if value is None else min(max((value - self._lower) / self._span, 0.0), 1.0)
        blocked = self.slider.blockSignals(True)
        self.slider.setValue(round(_SLIDER_STEPS * share ** (1 / _SLIDER_POWER)))
        self.slider.blockSignals(blocked)

    def _on_spin_edited(self) -> None:
        self._follow()
        self.edited.emit()

    def _on_slider_moved(self, position: int) -> None:
        value = self._lower + self._span * (position / _SLIDER_STEPS) ** _SLIDER_POWER
        self.spin.set_value(round(value) if isinstance(self.spin, IntEditor) else round(value, 2))
        self.edited.emit()


def make_editor(field: FieldInfo, *, choices: tuple[str, ...] = (), blank: str = "auto") -> Editor:
    """Make the editor that suits a field, showing its default; `blank` is how None reads.

    An open bound can be entered all the same, and is refused by the model.
    """
    kind, is_optional = _unwrap_optional(field.annotation)
    unit = dict(field.json_schema_extra or {}).get("unit", "")
    lower, upper = _bounds(field)
    missing = blank if is_optional else None
    editor: Any
    if choices or get_origin(kind) is Literal:
        values = choices or get_args(kind)
        nothing = ((None, blank),) if is_optional else ()
        editor = ChoiceEditor((*nothing, *((value, str(value).replace("_", " ")) for value in values)))
    elif kind is bool:
        editor = BoolEditor()
    elif kind is int:
        editor = IntEditor(lower, upper, unit, missing)
    elif kind is float:
        is_open = not any(isinstance(bound, Ge) for bound in field.metadata)
        editor = FloatEditor(lower, upper, unit, missing, is_open=is_open)
    elif get_origin(kind) is tuple:
        editor = NumbersEditor(_number(kind), missing)
    else:
        editor = TextEditor()
    if slider := dict(field.json_schema_extra or {}).get("slider"):
        editor = SliderEditor(editor, *slider)
    editor.set_value(field.default)
    editor.setToolTip(field.description or "")
    return editor


class _WheelGuard(QObject):
    """Keeps the wheel, which scrolls the dock, from changing what lies under the pointer."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


def ignore_wheel(editor: QWidget) -> None:
    """Let an editor react to the wheel only while it has the focus."""
    editor.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    editor.installEventFilter(_WheelGuard(editor))


def _unwrap_optional(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        (kind,) = (part for part in get_args(annotation) if part is not type(None))
        return kind, True
    return annotation, False


def _number(sequence: Any) -> type[int] | type[float]:
    """Return of which numbers a tuple type is made."""
    item = get_args(sequence)[0]
    return int if int in (item, *get_args(item)) else float


def _bounds(field: FieldInfo) -> tuple[Any, Any]:
    lower = [bound.ge if isinstance(bound, Ge) else bound.gt for bound in field.metadata if isinstance(bound, Ge | Gt)]
    upper = [bound.le if isinstance(bound, Le) else bound.lt for bound in field.metadata if isinstance(bound, Le | Lt)]
    return (lower[0] if lower else None), (upper[0] if upper else None)
