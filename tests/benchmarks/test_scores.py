"""Annotated objects are scored apart from those that nobody annotated."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.annotation_budget.scores import agreement, score_images, score_objects, split_ids

from napari_spoco.data.annotations import BACKGROUND, SparseAnnotations

TRUTH = np.zeros((12, 40), dtype=np.int32)
for _id, _start in enumerate((2, 12, 22, 32), start=1):
    TRUTH[2:10, _start : _start + 6] = _id


def annotated(*ids: int, strokes: bool = False) -> SparseAnnotations:
    labels = np.where(np.isin(TRUTH, ids), TRUTH, 0)
    if strokes:
        labels[0, :10] = BACKGROUND
    return SparseAnnotations(labels)


def test_ids_are_split() -> None:
    first, second = split_ids([TRUTH, TRUTH], [annotated(1, 3), annotated()])
    assert first == [[1, 3], []]
    assert second == [[2, 4], [1, 2, 3, 4]]


def test_only_the_wanted_objects_count() -> None:
    found = np.where(np.isin(TRUTH, (1, 2)), TRUTH, 0)  # 3 and 4 are missed
    good = score_objects([found], [TRUTH], [[1, 2]])
    half = score_objects([found], [TRUTH], [[2, 3]])
    assert good == {"n_objects": 2, "dice": 1.0, "recall": 1.0, "arand_error": 0.0}
    assert half is not None
    assert (half["dice"], half["recall"]) == (0.5, 0.5)


def test_a_found_object_has_one_partner() -> None:
    merged = (TRUTH > 0).astype(int)
    scores = score_objects([merged], [TRUTH], [[1, 2, 3, 4]])
    assert scores is not None
    assert scores["recall"] == 0.0
    assert scores["dice"] == pytest.approx(2 * 48 / (48 + 4 * 48) / 4)
    assert scores["arand_error"] > 0.5


def test_what_is_found_elsewhere_is_not_held_against_them() -> None:
    found = TRUTH.copy()
    found[0, :] = 9
    assert score_objects([found], [TRUTH], [[1]]) == score_objects([TRUTH], [TRUTH], [[1]])


def test_no_object_has_no_score() -> None:
    assert score_objects([TRUTH], [TRUTH], [[]]) is None


def test_objects_of_images_are_pooled() -> None:
    scores = score_objects([TRUTH, np.zeros_like(TRUTH)], [TRUTH, TRUTH], [[1, 2, 3], [4]])
    assert scores is not None
    assert (scores["n_objects"], scores["recall"]) == (4, 0.75)


def test_images_are_averaged() -> None:
    scores = score_images([TRUTH, np.zeros_like(TRUTH)], [TRUTH, TRUTH])
    assert (scores["sbd"], scores["abs_dic"]) == (0.5, 2.0)


def test_agreement_knows_nothing_of_the_rest() -> None:
    found = np.where(np.isin(TRUTH, (1, 2)), TRUTH, 0)
    assert agreement([found], [annotated(1, 2, strokes=True)]) == 1.0
    assert agreement([TRUTH], [annotated(1, 2, strokes=True)]) == 1.0


def test_everything_as_object_does_not_agree() -> None:
    everything = np.ones_like(TRUTH)
    assert agreement([everything], [annotated(1, strokes=True)]) == 0.0
    assert agreement([everything], [annotated(1)]) > 0
    assert agreement([np.zeros_like(TRUTH)], [annotated(1, strokes=True)]) == 0.0


def test_objects_in_the_strokes_count_for_all_that_nobody_looked_at() -> None:
    found = TRUTH.copy()
    found[0, :5] = 9  # half of the stroke, so half of all background
    found[0, 10:] = 9
    precision = (found > 0).mean()
    covered = (precision - 0.5) / 0.5
    expected = max(covered, 0.0) / precision
    dice = 1.0
    assert agreement([found], [annotated(1, 2, strokes=True)]) == pytest.approx(2 * dice * expected / (dice + expected))
