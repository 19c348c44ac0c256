"""Annotated objects are scored apart from those that nobody annotated."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.annotation_budget.scores import score_images, score_objects, split_ids

from napari_spoco.data.annotations import SparseAnnotations

TRUTH = np.zeros((12, 40), dtype=np.int32)
for _id, _start in enumerate((2, 12, 22, 32), start=1):
    TRUTH[2:10, _start : _start + 6] = _id


def annotated(*ids: int) -> SparseAnnotations:
    return SparseAnnotations(np.where(np.isin(TRUTH, ids), TRUTH, 0))


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
