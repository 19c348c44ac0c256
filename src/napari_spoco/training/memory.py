"""A patch and a batch that the device has memory for: tried before the first step, made smaller once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_spoco.training.adversarial import AdversarialTerm
from napari_spoco.training.defaults import choose_rim
from napari_spoco.training.devices import is_out_of_memory
from napari_spoco.training.loss import spoco_loss
from napari_spoco.training.pixel_classes import pixel_class_loss
from napari_spoco.training.reports import TrainingNotice

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightning_fabric import Fabric

    from napari_spoco.config import TrainingConfig
    from napari_spoco.models.network import UNet

Attempt = tuple[tuple[int, ...], int]
"""Patch shape and batch size."""


def choose_fitting(network: UNet, config: TrainingConfig, fabric: Fabric, wanted: Attempt) -> Attempt:
    """Return `wanted` or half of it, whichever the device has memory for; the same for all processes."""

    def run(patch_shape: tuple[int, ...], batch_size: int) -> None:
        rehearse(network, config, fabric, patch_shape, batch_size)

    fitting: Attempt = fabric.broadcast(fit_to_memory(run, wanted, network.config.stride))
    return fitting


def reduction_notice(wanted: Attempt, fitting: Attempt) -> TrainingNotice:
    """Say what was made smaller."""
    return TrainingNotice(f"There was not enough memory for {describe(wanted)}: now {describe(fitting)} a step.")


def fit_to_memory(run: Callable[[tuple[int, ...], int], None], wanted: Attempt, stride: int) -> Attempt:
    """Return what fits: `wanted`, or half of it.

    Parameters
    ----------
    run
        Makes one step with a patch shape and a batch size.
    wanted
        Tried first.
    stride
        Of the network: a patch is never smaller, and its sides are multiples of it when they are halved.

    Raises
    ------
    MemoryError
        Half of it does not fit either, or nothing smaller is possible; the message names the numbers.
    """
    tried = [wanted]
    if _fits(run, wanted):
        return wanted
    smaller = _halved(*wanted, stride)
    if smaller is not None:
        tried.append(smaller)
        if _fits(run, smaller):
            return smaller
    raise MemoryError(
        f"patch_shape, batch_size: the device has too little memory for {' and for '.join(map(describe, tried))}; "
        "choose a smaller patch or batch, or fewer feature maps."
    )


def rehearse(
    network: UNet, config: TrainingConfig, fabric: Fabric, patch_shape: tuple[int, ...], batch_size: int
) -> None:
    """Make a step on an empty batch that leaves no trace in the network.

    Raises
    ------
    ValueError
        All weights of the loss are 0.
    """
    view = torch.zeros((batch_size, network.config.in_channels, *patch_shape), device=fabric.device)
    labels = torch.zeros((batch_size, *patch_shape), dtype=torch.long, device=fabric.device)
    quarter = patch_shape[-1] // 4
    labels[..., :quarter], labels[..., -quarter:] = 1, 2
    generator = torch.Generator().manual_seed(0)
    buffers = [buffer.clone() for buffer in network.buffers()]
    try:
        with fabric.autocast():
            outputs = network(view)
        student, scores = outputs.float().tensor_split([network.config.embedding_dim], dim=1)
        terms = [*spoco_loss(student, student.detach(), labels, config.loss, generator).values()]
        if scores.shape[1]:
            rim = choose_rim(config, network.config.ndim)
            terms.append(config.loss.pixel_classes_weight * pixel_class_loss(scores, labels, rim=rim))
        total = torch.stack(terms).sum()
        if not total.requires_grad:
            raise ValueError("loss: expected a weight above 0, got 0 for every term that the network can learn by.")
        total.backward()
        if config.adversarial.enabled:
            critic = AdversarialTerm(
                config.adversarial, config.loss, network.config.ndim, patch_shape, fabric.device, seed=0
            )
            critic.train_critic(student.detach(), labels, generator)
    finally:
        network.zero_grad(set_to_none=True)
        for buffer, before in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(before)


def describe(attempt: Attempt) -> str:
    """Return "4 patches of 128 x 128"."""
    patch_shape, batch_size = attempt
    return f"{batch_size} patch{'es' if batch_size > 1 else ''} of {' x '.join(map(str, patch_shape))}"


def _fits(run: Callable[[tuple[int, ...], int], None], attempt: Attempt) -> bool:
    try:
        run(*attempt)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def _halved(patch_shape: tuple[int, ...], batch_size: int, stride: int) -> Attempt | None:
    """Halve the batch, or else the longest sides of the patch; None where neither is possible."""
    if batch_size > 1:
        return patch_shape, batch_size // 2
    longest = max(patch_shape)
    half = longest // 2 // stride * stride
    if half < stride:
        return None
    return tuple(half if side == longest else side for side in patch_shape), 1
