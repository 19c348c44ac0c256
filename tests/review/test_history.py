"""Undo and redo, across planes and beside other changes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.label_change import LabelChange
from napari_spoco.review import history as history_module
from napari_spoco.review.editing import delete, grow, merge
from napari_spoco.review.history import EditHistory, Step, Steps
from napari_spoco.review.locks import LockedError


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


def test_no_more_than_so_many_steps_are_kept(labels: np.ndarray) -> None:
    history = EditHistory(max_steps=2)
    for instance_id in (1, 2, 3):
        history.make(labels, delete(labels, [instance_id]))
    assert [step.ids for step in history.steps.done] == [(2,), (3,)]


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


def test_a_step_knows_what_it_rejected(labels: np.ndarray) -> None:
    history = EditHistory()
    history.make(labels, delete(labels, [2]), rejected_before={8}, rejected_after=[2])
    history.make(labels, merge(labels, [1, 3]), rejected_before={2})
    assert [(step.rejected_before, step.rejected_after) for step in history.steps.every] == [((), (2,)), ((), ())]
    history.undo(labels)
    assert history.undo(labels).rejected_before == ()
    assert history.redo(labels).rejected_after == (2,)


def test_steps_are_as_they_were_when_they_were_asked_for(labels: np.ndarray) -> None:
    history = EditHistory()
    history.make(labels, delete(labels, [1]))
    before = history.steps
    history.undo(labels)
    assert (len(before.done), len(before.undone)) == (1, 0)
    assert (len(history.steps.done), len(history.steps.undone)) == (0, 1)


# Steps that are kept beside labels, which may be from another moment.


@pytest.fixture
def course(labels: np.ndarray) -> tuple[Steps, list[np.ndarray]]:
    """Return six steps that build on each other, of which four are made, and the labels before and after each."""
    history, states = EditHistory(), [labels.copy()]
    edits = [
        lambda: merge(labels, [1, 2]),
        lambda: grow(labels, [1]),
        lambda: delete(labels, [1]),
        lambda: grow(labels, [3]),
        lambda: delete(labels, [3]),
    ]
    for edit in edits:
        history.make(labels, edit())
        states.append(labels.copy())
    history.make(labels, LabelChange.between(labels, states[0], (slice(None),) * 3))
    states.append(labels.copy())
    history.undo(labels)
    history.undo(labels)
    return history.steps, states


@pytest.mark.parametrize("moment", range(7))
def test_steps_find_where_labels_stand(course: tuple[Steps, list[np.ndarray]], moment: int) -> None:
    steps, states = course
    labels = states[moment].copy()
    fitting = steps.fitting(labels)
    np.testing.assert_array_equal(labels, states[moment])
    assert len(fitting.every) == 6
    history = EditHistory(fitting)
    while history.can_redo:
        history.redo(labels)
    np.testing.assert_array_equal(labels, states[-1])
    for state in reversed(states[:-1]):
        history.undo(labels)
        np.testing.assert_array_equal(labels, state)
    assert not history.can_undo


def test_steps_before_one_that_does_not_fit_are_forgotten(course: tuple[Steps, list[np.ndarray]]) -> None:
    steps, states = course
    labels = states[4].copy()
    labels[0, 0, 0] = 8  # Where the first three steps were.
    labels[3, 0, 0] = 9  # Where the last one was not, but the sixth would be.
    fitting = steps.fitting(labels)
    assert fitting.every == steps.every[3:5]
    assert fitting.n_done == 1
    labels[tuple(place[0] for place in steps.every[3].change.indices)] = 7
    assert steps.fitting(labels).every == ()


def test_steps_of_other_labels_are_forgotten(course: tuple[Steps, list[np.ndarray]]) -> None:
    steps, states = course
    for other in (states[4] + 7, states[4][:3]):
        assert steps.fitting(other).every == ()
    assert Steps().fitting(states[0]).every == ()


def test_decisions_do_not_tell_where_labels_stand(labels: np.ndarray) -> None:
    history = EditHistory()
    history.decide(labels, (), (1,))
    history.decide(labels, (1,), (1, 2))
    for old in (2, 3):
        history.make(labels, delete(labels, [old]))
    labels[1, :3] = 9  # Painted over where 2 had been.
    kept = history.steps.fitting(labels)
    assert (kept.n_done, len(kept.every)) == (1, 1)
    assert kept.every[0].ids == (3,)


def fitting_at_every_place(steps: Steps, labels: np.ndarray) -> Steps:
    """Try every place that the steps on both sides of it allow, on copies of all labels."""

    def count(changes: list[LabelChange], name: str) -> int:
        copy = labels.copy()
        for n_made, change in enumerate(changes):
            try:
                getattr(change, name)(copy)
            except ValueError:
                return n_made
        return len(changes)

    changes = [step.change for step in steps.every]
    found = []
    for place in sorted(range(len(changes) + 1), key=lambda place: abs(place - steps.n_done)):
        is_made = place == 0 or changes[place - 1].can_revert(labels)
        is_open = place == len(changes) or changes[place].can_apply(labels)
        if place == steps.n_done or (is_made and is_open):
            n_back, n_ahead = count(changes[:place][::-1], "revert"), count(changes[place:], "apply")
            found.append(Steps(steps.every[place - n_back : place + n_ahead], n_back))
    return max(found, key=lambda steps: (steps.n_changes, bool(steps.every)))


def walk(rng: np.random.Generator, n_steps: int) -> tuple[Steps, list[np.ndarray]]:
    """Return decisions and changes of a few pixels, many of the same ones, and the labels after each of them."""
    history, labels = EditHistory(), rng.integers(0, 3, (3, 4, 5), dtype=np.uint32)
    states = [labels.copy()]
    for _ in range(n_steps):
        edited = labels.copy()
        edited[tuple(rng.integers(0, labels.shape, (4, 3)).T)] = rng.integers(0, 3)
        if rng.random() < 0.5:
            history.decide(labels, (), (int(rng.integers(1, 9)),))
        elif change := LabelChange.between(labels, edited, (slice(None),) * 3):
            history.make(labels, change)
        states += [labels.copy()] * (len(history.steps.every) + 1 - len(states))
    return history.steps, states


@pytest.mark.parametrize("seed", range(60))
def test_steps_fit_as_if_every_place_were_tried(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, states = walk(rng, 12)
    steps = Steps(made.every, int(rng.integers(len(made.every) + 1)))
    labels = states[rng.integers(len(states))].copy()
    for _ in range(seed % 4):  # Painted over meanwhile.
        labels[tuple(rng.integers(0, labels.shape))] = rng.integers(0, 3)
    before = labels.copy()
    fitting, expected = steps.fitting(labels), fitting_at_every_place(steps, labels)
    assert (fitting.every, fitting.n_done) == (expected.every, expected.n_done)
    np.testing.assert_array_equal(labels, before)


def test_decisions_are_no_places_and_only_what_changes_touch_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    count_fitting = history_module._count_fitting

    def count(labels: np.ndarray, changes) -> int:
        tried.append(labels.size)
        return count_fitting(labels, changes)

    monkeypatch.setattr(history_module, "_count_fitting", count)
    labels = np.zeros((5, 50, 50), np.uint32)
    pixels = np.arange(7)
    painted_over = LabelChange(pixels, np.full(7, 1, np.uint32), np.full(7, 2, np.uint32), labels.shape)
    decisions = [Step(LabelChange.none(labels), accepted_after=(one,)) for one in range(1, 101)]
    fitting = Steps((Step(painted_over), *decisions), 101).fitting(labels)
    assert (fitting.every, fitting.n_done) == (tuple(decisions), 100)
    assert tried == [7, 7]
