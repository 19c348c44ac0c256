from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_spoco.segmentation.smoothing import smooth_embeddings

SHAPES = [(1, 1), (1, 7), (9, 1), (3, 4), (40, 31), (1, 6, 5), (2, 30, 21), (12, 13, 14)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("sigma", [0.2, 0.7, 1.0, 2.5])
def test_equals_scipy_at_the_border_and_inside(shape, sigma, rng):
    """Narrow images included, where the Gaussian reaches beyond several reflections."""
    embeddings = rng.normal(3, 1, (3, *shape)).astype(np.float32)
    radius = int(np.ceil(3 * sigma))
    expected = [ndimage.gaussian_filter(channel, sigma, radius=radius) for channel in embeddings.astype(np.float64)]
    smoothed = smooth_embeddings(embeddings, sigma)
    assert smoothed.dtype == np.float32
    np.testing.assert_allclose(smoothed, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("scale", "sigmas"),
    [
        pytest.param((1, 1, 1), (2, 2, 2), id="equal"),
        pytest.param((2.0, 0.5, 0.5), (0.5, 2, 2), id="coarse planes"),
        pytest.param((50, 1, 1), (0, 2, 2), id="planes too far apart to be smoothed"),
        pytest.param((1, 2, 1), (2, 1, 2), id="coarse rows"),
    ],
)
def test_the_gaussian_has_one_physical_width(scale, sigmas, rng):
    embeddings = rng.normal(size=(2, 8, 20, 20)).astype(np.float32)
    radius = [int(np.ceil(3 * sigma)) for sigma in sigmas]
    expected = [ndimage.gaussian_filter(channel, sigmas, radius=radius) for channel in embeddings]
    np.testing.assert_allclose(smooth_embeddings(embeddings, 2.0, scale=scale), expected, atol=1e-5)


def test_the_input_is_left_as_it_was(rng):
    embeddings = rng.normal(size=(2, 9, 9)).astype(np.float32)
    before = embeddings.copy()
    smooth_embeddings(embeddings, 1.0)
    np.testing.assert_array_equal(embeddings, before)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        pytest.param((1, 1), "scale: expected 3 numbers", id="axes"),
        pytest.param((1, 0, 1), "scale: expected a number greater than 0", id="zero"),
    ],
)
def test_errors_name_the_argument(scale, message):
    with pytest.raises(ValueError, match=message):
        smooth_embeddings(np.zeros((2, 3, 4, 5)), 1.0, scale=scale)
