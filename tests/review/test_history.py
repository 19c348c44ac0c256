"""Undo and redo, across planes and beside other changes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.review.editing import LockedError, delete, grow, merge
from napari_spoco.review.history import EditHistory


@pytest.fixture
def labels() -> np.ndarray:
    array = np.zeros((4, 6, 6), np.uint32)
    array[0, :3], array[1, :3], array[3, 4:] = 1, 2, 3
    return array


def test_undo_and_redo_across_planes(labels: np.ndarray) -> None:
    history = EditHistory()
    states = [labels.copy()]
    for edit in (lambda: merge(labels, [1, 2]), lambda: delete(labels, [3]), lambda: grow(labels, [1])):
        history.make(labels, edit())
        states.append(labels.copy())
    for state in reversed(states[:-1]):
        assert history.can_undo
        history.undo(labels)
        np.testing.assert_array_equal(labels, state)
    assert history.undo(labels) is None
    for state in states[1:]:
        assert history.can_redo
        history.redo(labels)
        np.testing.assert_array_equal(labels, state)
    assert history.redo(labels) is None


def test_a_new_change_ends_what_could_be_made_again(labels: np.ndarray) -> None:
    history = EditHistory()
    history.make(labels, delete(labels, [1]))
    history.undo(labels)
    history.make(labels, delete(labels, [3]))
    assert not history.can_redo


def test_painting_in_between_is_not_overwritten(labels: np.ndarray) -> None:
    history = EditHistory()
    history.make(labels, delete(labels, [3]))
    labels[3, 4, 0] = 8
    with pytest.raises(ValueError, match="but 1 of its pixels differ"):
        history.undo(labels)
    assert history.can_undo
    assert labels[3, 4, 0] == 8
    labels[3, 4, 0] = 0
    assert history.undo(labels).ids == (3,)


def test_the_oldest_changes_are_forgotten(labels: np.ndarray) -> None:
    history = EditHistory(max_pixels=30)
    for instance_id in (1, 2, 3):
        history.make(labels, delete(labels, [instance_id]))
    assert history.undo(labels).ids == (3,)
    assert history.undo(labels).ids == (2,)
    assert not history.can_undo


def test_objects_that_were_locked_meanwhile_stay(labels: np.ndarray) -> None:
    history = EditHistory()
    history.make(labels, merge(labels, [1, 2]))
    merged = labels.copy()
    with pytest.raises(LockedError, match="object 1 is accepted"):
        history.undo(labels, locked={1})
    np.testing.assert_array_equal(labels, merged)
    history.undo(labels, locked={3})
    with pytest.raises(LockedError, match="object 2 is accepted"):
        history.redo(labels, locked={2})
    assert history.can_redo
