"""Several images of one viewer: each with its own annotations, trained on together when the user says so."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_spoco._qt.session import SessionState
from napari_spoco._qt.train import live_painting
from napari_spoco._qt.train.run_images import ImageWish, read_run_images


def make_image(shape=(64, 64)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def paint(layer, n_objects: int) -> None:
    for index in range(n_objects):
        layer.data[..., 10 * index + 2 : 10 * index + 7, 2:7] = index + 1
    layer.refresh()


def add(spoco, viewer, name: str, shape=(64, 64), n_objects: int = 2, **options) -> None:
    """Add an image, choose it, and paint objects into annotations of its own."""
    viewer.add_image(make_image(shape), name=name, **options)
    choose(spoco, name)
    spoco.annotate.new_button.click()
    paint(viewer.layers[f"{name} annotations"], n_objects)


def choose(spoco, name: str) -> None:
    combo = spoco.annotate.image
    combo.setCurrentIndex(combo.findText(name))
    combo.activated.emit(combo.currentIndex())


def train_on_all(spoco) -> None:
    combo = spoco.train.train_on.choice
    combo.setCurrentIndex(1)
    combo.activated.emit(1)


@pytest.fixture
def several(ready, viewer):
    """Return the widget with three annotated images of which the second is empty, the last one chosen."""
    add(ready, viewer, "empty", n_objects=0)
    add(ready, viewer, "more", (48, 64), scale=(2, 2))
    return ready


def train(spoco, processes, until):
    n_made = len(processes.made)
    spoco.train.train_button.click()
    until(lambda: len(processes.made) > n_made and processes.last.is_started)
    until(lambda: "Training on 6 objects" in spoco.footer.text)
    return processes.last.request


def test_an_image_is_shown_its_own_annotations(several, viewer) -> None:
    assert several.annotate.annotations.layer().name == "more annotations"
    choose(several, "cells")
    assert several.annotate.annotations.layer().name == "cells annotations"
    viewer.layers["more annotations"].name = "renamed"
    choose(several, "more")
    assert several.annotate.annotations.layer().name == "renamed"
    viewer.add_image(make_image(), name="new")
    choose(several, "new")
    assert several.annotate.annotations.layer() is None
    viewer.add_labels(np.ones((64, 64), int), name="mine")
    combo = several.annotate.annotations
    combo.setCurrentIndex(combo.findText("mine"))
    combo.activated.emit(combo.currentIndex())
    choose(several, "cells")
    choose(several, "new")
    assert combo.layer().name == "mine"
    assert len(several.images.every()) == 4


def test_one_image_is_trained_on_unless_the_user_says_so(several, processes, until) -> None:
    request = train(several, processes, until)
    assert [image.shape for image in request.images] == [(1, 48, 64)]
    assert several.train.train_on.choice.itemText(1) == "all 3 annotated images"


def test_all_are_trained_on_together(several, viewer, processes, until, monkeypatch) -> None:
    monkeypatch.setattr(live_painting, "_MILLISECONDS", 20)
    train_on_all(several)
    request = train(several, processes, until)
    assert [image.shape for image in request.images] == [(1, 64, 64), (1, 48, 64)]
    assert [labels.max() for labels in request.annotations] == [3, 2]
    assert request.voxel_size == ((1.0, 1.0), (2.0, 2.0))
    assert request.boxes == ((), ())
    choose(several, "cells")
    viewer.layers["more annotations"].paint((40, 40), 9)
    viewer.layers["cells annotations"].paint((50, 50), 8)
    until(lambda: {update.image_index for update in processes.last.updates} == {0, 1})
    assert {int(update.labels.max()) for update in processes.last.updates} == {8, 9}
    processes.last.show(1)
    until(lambda: "cells embeddings" in viewer.layers)
    processes.last.finish()
    until(lambda: several.session.state is SessionState.IDLE)


def rows(spoco) -> list[str]:
    ticks = spoco.train.train_on.ticks
    return [ticks.item(row).text() for row in range(ticks.count())]


def tick(spoco, qtbot, row: int) -> None:
    """Tick or untick an image by the keyboard."""
    ticks = spoco.train.train_on.ticks
    ticks.setCurrentRow(row)
    qtbot.keyClick(ticks, Qt.Key.Key_Space)


def test_an_image_is_left_out_of_a_training(several, viewer, processes, until, qtbot) -> None:
    form = several.train.train_on
    assert form.ticks.isHidden()
    train_on_all(several)
    assert not form.ticks.isHidden()
    until(lambda: rows(several) == ["cells (3 objects)", "empty (0 objects)", "more (2 objects)"])
    assert several.training.images.n_objects == 5
    memory = several.train.memory.text()
    tick(several, qtbot, 0)
    assert form.choice.currentText() == "2 of 3 annotated images"
    assert several.training.images.n_objects == 2
    assert several.train.memory.text() == memory  # the largest is as large as the one that is left out
    tick(several, qtbot, 1)
    request = train(several, processes, until)
    assert [image.shape for image in request.images] == [(1, 48, 64)]
    assert not form.isEnabled()
    processes.last.finish()
    until(lambda: several.session.state is SessionState.IDLE)
    assert form.isEnabled()
    viewer.layers["cells"].name = "renamed"
    assert form.wish == ImageWish(wants_all=True, left_out=("renamed", "empty"))


def test_with_no_image_ticked_there_is_nothing_to_train_on(several, qtbot) -> None:
    train_on_all(several)
    for row in range(3):
        tick(several, qtbot, row)
    button = several.train.train_button
    assert not button.isEnabled()
    assert button.toolTip() == "Tick an image to train on first."
    assert several.train.memory.isHidden()
    several.train.train_on.choose_all(False)
    assert button.isEnabled()


def test_the_memory_is_that_of_the_largest_ticked_image(several, viewer, until, qtbot) -> None:
    add(several, viewer, "large", (4096, 4096))
    train_on_all(several)
    with_large = several.train.memory.text()
    tick(several, qtbot, 3)
    assert several.annotate.image.layer().name == "large"
    assert several.train.memory.text() != with_large


def test_objects_are_counted_as_the_labels_mean_now(several, until) -> None:
    train_on_all(several)
    until(lambda: "cells (3 objects)" in rows(several))
    several.train.settings.advanced.group("annotations").editor("background_label").set_value(1)
    several.train.settings.changed.emit()
    until(lambda: rows(several) == ["cells (2 objects)", "empty (0 objects)", "more (1 object)"])


def test_what_is_ticked_comes_back(several) -> None:
    form = several.train.train_on
    form.show_wish(ImageWish(wants_all=True, left_out=("more", "gone")))
    assert form.choice.currentText() == "2 of 3 annotated images"
    assert [form.ticks.item(row).checkState() == Qt.CheckState.Checked for row in range(3)] == [True, True, False]
    assert form.wish == ImageWish(wants_all=True, left_out=("more",))
    form.show_wish(ImageWish())
    assert form.ticks.isHidden()


def test_a_run_is_resumed_with_its_images(several, viewer, processes, until) -> None:
    train_on_all(several)
    folder = train(several, processes, until).folder
    processes.last.save()
    processes.last.step(1)
    until(lambda: read_run_images(folder))
    several.train.stop_button.click()
    processes.last.finish(stopped=True)
    until(lambda: not several.session.state.is_busy)
    choose(several, "empty")
    viewer.layers["more"].name = "renamed"
    request = train(several, processes, until)
    assert request.resume
    assert [labels.shape for labels in request.annotations] == [(64, 64), (48, 64)]
    several.train.stop_button.click()
    processes.last.finish(stopped=True)
    until(lambda: not several.session.state.is_busy)
    viewer.layers.remove("cells annotations")
    several.train.train_button.click()
    assert "“cells” is not open, or without annotations" in several.footer.text


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        pytest.param((5, 64, 64), {}, "got 3D with 1 channel in the layer “other”", id="axes"),
        pytest.param((64, 64, 3), {"rgb": True}, "got 2D with 3 channels in the layer “other”", id="channels"),
    ],
)
def test_all_must_be_alike(ready, viewer, processes, until, shape, options, message) -> None:
    add(ready, viewer, "other", shape, **options)
    train_on_all(ready)
    ready.train.train_button.click()
    until(lambda: message in ready.footer.text)
    assert "as “cells” is" in ready.footer.text
    assert not processes.made


def test_layers_come_and_go(several, viewer, processes, until) -> None:
    train_on_all(several)
    train(several, processes, until)
    for name in ("more annotations", "cells", "empty"):
        viewer.layers.remove(name)
    processes.last.show(1)
    processes.last.step(2)
    until(lambda: len(several.train.plot.totals) == 1)
    viewer.layers.clear()
    assert several.images.every() == several.images.one_each() == []
    processes.last.finish()
    until(lambda: several.session.state is SessionState.IDLE)
    assert several.train.train_on.choice.count() == 1
