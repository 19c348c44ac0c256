"""What is chosen for the data where the settings leave it open: network, patch and batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_spoco.config import NetworkConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard

if TYPE_CHECKING:
    from napari_spoco.config import TrainingConfig
    from napari_spoco.training.memory import Attempt

_MAPS = {2: (16, 32, 64, 128), 3: (16, 32, 64, 128)}
_PATCH = {2: (128, 128), 3: (24, 64, 64)}
_BATCH = {2: 4, 3: 2}
_NORM = {2: "batch", 3: "group"}


def choose_batch(config: TrainingConfig, ndim: int) -> Attempt:
    """Return the patch shape and the batch size to begin with."""
    return config.patch_shape or _PATCH[ndim], config.batch_size or _BATCH[ndim]


def new_model(shape: tuple[int, ...], config: TrainingConfig, seed: int) -> EmbeddingModel:
    """Make an untrained model for images of a shape (C, *spatial)."""
    ndim = len(shape) - 1
    network = NetworkConfig(
        ndim=ndim,
        in_channels=shape[0],
        embedding_dim=config.embedding_dim,
        feature_maps=config.feature_maps or _MAPS[ndim],
        norm=config.norm or _NORM[ndim],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EmbeddingModel.create(ModelCard(network=network, normalization=config.normalization))
