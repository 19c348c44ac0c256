"""One object to two: along the embeddings or at the narrowest place."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_spoco.review.splitting import split


def line(y: int, start: int, stop: int) -> np.ndarray:
    return np.array([[y, x] for x in range(start, stop)])


def halves(labels: np.ndarray, *arguments: object, **options: object) -> np.ndarray:
    labels = labels.copy()
    split(labels, *arguments, **options).apply(labels)
    return labels


@pytest.mark.parametrize("blur", [0.0, 1.5, 4.0])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_parts_meet_where_the_embeddings_change(rng: np.random.Generator, blur: float, noise: float) -> None:
    y, x = np.indices((60, 90))
    is_left = x < 40 + 8 * np.sin(y / 9)
    course = ndimage.gaussian_filter(is_left.astype(float), blur)
    embeddings = np.stack([4 * course, *np.zeros((7, 60, 90))]) + rng.normal(0, noise, (8, 60, 90))
    labels = np.full((60, 90), 3, np.uint32)
    found = halves(labels, 3, line(30, 5, 20), line(30, 70, 85), embeddings=embeddings)
    assert ((found == 3) == is_left).mean() > 0.98
    assert set(np.unique(found)) == {3, 4}
    shape_alone = halves(labels, 3, line(30, 5, 20), line(30, 70, 85))
    assert ((shape_alone == 3) == is_left).mean() < 0.98


@pytest.mark.parametrize("ndim", [2, 3])
def test_without_embeddings_the_narrowest_place_counts(ndim: int) -> None:
    axes = np.indices((21, 21, 50)[-ndim:])
    first, second = ((sum((a - 10) ** 2 for a in axes[:-1]) + (axes[-1] - x) ** 2) <= 100 for x in (12, 29))
    labels = np.where(first | second, 5, 0).astype(np.int32)
    middle = (10,) * (ndim - 1)
    found = halves(labels, 5, np.array([[*middle, 10]]), np.array([[*middle, 32]]))
    is_left = (labels > 0) & (axes[-1] <= 20)
    assert (found[is_left & (axes[-1] != 20)] == 5).all()
    assert (found[(labels > 0) & (axes[-1] > 21)] == 6).all()
    np.testing.assert_array_equal(found > 0, labels > 0)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("radius", [9, 7, 6])
@pytest.mark.parametrize("off", [0, 2, 3])
@pytest.mark.parametrize("noise", [None, 0.05])
def test_two_clicks_halve_round_nuclei_that_touch(
    ndim: int, radius: int, off: int, noise: float | None, rng: np.random.Generator
) -> None:
    axes = np.indices((21, 25, 50)[-ndim:])
    across = sum((axis - 10) ** 2 for axis in axes[:-1])
    outside = [across + (axes[-1] - x) ** 2 - r**2 for x, r in ((12, 9), (19 + radius, radius))]
    labels = np.where(np.minimum(*outside) <= 0, 5, 0).astype(np.int32)
    embeddings = None if noise is None else rng.normal(1, noise, (4, *labels.shape))
    ahead = (10,) * (ndim - 2)
    clicks = (np.array([[*ahead, 10 - off, 12 + off]]), np.array([[*ahead, 10 + off, 19 + radius]]))
    found = halves(labels, 5, *clicks, embeddings=embeddings)
    for instance_id, is_here in ((5, outside[0] <= outside[1]), (6, outside[1] < outside[0])):
        is_here, is_found = is_here & (labels > 0), found == instance_id
        assert (is_here & is_found).sum() / (is_here | is_found).sum() > 0.75


def test_the_outline_of_the_object_is_no_boundary() -> None:
    labels = np.zeros((20, 40), np.uint32)
    labels[8:12] = 1
    embeddings = np.full((1, 20, 40), 50.0, np.float32)
    embeddings[0, 8:12] = np.where(np.arange(40) < 20, 0.0, 4.0)
    found = halves(labels, 1, line(8, 0, 4), line(11, 30, 38), embeddings=embeddings)
    assert (found[8:12] == np.where(np.arange(40) < 20, 1, 2)).all()


def test_equal_embeddings_give_two_parts_all_the_same() -> None:
    found = halves(np.ones((9, 9), np.uint32), 1, line(4, 0, 1), line(4, 8, 9), embeddings=np.zeros((3, 9, 9)))
    assert set(np.unique(found)) == {1, 2}


def test_a_piece_without_a_stroke_keeps_the_id() -> None:
    labels = np.zeros((9, 30), np.uint32)
    labels[:, :12], labels[:, 20:] = 2, 2
    found = halves(labels, 2, line(4, 0, 3), line(4, 9, 12))
    assert (found[:, 20:] == 2).all()


def test_pixels_beside_the_object_and_in_both_strokes_do_not_count() -> None:
    labels = np.zeros((5, 20), np.uint32)
    labels[:, 5:15] = 1
    found = halves(labels, 1, line(2, 0, 9), line(2, 7, 20))
    assert (found[2, [5, 6]] == 1).all()
    assert (found[2, 9:15] == 2).all()


def test_the_new_id_fits_the_type() -> None:
    labels = np.full((3, 9), 255, np.uint8)
    assert split(labels, 255, line(1, 0, 2), line(1, 7, 9)).new_ids == (1,)


@pytest.mark.parametrize(
    ("strokes", "options", "message"),
    [
        ((line(9, 0, 3), line(1, 7, 9)), {}, "stroke_a: expected pixels on the object"),
        ((line(1, 0, 3), line(1, 0, 3)), {}, "stroke_a: .* not in the other stroke, got none"),
        ((line(1, 0, 3), line(1, 2, 3)), {}, "stroke_b: expected pixels"),
        ((line(1, 0, 3) * 1.0, line(1, 7, 9)), {}, r"stroke_a: expected integers \(N, 2\), got float64"),
        ((line(1, 0, 3), [1, 2]), {}, r"stroke_b: expected integers \(N, 2\), got int64 of shape \(2,\)"),
        (
            (line(1, 0, 3), line(1, 7, 9)),
            {"embeddings": np.zeros((2, 3, 3))},
            r"embeddings: expected spatial shape \(3, 9\)",
        ),
        ((line(1, 0, 3), line(1, 7, 9)), {"scale": (1, 1, 1)}, "scale: expected 2 numbers"),
    ],
)
def test_mistakes(strokes: tuple, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        split(np.ones((3, 9), np.uint32), 1, *strokes, **options)
