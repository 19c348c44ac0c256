"""The network g of the consistency term: a moving average, the student itself, or a network of its own (A.3).

What the trainer needs of each kind: embed the second view, follow the student after a step, and name the network that
predicts. Gradient reaches the teacher of kind "trained" alone, through the consistency term alone; "shared" and
"dropout" see the second view with the student's weights and without gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_spoco.models.network import make_teacher, update_teacher

if TYPE_CHECKING:
    from torch import nn

    from napari_spoco.config import TrainingConfig
    from napari_spoco.models.network import UNet

_RAMP = 10
"""With a ramp the momentum at step s is at most s / (9 + s): a teacher of a short run leaves its random start."""


class Teacher:
    """Base of the kinds, and the kind "shared": the student's own weights.

    Parameters
    ----------
    student
        The network f, on its device.
    config
        Momentum and dropout.
    """

    is_kept = False
    """Whether the network is a better one to predict with, and belongs into the model file."""

    def __init__(self, student: UNet, config: TrainingConfig) -> None:
        self.network = student
        self._student = student
        self._config = config

    def embed(self, view: torch.Tensor, seed: int) -> torch.Tensor:
        """Embed the second view (B, C, *patch); `seed` is for kinds that draw something."""
        del seed
        with torch.no_grad():
            embeddings: torch.Tensor = self.network(view)
        return embeddings

    def follow(self, step: int, *, has_run: bool) -> None:
        """Take notice of a step of the student; `has_run` says whether the teacher has embedded in this step."""

    def parameters(self) -> list[nn.Parameter]:
        """Return what the optimizer has to train beside the student."""
        return []


class MomentumTeacher(Teacher):
    """Exponential moving average of the student (Section 3.2), moved once per training step and never elsewhere."""

    is_kept = True

    def __init__(self, student: UNet, config: TrainingConfig, network: UNet | None) -> None:
        super().__init__(student, config)
        self.network = network if network is not None else make_teacher(student)

    def follow(self, step: int, *, has_run: bool) -> None:
        """Move towards the student."""
        ramped = step / (_RAMP + step - 1) if self._config.momentum_ramp else 1.0
        update_teacher(self.network, self._student, min(self._config.momentum, ramped), has_run=has_run)


class DropoutTeacher(Teacher):
    """The student with spatial dropout in the bottleneck, drawn anew for every batch."""

    def embed(self, view: torch.Tensor, seed: int) -> torch.Tensor:
        """Embed with some maps of the lowest level set to zero."""
        devices = [view.device] if view.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            torch.manual_seed(seed)
            embeddings: torch.Tensor = self.network(view, bottleneck_dropout=self._config.teacher_dropout)
        return embeddings


class TrainedTeacher(Teacher):
    """A network with weights of its own, trained by the consistency term."""

    def __init__(self, student: UNet, config: TrainingConfig, network: UNet) -> None:
        super().__init__(student, config)
        self.network = network.requires_grad_(requires_grad=True)

    def embed(self, view: torch.Tensor, seed: int) -> torch.Tensor:
        """Embed with gradient."""
        del seed
        embeddings: torch.Tensor = self.network(view)
        return embeddings

    def parameters(self) -> list[nn.Parameter]:
        """Return all of its weights."""
        return list(self.network.parameters())


def choose_teacher(student: UNet, config: TrainingConfig, saved: UNet | None, seed: int) -> Teacher:
    """Return the kind of teacher that the settings ask for.

    `saved` is the teacher of the model that is trained on, if it has one; `seed` initialises a teacher of its own.
    """
    if config.teacher == "momentum":
        return MomentumTeacher(student, config, saved)
    if config.teacher == "trained":
        return TrainedTeacher(student, config, _reinitialized(make_teacher(student), seed))
    return DropoutTeacher(student, config) if config.teacher == "dropout" else Teacher(student, config)


def _reinitialized(network: UNet, seed: int) -> UNet:
    """Give every layer weights of its own, as when it was made."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in network.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
    return network
