"""Measures of objects of known shape and known embeddings, one by one and again after a correction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_spoco.review import editing, measures
from napari_spoco.review.measures import MeasuringStopped, measure_objects


def ball(shape: tuple[int, ...], centre: tuple[int, ...], radius: float) -> np.ndarray:
    return sum((axis - c) ** 2 for axis, c in zip(np.indices(shape), centre, strict=True)) <= radius**2


@pytest.mark.parametrize("ndim", [2, 3])
def test_compactness_of_shapes(ndim: int) -> None:
    shape = (40,) * (ndim - 1) + (160,)
    middle = (20,) * (ndim - 1)
    labels = np.zeros(shape, np.uint32)
    labels[ball(shape, (*middle, 20), 15)] = 1
    labels[ball(shape, (*middle, 60), 12) | ball(shape, (*middle, 83), 12)] = 2
    labels[(slice(18, 22),) * (ndim - 1) + (slice(100, 150),)] = 3
    one, two, three = measure_objects(labels)
    assert one.compactness == pytest.approx(1, abs=0.05)
    assert two.compactness == pytest.approx(2 ** (-1 / ndim), abs=0.05)
    assert three.compactness < 0.5
    assert one.anchor == (*middle, 20)
    assert (one.fit, one.agreement, one.at_border) == (None, None, False)


def test_coarse_planes_are_no_flatness() -> None:
    z, y, x = np.indices((9, 33, 33))
    labels = (((z - 4) * 4) ** 2 + (y - 16) ** 2 + (x - 16) ** 2 <= 14**2).astype(np.uint32)
    (measured,) = measure_objects(labels, scale=(4, 1, 1))
    assert measured.compactness > 0.9
    assert measure_objects(labels)[0].compactness < 0.6


def test_the_border_of_the_image_cuts_nothing_off() -> None:
    labels = np.zeros((60, 60), np.uint32)
    labels[ball((60, 60), (0, 30), 14)] = 1  # half of a disk
    labels[40:, :20] = 2
    half, corner = measure_objects(labels)
    assert half.at_border
    assert corner.at_border
    assert half.compactness == 1
    (whole,) = measure_objects(np.ones((5, 5), np.uint32))
    assert whole.compactness == 1
    (plane,) = measure_objects(np.pad(np.ones((1, 3, 3), np.uint32), ((0, 0), (2, 2), (2, 2))))
    assert not plane.at_border


@pytest.fixture
def two_halves() -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of two touching squares 4 apart on ground 6 away, and their labels."""
    labels = np.zeros((30, 50), np.uint32)
    labels[8:22, 10:25], labels[8:22, 25:40] = 4, 9
    embeddings = np.zeros((3, 30, 50), np.float32)
    embeddings[0, labels > 0] = 6
    embeddings[1, labels == 9] = 4
    return embeddings, labels


def test_fit_sees_merged_and_split_objects(two_halves: tuple[np.ndarray, np.ndarray]) -> None:
    embeddings, labels = two_halves
    assert [one.fit for one in measure_objects(labels, embeddings=embeddings)] == [1, 1]
    merged = np.where(labels > 0, 4, 0)
    assert measure_objects(merged, embeddings=embeddings)[0].fit == pytest.approx(0.5)
    split = labels.copy()
    split[15:22, 10:25] = 5
    upper, lower, other = (one.fit for one in measure_objects(split, embeddings=embeddings))
    assert max(upper, lower) < 0.7  # 1/2, but what lies farther away than half of its extent is not looked at
    assert other == 1


def test_agreement_compares_student_and_teacher(two_halves: tuple[np.ndarray, np.ndarray]) -> None:
    embeddings, labels = two_halves
    teacher = embeddings.copy()
    teacher[1] = 0  # sees one object
    measured = measure_objects(labels, embeddings=embeddings, other_embeddings=teacher)
    assert all(one.agreement < 0.7 for one in measured)
    assert [one.fit for one in measured] == [1, 1]


