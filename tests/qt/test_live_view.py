"""What the viewer shows while a training runs reaches its process, so that the next preview is of that."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco._qt.session import SessionState
from napari_spoco._qt.train import live_view
from napari_spoco.training.process import ViewUpdate
from napari_spoco.training.reports import TrainingStarted


@pytest.fixture(autouse=True)
def _fast(monkeypatch) -> None:
    monkeypatch.setattr(live_view, "_MILLISECONDS", 20)


@pytest.fixture
def views(processes):
    """Return a function that returns what the process has been told."""
    return lambda: list(processes.last.views)


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def annotate(widget, viewer, name: str) -> None:
    """Paint two objects into an image."""
    widget.annotate.image.choose(viewer.layers[name])
    widget.annotate.new_button.click()
    layer = viewer.layers[f"{name} annotations"]
    for label, corner in ((1, 4), (2, 20)):
        square = np.mgrid[corner : corner + 6, corner : corner + 6].reshape(2, -1)
        layer.data_setitem((*(np.zeros_like(square[0]),) * (layer.ndim - 2), *square), label)
    widget.annotate.count()


def look(viewer, centre: tuple[float, float], zoom: float) -> None:
    viewer.scene.camera.center = (0.0, *centre)
    viewer.scene.camera.zoom = zoom


@pytest.fixture
def drawn(training) -> None:
    """Show the window: what is on show of a layer is known to napari when it draws."""
    training.window().show()


@pytest.mark.usefixtures("drawn")
def test_what_is_on_show_is_told_at_first_and_when_it_moves(training, viewer, until, views) -> None:
    until(views)
    look(viewer, (40.0, 20.0), 40.0)
    until(lambda: is_small_around(views()[-1], (40, 20)))


@pytest.mark.usefixtures("drawn")
def test_moves_that_follow_each_other_are_one(training, viewer, until, views, qtbot) -> None:
    until(views)
    look(viewer, (10.0, 10.0), 40.0)
    until(lambda: is_small_around(views()[-1], (10, 10)))
    n_views = len(views())
    for column in range(20, 40):
        look(viewer, (30.0, column), 40.0)
    until(lambda: is_small_around(views()[-1], (30, 39)))
    qtbot.wait(200)
    assert len(views()) == n_views + 1


def is_small_around(view: ViewUpdate, pixel: tuple[int, int]) -> bool:
    inside = all(part.start <= place < part.stop for part, place in zip(view.box, pixel, strict=True))
    return inside and view.image_index == 0 and view.box[0].stop - view.box[0].start < 64


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)], ids=["planes", "from the side"])
def test_of_a_stack_it_is_the_plane_on_show(spoco, viewer, processes, until, views, order) -> None:
    viewer.add_image(noise((20, 64, 64)), name="stack", scale=(2.0, 1.0, 1.0))
    annotate(spoco, viewer, "stack")
    spoco.train.train_button.click()
    until(lambda: processes.made and len(views()) == 1)
    viewer.dims.order = order
    viewer.dims.set_point(order[0], 14.0)
    plane = (7, 14, 14)[order[0]]
    until(lambda: views()[-1].box[order[0]] == slice(plane, plane + 1))
    assert [part.stop - part.start for axis, part in enumerate(views()[-1].box) if axis != order[0]][-1] == 64


def test_where_several_are_trained_on_it_is_the_chosen_image(ready, viewer, processes, until, views, qtbot) -> None:
    viewer.add_image(noise((48, 48)), name="other")
    annotate(ready, viewer, "other")
    viewer.add_image(noise((32, 32)), name="alone")
    ready.annotate.image.choose(viewer.layers["cells"])
    until(lambda: ready.train.train_on.choice.count() == 2)
    ready.train.train_on.choose_all(True)
    ready.train.train_button.click()
    until(lambda: processes.made and len(views()) == 1)
    images = [tuple(image.shape[-2:]) for image in processes.last.request.images]
    assert views()[0].image_index == images.index((64, 64))
    ready.annotate.image.choose(viewer.layers["other"])
    until(lambda: len(views()) == 2)
    assert views()[1].image_index == images.index((48, 48))
    ready.annotate.image.choose(viewer.layers["alone"])  # which is not trained on: the last one stays on show
    qtbot.wait(200)
    assert len(views()) == 2


def test_the_picture_lies_where_it_belongs(training, viewer, processes, until) -> None:
    viewer.layers["cells"].scale = (0.5, 0.25)
    processes.last.show(1, (16, 24), (8, 12))
    until(lambda: "cells embeddings" in [layer.name for layer in viewer.layers])
    picture = viewer.layers["cells embeddings"]
    np.testing.assert_allclose(picture.translate, (4.0, 3.0))
    processes.last.show(2, (20, 20), (40, 0))
    until(lambda: picture.data.shape == (20, 20, 3))
    np.testing.assert_allclose(picture.translate, (20.0, 0.0))


def test_of_an_image_that_was_deleted_no_picture_is_shown(training, viewer, processes, until) -> None:
    viewer.layers.remove("cells")
    processes.last.show(1)
    processes.last.step(2)
    until(lambda: training.train.plot.totals)
    assert "cells embeddings" not in [layer.name for layer in viewer.layers]


def test_as_long_as_something_else_is_told_it_is_tried_again(ready, viewer, until) -> None:
    asked = []
    view = live_view.LiveView(
        viewer,
        ready.annotate.image,
        ready.embeddings.network,
        lambda update: asked.append(update) or len(asked) > 2,
    )
    view.begin([viewer.layers["cells"]])
    until(lambda: len(asked) == 3)
    view.end()
    assert asked == asked[:1] * 3


@pytest.mark.parametrize(
    "happen",
    [
        pytest.param(lambda viewer: viewer.layers.remove("cells"), id="deleted"),
        pytest.param(lambda viewer: setattr(viewer.layers["cells"], "data", noise((9, 9))), id="another image"),
        pytest.param(lambda viewer: viewer.layers.clear(), id="all deleted"),
    ],
)
def test_whatever_happens_to_the_image_the_training_goes_on(
    training, viewer, processes, until, views, qtbot, happen
) -> None:
    until(lambda: len(views()) == 1)
    happen(viewer)
    viewer.scene.camera.zoom *= 3
    qtbot.wait(200)
    assert len(views()) == 1
    assert training.session.state is SessionState.TRAINING
    processes.last.finish()
    until(lambda: training.session.state is SessionState.IDLE)


@pytest.mark.parametrize("end", ["finish", "stop", "release"])
def test_it_ends_with_the_training(training, viewer, processes, until, views, qtbot, end) -> None:
    until(lambda: len(views()) == 1)
    assert training.training.view.is_following
    if end == "finish":
        processes.last.finish()
    elif end == "stop":
        training.train.stop_button.click()
        processes.last.finish(stopped=True)
    else:
        training.release()
    until(lambda: not training.session.state.is_busy)
    assert not training.training.view.is_following
    viewer.scene.camera.zoom *= 3
    qtbot.wait(100)
    assert len(views()) == 1


def choose(widget, network: str) -> None:
    """Choose a network, as a person does."""
    editor = widget.embeddings.network
    assert editor.isEnabled()
    editor.setCurrentIndex(editor.findData(network))
    editor.activated.emit(editor.currentIndex())


def test_the_network_that_is_chosen_is_told(training, until, views) -> None:
    until(lambda: len(views()) == 1)
    choose(training, "student")
    until(lambda: len(views()) == 2)
    assert [view.network for view in views()] == ["teacher", "student"]
    assert views()[0].box == views()[1].box
    assert not training.embeddings.network.toolTip().startswith("This training")


def test_it_is_told_without_a_view_of_the_training_as_well(training, viewer, until, views) -> None:
    until(lambda: len(views()) == 1)
    viewer.layers.remove("cells")
    choose(training, "student")
    until(lambda: len(views()) == 2)
    assert views()[1] == ViewUpdate(0, views()[0].box, "student")


def test_a_choice_of_before_is_told_at_the_start(ready, processes, until, views) -> None:
    ready.embeddings.network.set_value("student")
    ready.train.train_button.click()
    until(lambda: processes.made and len(views()) == 1)
    assert views()[0].network == "student"


def test_a_training_without_a_teacher_offers_no_choice(training, processes, until) -> None:
    assert training.embeddings.network.isEnabled()
    processes.last.say(TrainingStarted("cpu", "float32", (32, 32), 2, 6, 1000, 1e-3, has_teacher=False))
    until(lambda: not training.embeddings.network.isEnabled())
    assert training.embeddings.network.toolTip().startswith("This training makes one network only")
