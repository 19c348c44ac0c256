"""How much memory a training will take, before it is started: an estimate that needs no torch.

Counted are the program with its libraries, the images, the weights, what a step keeps for its backward pass, and what a
picture of the embeddings takes, whose memory the next step does not get. The factors were fitted to measured peaks of
the resident memory on the CPU, in 2D and 3D.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_spoco.training.defaults import choose_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_spoco.config import NetworkConfig, TrainingConfig

_PROGRAM = 560e6
"""Bytes of Python, torch and its libraries, once a step has been made."""
_N_WEIGHTS = 5
"""Weight, gradient, two moments, teacher."""
_IN_BACKWARD = 1.5
"""What is kept for the backward pass, times this with the gradients that are on their way."""
_EMBEDDING_COPIES = 6
"""Of student and teacher in the loss, in float32."""
_ITEM_BYTES = {"float32": 4.0, "bfloat16": 2.0, "auto": 3.0}
""""auto" is one of the others, by what the hardware computes in."""
_PREVIEW_PIXELS = {2: 512 * 512, 3: 16 * 160 * 160}
"""Of the largest box that is shown while training (`preview.annotated_box`)."""


def estimate_memory(
    network: NetworkConfig, config: TrainingConfig, image_shape: Sequence[int], *, precision: str = "auto"
) -> float:
    """Return about how many bytes a training will take at its peak, within a factor of 1.5 on the CPU.

    Parameters
    ----------
    network
        What is trained.
    config
        Patch, batch and adversarial training are read; a patch of another number of axes counts as none.
    image_shape
        (*spatial) of the largest image.
    precision
        Of the network, if it is known: "float32" or "bfloat16".
    """
    if config.patch_shape and len(config.patch_shape) != network.ndim:
        config = config.model_copy(update={"patch_shape": None})
    patch, batch = choose_batch(config, network.ndim)
    n_pixels = math.prod(image_shape)
    item = _ITEM_BYTES[config.precision if precision == "auto" else precision]
    per_pixel = _IN_BACKWARD * item * _kept_numbers(network) + 4.0 * _EMBEDDING_COPIES * network.embedding_dim
    step = batch * math.prod(patch) * per_pixel
    preview = min(n_pixels, _PREVIEW_PIXELS[network.ndim]) * _prediction_bytes(network)
    images = n_pixels * (4.0 * network.in_channels + 12.0)  # normalised, with labels as they came and as they are used
    return _PROGRAM + images + 4.0 * _N_WEIGHTS * _count_weights(network) + step + preview


def _blocks(network: NetworkConfig) -> Iterator[tuple[int, int, int, int]]:
    """Yield level and numbers of maps (in, between, out) of every block of `models.network.UNet`."""
    maps = network.feature_maps
    for level, (below, width) in enumerate(zip((network.in_channels, *maps[:-1]), maps, strict=True)):
        yield level, below, max(width // 2, below), width
    for level in range(len(maps) - 2, -1, -1):
        yield level, maps[level] + maps[level + 1], maps[level], maps[level]


def _kept_numbers(network: NetworkConfig) -> float:
    """Return how many numbers per pixel are kept for the backward pass.

    Each of a block's two convolutions keeps what it is given before and after the normalisation; the block's outcome is
    kept too, and the place of each maximum that was pooled.
    """
    shrink = 2.0**network.ndim
    blocks = sum((2 * below + 2 * between + out) / shrink**level for level, below, between, out in _blocks(network))
    pooled = sum(2 * width / shrink ** (level + 1) for level, width in enumerate(network.feature_maps[:-1]))
    return blocks + pooled + network.n_outputs


def _count_weights(network: NetworkConfig) -> float:
    kernel = 3.0**network.ndim
    return sum(kernel * (below * between + between * out) for _, below, between, out in _blocks(network))


def _prediction_bytes(network: NetworkConfig) -> float:
    """Return how much a prediction takes per pixel: the last block, the skips, and copies of the embeddings."""
    maps, shrink = network.feature_maps, 2.0**network.ndim
    skips = sum(width / shrink**level for level, width in enumerate(maps))
    return 4.0 * (3 * (maps[0] + maps[1]) + 2 * maps[0] + skips + 2 * network.n_outputs + network.in_channels)
