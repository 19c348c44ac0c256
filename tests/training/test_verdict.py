"""What the scores of a fine-tuning tell: before and after, of the right models."""

from __future__ import annotations

import pytest

from napari_spoco.training.reports import ScoreReport
from napari_spoco.training.verdict import change_in_words, doubt, score_change


def report(step: int, value: float, n_objects: int = 4) -> ScoreReport:
    return ScoreReport(step, value, value, value, n_objects, 0.9, is_best=False)


COURSE = [(0, 0.4), (50, 0.6), (100, 0.5)]


@pytest.mark.parametrize(
    ("course", "best_step", "change"),
    [
        pytest.param(COURSE, 50, (0.4, 0.6), id="the best model"),
        pytest.param(COURSE, 100, (0.4, 0.5), id="the last model"),
        pytest.param([(0, 0.4), (50, 0.3), (100, 0.2)], 0, (0.4, 0.2), id="the model before is kept"),
        pytest.param([(0, 0.4), *COURSE], 50, (0.4, 0.6), id="resumed before the first step"),
        pytest.param(COURSE[1:], 50, None, id="from scratch"),
        pytest.param(COURSE[:1], 0, None, id="no step"),
        pytest.param([], None, None, id="no score"),
    ],
)
def test_before_and_after(course, best_step: int | None, change: tuple[float, float] | None) -> None:
    assert score_change([report(*point) for point in course], best_step) == change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((0.42, 0.471), "0.42 before, 0.47 after"),
        ((0.424, 0.421), "0.424 before, 0.421 after"),
        ((0.5, 0.5), "0.500 before, 0.500 after"),
    ],
)
def test_a_change_can_be_told(change: tuple[float, float], words: str) -> None:
    assert change_in_words(change) == words


def test_a_doubt_says_what_helps() -> None:
    assert doubt(100, report(100, 0.5, 2)) is None
    few_steps = doubt(99, report(99, 0.5, 2), "an hour")
    assert few_steps == ("That is too few to tell whether the model got better", "Give it an hour.")
    one = doubt(100, report(100, 0.5, 1))
    assert one == ("One left-out object tells too little of whether the model got better", "Paint 15 objects or more.")


def test_where_none_was_left_out_more_objects_alone_do_not_help() -> None:
    why, cure = doubt(100, None) or ("", "")
    assert why.startswith("No object was left out")
    assert "Left out" in cure
