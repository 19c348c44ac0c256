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
