"""A click that the plugin waits for, by the mouse on the canvas: it paints nothing, whatever is in hand."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_spoco._qt.embeddings.pointing import Pointing

LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def canvas(viewer, qtbot):
    """Return the part of the window that shows the image of 64 x 64 pixels under it."""
    viewer.add_image(np.zeros((64, 64), np.uint8), name="cells")
    viewer.show()
    canvas = next(widget for widget in QApplication.allWidgets() if type(widget).__name__.startswith("CanvasBackend"))
    qtbot.waitUntil(canvas.isVisible)
    viewer.reset_view()
    return canvas


@pytest.fixture
def clicks(viewer, canvas):
    """Return what was clicked while it is pointed at the image."""
    pointing, seen = Pointing(viewer), []
    pointing.clicked.connect(seen.append)
    pointing.begin(viewer.layers["cells"])
    yield seen
    pointing.end()


def hover(canvas, x: int) -> None:
    QTest.qWait(20)  # The canvas leaves out moves that come faster.
    QTest.mouseMove(canvas, QPoint(x, canvas.height() // 2))


def drag(canvas, *, by: int = 0) -> None:
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    QTest.mousePress(canvas, LEFT, NO_KEY, middle)
    for step in range(1, by + 1, 20):
        hover(canvas, middle.x() + step)
    QTest.mouseRelease(canvas, LEFT, NO_KEY, middle + QPoint(by, 0))


@pytest.mark.parametrize("tool", ["paint", "fill", "erase", "pick", "polygon", "transform"])
def test_a_click_that_is_waited_for_reaches_no_tool(viewer, canvas, clicks, tool) -> None:
    pixels = np.zeros((64, 64), int)
    pixels[20:44, 20:44] = 3
    labels = viewer.add_labels(pixels, name="annotations")
    labels.selected_label, labels.brush_size, labels.mode = 6, 10, tool
    before = labels.data.copy()
    drag(canvas)
    assert len(clicks) == 1
    np.testing.assert_allclose(clicks[0], (32, 32), atol=2)
    np.testing.assert_array_equal(labels.data, before)
    assert (labels.selected_label, str(labels.mode)) == (6, tool)
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)


def test_a_click_adds_no_box(viewer, canvas, clicks) -> None:
    boxes = viewer.add_shapes(name="boxes", ndim=2)
    boxes.mode = "add_rectangle"
    drag(canvas)
    assert len(clicks) == 1
    assert boxes.nshapes == 0
    assert str(boxes.mode) == "add_rectangle"


def test_after_the_click_the_brush_paints_again(viewer, canvas) -> None:
    labels = viewer.add_labels(np.zeros((64, 64), int), name="annotations")
    labels.mode = "paint"
    pointing = Pointing(viewer)
    pointing.begin(viewer.layers["cells"])
    pointing.clicked.connect(lambda _pixel: pointing.end())
    drag(canvas)
    assert not labels.data.any()
    drag(canvas)
    assert labels.data.any()


def test_a_drag_with_the_brush_in_hand_moves_the_image_and_paints_nothing(viewer, canvas, clicks) -> None:
    labels = viewer.add_labels(np.zeros((64, 64), int), name="annotations")
    labels.mode = "paint"

    def centre() -> float:
        return viewer.scene.camera.center[-1]

    before = centre()
    drag(canvas, by=60)
    assert not clicks
    assert not labels.data.any()
    hover(canvas, 10)
    let_go = centre()
    assert let_go < before
    hover(canvas, 400)
    assert centre() == let_go  # The image was let go with the button.
    assert str(labels.mode) == "paint"


def turn_to_3d(viewer) -> None:
    viewer.dims.ndisplay = 3


def turn_to_the_side(viewer) -> None:
    viewer.dims.roll()


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        pytest.param(turn_to_3d, "switch the view to 2D", id="3D"),
        pytest.param(turn_to_the_side, "roll the axes back", id="from the side"),
    ],
)
def test_pixels_of_a_stack_are_pointed_at_in_its_planes_alone(viewer, canvas, turn, words) -> None:
    viewer.layers.clear()
    stack = viewer.add_image(np.zeros((7, 64, 64), np.uint8), name="stack")
    labels = viewer.add_labels(np.zeros((7, 64, 64), int), name="annotations")
    labels.brush_size, labels.mode = 20, "paint"
    viewer.reset_view()
    pointing, clicks, pixels, told = Pointing(viewer), [], [], []
    pointing.clicked.connect(clicks.append)
    pointing.hovered.connect(pixels.append)
    pointing.hindrance_changed.connect(lambda: told.append(pointing.hindrance))
    pointing.begin(stack)
    turn(viewer)
    viewer.reset_view()
    hover(canvas, canvas.width() // 2 + 5)
    pointing._on_timeout()
    drag(canvas)
    assert not clicks
    assert not pixels
    assert not labels.data.any()
    assert words in pointing.hindrance
    viewer.dims.ndisplay, viewer.dims.order = 2, (0, 1, 2)
    viewer.reset_view()
    assert told == [told[0], ""]
    drag(canvas)
    assert len(clicks) == 1
    pointing.end()
