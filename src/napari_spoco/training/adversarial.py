"""A critic that tells the soft masks of the embeddings from painted masks, and what the network learns from it.

Wasserstein GAN with gradient penalty, appendix A.1 of the paper (Eq. 9-11, Table 9); the network is the generator.
This module alone knows the critic, its optimizer and when it is listened to; the masks are `loss.instance_masks`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from napari_spoco.training.clusters import Clusters
from napari_spoco.training.loss import instance_masks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_spoco.config import AdversarialConfig, LossConfig

    Known = Sequence[Mapping[int, torch.Tensor]]

_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_MAX_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_SLOPE = 0.01
_LEAD = 1000
"""Steps for which the critic is trained before it is listened to."""
_PIXELS_AT_ONCE = 2**20
"""Masks go through the critic in parts of so many pixels: its memory must not grow with the number of objects."""


class Critic(nn.Module):
    """Give a mask one number: the more it looks painted, the higher.

    Blocks of two (3x3(x3) convolution, leaky ReLU of slope 0.01) without normalisation, max-pool 2 between the
    levels, one dense layer to one number. The "Upsample" behind the last block in Table 9 is taken for a misprint: a
    dense layer follows, and it would only repeat its inputs.

    Parameters
    ----------
    ndim
        2 or 3.
    feature_maps
        Per level, from full resolution down.
    patch_shape
        Shape of the masks, (Z)YX.

    Raises
    ------
    ValueError
        The patch is too small to be halved between the levels.
    """

    def __init__(self, ndim: int, feature_maps: tuple[int, ...], patch_shape: tuple[int, ...]) -> None:
        super().__init__()
        stride = 2 ** (len(feature_maps) - 1)
        if len(patch_shape) != ndim or min(patch_shape) < stride:
            raise ValueError(
                f"patch_shape: expected {ndim} axes of at least {stride} pixels (the critic halves them "
                f"{len(feature_maps) - 1} times), got {patch_shape}"
            )
        levels: list[nn.Module] = []
        for below, width in zip((1, *feature_maps[:-1]), feature_maps, strict=True):
            levels += [_block(ndim, below, width), _MAX_POOL[ndim](2)]
        self.levels = nn.Sequential(*levels[:-1])
        self.dense = nn.Linear(feature_maps[-1] * math.prod(size // stride for size in patch_shape), 1)

    def forward(self, masks: torch.Tensor) -> torch.Tensor:
        """Judge masks (K, 1, *patch) in [0, 1]; returns (K,)."""
        verdicts: torch.Tensor = self.dense(self.levels(masks).flatten(1))[:, 0]
        return verdicts


def _block(ndim: int, in_maps: int, out_maps: int) -> nn.Sequential:
    mid_maps = max(out_maps // 2, in_maps)
    return nn.Sequential(
        _CONVOLUTION[ndim](in_maps, mid_maps, kernel_size=3, padding=1),
        nn.LeakyReLU(_SLOPE, inplace=True),
        _CONVOLUTION[ndim](mid_maps, out_maps, kernel_size=3, padding=1),
        nn.LeakyReLU(_SLOPE, inplace=True),
    )


def gradient_penalty(critic: nn.Module, masks: torch.Tensor) -> torch.Tensor:
    """Return E[(|grad D(x)| - 1)^2] over masks x (K, 1, *patch), the last term of Eq. 10 without its weight."""
    masks = masks.detach().requires_grad_()
    (gradients,) = torch.autograd.grad(critic(masks).sum(), masks, create_graph=True)
    lengths: torch.Tensor = torch.linalg.vector_norm(gradients.flatten(1), dim=1)
    return (lengths - 1.0).square().mean()


def critic_loss(
    critic: nn.Module, soft: torch.Tensor, target: torch.Tensor, factors: torch.Tensor, penalty_weight: float
) -> torch.Tensor:
    """Return what the critic minimises (Eq. 10): E[D(soft)] - E[D(target)] + weight * penalty.

    Soft and painted masks (K, 1, *patch); the penalty is taken at factor * target + (1 - factor) * soft, with one
    factor (K,) in [0, 1] per object.
    """
    between = torch.lerp(soft, target, factors.view(-1, *(1,) * (soft.ndim - 1)))
    advantage: torch.Tensor = critic(soft).mean() - critic(target).mean()
    return advantage + penalty_weight * gradient_penalty(critic, between)


def generator_loss(verdicts: torch.Tensor) -> torch.Tensor:
    """Return what the network minimises (Eq. 11): -E[D(soft)], from the critic's verdicts (K,) on its soft masks."""
    return -verdicts.mean()


