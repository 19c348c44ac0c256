"""Sizes and distances of objects that a person gives in pixels of their image."""

from __future__ import annotations

import pytest

from napari_spoco.config import SegmentationConfig
from napari_spoco.data.resampling import Resampling
from napari_spoco.segmentation.grid_settings import on_model_grid

GIVEN = SegmentationConfig(fragment_size=400, min_size=200, min_distance=8, smoothing=2.0, mutex_distances=(4, 8))


@pytest.mark.parametrize(
    ("shape", "model_shape", "voxel_size", "expected"),
    [
        pytest.param((80, 80), (80, 80), (1, 1), (400, 200, 8), id="the same"),
        pytest.param((80, 80), (40, 40), (1, 1), (100, 50, 4), id="half in 2D"),
        pytest.param((40, 40), (80, 80), None, (1600, 800, 16), id="double in 2D"),
        pytest.param((90, 90, 90), (30, 30, 30), (1, 1, 1), (15, 7, 3), id="a third in 3D"),
        pytest.param((20, 80, 80), (20, 40, 40), (4, 1, 1), (100, 50, 4), id="in the plane"),
        pytest.param((20, 80, 80), (40, 80, 80), (1, 1, 1), (800, 400, 8), id="planes"),
        pytest.param((40, 80, 80), (80, 40, 40), (1, 4, 4), (200, 100, 16), id="another axis is the finest"),
    ],
)
def test_sizes_are_volumes_and_distances_lengths_along_the_finest_axis(
    shape: tuple[int, ...],
    model_shape: tuple[int, ...],
    voxel_size: tuple[float, ...] | None,
    expected: tuple[int, ...],
) -> None:
    found = on_model_grid(GIVEN, Resampling(shape, model_shape).factors, voxel_size)
    assert (found.fragment_size, found.min_size, found.min_distance) == expected
    assert (found.smoothing, found.mutex_distances) == (2.0, (4, 8))


def test_what_is_empty_stays_empty_and_what_is_small_valid() -> None:
    assert on_model_grid(SegmentationConfig(), (0.5, 0.5), None) == SegmentationConfig()
    given = SegmentationConfig(fragment_size=0, min_size=1, min_distance=1)
    assert on_model_grid(given, (0.1, 0.1), None) == SegmentationConfig(fragment_size=0, min_size=0, min_distance=1)
