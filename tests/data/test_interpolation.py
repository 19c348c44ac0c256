"""Objects painted in some planes against what they are in the planes between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_spoco.data.interpolation import interpolate_planes


def disk(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def iou(found: np.ndarray, expected: np.ndarray) -> float:
    return float((found & expected).sum() / (found | expected).sum())


def filled(labels: np.ndarray, *arguments: object, **options: object) -> np.ndarray:
    labels = labels.copy()
    interpolate_planes(labels, *arguments, **options).change.apply(labels)
    return labels


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint32])
@pytest.mark.parametrize("motion", [0, 1, 6], ids="moves by {} a plane".format)
def test_a_cone_comes_back(motion: int, dtype: type) -> None:
    truth = np.stack([disk((64, 64), (30, 14 + motion * z), 10 - z) for z in range(7)])
    labels = np.zeros(truth.shape, dtype)
    labels[[0, 3, 6]] = truth[[0, 3, 6]] * 5
    result = interpolate_planes(labels)
    assert result.filled == {5: (1, 2, 4, 5)}
    assert result.change.planes == (1, 2, 4, 5)
    assert result.change.after.dtype == dtype
    result.change.apply(labels)
    assert min(iou(labels[z] == 5, truth[z]) for z in range(7)) > 0.9


def test_an_object_that_is_the_same_in_both_planes_is_the_same_between() -> None:
    labels = np.zeros((5, 20, 20), np.uint32)
    labels[0, 3:9, :7] = labels[4, 3:9, :7] = 2
    labels[0, 0, 19] = labels[4, 0, 19] = 3
    assert (filled(labels) == labels[0]).all()


def test_a_plane_that_is_full_stays_full() -> None:
    labels = np.zeros((3, 4, 4), np.uint32)
    labels[::2] = 1
    assert filled(labels).all()


def test_nothing_painted_is_overwritten() -> None:
    labels = np.zeros((5, 30, 30), np.int32)
    labels[0, 5:25, 5:25] = labels[4, 5:25, 5:25] = 1
    labels[2, 10:12] = 7
    labels[2, 14:16] = -1
    labels[1, :8] = 8
    after = filled(labels, [1])
    assert (after[labels != 0] == labels[labels != 0]).all()
    assert set(np.unique(after[2, 5:25, 5:25])) == {-1, 1, 7}


def test_two_objects_share_the_pixels_that_both_want() -> None:
    labels = np.zeros((3, 20, 30), np.uint32)
    labels[0, 5:15, 2:12], labels[2, 5:15, 10:20] = 1, 1
    labels[0, 5:15, 14:24], labels[2, 5:15, 6:10] = 2, 2
    result = interpolate_planes(labels)
    assert result.filled == {1: (1,), 2: (1,)}
    swapped = interpolate_planes(labels, [2, 1])
    np.testing.assert_array_equal(result.change.after, swapped.change.after)


def test_only_planes_between_painted_ones_are_filled() -> None:
    labels = np.zeros((9, 12, 12), np.uint32)
    for z in (2, 3, 6):
        labels[z, 4:8, 4:8] = 4
    labels[1, 0, :4] = 6  # in one plane
    assert interpolate_planes(labels).filled == {4: (4, 5)}


def test_a_plane_in_which_all_is_taken_is_not_reported() -> None:
    labels = np.zeros((4, 6, 6), np.uint32)
    labels[0, 2:4, 2:4] = labels[3, 2:4, 2:4] = 1
    labels[1] = 2
    assert interpolate_planes(labels).filled == {1: (2,)}


def test_spacing_sets_the_shape_of_the_outlines() -> None:
    labels = np.zeros((3, 41, 41), np.uint32)
    labels[0, 20, 2:39] = 1  # a line along X, and one along Y
    labels[2, 2:39, 20] = 1
    along_x, along_y = (filled(labels, spacing=spacing)[1] for spacing in ((5.0, 1.0), (1.0, 5.0)))
    assert along_x.any()
    np.testing.assert_array_equal(along_x, along_y.T)


@settings(max_examples=60, deadline=None)
@given(labels=hnp.arrays(np.int32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.integers(-1, 3)))
def test_any_labels_are_filled_between_their_planes_only(labels: np.ndarray) -> None:
    result = interpolate_planes(labels)
    assert (result.change.before == 0).all()
    after = labels.copy()
    result.change.apply(after)
    for instance_id, planes in result.filled.items():
        painted = np.flatnonzero((labels == instance_id).any((1, 2)))
        assert set(planes) == set(np.flatnonzero((after == instance_id).any((1, 2)))) - set(painted)
        assert painted[0] < planes[0]
        assert planes[-1] < painted[-1]
    result.change.revert(after)
    np.testing.assert_array_equal(after, labels)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros((4, 4), int), {}, r"labels: expected integers \(Z, Y, X\), got int64 of shape \(4, 4\)"),
        (np.zeros((2, 4, 4)), {}, r"labels: .* got float64"),
        (np.ones((2, 4, 4), int), {"spacing": (1, 0)}, "spacing: expected two positive numbers"),
        (np.ones((1, 4, 4), int), {"ids": [1]}, "ids: expected objects painted in at least two planes, but 1 is in 1"),
        (np.ones((2, 4, 4), int), {"ids": [7]}, "ids: .* but 7 is in 0"),
    ],
)
def test_mistakes(labels: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        interpolate_planes(labels, **options)
