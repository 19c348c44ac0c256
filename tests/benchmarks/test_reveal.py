"""What the simulated annotator paints, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.annotation_budget.reveal import STROKE_SHARE, Reveal, reveal
from benchmarks.annotation_budget.strokes import draw_strokes

from napari_spoco.data.annotations import BACKGROUND, UNLABELED


def grid_of_objects(n: int = 6, pitch: int = 30, size: int = 8) -> np.ndarray:
    """Return (n * pitch)^2 pixels with n x n squares, ids from 1."""
    labels = np.zeros((n * pitch, n * pitch), dtype=np.int32)
    for i in range(n * n):
        y, x = i // n * pitch + 11, i % n * pitch + 11
        labels[y : y + size, x : x + size] = i + 1
    return labels


@pytest.fixture
def images() -> list[np.ndarray]:
    return [grid_of_objects() for _ in range(3)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10%", Reveal("fraction", 0.1)),
        ("100%+strokes", Reveal("fraction", 1.0, with_strokes=True)),
        ("16 spread", Reveal("spread", 16)),
        ("16 neighbours+strokes", Reveal("neighbours", 16, with_strokes=True)),
        ("4 box", Reveal("box", 4)),
    ],
)
def test_read_from_text(text: str, expected: Reveal) -> None:
    assert Reveal.parse(text) == expected


@pytest.mark.parametrize("text", ["", "10", "16 boxes", "10%strokes", "-1%"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"reveal: expected the form '10%'.*got"):
        Reveal.parse(text)


@pytest.mark.parametrize(("percent", "n_objects"), [(1, 1), (10, 11), (40, 43), (100, 108)])
def test_fraction_of_all_images_together(images, rng, percent: int, n_objects: int) -> None:
    shown = reveal(images, Reveal.parse(f"{percent}%"), rng)
    assert sum(a.n_objects for a in shown) == n_objects


def test_whole_masks_or_nothing(images, rng) -> None:
    for truth, shown in zip(images, reveal(images, Reveal.parse("10%"), rng), strict=True):
        for instance_id in shown.instance_ids:
            np.testing.assert_array_equal(shown.labels == instance_id, truth == instance_id)
        assert set(np.unique(shown.labels)) <= {UNLABELED, *shown.instance_ids}


def test_same_seed_same_choice(images) -> None:
    how = Reveal.parse("10%+strokes")
    first, second, third = (reveal(images, how, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(a.labels, b.labels) for a, b in zip(first, second, strict=True))
    assert not all(np.array_equal(a.labels, b.labels) for a, b in zip(first, third, strict=True))


def test_spread_shows_one_object_each(images, rng) -> None:
    shown = reveal(images, Reveal.parse("2 spread"), rng)
    assert sorted(a.n_objects for a in shown) == [0, 1, 1]


def test_neighbours_are_near_each_other_in_one_image(images, rng) -> None:
    shown = reveal(images, Reveal.parse("4 neighbours"), rng)
    assert sorted(a.n_objects for a in shown) == [0, 0, 4]
    (places,) = [np.argwhere(a.labels > 0) for a in shown if a.n_objects]
    assert np.ptp(places, axis=0).max() < 3 * 30


def test_box_is_complete(images, rng) -> None:
    shown = reveal(images, Reveal.parse("4 box"), rng)
    (index,) = [i for i, a in enumerate(shown) if a.n_objects]
    labels, truth = shown[index].labels, images[index]
    assert shown[index].n_objects >= 4
    stated = np.argwhere(labels == BACKGROUND)
    box = tuple(slice(a, b + 1) for a, b in zip(stated.min(axis=0), stated.max(axis=0), strict=True))
    np.testing.assert_array_equal(np.where(labels[box] == BACKGROUND, 0, labels[box]), truth[box])
    assert not (truth[labels == BACKGROUND]).any()


def test_strokes_only_where_something_is_annotated(images, rng) -> None:
    shown = reveal(images, Reveal.parse("1 spread+strokes"), rng)
    assert [bool((a.labels == BACKGROUND).any()) for a in shown] == [bool(a.n_objects) for a in shown]


def test_specks_are_not_painted(rng) -> None:
    labels = grid_of_objects()
    labels[0, :3] = 99
    (shown,) = reveal([labels], Reveal.parse("100%"), rng)
    assert 99 not in shown.instance_ids
    assert shown.n_objects == 36


@pytest.mark.parametrize(
    ("how", "message"),
    [("4 spread", "in each of 4 images, got 3"), ("40 neighbours", "of at least 40 objects, got none")],
)
def test_more_than_there_is(images, rng, how: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reveal(images, Reveal.parse(how), rng)


def test_nothing_to_annotate(rng) -> None:
    with pytest.raises(ValueError, match="at least one object, got none"):
        reveal([np.zeros((8, 8), int)], Reveal.parse("10%"), rng)


@pytest.mark.parametrize("ndim", [2, 3])
def test_strokes_cover_a_share_of_the_background(rng, ndim: int) -> None:
    labels = grid_of_objects(pitch=40)
    labels = labels if ndim == 2 else np.stack([labels, np.zeros_like(labels), labels])
    covered = draw_strokes(labels, STROKE_SHARE, rng)
    assert covered.shape == labels.shape
    assert STROKE_SHARE <= covered.mean() < 2 * STROKE_SHARE
    assert not covered[labels > 0].any()


def test_no_room_for_a_brush(rng) -> None:
    assert not draw_strokes(np.ones((20, 20), int), 0.1, rng).any()
    assert not draw_strokes(np.zeros((20, 20), int), 0.0, rng).any()
