from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_spoco.segmentation.affinities import default_offsets, embedding_affinities

OFFSETS_2D = [(-1, 0), (0, -1), (3, 0), (0, -3), (2, -1), (9, 0), (0, 40)]
OFFSETS_3D = [(1, 0, 0), (0, -1, 0), (0, 0, 3), (-2, 1, 1)]


def slow_affinities(embeddings, offsets, delta_dist):
    """Visit every pixel and every offset; NaN where the neighbour lies outside."""
    shape = embeddings.shape[1:]
    result = np.full((len(offsets), *shape), np.nan)
    for channel, offset in enumerate(offsets):
        for pixel in itertools.product(*map(range, shape)):
            neighbour = tuple(p + o for p, o in zip(pixel, offset, strict=True))
            if all(0 <= n < size for n, size in zip(neighbour, shape, strict=True)):
                distance = np.linalg.norm(embeddings[(slice(None), *pixel)] - embeddings[(slice(None), *neighbour)])
                result[(channel, *pixel)] = max((2 * delta_dist - distance) / (2 * delta_dist), 0) ** 2
    return result


def assert_matches(affinities, reference, offsets, *, atol):
    """Compare the pixels whose neighbour lies inside the image."""
    for found, expected, offset in zip(affinities, reference, offsets, strict=True):
        inside = tuple(
            slice(max(0, -o), size - max(0, o)) for o, size in zip(map(int, offset), found.shape, strict=True)
        )
        np.testing.assert_allclose(found[inside], expected[inside], atol=atol)


def test_golden(golden):
    numbers = np.load(golden / "affinities.npz")
    found = embedding_affinities(numbers["embeddings"], numbers["offsets"], delta_dist=2.0)
    assert_matches(found, numbers["affinities"], numbers["offsets"], atol=1e-6)


def test_shared_golden(shared):
    numbers = np.load(shared / "golden" / "spoco_losses.npz")
    for embeddings, expected in zip(numbers["case2d__emb_f"], numbers["aff2d__ref_aff_attractive"], strict=True):
        found = embedding_affinities(embeddings, numbers["aff2d__offsets"])
        assert_matches(found, expected, numbers["aff2d__offsets"], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "offsets", "delta_dist"),
    [
        pytest.param((7, 9), OFFSETS_2D, 2.0, id="2D"),
        pytest.param((7, 9), OFFSETS_2D, 0.7, id="2D, small margin"),
        pytest.param((4, 5, 6), OFFSETS_3D, 2.0, id="3D"),
        pytest.param((1, 6), [(1, 0), (0, 1)], 2.0, id="one row"),
    ],
)
def test_equals_slow_reference_and_is_zero_outside(shape, offsets, delta_dist, rng):
    embeddings = rng.normal(size=(5, *shape)).astype(np.float32)
    found = embedding_affinities(embeddings, offsets, delta_dist=delta_dist)
    expected = slow_affinities(embeddings, offsets, delta_dist)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.nan_to_num(expected, nan=0.0), atol=1e-6)


def test_same_embedding_is_one_and_twice_the_margin_is_zero():
    embeddings = np.zeros((3, 1, 4), dtype=np.float32)
    embeddings[0, 0, 2:] = 4.0
    np.testing.assert_array_equal(embedding_affinities(embeddings, [(0, 1)])[0, 0], [1, 0, 1, 0])


def test_default_offsets_begin_with_the_direct_neighbours():
    assert default_offsets(2) == ((1, 0), (0, 1), (3, 0), (0, 3), (9, 0), (0, 9), (27, 0), (0, 27))
    assert default_offsets(3)[:3] == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert len(default_offsets(3)) == 12


@pytest.mark.parametrize(
    ("embeddings", "offsets", "delta_dist", "error", "message"),
    [
        pytest.param(np.zeros((4, 4)), [(0, 1)], 2.0, ValueError, "embeddings: expected axes", id="axes"),
        pytest.param(np.zeros((2, 4, 4), int), [(0, 1)], 2.0, TypeError, "embeddings: .*int64", id="integers"),
        pytest.param(np.zeros((2, 0, 4)), [(0, 1)], 2.0, ValueError, "embeddings: .*one pixel", id="empty"),
        pytest.param(np.full((2, 4, 4), np.nan), [(0, 1)], 2.0, ValueError, "embeddings: .*NaN", id="NaN"),
        pytest.param(np.full((2, 4, 4), np.inf), [(0, 1)], 2.0, ValueError, "embeddings: .*infinity", id="infinity"),
        pytest.param(np.zeros((2, 4, 4)), [], 2.0, ValueError, "offsets: .*none", id="no offset"),
        pytest.param(np.zeros((2, 4, 4)), [(0, 0)], 2.0, ValueError, r"offsets: .*\(0, 0\)", id="zero offset"),
        pytest.param(np.zeros((2, 4, 4)), [(0, 0, 1)], 2.0, ValueError, "offsets: expected 2", id="long offset"),
        pytest.param(np.zeros((2, 4, 4)), [(0, 0.5)], 2.0, TypeError, "offsets: ", id="fraction"),
        pytest.param(np.zeros((2, 4, 4)), [(0, 1)], 0.0, ValueError, "delta_dist: ", id="no margin"),
        pytest.param(np.zeros((2, 4, 4)), [(0, 1)], "2", TypeError, "delta_dist: ", id="text"),
    ],
)
def test_errors_name_the_argument(embeddings, offsets, delta_dist, error, message):
    with pytest.raises(error, match=message):
        embedding_affinities(embeddings, offsets, delta_dist=delta_dist)


def test_large_finite_values_are_accepted():
    embeddings = np.full((1, 2, 2), 3e38, dtype=np.float32)
    assert embedding_affinities(embeddings, [(0, 1)])[0, 0, 0] == 1
