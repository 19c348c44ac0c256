"""Embeddings with known instances, and the numbers that other implementations gave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def golden() -> Path:
    """Return the folder of the reference numbers that are kept in the repository."""
    return GOLDEN


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
