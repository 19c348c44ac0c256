"""What settings are chosen by: agreement with what was painted."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.agreement import agreement, best_class_settings, last_as_good, steadied


def image(n_objects=12):
    """Return true labels (120, 160) of squares in rows, and annotations: three of them, and strokes between rows."""
    truth = np.zeros((120, 160), dtype=np.int32)
    for i in range(n_objects):
        y, x = divmod(i, 4)
        truth[10 + 40 * y : 30 + 40 * y, 10 + 40 * x : 30 + 40 * x] = i + 1
    annotations = np.where(np.isin(truth, (1, 6, 11)), truth, 0)
    annotations[34:37] = annotations[74:77] = BACKGROUND
    return truth, annotations


def test_the_truth_agrees_and_what_is_worse_agrees_less():
    truth, annotations = image()
    assert agreement([truth], [annotations]) == pytest.approx(1.0, abs=1e-9)
    halves = np.where((truth > 0) & (np.indices(truth.shape)[0] % 40 < 20), truth, 0)
    assert agreement([halves], [annotations]) == pytest.approx(0.8)  # Dice 2 / 3, and nothing but objects
    flooded = np.where(truth > 0, truth, 100)
    assert agreement([flooded], [annotations]) < 0.5
    assert agreement([np.zeros_like(truth)], [annotations]) == 0.0


def test_without_strokes_it_is_the_dice_of_the_objects():
    truth, annotations = image()
    painted = np.maximum(annotations, 0)
    assert agreement([np.where(truth > 0, truth, 100)], [painted]) == pytest.approx(1.0)
    assert agreement([truth], [np.zeros_like(painted)]) == 0.0
    missed = np.where(truth == 1, 0, truth)
    assert agreement([missed, truth], [painted, painted]) == pytest.approx(5 / 6)


def test_what_it_says_of_the_foreground_is_near_the_truth(rng):
    """Every tenth background pixel is taken for an object; strokes and objects are typical."""
    truth, annotations = image()
    speckled = np.where((truth == 0) & (rng.random(truth.shape) < 0.1), 99, truth)
    precision = (truth > 0).sum() / (speckled > 0).sum()
    assert agreement([speckled], [annotations]) == pytest.approx(2 * precision / (1 + precision), abs=0.02)


def test_what_nobody_painted_does_not_count():
    truth, annotations = image()
    known = np.where(np.isin(truth, (1, 6, 11)), truth, 0)
    assert agreement([known], [annotations]) == agreement([truth], [annotations]) == pytest.approx(1.0)


def test_objects_in_the_strokes_count_for_all_that_nobody_looked_at():
    """Half of the strokes became objects, so half of all that is no object did."""
    truth, annotations = image()
    found = truth.copy()
    found[34:37, :80] = found[74:77, :80] = 99
    share = (found > 0).mean()
    precision = (share - 0.5) / 0.5 / share if share > 0.5 else 0.0
    assert agreement([found], [annotations]) == pytest.approx(2 * precision / (1 + precision) if precision else 0.0)
    found[38:70] = np.where(found[38:70] == 0, 99, found[38:70])
    found[78:] = np.where(found[78:] == 0, 99, found[78:])
    share = (found > 0).mean()
    assert share > 0.5
    precision = (share - 0.5) / 0.5 / share
    assert agreement([found], [annotations]) == pytest.approx(2 * precision / (1 + precision), rel=1e-6)


def classes(inside):
    return np.stack([1 - inside, inside, np.zeros_like(inside)]).astype(np.float32)


@pytest.mark.parametrize("level", [0.55, 0.65, 0.85])
def test_the_threshold_lies_between_objects_and_what_is_taken_for_them(level):
    """Between the rows something is inside of objects with a probability of `level`, the objects with .995."""
    truth, annotations = image()
    taken = np.zeros(truth.shape, dtype=bool)
    taken[31:39, 10:150] = taken[71:79, 10:150] = True
    probabilities = classes(np.where(truth > 0, 0.995, np.where(taken, level, 0.01)))
    chosen = best_class_settings([probabilities] * 2, [annotations, annotations], object_size=400)
    assert level < chosen.threshold < 0.995
    assert chosen.agreement == pytest.approx(1.0, abs=0.01)


def test_of_thresholds_that_are_as_good_the_highest_is_chosen():
    """What is taken for objects where nothing was painted is not told by what was painted."""
    truth, annotations = image()
    annotations[annotations == BACKGROUND] = 0
    blobs = np.zeros(truth.shape, dtype=bool)
    blobs[31:39, 50:58] = blobs[71:79, 90:98] = True
    probabilities = classes(np.where(truth > 0, 0.995, np.where(blobs, 0.75, 0.01)))
    assert best_class_settings([probabilities], [annotations]).threshold == 0.99


def test_a_threshold_beside_one_that_loses_painted_objects_is_not_chosen():
    """One object is lost above .9: .9 agrees as well as lower ones, but what is like it would be lost next."""
    truth, annotations = image()
    probabilities = classes(np.where(truth == 1, 0.93, np.where(truth > 0, 0.995, 0.01)))
    assert best_class_settings([probabilities], [annotations]).threshold == 0.8


def test_small_finds_are_no_objects_unless_such_an_object_was_painted():
    """Squares of 400 pixels; one of 100 is small, more than an eighth of them and less than a third."""
    truth, annotations = image()
    truth[12:22, 35:45] = 13
    probabilities = classes(np.where(truth > 0, 0.995, 0.01))
    assert best_class_settings([probabilities], [annotations], object_size=400).smallest_share == pytest.approx(1 / 3)
    annotations[truth == 13] = 13
    assert best_class_settings([probabilities], [annotations], object_size=400).smallest_share == pytest.approx(1 / 8)


def test_neighbours_count_half():
    assert steadied([1.0, 0.0, 0.0, 0.8]) == pytest.approx([0.75, 0.25, 0.2, 0.6])


def test_the_last_that_is_as_good():
    assert last_as_good([0.5, 0.9, 0.895, 0.7], 0.01) == 2
    assert last_as_good([0.5, 0.9, 0.895, 0.7], 0.0) == 1
