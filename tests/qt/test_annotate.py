"""The tools of the Annotate tab in a real viewer: list, brush, strokes, filling, removing, importing, boxes."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QModelIndex, Qt, QTimer
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QListView
from tests.qt.mouse import canvas, drag

from napari_spoco._qt.annotate import annotation_job, import_form
from napari_spoco._qt.annotate.annotation_status import ACTIONS, AnnotationStatus, Elsewhere, advise
from napari_spoco._qt.annotate.object_list import ListedObjects, ObjectList
from napari_spoco._qt.jobs.files_job import AnnotationSummary, summarize
from napari_spoco._qt.keys import napari_keys
from napari_spoco._qt.layers import pixel_writing
from napari_spoco._qt.review.review_status import ACTIONS as REVIEW_ACTIONS
from napari_spoco.config import AnnotationConfig
from napari_spoco.data.ome_zarr import write_ome_zarr_labels

SCALE = (2.0, 0.5, 0.5)


def annotated(spoco, viewer, shape: tuple[int, ...], **geometry):
    """Open an image and return its new annotations."""
    viewer.add_image(np.indices(shape, np.uint8).sum(0, np.uint8), name="cells", **geometry)
    spoco.annotate.new_button.click()
    return viewer.layers["cells annotations"]


@pytest.fixture
def stack(spoco, viewer):
    """Return annotations of a stack with object 1 in planes 2 and 6, and object 2 in planes 3 to 5."""
    layer = annotated(spoco, viewer, (9, 40, 50), scale=SCALE, units=("micrometer",) * 3)
    layer.data[[2, 6], 10:20, 10:20] = 1
    layer.data[3:6, 30:35, 30:40] = 2
    spoco.annotate.count()
    return layer


def cells(spoco) -> list[list[str]]:
    rows = spoco.annotate.objects.rows
    return [
        [rows.data(rows.index(row, column)) for column in range(rows.columnCount())] for row in range(rows.rowCount())
    ]


def button(spoco, name: str):
    return spoco.annotate.action_buttons[name]


def press(spoco, wanted, qtbot) -> None:
    """Press a button with the mouse, in the tab where it is."""
    spoco.tabs.reveal(wanted)
    assert wanted.isEnabled()
    qtbot.mouseClick(wanted, Qt.MouseButton.LeftButton)


# The list


def test_the_list_says_what_is_painted(spoco, stack) -> None:
    rows = spoco.annotate.objects.rows
    assert rows.listed.headings == ("Object", "Pixels", "µm³", "In planes")
    assert cells(spoco) == [["1", "200", "100", "2-6 (2)"], ["2", "150", "75.0", "3-5"]]
    swatch = rows.data(rows.index(1, 0), Qt.ItemDataRole.DecorationRole).pixmap(12, 12).toImage()
    assert swatch.pixelColor(6, 6).getRgb() == tuple(int(255 * part) for part in stack.get_color(2))


def test_without_a_unit_and_in_2d_there_is_less_to_say(ready) -> None:
    assert ready.annotate.objects.rows.listed.headings == ("Object", "Pixels")
    assert cells(ready)[0] == ["1", "25"]


def test_selection_and_scroll_position_stay(spoco, viewer, until) -> None:
    layer = annotated(spoco, viewer, (300, 300))
    for label in range(1, 101):
        layer.data[3 * label - 2, 5:50] = label
    spoco.annotate.count()
    objects = spoco.annotate.objects
    spoco.tabs.reveal(objects)
    objects.executeDelayedItemsLayout()
    objects.selectRow(49)
    objects.verticalScrollBar().setValue(45)
    layer.paint((1, 200), 500)
    layer.paint((4, 250), 7)
    until(lambda: spoco.annotate.summary.n_objects == 101)
    assert objects.selected() == (50,)
    assert objects.verticalScrollBar().value() == 45


def test_nothing_is_counted_while_a_button_is_held(ready, viewer, monkeypatch, until, qtbot) -> None:
    from napari_spoco._qt.annotate import counting

    held = [Qt.MouseButton.LeftButton]
    monkeypatch.setattr(counting.QApplication, "mouseButtons", lambda: held[0])
    viewer.layers["cells annotations"].paint((60, 60), 9)
    qtbot.wait(600)
    assert ready.annotate.summary.n_objects == 3
    held[0] = Qt.MouseButton.NoButton
    until(lambda: ready.annotate.summary.n_objects == 4)


def test_ten_thousand_objects(qtbot) -> None:
    labels = np.zeros((400, 400), np.int32)
    labels[::4, ::4] = np.arange(1, 10_001).reshape(100, 100)
    objects = ObjectList()
    qtbot.addWidget(objects)
    objects.show_objects(ListedObjects(summarize(labels, AnnotationConfig())))
    assert objects.rows.rowCount() == 10_000
    objects.reveal(9_000)
    assert objects.selected() == (9_000,)


@pytest.mark.parametrize("by", ["mouse", "key"])
def test_going_to_an_object(spoco, viewer, stack, qtbot, by) -> None:
    objects = spoco.annotate.objects
    spoco.tabs.reveal(objects)
    if by == "mouse":
        middle = objects.visualRect(objects.rows.index(1, 1)).center()
        objects.setFocus()
        qtbot.mouseClick(objects.viewport(), Qt.MouseButton.LeftButton, pos=middle)
        assert not objects.hasFocus()
        assert objects.selected() == (2,)
    else:
        objects.setCurrentIndex(objects.rows.index(1, 0))
        qtbot.keyClick(objects, Qt.Key.Key_Return)
    assert viewer.dims.current_step[0] == 4
    np.testing.assert_allclose(viewer.scene.camera.center[1:], (16.0, 17.25))
    assert stack.selected_label == 2
    assert stack.mode == "paint"
    assert viewer.layers.selection.active.name == stack.name


def test_several_rows_are_selected_for_delete(spoco, stack, qtbot) -> None:
    objects = spoco.annotate.objects
    spoco.tabs.reveal(objects)
    places = [objects.visualRect(objects.rows.index(row, 1)).center() for row in range(2)]
    qtbot.mouseClick(objects.viewport(), Qt.MouseButton.LeftButton, pos=places[0])
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.mouseClick(objects.viewport(), Qt.MouseButton.LeftButton, control, pos=places[1])
    assert objects.selected() == (1, 2)
    assert stack.selected_label == 1
    qtbot.mouseClick(objects.viewport(), Qt.MouseButton.LeftButton, pos=places[1])
    assert objects.selected() == (2,)
    assert stack.selected_label == 2


def test_what_the_brush_paints_is_selected(spoco, stack, until) -> None:
    objects = spoco.annotate.objects
    stack.selected_label = 2
    assert objects.selected() == (2,)
    button(spoco, "new_object").click()
    assert objects.selected() == ()
    assert not button(spoco, "delete_selected").isEnabled()
    stack.paint((1, 40, 5), 3)
    until(lambda: spoco.annotate.summary.n_objects == 3)
    until(lambda: objects.selected() == (3,))
    assert button(spoco, "delete_selected").isEnabled()


def test_the_middle_plane_is_a_painted_one(spoco, viewer, stack) -> None:
    spoco.annotating.go_to(1)
    assert viewer.dims.current_step[0] in (2, 6)


def test_one_after_the_other(spoco, stack) -> None:
    stack.selected_label = 2
    spoco.annotating.jump_next()
    assert stack.selected_label == 1
    button(spoco, "jump_next").click()
    assert stack.selected_label == 2


def test_delete_removes_and_undo_brings_back(spoco, stack, qtbot, until) -> None:
    before = stack.data.copy()
    objects = spoco.annotate.objects
    objects.reveal(1)
    qtbot.keyClick(objects, Qt.Key.Key_Delete)
    until(lambda: spoco.annotate.summary.n_objects == 1)
    assert np.unique(stack.data).tolist() == [0, 2]
    assert spoco.footer.text == "Removed object 1 (200 pixels); undo (Ctrl+Z) takes it back."
    qtbot.keyClick(objects, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    until(lambda: spoco.annotate.summary.n_objects == 2)
    np.testing.assert_array_equal(stack.data, before)


def test_what_is_painted_while_pixels_are_looked_for_stays(spoco, stack, monkeypatch, until) -> None:
    original = annotation_job.run_removal

    def meanwhile(*arguments):
        result = yield from original(*arguments)
        stack.data[2, 10, 10] = 2
        return result

    monkeypatch.setattr(annotation_job, "run_removal", meanwhile)
    spoco.annotate.objects.reveal(1)
    button(spoco, "delete_selected").click()
    until(lambda: "Removed" in spoco.footer.text)
    assert stack.data[2, 10, 10] == 2
    assert np.count_nonzero(stack.data == 1) == 0


@pytest.fixture
def slowly(monkeypatch) -> None:
    """Write 16 pixels in each turn of the event loop."""
    monkeypatch.setattr(pixel_writing, "_N_A_TURN", 16)


@pytest.mark.usefixtures("slowly")
def test_many_pixels_are_removed_in_many_turns_as_one_step(spoco, stack, until) -> None:
    before, enabled = stack.data.copy(), []
    stack.events.paint.connect(lambda _event: enabled.append(button(spoco, "delete_selected").isEnabled()))
    spoco.annotate.objects.reveal(1)
    button(spoco, "delete_selected").click()
    until(lambda: "Removed" in spoco.footer.text)
    assert len(enabled) == 13  # 200 pixels
    assert not any(enabled[1:])
    spoco.annotate.objects.reveal(2)
    assert button(spoco, "delete_selected").isEnabled()
    assert np.unique(stack.data).tolist() == [0, 2]
    stack.undo()
    np.testing.assert_array_equal(stack.data, before)
    stack.redo()
    assert np.unique(stack.data).tolist() == [0, 2]


@pytest.mark.usefixtures("slowly")
def test_a_removal_that_is_undone_before_its_end_is_over(spoco, stack, until) -> None:
    before = stack.data.copy()

    def take_back(_event: object) -> None:
        stack.events.paint.disconnect(take_back)
        QTimer.singleShot(0, stack.undo)

    stack.events.paint.connect(take_back)
    spoco.annotate.objects.reveal(1)
    button(spoco, "delete_selected").click()
    until(lambda: "The rest is not changed" in spoco.footer.text)
    np.testing.assert_array_equal(stack.data, before)
    spoco.annotate.objects.reveal(1)
    assert button(spoco, "delete_selected").isEnabled()


# The brush


@pytest.mark.parametrize("by", ["button", "key"])
def test_a_new_object(spoco, viewer, stack, qtbot, by) -> None:
    stack.mode = "pan_zoom"
    viewer.dims.ndisplay = 3
    if by == "button":
        viewer.layers.selection.active = viewer.layers["cells"]
        button(spoco, "new_object").click()
    else:
        qtbot.keyClick(canvas(), Qt.Key.Key_D)
    assert stack.selected_label == 3
    assert (stack.mode, stack.n_edit_dimensions, viewer.dims.ndisplay) == ("paint", 2, 2)
    assert viewer.layers.selection.active.name == stack.name


def test_a_new_object_at_once_after_painting_one(ready, viewer) -> None:
    layer = viewer.layers["cells annotations"]
    ready.annotating.new_object()
    layer.paint((60, 60), layer.selected_label)
    ready.annotating.new_object()
    assert layer.selected_label == 5


def test_a_new_object_is_never_background(ready, viewer) -> None:
    ready.train.settings.advanced.group("annotations").editor("background_label").setValue(4)
    ready.annotating.new_object()
    assert viewer.layers["cells annotations"].selected_label == 5


def test_labels_that_cannot_be_painted(spoco, viewer) -> None:
    levels = [np.zeros((n, n), np.int32) for n in (64, 32)]
    viewer.add_labels(levels, multiscale=True, name="levels")
    spoco.annotate.annotations.choose(viewer.layers["levels"])
    assert not button(spoco, "new_object").isEnabled()
    assert "cannot be painted" in button(spoco, "new_object").toolTip()
    spoco.annotating.new_object()
    assert "cannot be painted" in spoco.footer.text


def test_no_key_is_taken() -> None:
    keys = [action.key for action in ACTIONS if action.key]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & napari_keys()
    assert not set(keys) & {action.key for action in REVIEW_ACTIONS}


def test_keys_leave_with_the_choice(ready, viewer) -> None:
    layer = viewer.layers["cells annotations"]
    assert "D" in map(str, layer.keymap)
    ready.annotate.annotations.choose("none")
    assert "D" not in map(str, layer.keymap)


# Strokes


def meaning(spoco) -> tuple[int | None, int | None]:
    stated = spoco.train.settings.annotations()
    return stated.background_label, stated.ignore_label


def test_background_strokes(ready, viewer, until) -> None:
    layer = viewer.layers["cells annotations"]
    brush = layer.brush_size
    button(ready, "paint_background").click()
    assert meaning(ready) == (100, None)
    assert (layer.selected_label, layer.brush_size, layer.mode) == (100, 7, "paint")
    assert "paints background (label 100)" in ready.annotate._about_brush.text()
    layer.paint((60, 20), layer.selected_label)
    until(lambda: ready.annotate.summary.n_background > 0)
    assert ready.annotate.summary.n_objects == 3
    assert cells(ready)[0][0] == "background (100)"
    button(ready, "paint_ignore").click()
    assert meaning(ready) == (100, 200)
    button(ready, "new_object").click()
    assert (layer.selected_label, layer.brush_size) == (4, brush)


def test_a_label_that_is_set_is_taken(ready, viewer) -> None:
    ready.train.settings.advanced.group("annotations").editor("background_label").setValue(77)
    button(ready, "paint_background").click()
    assert meaning(ready) == (77, None)
    assert viewer.layers["cells annotations"].selected_label == 77


def test_no_object_of_another_layer_becomes_background(ready, viewer) -> None:
    button(ready, "paint_background").click()
    theirs = np.zeros((64, 64), np.int32)
    theirs[10:20, 10:20] = 100
    viewer.add_labels(theirs, name="theirs")
    ready.annotate.annotations.choose(viewer.layers["theirs"])
    assert meaning(ready) == (None, None)
    assert ready.annotate.summary.n_objects == 1
    assert "“theirs” label 100 (background elsewhere) is an object" in ready.footer.text
    ready.annotate.annotations.choose(viewer.layers["cells annotations"])
    assert meaning(ready) == (100, None)


def test_another_layer_without_that_label_shares_it(ready, viewer) -> None:
    button(ready, "paint_background").click()
    viewer.add_labels(np.eye(64, dtype=np.int32), name="theirs")
    ready.annotate.annotations.choose(viewer.layers["theirs"])
    assert meaning(ready) == (100, None)
    assert ready.annotate.summary.n_objects == 1


def test_a_training_does_not_change_its_mind(training) -> None:
    assert not button(training, "paint_background").isEnabled()
    assert "end of the training" in button(training, "paint_background").toolTip()
    assert button(training, "new_object").isEnabled()


# Filling


def test_interpolation(spoco, stack, until, qtbot) -> None:
    spoco.annotating.go_to(1)
    stack.data[4, 10:12, 10:20] = 9
    before = stack.data.copy()
    press(spoco, button(spoco, "interpolate"), qtbot)
    until(lambda: "filled" in spoco.footer.text)
    assert spoco.footer.text == "Object 1: 3 planes filled (3-5); undo (Ctrl+Z) takes it back."
    assert (stack.data[[3, 5], 10:20, 10:20] == 1).all()
    assert (stack.data[4, 10:12, 10:20] == 9).all()
    stack.undo()
    np.testing.assert_array_equal(stack.data, before)
    stack.redo()
    until(lambda: not button(spoco, "interpolate").isEnabled())
    assert "every plane" in button(spoco, "interpolate").toolTip()


def test_interpolation_across_the_planes_on_show(spoco, viewer, until) -> None:
    layer = annotated(spoco, viewer, (20, 9, 20))
    layer.data[5:15, [2, 6], 5:15] = 1
    spoco.annotate.count()
    viewer.dims.order = (1, 0, 2)
    spoco.annotating.go_to(1)
    spoco.annotating.interpolate()
    until(lambda: "3 planes filled (3-5)" in spoco.footer.text)
    assert (layer.data[5:15, 2:7, 5:15] == 1).all()


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        pytest.param(2, "every plane", id="no gap"),
        pytest.param(7, "a painted object first", id="not painted"),
        pytest.param(3, "in one only", id="one plane"),
    ],
)
def test_nothing_to_fill(spoco, stack, label, reason) -> None:
    stack.data[0, 0:2, 0:2] = 3
    spoco.annotate.count()
    stack.selected_label = label
    assert not button(spoco, "interpolate").isEnabled()
    assert reason in button(spoco, "interpolate").toolTip()


def test_in_2d_there_are_no_planes(ready) -> None:
    assert "are 2D" in button(ready, "interpolate").toolTip()


# What next


def test_the_tab_advises(ready, viewer) -> None:
    assert ready.annotate._advice.text() == "1.8 % of the image is annotated. Five or six objects are a good start."
    for label in range(4, 7):
        viewer.layers["cells annotations"].data[10 * label - 8 : 10 * label - 3, 40:45] = label
    ready.annotate.count()
    assert "strokes of background" in ready.annotate._advice.text()


def painted(n_objects: int, background: int, step: int, n_planes: int) -> AnnotationSummary:
    """Return a summary of objects of 5 rows, each `step` rows below the one before, and pixels of background."""
    labels = np.zeros((n_planes, 50, 5), np.int32)
    for label in range(1, n_objects + 1):
        labels[0, step * label : step * label + 5] = label
    labels[0, 49, :background] = 99
    return summarize(labels, AnnotationConfig(background_label=99))


@pytest.mark.parametrize(
    ("n_objects", "background", "step", "n_planes", "elsewhere", "expected"),
    [
        pytest.param(0, 0, 6, 30, Elsewhere(), "", id="nothing"),
        pytest.param(2, 0, 6, 30, Elsewhere(), "good start", id="few"),
        pytest.param(6, 0, 6, 30, Elsewhere(), "strokes of background", id="no strokes"),
        pytest.param(6, 9, 6, 30, Elsewhere(), "paint both of a pair or two", id="no pair"),
        pytest.param(6, 9, 5, 30, Elsewhere(), "other depths", id="in one plane"),
        pytest.param(6, 9, 5, 3, Elsewhere(), "", id="enough"),
        pytest.param(0, 0, 6, 30, Elsewhere(0, "b"), "", id="nothing, and another image"),
        pytest.param(1, 0, 6, 30, Elsewhere(0, "b"), "next one in “b”", id="one, and another image"),
        pytest.param(3, 0, 5, 30, Elsewhere(1, "b"), "Where two touch, paint both.", id="a pair, and another image"),
        pytest.param(1, 0, 6, 30, Elsewhere(4, "b"), "strokes of background", id="five in all, no strokes"),
        pytest.param(1, 9, 6, 30, Elsewhere(4, "b"), "next one in “b”", id="five in all, strokes"),
        pytest.param(6, 9, 6, 30, Elsewhere(0, "b"), "next one in “b”", id="neighbours, and another image"),
        pytest.param(1, 9, 6, 30, Elsewhere(2), "good start", id="all images have one, few in all"),
        pytest.param(1, 9, 6, 30, Elsewhere(9), "paint both of a pair or two", id="all images have one"),
        pytest.param(0, 9, 6, 30, Elsewhere(9, "b"), "", id="strokes alone"),
    ],
)
def test_advice(n_objects, background, step, n_planes, elsewhere, expected) -> None:
    advice = advise(painted(n_objects, background, step, n_planes), elsewhere)
    assert expected in advice
    assert bool(expected) == bool(advice)
    assert all(len(sentence) < 100 for sentence in advice.split(". "))


def test_without_annotations_every_tool_says_why() -> None:
    assert {AnnotationStatus().reason(action.name) for action in ACTIONS} == {"Open or choose an image first."}
    status = AnnotationStatus(has_image=True, is_croppable=True)
    reasons = {action.name: status.reason(action.name) for action in ACTIONS}
    assert reasons.pop("new_object") == reasons.pop("crop_here") == ""
    assert set(reasons.values()) == {"Press New object first, or choose annotations."}


def test_the_first_press_on_new_object_makes_the_annotations(spoco, viewer, qtbot) -> None:
    viewer.add_image(np.zeros((8, 8)), name="cells")
    button = spoco.annotate.action_buttons["new_object"]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    layer = spoco.annotate.annotations.layer()
    assert (layer.name, layer.mode, layer.selected_label) == ("cells annotations", "paint", 1)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert spoco.annotate.annotations.layer() is layer


def test_a_closed_dock_leaves_the_annotations_alone(ready, viewer) -> None:
    colormap = viewer.layers["cells annotations"].events.colormap
    n_followers = len(colormap.callbacks)
    ready.release()
    assert len(colormap.callbacks) == n_followers - 1


# Import


def test_import_from_a_layer(ready, viewer, until) -> None:
    layer = viewer.layers["cells annotations"]
    theirs = np.zeros((64, 64), np.uint8)
    theirs[0:7, 0:7], theirs[40:50, 40:50], theirs[50:60, 0:10] = 1, 2, 9
    viewer.add_labels(theirs, name="theirs")
    before, form = layer.data.copy(), ready.annotate.importing
    form.labels.choose(viewer.layers["theirs"])
    form.ids.setText("1-2")
    form.layer_button.click()
    until(lambda: "imported" in ready.footer.text)
    assert "2 objects imported, 2 with a new label" in ready.footer.text
    assert (layer.data[before > 0] == before[before > 0]).all()
    assert (layer.data[40:50, 40:50] == 5).all()
    assert not layer.data[50:60, 0:10].any()
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


@pytest.fixture
def importing(ready, viewer, monkeypatch):
    """Return the annotations, and a function that imports objects 11 to 13, a few pixels at a time."""
    monkeypatch.setattr(pixel_writing, "_N_A_TURN", 16)
    theirs = np.zeros((64, 64), np.uint8)
    theirs[40:50, 0:10], theirs[40:50, 10:20], theirs[50:60, 0:10] = 12, 11, 13
    viewer.add_labels(theirs, name="theirs")
    ready.annotate.importing.labels.choose(viewer.layers["theirs"])
    return viewer.layers["cells annotations"], ready.annotate.importing.layer_button.click


def test_a_new_object_gets_no_id_that_is_still_to_be_imported(ready, importing, until) -> None:
    layer, begin = importing
    taken = []

    def on_painted(_event: object) -> None:
        layer.events.paint.disconnect(on_painted)
        QTimer.singleShot(0, lambda: (ready.annotating.new_object(), taken.append(layer.selected_label)))

    layer.events.paint.connect(on_painted)
    begin()
    until(lambda: "3 objects imported" in ready.footer.text)
    assert taken == [14]


def test_a_new_object_is_none_that_is_imported(ready, importing, monkeypatch, until) -> None:
    """The brush has an id, and paints in it or not, while those of the others are looked for."""
    layer, begin = importing
    original, looked, gate = annotation_job.run_import, threading.Event(), threading.Event()

    def slowly(*arguments):
        found = yield from original(*arguments)
        looked.set()
        gate.wait(20)
        return found

    monkeypatch.setattr(annotation_job, "run_import", slowly)
    begin()
    until(looked.is_set)
    layer.data_setitem((np.array([62]), np.array([62])), 11)
    layer.selected_label = 12
    gate.set()
    until(lambda: "3 objects imported" in ready.footer.text)
    assert (np.count_nonzero(layer.data == 11), layer.data[45, 15], layer.selected_label) == (1, 14, 15)


def write_theirs(path: Path, shape: tuple[int, int] = (64, 64)) -> None:
    theirs = np.zeros(shape, np.uint16)
    theirs[40:50, 40:50] = 12
    writers = {".tif": tifffile.imwrite, ".npy": np.save, ".zarr": write_ome_zarr_labels}
    writers[path.suffix](path, theirs)


@pytest.mark.parametrize("name", ["theirs.tif", "theirs.npy", "theirs.zarr"])
def test_import_from_a_file(ready, viewer, tmp_path, monkeypatch, until, name) -> None:
    write_theirs(tmp_path / name)
    monkeypatch.setattr(import_form, "ask_labels_to_import", lambda _parent: str(tmp_path / name))
    ready.annotate.importing.file_button.click()
    until(lambda: "1 object imported" in ready.footer.text)
    assert (viewer.layers["cells annotations"].data[40:50, 40:50] == 12).all()


def test_a_file_that_does_not_fit_is_named(ready, tmp_path, monkeypatch, until) -> None:
    write_theirs(tmp_path / "theirs.npy", (60, 64))
    monkeypatch.setattr(import_form, "ask_labels_to_import", lambda _parent: str(tmp_path / "theirs.npy"))
    ready.annotate.importing.file_button.click()
    until(lambda: "theirs.npy: expected the annotations' shape (64, 64), got (60, 64)" in ready.footer.text)


@pytest.mark.parametrize("name", ["theirs.tif", "theirs.zarr"])
def test_the_dialog_lists_files_and_takes_zarr_folders(tmp_path, qtbot, name) -> None:
    write_theirs(tmp_path / name)
    write_theirs(tmp_path / "other.npy")
    (tmp_path / "notes.txt").write_text("not listed")
    dialog = import_form.LabelFileDialog()
    qtbot.addWidget(dialog)
    dialog.setDirectory(str(tmp_path))
    dialog.open()
    view = dialog.findChild(QListView, "listView")

    def listed() -> dict[str, QModelIndex]:
        top, model = view.rootIndex(), view.model()
        return {one.data(): one for one in (model.index(row, 0, top) for row in range(model.rowCount(top)))}

    qtbot.waitUntil(lambda: {*listed()} == {name, "other.npy"})
    place = view.visualRect(listed()[name]).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    button = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Open)
    qtbot.waitUntil(button.isEnabled)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert dialog.result() == QDialog.DialogCode.Accepted
    assert dialog.selectedFiles() == [str(tmp_path / name)]


def test_the_dialog_enters_other_folders(tmp_path, qtbot) -> None:
    (tmp_path / "plain").mkdir()
    dialog = import_form.LabelFileDialog()
    qtbot.addWidget(dialog)
    dialog.setDirectory(str(tmp_path))
    dialog.open()
    dialog.selectFile(str(tmp_path / "plain"))
    dialog.accept()
    assert dialog.isVisible()
    assert dialog.directory().path() == str(tmp_path / "plain")


def test_what_does_not_fit_is_a_sentence(ready, viewer, until) -> None:
    viewer.add_labels(np.ones((9, 9), int), name="theirs")
    ready.annotate.importing.labels.choose(viewer.layers["theirs"])
    ready.annotate.importing.layer_button.click()
    until(lambda: "expected the annotations' shape" in ready.footer.text)


# Boxes


@pytest.mark.parametrize("shape", [(64, 80), (5, 64, 80)], ids=["2D", "3D"])
def test_what_is_on_show_is_complete(spoco, viewer, shape) -> None:
    geometry = {"scale": SCALE[-len(shape) :], "translate": (3.0, -2.0, 7.0)[-len(shape) :]}
    annotated(spoco, viewer, shape, **geometry)
    viewer.reset_view()
    spoco.annotate.view_button.click()
    assert spoco.annotate.boxes.layer() is not None
    (box,) = spoco.annotate.read_boxes()
    assert box[-2:] == (slice(0, 64), slice(0, 80))
    if len(shape) == 3:
        assert box[0] == slice(viewer.dims.current_step[0], viewer.dims.current_step[0] + 1)
    assert viewer.layers.selection.active.name == "cells annotations"


def test_a_box_is_drawn_with_the_mouse(ready, viewer, qtbot) -> None:
    viewer.show()
    press(ready, ready.annotate.draw_button, qtbot)
    boxes, cells = ready.annotate.boxes.layer(), viewer.layers["cells"]
    assert viewer.layers.selection.active.name == boxes.name
    assert boxes.mode == "add_rectangle"
    viewer.reset_view()
    drag(viewer, cells, (10, 10), (40, 30))
    press(ready, ready.annotate.draw_button, qtbot)
    assert ready.annotate.boxes.layer() is boxes
    drag(viewer, cells, (45, 35), (60, 60))
    bounds = [[[side.start, side.stop] for side in box] for box in ready.annotate.read_boxes()]
    np.testing.assert_allclose(bounds, [[[10, 41], [10, 31]], [[45, 61], [35, 61]]], atol=1)


# The work box


@pytest.fixture
def large(spoco, viewer):
    """Return annotations of a stack, with object 4 inside of what will be on show and object 9 outside."""
    geometry = {"scale": SCALE, "translate": (4.0, -3.0, 9.0), "units": ("micrometer",) * 3}
    layer = annotated(spoco, viewer, (6, 200, 300), **geometry)
    layer.data[2, 95:105, 145:155] = 4
    layer.data[0, :2, :2] = 9
    spoco.annotate.count()
    layer.corner_pixels = np.array([[0, 90, 140], [5, 119, 169]])  # As napari notes it when it draws.
    return layer


@pytest.fixture
def box(spoco, viewer, large, until, qtbot):
    """Return the annotations of a work box."""
    spoco.annotate.count()
    until(lambda: spoco.annotate.summary.n_objects == 2)
    press(spoco, button(spoco, "crop_here"), qtbot)
    until(lambda: "cells annotations box" in viewer.layers)
    return viewer.layers["cells annotations box"]


def test_a_work_box_lies_where_it_was_cropped(spoco, viewer, large, box) -> None:
    assert spoco.annotate.annotations.layer().name == box.name
    assert spoco.annotate.image.layer().name == "cells box"
    assert viewer.layers["cells box"].data.shape == box.data.shape
    assert box.data.shape == (6, 30, 30)
    place = np.argwhere(box.data == 4)[0]
    np.testing.assert_allclose(box.data_to_world(place), large.data_to_world(np.argwhere(large.data == 4)[0]))
    np.testing.assert_allclose(viewer.layers["cells box"].data_to_world(place), box.data_to_world(place))
    assert not button(spoco, "crop_here").isEnabled()


def test_only_what_changed_is_written_back(spoco, viewer, large, box, until, qtbot) -> None:
    before = large.data.copy()
    spoco.annotating.new_object()
    assert box.selected_label == 10
    place = np.argwhere(box.data == 4)[0]
    box.data_setitem(tuple(place[:, None]), 10)
    press(spoco, button(spoco, "write_back"), qtbot)
    until(lambda: "written back" in spoco.footer.text)
    expected = before.copy()
    expected[tuple(np.argwhere(before == 4)[0])] = 10
    np.testing.assert_array_equal(large.data, expected)
    assert spoco.annotate.annotations.layer().name == large.name
    assert [layer.name for layer in viewer.layers] == ["cells", "cells annotations"]
    large.undo()
    np.testing.assert_array_equal(large.data, before)


def test_strokes_of_a_box_mean_the_same_in_the_whole(spoco, large, box, until) -> None:
    spoco.annotating.paint_background()
    box.paint((2, 5, 5), box.selected_label)
    button(spoco, "write_back").click()
    until(lambda: "written back" in spoco.footer.text)
    assert meaning(spoco) == (100, None)
    assert 100 in large.data


def test_a_box_whose_whole_is_gone(spoco, viewer, large, box) -> None:
    viewer.layers.remove(viewer.layers["cells annotations"])
    button(spoco, "write_back").click()
    assert "are gone" in spoco.footer.text
    assert "cells annotations box" in viewer.layers


# Which ids are in use


@pytest.fixture
def many(spoco, viewer):
    """Return annotations with objects 1 to 20, of a size that is counted in a thread; they are not chosen yet."""
    labels = np.zeros((6, 300, 300), np.int32)
    for label in range(1, 21):
        labels[label % 6, 10 * label : 10 * label + 8, 10:18] = label
    viewer.add_image(np.zeros(labels.shape, np.uint8), name="cells")
    return viewer.add_labels(labels, name="painted")


@pytest.mark.parametrize("name", ["new_object", "paint_background", "paint_ignore", "jump_next"])
def test_nothing_is_told_of_ids_before_the_first_count(spoco, many, name) -> None:
    spoco.annotate.annotations.choose(many)
    assert not button(spoco, name).isEnabled()
    spoco.annotating.act(name)
    assert "still being counted" in spoco.footer.text
    assert (many.selected_label, many.mode) == (1, "pan_zoom")
    assert meaning(spoco) == (None, None)


def test_the_first_count_frees_the_brush(spoco, many, until) -> None:
    spoco.annotate.annotations.choose(many)
    until(button(spoco, "new_object").isEnabled)
    button(spoco, "new_object").click()
    assert many.selected_label == 21


def test_what_meant_strokes_is_in_use_before_it_is_counted_as_an_object(spoco, many, until) -> None:
    spoco.annotate.annotations.choose(many)
    settings = spoco.train.settings
    settings.advanced.group("annotations").editor("background_label").setValue(20)
    until(lambda: spoco.annotate.summary.n_objects == 19)
    settings.advanced.group("annotations").set_values(AnnotationConfig())
    settings.changed.emit()
    spoco.annotating.new_object()
    assert "still being counted" in spoco.footer.text
    until(button(spoco, "new_object").isEnabled)
    spoco.annotating.new_object()
    assert many.selected_label == 21


def test_where_counting_fails_no_id_is_free(ready, viewer) -> None:
    labels = np.zeros((64, 64), np.int64)
    labels[:5, :5], labels[10:15, 10:15], labels[20:22, 20:22] = 1, 2, 2**33
    layer = viewer.add_labels(labels, name="theirs")
    ready.annotate.annotations.choose(viewer.layers["theirs"])
    for name in ("new_object", "paint_background"):
        ready.annotating.act(name)
        assert "not known which labels are free" in ready.footer.text
        assert "expected ids up to 2147483647, got 8589934592" in button(ready, name).toolTip()
        assert layer.mode == "pan_zoom"
    layer.data[20:22, 20:22] = 0
    ready.annotate.count()
    button(ready, "new_object").click()
    assert layer.selected_label == 3


def test_an_id_that_undo_has_brought_back_is_in_use_at_once(ready, viewer) -> None:
    layer = viewer.layers["cells annotations"]
    layer.data_setitem(np.nonzero(layer.data == 3), 0)
    ready.annotate.count()
    layer.undo()
    ready.annotating.new_object()
    assert layer.selected_label == 4


def test_ids_that_no_brush_has_painted_are_in_use_at_once(ready, viewer) -> None:
    layer = viewer.layers["cells annotations"]
    layer.data_setitem((np.array([60, 61]), np.array([60, 61])), np.array([7, 9]))
    ready.annotating.new_object()
    assert layer.selected_label == 10


def test_a_stroke_that_is_not_counted_yet_is_no_object(ready, viewer) -> None:
    layer = viewer.layers["cells annotations"]
    ready.annotating.paint_background()
    layer.paint((60, 20), layer.selected_label)
    ready.annotating.new_object()
    assert layer.selected_label == 4


def test_other_contents_are_counted_first(ready, viewer, until) -> None:
    layer = viewer.layers["cells annotations"]
    layer.data = np.full((64, 64), 9, np.int32)
    ready.annotating.new_object()
    assert "still being counted" in ready.footer.text
    assert layer.selected_label == 1
    until(lambda: ready.annotate.summary.n_objects == 1)
    ready.annotating.new_object()
    assert layer.selected_label == 10


def test_an_object_to_fill_is_chosen_as_it_is_said(spoco, stack, qtbot) -> None:
    objects = spoco.annotate.objects
    spoco.tabs.reveal(objects)
    stack.selected_label = 7
    assert button(spoco, "interpolate").toolTip().endswith("first: click on it in the list.")
    qtbot.mouseClick(
        objects.viewport(), Qt.MouseButton.LeftButton, pos=objects.visualRect(objects.rows.index(0, 1)).center()
    )
    assert stack.selected_label == 1
    assert button(spoco, "interpolate").isEnabled()
