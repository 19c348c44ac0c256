"""Which of several images is worked on, and that what is painted on can be seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from napari.layers import Image
from napari.layers._source import layer_source
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_spoco._qt.layers import layers
from napari_spoco._qt.session import SessionState
from napari_spoco.config import NetworkConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model


def make_image(shape=(64, 64)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def open_file(viewer, name: str, n_channels: int = 1, shape=(64, 64), **options) -> list[Image]:
    """Add the layers of a file as napari does: the second channel lies over the first one, transparent."""
    looks = [{"colormap": "gray"}, {"colormap": "green", "blending": "additive"}]
    with layer_source(path=f"{name}.tif"):
        names = [name] if n_channels == 1 else [f"{name} {i}" for i in range(n_channels)]
        found = [Image(make_image(shape), name=title, **looks[i], **options) for i, title in enumerate(names)]
    for layer in found:
        viewer.add_layer(layer)
    return found


def choose(spoco, name: str) -> None:
    combo = spoco.annotate.image
    combo.setCurrentIndex(combo.findText(name))
    combo.activated.emit(combo.currentIndex())


def select(viewer, name: str) -> None:
    """Click on a layer in the list."""
    viewer.layers.selection.active = viewer.layers[name]


def chosen(spoco) -> tuple[str | None, str | None]:
    """Return the names of image and annotations."""
    found = (choice.layer() for choice in (spoco.annotate.image, spoco.annotate.annotations))
    return tuple(None if layer is None else layer.name for layer in found)


def shown(viewer) -> set[str]:
    return {layer.name for layer in viewer.layers if layer.visible}


@pytest.fixture
def slides(spoco, viewer):
    """Return the widget with two annotated slides, opened and painted one after the other."""
    for name in ("A", "B"):
        open_file(viewer, name)
        spoco.annotate.action_buttons["new_object"].click()
    return spoco


def test_the_image_opened_last_is_worked_on(slides, viewer) -> None:
    assert chosen(slides) == ("B", "B annotations")
    open_file(viewer, "C")
    assert chosen(slides) == ("C", None)
    slides.annotate.action_buttons["new_object"].click()
    assert layers.linked_image(viewer.layers["C annotations"]) == layers.identity(viewer.layers["C"])


@pytest.mark.parametrize("name", ["A", "A annotations"])
def test_a_click_in_the_layer_list_switches(slides, viewer, name) -> None:
    select(viewer, name)
    assert chosen(slides) == ("A", "A annotations")
    assert shown(viewer) == {"A", "A annotations"}
    assert viewer.layers.selection.active.name == name
    select(viewer, name.replace("A", "B"))
    assert chosen(slides) == ("B", "B annotations")
    assert shown(viewer) == {"B", "B annotations"}


def test_a_choice_in_the_form_shows_it_and_selects_what_is_painted_on(slides, viewer) -> None:
    choose(slides, "A")
    assert shown(viewer) == {"A", "A annotations"}
    assert viewer.layers.selection.active.name == "A annotations"
    assert viewer.layers.selection.active.mode == "paint"


def test_what_the_user_has_hidden_stays_hidden(slides, viewer) -> None:
    mine = viewer.add_points(np.array([[5, 5]]), name="mine")
    metadata = {layers.MAKER: layers.identity(viewer.layers["A"])}
    for name, is_visible in (("A older objects", False), ("A objects", True)):
        viewer.add_labels(np.ones((64, 64), int), name=name, metadata=dict(metadata), visible=is_visible)
    select(viewer, "A")
    assert shown(viewer) == {"A", "A annotations", "A objects", "mine"}
    viewer.layers["A objects"].visible = False
    select(viewer, "B")
    assert shown(viewer) == {"B", "B annotations", "mine"}
    mine.visible = False
    select(viewer, "A")
    assert "A older objects" not in shown(viewer)
    assert "mine" not in shown(viewer)


def test_new_object_brings_what_is_painted_on_into_sight(slides, viewer, qtbot) -> None:
    choose(slides, "A")
    for layer in viewer.layers:
        layer.visible = layer.name.startswith("B")  # By the eyes in the list.
    slides.annotate.action_buttons["new_object"].click()
    assert shown(viewer) == {"A", "A annotations"}
    viewer.layers["A annotations"].visible = False
    select(viewer, "A")
    canvas = next(widget for widget in QApplication.allWidgets() if type(widget).__name__ == "CanvasBackendDesktop")
    qtbot.keyClick(canvas, Qt.Key.Key_K)
    assert viewer.layers["A annotations"].visible
    assert viewer.layers.selection.active.name == "A annotations"


def test_nothing_is_hidden_in_the_grid(slides, viewer) -> None:
    select(viewer, "A")
    viewer.canvas.grid.enabled = True
    assert shown(viewer) == {"A", "A annotations", "B", "B annotations"}
    select(viewer, "B")
    assert chosen(slides) == ("B", "B annotations")
    assert shown(viewer) == {"A", "A annotations", "B", "B annotations"}


def test_images_side_by_side_stay(slides, viewer) -> None:
    open_file(viewer, "C", translate=(0, 60))
    select(viewer, "A")
    assert shown(viewer) == {"A", "A annotations", "C"}


def test_what_is_looked_through_stays(slides, viewer) -> None:
    """An image that the user has made transparent is part of the one below until something is painted into it."""
    select(viewer, "A")
    (over,) = open_file(viewer, "over")
    over.opacity = 0.5
    select(viewer, "A annotations")
    assert shown(viewer) == {"A", "A annotations", "over"}
    select(viewer, "over")
    assert chosen(slides) == ("A", "A annotations")
    choose(slides, "over")
    assert chosen(slides) == ("over", None)
    assert shown(viewer) == {"A", "A annotations", "over"}


def test_channels_go_together(spoco, viewer) -> None:
    for name in ("A", "B"):
        open_file(viewer, name, n_channels=2)
        assert chosen(spoco) == (f"{name} 0", None)
        spoco.annotate.action_buttons["new_object"].click()
    select(viewer, "B 1")
    assert chosen(spoco) == ("B 0", "B 0 annotations")
    select(viewer, "A 0")
    assert shown(viewer) == {"A 0", "A 1", "A 0 annotations"}
    select(viewer, "A 1")
    assert chosen(spoco) == ("A 0", "A 0 annotations")
    choose(spoco, "B 1")
    assert shown(viewer) == {"B 0", "B 1", "B 0 annotations"}


def test_the_channels_of_a_combined_image_are_shown_for_it(spoco, viewer) -> None:
    open_file(viewer, "A", n_channels=2)
    spoco.combining.combine()
    open_file(viewer, "B")
    assert chosen(spoco) == ("B", None)
    choose(spoco, "A 0 + A 1")
    assert shown(viewer) == {"A 0", "A 1"}
    select(viewer, "A 1")
    assert chosen(spoco) == ("A 0 + A 1", None)
    select(viewer, "B")
    assert shown(viewer) == {"B"}


def test_a_removed_layer_leaves_the_choice_alone(slides, viewer, qtbot) -> None:
    open_file(viewer, "C")
    viewer.layers.move(viewer.layers.index("A annotations"), 4)
    select(viewer, "B annotations")
    assert chosen(slides) == ("B", "B annotations")
    viewer.layers.remove_selected()
    assert chosen(slides) == ("B", None)
    qtbot.wait(10)
    select(viewer, "C")
    viewer.layers.remove_selected()
    qtbot.wait(10)
    assert viewer.layers[chosen(slides)[0]].visible


def test_a_job_locks_the_choice(training, viewer) -> None:
    open_file(viewer, "B")
    select(viewer, "B")
    assert chosen(training) == ("cells", "cells annotations")


def test_a_part_lies_on_its_whole(slides, viewer, until) -> None:
    annotations = viewer.layers["B annotations"]
    annotations.corner_pixels = np.array([[10, 20], [29, 49]])  # As napari notes it when it draws.
    slides.annotate.action_buttons["crop_here"].click()
    until(lambda: "B annotations box" in viewer.layers)
    assert chosen(slides) == ("B box", "B annotations box")
    select(viewer, "B box")
    assert {"B", "B box", "B annotations box"} <= shown(viewer)
    select(viewer, "B annotations")
    assert chosen(slides) == ("B", "B annotations")
    assert "B box" not in shown(viewer)


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Return the file of an untrained model."""
    torch.manual_seed(0)
    network = NetworkConfig(ndim=2, embedding_dim=4, feature_maps=(4, 8))
    return str(save_model(EmbeddingModel.create(ModelCard(network=network)), tmp_path / "model.safetensors"))