class AdversarialTerm:
    """The critic beside a training, and the term of the loss that it gives (Eq. 9).

    The critic is computed in float32. It is trained for the last 1000 steps of the warm-up, so that it has something
    to say when it is listened to, and from then on.

    Parameters
    ----------
    config
        Settings of the critic.
    loss_config
        Kernel and anchors of the soft masks.
    ndim, patch_shape
        Of the patches that the network is trained on.
    device
        Of the critic and of all that it is given.
    seed
        Of the critic's initial weights.
    """

    def __init__(
        self,
        config: AdversarialConfig,
        loss_config: LossConfig,
        ndim: int,
        patch_shape: tuple[int, ...],
        device: torch.device,
        seed: int,
    ) -> None:
        self._config, self._loss_config = config, loss_config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            critic = Critic(ndim, config.feature_maps, patch_shape)
        # Frozen except while it is trained, so that the network's backward pass leaves it alone.
        self.critic = critic.to(device).requires_grad_(requires_grad=False)
        self._optimizer = torch.optim.Adam(self.critic.parameters(), config.learning_rate, (config.beta1, config.beta2))
        self._n_at_once = max(1, _PIXELS_AT_ONCE // math.prod(patch_shape))

    def trains_at(self, step: int) -> bool:
        """Say whether the critic is trained at this step (from 1)."""
        return step > self._config.warm_up - _LEAD

    def speaks_at(self, step: int) -> bool:
        """Say whether the network listens to the critic at this step (from 1): after the warm-up."""
        return step > self._config.warm_up

    def train_critic(
        self,
        student: torch.Tensor,
        labels: torch.Tensor,
        generator: torch.Generator,
        reduce: Callable[[torch.Tensor], None] | None = None,
        known: Known | None = None,
    ) -> None:
        """Make `critic_steps` steps of the critic, each with newly drawn anchors.

        Parameters
        ----------
        student
            Embeddings (B, E, *patch), without gradient.
        labels
            (B, *patch), integers; `IGNORE` is 0 in all masks. Without an object the gradient is zero.
        generator
            Source of anchors and interpolation factors, on the CPU.
        reduce
            Averages a gradient over processes, in place. It is called equally often in all of them.
        known
            Per image the objects that are known in a part of it only, bool (*patch) by instance id; both masks are 0
            elsewhere, or the critic would learn that painted masks are flat.
        """
        self.critic.requires_grad_()
        try:
            with torch.autocast(student.device.type, enabled=False):
                for _ in range(self._config.critic_steps):
                    self._take_gradients(student, labels, generator, known)
                    for parameter in self.critic.parameters():
                        if reduce is not None and parameter.grad is not None:
                            reduce(parameter.grad)
                    self._optimizer.step()
        finally:
            self.critic.requires_grad_(requires_grad=False)

    def loss(
        self, student: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, known: Known | None = None
    ) -> torch.Tensor:
        """Return the weighted term (scalar) of embeddings (B, E, *patch) with gradient; 0 without an object."""
        with torch.autocast(student.device.type, enabled=False):
            soft, _ = self._masks(student, labels, generator, known)
            if not len(soft):
                return student.new_zeros(())
            verdicts = [
                checkpoint(self.critic, part, use_reentrant=False, preserve_rng_state=False)
                for part in soft.split(self._n_at_once)
            ]
            return self._config.weight * generator_loss(torch.cat(verdicts))

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers, and containers of them."""
        return {"critic": self.critic.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.critic.load_state_dict(state["critic"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _take_gradients(
        self, student: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, known: Known | None
    ) -> None:
        """Set the critic's gradients to those of Eq. 10, part by part."""
        for parameter in self.critic.parameters():
            parameter.grad = torch.zeros_like(parameter)
        with torch.no_grad():
            soft, target = self._masks(student, labels, generator, known)
        factors = torch.rand(len(soft), generator=generator).to(soft.device)
        parts = [masks.split(self._n_at_once) for masks in (soft, target, factors)]
        for some_soft, some_target, some_factors in zip(*parts, strict=True):
            if len(some_soft):  # Splitting nothing gives one empty part.
                loss = critic_loss(self.critic, some_soft, some_target, some_factors, self._config.gradient_penalty)
                (loss * (len(some_soft) / len(soft))).backward()

    def _masks(
        self, student: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, known: Known | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return soft and painted masks (K, 1, *patch) of all objects of a batch, 0 where nothing is known of them."""
        shape, n_pixels = (-1, 1, *labels.shape[1:]), labels[0].numel()
        soft, target = [student.new_zeros((0, n_pixels))], [student.new_zeros((0, n_pixels))]
        known = [{}] * len(labels) if known is None else known
        for embeddings, image_labels, image_known in zip(student.flatten(2), labels.flatten(1), known, strict=True):
            if (image_labels > 0).any():
                found, painted = instance_masks(embeddings, image_labels, self._loss_config, generator)
                unknown = Clusters.find(image_labels, image_known).unknown
                soft.append(found if unknown is None else found.masked_fill(unknown, 0.0))
                target.append(painted)
        return torch.cat(soft).view(shape), torch.cat(target).view(shape)
