"""Telling neighbours apart by their colours, against an obvious reference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage.color import rgb2lab

from napari_spoco.data.samples import make_ovule
from napari_spoco.review.neighbour_colours import REACH, find_neighbours, place_of, tell_apart

N_PLACES = 60
ALIKE = np.array([[1, 0, 0], [0.95, 0, 0], [0, 1, 0], [0, 0, 1]], float)
"""Two reds, green, blue."""


def pairs_by_hand(labels: np.ndarray) -> list[list[int]]:
    """Look at every pixel, and at those 1 and 3 pixels on in its plane and 1 plane on."""
    ways = [(0, 0, 1), (0, 1, 0), (0, 0, 3), (0, 3, 0), (1, 0, 0)]
    volume = labels.reshape((1,) * (3 - labels.ndim) + labels.shape)
    found = set()
    for pixel, way in itertools.product(np.ndindex(volume.shape), ways):
        other = tuple(np.add(pixel, way))
        if all(i < n for i, n in zip(other, volume.shape, strict=True)):
            ends = [(int(volume[one]) - 1) % N_PLACES + 1 if volume[one] > 0 else 0 for one in (pixel, other)]
            if min(ends) > 0 and ends[0] != ends[1]:
                found.add(tuple(sorted(ends)))
    return sorted(map(list, found))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint32])
@pytest.mark.parametrize("shape", [(9, 12), (3, 7, 8)], ids=["2D", "3D"])
def test_neighbours_are_found_as_by_hand(shape, dtype) -> None:
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(shape) < 0.2, rng.integers(1, 200, shape), 0).astype(dtype)
    assert find_neighbours(labels, N_PLACES).tolist() == pairs_by_hand(labels)


def test_a_gap_that_is_hardly_seen_makes_neighbours() -> None:
    row = np.array([[1, 1, 0, 0, 2, 2, 0, 0, 0, 3]])
    assert find_neighbours(row, N_PLACES).tolist() == [[1, 2]]
    assert REACH == 3


@pytest.mark.parametrize("labels", [np.zeros((4, 4), int), np.full((4, 4), -1), np.zeros((0, 4), int)])
def test_no_objects_have_no_neighbours(labels) -> None:
    pairs = find_neighbours(labels, N_PLACES)
    assert pairs.shape == (0, 2)
    choice = np.zeros(1 + N_PLACES, int)
    assert tell_apart(pairs, choice, ALIKE, distance=30) is not choice


def test_places_come_again_after_a_round() -> None:
    assert place_of(np.array([0, 1, 60, 61, 2**32 - 1], np.uint32), N_PLACES).tolist() == [0, 1, 60, 1, 15]


def test_only_who_is_like_a_neighbour_changes() -> None:
    choice = np.array([0, 0, 1, 2, 1])  # Place 1 is red, 2 nearly so, 3 green, 4 nearly red.
    pairs = np.array([[1, 2], [2, 3], [3, 4]])
    assert tell_apart(pairs, choice, ALIKE, distance=30).tolist() == [0, 2, 1, 2, 1]
    assert tell_apart(pairs, choice, ALIKE, distance=30, movable=np.array([2])).tolist() == [0, 0, 3, 2, 1]
    assert choice.tolist() == [0, 0, 1, 2, 1]


def test_where_nothing_is_far_enough_it_is_as_far_as_can_be() -> None:
    reds = np.array([[1, 0, 0], [0.9, 0, 0], [0.7, 0, 0]])
    assert tell_apart(np.array([[1, 2]]), np.array([0, 0, 0]), reds, distance=100).tolist() == [0, 2, 0]


def test_all_cells_of_an_ovule_differ_from_those_they_touch() -> None:
    labels = make_ovule().labels
    colours = np.random.default_rng(0).random((49, 3))
    n_places = 49 * 20
    lab = rgb2lab(colours[np.newaxis])[0]
    pairs = find_neighbours(labels, n_places)
    before = np.arange(-1, n_places) % 49
    after = tell_apart(pairs, before, colours, distance=30)
    nearest = [
        np.linalg.norm(lab[choice[pairs[:, 0]]] - lab[choice[pairs[:, 1]]], axis=1).min() for choice in (before, after)
    ]
    assert nearest[0] < 15
    assert nearest[1] >= 30
