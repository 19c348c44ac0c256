"""The list of painted objects against looking for each id by itself."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.painted_objects import PaintedObjects, count_touching


@pytest.mark.parametrize("shape", [(31, 17), (7, 23, 19)], ids=["2D", "3D"])
@pytest.mark.parametrize("n_ids", [1, 5, 200])
def test_every_object_is_where_one_finds_it(shape, n_ids) -> None:
    rng = np.random.default_rng(n_ids)
    labels = np.where(rng.random(shape) < 0.4, rng.integers(-2, n_ids + 1, shape), 0).astype(np.int32)
    objects = PaintedObjects.of(labels)
    assert objects.ids.tolist() == sorted(set(np.unique(labels).tolist()) - {0})
    for row, instance_id in enumerate(objects.ids.tolist()):
        places = np.argwhere(labels == instance_id)
        assert objects.n_pixels[row] == len(places)
        assert objects.first[row].tolist() == places.min(axis=0).tolist()
        assert objects.last[row].tolist() == places.max(axis=0).tolist()
        assert objects.n_planes[row] == len(np.unique(places[:, 0]))
        assert labels[tuple(objects.middles[row])] == instance_id
        assert objects.row(instance_id) == row


def test_the_middle_lies_in_a_painted_plane_about_half_way() -> None:
    labels = np.zeros((20, 9, 9), np.int32)
    labels[[2, 9, 17], 2:7, 2:7] = 4
    assert PaintedObjects.of(labels).middles[0, 0] == 9


def test_nothing_painted() -> None:
    objects = PaintedObjects.of(np.zeros((3, 4), np.int32))
    assert len(objects) == 0
    assert objects.first.shape == (0, 2)
    assert objects.row(1) is None


def test_an_id_that_nothing_has() -> None:
    objects = PaintedObjects.of(np.array([[1, 1, 5]], np.int32))
    assert [objects.row(i) for i in (-1, 1, 2, 5, 9)] == [None, 0, None, 1, None]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param([[1, 1, 0, 2]], 0, id="apart"),
        pytest.param([[1, 1, 2, 0]], 2, id="side by side"),
        pytest.param([[1], [2]], 2, id="one above the other"),
        pytest.param([[1, -1, 2]], 0, id="background between"),
        pytest.param([[1, 0], [0, 2]], 0, id="at a corner only"),
        pytest.param([[1, 2, 0, 3]], 2, id="two of three"),
        pytest.param([[[1]], [[2]]], 2, id="across planes"),
    ],
)
def test_objects_that_touch(labels, expected) -> None:
    assert count_touching(np.array(labels, np.int32)) == expected
