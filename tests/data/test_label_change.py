"""A change is made and taken back exactly, and refuses an array that is not the one it was made for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_spoco.data.label_change import LabelChange, next_free_id

WHOLE = (slice(None),) * 2


@given(data=st.data(), dtype=st.sampled_from([np.uint8, np.int32, np.uint32, np.uint64]))
def test_apply_and_revert_are_exact(data: st.DataObject, dtype: type) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=3, max_side=5))
    old, new = (data.draw(hnp.arrays(dtype, shape, elements=st.integers(0, 3))) for _ in range(2))
    labels = old.copy()
    change = LabelChange.between(labels, new, (slice(None),) * len(shape))
    assert bool(change) == (old != new).any()
    assert (np.diff(change.pixels) > 0).all()
    assert (change.before != change.after).all()
    change.apply(labels)
    np.testing.assert_array_equal(labels, new)
    change.revert(labels)
    np.testing.assert_array_equal(labels, old)
    assert labels.dtype == dtype


def test_a_box_is_placed_where_it_is(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 9, (4, 6, 5)).astype(np.uint32)
    box = (slice(1, 3), slice(2, 6), slice(0, 4))
    edited = labels[box].copy()
    edited[0, 1, 2], edited[1, 3, 0] = 70, 71
    change = LabelChange.between(labels, edited, box)
    assert [tuple(place) for place in np.transpose(change.indices)] == [(1, 3, 2), (2, 5, 0)]
    assert change.planes == (1, 2)
    assert change.new_ids == (70, 71)
    assert set(change.ids) == {70, 71, int(labels[1, 3, 2]), int(labels[2, 5, 0])} - {0}


def test_arrays_of_any_memory_layout_are_changed_in_place() -> None:
    labels = np.zeros((6, 8), np.uint32)
    view = labels[::2, ::-1].T
    LabelChange(np.array([1]), np.zeros(1, np.uint32), np.array([5], np.uint32), view.shape).apply(view)
    assert labels[2, 7] == 5


def test_a_change_is_not_made_to_what_has_changed_meanwhile() -> None:
    labels = np.zeros((3, 3), np.uint32)
    change = LabelChange.between(labels, np.eye(3, dtype=np.uint32), WHOLE)
    labels[1, 1] = 9
    with pytest.raises(ValueError, match="labels: expected what the change was made for, but 1 of its pixels differ"):
        change.apply(labels)
    assert labels.sum() == 9
    with pytest.raises(ValueError, match=r"labels: expected shape \(3, 3\), got \(2, 3\)"):
        change.apply(labels[:2])


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0], np.uint32, 1),
        ([-2, -1], np.int32, 1),
        ([7, 3], np.uint32, 8),
        ([255, 1, 3], np.uint8, 2),
        ([255, 2], np.uint8, 1),
        ([2**32 - 1], np.uint32, 1),
        ([2**64 - 1, 1], np.uint64, 2),
        ([2**31 - 1, -1, 1, 2], np.int32, 3),
    ],
)
def test_a_free_id_stays_below_the_limit_of_the_type(values: list[int], dtype: type, expected: int) -> None:
    assert next_free_id(np.array([values], dtype)) == expected


def test_a_type_without_a_free_id_is_told() -> None:
    with pytest.raises(ValueError, match="labels: expected an unused id of type uint8, got all up to 255 in use"):
        next_free_id(np.arange(256, dtype=np.uint8).reshape(16, 16))


def test_whether_it_can_be_made_or_taken_back_is_asked_for_without_changing_anything() -> None:
    labels = np.zeros((3, 3), np.uint32)
    change = LabelChange.between(labels, np.eye(3, dtype=np.uint32), WHOLE)
    assert (change.can_apply(labels), change.can_revert(labels)) == (True, False)
    assert not labels.any()
    change.apply(labels)
    assert (change.can_apply(labels), change.can_revert(labels)) == (False, True)
    assert not change.can_revert(labels[:2])


def test_no_id_is_cut_to_a_smaller_type() -> None:
    labels = np.zeros((3, 3), np.uint32)
    change = LabelChange.between(labels, 70_000 * np.eye(3, dtype=np.uint32), WHOLE)
    small = labels.astype(np.uint16)
    assert not change.can_apply(small)
    with pytest.raises(ValueError, match="labels: expected a type that holds ids up to 70000, got uint16"):
        change.apply(small)
    assert not small.any()


def test_only_the_same_change_has_the_same_digest() -> None:
    labels, eye = np.zeros((3, 3), np.uint32), np.eye(3, dtype=np.uint32)
    change = LabelChange.between(labels, eye, WHOLE)
    assert change.digest == LabelChange.between(labels.copy(), eye.copy(), WHOLE).digest
    others = [
        LabelChange.between(labels, 2 * eye, WHOLE),
        LabelChange.between(labels, eye[::-1], WHOLE),
        LabelChange.between(eye, labels, WHOLE),
        LabelChange.between(labels.astype(np.int32), eye.astype(np.int32), WHOLE),
        LabelChange(change.pixels, change.before, change.after, (1, 9)),
    ]
    assert len({change.digest, *(other.digest for other in others)}) == 6
