"""A part of the labels that is annotated by itself and goes back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.work_box import WorkBox

BOX = (slice(2, 5), slice(10, 14))


def whole() -> np.ndarray:
    labels = np.zeros((8, 20), np.int32)
    labels[3, 8:12] = 4
    labels[7, :] = 9
    labels[0, :] = 100
    return labels


def written_back(labels: np.ndarray, box: WorkBox, edited: np.ndarray, **options) -> np.ndarray:
    indices, before, after = box.changes(labels, edited, **options)
    assert (labels[indices] == before).all()
    result = labels.copy()
    result[indices] = after
    return result


def test_only_what_changed_goes_back() -> None:
    labels = whole()
    box = WorkBox.of(labels, BOX, reserved=(100,))
    assert (box.start, box.greatest_id) == ((2, 10), 9)
    edited = box.labels.copy()
    edited[0, 0], edited[1, 0] = 10, 0
    expected = labels.copy()
    expected[2, 10], expected[3, 10] = 10, 0
    np.testing.assert_array_equal(written_back(labels, box, edited), expected)


def test_a_new_object_is_never_one_with_one_outside() -> None:
    labels = whole()
    box = WorkBox.of(labels, BOX)
    edited = box.labels.copy()
    edited[0, :2], edited[2, :2], edited[2, 3] = 9, 4, 100
    result = written_back(labels, box, edited, reserved=(100,))
    assert result[2, 10:12].tolist() == [101, 101]  # 9 is outside
    assert result[4, 10:12].tolist() == [4, 4]  # 4 goes on inside
    assert result[4, 13] == 100  # background is background


def test_nothing_changed() -> None:
    box = WorkBox.of(whole(), BOX)
    indices, _, after = box.changes(whole(), box.labels.copy())
    assert len(indices[0]) == len(after) == 0


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="box: expected its shape"):
        WorkBox.of(whole(), BOX).changes(whole(), np.zeros((2, 2), np.int32))


def write(labels: np.ndarray, box: WorkBox, edited: np.ndarray, n_pixels: int | None = None) -> WorkBox:
    """Write changes back, or the first pixels of them, and return what is known of the box then."""
    indices, _, after = box.changes(labels, edited)
    labels[tuple(axis[:n_pixels] for axis in indices)] = after[:n_pixels]
    return box.with_written(indices, after)


@pytest.mark.parametrize("n_pixels", [0, 2, None], ids=["undone", "not to the end", "all"])
def test_a_box_is_written_back_again(n_pixels) -> None:
    """Objects that are new in it, one with an id that is in use outside, keep the ids that they have got."""
    labels = whole()
    box = WorkBox.of(labels, BOX)
    edited = box.labels.copy()
    edited[0, :2], edited[2, :2] = 9, 200
    box = write(labels, box, edited, n_pixels)
    edited[0, 0], edited[0, 3], edited[2, 0], edited[2, 3] = 0, 9, 4, 200
    expected = whole()
    expected[BOX] = np.where(edited == 9, 201, edited)
    np.testing.assert_array_equal(written_back(labels, box, edited), expected)


def test_what_the_user_has_painted_over_is_no_part_of_what_was_written() -> None:
    labels = whole()
    box = WorkBox.of(labels, BOX)
    edited = box.labels.copy()
    edited[0, :4] = 200
    box = write(labels, box, edited)
    labels[2, 10] = 4
    indices, before, after = box.changes(labels, edited)
    changed = [
        (before[i], after[i]) for i in range(len(after)) if labels[tuple(axis[i] for axis in indices)] != before[i]
    ]
    assert changed == [(0, 200)]
