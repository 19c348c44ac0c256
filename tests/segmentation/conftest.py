"""Embeddings with known instances, and the numbers that other implementations gave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def golden() -> Path:
    """Return the folder of the reference numbers that are kept in the repository."""
    return GOLDEN


def cells(
    shape: tuple[int, ...], n_cells: int, rng: np.random.Generator, *, noise: float = 0.0, n_channels: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings (E, *shape) of touching cells at least 4 apart, and their labels 1..n."""
    seeds = np.zeros(shape, dtype=np.uint32)
    chosen = rng.choice(seeds.size, n_cells, replace=False)
    seeds.flat[chosen] = np.arange(1, n_cells + 1)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    labels = seeds[tuple(nearest)]
    centres = rng.permutation(np.eye(max(n_channels, n_cells))[:n_cells, :]) * 4.0
    embeddings = np.moveaxis(centres[labels - 1], -1, 0)
    return (embeddings + rng.normal(0, noise, embeddings.shape)).astype(np.float32), labels


@pytest.fixture
def make_cells(rng: np.random.Generator) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Return `cells` with the test's generator."""

    def make(shape: tuple[int, ...], n_cells: int, **options: float) -> tuple[np.ndarray, np.ndarray]:
        return cells(shape, n_cells, rng, **options)

    return make


def canonical(labels: np.ndarray) -> np.ndarray:
    """Return the same partition with ids in order of first appearance, 0 left alone."""
    order: dict[int, int] = {0: 0}
    return np.array([order.setdefault(int(label), len(order)) for label in labels.flat]).reshape(labels.shape)


@pytest.fixture
def assert_same_partition() -> Callable[[np.ndarray, np.ndarray], None]:
    """Return a check that two labelings are equal up to the ids."""

    def check(found: np.ndarray, expected: np.ndarray) -> None:
        np.testing.assert_array_equal(canonical(found), canonical(expected))

    return check
