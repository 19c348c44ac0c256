"""Work boxes: of an image alone, with all planes, and after a restart."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.qt.conftest import make_image
from tests.qt.test_adding import at_first_part
from tests.qt.test_project_window import leave

from napari_spoco._qt.annotate import annotation_job, annotation_layer
from napari_spoco._qt.annotate.annotation_status import AnnotationStatus
from napari_spoco._qt.annotate.box_places import place_in, whole_of
from napari_spoco._qt.annotate.image_layers import WHOLE
from napari_spoco._qt.annotate.work_box import describe_part
from napari_spoco._qt.layers import pixel_writing
from napari_spoco._qt.layers.layer_view import visible_box
from napari_spoco._qt.layers.layers import LINK, identity
from napari_spoco._qt.project import projects

GEOMETRY = {"scale": (2.0, 0.5, 0.5), "translate": (4.0, -3.0, 9.0), "units": ("micrometer",) * 3}
PLACE = (slice(0, 40), slice(90, 120), slice(140, 170))


@pytest.fixture
def image(spoco, viewer):
    """Return a stack of which a part is on show."""
    layer = viewer.add_image(make_image((40, 200, 300)), name="cells", **GEOMETRY)
    show(layer)
    return layer


def show(layer) -> None:
    """Note what is on show, as napari does when it draws."""
    layer.corner_pixels = np.array([[0, 90, 140], [39, 119, 169]])


def button(spoco, name: str):
    return spoco.annotate.action_buttons[name]


def crop(spoco, viewer, until):
    button(spoco, "crop_here").click()
    until(lambda: "Cropped" in spoco.footer.text)
    return viewer.layers["cells box"]


def test_an_image_alone_is_cropped_with_all_its_planes(spoco, viewer, image, until) -> None:
    part = crop(spoco, viewer, until)
    np.testing.assert_array_equal(part.data, image.data[PLACE])
    assert place_in(image, part) == PLACE
    assert spoco.annotate.image.layer() == part
    assert spoco.annotate.annotations.layer() is None
    assert "Cropped 30 \u00d7 30 pixels, all 40 planes. Try a model on it" in spoco.footer.text
    assert not button(spoco, "crop_here").isEnabled()


def test_what_is_painted_in_it_then_is_written_into_new_annotations(spoco, viewer, image, until) -> None:
    crop(spoco, viewer, until)
    spoco.annotate.press("new_object")
    viewer.layers["cells box annotations"].data_setitem(tuple(np.array([[3], [4], [5]])), 1)
    assert button(spoco, "write_back").isEnabled()
    button(spoco, "write_back").click()
    until(lambda: "1 pixel written back" in spoco.footer.text)
    whole = viewer.layers["cells annotations"]
    assert np.argwhere(whole.data).tolist() == [[3, 94, 145]]
    assert spoco.annotate.image.layer() == image
    assert spoco.annotate.annotations.layer() == whole
    assert [layer.name for layer in viewer.layers] == ["cells", "cells annotations"]


@pytest.fixture
def restored(spoco, viewer, image, until):
    """Return a box and its annotations as they come back with a project: layers of which nothing is noted."""
    spoco.annotate.new_button.click()
    whole = viewer.layers["cells annotations"]
    whole.data[5, 95, 145], whole.data[5, 99, 145], whole.data[0, 0, 0] = 4, 5, 7
    show(whole)
    part = crop(spoco, viewer, until)
    labels = viewer.layers["cells annotations box"]
    part.metadata.clear()
    labels.metadata.clear()
    labels.metadata[LINK] = identity(part)
    return labels


def test_a_box_is_known_after_a_restart(spoco, viewer, image, restored, until) -> None:
    whole = viewer.layers["cells annotations"]
    restored.data_setitem(tuple(np.array([[5, 5], [5, 9], [5, 5]])), np.array([0, 7]))
    assert button(spoco, "write_back").isEnabled()
    button(spoco, "write_back").click()
    until(lambda: "2 pixels written back" in spoco.footer.text)
    assert whole.data[5, 95, 145] == 0
    assert whole.data[5, 99, 145] == 8, "an object that is new in the box is none of the whole"
    assert whole.data[0, 0, 0] == 7
    assert "cells box" not in viewer.layers


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"name": "others"}, id="another name"),
        pytest.param({"translate": (4.0, 40.1, 79.0)}, id="between pixels"),
        pytest.param({"translate": (4.0, 400.0, 79.0)}, id="outside"),
        pytest.param({"scale": (2.0, 0.5, 0.25)}, id="other pixels"),
        pytest.param({"units": ("pixel",) * 3}, id="another unit"),
    ],
)
def test_what_is_not_known_to_be_a_part_is_none(spoco, viewer, image, restored, change) -> None:
    part = viewer.layers["cells box"]
    assert whole_of(viewer, part) == image
    for name, value in change.items():
        setattr(part, name, value)
    assert whole_of(viewer, part) is None


def test_a_noted_whole_is_enough(viewer) -> None:
    image, part = (viewer.add_image(make_image(), name=name) for name in ("cells", "mine"))
    part.metadata[WHOLE] = identity(image)
    assert whole_of(viewer, part) == image
    assert whole_of(viewer, image) is None


def test_a_stack_too_large_is_cropped_around_the_plane_on_show(viewer, image, monkeypatch) -> None:
    monkeypatch.setattr(annotation_layer, "_PART_PIXELS", 10 * 30 * 30)
    viewer.dims.set_point(0, 4 + 2 * 20)
    assert annotation_layer.visible_part(viewer, image) == (slice(15, 26), *PLACE[1:])


@pytest.mark.parametrize(
    ("place", "shape", "text"),
    [
        ((slice(3, 8), slice(0, 9)), (20, 20), "Cropped 5 \u00d7 9 pixels."),
        ((slice(0, 4), slice(3, 8), slice(0, 9)), (4, 20, 20), "Cropped 5 \u00d7 9 pixels, all 4 planes."),
        ((slice(1, 4), slice(3, 8), slice(0, 9)), (9, 20, 20), "Cropped 5 \u00d7 9 pixels, planes 1 to 3 of 9."),
    ],
)
def test_it_is_said_what_was_cropped(place, shape, text) -> None:
    assert describe_part(place, shape) == text


def test_the_view_of_an_image_of_several_resolutions_is_in_its_finest_pixels(viewer) -> None:
    image = viewer.add_image([make_image((64, 64)), make_image((32, 32))], multiscale=True, name="cells")
    image.data_level = 1
    image.corner_pixels = np.array([[4, 5], [9, 11]])
    assert visible_box(viewer, image, n_pixels=10**9, n_planes=1) == (slice(8, 20), slice(10, 24))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (AnnotationStatus(), "Open or choose an image first."),
        (AnnotationStatus(has_image=True), "This image cannot be used as it is: the line below Image"),
        (AnnotationStatus(has_image=True, is_croppable=True), ""),
        (AnnotationStatus(has_image=True, is_croppable=True, is_working=True), "Wait a moment"),
        (AnnotationStatus(has_image=True, is_croppable=True, is_box=True), "This is a part of an image already"),
    ],
)
def test_why_an_image_alone_cannot_be_cropped(status: AnnotationStatus, reason: str) -> None:
    said = status.reason("crop_here")
    assert said.startswith(reason)
    assert bool(said) == bool(reason)


def test_a_box_comes_back_with_its_project(spoco, viewer, image, start, tmp_path, until, monkeypatch) -> None:
    monkeypatch.setattr(projects, "_MILLISECONDS", 20)
    spoco.annotate.new_button.click()
    viewer.layers["cells annotations"].data_setitem(tuple(np.array([[5], [95], [145]])), 4)
    show(viewer.layers["cells annotations"])
    spoco.projects.bar.new_requested.emit(str(tmp_path / "mine"))
    until(lambda: spoco.projects.folder == tmp_path / "mine")
    crop(spoco, viewer, until)
    viewer.layers["cells annotations box"].data_setitem(tuple(np.array([[6], [5], [5]])), 4)
    leave(spoco, tmp_path / "mine", until)
    again = start()
    again.projects.bar.open_requested.emit(str(tmp_path / "mine"))
    until(lambda: "cells box annotations" in viewer.layers and not again.session.state.is_busy)
    again.annotate.image.choose(viewer.layers["cells box"])
    assert again.annotate.annotations.layer().name == "cells box annotations"
    button(again, "write_back").click()
    until(lambda: "1 pixel written back" in again.footer.text)
    assert np.argwhere(viewer.layers["cells annotations"].data == 4).tolist() == [[5, 95, 145], [6, 95, 145]]


def test_a_box_comes_back_to_the_annotations_it_was_cropped_from(
    spoco, viewer, image, start, tmp_path, until, monkeypatch
) -> None:
    """The image has a second layer of annotations, which is in front, and another name by then."""
    monkeypatch.setattr(projects, "_MILLISECONDS", 20)
    for label in (4, 5):
        spoco.annotate.new_button.click()
        put(spoco.annotate.annotations.layer(), (5, 95, 145), label)
    first = viewer.layers["cells annotations"]
    show(first)
    spoco.annotate.annotations.choose(first)
    spoco.projects.bar.new_requested.emit(str(tmp_path / "mine"))
    until(lambda: spoco.projects.folder == tmp_path / "mine")
    crop(spoco, viewer, until)
    put(viewer.layers["cells annotations box"], (6, 5, 5), 4)
    image.name = "kidney"
    leave(spoco, tmp_path / "mine", until)
    again = start()
    again.projects.bar.open_requested.emit(str(tmp_path / "mine"))
    until(lambda: "mine: 2 images restored" in again.footer.text)
    again.annotate.image.choose(viewer.layers["cells box"])
    assert button(again, "write_back").isEnabled()
    button(again, "write_back").click()
    until(lambda: "1 pixel written back" in again.footer.text)
    painted = {layer.name: np.unique(layer.data).tolist() for layer in viewer.layers if "annotations" in layer.name}
    assert painted == {"kidney annotations": [0, 4], "kidney annotations [1]": [0, 5]}
    assert np.count_nonzero(again.annotate.annotations.layer().data) == 2


def put(layer, place: tuple[int, ...], label: int) -> None:
    layer.data_setitem(tuple(np.array([index]) for index in place), label)


def test_what_is_painted_while_changes_are_looked_for_is_written_back(
    spoco, viewer, restored, monkeypatch, until
) -> None:
    original, is_painted, n_looks = annotation_job.run_write_back, threading.Event(), []

    def slowly(*arguments):
        n_looks.append(1)
        found = yield from original(*arguments)
        is_painted.wait(20)
        return found

    monkeypatch.setattr(annotation_job, "run_write_back", slowly)
    put(restored, (6, 5, 5), 4)
    button(spoco, "write_back").click()
    until(lambda: n_looks)
    put(restored, (7, 5, 5), 4)
    is_painted.set()
    until(lambda: "The box is closed" in spoco.footer.text)
    assert spoco.footer.text.startswith("2 pixels written back")
    whole = viewer.layers["cells annotations"]
    assert np.argwhere(whole.data == 4).tolist() == [[5, 95, 145], [6, 95, 145], [7, 95, 145]]


def test_the_box_is_open_until_the_stroke_has_ended(spoco, viewer, restored, monkeypatch, until) -> None:
    held = [Qt.MouseButton.LeftButton]
    n_questions = []
    monkeypatch.setattr(pixel_writing.QApplication, "mouseButtons", lambda: n_questions.append(1) or held[0])
    put(restored, (6, 5, 5), 4)
    button(spoco, "write_back").click()
    until(lambda: len(n_questions) > 2)
    assert "cells box" in viewer.layers
    spoco.annotating.write_back()
    assert "Wait a moment" in spoco.footer.text
    put(restored, (7, 5, 5), 4)
    held[0] = Qt.MouseButton.NoButton
    until(lambda: "2 pixels written back" in spoco.footer.text)
    assert "cells box" not in viewer.layers


def test_a_box_that_cannot_be_written_back_stays_and_can_be_painted_on(
    spoco, viewer, restored, monkeypatch, until
) -> None:
    original = annotation_job.run_write_back

    def refused(*_arguments):
        yield
        raise ValueError("box: expected another shape.")

    put(restored, (6, 5, 5), 4)
    monkeypatch.setattr(annotation_job, "run_write_back", refused)
    button(spoco, "write_back").click()
    until(lambda: "expected another shape" in spoco.footer.text)
    monkeypatch.setattr(annotation_job, "run_write_back", original)
    button(spoco, "write_back").click()
    until(lambda: "1 pixel written back" in spoco.footer.text)


# Many pixels are written in many turns


@pytest.fixture
def part(spoco, viewer, image, until, monkeypatch):
    """Return the annotations of a box with a new object, 8, of 5 by 5 by 5 pixels, which are written a few at a time.

    The whole has object 4 inside of the box, and 7 outside.
    """
    monkeypatch.setattr(pixel_writing, "_N_A_TURN", 16)
    spoco.annotate.new_button.click()
    whole = viewer.layers["cells annotations"]
    whole.data[5, 95, 145], whole.data[0, 0, 0] = 4, 7
    show(whole)
    crop(spoco, viewer, until)
    labels = viewer.layers["cells annotations box"]
    labels.data_setitem(tuple(np.indices((5, 5, 5)).reshape(3, -1)), 8)
    return labels


def written(whole) -> int:
    """Return how many pixels the new object has in the whole."""
    return int(np.count_nonzero(whole.data[PLACE] == 8))


def test_a_box_is_written_back_in_many_turns_as_one_step(spoco, viewer, part, until) -> None:
    whole, parts, is_working = viewer.layers["cells annotations"], [], []
    before, box = whole.data.copy(), part.data.copy()
    whole.events.paint.connect(lambda event: parts.append(sum(len(ids) for *_, ids in event.value)))
    at_first_part(whole, lambda: is_working.append(not button(spoco, "write_back").isEnabled()))
    button(spoco, "write_back").click()
    until(lambda: "The box is closed" in spoco.footer.text)
    assert parts == [16] * 7 + [13]
    assert is_working == [True]
    assert spoco.footer.text == "125 pixels written back; undo (Ctrl+Z) takes it back. The box is closed."
    assert button(spoco, "crop_here").isEnabled()
    np.testing.assert_array_equal(whole.data[PLACE], box)
    whole.undo()
    np.testing.assert_array_equal(whole.data, before)


def test_pixels_that_are_painted_over_in_the_whole_stay(spoco, viewer, part, until) -> None:
    whole = viewer.layers["cells annotations"]
    put(whole, (0, 90, 140), 4)
    at_first_part(whole, lambda: put(whole, (4, 94, 144), 4))
    button(spoco, "write_back").click()
    until(lambda: "The box is closed" in spoco.footer.text)
    assert "125 pixels written back" in spoco.footer.text
    assert "2 of them were painted over in the whole meanwhile and stay as they are." in spoco.footer.text
    assert (written(whole), whole.data[0, 90, 140], whole.data[4, 94, 144]) == (123, 4, 4)


def test_undo_before_the_end_leaves_the_box_open(spoco, viewer, part, until) -> None:
    whole = viewer.layers["cells annotations"]
    before = whole.data.copy()
    at_first_part(whole, whole.undo)
    button(spoco, "write_back").click()
    until(lambda: "The rest is not written back" in spoco.footer.text)
    np.testing.assert_array_equal(whole.data, before)
    assert "cells box" in viewer.layers
    button(spoco, "write_back").click()
    until(lambda: "125 pixels written back" in spoco.footer.text)
    assert written(whole) == 125


def test_what_is_painted_in_the_box_while_it_is_written_is_not_lost(spoco, viewer, part, until) -> None:
    """The object is erased in one pixel, goes on in another one, and one is another object's by then."""
    whole = viewer.layers["cells annotations"]

    def act() -> None:
        put(part, (0, 0, 0), 0)
        put(part, (20, 20, 20), 8)
        put(part, (4, 4, 4), 4)

    at_first_part(whole, act)
    button(spoco, "write_back").click()
    until(lambda: "The box stays open" in spoco.footer.text)
    assert spoco.footer.text.startswith("125 pixels written back")
    assert written(whole) == 125
    box = part.data.copy()
    button(spoco, "write_back").click()
    until(lambda: "The box is closed" in spoco.footer.text)
    assert spoco.footer.text.startswith("3 pixels written back; undo (Ctrl+Z) takes it back. The box")
    np.testing.assert_array_equal(whole.data[PLACE], box)
    assert "cells box" not in viewer.layers


