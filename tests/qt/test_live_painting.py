"""Painting while a training runs reaches its process, at a modest pace, and ends with it."""

from __future__ import annotations

import numpy as np
import pytest
from superqt.utils import GeneratorWorker

from napari_spoco._qt.session import SessionState
from napari_spoco._qt.train import live_painting
from napari_spoco._qt.train.live_painting import LivePainting
from napari_spoco.training.reports import TrainingNotice


@pytest.fixture(autouse=True)
def _fast(monkeypatch) -> None:
    monkeypatch.setattr(live_painting, "_MILLISECONDS", 20)


@pytest.fixture
def there(processes):
    """Return a function that puts together what the process has been sent."""

    def put_together() -> np.ndarray:
        process = processes.last
        labels = np.array(process.request.annotations[0])
        for update in list(process.updates):
            (y, x), (height, width) = update.start, update.labels.shape
            labels[y : y + height, x : x + width] = update.labels
        return labels

    return put_together


@pytest.fixture
def layer(training, viewer):
    return viewer.layers["cells annotations"]


@pytest.mark.parametrize(
    "paint",
    [
        pytest.param(lambda layer: layer.paint((50, 50), 9), id="paint"),
        pytest.param(lambda layer: layer.fill((3, 3), 9), id="fill"),
        pytest.param(lambda layer: layer.data_setitem((np.array([5]), np.array([6])), 9), id="set pixels"),
        pytest.param(lambda layer: layer.undo(), id="undo, which emits no event"),
        pytest.param(lambda layer: layer.data.__setitem__((50, 50), 9), id="written into unannounced"),
        pytest.param(lambda layer: setattr(layer, "data", np.full((64, 64), 9)), id="new data"),
    ],
)
def test_whatever_changes_pixels_is_sent(layer, there, until, paint) -> None:
    before = layer.data.copy()
    paint(layer)
    assert (layer.data != before).any()
    until(lambda: np.array_equal(there(), layer.data))


def test_only_what_has_changed_is_sent(layer, processes, there, until) -> None:
    until(lambda: np.array_equal(there(), layer.data))
    before = len(processes.last.updates)
    layer.brush_size = 4
    layer.paint((50, 50), 9)
    until(lambda: len(processes.last.updates) > before)
    (update,) = processes.last.updates[before:]
    assert max(update.labels.shape) <= 5


def test_what_is_painted_while_the_process_starts_is_not_lost(ready, viewer, processes, there, until) -> None:
    ready.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: (there() == 9).any())


def test_what_the_process_answers_is_shown(layer, training, processes, until) -> None:
    processes.last.say(TrainingNotice("Training goes on with 7 objects."))
    until(lambda: training.footer.text == "Training goes on with 7 objects.")


def test_the_layer_stays_editable_and_the_user_is_told(layer, training) -> None:
    assert layer.editable
    assert training.footer.hint.text() == "You may go on painting: the training takes it in."


def test_ids_that_mean_nothing_are_explained(layer, training, until) -> None:
    layer.data[5, 5] = -7
    until(lambda: "-7" in training.footer.text)
    assert training.session.state is SessionState.TRAINING


@pytest.mark.parametrize(
    "happen",
    [
        pytest.param(lambda viewer, layer: viewer.layers.remove(layer.name), id="deleted"),
        pytest.param(lambda viewer, layer: setattr(layer, "name", "mine"), id="renamed"),
        pytest.param(lambda viewer, layer: setattr(layer, "data", np.ones((9, 9), int)), id="another shape"),
        pytest.param(lambda viewer, layer: viewer.layers.clear(), id="all deleted"),
    ],
)
def test_whatever_happens_to_the_layer_the_training_goes_on(
    layer, training, viewer, processes, until, qtbot, happen
) -> None:
    happen(viewer, layer)
    qtbot.wait(300)
    assert training.session.state is SessionState.TRAINING
    processes.last.finish()
    until(lambda: training.session.state is SessionState.IDLE)
    assert not training.training.painting.is_following


def test_a_layer_that_is_brought_back_is_followed(layer, training, viewer, there, until) -> None:
    viewer.layers.remove(layer.name)
    until(lambda: training.footer.back_button.isVisibleTo(training))
    training.footer.back_button.click()
    until(lambda: "cells annotations" in [one.name for one in viewer.layers])
    back = viewer.layers["cells annotations"]
    back.paint((50, 50), 9)
    until(lambda: np.array_equal(there(), back.data))
    back.undo()
    until(lambda: not (there() == 9).any())


def test_new_annotations_do_not_take_the_place_of_deleted_ones(layer, training, viewer, there, qtbot) -> None:
    before = layer.data.copy()
    viewer.layers.remove(layer.name)
    training.annotate.new_button.click()
    viewer.layers["cells annotations"].paint((50, 50), 9)
    qtbot.wait(300)
    np.testing.assert_array_equal(there(), before)


@pytest.mark.parametrize("end", ["finish", "stop", "fail", "release"])
def test_it_ends_with_the_training(layer, training, processes, until, qtbot, end) -> None:
    if end == "finish":
        processes.last.finish()
    elif end == "stop":
        training.train.stop_button.click()
        processes.last.finish(stopped=True)
    elif end == "fail":
        processes.last.kill()
    else:
        training.release()
    until(lambda: not training.session.state.is_busy)
    until(lambda: not GeneratorWorker._worker_set)
    n_updates = len(processes.last.updates)
    assert not training.training.painting.is_following
    layer.paint((50, 50), 9)
    qtbot.wait(100)
    assert len(processes.last.updates) == n_updates


def test_nothing_is_copied_on_the_event_loop(viewer, qtbot, until) -> None:
    viewer.add_labels(np.zeros((64, 64), np.int32), name="painted")
    layer = viewer.layers["painted"]
    asked = []

    def refuse(pixels) -> bool:
        asked.append(np.shares_memory(pixels[0], layer.data))
        return False

    painting = LivePainting(refuse, lambda layer: layer)
    painting.begin([layer])
    until(lambda: len(asked) >= 3)  # asked again as long as it is refused
    painting.end()
    assert all(asked)
