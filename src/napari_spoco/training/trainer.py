"""The training loop, on one screen: `Trainer.run(stop)` yields reports and previews, then holds the model.

The trainer knows nothing of windows and processes: the command line runs it as it is, `process` runs it in a child.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_spoco.config import NetworkConfig, SegmentationConfig, TrainingConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, TrainingHistory, load_model
from napari_spoco.models.network import make_teacher, update_teacher
from napari_spoco.segmentation.foreground import radius_from_annotations
from napari_spoco.training.augment import Augmentation, crop_shape
from napari_spoco.training.devices import choose_device, choose_precision
from napari_spoco.training.inputs import check_sizes, prepare_images
from napari_spoco.training.loss import spoco_loss
from napari_spoco.training.patches import PatchSampler
from napari_spoco.training.preview import Previewer, annotated_box, embed_box
from napari_spoco.training.reports import LossTerms, Preview, StepReport, TrainingStarted

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_spoco.training.inputs import Annotations, TrainingImage

_DEFAULT_MAPS = {2: (16, 32, 64, 128), 3: (16, 32, 64, 128)}
_DEFAULT_PATCH = {2: (128, 128), 3: (24, 64, 64)}
_DEFAULT_BATCH = {2: 4, 3: 2}
_DEFAULT_NORM = {2: "batch", 3: "group"}
_MEASURED_PIXELS = 2_000_000
_TEACHER_RAMP = 10
"""The momentum at step s is at most (1 + s) / (10 + s), so that the teacher of a short run leaves its random start."""


@dataclass(frozen=True)
class TrainingResult:
    """The trained model and what led to it."""

    model: EmbeddingModel
    reports: tuple[StepReport, ...]
    stopped: bool


class Trainer:
    """Train a student and its teacher on sparsely annotated images.

    Parameters
    ----------
    images
        Images (*spatial) or (C, *spatial), all of one dimensionality and number of channels.
    annotations
        One integer array (*spatial) or `SparseAnnotations` per image; 0 is unlabeled.
    start_from
        Model to go on from; its architecture and normalisation replace those of `config`.
    config
        Settings of the run.
    voxel_size, units
        Of the images, per spatial axis; kept in the model.

    Raises
    ------
    ValueError
        An image or an annotation cannot be trained on; the message names it.
    """

    def __init__(
        self,
        images: Sequence[NDArray[Any]],
        annotations: Sequence[Annotations],
        *,
        start_from: EmbeddingModel | None = None,
        config: TrainingConfig | None = None,
        voxel_size: tuple[float, ...] | None = None,
        units: tuple[str, ...] | None = None,
    ) -> None:
        self.config = config = config or TrainingConfig()
        normalization = start_from.card.normalization if start_from else config.normalization
        self._data = prepare_images(images, annotations, normalization)
        rng = np.random.default_rng(config.seed)
        self._generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        self._model = start_from or _new_model(self._data, config, seed=int(rng.integers(2**31)))
        network = self._model.config
        self.patch_shape = config.patch_shape or _DEFAULT_PATCH[network.ndim]
        self.batch_size = config.batch_size or _DEFAULT_BATCH[network.ndim]
        check_sizes(self._data, self.patch_shape, network)
        self.device = choose_device(config.device)
        self._dtype = choose_precision(config.precision, self.device)
        self._student = self._model.network.to(self.device)
        self._teacher = (self._model.teacher or make_teacher(self._student)).to(self.device)
        self._optimizer = torch.optim.Adam(
            self._student.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        margin = tuple(n // 2 for n in self.patch_shape)
        self._sampler = PatchSampler(self._data, crop_shape(config.augmentation, self.patch_shape), margin)
        self._augment = Augmentation(config.augmentation, self.patch_shape, rng)
        self._rng = rng
        self._previewer = Previewer(self._data, network, config.preview_seconds)
        self._card = self._model.card.model_copy(
            update={
                "delta_var": config.loss.delta_var,
                "delta_dist": config.loss.delta_dist,
                "kernel_threshold": config.loss.kernel_threshold,
                "patch_shape": self.patch_shape,
                "voxel_size": voxel_size or self._model.card.voxel_size,
                "units": units or self._model.card.units,
                "median_object_size": float(
                    np.median([n for image in self._data for n in image.annotations.sizes.values()])
                ),
            }
        )
        self._reports: list[StepReport] = []
        self._stopped = False

    def run(self, stop: Callable[[], bool] | None = None) -> Iterator[TrainingStarted | StepReport | Preview]:
        """Train; yields a report per step and a preview now and then.

        `stop` is asked before every step; after a stop the model is complete, only less trained.
        """
        config = self.config
        yield self._started()
        begin = time.monotonic()
        for step in range(1, config.max_steps + 1):
            elapsed = time.monotonic() - begin
            progress = self._progress(step - 1, elapsed)
            if progress >= 1.0 or (stop is not None and stop()):
                self._stopped = progress < 1.0
                break
            rate = config.learning_rate * _decay(config.schedule, progress)
            for group in self._optimizer.param_groups:
                group["lr"] = rate

            student_view, teacher_view, labels = self._batch()  # (B, C, *patch) twice, (B, *patch)
            with self._autocast():
                student = self._student(student_view)  # (B, E, *patch)
                with torch.no_grad():
                    teacher = self._teacher(teacher_view) if config.loss.consistency_weight else None
            teacher = None if teacher is None else teacher.float()
            terms = spoco_loss(student.float(), teacher, labels, config.loss, self._generator)
            self._optimizer.zero_grad(set_to_none=True)
            torch.stack(list(terms.values())).sum().backward()
            self._optimizer.step()
            momentum = min(config.momentum, step / (_TEACHER_RAMP + step - 1))
            update_teacher(self._teacher, self._student, momentum, has_run=teacher is not None)

            yield self._report(step, terms, rate, time.monotonic() - begin)
            if self._previewer.is_due():
                with self._autocast():
                    preview = self._previewer.make(self._teacher, step)
                yield preview

    def result(self) -> TrainingResult:
        """Return the model as it is now, on the CPU, with its history."""
        reports = tuple(self._reports)
        radius = self._foreground_radius()
        thinned = reports[:: max(1, len(reports) // 500)]
        history = TrainingHistory(
            steps=self._model.card.history.steps + len(reports),
            seconds=self._model.card.history.seconds + (reports[-1].elapsed if reports else 0.0),
            n_images=len(self._data),
            n_objects=sum(image.annotations.n_objects for image in self._data),
            loss_steps=tuple(report.step for report in thinned),
            losses=tuple(report.terms.total for report in thinned),
        )
        card = self._card.model_copy(update={"history": history, "foreground_radius": radius})
        model = EmbeddingModel(self._student.eval(), card, self._teacher.eval()).to("cpu")
        return TrainingResult(model, reports, self._stopped)

    def _foreground_radius(self) -> float | None:
        """Measure on some training images how far annotated objects are embedded from the background."""
        embeddings, labels, n_pixels = [], [], 0
        for data in self._data:
            box = annotated_box(data.annotations.labels, self._model.config) if data.annotations.n_objects else None
            if box is not None and n_pixels < _MEASURED_PIXELS and (data.annotations.labels[box] > 0).any():
                embeddings.append(embed_box(self._teacher, data.image[(slice(None), *box)]))
                labels.append(data.annotations.labels[box])
                n_pixels += labels[-1].size
        smoothing = SegmentationConfig().smoothing
        return radius_from_annotations(embeddings, labels, smoothing=smoothing) if embeddings else None

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        crops = [self._sampler.draw(self._rng) for _ in range(self.batch_size)]
        views = [self._augment(image.to(self.device), labels.to(self.device)) for image, labels in crops]
        return (
            torch.stack([view.student for view in views]),
            torch.stack([view.teacher for view in views]),
            torch.stack([view.labels for view in views]),
        )

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self._dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self._dtype)

    def _progress(self, steps: int, seconds: float) -> float:
        """Return the share of the run that is done, by steps or by time, whichever is further."""
        minutes = self.config.max_minutes
        return max(steps / self.config.max_steps, seconds / (60 * minutes) if minutes else 0.0)

    def _started(self) -> TrainingStarted:
        return TrainingStarted(
            device=str(self.device),
            precision=str(self._dtype).removeprefix("torch."),
            patch_shape=self.patch_shape,
            batch_size=self.batch_size,
            n_objects=sum(image.annotations.n_objects for image in self._data),
            n_parameters=sum(parameter.numel() for parameter in self._student.parameters()),
        )

    def _report(self, step: int, terms: dict[str, torch.Tensor], rate: float, elapsed: float) -> StepReport:
        values = LossTerms(**{name: value.item() for name, value in terms.items()})
        if not math.isfinite(values.total):
            raise FloatingPointError(
                f"The loss became {values.total} at step {step}; try a lower learning rate (now {rate:.1e})."
            )
        remaining = elapsed * (1 / max(self._progress(step, elapsed), 1e-9) - 1)
        report = StepReport(step, self.config.max_steps, values, rate, elapsed, max(remaining, 0.0))
        self._reports.append(report)
        return report


def train(
    images: Sequence[NDArray[Any]],
    annotations: Sequence[Annotations],
    *,
    start_from: EmbeddingModel | str | os.PathLike[str] | None = None,
    config: TrainingConfig | None = None,
    stop: Callable[[], bool] | None = None,
    on_report: Callable[[TrainingStarted | StepReport | Preview], None] | None = None,
) -> TrainingResult:
    """Train a model from masks of a few objects (SPOCO, Wolny et al., CVPR 2022).

    Parameters
    ----------
    images
        Images of shape (*spatial) or (C, *spatial), 2D or 3D, all with the same number of axes and channels.
    annotations
        Per image an integer array (*spatial): 0 is unlabeled, every other id one object; or `SparseAnnotations`.
    start_from
        A model, or the path of one, to fine-tune.
    config
        Settings; what is None there is chosen for the data and the device.
    stop
        Asked before every step; True ends the training early.
    on_report
        Called with every report and preview.

    Returns
    -------
    TrainingResult
        Model on the CPU, one report per step, and whether the run was stopped.

    Raises
    ------
    ValueError
        An image or an annotation cannot be trained on; the message names it, what was expected and what came.
    """
    model = start_from if isinstance(start_from, EmbeddingModel | None) else load_model(start_from)
    trainer = Trainer(images, annotations, start_from=model, config=config)
    for report in trainer.run(stop):
        if on_report is not None:
            on_report(report)
    return trainer.result()


def _new_model(data: list[TrainingImage], config: TrainingConfig, seed: int) -> EmbeddingModel:
    ndim = data[0].image.ndim - 1
    network = NetworkConfig(
        ndim=ndim,
        in_channels=data[0].image.shape[0],
        embedding_dim=config.embedding_dim,
        feature_maps=config.feature_maps or _DEFAULT_MAPS[ndim],
        norm=config.norm or _DEFAULT_NORM[ndim],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EmbeddingModel.create(ModelCard(network=network, normalization=config.normalization))


def _decay(schedule: str, progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress)) if schedule == "cosine" else 1.0
