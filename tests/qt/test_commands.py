"""The main actions in napari's command palette and menus: they open the dock, and do what its buttons do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import QFileDialog

from napari_spoco._qt import commands
from napari_spoco._qt.session import SessionState
from napari_spoco._qt.widget import SpocoWidget

PALETTE = {
    "napari-spoco.open": "Open the dock (SPOCO)",
    "napari-spoco.new_object": "New object (SPOCO)",
    "napari-spoco.train": "Train (SPOCO)",
    "napari-spoco.stop": "Stop the training (SPOCO)",
    "napari-spoco.show_embeddings": "Show embeddings (SPOCO)",
    "napari-spoco.segment": "Segment the image (SPOCO)",
    "napari-spoco.review_next": "Next object to review (SPOCO)",
    "napari-spoco.export": "Export labels… (SPOCO)",
}


def test_the_commands_are_in_the_palette_and_the_menus_once(make_napari_viewer) -> None:
    from napari._app_model import get_app_model

    make_napari_viewer()
    menus = get_app_model().menus

    def titles(menu: str) -> list[str]:
        return [item.command.title for item in menus.get_menu(menu) if "spoco" in item.command.id]

    palette = {item.command.id: item.command.title for item in menus.get_menu(menus.COMMAND_PALETTE_ID)}
    assert palette.items() >= PALETTE.items()
    segment, annotate = titles("napari/layers/segment"), titles("napari/layers/annotate")
    assert segment == [PALETTE[f"napari-spoco.{name}"] for name in ("open", "train", "show_embeddings", "segment")]
    assert annotate == [PALETTE[f"napari-spoco.{name}"] for name in ("new_object", "review_next")]


def test_the_manifest_names_functions_that_take_nothing() -> None:
    manifest = PluginManifest.from_distribution("napari-spoco")
    named = {one.id: one.python_name for one in manifest.contributions.commands if one.id in PALETTE}
    assert named.keys() == PALETTE.keys()
    assert all(hasattr(commands, name.partition(":")[2]) for name in named.values())


def test_the_palette_opens_the_dock_that_the_menu_closes(make_napari_viewer, qtbot) -> None:
    from napari._app_model import get_app_model

    viewer = make_napari_viewer(show=True)
    run = get_app_model().commands.execute_command
    for _ in range(2):
        run("napari-spoco.open").result()
        (widget,) = viewer.window.dock_widgets.values()
        assert isinstance(widget, SpocoWidget)
        assert not widget.parent().isHidden()
    run("napari-spoco.train").result()
    assert widget.footer.text == "Train: Choose an image first."
    run("napari-spoco.widget").result()
    assert [*viewer.window.dock_widgets.values()] == [widget]
    assert widget.parent().isHidden()
    run("napari-spoco.open").result()
    assert not widget.parent().isHidden()
    widget.release()


@pytest.mark.parametrize(
    ("command", "tab", "sentence"),
    [
        (commands.train, "Train", "Train: Choose an image first."),
        (commands.stop, "Train", "Stop: Nothing is being trained."),
        (commands.show_embeddings, "Embeddings", "Show embeddings: Choose an image first."),
        (commands.segment, "Segment", "Segment: Choose an image first."),
        (commands.new_object, "Annotate", "New: Choose an image first."),
        (commands.export, "Export", "Save…: There is no Labels layer to save."),
        (commands.review_next, "Review", "Start review: Choose a layer first."),
    ],
)
def test_what_is_not_possible_is_said_where_it_belongs(spoco, command, tab, sentence) -> None:
    command()
    assert spoco.tabs.current_title == tab
    assert spoco.footer.text == sentence


def test_a_training_is_started_and_stopped(ready, processes, until: Callable) -> None:
    commands.train()
    until(lambda: processes.made and processes.last.is_started)
    commands.stop()
    assert ready.session.state is SessionState.STOPPING
    until(lambda: processes.last.is_stopping)
    processes.last.finish(stopped=True)
    until(lambda: not ready.session.state.is_busy)


def test_new_object_makes_annotations_and_then_objects(ready, viewer) -> None:
    layer = ready.annotate.annotations.layer()
    viewer.layers.selection.active = viewer.layers["cells"]
    commands.new_object()
    assert viewer.layers.selection.active.name == layer.name
    assert layer.selected_label == 4
    assert layer.mode == "paint"


def test_the_review_is_started_and_goes_on(ready, until: Callable) -> None:
    ready.review.labels.choose(ready.annotate.annotations.layer())
    commands.review_next()
    until(lambda: ready.reviewing.queue is not None and not ready.reviewing.is_busy)
    first = ready.reviewing.chosen
    commands.review_next()
    assert ready.reviewing.chosen not in ((), first)


def test_export_asks_for_a_file(ready, monkeypatch, tmp_path, until: Callable) -> None:
    path = tmp_path / "found.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    ready.export.labels.choose(ready.annotate.annotations.layer())
    commands.export()
    until(path.exists)
    until(lambda: not ready.session.is_saving)


def test_without_a_window_there_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(commands, "current_viewer", lambda: None)
    with pytest.raises(RuntimeError, match="no napari window"):
        commands.open_dock()
