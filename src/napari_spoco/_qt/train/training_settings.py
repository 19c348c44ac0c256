"""The settings of a training: a preset to start with, what everybody needs in sight, the rest folded.

The fields and their defaults come from `TrainingConfig`; this module alone knows which of them are in sight, and what a
preset leaves alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QKeyEvent, QMouseEvent, QStandardItemModel
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_spoco._qt.forms.editors import ChoiceEditor, ignore_wheel
from napari_spoco._qt.forms.forms import ModelForm, read_parameters
from napari_spoco._qt.forms.parts import folded
from napari_spoco.config import TRAINING_PRESETS, AnnotationConfig, TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_spoco._qt.forms.editors import Editor

_QUICK = ("max_steps", "max_minutes", "device")
_HIDDEN = ("devices", "num_nodes")
"""The window trains on one device."""
_MACHINE = ("device", "threads", "autosave_seconds", "preview_seconds")
"""What suits this machine; the Preferences say what they are at first."""
_OWN = (*_MACHINE, "annotations", "channels", *_HIDDEN)
"""Of the machine and of the image, so no preset changes them, nor are they compared with one."""
_CHOICES = {"device": ("auto", "cpu", "cuda", "mps")}
_BLANKS = {
    "max_minutes": "no limit",
    "background_label": "none",
    "ignore_label": "none",
    "channels": "all",
    "gradient_clip": "none",
    "early_stopping": "never",
}
_EDITED = "edited"
_PRESET_HELP = (
    "quick, normal, thorough: minutes to hours, from a few objects. paper: the published settings, for many hours; "
    "adversarial: the same with a second network that judges outlines. discriminative: pull and push alone, the older "
    "method that it is compared with. "
    "Choosing one fills all settings."
)


class TrainingSettings(QWidget):
    """Preset, settings in sight, advanced settings."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.preset = _make_preset_choice()
        self.quick = ModelForm(TrainingConfig, _QUICK, choices=_CHOICES, blanks=_BLANKS)
        elsewhere = (*_QUICK, *_HIDDEN)
        names = [name for name in TrainingConfig.model_fields if name not in elsewhere]
        self.advanced = ModelForm(TrainingConfig, names, blanks=_BLANKS)
        self.quick.put_first("Preset", self.preset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addWidget(self.quick)
        layout.addWidget(folded("Advanced settings", self.advanced))
        self.preset.edited.connect(self._on_preset_chosen)
        for form in (self.quick, self.advanced):
            form.changed.connect(self._on_edited)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the focus for a greyed field that is clicked."""
        field = self.childAt(event.pos())
        if field is not None and not field.isEnabled():
            self.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keep what is typed into a greyed field from the canvas, where digits choose tools."""
        if not self.hasFocus():
            super().keyPressEvent(event)

    @property
    def device(self) -> str:
        """The chosen device, which predicts too."""
        return str(self.quick.editor("device").value())

    def config(self) -> TrainingConfig:
        """Return the settings; raises ValueError with a sentence for the user."""
        return read_parameters(TrainingConfig, self.quick, self.advanced)

    def annotations(self) -> AnnotationConfig:
        """Return what painted labels state."""
        return read_parameters(AnnotationConfig, self.advanced.group("annotations"))

    @property
    def channels(self) -> tuple[int, ...] | None:
        """The chosen channels of the images, counted from 0; None for all, or where they cannot be read."""
        try:
            chosen = self.advanced.editor("channels").value()
        except ValueError:
            return None
        return None if chosen is None else tuple(map(int, chosen))

    def choose_channels(self, channels: tuple[int, ...] | None) -> None:
        """Choose the channels of the images; None for all."""
        self.advanced.editor("channels").set_value(channels)
        self.advanced.check()
        self.changed.emit()

    def show_config(self, config: TrainingConfig) -> None:
        """Show other settings; what suits the machine stays."""
        self._fill(config.model_copy(update=self._machine()))
        self._name_preset()
        self.changed.emit()

    def prefer(self, values: Mapping[str, object]) -> None:
        """Show what the user prefers on this machine, by the names of the fields."""
        for name, value in values.items():
            self._editor(name).set_value(value)

    def set_editable(self, is_editable: bool) -> None:
        """Let the settings be changed or not."""
        self.preset.setEnabled(is_editable)
        for form in (self.quick, self.advanced):
            form.set_editable(is_editable)

    def _on_preset_chosen(self) -> None:
        preset = TRAINING_PRESETS[str(self.preset.value())]
        own = {"annotations": self.annotations(), "channels": self.channels}
        self._fill(preset.model_copy(update=self._machine() | own))
        self.changed.emit()

    def _on_edited(self) -> None:
        self._name_preset()
        self.changed.emit()

    def _editor(self, name: str) -> Editor:
        return (self.quick if name in _QUICK else self.advanced).editor(name)

    def _machine(self) -> dict[str, object]:
        return {name: self._editor(name).value() for name in _MACHINE}

    def _fill(self, config: TrainingConfig) -> None:
        self.quick.set_values(config)
        self.advanced.set_values(config)

    def _name_preset(self) -> None:
        """Show which preset the settings are, if they are one."""
        try:
            shown = _compared(self.config())
        except ValueError:
            self.preset.set_value(_EDITED)
            return
        names = [name for name, preset in TRAINING_PRESETS.items() if _compared(preset) == shown]
        self.preset.set_value(names[0] if names else _EDITED)


def _compared(config: TrainingConfig) -> dict[str, object]:
    return config.model_dump(exclude=set(_OWN))


def _make_preset_choice() -> ChoiceEditor:
    choices = [(name, f"{name.replace('-', ', ')} ({_length(config)})") for name, config in TRAINING_PRESETS.items()]
    choice = ChoiceEditor((*choices, (_EDITED, "as edited")))
    model = choice.model()
    if isinstance(model, QStandardItemModel):  # "as edited" is what comes of editing, and cannot be chosen.
        model.item(choice.count() - 1).setEnabled(False)
    choice.setToolTip(_PRESET_HELP)
    ignore_wheel(choice)
    return choice


def _length(config: TrainingConfig) -> str:
    if config.max_minutes is None:
        return f"{config.max_steps} steps"
    return f"{config.max_minutes:g} min"
