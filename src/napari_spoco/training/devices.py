"""Which device trains, in which precision, and on how many threads."""

from __future__ import annotations

import os

import torch


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


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of the network's arithmetic; "auto" takes bfloat16 where the hardware computes in it."""
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return torch.float32


def limit_threads(n_threads: int | None) -> None:
    """Let this process compute on so many CPU threads; None leaves one core to everything else.

    Torch's threads wait for each other by spinning: when another process takes one of their cores, a step takes many
    times as long. On two cores a second thread gains a quarter, and loses a factor of ten where the machine is shared.
    """
    torch.set_num_threads(n_threads or max(1, (os.cpu_count() or 2) - 1))
