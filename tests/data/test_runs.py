"""Runs say the same as a list of all pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_spoco.data.runs import find_runs, group_runs


@settings(max_examples=50, deadline=None)
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    values=st.lists(st.integers(-2, 3), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_runs_hold_the_pixels_of_every_value(shape: list[int], values: list[int], seed: int) -> None:
    labels = np.random.default_rng(seed).choice(values, shape).astype(np.int32)
    groups = group_runs(labels, unwanted=(0, -2))
    assert list(groups) == [value for value in np.unique(labels).tolist() if value not in (0, -2)]
    for value, runs in groups.items():
        pixels = np.flatnonzero(labels == value)
        assert runs.n_pixels == len(pixels)
        np.testing.assert_array_equal(runs.pixels(), pixels)
        assert [runs.pixel(i) for i in range(len(pixels))] == pixels.tolist()


def test_a_run_ends_with_its_row() -> None:
    values, starts, lengths = find_runs(np.array([[1, 1, 2], [2, 2, 2]], np.int32))
    assert (values.tolist(), starts.tolist(), lengths.tolist()) == ([1, 2, 2], [0, 2, 3], [2, 1, 3])


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_an_empty_image_has_no_runs(shape: tuple[int, ...]) -> None:
    assert group_runs(np.zeros(shape, np.int32), unwanted=()) == {}
