"""Small images on which a training runs within seconds."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.config import TrainingConfig


@pytest.fixture
def discs() -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on a dark noisy ground, and their labels."""
    size = 64
    rng = np.random.default_rng(0)
    labels = np.zeros((size, size), dtype=np.int32)
    y, x = np.mgrid[:size, :size]
    for index, centre in enumerate([(14, 14), (16, 46), (44, 20), (48, 50)], start=1):
        labels[np.hypot(y - centre[0], x - centre[1]) < 8] = index
    image = (labels > 0) * 100.0 + rng.normal(20, 5, labels.shape)
    return image.astype(np.float32), labels


@pytest.fixture
def tiny_config() -> TrainingConfig:
    return TrainingConfig(
        max_steps=3, patch_shape=(32, 32), batch_size=2, feature_maps=(4, 8), device="cpu", preview_seconds=0.0
    )
