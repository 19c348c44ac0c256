"""Forms made from parameter models: a row per field, with the model's title, unit, bounds and help.

A form shows some fields of a model, and marks those whose value the model refuses, as it is typed; `read_parameters`
puts the values of several forms back into one model.
"""

from __future__ import annotations

import re
from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractSpinBox, QFormLayout, QLabel, QLineEdit, QWidget

from napari_spoco._qt.forms.editors import Editor, ignore_wheel, make_editor
from napari_spoco._qt.forms.field_marks import FieldMark, marked
from napari_spoco._qt.forms.parts import folded
from napari_spoco._qt.forms.typed_numbers import TypedNumber
from napari_spoco.config import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails
    from superqt import QCollapsible

Model = TypeVar("Model", bound=Parameters)


class ModelForm(QWidget):
    """Editors for fields of a parameter model.

    `changed` comes with every value that the user has entered, `checked` when the marks are up to date.

    Parameters
    ----------
    model
        The model; a field that is a model itself becomes a group of rows, folded under its own heading.
    names
        Fields to show, in this order; all by default.
    choices
        What to offer for a text field, by its name, in groups too.
    blanks
        How None reads in a field, by its name; "auto" by default.
    defaults
        What the editors show first; the model's own defaults if None.
    """

    changed = Signal()
    checked = Signal()

    def __init__(
        self,
        model: type[Parameters],
        names: Iterable[str] | None = None,
        *,
        choices: Mapping[str, tuple[str, ...]] | None = None,
        blanks: Mapping[str, str] | None = None,
        defaults: Parameters | None = None,
    ) -> None:
        super().__init__()
        self._model = model
        self._editors: dict[str, Editor] = {}
        self._marks: dict[str, FieldMark] = {}
        self._groups: dict[str, ModelForm] = {}
        self._headings: dict[str, QCollapsible] = {}
        self._choices, self._blanks = choices or {}, blanks or {}
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setVerticalSpacing(4)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for name in model.model_fields if names is None else names:
            field = copy(model.model_fields[name])
            if defaults is not None:
                field.default = getattr(defaults, name)
            self._add(name, field)

    def values(self) -> dict[str, Any]:
        """Return the values on show, as the model's constructor takes them; raises ValueError for unreadable text."""
        values: dict[str, Any] = {}
        for name, editor in self._editors.items():
            try:
                values[name] = editor.value()
            except ValueError as error:
                raise ValueError(f"{_title(self._model, name)}: {error}") from None
        for name, group in self._groups.items():
            try:
                values[name] = group.values()
            except ValueError as error:
                raise ValueError(f"{_title(self._model, name)} > {error}") from None
        return values

    def set_values(self, parameters: Parameters) -> None:
        """Show the values of a model, as far as they have editors here, without emitting `changed`."""
        for name, group in self._groups.items():
            group.set_values(getattr(parameters, name))
        for name, editor in self._editors.items():
            editor.set_value(getattr(parameters, name))
        self.check()

    def check(self) -> None:
        """Mark the fields that the model refuses as they stand now, and no others."""
        _, refused = self._typed()
        for name, mark in self._marks.items():
            mark.show(refused.get(name, ""))
        for name, heading in self._headings.items():
            heading.setText(marked(_title(self._model, name), bool(self._groups[name].refused)))
        self.checked.emit()

    @property
    def refused(self) -> dict[str, str]:
        """Why fields are marked, by their names; those of groups begin with the group's: "loss.pull_weight"."""
        here = {name: mark.reason for name, mark in self._marks.items() if mark.reason}
        for name, group in self._groups.items():
            here |= {f"{name}.{field}": reason for field, reason in group.refused.items()}
        return here

    def set_editable(self, is_editable: bool) -> None:
        """Let the values be changed or not; groups can be unfolded and read all the same."""
        for editor in self._editors.values():
            editor.setEnabled(is_editable)
        for group in self._groups.values():
            group.set_editable(is_editable)

    def editor(self, name: str) -> Editor:
        """Return the editor of a field."""
        return self._editors[name]

    def group(self, name: str) -> ModelForm:
        """Return the form of a nested model."""
        return self._groups[name]

    def put_first(self, title: str, widget: QWidget) -> None:
        """Put a row of the caller's own above the others; its label has the tooltip of the widget."""
        label = QLabel(title)
        label.setToolTip(widget.toolTip())
        self._layout.insertRow(0, label, widget)

    def _add(self, name: str, field: FieldInfo) -> None:
        if isinstance(field.annotation, type) and issubclass(field.annotation, Parameters):
            group = ModelForm(field.annotation, choices=self._choices, blanks=self._blanks, defaults=field.default)
            heading = folded(_title(self._model, name), group)
            heading.toggleButton().setToolTip(" ".join((field.annotation.__doc__ or "").split("\n\n")[0].split()))
            self._groups[name], self._headings[name] = group, heading
            self._layout.addRow(heading)
            group.changed.connect(self.changed)
            group.checked.connect(self.check)
            return
        self._editors[name] = editor = make_editor(
            field, choices=self._choices.get(name, ()), blank=self._blanks.get(name, "auto")
        )
        ignore_wheel(editor)
        editor.setObjectName(name)
        label = QLabel(_title(self._model, name))
        label.setToolTip(field.description or "")
        self._layout.addRow(label, editor)
        self._marks[name] = FieldMark(editor, label)
        self._follow(editor)

    def _follow(self, editor: Editor) -> None:
        editor.edited.connect(self._on_edited)
        for text in editor.findChildren(QLineEdit):
            text.textEdited.connect(self._on_typed)
        for box in (editor, *editor.findChildren(QAbstractSpinBox)):
            if isinstance(box, QAbstractSpinBox):  # What its range does not allow goes when it loses the focus.
                box.editingFinished.connect(self.check)

    def _on_edited(self) -> None:
        self.check()
        self.changed.emit()

    def _on_typed(self, _text: str) -> None:
        self.check()

    def _typed(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the values that stand in the fields, and why fields of this form, without groups, are refused."""
        values: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for name, editor in self._editors.items():
            try:
                values[name] = _typed(editor)
            except ValueError as error:
                refused[name] = str(error)
        for name, group in self._groups.items():
            inside, wrong = group._typed()
            if not wrong:
                values[name] = inside
        try:
            self._model(**values)
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                for name in self._blamed(problem, is_complete=not refused):
                    refused.setdefault(name, _reason(problem))
        return values, refused

    def _blamed(self, problem: ErrorDetails, *, is_complete: bool) -> list[str]:
        """Return the fields to mark; where a rule is between several, those that its sentence names, or else all."""
        if problem["loc"]:
            return [name for name in self._editors if name == problem["loc"][0]]
        words = re.findall(r"\w+", problem["msg"])
        named = [name for name in self._editors if name in words]
        return (named or list(self._editors)) if is_complete else []


def read_parameters(model: type[Model], *forms: ModelForm, **others: object) -> Model:
    """Make a model from the values of its forms, and of fields that have no form.

    Raises
    ------
    ValueError
        A value is not allowed; the sentence names the field as the form does.
    """
    values: dict[str, Any] = dict(others)
    for form in forms:
        values |= form.values()
    try:
        return model(**values)
    except ValidationError as error:
        raise ValueError(_sentence(model, error)) from error


def _sentence(model: type[Parameters], error: ValidationError) -> str:
    """Say what is wrong with the first wrong field, in the words of the form."""
    problem = error.errors(include_url=False)[0]
    titles = []
    for name in problem["loc"]:
        field = model.model_fields.get(str(name))
        if field is None:
            break
        titles.append(_title(model, str(name)))
        if isinstance(field.annotation, type) and issubclass(field.annotation, Parameters):
            model = field.annotation
    return f"{' > '.join(titles)}: {_reason(problem)}" if titles else _reason(problem)


def _reason(problem: ErrorDetails) -> str:
    message = problem["msg"].removeprefix("Input ").removeprefix("Value error, ").rstrip(".")
    # The input of a rule between fields is all of them.
    return f"{message}." if isinstance(problem["input"], dict) else f"{message}, got {problem['input']!r}."


def _typed(editor: Editor) -> Any:
    """Return the value that stands in a field, entered or not; raises ValueError where that cannot be read."""
    box = getattr(editor, "spin", editor)
    return box.typed() if isinstance(box, TypedNumber) else editor.value()


def _title(model: type[Parameters], name: str) -> str:
    return model.model_fields[name].title or name.capitalize()
