"""Fixtures of all tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

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
