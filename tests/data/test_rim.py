"""The rim of background around painted objects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.annotations import BACKGROUND, IGNORE, SparseAnnotations
from napari_spoco.data.rim import with_rim


@pytest.fixture
def labels() -> np.ndarray:
    """Return two objects that touch, a stroke, and an ignored corner."""
    labels = np.zeros((20, 24), np.int32)
    labels[8:12, 6:10], labels[8:12, 10:14] = 1, 2
    labels[0] = BACKGROUND
    labels[12, 13] = IGNORE
    return labels


def test_what_surrounds_an_object_is_background(labels) -> None:
    found = with_rim(SparseAnnotations(labels, version=3), 2)
    assert (found.labels[6:8, 6:14] == BACKGROUND).all()
    assert (found.labels[8:12, 4:6] == BACKGROUND).all()
    assert not found.labels[5, 6:14].any()
    assert not found.labels[16:].any()
    assert found.version == 3


def test_what_is_painted_stays(labels) -> None:
    found = with_rim(SparseAnnotations(labels), 2).labels
    np.testing.assert_array_equal(found[labels != 0], labels[labels != 0])


def test_nothing_is_guessed_where_no_background_is_painted(labels) -> None:
    unknown = SparseAnnotations(np.maximum(labels, 0))
    assert with_rim(unknown, 2) is unknown
    only_strokes = SparseAnnotations(np.minimum(labels, 0))
    assert with_rim(only_strokes, 2) is only_strokes
    painted = SparseAnnotations(labels)
    assert with_rim(painted, 0) is painted


def test_a_rim_lies_in_the_plane(labels) -> None:
    stack = np.zeros((5, *labels.shape), np.int32)
    stack[2] = labels
    found = with_rim(SparseAnnotations(stack, in_planes=frozenset({1})), 2)
    np.testing.assert_array_equal(found.labels[2], with_rim(SparseAnnotations(labels), 2).labels)
    assert not found.labels[[0, 1, 3, 4]].any()
    assert found.in_planes == {1}
