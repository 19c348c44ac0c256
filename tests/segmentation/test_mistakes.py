"""What became of true objects that were not found, on images small enough to see it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.segmentation.metrics import score_by_threshold
from napari_spoco.segmentation.mistakes import Mistake, find_mistakes


def parse(text: str) -> np.ndarray:
    return np.array([int(digit) for digit in text.replace(" ", "")])


@pytest.mark.parametrize(
    ("truth", "found", "counts", "rows"),
    [
        pytest.param("1100 22", "1100 22", (2, 0, 0, 0, 0), [], id="all right"),
        pytest.param("1100 22", "0000 55", (1, 1, 0, 0, 0), [Mistake("missed", (1,), ())], id="missed"),
        pytest.param("1111 0", "1000 0", (0, 1, 0, 0, 0), [Mistake("missed", (1,), ())], id="poor outline"),
        pytest.param("11 22 33", "77 77 33", (1, 0, 2, 0, 0), [Mistake("merged", (1, 2), (7,))], id="merged"),
        pytest.param("1111 2", "7777 7", (1, 0, 1, 0, 0), [Mistake("merged", (1, 2), (7,))], id="a small one is lost"),
        pytest.param("1111 0", "7788 0", (0, 0, 0, 1, 0), [Mistake("split", (1,), (7, 8))], id="split"),
        pytest.param("1111 0", "7778 0", (1, 0, 0, 0, 0), [], id="a splinter is no split"),
        pytest.param("11111 0", "78000 0", (0, 1, 0, 0, 0), [Mistake("missed", (1,), ())], id="crumbs are no split"),
        pytest.param("11 000", "11 333", (1, 0, 0, 0, 1), [Mistake("extra", (), (3,))], id="extra"),
        pytest.param("000", "000", (0, 0, 0, 0, 0), [], id="nothing"),
    ],
)
def test_mistakes(truth, found, counts, rows) -> None:
    mistakes = find_mistakes(parse(found), parse(truth))
    n = mistakes
    assert (n.n_right, n.n_missed, n.n_merged, n.n_split, n.n_extra) == counts
    assert list(mistakes.rows) == rows


@pytest.mark.parametrize("shape", [(40, 40), (6, 20, 20)])
def test_every_true_object_is_counted_once(shape) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        truth, found = (
            np.kron(rng.integers(0, 9, [n // 2 for n in shape]), np.ones([2] * len(shape), int)) for _ in "ab"
        )
        found = np.where(rng.random(shape) < rng.random(), truth, found)
        mistakes = find_mistakes(found, truth)
        assert mistakes.n_true == len(set(truth.ravel()) - {0})
        assert mistakes.n_right + mistakes.n_missed + mistakes.n_merged + mistakes.n_split == mistakes.n_true
        assert mistakes.n_right == score_by_threshold(found, truth)[0].n_matched


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="labels: expected shape"):
        find_mistakes(np.zeros((2, 2), int), np.zeros((2, 3), int))
