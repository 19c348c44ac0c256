"""The U-Net that embeds every pixel, in 2D and 3D, and the teacher's moving average.

Parameter names are those of the released SPOCO code and of pytorch-3dunet, so that their weights fit:
`encoders.{i}.basic_module.SingleConv{1,2}.{groupnorm|batchnorm|conv}`, `decoders.{j}.basic_module…`, `final_conv`;
`class_conv` is ours.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from napari_spoco.config import NetworkConfig

_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_MAX_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_SPATIAL_DROPOUT = {2: functional.dropout2d, 3: functional.dropout3d}
_N_CLASSES = 3
"""Those of `config.PIXEL_CLASSES`; this file is exported and runs without the package."""
_ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU}


class UNet(nn.Module):
    """Map an image to one embedding per pixel.

    Blocks of two (norm, 3x3(x3) convolution without bias, activation), max-pool 2, nearest upsampling to the size of
    the skip connection, concatenation (skip, up), a final 1x1 convolution; no activation and no normalisation of
    the embedding.

    Parameters
    ----------
    config
        Architecture.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        maps = config.feature_maps
        self.encoders = nn.ModuleList(
            _Block(below, max(width // 2, below), width, config)
            for below, width in zip((config.in_channels, *maps[:-1]), maps, strict=True)
        )
        self.decoders = nn.ModuleList(
            _Block(skip + below, skip, skip, config) for below, skip in zip(maps[:0:-1], maps[-2::-1], strict=True)
        )
        self.final_conv = _CONVOLUTION[config.ndim](maps[0], config.embedding_dim, kernel_size=1)
        if config.pixel_classes:
            self.class_conv = _CONVOLUTION[config.ndim](maps[0], _N_CLASSES, kernel_size=1)
        self.pool = _MAX_POOL[config.ndim](2)

    def forward(self, image: torch.Tensor, bottleneck_dropout: float = 0.0) -> torch.Tensor:
        """Embed images.

        Parameters
        ----------
        image
            (B, C, *spatial), normalised; every spatial axis at least `config.stride` long.
        bottleneck_dropout
            Share of the maps of the lowest level that are set to zero (spatial dropout, appendix A.3 of the paper);
            drawn from PyTorch's global generator.

        Returns
        -------
        torch.Tensor
            Embeddings (B, E, *spatial), contiguous whatever the layout of the network; where it classifies pixels,
            behind them the scores of the classes (logits): (B, E + 3, *spatial).
        """
        skips: list[torch.Tensor] = []
        features = image
        for level, encoder in enumerate(self.encoders):
            features = encoder(features if level == 0 else self.pool(features))
            skips.append(features)
        features = skips.pop()
        if bottleneck_dropout:
            features = _SPATIAL_DROPOUT[self.config.ndim](features, bottleneck_dropout)
        for decoder in self.decoders:
            skip = skips.pop()
            up = functional.interpolate(features, size=skip.shape[2:], mode="nearest")
            features = decoder(torch.cat((skip, up), dim=1))
        outputs: torch.Tensor = self.final_conv(features)
        if self.config.pixel_classes:
            outputs = torch.cat((outputs, self.class_conv(features)), dim=1)
        # Whoever goes over the pixels of each channel would be slowed down by another layout.
        return outputs.contiguous()


class _Block(nn.Module):
    """Two convolutions with normalisation in front of each."""

    def __init__(self, in_maps: int, mid_maps: int, out_maps: int, config: NetworkConfig) -> None:
        super().__init__()
        self.basic_module = nn.Sequential()
        self.basic_module.add_module("SingleConv1", _single_convolution(in_maps, mid_maps, config))
        self.basic_module.add_module("SingleConv2", _single_convolution(mid_maps, out_maps, config))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.basic_module(features)
        return out


def _single_convolution(in_maps: int, out_maps: int, config: NetworkConfig) -> nn.Sequential:
    layer = nn.Sequential()
    if config.norm == "batch":
        layer.add_module("batchnorm", _BATCH_NORM[config.ndim](in_maps))
    else:
        # Fewer maps than groups: one group, as pytorch-3dunet does; where it refuses, the common divisor.
        groups = math.gcd(config.groups, in_maps) if in_maps >= config.groups else 1
        layer.add_module("groupnorm", nn.GroupNorm(groups, in_maps))
    layer.add_module("conv", _CONVOLUTION[config.ndim](in_maps, out_maps, kernel_size=3, padding=1, bias=False))
    layer.add_module("activation", _ACTIVATIONS[config.activation](inplace=True))
    return layer


def make_teacher(student: UNet) -> UNet:
    """Copy the student; the copy takes no gradient."""
    return copy.deepcopy(student).requires_grad_(requires_grad=False)


@torch.no_grad()
def update_teacher(teacher: UNet, student: UNet, momentum: float, *, has_run: bool = True) -> None:
    """Move the teacher towards the student: theta_g <- m theta_g + (1 - m) theta_f (Section 3.2 of the paper).

    The running statistics of BatchNorm stay the teacher's own: it normalises with its own batches while training, so
    they describe its own weights. A teacher that is not run (`has_run` false) has no batches: it takes the student's.
    """
    torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1.0 - momentum)
    if not has_run:
        for own, other in zip(teacher.buffers(), student.buffers(), strict=True):
            own.copy_(other)
