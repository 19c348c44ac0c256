"""The Review tab with a viewer of its own: walking, deciding, correcting, undoing, and what others do to the layer."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget
from skimage.color import rgb2lab

from napari_spoco._qt.jobs.worker import JobContext
from napari_spoco._qt.layers.layers import LINK, MAKER, identity
from napari_spoco._qt.review import review_job
from napari_spoco._qt.review.review_job import Subject, run_measuring
from napari_spoco._qt.review.review_status import ACTIONS, ReviewStatus, locked
from napari_spoco._qt.review.review_tab import ReviewTab
from napari_spoco._qt.review.reviewing import Reviewing
from napari_spoco.data.resampling import Resampling
from napari_spoco.review.measures import ObjectMeasures
from napari_spoco.review.queue import ReviewQueue

SPECK, FIRST, SECOND, LONG = 3, 5, 6, 9
"""Ids: a speck; two that touch; a dumbbell that should be two."""


def make_labels(ndim: int) -> np.ndarray:
    plane = np.zeros((64, 64), np.uint32)
    plane[4:6, 50:52] = SPECK
    plane[10:22, 10:22] = FIRST
    plane[10:22, 22:34] = SECOND
    plane[14:18, 14:18] = 0
    rows, columns = np.mgrid[:64, :64]
    for centre in (16, 40):
        plane[(rows - 48) ** 2 + (columns - centre) ** 2 < 100] = LONG
    plane[47:50, 20:40] = LONG
    if ndim == 2:
        return plane
    labels = np.zeros((5, 64, 64), np.uint32)
    labels[1:4] = plane
    return labels


class Harness:
    """The tab in a dock, and what a person does with it."""

    def __init__(self, viewer: object, ndim: int, until: Callable) -> None:
        self.viewer, self.until = viewer, until
        self.layer = viewer.add_labels(make_labels(ndim), name="found", scale=(2.0, 0.5, 0.5)[-ndim:])
        self.kept: dict[str, np.ndarray] = {}
        self.session = types.SimpleNamespace(embedded_image=None, find_embeddings=self.kept.get)
        self.tab, self.said, self.withdrawn, self.accepted = ReviewTab(viewer), [], [], []
        self.reviewing = Reviewing(viewer, self.session, self.tab)
        self.reviewing.noticed.connect(lambda notice: self.said.append(notice.text))
        self.reviewing.withdrawn.connect(lambda notice: self.withdrawn.append(notice.text))
        self.reviewing.accepted.connect(self.accepted.append)
        viewer.window.add_dock_widget(self.tab, name="Review")

    def start(self) -> None:
        self.tab.start_button.click()
        self.until(lambda: self.reviewing.queue is not None)

    def press(self, name: str) -> None:
        self.tab.action_buttons[name].click()
        self.settle()

    def click(self, pixel: tuple[int, int], *, shift: bool = False) -> None:
        """Click at a pixel of the plane on show, with the mouse on the canvas."""
        keys = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
        QTest.mouseClick(canvas(), Qt.MouseButton.LeftButton, keys, self.on_canvas(pixel))
        self.settle()

    def drag(self, *pixels: tuple[int, int], button: Qt.MouseButton = Qt.MouseButton.LeftButton) -> None:
        """Press the mouse at the first pixel of the plane on show, move it over the others, release it at the last."""
        first, *others = map(self.on_canvas, pixels)
        QTest.mouseMove(canvas(), first)
        QTest.mousePress(canvas(), button, Qt.KeyboardModifier.NoModifier, first)
        for place in others:
            QTest.qWait(20)  # The canvas leaves out moves that come faster.
            QTest.mouseMove(canvas(), place)
        QTest.qWait(20)
        QTest.mouseRelease(canvas(), button, Qt.KeyboardModifier.NoModifier, (first, *others)[-1])
        self.settle()

    def on_canvas(self, pixel: tuple[int, int]) -> QPoint:
        """Return where on the canvas a pixel of the plane on show is."""
        camera, size = self.viewer.scene.camera, np.array([canvas().height(), canvas().width()])
        world = self.layer.data_to_world((*self.viewer.dims.current_step[:-2], *pixel))
        y, x = (np.array(world[-2:]) - np.array(camera.center)[-2:]) * camera.zoom + size / 2
        return QPoint(round(x), round(y))

    def settle(self) -> None:
        self.until(lambda: not self.reviewing.is_busy)

    def mouse(self, *pixels: tuple[int, int], shift: bool = False) -> None:
        """Press at the first pixel of the plane on show, move over the others, release at the last one."""
        event = types.SimpleNamespace(
            button=1,
            type="mouse_press",
            view_direction=None,
            dims_displayed=list(self.viewer.dims.displayed),
            modifiers=("Shift",) if shift else (),
            handled=False,
        )
        plane = self.viewer.dims.current_step[:-2]

        def move_to(pixel: tuple[int, int]) -> None:
            event.position = self.layer.data_to_world((*plane, *pixel))
            event.pos = tuple(10 * index for index in pixel)

        move_to(pixels[0])
        ours = [callback for callback in self.layer.mouse_drag_callbacks if callback.__name__ == "_on_mouse_pressed"]
        pressed = [callback(self.layer, event) for callback in ours]
        kinds = ["mouse_press"] + ["mouse_move"] * (len(pixels) - 1) + ["mouse_release"]
        for kind, pixel in zip(kinds, (*pixels, pixels[-1]), strict=True):
            event.type = kind
            move_to(pixel)
            for generator in pressed:
                next(generator, None)
        self.settle()


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def harness(request, viewer, until) -> Iterator[Harness]:
    harness = Harness(viewer, request.param, until)
    yield harness
    harness.reviewing.end()
    harness.tab.release()


@pytest.fixture
def review(harness) -> Harness:
    harness.start()
    return harness


def canvas() -> QWidget:
    return next(widget for widget in QApplication.allWidgets() if type(widget).__name__ == "CanvasBackendDesktop")


def test_a_walk_by_keys(review, viewer, qtbot) -> None:
    order = [one.instance_id for one in review.reviewing.queue.scores]
    assert order.index(SECOND) == 3  # the only one that is as it should be
    assert review.reviewing.chosen == (order[0],)
    assert review.layer.selected_label == order[0]
    assert review.tab.action_buttons["merge"].isEnabled() is False
    assert "shape and size alone" in review.tab.order.text()
    assert not review.said
    qtbot.keyClick(canvas(), Qt.Key.Key_N)
    assert review.reviewing.chosen == (order[1],)
    qtbot.keyClick(canvas(), Qt.Key.Key_A)
    assert review.reviewing.queue.accepted == {order[1]}
    assert review.reviewing.chosen == (order[2],)
    assert "1 accepted, 3 to look at" in review.tab.summary.text()
    before = review.layer.data.copy()
    qtbot.keyClick(canvas(), Qt.Key.Key_R)
    qtbot.keyClick(canvas(), Qt.Key.Key_A)  # waits for its turn
    review.until(lambda: len(review.reviewing.queue.accepted) == 2)
    assert review.reviewing.queue.accepted == {order[1], order[3]}
    np.testing.assert_array_equal(review.layer.data == 0, (before == 0) | (before == order[2]))
    for _ in range(2):
        qtbot.keyClick(canvas(), Qt.Key.Key_U)
        review.settle()
    assert review.reviewing.queue.accepted == {order[1]}
    np.testing.assert_array_equal(review.layer.data, before)
    assert review.reviewing.chosen == (order[2],)


def view(viewer) -> tuple:
    return (viewer.dims.current_step[:-2], *viewer.scene.camera.center[-2:], viewer.scene.camera.zoom)


def test_the_view_stays_unless_the_object_is_out_of_it(review, viewer) -> None:
    first, long = (review.reviewing.queue.measures[one] for one in (FIRST, LONG))
    camera, plane = viewer.scene.camera, (2,) * (review.layer.ndim - 2)
    middle = [(part.start + part.stop - 1) / 4 for part in first.box[-2:]]
    camera.center, camera.zoom = (0, middle[0] + 2, middle[1] - 3), 40
    before = view(viewer)
    assert before[0] == plane
    for name in ("grow", "undo", "redo", "undo"):
        if name == "grow":
            review.mouse((12, 12))
        review.press(name)
        assert view(viewer) == before
    if plane:
        viewer.dims.set_current_step(0, 0)  # where the object is not
        review.reviewing._review.go_to(FIRST)
        assert view(viewer) == (first.anchor[:-2], *before[1:])
    camera.center = (0, 0, 0)
    review.reviewing._review.go_to(FIRST)
    assert camera.center[-2:] == pytest.approx(middle)
    assert camera.zoom == 40
    # In the whole image a small one is seen as well, and a click meets what it was meant for.
    camera.center, camera.zoom = (0, *middle), min(viewer.canvas.size) / 30 / 5.5
    before = view(viewer)
    review.reviewing._review.go_to(FIRST)
    assert view(viewer) == before
    # One that does not fit, and one that can hardly be seen, fill a third of the view.
    extent = (long.box[-1].stop - long.box[-1].start - 1) / 2
    for zoom in (1000, 0.1):
        camera.zoom = zoom
        review.reviewing._review.go_to(LONG)
        assert camera.zoom == pytest.approx(min(viewer.canvas.size) / 3 / extent)
        assert camera.center[-1] == pytest.approx((long.box[-1].start + long.box[-1].stop - 1) / 4)


def test_in_3d_the_view_stays_as_well(review, viewer) -> None:
    viewer.dims.ndisplay = 3
    review.reviewing._review.go_to(LONG)
    viewer.scene.camera.zoom *= 0.8
    viewer.scene.camera.angles = (10, 20, 30)
    before = viewer.scene.camera.center, viewer.scene.camera.zoom
    review.reviewing._review.go_to(LONG)
    assert (viewer.scene.camera.center, viewer.scene.camera.zoom) == before
    viewer.scene.camera.center = (0, 1000, 1000)
    review.reviewing._review.go_to(LONG)
    assert viewer.scene.camera.zoom == before[1]
    assert viewer.scene.camera.center[-1] < 40


def test_corrections_and_their_undoing(review) -> None:
    before = review.layer.data.copy()
    heard: list = []
    review.layer.events.data.connect(heard.append)
    review.mouse((12, 12))
    assert review.reviewing.chosen == (FIRST,)
    review.reviewing.act("merge")
    assert "Choose what to merge first" in review.said[-1]
    review.mouse((12, 30), shift=True)
    assert review.reviewing.chosen == (FIRST, SECOND)
    review.press("merge")
    assert review.reviewing.chosen == (FIRST,)
    assert not (review.layer.data == SECOND).any()
    assert SECOND not in review.reviewing.queue.measures
    assert len(heard) == 1  # a segmentation that is corrected is not replaced by the next one
    review.press("fill_holes")
    n_holes = np.count_nonzero((review.layer.data > 0) & (before == 0))
    assert n_holes == (16 if review.layer.ndim == 2 else 0)  # in the stack it is open above and below
    if not n_holes:
        assert review.said[-1] == "There is nothing to change."
    review.press("grow")
    assert np.count_nonzero(review.layer.data) > np.count_nonzero(before)
    for _ in range(3 if n_holes else 2):
        review.press("undo")
    np.testing.assert_array_equal(review.layer.data, before)
    assert not review.tab.action_buttons["undo"].isEnabled()
    review.press("redo")
    assert not (review.layer.data == SECOND).any()


def test_what_was_rejected_is_rejected_again_when_it_is_redone(review) -> None:
    review.mouse((5, 51))
    review.press("reject")
    assert review.reviewing.queue.rejected == {SPECK}
    review.press("undo")
    assert not review.reviewing.queue.decisions
    assert review.reviewing.chosen == (SPECK,)
    review.press("redo")
    assert review.reviewing.queue.rejected == {SPECK}
    assert SPECK not in review.reviewing.queue.measures


def test_undo_takes_back_what_was_done_last_also_accept(review, viewer, qtbot) -> None:
    """By keys, as A R A U U U Y Y Y."""
    before = review.layer.data.copy()
    order = [one.instance_id for one in review.reviewing.queue.scores]
    for key in (Qt.Key.Key_A, Qt.Key.Key_R, Qt.Key.Key_A):
        qtbot.keyClick(canvas(), key)
        review.settle()
    stages = [({order[0]}, {order[1]}), ({order[0]}, set()), (set(), set())]
    after = ({order[0], order[2]}, {order[1]})
    assert (review.reviewing.queue.accepted, review.reviewing.queue.rejected) == after
    for stage, one in zip(stages, reversed(order[:3]), strict=True):
        qtbot.keyClick(canvas(), Qt.Key.Key_U)
        review.settle()
        assert (review.reviewing.queue.accepted, review.reviewing.queue.rejected) == stage
        assert review.reviewing.chosen == (one,)
    np.testing.assert_array_equal(review.layer.data, before)
    assert not review.tab.action_buttons["undo"].isEnabled()
    for _ in range(3):
        qtbot.keyClick(canvas(), Qt.Key.Key_Y)
        review.settle()
    assert (review.reviewing.queue.accepted, review.reviewing.queue.rejected) == after
    review.mouse(*[tuple(map(int, np.argwhere(review.layer.data == order[0])[0][-2:]))])
    review.press("accept")  # unlocks
    assert order[0] not in review.reviewing.queue.accepted
    review.press("undo")
    assert order[0] in review.reviewing.queue.accepted


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_a_review_that_is_begun_again_can_be_undone(review) -> None:
    before = review.layer.data.copy()
    review.mouse((12, 12))
    review.press("grow")
    review.press("fill_holes")
    review.press("undo")
    review.tab.start_button.click()
    assert not review.tab.action_buttons["undo"].isEnabled()
    review.start()
    assert review.tab.action_buttons["redo"].isEnabled()
    review.press("undo")
    np.testing.assert_array_equal(review.layer.data, before)
    review.layer.data = before.copy()
    review.start()
    assert not review.tab.action_buttons["redo"].isEnabled()


def show(viewer, until: Callable) -> None:
    """Show the window, with all of the image in view: the mouse needs a canvas of some size."""
    viewer.show()
    until(lambda: canvas().isVisible())
    viewer.reset_view()


def test_a_click_on_the_canvas_chooses_an_object(review, viewer, until) -> None:
    show(viewer, until)
    review.click((12, 12))
    assert review.reviewing.chosen == (FIRST,)
    review.click((12, 30), shift=True)
    assert review.reviewing.chosen == (FIRST, SECOND)
    review.click((60, 60))  # nothing is there
    assert review.reviewing.chosen == (FIRST, SECOND)


def test_two_strokes_of_the_mouse_on_the_canvas_split_an_object(review, viewer, until) -> None:
    show(viewer, until)
    center = viewer.scene.camera.center
    review.press("split")
    review.drag((42, 16), (48, 16), (54, 16))
    assert len(viewer.layers["found strokes"].data) > 8
    review.drag((42, 40), (48, 40), (54, 40))
    assert viewer.scene.camera.center == center  # The strokes do not move the image.
    assert "found strokes" not in viewer.layers
    plane = review.layer.data[viewer.dims.current_step[:-2]]
    assert (plane[48, 16], plane[48, 40]) == (LONG, LONG + 1)
    review.press("undo")
    np.testing.assert_array_equal(review.layer.data, make_labels(review.layer.ndim))


def test_two_strokes_split_an_object(review, viewer) -> None:
    review.press("split")
    assert review.layer.mouse_pan is False
    review.mouse((44, 12), (52, 14))
    assert len(viewer.layers["found strokes"].data) > 5
    assert viewer.layers.selection.active.name == "found"
    review.mouse((48, 42))
    assert "found strokes" not in [layer.name for layer in viewer.layers]
    assert review.layer.mouse_pan
    new = review.layer.data.max()
    assert new == LONG + 1
    assert {LONG, new} <= set(review.reviewing.queue.measures)
    plane = review.layer.data[review.viewer.dims.current_step[:-2]]
    assert (plane[48, 16], plane[48, 40]) == (LONG, new)
    review.press("split")
    review.mouse((4, 4))
    review.mouse((5, 5))
    assert "Both strokes" in review.said[-1]
    assert not review.withdrawn
    review.press("next")
    assert review.withdrawn == [review.said[-1]]
    viewer.dims.ndisplay = 3
    review.press("split")
    assert "switch the view to 2D" in review.said[-1]
    before = review.reviewing.chosen
    review.press("next")
    assert review.reviewing.chosen != before


def outlined(review: Harness) -> np.ndarray:
    """Return where, in the array under review, the outline shows something."""
    outline = review.viewer.layers["found chosen"]
    shown = np.zeros(review.layer.data.shape, bool)
    start = np.rint(review.layer.world_to_data(outline.data_to_world((0,) * outline.ndim))).astype(int)
    ids = [label for label in np.unique(outline.data) if label and outline.get_color(label)[3] > 0]
    shown[tuple(slice(first, first + n) for first, n in zip(start, outline.data.shape, strict=True))] = np.isin(
        outline.data, ids
    )
    return shown


def test_the_chosen_objects_are_outlined(review, viewer) -> None:
    review.mouse((12, 12))
    np.testing.assert_array_equal(outlined(review), review.layer.data == FIRST)
    outline = viewer.layers["found chosen"]
    assert np.shares_memory(outline.data, review.layer.data)
    inside = viewer.layers["found chosen inside"]
    assert np.shares_memory(inside.data, review.layer.data)
    white, black = (np.asarray(line.get_color(FIRST)).tolist() for line in (outline, inside))
    assert (white, black) == ([1, 1, 1, 1], [0, 0, 0, 1])
    assert viewer.layers.index(inside) < viewer.layers.index(outline)
    assert (outline.contour, inside.contour) == (1, 2)
    review.mouse((12, 30), shift=True)
    np.testing.assert_array_equal(outlined(review), np.isin(review.layer.data, (FIRST, SECOND)))
    review.press("grow")
    np.testing.assert_array_equal(outlined(review), np.isin(review.layer.data, (FIRST, SECOND)))
    review.mouse((12, 30))
    review.mouse((12, 30), shift=True)
    assert not outline.visible
    assert not inside.visible
    review.mouse((12, 30))
    assert outline.visible
    assert viewer.layers.selection.active == review.layer
    viewer.layers.remove(outline)
    review.mouse((12, 12))
    np.testing.assert_array_equal(outlined(review), review.layer.data == FIRST)
    viewer.dims.ndisplay = 3
    review.press("next")
    np.testing.assert_array_equal(outlined(review), review.layer.data == review.reviewing.chosen[0])
    viewer.dims.ndisplay = 2
    review.tab.start_button.click()
    assert list(viewer.layers) == [review.layer]


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_the_event_loop_does_not_wait_for_colours_by_label(harness, viewer, monkeypatch) -> None:
    """napari compiles what the first ones of a session need: a thread has it done; one object needs none of it."""
    threads = []
    make = DirectLabelColormap._get_typed_dict_mapping

    def note(colormap: DirectLabelColormap, dtype: np.dtype) -> object:
        threads.append((threading.current_thread(), dtype))
        return make(colormap, dtype)

    monkeypatch.setattr(DirectLabelColormap, "_get_typed_dict_mapping", note)
    harness.start()
    assert len(harness.reviewing.chosen) == 1
    harness.press("next")
    assert threads
    assert threading.main_thread() not in [thread for thread, _ in threads]
    harness.mouse((12, 12))
    harness.mouse((12, 30), shift=True)
    assert threads[-1][0] is threading.main_thread()
    assert {dtype for _, dtype in threads} == {np.dtype(np.uint32)}


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_the_outline_is_drawn_once_for_each_object(review, viewer) -> None:
    drawn = []
    for name in ("found chosen", "found chosen inside"):
        viewer.layers[name].events.set_data.connect(lambda event: drawn.append(event.source.name))
    review.mouse((12, 12))
    drawn.clear()
    review.mouse((12, 30))
    assert sorted(drawn) == ["found chosen", "found chosen inside"]


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_the_objects_lie_on_top_while_they_are_reviewed(harness, viewer) -> None:
    found = harness.layer
    image = viewer.add_image(np.zeros((64, 64)), name="image")
    metadata = {MAKER: identity(image)}
    picture = viewer.add_image(np.zeros((64, 64, 3)), name="image embeddings", rgb=True, metadata=metadata)
    painted = viewer.add_labels(np.zeros((64, 64), int), name="painted", metadata={LINK: identity(image)})
    viewer.layers.selection.active = found
    before = list(viewer.layers)
    found.visible = False
    harness.start()
    assert found.visible
    assert list(viewer.layers)[:4] == [image, picture, painted, found]
    assert (image.visible, picture.visible, painted.visible) == (True, False, True)
    harness.tab.start_button.click()
    assert list(viewer.layers) == before
    assert picture.visible
    assert viewer.layers.selection.active == found


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_the_layer_that_is_looked_at_is_reviewed(harness, viewer) -> None:
    images = [viewer.add_image(np.zeros((64, 64)), name=name).__wrapped__ for name in "ab"]
    objects = [
        viewer.add_labels(make_labels(2), name=f"{image.name} objects", metadata={MAKER: identity(image)})
        for image in images
    ]
    painted = viewer.add_labels(np.zeros((64, 64), int), metadata={LINK: identity(images[0])})
    assert harness.tab.labels.layer() == objects[0]
    viewer.layers.selection.active = images[1]
    assert harness.tab.labels.layer() == objects[1]
    harness.start()
    assert harness.reviewing.layer == objects[1]
    viewer.layers.selection.active = harness.layer  # such as a truth to compare with
    assert harness.reviewing.layer == objects[1]
    viewer.layers.selection.active = objects[0]
    assert harness.reviewing.layer is None
    assert harness.tab.labels.layer() == objects[0]
    harness.tab.labels.choose(harness.layer)
    viewer.layers.selection.active = painted
    assert harness.tab.labels.layer() == objects[0]
    viewer.layers.selection.active = harness.layer
    assert harness.tab.labels.layer() == harness.layer


def test_all_layers_are_deleted_at_once_while_strokes_are_awaited(review, viewer, until) -> None:
    review.press("split")
    review.mouse((44, 12), (52, 14))
    viewer.layers.select_all()
    viewer.layers.remove_selected()
    assert len(viewer.layers) == 0
    assert review.reviewing.layer is None


def test_with_the_layer_its_strokes_and_outline_go(review, viewer, until) -> None:
    review.press("split")
    viewer.layers.remove(review.layer)
    until(lambda: not len(viewer.layers))


def test_the_list_of_objects_has_headings_and_whole_rows(review) -> None:
    table = review.tab.objects
    model = table.model()
    headings = [model.headerData(column, Qt.Orientation.Horizontal) for column in range(model.columnCount())]
    assert headings == ["Object", "Score", "Accepted"]
    assert table.viewport().height() % table.rowHeight(0) == 0
    worst = review.reviewing.queue.scores[0]
    assert [model.index(0, column).data() for column in range(3)] == [str(worst.instance_id), f"{worst.score:.0%}", ""]
    review.press("accept")
    assert model.index(0, 2).data() == "✓"
    assert table.selectionModel().selectedRows()[0].row() == 1
    table.clicked.emit(model.index(0, 1))
    assert review.reviewing.chosen == (worst.instance_id,)


def test_objects_that_touch_differ_in_colour_also_when_one_is_new(harness, viewer) -> None:
    layer = harness.layer.__wrapped__
    layer.data[layer.data == SECOND] = like = FIRST + 49  # A round of napari's colours further.
    before = layer.colormap
    assert colour_distance(layer, FIRST, like) == 0
    harness.start()
    harness.until(lambda: colour_distance(layer, FIRST, like) > 30)
    harness.reviewing._on_clicked(LONG, False)
    harness.press("split")
    harness.mouse((48, 12), (48, 20))
    harness.mouse((48, 36), (48, 44))
    new = int(layer.data.max())
    assert new > like
    harness.until(lambda: colour_distance(layer, LONG, new) > 30)
    told_apart = layer.colormap
    harness.tab.start_button.click()
    assert layer.colormap is told_apart is not before
    harness.start()  # Once more, from there.
    assert layer.colormap is told_apart


def test_the_outline_is_as_wide_on_the_screen_however_far_away(review, viewer) -> None:
    review.layer.data[..., 30:63, 2:60] = LONG
    review.reviewing._on_clicked(LONG, False)
    outline, inside = viewer.layers["found chosen"], viewer.layers["found chosen inside"]
    viewer.scene.camera.zoom = 40
    assert (outline.contour, inside.contour) == (1, 2)
    viewer.scene.camera.zoom = 2  # A pixel of the layer is one of the screen.
    assert (outline.contour, inside.contour) == (2, 4)
    review.tab.start_button.click()
    viewer.scene.camera.zoom = 20
    assert outline.contour == 2


def colour_distance(layer, first: int, second: int) -> float:
    colours = np.array([[layer.get_color(one)[:3] for one in (first, second)]], float)
    return float(np.linalg.norm(np.diff(rgb2lab(colours)[0], axis=0)))


def test_accepted_objects_are_locked_until_they_are_unlocked(review) -> None:
    review.mouse((12, 12))
    review.press("accept")
    before = review.layer.data.copy()
    review.mouse((12, 12))
    review.press("reject")
    assert review.said[-1] == locked((FIRST,))
    np.testing.assert_array_equal(review.layer.data, before)
    review.tab.annotations_button.click()
    review.until(lambda: review.accepted)
    kept = review.accepted[0]
    assert kept.ids == (FIRST,)
    np.testing.assert_array_equal(kept.labels, np.where(before == FIRST, FIRST, 0))
    review.press("accept")
    assert not review.reviewing.queue.accepted


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_what_is_painted_meanwhile_is_never_overwritten(review, monkeypatch) -> None:
    is_known, may_go_on = threading.Event(), threading.Event()
    run_edit = review_job.run_edit

    def wait(*args):
        change = yield from run_edit(*args)
        is_known.set()
        assert may_go_on.wait(20)
        return change

    monkeypatch.setattr(review_job, "run_edit", wait)
    review.mouse((12, 12))
    review.tab.action_buttons["reject"].click()
    assert is_known.wait(20)
    review.layer.data_setitem((np.array([11]), np.array([11])), 77)
    before = review.layer.data.copy()
    may_go_on.set()
    review.settle()
    assert "painted over" in review.said[-1]
    np.testing.assert_array_equal(review.layer.data, before)
    review.mouse((11, 11))
    assert 77 in review.reviewing.queue.measures
    review.layer.data_setitem(np.nonzero(before == 77), 0)
    review.press("grow")
    assert "no object 77" in review.said[-2] + review.said[-1]
    assert 77 not in review.reviewing.queue.measures


@pytest.mark.parametrize("harness", [3], indirect=True)
def test_the_review_ends_with_its_layer(review, viewer) -> None:
    review.press("split")
    viewer.layers.clear()
    assert review.reviewing.queue is review.reviewing.layer is None
    assert "review has ended" in review.tab.summary.text()
    assert not review.said
    assert len(viewer.layers) == 0
    assert review.tab.start_button.text() == "Start review"
    assert not review.tab.start_button.isEnabled()
    assert not review.layer.keymap


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_a_review_can_be_ended_and_begun_again(harness, viewer) -> None:
    harness.tab.start_button.click()
    harness.tab.start_button.click()  # while it measures
    assert harness.reviewing.queue is None
    assert not harness.layer.keymap
    harness.start()
    harness.layer.data = make_labels(2)
    assert "review has ended" in harness.tab.summary.text()
    image = viewer.add_image(np.zeros((64, 64)))
    harness.reviewing.note_embedded(image)
    harness.session.embedded_image = types.SimpleNamespace(
        key="0a-teacher",
        embeddings=np.stack([harness.layer.data == FIRST, harness.layer.data == SECOND]).astype(np.float16) * 10,
        resampling=Resampling((64, 64), (64, 64)),
        context=types.SimpleNamespace(teacher_embeddings=None),
        card=types.SimpleNamespace(delta_var=0.5, kernel_threshold=0.9),
        other=None,
    )
    harness.start()
    assert harness.reviewing.queue.measures[FIRST].fit == 1
    assert "the model has one network only" in harness.tab.order.text()
    # Of another image now: what this one was measured by is taken from the disk, as long as all of it is there.
    harness.kept["0a-teacher"] = np.pad(harness.session.embedded_image.embeddings, ((0, 3), (0, 0), (0, 0)))
    harness.layer.metadata[MAKER] = identity(image)
    harness.reviewing.note_embedded(viewer.add_image(np.zeros((64, 64))))
    harness.tab.start_button.click()
    harness.start()
    assert harness.reviewing.queue.measures[FIRST].fit == 1
    assert "as in the review before" in harness.tab.order.text()
    harness.kept.clear()
    harness.tab.start_button.click()
    harness.start()
    assert "press “Show embeddings”" in harness.tab.order.text()
    # The image that the layer is of has another shape now.
    harness.reviewing.note_embedded(image)
    harness.session.embedded_image.resampling = Resampling((32, 32), (32, 32))
    harness.tab.start_button.click()
    harness.start()
    assert "press “Show embeddings”" in harness.tab.order.text()


def test_a_lazy_layer_is_refused_in_words(viewer, until) -> None:
    harness = Harness(viewer, 2, until)
    viewer.layers.remove(harness.layer)
    viewer.add_labels([np.zeros((64, 64), int), np.zeros((32, 32), int)], multiscale=True)
    harness.tab.start_button.click()
    assert "expected one array in memory" in harness.said[-1]
    harness.tab.release()


def test_every_action_has_a_free_key_of_its_own() -> None:
    keys = [action.key for action in ACTIONS]
    assert len(set(keys)) == len(keys)
    assert set(keys) <= set("ASDNRTCJKQWGHUYOI")


def test_measuring_reports_now_and_then_and_can_be_stopped() -> None:
    labels = np.arange(1, 901, dtype=np.uint32).reshape(30, 30)
    reports: list = []

    def result_of(job: JobContext) -> object:
        steps = run_measuring(job, Subject(labels, (1.0, 1.0)))
        next(steps)
        with pytest.raises(StopIteration) as end:
            next(steps)
        return end.value.value

    assert len(result_of(JobContext(reports.append, lambda: False)).measures) == 900
    assert len(reports) <= 101
    assert reports[-1].n_done == 900
    assert result_of(JobContext(reports.append, lambda: True)) is None


def test_the_tab_says_what_is_odd() -> None:
    box = (slice(0, 4), slice(0, 4))
    queue = ReviewQueue.of([ObjectMeasures(i, 16, box, (2, 2), c, False) for i, c in ((1, 1.0), (2, 0.3))])
    status = ReviewStatus(True, None, queue, (2,))
    assert status.about == (
        "Object 2: it is elongated, ragged or made of parts (compactness 30%; a round object has nearly 100%)."
    )
    assert ReviewStatus(True, None, queue.decide(1, "accepted"), (1,)).about == (
        "Object 1 is accepted: nothing is odd about it."
    )
    assert locked((1, 2)) == "Objects 1, 2 are accepted: unlock with Accept first."
    assert locked((1, 2, 3, 4, 5, 6, 7)).startswith("Objects 1, 2, 3, 4, 5 and 2 more are accepted")
