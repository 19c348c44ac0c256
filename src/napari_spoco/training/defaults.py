"""What is chosen for the data where the settings leave it open: network, patch, batch, rim. Needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spoco.config import NetworkConfig

if TYPE_CHECKING:
    from napari_spoco.config import TrainingConfig

_MAPS = (16, 32, 64, 128)
_PATCH: dict[int, tuple[int, ...]] = {2: (128, 128), 3: (24, 64, 64)}
_BATCH = {2: 4, 3: 2}
_NORM = {2: "batch", 3: "group"}
_RIM = {2: 2, 3: 0}


def choose_network(config: TrainingConfig, ndim: int, n_channels: int) -> NetworkConfig:
    """Return the network of a new model."""
    return NetworkConfig.model_validate(
        {
            "ndim": ndim,
            "in_channels": n_channels,
            "embedding_dim": config.embedding_dim,
            "feature_maps": config.feature_maps or _MAPS,
            "norm": config.norm or _NORM[ndim],
            "pixel_classes": config.loss.pixel_classes_weight > 0,
        }
    )


def choose_batch(config: TrainingConfig, ndim: int) -> tuple[tuple[int, ...], int]:
    """Return the patch shape and the batch size to begin with."""
    return config.patch_shape or _PATCH[ndim], config.batch_size or _BATCH[ndim]


def choose_rim(config: TrainingConfig, ndim: int) -> int:
    """Return the width of the rim of background around painted objects, in pixels; measured in 2D alone."""
    return _RIM[ndim] if config.background_rim is None else config.background_rim
