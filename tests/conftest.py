"""Fixtures of all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Cap the threads of torch, here and in child processes, before it is loaded."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def shared_folder() -> Path | None:
    """Return the folder of reference data beside the repository, if this machine has it."""
    folder = REPOSITORY.parent / "shared"
    return folder if folder.is_dir() else None


@pytest.fixture
def shared() -> Path:
    """Return the reference data beside the repository, or skip the test."""
    folder = shared_folder()
    if folder is None:
        pytest.skip(f"the reference data lie beside the repository only where it is developed ({REPOSITORY.parent})")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that starts alike for every test."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _skip_without_gpu(request: pytest.FixtureRequest) -> None:
    """Skip tests marked `gpu` where there is no CUDA device."""
    if request.node.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")


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
