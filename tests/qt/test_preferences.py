"""The page SPOCO in napari's Preferences: it is there, and what is set on it reaches the window at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from napari.settings import get_plugin_settings
from npe2 import PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QLineEdit, QListWidget

from napari_spoco._qt.preferences import find_page
from napari_spoco._qt.widget import SpocoWidget
from napari_spoco.config import TrainingConfig


@pytest.fixture
def page(plugin_settings, npe2pm) -> object:
    """Return the page, kept in a folder of the test's own."""
    npe2pm.register(PluginManifest.from_distribution("napari-spoco"))
    return find_page()


@pytest.fixture
def dock(page, viewer) -> Iterator[SpocoWidget]:
    widget = SpocoWidget(viewer, warm_up=lambda on_end: on_end("ready"))
    viewer.window.add_dock_widget(widget, name="SPOCO")
    yield widget
    widget.release()


def machine(dock: SpocoWidget) -> tuple[object, ...]:
    config = dock.train.settings.config()
    return config.device, config.threads, config.autosave_seconds, config.preview_seconds


def test_defaults_of_the_page_are_those_of_the_training(page) -> None:
    values = page.machine.model_dump() | {"threads": page.machine.threads or None}
    assert values == TrainingConfig().model_dump(include=set(values))


def test_a_plugin_that_is_not_known_has_no_page(plugin_settings, npe2pm) -> None:
    assert find_page() is None


def test_the_page_is_in_the_preferences_and_is_kept(dock, page, viewer, qtbot) -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    dialog = PreferencesDialog()
    qtbot.addWidget(dialog)
    pages = dialog.findChild(QListWidget, "Preferences")
    (item,) = pages.findItems("SPOCO", Qt.MatchFlag.MatchExactly)
    pages.setCurrentItem(item)
    shown = dialog.findChildren(QComboBox)
    next(combo for combo in shown if combo.findText("mps") >= 0).setCurrentText("cpu")
    (merge,) = (line for line in dialog.findChildren(QLineEdit) if line.text() == "J")
    merge.clear()
    qtbot.keyClicks(merge, "q")
    assert machine(dock)[0] == "cpu"
    assert dock.review.action_buttons["merge"].text() == "Merge (Q)"
    dialog.accept()
    kept = Path(page.config_path).read_text(encoding="utf-8")
    assert "device: cpu" in kept
    assert "merge: q" in kept


def test_what_is_set_reaches_the_window_at_once(dock, page) -> None:
    assert machine(dock) == ("auto", None, 60.0, 5.0)
    page.machine.update({"device": "cpu", "threads": 3, "autosave_seconds": 30, "preview_seconds": 9})
    assert machine(dock) == ("cpu", 3, 30.0, 9.0)
    page.machine.threads = 0
    assert machine(dock) == ("cpu", None, 30.0, 9.0)


def test_what_the_user_has_set_in_the_tab_stays(dock, page) -> None:
    dock.train.settings.prefer({"device": "cuda"})
    page.machine.preview_seconds = 9
    page.review_keys.merge = "Q"
    assert machine(dock) == ("cuda", None, 60.0, 9.0)


def test_presets_and_runs_leave_the_machine_alone(dock, page) -> None:
    page.machine.update({"threads": 3, "autosave_seconds": 30})
    settings = dock.train.settings
    assert settings.preset.value() == "quick"
    settings.show_config(TrainingConfig(max_steps=7, threads=1))
    assert settings.config().max_steps == 7
    assert machine(dock) == ("auto", 3, 30.0, 5.0)


def test_a_key_that_cannot_be_had_is_said(dock, page) -> None:
    page.review_keys.accept = "m"
    assert dock.footer.text == "Accept stays A: M is one of napari's own keys."
    page.annotate_keys.new_object = "F5"
    assert dock.annotating.keys.key("new_object") == "F5"


def test_the_folder_counts_from_the_next_opening_on(page, viewer, tmp_path) -> None:
    page.files.folder = str(tmp_path / "large disk")
    widget = SpocoWidget(viewer, warm_up=lambda on_end: on_end("ready"))
    viewer.window.add_dock_widget(widget, name="SPOCO")
    assert widget._models_folder == tmp_path / "large disk" / "models"
    page.files.folder = "data"
    assert widget.preferences.folder(tmp_path) == Path.home() / "data"
    page.files.folder = ""
    assert widget.preferences.folder(tmp_path) == tmp_path
    widget.release()


def test_after_the_end_nothing_is_followed(dock, page) -> None:
    dock.release()
    page.machine.device = "cpu"
    assert machine(dock)[0] == "auto"
    assert get_plugin_settings("napari-spoco") is page
