"""The networks of a run and what one step does to them: student, teacher, critic, optimizer and rate.

Knows neither images nor files. What a step draws comes from the generator that is passed in.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import torch

from napari_spoco.training.adversarial import AdversarialTerm
from napari_spoco.training.defaults import choose_rim
from napari_spoco.training.loss import spoco_loss
from napari_spoco.training.pixel_classes import pixel_class_loss
from napari_spoco.training.reports import LossTerms
from napari_spoco.training.schedule import Schedule
from napari_spoco.training.teacher import choose_teacher

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from napari_spoco.config import NetworkConfig, TrainingConfig
    from napari_spoco.models.checkpoint import EmbeddingModel
    from napari_spoco.models.network import UNet
    from napari_spoco.training.augment import Batch

_TERMS = tuple(field.name for field in fields(LossTerms))
_BETAS = (0.9, 0.999)


class Learner:
    """Train a model by steps.

    Parameters
    ----------
    model
        Its network lies on the device already (`place`), and is trained in place.
    config
        Settings of the run.
    fabric
        Devices and precision.
    patch_shape
        Shape of the patches, (Z)YX.
    learning_rate
        Peak rate.
    seed
        Initialises what is not in the model: critic, and a teacher of its own.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        config: TrainingConfig,
        fabric: Fabric,
        patch_shape: tuple[int, ...],
        *,
        learning_rate: float,
        seed: int,
    ) -> None:
        self._config, self._fabric = config, fabric
        self._layout = memory_layout(config, model.config)
        self.student = model.network
        self._split = [model.config.embedding_dim, model.config.n_outputs - model.config.embedding_dim]
        self._rim = choose_rim(config, model.config.ndim)
        self._teacher = choose_teacher(self.student, config, model.teacher, seed)
        place(self._teacher.network, config, fabric)
        adversarial, self._critic = config.adversarial, None
        if adversarial.enabled:
            self._critic = AdversarialTerm(
                adversarial, config.loss, model.config.ndim, patch_shape, fabric.device, seed=seed
            )
        optimizer = torch.optim.Adam(
            [*self.student.parameters(), *self._teacher.parameters()],
            learning_rate,
            (adversarial.beta1, adversarial.beta2) if adversarial.enabled else _BETAS,
            weight_decay=config.weight_decay,
        )
        self.schedule = Schedule(optimizer, config)
        # The wrapped network casts and averages gradients over processes; `student` is the same network without.
        self._module, self._optimizer = fabric.setup(self.student, optimizer, move_to_device=False)

    @property
    def teacher(self) -> UNet | None:
        """The teacher's network if it belongs into the model."""
        return self._teacher.network if self._teacher.is_kept else None

    def step(self, batch: Batch, step: int, generator: torch.Generator) -> torch.Tensor:
        """Learn from a batch; returns the weighted terms (T,) in the order of `LossTerms`."""
        terms = self._terms(batch, step, generator)
        self._optimizer.zero_grad(set_to_none=True)
        self._fabric.backward(terms.sum())
        for parameter in self._teacher.parameters():
            if parameter.grad is not None:
                self._average(parameter.grad)
        if self._config.gradient_clip is not None:
            self._fabric.clip_gradients(self._module, self._optimizer, max_norm=self._config.gradient_clip)
        self._optimizer.step()
        self._teacher.follow(step, has_run=self._has_consistency)
        return terms.detach()

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on."""
        return {
            "student": self.student.state_dict(),
            "teacher": self._teacher.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "critic": None if self._critic is None else self._critic.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.student.load_state_dict(state["student"])
        self._teacher.network.load_state_dict(state["teacher"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self._critic is not None:
            self._critic.load_state_dict(state["critic"])

    @property
    def _has_consistency(self) -> bool:
        loss = self._config.loss
        return loss.consistency_weight > 0 and loss.supervision != "dense"

    def _terms(self, batch: Batch, step: int, generator: torch.Generator) -> torch.Tensor:
        student = self._module(batch.student.contiguous(memory_format=self._layout)).float()  # (B, E, *patch)
        student, scores = student.split_with_sizes(self._split, dim=1)
        teacher = self._embed_second_view(batch.teacher, generator) if self._has_consistency else None
        terms = spoco_loss(student, teacher, batch.labels, self._config.loss, generator, batch.known)
        terms["adversarial"] = self._adversarial(student, batch, step, generator)
        terms["pixel_classes"] = self._pixel_classes(scores, batch)
        return torch.stack([terms[name] for name in _TERMS])

    def _embed_second_view(self, view: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        seed = int(torch.randint(2**31, (1,), generator=generator))
        with self._fabric.autocast():
            outputs = self._teacher.embed(view.contiguous(memory_format=self._layout), seed)
        return outputs[:, : self._split[0]].float()  # (B, E, *patch)

    def _pixel_classes(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        weight = self._config.loss.pixel_classes_weight
        if not weight or not scores.shape[1]:
            return scores.new_zeros(())
        return weight * pixel_class_loss(scores, batch.labels, rim=self._rim, known=batch.known)

    def _adversarial(self, student: torch.Tensor, batch: Batch, step: int, generator: torch.Generator) -> torch.Tensor:
        """Train the critic, and return what it says of the student's soft masks."""
        if self._critic is None or not self._critic.trains_at(step):
            return student.new_zeros(())
        self._critic.train_critic(student.detach(), batch.labels, generator, self._average, batch.known)
        if not self._critic.speaks_at(step):
            return student.new_zeros(())
        return self._critic.loss(student, batch.labels, generator, batch.known)

    def _average(self, gradient: torch.Tensor) -> None:
        """Average a gradient that the wrapped student does not know of over the processes, in place."""
        if self._fabric.world_size > 1:
            averaged = self._fabric.all_reduce(gradient, reduce_op="mean")
            gradient.copy_(cast("torch.Tensor", averaged))


def memory_layout(config: TrainingConfig, network: NetworkConfig) -> torch.memory_format:
    """Return how the numbers of a network lie in memory.

    Channels-last inputs without gradient crash the backward pass of GroupNorm on the CPU in torch 2.13.
    """
    is_last = config.channels_last and network.ndim == 2 and network.norm == "batch"
    return torch.channels_last if is_last else torch.contiguous_format


def place(network: UNet, config: TrainingConfig, fabric: Fabric) -> None:
    """Move a network to the device of the run, in place, ready to be trained."""
    layout = memory_layout(config, network.config)
    network.to(fabric.device).to(memory_format=layout).train()  # type: ignore[call-overload]
