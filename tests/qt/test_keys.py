"""Keys of ours: they clash with nothing of napari's, can be changed, and are on layers of ours alone."""

from __future__ import annotations

import numpy as np
import pytest
from app_model import Application
from napari._app_model import get_app_model
from napari._app_model._app import APP_NAME
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import coerce_keybinding
from npe2 import PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QWidget

from napari_spoco._qt.annotate import annotation_status
from napari_spoco._qt.forms.help_links import docs_folder
from napari_spoco._qt.keys import KeyChoice, LayerKeys, napari_keys, normalize
from napari_spoco._qt.review import review_status

GROUPS = {"annotate_keys": annotation_status.ACTIONS, "review_keys": review_status.ACTIONS}


def canvas() -> QWidget:
    return next(widget for widget in QApplication.allWidgets() if type(widget).__name__ == "CanvasBackendDesktop")


@pytest.fixture
def choice(viewer) -> KeyChoice:
    return KeyChoice({"accept": "A", "reject": "R", "plain": ""})


def keys(choice: KeyChoice) -> dict[str, str]:
    return {name: choice.key(name) for name in choice.names}


@pytest.mark.parametrize("group", GROUPS)
def test_the_page_has_the_key_of_every_action(group) -> None:
    page = PluginManifest.from_distribution("napari-spoco").contributions.configurations[group]
    assert {name: (one.default, one.title) for name, one in page.properties.items()} == {
        action.name: (action.key, action.text) for action in GROUPS[group]
    }


def test_no_key_is_one_of_naparis_or_another_of_ours(viewer) -> None:
    ours = [action.key for actions in GROUPS.values() for action in actions if action.key]
    assert len({*ours}) == len(ours)
    assert not {*ours} & napari_keys()
    assert {"M", "E", "V", "Space"} <= napari_keys()
    assert ours == [normalize(key) for key in ours]


@pytest.fixture
def menus(viewer, monkeypatch) -> set[str]:
    """Return the keys in napari's menus; in tests its application goes by another name."""
    assert APP_NAME == "napari"
    application = get_app_model()
    monkeypatch.setattr(Application, "get_app", {APP_NAME: application}.get)
    return named(entry.keybinding for entry in application.keybindings)


def named(entries: object) -> set[str]:
    return {str(coerce_keybinding(str(entry))) for entry in entries}


def test_no_key_is_in_naparis_list_of_shortcuts(menus) -> None:
    """The list of napari's Preferences, for what can be selected while ours are at work: Labels, the viewer, menus."""
    owners = {name: action.keymapprovider for name, action in action_manager._actions.items()}
    listed = {
        str(key): name
        for name, keys in get_settings().shortcuts.shortcuts.items()
        for key in keys
        if owners[name] in (Labels, ViewerModel)
    }
    assert listed["P"] == "napari:activate_labels_paint_mode"
    assert listed["V"] == "napari:toggle_selected_visibility"
    assert {*named(listed)} <= napari_keys()
    ours = {action.key for actions in GROUPS.values() for action in actions if action.key}
    assert not ours & named(listed)
    assert {"Ctrl+S", "Ctrl+O"} <= menus <= napari_keys()
    assert not ours & menus


def test_the_keys_that_begin_to_paint_are_at_work_on_the_image_too(ready, viewer, qtbot) -> None:
    """Some others are letters that napari has for Image layers, as it has Z for both: the selected layer decides."""
    ours = {action.key for actions in GROUPS.values() for action in actions}
    of_images = {str(key) for key in vars(Image)["class_keymap"]}
    assert ours & of_images == {"O", "Y"}
    assert not {action.key for action in GROUPS["annotate_keys"]} & of_images
    layer = viewer.layers["cells annotations"]
    for selected in (viewer.layers["cells"], layer):
        viewer.layers.selection.active = selected
        layer.selected_label = 1
        qtbot.keyClick(canvas(), Qt.Key.Key_T)
        assert layer.selected_label == (2 if selected is layer else 1)
        qtbot.keyClick(canvas(), Qt.Key.Key_D)
        assert layer.selected_label == 4
        assert viewer.layers.selection.active == layer
        assert layer.mode == "paint"
    viewer.layers.selection.active = viewer.layers["cells"]
    ready.annotating.keys.wish({"new_object": "C"})  # napari's, for auto-contrast
    qtbot.keyClick(canvas(), Qt.Key.Key_D)
    qtbot.keyClick(canvas(), Qt.Key.Key_C)
    assert viewer.layers.selection.active == viewer.layers["cells"]


@pytest.mark.parametrize(("text", "key"), [("q", "Q"), ("shift-q", "Shift+Q"), ("F5", "F5"), ("Ctrl+Q", "Ctrl+Q")])
def test_keys_are_written_as_people_do(text, key) -> None:
    assert normalize(text) == key


def test_other_keys_are_taken_and_may_be_swapped(choice, qtbot) -> None:
    with qtbot.waitSignal(choice.changed):
        assert choice.wish({"accept": "R", "reject": "a", "plain": "F5"}) == []
    assert keys(choice) == {"accept": "R", "reject": "A", "plain": "F5"}
    with qtbot.assertNotEmitted(choice.changed):
        choice.wish({"accept": "R", "reject": "a", "plain": "F5"})
    choice.wish({})
    assert keys(choice) == {"accept": "A", "reject": "R", "plain": ""}
    choice.wish({"accept": " "})
    assert choice.key("accept") == ""


@pytest.mark.parametrize(
    ("wished", "sentence"),
    [
        ({"accept": "nonsense"}, "Accept stays A: “nonsense” is not a key: expected such as A, F5 or Shift+A."),
        ({"accept": "m"}, "Accept stays A: M is one of napari's own keys."),
        ({"accept": "ctrl-s"}, "Accept stays A: Ctrl+S is one of napari's own keys."),
        ({"accept": "R"}, "Reject has no key: R is the key of another action."),
        ({"plain": "A"}, "Plain has no key: A is the key of another action."),
    ],
)
def test_what_cannot_be_had_is_said(choice, menus, wished, sentence) -> None:
    assert choice.wish(wished) == [sentence]


def test_a_layer_has_the_keys_until_the_end(choice) -> None:
    layer, other = (Labels(np.zeros((4, 4), int)) for _ in range(2))
    bound, pressed = LayerKeys(layer, choice), []
    bound.pressed.connect(pressed.append)

    def press(key: str) -> None:
        next(function for one, function in layer.keymap.items() if str(one) == key)(layer)

    press("A")
    choice.wish({"accept": "Q"})
    press("Q")
    assert pressed == ["accept", "accept"]
    assert {str(key) for key in layer.keymap} == {"Q", "R"}
    assert not other.keymap
    bound.end()
    assert not layer.keymap
    choice.wish({})
    assert not layer.keymap


def test_the_tutorial_lists_the_keys() -> None:
    keys = (docs_folder() / "tutorial.md").read_text(encoding="utf-8").partition("## Keys")[2]
    assert all(f"`{action.key}`" in keys for actions in GROUPS.values() for action in actions if action.key)
