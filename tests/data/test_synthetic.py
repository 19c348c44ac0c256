from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_spoco.data.synthetic import membrane_stack


@pytest.mark.parametrize("shape", [(64, 80), (12, 64, 80)], ids=["2D", "3D"])
def test_every_pixel_belongs_to_a_cell(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    stack = membrane_stack(shape, rng=rng)
    assert stack.image.shape == stack.labels.shape == shape
    assert (stack.image.dtype, stack.labels.dtype) == (np.uint8, np.uint32)
    assert stack.scale == (1.0,) * len(shape)
    np.testing.assert_array_equal(np.unique(stack.labels), np.arange(1, stack.labels.max() + 1))


def test_membranes_are_bright_and_cells_dark(rng: np.random.Generator) -> None:
    stack = membrane_stack((24, 96, 96), rng=rng)
    greatest, least = (f(stack.labels, size=3) for f in (ndimage.maximum_filter, ndimage.minimum_filter))
    is_wall = greatest != least
    inside = ndimage.binary_erosion(~is_wall, iterations=2)
    assert stack.image[is_wall].mean() > 2 * stack.image[inside].mean()


def test_cells_are_connected(rng: np.random.Generator) -> None:
    labels = membrane_stack((8, 48, 48), rng=rng).labels
    for cell in range(1, labels.max() + 1):
        assert ndimage.label(labels == cell, np.ones((3, 3, 3)))[1] == 1


def test_the_diameter_is_about_what_was_asked_for(rng: np.random.Generator) -> None:
    labels = membrane_stack((160, 160), rng=rng, cell_diameter=16).labels
    rims = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    sizes = np.delete(np.bincount(labels.ravel()), [0, *rims])
    assert 2 * np.sqrt(np.median(sizes) / np.pi) == pytest.approx(17, rel=0.2)


def test_thick_planes_make_flat_cells(rng: np.random.Generator) -> None:
    stack = membrane_stack((16, 64, 64), rng=rng, scale=(3, 1, 1), cell_diameter=16)
    assert stack.scale == (3.0, 1.0, 1.0)
    extents = [[s.stop - s.start for s in box] for box in ndimage.find_objects(stack.labels.astype(int))]
    z, y, x = np.mean(extents, axis=0)
    assert z < 0.6 * min(y, x)


def test_equal_generators_make_equal_stacks() -> None:
    stacks = [membrane_stack((8, 32, 32), rng=np.random.default_rng(seed)) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(stacks[0].image, stacks[1].image)
    np.testing.assert_array_equal(stacks[0].labels, stacks[1].labels)
    assert (stacks[0].image != stacks[2].image).any()


def test_without_noise_and_blur_cells_are_flat(rng: np.random.Generator) -> None:
    noisy, clean = (membrane_stack((64, 64), rng=rng, noise=n, blur=n, photons=p).image for n, p in ((5, 20), (0, 1e6)))
    assert np.abs(np.diff(clean.astype(int), axis=0)).mean() < np.abs(np.diff(noisy.astype(int), axis=0)).mean()


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (1, 40, 40), (3, 500)])
def test_odd_shapes(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    stack = membrane_stack(shape, rng=rng)
    assert stack.labels.shape == shape
    assert stack.labels.min() == 1


def test_a_sample_takes_less_than_a_second(rng: np.random.Generator) -> None:
    start = time.process_time()
    membrane_stack((24, 96, 96), rng=rng)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (5,)}, "shape: expected 2 or 3 numbers"),
        ({"shape": (5, 0)}, "shape: expected 2 or 3 numbers of at least 1"),
        ({"scale": (1, 1)}, "scale: expected 3 positive numbers"),
        ({"scale": (1, -1, 1)}, "scale: expected 3 positive numbers"),
        ({"cell_diameter": 0}, "cell_diameter: expected a positive number, got 0"),
        ({"membrane_width": float("nan")}, "membrane_width: expected a positive number"),
        ({"photons": -1}, "photons: expected a positive number"),
        ({"noise": -1}, "noise: expected a number of at least 0"),
        ({"blur": float("inf")}, "blur: expected a number of at least 0"),
    ],
)
def test_bad_arguments_are_refused(rng: np.random.Generator, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        membrane_stack(**options, rng=rng)
