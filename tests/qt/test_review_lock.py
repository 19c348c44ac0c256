"""Accepted objects against napari's own brush, fill, polygon and Undo, by mouse and keyboard on the canvas."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from tests.qt.test_review import FIRST, SECOND, Harness, canvas, make_labels, show

from napari_spoco._qt.review.review_status import locked

ACROSS = ((16, 20), (16, 24), (16, 30))
"""From the first object into the second one."""
NEW = 77


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def review(request, viewer, until) -> Iterator[Harness]:
    """Return a review in which the first object is accepted."""
    harness = Harness(viewer, request.param, until)
    harness.start()
    show(viewer, until)
    harness.click((12, 12))
    harness.press("accept")
    assert harness.reviewing.queue.accepted == {FIRST}
    yield harness
    harness.reviewing.end()
    harness.tab.release()


def take(review: Harness, tool: str, label: int = NEW, size: int = 5) -> None:
    review.layer.mode, review.layer.selected_label, review.layer.brush_size = tool, label, size


def press_key(*keys: Qt.Key, shift: bool = False) -> None:
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    for key in keys:
        QTest.keyClick(canvas(), key, both if shift else Qt.KeyboardModifier.ControlModifier)


def changed(review: Harness) -> set[int]:
    """Return what the pixels were that are no longer what they were."""
    before = make_labels(review.layer.ndim)
    return set(np.unique(before[review.layer.data != before]).tolist())


@pytest.mark.parametrize("tool", ["erase", "paint"])
@pytest.mark.parametrize("n_dims", [2, 3])
def test_a_stroke_changes_only_what_is_not_accepted(review, tool, n_dims) -> None:
    review.layer.n_edit_dimensions = min(n_dims, review.layer.ndim)
    take(review, tool)
    review.drag(*ACROSS)
    after = review.layer.data.copy()
    assert changed(review) == {SECOND}
    assert set(np.unique(after[make_labels(after.ndim) == SECOND])) == {SECOND, NEW if tool == "paint" else 0}
    assert review.said == [locked((FIRST,))]  # once for all of the stroke
    press_key(Qt.Key.Key_Z)
    assert not changed(review)
    press_key(Qt.Key.Key_Z, shift=True)
    np.testing.assert_array_equal(review.layer.data, after)
    assert review.reviewing.queue.accepted == {FIRST}
    review.press("next")
    assert review.withdrawn == review.said


@pytest.mark.parametrize("preserves", [False, True])
def test_no_brush_makes_an_accepted_object_larger(review, preserves) -> None:
    review.layer.preserve_labels = preserves
    take(review, "paint")
    review.drag((30, 12), (30, 20))
    stroke = review.layer.data.copy()
    assert changed(review) == {0}
    assert not review.said
    take(review, "paint", FIRST)
    review.drag((20, 16), (28, 16))
    np.testing.assert_array_equal(review.layer.data, stroke)
    assert review.said == [locked((FIRST,))]
    press_key(Qt.Key.Key_Z)  # Nothing is left of the last stroke: it is the one before that is taken back.
    assert not changed(review)
    press_key(Qt.Key.Key_Z, shift=True)
    np.testing.assert_array_equal(review.layer.data, stroke)


def test_preserved_labels_are_painted_around(review) -> None:
    review.layer.preserve_labels = True
    take(review, "paint")
    review.drag(*ACROSS, (16, 36), (16, 42))
    assert changed(review) == {0}
    assert not review.said


def test_no_bucket_fills_an_accepted_object(review) -> None:
    take(review, "fill")
    review.click((20, 20))
    assert not changed(review)
    assert review.said == [locked((FIRST,))]
    review.click((20, 30))
    assert changed(review) == {SECOND}


def test_a_polygon_goes_around_an_accepted_object(review) -> None:
    """napari tells of a polygon before it paints it."""
    take(review, "polygon")
    for corner in ((8, 18), (8, 28), (19, 28), (19, 18)):
        review.drag(corner)
    QTest.mouseDClick(canvas(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, review.on_canvas((19, 18)))
    review.until(lambda: changed(review) == {0, SECOND})
    after = review.layer.data.copy()
    assert review.said == [locked((FIRST,))]
    press_key(Qt.Key.Key_Z)
    assert not changed(review)
    press_key(Qt.Key.Key_Z, shift=True)
    np.testing.assert_array_equal(review.layer.data, after)


def test_an_encircled_region_leaves_out_an_accepted_object(review) -> None:
    take(review, "paint", size=1)
    corners = [(8, 14), (8, 28), (19, 28), (19, 14), (8, 14)]
    way = [tuple(map(int, point)) for a, b in pairwise(corners) for point in np.linspace(a, b, 5)]
    review.drag(way[0], button=Qt.MouseButton.RightButton)
    for pixel in way:
        QTest.qWait(20)
        QTest.mouseMove(canvas(), review.on_canvas(pixel))
    review.until(lambda: review.said)
    assert changed(review) == {0, SECOND}
    press_key(Qt.Key.Key_Z)
    assert not changed(review)


@pytest.mark.parametrize("review", [3], indirect=True)
def test_in_a_view_in_3d_as_well(review, viewer) -> None:
    viewer.dims.ndisplay = 3
    take(review, "erase")
    review.drag(*ACROSS)
    assert changed(review) == {SECOND}
    assert review.said == [locked((FIRST,))]


def test_what_is_unlocked_can_be_painted(review) -> None:
    review.click((12, 12))
    review.press("accept")
    take(review, "erase")
    review.drag((16, 19), (20, 19))
    assert changed(review) == {FIRST}
    assert not review.said


def test_napari_takes_back_no_stroke_that_was_made_before_the_accept(review) -> None:
    review.layer.mode = "pan_zoom"
    review.click((12, 30))
    take(review, "erase")
    review.drag((16, 30), (20, 30))
    stroke = review.layer.data.copy()
    assert changed(review) == {SECOND}
    review.press("accept")
    assert (str(review.layer.mode), review.layer.editable) == ("erase", True)
    press_key(Qt.Key.Key_Z)
    np.testing.assert_array_equal(review.layer.data, stroke)


@pytest.mark.parametrize("review", [2], indirect=True)
def test_pixels_that_are_set_by_others_are_kept_as_well(review) -> None:
    before = review.layer.data.copy()
    where = np.nonzero(np.isin(before, (FIRST, SECOND)))
    review.layer.data_setitem(where, np.arange(len(where[0])) + 100)
    review.until(lambda: (review.layer.data[before == FIRST] == FIRST).all())
    assert (review.layer.data[before == SECOND] >= 100).all()
    after = review.layer.data.copy()
    press_key(Qt.Key.Key_Z)
    np.testing.assert_array_equal(review.layer.data, before)
    press_key(Qt.Key.Key_Z, shift=True)
    np.testing.assert_array_equal(review.layer.data, after)


@pytest.mark.parametrize("review", [2], indirect=True)
def test_the_lock_goes_with_the_review(review) -> None:
    review.tab.start_button.click()
    take(review, "erase")
    review.drag((16, 19), (20, 19))
    assert changed(review) == {FIRST}
    assert not review.said
