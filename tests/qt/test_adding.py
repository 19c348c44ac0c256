"""Objects are added to annotations in several turns of the event loop: what the user does meanwhile is not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer

from napari_spoco._qt.layers import adding_job, pixel_writing
from napari_spoco._qt.layers.adding import ObjectAdding
from napari_spoco.data.label_import import import_objects

N_OBJECTS = 8
SIZE = 8


def found_objects(shape: tuple[int, ...]) -> tuple[np.ndarray, dict[int, tuple[slice, ...]]]:
    """Return squares (cubes) of ids 11, 12, ... in a row, with their boxes."""
    labels = np.zeros(shape, np.uint32)
    ahead = (slice(0, 3),) * (len(shape) - 2)
    boxes = {11 + i: (*ahead, slice(2, 2 + SIZE), slice(10 * i, 10 * i + SIZE)) for i in range(N_OBJECTS)}
    for instance_id, box in boxes.items():
        labels[box] = instance_id
    return labels, boxes


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def adder(request, viewer, until, monkeypatch) -> SimpleNamespace:
    """Return a layer with one stroke, id 5, and what adds objects to it, 16 pixels in each turn."""
    monkeypatch.setattr(pixel_writing, "_N_A_TURN", 16)
    shape = (4, 40, 90)[-request.param :]
    viewer.add_labels(np.zeros(shape, np.int32), name="mine")
    layer = viewer.layers["mine"]
    layer.brush_size = 1
    paint(layer, (30, 30), 5)
    labels, boxes = found_objects(shape)
    one = ObjectAdding()
    made = SimpleNamespace(layer=layer, labels=labels, boxes=boxes, one=one, said=[], until=until)
    one.failed.connect(lambda error: made.said.append(str(error)))
    one.stopped.connect(lambda: made.said.append("stopped"))
    made.add = lambda body=adding_job.run_finding_whole: one.add(layer, made.said.append, body, labels, boxes)
    made.before = layer.data.copy()
    made.expected = np.where(labels > 0, labels.astype(np.int32) - 5, made.before)  # 6, 7, ...
    return made


def paint(layer, pixel: tuple[int, int], label: int) -> None:
    layer.paint((0,) * (layer.ndim - 2) + pixel, label)


def at_first_part(layer, act: Callable[[], None]) -> None:
    """Have the user do something between the first part that is written and the next ones."""

    def on_painted(_event: object) -> None:
        layer.events.paint.disconnect(on_painted)
        QTimer.singleShot(0, act)

    layer.events.paint.connect(on_painted)


def held(body: Callable, gate: threading.Event, looked: threading.Event) -> Callable:
    """Return a body that waits after each look at the annotations."""

    def run(*args: object) -> object:
        found = yield from body(*args)
        looked.set()
        gate.wait(20)
        return found

    return run


def test_all_is_found_in_a_thread_and_written_in_many_turns_as_one_step(adder) -> None:
    threads, n_parts = [], []

    def body(*args: object) -> object:
        threads.append(threading.current_thread())
        return (yield from adding_job.run_finding_whole(*args))

    adder.layer.events.paint.connect(lambda _event: n_parts.append(threading.current_thread()))
    adder.add(body)
    assert not n_parts
    adder.until(lambda: adder.said)
    assert adder.said[0].n_objects == N_OBJECTS
    assert threads
    assert threading.main_thread() not in threads
    n_pixels = np.count_nonzero(adder.labels)
    assert n_parts == [threading.main_thread()] * (n_pixels // 16)
    np.testing.assert_array_equal(adder.layer.data, adder.expected)
    adder.layer.undo()
    np.testing.assert_array_equal(adder.layer.data, adder.before)
    adder.layer.redo()
    np.testing.assert_array_equal(adder.layer.data, adder.expected)


def test_what_is_painted_between_two_turns_stays_and_is_undone_first(adder) -> None:
    """The stroke is on an object that is written last: it keeps the other pixels of it."""
    stroke = (*(0,) * (adder.layer.ndim - 2), 4, 4)
    at_first_part(adder.layer, lambda: paint(adder.layer, (4, 4), 99))
    adder.add()
    adder.until(lambda: adder.said)
    assert adder.expected[stroke] == 6
    adder.expected[stroke] = 99
    np.testing.assert_array_equal(adder.layer.data, adder.expected)
    adder.layer.undo()
    adder.expected[stroke] = 0
    np.testing.assert_array_equal(adder.layer.data, adder.expected)
    adder.layer.undo()
    np.testing.assert_array_equal(adder.layer.data, adder.before)


@pytest.mark.parametrize("act", ["paint", "undo"])
def test_what_is_changed_before_anything_is_written_is_looked_at(adder, act) -> None:
    gate, looked = threading.Event(), threading.Event()
    if act == "undo":
        paint(adder.layer, (4, 4), 99)
    adder.add(held(adding_job.run_finding_whole, gate, looked))
    adder.until(looked.is_set)
    if act == "undo":
        adder.layer.undo()  # The object is free, and 100 is no longer the next id.
    else:
        paint(adder.layer, (4, 4), 99)
    before = adder.layer.data.copy()
    gate.set()
    adder.until(lambda: adder.said)
    if act == "undo":
        np.testing.assert_array_equal(adder.layer.data, adder.expected)
    else:
        ids = np.setdiff1d(adder.layer.data, [0, 5, 99])
        assert ids.tolist() == list(range(100, 100 + N_OBJECTS - 1))
        assert np.count_nonzero(adder.layer.data == 99) == 1
    adder.layer.undo()
    np.testing.assert_array_equal(adder.layer.data, before)


def test_undo_before_the_end_takes_all_back_and_ends_it(adder) -> None:
    at_first_part(adder.layer, adder.layer.undo)
    adder.add()
    adder.add()  # waits for its turn, and is followed
    adder.until(lambda: len(adder.said) == 2)
    first, second = adder.said
    assert first == "stopped"
    assert second.n_objects == N_OBJECTS
    np.testing.assert_array_equal(adder.layer.data, adder.expected)
    adder.layer.undo()
    np.testing.assert_array_equal(adder.layer.data, adder.before)


@pytest.mark.parametrize("label", [5, 6, 9, 14])
def test_the_brush_keeps_off_objects_that_are_added(adder, label) -> None:
    """A new object gets its id while pixels are looked for, and is painted when they are there."""
    gate, looked = threading.Event(), threading.Event()
    adder.add(held(adding_job.run_finding_whole, gate, looked))
    adder.until(looked.is_set)
    adder.layer.selected_label = label
    gate.set()
    adder.until(lambda: adder.said)
    np.testing.assert_array_equal(adder.layer.data, adder.expected)
    assert adder.layer.selected_label == (14 if 5 < label < 14 else label)


def test_no_id_of_theirs_is_free_once_the_first_part_is_written(adder) -> None:
    """An import, which keeps the ids that are free, may look at the annotations then."""
    kept = []

    def look() -> None:
        theirs = np.zeros_like(adder.before)
        theirs[..., 35:37, :] = np.arange(90) % N_OBJECTS + 6  # 6 to 13, as those that are being added
        kept.append(set(import_objects(adder.layer.data, theirs).change.new_ids) & set(range(6, 6 + N_OBJECTS)))

    at_first_part(adder.layer, look)
    adder.add()
    adder.until(lambda: adder.said)
    assert kept == [set()]
    np.testing.assert_array_equal(adder.layer.data, adder.expected)


def test_nothing_is_written_into_a_stroke(adder, monkeypatch, qtbot) -> None:
    held_buttons = [Qt.MouseButton.LeftButton]
    monkeypatch.setattr(pixel_writing.QApplication, "mouseButtons", lambda: held_buttons[0])
    parts = []
    adder.layer.events.paint.connect(lambda event: parts.append(event.value))
    with adder.layer.block_history():  # as napari does from the press to the release
        paint(adder.layer, (20, 20), 7)
        adder.add()
        qtbot.wait(200)
        paint(adder.layer, (20, 21), 7)
        assert np.count_nonzero(adder.layer.data) == 3
    assert len(parts) == 1
    held_buttons[0] = Qt.MouseButton.NoButton
    adder.until(lambda: adder.said)
    assert adder.said[0].n_objects == N_OBJECTS
    adder.layer.undo()
    assert np.count_nonzero(adder.layer.data) == 3
    adder.layer.undo()
    np.testing.assert_array_equal(adder.layer.data, adder.before)


def test_new_contents_of_the_layer_are_left_alone(adder) -> None:
    others = np.zeros_like(adder.before)

    def replace() -> None:
        adder.layer.data = others

    at_first_part(adder.layer, replace)
    adder.add()
    adder.until(lambda: adder.said)
    assert adder.said == ["stopped"]
    assert not others.any()


@pytest.mark.parametrize("adder", [2], indirect=True)
def test_the_steps_of_before_can_still_be_undone(adder) -> None:
    """napari keeps a hundred steps: the parts are not as many of them."""
    for column in range(90):
        paint(adder.layer, (35, column), 5)
    strokes = adder.layer.data.copy()
    adder.add()
    adder.until(lambda: adder.said)
    adder.layer.undo()
    np.testing.assert_array_equal(adder.layer.data, strokes)
    for _ in range(91):
        adder.layer.undo()
    assert not adder.layer.data.any()


@pytest.mark.parametrize("adder", [2], indirect=True)
def test_too_few_free_ids_are_said(adder, viewer) -> None:
    viewer.add_labels(np.full((40, 90), 250, np.uint8), name="small")
    small = viewer.layers["small"]
    small.data[2:20] = 0
    adder.one.add(small, adder.said.append, adding_job.run_finding_whole, adder.labels, adder.boxes)
    adder.add()
    adder.until(lambda: len(adder.said) == 2)
    assert adder.said[0] == ("annotations: expected room for 8 more ids of type uint8, got 250 as the greatest one.")
    assert np.unique(small.data).tolist() == [0, 250]
    np.testing.assert_array_equal(adder.layer.data, adder.expected)


@pytest.mark.parametrize("adder", [2], indirect=True)
def test_pixels_that_cannot_be_written_end_their_wish_alone(adder, viewer) -> None:
    """dask writes no pixels by their indices, and says so by an error that nobody expects."""
    lazy = viewer.add_labels(da.zeros((40, 90), chunks=20, dtype=np.int32), name="lazy")
    adder.one.add(lazy, adder.said.append, adding_job.run_finding_whole, adder.labels, adder.boxes)
    adder.add()
    adder.until(lambda: len(adder.said) == 2)
    assert "fancy indexing" in adder.said[0]
    np.testing.assert_array_equal(adder.layer.data, adder.expected)
