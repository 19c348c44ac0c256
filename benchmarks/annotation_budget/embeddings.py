"""Ours, and what is left of it without one of its parts: how pixel embeddings are trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.annotation_budget.budget import steps_for
from benchmarks.annotation_budget.contestants import Fitted, Readout, Setting
from benchmarks.annotation_budget.readouts import Embedded, modes, object_readouts, radii, tissue_readouts

from napari_spoco.config import DISCRIMINATIVE_LOSS, LossConfig, TrainingConfig, ValidationConfig
from napari_spoco.data.annotations import BACKGROUND, SparseAnnotations
from napari_spoco.models.checkpoint import load_model
from napari_spoco.segmentation.prediction import predict_embeddings
from napari_spoco.training.reports import StepReport
from napari_spoco.training.trainer import train

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.annotation_budget.contestants import Task
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Variant:
    """Changes of the default training.

    `shrink` makes pixels larger by a whole number, in training and prediction; objects are scored on the image's own
    pixels.
    """

    loss: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    start_from: str | None = None
    shrink: int = 1

    def config(self, task: Task, max_steps: int) -> TrainingConfig:
        """Return the settings: no object is left out, so that all that was painted is learned from."""
        base = TrainingConfig()
        changes = {
            "loss": LossConfig.model_validate({**base.loss.model_dump(), **self.loss}),
            "max_steps": max_steps,
            "max_minutes": None,
            "preview_seconds": 1e9,
            "validation": ValidationConfig(left_out="none"),
            "seed": task.seed,
            **self.training,
        }
        return base.model_copy(update=changes)


VARIANTS = {
    "sparse": Variant(),
    "sparse-ball": Variant({"unlabeled_push_over": "ball"}),
    "sparse-half": Variant(shrink=2),
    "half-ball": Variant({"unlabeled_push_over": "ball"}, shrink=2),
    "half-ball-1": Variant({"unlabeled_push_over": "ball", "consistency_weight": 1.0}, shrink=2),
    "no-consistency": Variant({"consistency_weight": 0.0}),
    "no-push": Variant({"unlabeled_push_weight": 0.0}),
    "discriminative": Variant(DISCRIMINATIVE_LOSS.model_dump()),
    "dense": Variant({"supervision": "dense", "consistency_weight": 0.0}),
    "transfer": Variant(start_from="nuclei-small"),
}


def fit(task: Task, variant: Variant) -> Fitted:
    """Train a variant on what was painted, and prepare its read-outs."""
    images = [_shrunk(image, variant.shrink) for image in task.images]
    annotations = [_shrunk_annotations(a, variant.shrink) for a in task.annotations]
    start = load_model(variant.start_from) if variant.start_from else None

    def rehearse(n_steps: int, tick: Callable[[], None]) -> None:
        def on_report(message: object) -> None:
            if isinstance(message, StepReport):
                tick()

        train(images, annotations, start_from=start, config=variant.config(task, n_steps), on_report=on_report)

    n_steps = steps_for(task.minutes, rehearse)
    model = train(images, annotations, start_from=start, config=variant.config(task, n_steps)).model
    embeddings = [predict_embeddings(model, image, teacher=True) for image in images]
    strokes = [e[:, a.labels == BACKGROUND] for e, a in zip(embeddings, annotations, strict=True)]
    shown = modes(np.concatenate(strokes, axis=1))
    predictions = [Embedded(i, e, shown) for i, e in zip(images, embeddings, strict=True)]

    def predict(image: NDArray[Any]) -> Embedded:
        small = _shrunk(image, variant.shrink)
        return Embedded(small, predict_embeddings(model, small, teacher=True), shown)

    if task.is_tissue:
        readouts = tissue_readouts(model.card)
    else:
        readouts = object_readouts(model.card, radii(predictions, [a.labels > 0 for a in annotations]))
    return Fitted(predictions, predict, {n: _on_own_pixels(r, variant.shrink) for n, r in readouts.items()}, n_steps)


def _on_own_pixels(readout: Readout, factor: int) -> Readout:
    """Let settings return labels of the image's own pixels."""

    def grown(setting: Setting) -> Setting:
        def segment(image: NDArray[Any], embedded: Embedded) -> NDArray[Any]:
            labels = setting.segment(embedded)
            if factor == 1:
                return labels
            blocks = np.kron(labels, np.ones((factor,) * labels.ndim, dtype=labels.dtype))
            return blocks[tuple(slice(n) for n in image.shape)]

        return Setting(setting.name, segment)

    return Readout([grown(setting) for setting in readout.settings], readout.is_slow)


def _shrunk(image: NDArray[Any], factor: int) -> NDArray[Any]:
    """Average over blocks of pixels."""
    if factor == 1:
        return image
    from skimage.transform import downscale_local_mean

    return downscale_local_mean(image, (factor,) * image.ndim).astype(np.float32)


def _shrunk_annotations(annotations: SparseAnnotations, factor: int) -> SparseAnnotations:
    every = (slice(factor // 2, None, factor),) * annotations.labels.ndim
    return annotations if factor == 1 else SparseAnnotations(annotations.labels[every])
