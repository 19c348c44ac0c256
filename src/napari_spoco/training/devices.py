"""Which devices train, on how many threads, and what to say when they run out of memory."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import torch

from napari_spoco.models.precision import choose_precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from napari_spoco.config import TrainingConfig


def choose_device(name: str) -> torch.device:
    """Return the device of that name; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises
    ------
    ValueError
        The device is unknown or not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: {name!r} is not available here; use 'auto' or 'cpu' ({error}).") from error
    return device


def make_fabric(config: TrainingConfig) -> Fabric:
    """Return what moves networks to the devices of the run, casts, and averages gradients between processes.

    With one device there is one process. With more, `fabric.launch()` starts this program again for each of them
    (or finds itself started by SLURM or torchrun), and every process trains on patches of its own.

    Raises
    ------
    ValueError
        The device is unknown or not there, or several devices are asked for by the index of one.
    """
    from lightning_fabric import Fabric

    # It says which precision it was told to take, which the reports of the training say too.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    device = choose_device(config.device)
    n_processes = config.devices * config.num_nodes
    has_index = ":" in config.device
    if has_index and n_processes > 1:
        raise ValueError(f"device: expected 'auto', 'cuda' or 'cpu' with several devices, got {config.device!r}.")
    devices: Any = [device.index] if has_index else config.devices
    precision = choose_precision(config.precision, device)
    return Fabric(
        accelerator=device.type,
        devices=devices,
        num_nodes=config.num_nodes,
        strategy="ddp" if n_processes > 1 else "auto",
        precision="bf16-mixed" if precision == torch.bfloat16 else "32-true",
    )


def limit_threads(n_threads: int | None) -> None:
    """Let this process compute on so many CPU threads; None leaves one core to everything else.

    Torch's threads wait for each other by spinning: when another process takes one of their cores, a step takes many
    times as long. On two cores a second thread gains a quarter, and loses a factor of ten where the machine is shared.
    """
    torch.set_num_threads(n_threads or max(1, (os.cpu_count() or 2) - 1))


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that the device has too little memory; torch has a type of its own for CUDA alone."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("can't allocate memory", "not enough memory", "out of memory")
    )


def peak_memory(device: torch.device) -> int | None:
    """Return the most memory that was in use on a CUDA device since the last call, in bytes; None elsewhere."""
    if device.type != "cuda":
        return None
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return peak


def leave_group() -> None:
    """End the talk of several processes; to be called by each when its run is over, or some crash on their way out."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
