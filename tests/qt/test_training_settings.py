"""Presets fill the forms; what is edited afterwards is as edited; machine and image are not a preset's business."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_spoco._qt.train.training_settings import TrainingSettings
from napari_spoco.config import TRAINING_PRESETS, AnnotationConfig, TrainingConfig

PRESETS = list(TRAINING_PRESETS)


@pytest.fixture
def settings(qtbot):
    made = TrainingSettings()
    qtbot.addWidget(made)
    return made


def choose(settings: TrainingSettings, name: str) -> None:
    index = settings.preset.findData(name)
    settings.preset.setCurrentIndex(index)
    settings.preset.activated.emit(index)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_the_forms(settings, name) -> None:
    choose(settings, name)
    assert settings.config() == TRAINING_PRESETS[name]
    assert settings.preset.value() == name
    critic = settings.advanced.group("adversarial").editor("enabled")
    assert critic.isChecked() == TRAINING_PRESETS[name].adversarial.enabled


def test_the_first_preset_is_the_default(settings) -> None:
    assert settings.preset.value() == PRESETS[0]
    assert settings.config() == TrainingConfig()


def test_edited_by_hand_is_as_edited_until_it_is_a_preset_again(settings, qtbot) -> None:
    steps = settings.quick.editor("max_steps")
    for text, preset in (("7", "edited"), ("1500", "quick")):
        steps.selectAll()
        qtbot.keyClicks(steps, text)
        qtbot.keyClick(steps, Qt.Key.Key_Return)
        assert settings.preset.value() == preset
    assert settings.config() == TrainingConfig()


def test_a_text_that_cannot_be_read_is_as_edited(settings, qtbot) -> None:
    qtbot.keyClicks(settings.advanced.editor("patch_shape"), "many")
    assert settings.preset.value() == "edited"


def test_as_edited_cannot_be_chosen(settings) -> None:
    item = settings.preset.model().item(settings.preset.findData("edited"))
    assert not item.isEnabled()


def test_a_preset_leaves_device_and_meaning_of_labels_alone(settings) -> None:
    settings.quick.editor("device").set_value("cpu")
    settings.advanced.group("annotations").editor("background_label").set_value(9)
    choose(settings, "paper")
    assert settings.config().device == "cpu"
    assert settings.annotations() == AnnotationConfig(background_label=9)
    assert settings.preset.value() == "paper"


def test_settings_of_another_run_are_shown_on_this_machines_device(settings, qtbot) -> None:
    settings.quick.editor("device").set_value("cpu")
    config = TRAINING_PRESETS["thorough"].model_copy(
        update={"device": "cuda:3", "annotations": AnnotationConfig(ignore_label=4)}
    )
    with qtbot.waitSignal(settings.changed):
        settings.show_config(config)
    assert settings.config() == config.model_copy(update={"device": "cpu"})
    assert settings.preset.value() == "thorough"


def test_several_devices_are_for_the_command_line(settings) -> None:
    shown = {**settings.quick.values(), **settings.advanced.values()}
    assert set(TrainingConfig.model_fields) - set(shown) == {"devices", "num_nodes"}
