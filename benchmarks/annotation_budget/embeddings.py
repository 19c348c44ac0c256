"""Ours, and what is left of it without one of its parts: how pixel embeddings are trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.annotation_budget.budget import train_for
from benchmarks.annotation_budget.contestants import Fitted, Readout, Setting
from benchmarks.annotation_budget.readouts import Embedded, modes, object_readouts, radii, tissue_readouts

from napari_spoco.config import DISCRIMINATIVE_LOSS, LossConfig, TrainingConfig, ValidationConfig
from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.models.checkpoint import load_model
from napari_spoco.segmentation.prediction import predict_outputs, split_outputs
from napari_spoco.training.loss import TERMS
from napari_spoco.training.reports import StepReport
from napari_spoco.training.run import train

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.annotation_budget.contestants import Task
    from numpy.typing import NDArray

    from napari_spoco.models.checkpoint import EmbeddingModel


@dataclass(frozen=True)
class Variant:
    """Changes of the default training; `from_shipped` starts from the shipped model for such images."""

    loss: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    from_shipped: bool = False

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


_WITHOUT_CLASSES = {"pixel_classes_weight": 0.0}
_CLASSES_ALONE = {f"{term}_weight": 0.0 for term in TERMS}

VARIANTS = {
    "sparse": Variant(),
    "no-classes": Variant(_WITHOUT_CLASSES),
    "no-rim": Variant(_WITHOUT_CLASSES, {"background_rim": 0}),
    "mean-background": Variant({**_WITHOUT_CLASSES, "background_embedding": "mean"}, {"background_rim": 0}),
    "sparse-ball": Variant({"unlabeled_push_over": "ball"}),
    "no-consistency": Variant({"consistency_weight": 0.0}),
    "no-push": Variant({"unlabeled_push_weight": 0.0}),
    "no-classes-no-consistency": Variant({**_WITHOUT_CLASSES, "consistency_weight": 0.0}),
    "no-classes-no-push": Variant({**_WITHOUT_CLASSES, "unlabeled_push_weight": 0.0}),
    "classes": Variant(_CLASSES_ALONE),
    "discriminative": Variant(DISCRIMINATIVE_LOSS.model_dump()),
    "dense": Variant({"supervision": "dense", "consistency_weight": 0.0}),
    "transfer": Variant(from_shipped=True),
}


def fit(task: Task, variant: Variant) -> Fitted:
    """Train a variant on what was painted, and prepare its read-outs."""
    images, annotations = task.images, task.annotations
    start = load_model("ovules-small" if task.is_tissue else "nuclei-small") if variant.from_shipped else None

    def learn(n_steps: int, tick: Callable[[], None]) -> EmbeddingModel:
        def on_report(message: object) -> None:
            if isinstance(message, StepReport):
                tick()

        config = variant.config(task, n_steps)
        return train(images, annotations, start_from=start, config=config, on_report=on_report).model

    model, n_steps = train_for(task, learn, from_step=start.card.history.steps if start else 0)
    outputs = [_predict(model, image) for image in images]
    strokes = [e[:, a.labels == BACKGROUND] for (e, _), a in zip(outputs, annotations, strict=True)]
    shown = modes(np.concatenate(strokes, axis=1))
    predictions = [Embedded(i, *o, shown) for i, o in zip(images, outputs, strict=True)]
    if task.is_tissue:
        readouts = tissue_readouts(model.card)
    else:
        readouts = object_readouts(model.card, radii(predictions, [a.labels > 0 for a in annotations]))
    return Fitted(
        predictions,
        lambda image: Embedded(image, *_predict(model, image), shown),
        {name: _ignoring_the_image(readout) for name, readout in readouts.items()},
        n_steps,
    )


def _predict(model: EmbeddingModel, image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return embeddings, and scores of the pixel classes if there are any."""
    return split_outputs(predict_outputs(model, image, teacher=True), model.config)


def _ignoring_the_image(readout: Readout) -> Readout:
    """Let settings take the image too, which an `Embedded` holds."""
    settings = [Setting(s.name, lambda _, embedded, segment=s.segment: segment(embedded)) for s in readout.settings]
    return readout._replace(settings=settings)
