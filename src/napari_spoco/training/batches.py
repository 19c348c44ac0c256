"""The batches of a training: patches of the user's images, and of what the model was trained on before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spoco.training.augment import Augmentation, crop_shape
from napari_spoco.training.patches import PatchSampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch

    from napari_spoco.config import AugmentationConfig
    from napari_spoco.training.augment import Batch
    from napari_spoco.training.inputs import TrainingImage
    from napari_spoco.training.patches import Crop
    from napari_spoco.training.replay import Replay


class BatchSource:
    """Draws batches; `show` has to be called before the first.

    Parameters
    ----------
    config
        Strengths of the augmentation.
    patch_shape, batch_size
        (Z)YX in pixels, and patches of a batch.
    voxel_size
        Of the run, per axis; equal if None.
    replay
        What a share of the patches is taken from instead, if any.
    """

    def __init__(
        self,
        config: AugmentationConfig,
        patch_shape: tuple[int, ...],
        batch_size: int,
        *,
        voxel_size: tuple[float, ...] | None = None,
        replay: Replay | None = None,
    ) -> None:
        self._batch_size, self._replay = batch_size, replay
        self._crop = crop_shape(config, patch_shape, voxel_size)
        self._jitter = tuple(n // 2 for n in patch_shape)
        self._augment = Augmentation(config, patch_shape, voxel_size)
        self._replayed = self._sampler(replay.images) if replay else None

    def show(self, images: Sequence[TrainingImage]) -> None:
        """Draw from these images from now on.

        Raises
        ------
        ValueError
            Nothing is annotated in them.
        """
        self._shown = self._sampler(images)

    def draw(self, rng: np.random.Generator, device: torch.device | str) -> Batch:
        """Return a batch on a device; the same generator draws the same."""
        return self._augment(self.draw_crops(rng), rng, device)

    def draw_crops(self, rng: np.random.Generator) -> list[Crop]:
        """Return the crops of a batch before they are augmented, those that are replayed last."""
        n_replayed = self._replay.count(self._batch_size, rng) if self._replay else 0
        crops = [self._shown.draw(rng) for _ in range(self._batch_size - n_replayed)]
        return crops + [self._replayed.draw(rng) for _ in range(n_replayed) if self._replayed]

    def _sampler(self, images: Sequence[TrainingImage]) -> PatchSampler:
        return PatchSampler(images, self._crop, jitter=self._jitter)
