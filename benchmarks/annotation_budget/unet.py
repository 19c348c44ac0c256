"""The same U-Net as ours, trained to classify pixels where labels are, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from benchmarks.annotation_budget.budget import train_for
from benchmarks.annotation_budget.contestants import Fitted
from benchmarks.annotation_budget.pixel_classes import N_CLASSES, UNKNOWN, classify_pixels, readouts
from torch.nn.functional import cross_entropy, softmax

from napari_spoco.config import TrainingConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, TrainingHistory
from napari_spoco.segmentation.prediction import predict_embeddings
from napari_spoco.training.augment import Augmentation, crop_shape
from napari_spoco.training.defaults import choose_batch, choose_network
from napari_spoco.training.devices import make_fabric
from napari_spoco.training.inputs import prepare_images
from napari_spoco.training.learner import place
from napari_spoco.training.patches import PatchSampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.annotation_budget.contestants import Task
    from numpy.typing import NDArray

_CONFIG = TrainingConfig(embedding_dim=N_CLASSES, device="cpu")


def fit(task: Task) -> Fitted:
    """Train by cross-entropy with the optimizer, patches and augmentation of ours, for the same processor time."""
    model, n_steps = train_for(task, partial(_train, task))
    return Fitted(
        [_probabilities(model, image) for image in task.images],
        lambda image: _probabilities(model, image),
        readouts(task.annotations, is_tissue=task.is_tissue),
        n_steps,
    )


def _train(task: Task, n_steps: int, tick: Callable[[], None]) -> EmbeddingModel:
    images = prepare_images(
        task.images, task.annotations, _CONFIG.normalization, config=_CONFIG.annotations, dense=False
    )
    network = choose_network(_CONFIG, images[0].image.ndim - 1, len(images[0].image))
    model = EmbeddingModel.create(ModelCard(network=network, normalization=_CONFIG.normalization), seed=task.seed)
    patch, batch_size = choose_batch(_CONFIG, model.config.ndim)
    fabric = make_fabric(_CONFIG)
    place(model.network, _CONFIG, fabric)
    sampler = PatchSampler(images, crop_shape(_CONFIG.augmentation, patch), jitter=tuple(n // 2 for n in patch))
    augment = Augmentation(_CONFIG.augmentation, patch)
    optimizer = torch.optim.Adam(
        model.network.parameters(), lr=_CONFIG.learning_rate, weight_decay=_CONFIG.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    rng = np.random.default_rng(task.seed)
    for _ in range(n_steps):
        batch = augment([sampler.draw(rng) for _ in range(batch_size)], rng)
        classes = np.stack([classify_pixels(labels, is_tissue=task.is_tissue) for labels in batch.labels.numpy()])
        with fabric.autocast():
            scores = model.network(batch.student)  # (B, 3, *patch)
        loss = cross_entropy(scores.float(), torch.from_numpy(classes), ignore_index=UNKNOWN)
        optimizer.zero_grad()
        if loss.isfinite():  # A batch without any annotated pixel has no mean.
            loss.backward()
            optimizer.step()
        schedule.step()
        tick()
    return replace(model, card=model.card.model_copy(update={"history": TrainingHistory(steps=n_steps)}))


def _probabilities(model: EmbeddingModel, image: NDArray[Any]) -> NDArray[np.float32]:
    """Return (3, *spatial)."""
    return softmax(torch.from_numpy(predict_embeddings(model, image)), dim=0).numpy()
