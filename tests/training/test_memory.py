"""A step is tried before the first one, and made smaller once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_spoco.config import TrainingConfig
from napari_spoco.models.network import UNet
from napari_spoco.training.devices import is_out_of_memory
from napari_spoco.training.memory import fit_to_memory, rehearse
from napari_spoco.training.reports import StepReport, TrainingNotice, TrainingStarted
from napari_spoco.training.trainer import Trainer

Discs = tuple[np.ndarray, np.ndarray]


def device_of(n_pixels: int) -> object:
    def run(patch_shape: tuple[int, ...], batch_size: int) -> None:
        if batch_size * np.prod(patch_shape) > n_pixels:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    return run


@pytest.mark.parametrize(
    ("n_pixels", "wanted", "expected"),
    [
        (4096, ((32, 32), 4), ((32, 32), 4)),
        (2048, ((32, 32), 4), ((32, 32), 2)),
        (1024, ((32, 64), 1), ((32, 32), 1)),
        (1024, ((8, 16, 16), 1), ((8, 8, 8), 1)),
        (300, ((24, 24), 1), ((8, 8), 1)),
    ],
)
def test_what_fits(n_pixels: int, wanted: tuple, expected: tuple) -> None:
    assert fit_to_memory(device_of(n_pixels), wanted, stride=8) == expected


@pytest.mark.parametrize("wanted", [((64, 64), 4), ((8, 8), 1)], ids=["half is too large", "nothing smaller"])
def test_what_does_not_fit_names_the_numbers(wanted: tuple) -> None:
    shape = " x ".join(map(str, wanted[0]))
    with pytest.raises(MemoryError, match=rf"too little memory for {wanted[1]} patch(es)? of {shape}"):
        fit_to_memory(device_of(10), wanted, stride=8)


def test_other_errors_are_not_taken_for_it() -> None:
    def run(*_: object) -> None:
        raise RuntimeError("Given groups=1, expected input to have 3 channels")

    with pytest.raises(RuntimeError, match="channels"):
        fit_to_memory(run, ((8, 8), 2), stride=8)


@pytest.mark.parametrize(
    "message",
    [
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes.",
        "MPS backend out of memory (MPS allocated: 9.06 GB)",
    ],
)
def test_words_of_torch_for_it(message: str) -> None:
    assert is_out_of_memory(RuntimeError(message))


def test_the_cpu_really_says_so() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)


def test_a_run_is_made_smaller_and_says_so(
    discs: Discs, tiny_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = UNet.forward

    def limited(self: UNet, image: torch.Tensor, *arguments: object) -> torch.Tensor:
        if len(image) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, image, *arguments)

    monkeypatch.setattr(UNet, "forward", limited)
    image, labels = discs
    trainer = Trainer([image], [labels], config=tiny_config)
    messages = list(trainer.run())
    (started,) = (m for m in messages if isinstance(m, TrainingStarted))
    assert (started.batch_size, started.patch_shape) == (1, (32, 32))
    (notice,) = (m.text for m in messages if isinstance(m, TrainingNotice))
    assert notice == "There was not enough memory for 2 patches of 32 x 32: now 1 patch of 32 x 32 a step."
    assert len(trainer.result().reports) == tiny_config.max_steps


def test_the_trial_leaves_no_trace(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    first, second = (Trainer([image], [labels], config=tiny_config) for _ in range(2))
    before = first._model.network.state_dict()
    rehearse(first._model.network, first.config, first._fabric, first.patch_shape, first.batch_size)
    for name, value in second._model.network.state_dict().items():
        assert torch.equal(before[name], value), name
    assert all(parameter.grad is None for parameter in first._model.network.parameters())


def test_a_loss_of_pixel_classes_alone_is_one(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    weights = {name: 0.0 for name in type(tiny_config.loss).model_fields if name.endswith("_weight")}
    alone = tiny_config.loss.model_copy(update={**weights, "pixel_classes_weight": 1.0})
    trainer = Trainer([image], [labels], config=tiny_config.model_copy(update={"loss": alone}))
    losses = [report.terms.total for report in trainer.run() if isinstance(report, StepReport)]
    assert losses[0] > losses[-1] > 0


def test_a_loss_without_weights_is_refused(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    weights = {name: 0.0 for name in type(tiny_config.loss).model_fields if name.endswith("_weight")}
    config = tiny_config.model_copy(update={"loss": tiny_config.loss.model_copy(update=weights)})
    with pytest.raises(ValueError, match="loss: expected a weight above 0"):
        Trainer([image], [labels], config=config)