@pytest.mark.parametrize("ndim", [2, 3])
def test_embeddings_may_be_on_another_grid(make_cells, ndim: int) -> None:
    """What is seen there is what the objects would be on that grid; shapes are measured on their own."""
    shape, factors = ((40, 50), (3, 2)) if ndim == 2 else ((12, 20, 20), (1, 2, 3))
    embeddings, coarse = make_cells(shape, 9, noise=0.1)
    teacher = np.roll(embeddings, 1, axis=-1)
    labels = np.kron(coarse, np.ones(factors, coarse.dtype))
    labels[(0,) * ndim] = 4_000_000_000  # no pixel of the other grid has its centre there
    options = {"embeddings": embeddings, "other_embeddings": teacher}
    alone = {one.instance_id: one for one in measure_objects(coarse, **options)}
    shapes = {one.instance_id: one for one in measure_objects(labels)}
    measured = {one.instance_id: one for one in measure_objects(labels, **options)}
    assert measured.pop(4_000_000_000) == shapes.pop(4_000_000_000)
    for instance_id, one in measured.items():
        assert (one.fit, one.agreement) == (alone[instance_id].fit, alone[instance_id].agreement)
        assert replace(one, anchor=(), fit=None, agreement=None) == replace(shapes[instance_id], anchor=())
        assert labels[one.anchor] == instance_id
        there = tuple(index // factor for index, factor in zip(one.anchor, factors, strict=True))
        assert there == alone[instance_id].anchor
    assert measure_objects(labels, [3], **options) == (measured[3],)


def test_on_a_finer_grid_of_the_embeddings_all_is_seen_alike(make_cells) -> None:
    embeddings, labels = make_cells((30, 40), 7, noise=0.1)
    fine = np.kron(embeddings, np.ones((1, 2, 2), np.float32))
    coarse_fit = [one.fit for one in measure_objects(labels, embeddings=embeddings)]
    assert [one.fit for one in measure_objects(labels, embeddings=fine)] == pytest.approx(coarse_fit, abs=0.02)


def test_embeddings_may_be_half_precision(two_halves: tuple[np.ndarray, np.ndarray]) -> None:
    embeddings, labels = two_halves
    assert measure_objects(labels, embeddings=embeddings.astype(np.float16)) == measure_objects(
        labels, embeddings=embeddings
    )


@pytest.mark.parametrize("with_embeddings", [True, False])
def test_some_objects_are_measured_as_all_are(make_cells, with_embeddings: bool) -> None:
    embeddings, labels = make_cells((40, 50), 9, noise=0.1)
    labels[labels == 4] = 4_000_000_000
    labels[labels == 7] = 0
    options = {"embeddings": embeddings} if with_embeddings else {}
    every = measure_objects(labels, **options)
    assert [one.instance_id for one in every] == [1, 2, 3, 5, 6, 8, 9, 4_000_000_000]
    assert [one.n_pixels for one in every] == np.unique(labels, return_counts=True)[1][1:].tolist()
    by_id = {one.instance_id: one for one in every}
    some = measure_objects(labels, [4_000_000_000, 7, 2], **options)
    assert some == (by_id[4_000_000_000], by_id[2])
    for one in every:
        assert labels[one.anchor] == one.instance_id


@pytest.mark.parametrize("slab", [1, 100, 10**6])
@pytest.mark.parametrize("shape", [(40, 50), (1, 60), (7, 20, 30)])
def test_boxes_of_some_objects(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], slab: int) -> None:
    monkeypatch.setattr(measures, "_SLAB", slab)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 60, shape, dtype=np.uint32)
    labels[labels > 30] = 0
    labels[labels == 7] = 0
    labels[labels == 9] = 4_000_000_000
    labels[(-1,) * len(shape)] = 8_000  # one pixel
    ids = [12, 4_000_000_000, 8_000, 7, 3, -1, 2**40, 30]
    expected = []
    for instance_id in (one for one in ids if (labels == one).any()):
        places = np.nonzero(labels == instance_id)
        box = tuple(slice(int(place.min()), int(place.max()) + 1) for place in places)
        expected.append((instance_id, box, len(places[0])))
    measured = measure_objects(labels, ids)
    assert [(one.instance_id, one.box, one.n_pixels) for one in measured] == expected
    assert measure_objects(labels, []) == ()


def test_however_many_objects_are_asked_for_the_labels_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []

    def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
        searched.append(mask.size)
        return editing.bounding_box(mask)

    monkeypatch.setattr(measures, "bounding_box", bounding_box)
    labels = np.kron(np.arange(1, 101, dtype=np.uint8).reshape(10, 10), np.ones((4, 4), np.uint8))
    assert len(measure_objects(labels, range(1, 101))) == 100
    assert sum(searched) == labels.size


def test_without_objects_there_is_nothing() -> None:
    assert measure_objects(np.zeros((4, 4), np.uint32)) == ()


def test_progress_and_stop(make_cells) -> None:
    _, labels = make_cells((20, 20), 5)
    told: list[tuple[int, int]] = []
    measure_objects(labels, on_progress=lambda *counts: told.append(counts))
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    answers = iter([False, False, True])
    with pytest.raises(MeasuringStopped, match="after 2 objects"):
        measure_objects(labels, stop=lambda: next(answers))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embeddings": np.zeros((2, 4))}, r"embeddings: expected \(E, \*spatial\) with 2 spatial axes, got \(2, 4\)"),
        (
            {"embeddings": np.zeros((2, 4, 5)), "other_embeddings": np.zeros((2, 3, 3))},
            "other_embeddings: expected spatial shape",
        ),
        ({"other_embeddings": np.zeros((2, 4, 5))}, "embeddings: expected those of one network"),
        ({"scale": (1, 1, 1)}, "scale: expected 2 numbers"),
    ],
)
def test_mistakes(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        measure_objects(np.ones((4, 5), np.uint32), **options)
