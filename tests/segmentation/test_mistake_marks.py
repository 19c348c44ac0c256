"""The picture of the mistakes, against what is plain to see."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.segmentation.mistake_marks import KINDS, mark_mistakes, mark_of
from napari_spoco.segmentation.mistakes import Mistake, Mistakes, find_mistakes

TRUTH = np.array([[1, 1, 1, 1, 0, 2, 2, 3, 3, 0, 4, 4, 4, 4, 0, 0]] * 4, np.int32)
FOUND = np.array([[0, 0, 0, 0, 0, 8, 8, 8, 8, 0, 6, 6, 7, 7, 0, 9]] * 4, np.uint32)
KINDS_THERE = ["missed"] * 4 + [""] + ["merged"] * 2 + ["", "merged", "", "split", "split", "", "split", "", "extra"]
"""The seams are where 3 follows 2, and 7 follows 6."""


def kinds(marks: np.ndarray) -> list[str]:
    return ["" if mark == 0 else KINDS[(mark - 1) % len(KINDS)] for mark in marks.tolist()]


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_pixel_says_of_which_mistake_it_is(ndim) -> None:
    truth, found = (np.broadcast_to(array, (3, 4, 16)[-ndim:]) for array in (TRUTH, FOUND))
    mistakes = find_mistakes(found, truth)
    marks = mark_mistakes(mistakes, found, truth)
    assert (marks.dtype, marks.shape) == (np.uint16, truth.shape)
    assert all(kinds(line) == KINDS_THERE for line in marks.reshape(-1, 16))
    for row, mistake in enumerate(mistakes.rows):
        ids = (truth, mistake.true_ids) if mistake.true_ids else (found, mistake.found_ids)
        assert np.isin(*ids)[marks == mark_of(mistakes, row)].all()


def test_seams_run_down_as_well() -> None:
    marks = mark_mistakes(find_mistakes(FOUND.T, TRUTH.T), FOUND.T, TRUTH.T)
    assert kinds(marks[:, 0]) == KINDS_THERE


def test_a_true_object_is_drawn_over_an_extra_one() -> None:
    truth, found = np.zeros((2, 4, 20), np.int32)
    truth[:, 8:16] = 1
    found[:, 0:10] = 2
    marks = mark_mistakes(find_mistakes(found, truth), found, truth)
    assert kinds(marks[0]) == ["extra"] * 8 + ["missed"] * 8 + [""] * 4


def test_without_mistakes_nothing_is_drawn() -> None:
    assert not mark_mistakes(find_mistakes(TRUTH, TRUTH), TRUTH, TRUTH).any()


def test_ids_of_32_bits() -> None:
    truth = np.where(TRUTH == 1, 2**31, TRUTH).astype(np.uint32)
    assert kinds(mark_mistakes(find_mistakes(FOUND, truth), FOUND, truth)[0]) == KINDS_THERE


def test_marks_fit_into_16_bits() -> None:
    rows = tuple(Mistake(KINDS[row % 4], (row + 1,), ()) for row in range(40_000))
    marks = [mark_of(Mistakes(0, 0, 0, 0, 0, 0, rows), row) for row in range(len(rows))]
    assert (min(marks), max(marks)) == (1, 65_531)
    assert len(set(marks[:16_383])) == 16_383
    assert all((mark - 1) % 4 == row % 4 for row, mark in enumerate(marks))
