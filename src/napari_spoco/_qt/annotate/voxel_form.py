"""The size of a voxel in the Annotate tab: a sentence, a field per axis, a button, and a mark for all alike."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_spoco._qt.forms.editors import ignore_wheel
from napari_spoco._qt.forms.field_marks import FieldMark
from napari_spoco._qt.forms.parts import sentence, show_tone
from napari_spoco._qt.forms.spin_boxes import FloatEditor

if TYPE_CHECKING:
    from collections.abc import Sequence

_AXES = "ZYX"
_BLANK = "?"
_FIELD_WIDTH = 44
_FIELD_HELP = (
    "Distance of neighbouring {}, in micrometers. It decides at which magnification a model sees the image, and is in "
    "what is exported. Leave all fields empty where it is not known."
)
_NEIGHBOURS = {"Z": "planes", "Y": "rows of pixels", "X": "columns of pixels"}
_BUTTON_HELP = (
    "Give this size to the image, its annotations, boxes and objects. No pixel is changed, and you keep looking at the "
    "same place. Another size may be set at any time."
)
_ALIKE_HELP = (
    "Give the same size to the open images that have as many pixels, and the same size by now or none: {}. "
    "Images of other sizes look larger or smaller than this one, as they then are."
)
_MOST_NAMES = 8
"""Of images in a tooltip."""


class ShownVoxelSize(NamedTuple):
    """What the form shows: sizes are in micrometers, per spatial axis.

    `axes` are the spatial axes, "YX" or "ZYX". `size` is that of the image, None where it is not known; then `offered`
    is what its file says, None for an axis of which it says nothing, and `source` what it is that says so.
    """

    axes: str
    size: tuple[float, ...] | None
    offered: tuple[float | None, ...] = ()
    source: str = ""


class VoxelForm(QWidget):
    """Shows a `ShownVoxelSize`, and says what the user wants it to be; `refused` says what was typed instead."""

    chosen = Signal(object)  # tuple of float or None, per spatial axis
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.about, self.button = sentence(), QPushButton("Set")
        self.button.setToolTip(_BUTTON_HELP)
        self.fields = {axis: _field(axis) for axis in _AXES}
        self._letters = {axis: QLabel(axis) for axis in _AXES}
        self._marks = {axis: FieldMark(self.fields[axis], self._letters[axis]) for axis in _AXES}
        self.for_all = QCheckBox()
        self.for_all.setChecked(True)
        self._shown: ShownVoxelSize | None = None
        layout, line = QVBoxLayout(self), QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        for axis in _AXES:
            line.addWidget(self._letters[axis])
            line.addWidget(self.fields[axis], 1)
            self.fields[axis].lineEdit().textEdited.connect(partial(self._on_typed, axis))
            self.fields[axis].lineEdit().returnPressed.connect(self._on_confirmed)
        line.addWidget(QLabel("µm"))
        line.addWidget(self.button)
        layout.addWidget(self.about)
        layout.addLayout(line)
        layout.addWidget(self.for_all)
        self.show_alike(())
        self.button.clicked.connect(self._on_confirmed)

    def show_size(self, shown: ShownVoxelSize | None) -> None:
        """Show a size; nothing without one. What is being typed stays, as long as nothing else is to be shown."""
        self.setVisible(shown is not None)
        if shown is None or shown == self._shown:
            return
        self._shown = shown
        sizes = shown.size or shown.offered or (None,) * len(shown.axes)
        values = dict(zip(shown.axes, sizes, strict=True))
        for axis in _AXES:
            for widget in (self._letters[axis], self.fields[axis]):
                widget.setVisible(axis in values)
            self.fields[axis].set_value(values.get(axis))
            self._marks[axis].show("")
        is_offer = shown.size is None and any(shown.offered)
        self.button.setText("Use" if is_offer else "Set")
        self.about.setText(describe(shown))
        show_tone(self.about, "bad" if is_offer else "plain")

    def show_alike(self, names: Sequence[str]) -> None:
        """Offer to set the size of other images, too; nothing where there are none."""
        many = "1 other open image" if len(names) == 1 else f"{len(names)} other open images"
        self.for_all.setText(f"also for {many} like this one")
        listed = ", ".join((*names[:_MOST_NAMES], *["…"][: len(names) > _MOST_NAMES]))
        self.for_all.setToolTip(_ALIKE_HELP.format(listed))
        self.for_all.setVisible(bool(names))

    def _on_typed(self, axis: str, _text: str) -> None:
        try:
            self.fields[axis].typed()
        except ValueError as error:
            self._marks[axis].show(str(error))
        else:
            self._marks[axis].show("")

    def _on_confirmed(self) -> None:
        if self._shown is None:
            return
        # A field that has lost the focus holds its last number again: what was typed is told all the same.
        wrong = [f"{axis}: {self._marks[axis].reason}" for axis in self._shown.axes if self._marks[axis].reason]
        for mark in self._marks.values():
            mark.show("")
        if wrong:
            self.refused.emit(f"size: {' '.join(wrong)}")
            return
        for axis in self._shown.axes:
            self.fields[axis].interpretText()
        self.chosen.emit(tuple(self.fields[axis].value() for axis in self._shown.axes))


def describe(shown: ShownVoxelSize) -> str:
    """Say what is known of the size of a voxel, or a pixel, and what to do about it."""
    what = "voxel" if len(shown.axes) > 2 else "pixel"
    if shown.size is not None:
        return f"{what.capitalize()} size:"
    if not any(shown.offered):
        return f"{what.capitalize()} size: not known. Enter it if you know it:"
    said = " \u00d7 ".join(_BLANK if size is None else f"{size:.4g}" for size in shown.offered)
    missing = ", ".join(axis for axis, size in zip(shown.axes, shown.offered, strict=True) if size is None)
    todo = f"Enter {missing}, then press Use:" if missing else "Press Use if it is right:"
    return f"{shown.source} says {said} µm a {what}; napari did not take it over. {todo}"


def _field(axis: str) -> FloatEditor:
    field = FloatEditor(None, None, "", _BLANK)
    field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
    field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # Else its largest number has room.
    field.setStyleSheet(f"min-width: {_FIELD_WIDTH}px; padding: 1px 2px;")  # napari's is too wide for three in a row.
    field.setToolTip(_FIELD_HELP.format(_NEIGHBOURS[axis]))
    ignore_wheel(field)
    return field
