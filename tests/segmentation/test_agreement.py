"""What settings are chosen by: agreement with what was painted."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.agreement import agreement, best_class_threshold


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


@pytest.mark.parametrize("level", [0.55, 0.65, 0.85])
def test_the_threshold_lies_between_objects_and_what_is_taken_for_them(level):
    """Between the rows something is inside of objects with a probability of `level`, the objects with .95."""
    truth, annotations = image()
    taken = np.zeros(truth.shape, dtype=bool)
    taken[31:39, 10:150] = taken[71:79, 10:150] = True
    inside = np.where(truth > 0, 0.95, np.where(taken, level, 0.01)).astype(np.float32)
    probabilities = np.stack([1 - inside, inside, np.zeros_like(inside)])
    chosen = best_class_threshold([probabilities] * 2, [annotations, annotations], min_size=50)
    assert level < chosen < 0.95


def test_of_thresholds_that_are_as_good_the_highest_is_chosen():
    """What is taken for objects where nothing was painted is not told by what was painted."""
    truth, annotations = image()
    annotations[annotations == BACKGROUND] = 0
    blobs = np.zeros(truth.shape, dtype=bool)
    blobs[31:39, 50:58] = blobs[71:79, 90:98] = True
    inside = np.where(truth > 0, 0.95, np.where(blobs, 0.75, 0.01)).astype(np.float32)
    probabilities = np.stack([1 - inside, inside, np.zeros_like(inside)])
    assert best_class_threshold([probabilities], [annotations], min_size=50) == 0.9