def test_an_image_is_shown_when_it_was_segmented(slides, viewer, model, until) -> None:
    slides.session.load_model(model)
    until(lambda: slides.session.state is SessionState.IDLE and slides.session.model_path)
    choose(slides, "A")
    for layer in viewer.layers:
        layer.visible = layer.name.startswith("B")
    slides.segment.segment_button.click()
    until(lambda: "A objects" in viewer.layers and not slides.session.state.is_busy)
    assert shown(viewer) >= {"A", "A objects"}
    assert not {"B", "B annotations"} & shown(viewer)


def test_tabs_name_the_image_they_work_on(slides, viewer) -> None:
    lines = slides.image_lines.lines
    assert [line.text() for line in lines] == ["Image: B"] * 2
    assert slides.train.train_on.choice.itemText(0) == "this image: B"
    viewer.layers["B"].name = "kidney"
    choose(slides, "kidney")
    assert [line.text() for line in lines] == ["Image: kidney"] * 2
    assert slides.train.train_on.choice.itemText(0) == "this image: kidney"
    viewer.layers.clear()
    assert lines[0].text() == "Image: none yet"
    assert slides.train.train_on.choice.itemText(0) == "this image"


def test_accepted_objects_are_of_the_image_they_were_found_in(slides, viewer) -> None:
    metadata = {layers.MAKER: layers.identity(viewer.layers["A"])}
    reviewed = viewer.add_labels(np.ones((64, 64), int), name="A objects", metadata=metadata).__wrapped__
    choose(slides, "B")

    class Accepted:
        labels = np.ones((64, 64), int)
        boxes = {1: (slice(0, 64),) * 2}  # noqa: RUF012
        ids = (1,)

    slides.new_annotations.add_accepted(reviewed, Accepted())
    assert chosen(slides) == ("A", "A annotations")
