"""Corrections: what they do, and what they never do to the other objects, on small arrays and on any."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_spoco.data.label_change import LabelChange
from napari_spoco.review.editing import bounding_box, delete, fill_holes, grow, merge, smooth
from napari_spoco.review.locks import LockedError
from napari_spoco.review.splitting import split

STROKES = (np.array([[1, 0]]), np.array([[1, 5]]))
OPERATIONS: dict[str, Callable[..., LabelChange]] = {
    "merge": lambda labels, **options: merge(labels, [1, 2], **options),
    "delete": lambda labels, **options: delete(labels, [1], **options),
    "fill": lambda labels, **options: fill_holes(labels, [1], **options),
    "smooth": lambda labels, **options: smooth(labels, [1], **options),
    "grow": lambda labels, **options: grow(labels, [1], **options),
    "split": lambda labels, **options: split(labels, 1, *STROKES, **options),
}


def after(labels: np.ndarray, change: LabelChange) -> np.ndarray:
    labels = labels.copy()
    change.apply(labels)
    return labels


@pytest.fixture
def labels() -> np.ndarray:
    """Two objects that touch, and a third one."""
    array = np.zeros((8, 12), np.uint32)
    array[0:4, 0:6], array[0:4, 6:12], array[6:8] = 1, 2, 9
    return array


def test_merged_objects_have_the_first_id(labels: np.ndarray) -> None:
    change = merge(labels, [9, 1])
    np.testing.assert_array_equal(after(labels, change), np.where(labels == 1, 9, labels))
    assert change.ids == (1, 9)


def test_deleted_objects_leave_nothing(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(after(labels, delete(labels, [1, 9])), np.where(labels == 2, 2, 0))


def test_many_objects_are_found_as_few_are() -> None:
    labels = np.arange(24, dtype=np.uint32).reshape(4, 6)
    assert not (after(labels, delete(labels, range(1, 20))) - np.where(labels < 20, 0, labels)).any()


def test_holes_are_filled_but_not_what_lies_in_them() -> None:
    labels = np.zeros((9, 9), np.int32)
    labels[1:8, 1:8] = 3
    labels[3:6, 3:6], labels[4, 4] = 0, 7
    found = after(labels, fill_holes(labels, [3]))
    assert (found[1:8, 1:8] == 3).sum() == 48
    assert found[4, 4] == 7
    assert not found[0].any()


def test_a_tunnel_is_a_hole_of_its_planes_only() -> None:
    labels = np.zeros((3, 7, 7), np.uint32)
    labels[:, 1:6, 1:6], labels[:, 3, 3] = 1, 0
    assert not fill_holes(labels, [1])
    assert fill_holes(labels, [1], by_plane=True).planes == (0, 1, 2)


def test_an_object_open_at_the_border_of_the_image_has_no_hole() -> None:
    labels = np.ones((5, 5), np.uint32)
    labels[:3, 2] = 0
    assert not fill_holes(labels, [1])


def test_smoothing_takes_spurs_and_fills_notches() -> None:
    labels = np.zeros((20, 20), np.uint32)
    labels[5:15, 5:15] = 1
    labels[10, 15:19], labels[5:8, 10] = 1, 0
    found = after(labels, smooth(labels, [1], radius=1.5))
    assert not found[10, 17:].any()
    assert found[6:8, 10].all()
    assert found[6:14, 6:14].all()


def test_what_one_object_loses_no_other_one_gets() -> None:
    labels = np.ones((20, 20), np.uint32)
    labels[:, 10:] = 2
    labels[9:11, 10:14] = 1  # a spur into the other one
    found = after(labels, smooth(labels, [1, 2], radius=2))
    assert not found[9:11, 12:14].any()
    assert ((found == labels) | (found == 0)).all()


def test_smoothing_an_object_at_the_border_keeps_it_there() -> None:
    labels = np.zeros((10, 10), np.uint32)
    labels[:5] = 1
    assert not smooth(labels, [1], radius=2)


def test_coarse_axes_are_smoothed_over_fewer_pixels() -> None:
    labels = np.zeros((9, 15, 15), np.uint32)
    labels[4, 3:12, 3:12] = 1  # one plane, thick in units
    assert after(labels, smooth(labels, [1], radius=1, scale=(5, 1, 1)))[4, 7, 7] == 1
    with pytest.raises(ValueError, match="radius: object 1 is too thin to be smoothed over 1 pixels"):
        smooth(labels, [1], radius=1)


def test_objects_grow_by_a_distance_and_meet_half_way() -> None:
    labels = np.zeros((11, 21), np.uint32)
    labels[5, 5], labels[5, 14] = 4, 6
    y, x = np.indices(labels.shape)
    alone = after(labels, grow(labels, [4], distance=3))
    np.testing.assert_array_equal(alone == 4, (y - 5) ** 2 + (x - 5) ** 2 <= 9)
    both = after(labels, grow(labels, [4, 6], distance=5))
    assert (both[5] == [4] * 10 + [6] * 10 + [0]).all()


def test_growth_does_not_jump_over_another_object() -> None:
    labels = np.zeros((5, 9), np.uint32)
    labels[:, 2], labels[:, 3] = 1, 2
    found = after(labels, grow(labels, [1], distance=4))
    assert (found[:, :3] == 1).all()
    assert not found[:, 4:].any()


def test_growth_over_coarse_axes_is_in_units() -> None:
    labels = np.zeros((5, 9, 9), np.uint32)
    labels[2, 4, 4] = 1
    change = grow(labels, [1], distance=3, scale=(2.0, 0.5, 0.5))
    assert change.planes == (2,)
    assert grow(labels, [1], distance=4, scale=(2.0, 0.5, 0.5)).planes == (1, 2, 3)


@pytest.mark.parametrize("name", OPERATIONS)
def test_locked_objects_are_refused(labels: np.ndarray, name: str) -> None:
    with pytest.raises(LockedError, match="ids: object 1 is accepted and cannot be changed") as caught:
        OPERATIONS[name](labels, locked={1, 9})
    assert caught.value.ids == (1,)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint32, np.uint64])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_others_keep_their_pixels_and_undo_is_exact(name: str, ndim: int, dtype: type, data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=ndim, max_dims=ndim, min_side=1, max_side=7))
    labels = data.draw(hnp.arrays(dtype, shape, elements=st.integers(0, 3)))
    before = labels.copy()
    strokes = (data.draw(st.lists(st.tuples(*(st.integers(-1, n) for n in shape)), min_size=1)) for _ in range(2))
    options = {"locked": {3}, "scale": data.draw(st.sampled_from([None, (2.0, 1.0, 0.5)[:ndim]]))}
    try:
        if name == "split":
            change = split(labels, 1, *(np.array(stroke) for stroke in strokes), **options)
        else:
            keywords = options if name in ("smooth", "grow") else {"locked": {3}}
            change = OPERATIONS[name](labels, **keywords)
    except ValueError:
        return
    np.testing.assert_array_equal(labels, before)
    own = (1, 2) if name == "merge" else (1,)
    assert np.isin(change.before, (0, *own)).all()
    change.apply(labels)
    assert (labels[before == 3] == 3).all()  # a new object may be called 3 where there was none
    change.revert(labels)
    np.testing.assert_array_equal(labels, before)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda labels: delete(labels, [5, 1, 4]), "ids: there is no object 4, 5"),
        (lambda labels: delete(labels, [5]), "ids: there is no object 5"),
        (lambda labels: delete(labels, []), r"ids: expected objects, ids from 1, got \(\)"),
        (lambda labels: delete(labels, [0]), r"ids: expected objects, ids from 1, got \(0,\)"),
        (lambda labels: merge(labels, [1, 1]), "ids: expected at least two objects"),
        (lambda labels: grow(labels, [1], distance=0), "distance: expected a number greater than 0"),
        (lambda labels: smooth(labels, [1], radius=-1), "radius: expected a number greater than 0"),
        (lambda labels: grow(labels, [1], scale=(1,)), "scale: expected 2 numbers"),
        (lambda labels: grow(labels, [1], scale=(1, 0)), "scale: expected a number greater than 0"),
        (lambda labels: delete(labels[0], [1]), r"labels: expected 2 or 3 axes, got shape \(12,\)"),
    ],
)
def test_mistakes(labels: np.ndarray, edit: Callable[[np.ndarray], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        edit(labels)


def test_labels_are_integers(labels: np.ndarray) -> None:
    with pytest.raises(TypeError, match="labels: expected integers, got dtype float64"):
        delete(labels * 1.0, [1])


@given(mask=hnp.arrays(bool, hnp.array_shapes(min_dims=1, max_dims=3, max_side=5)))
def test_the_bounding_box_is_tight(mask: np.ndarray) -> None:
    box = bounding_box(mask)
    if not mask.any():
        assert box == ()
        return
    assert mask[box].sum() == mask.sum()
    for axis in range(mask.ndim):
        ends = np.moveaxis(mask[box], axis, 0)[[0, -1]]
        assert ends.reshape(2, -1).any(axis=1).all()