def test_annotations_that_are_removed_before_the_end_leave_the_box_open(spoco, viewer, part, until) -> None:
    whole = viewer.layers["cells annotations"]
    at_first_part(whole, lambda: viewer.layers.remove(whole))
    button(spoco, "write_back").click()
    until(lambda: "are gone; it stays as it is" in spoco.footer.text)
    assert "cells annotations box" in viewer.layers
    assert not spoco.annotating._work_boxes.is_working


def test_a_box_that_is_removed_before_the_end_is_written_back(spoco, viewer, part, until) -> None:
    whole = viewer.layers["cells annotations"]
    at_first_part(whole, lambda: viewer.layers.remove(part))
    button(spoco, "write_back").click()
    until(lambda: "125 pixels written back" in spoco.footer.text)
    assert written(whole) == 125
    assert "cells box" not in viewer.layers


def test_a_box_is_open_after_the_dock_was_closed_before_the_end(spoco, viewer, part, until, qtbot) -> None:
    """The pixels that are there are undone as one step; what another dock then writes back is the rest."""
    whole, is_closed = viewer.layers["cells annotations"], []
    before, box = whole.data.copy(), part.data.copy()

    def close() -> None:
        spoco.release()
        is_closed.append(True)

    at_first_part(whole, close)
    button(spoco, "write_back").click()
    until(lambda: is_closed)
    qtbot.wait(50)
    assert 0 < written(whole) < 125
    kept = annotation_layer.taken_box(part)
    indices, _, after = kept.box.changes(whole.data, part.data)
    rest = whole.data.copy()
    rest[indices] = after
    np.testing.assert_array_equal(rest[PLACE], box)
    assert np.unique(rest).tolist() == [0, 4, 7, 8]
    whole.undo()
    np.testing.assert_array_equal(whole.data, before)


def test_the_brush_of_the_whole_keeps_off_an_object_that_comes_from_a_box(spoco, viewer, part, until) -> None:
    whole = viewer.layers["cells annotations"]
    whole.selected_label = 8
    button(spoco, "write_back").click()
    until(lambda: "The box is closed" in spoco.footer.text)
    assert whole.selected_label == 9
