"""In which precision a network computes."""

from __future__ import annotations

from typing import Literal, get_args

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def choose_precision(name: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of the network's arithmetic; "auto" takes bfloat16 where the hardware computes in it.

    Raises ValueError for any other name.
    """
    if name not in get_args(Precision):
        raise ValueError(f"precision: expected one of {', '.join(get_args(Precision))}, got {name!r}")
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return torch.float32
