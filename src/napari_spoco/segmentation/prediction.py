"""Prediction of embeddings by tiles with halo: any size, any remainder, the same result as in one piece.

What is promised: with BatchNorm the embeddings do not depend on the tiles once the halo covers the reach of the
network. The image is padded once, at its far ends, to a multiple of the network's stride; every tile begins at
a multiple of it, so that pooling and upsampling meet the same pixels in every tile; and a tile ends where the padded
image ends, so that the zero padding of the convolutions stands there and nowhere else. GroupNorm computes its
statistics from the tile, so its result depends on the tiling by nature.
"""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_spoco.data.images import as_channels_first, normalize_image
from napari_spoco.models.precision import choose_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_spoco.config import NetworkConfig
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard
    from napari_spoco.models.precision import Precision

_TILE_2D = 512
_MAX_HALO = {2: 128, 3: 32}
_CPU_MEMORY = {2: 1 << 30, 3: 2 << 30}
_CUDA_SHARE = 0.5
_LAYOUT = {2: torch.channels_last, 3: torch.channels_last_3d}
"""With the numbers of a pixel side by side, convolutions take less time: in 2D on a CPU two thirds of it."""


class PredictionStopped(Exception):
    """The `stop` predicate asked to end before all tiles were done."""


def predict_embeddings(
    model: EmbeddingModel,
    image: NDArray[Any],
    *,
    tile_shape: Sequence[int] | None = None,
    halo: Sequence[int] | None = None,
    out: Any = None,
    teacher: bool = False,
    precision: Precision = "auto",
    stop: Callable[[], bool] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Embed every pixel of an image, tile by tile, on the device where the network is.

    As `predict_outputs`, which has the parameters and errors, without what comes behind the embeddings; `out` has
    their shape.

    Returns
    -------
    numpy.ndarray
        Embeddings (E, *spatial) float32, or `out`.
    """
    return predict_outputs(
        model,
        image,
        tile_shape=tile_shape,
        halo=halo,
        out=out,
        teacher=teacher,
        precision=precision,
        stop=stop,
        on_progress=on_progress,
        n_outputs=model.config.embedding_dim,
    )


def predict_outputs(
    model: EmbeddingModel,
    image: NDArray[Any],
    *,
    tile_shape: Sequence[int] | None = None,
    halo: Sequence[int] | None = None,
    out: Any = None,
    teacher: bool = False,
    precision: Precision = "auto",
    stop: Callable[[], bool] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    n_outputs: int | None = None,
) -> Any:
    """Compute all that a network has to say of every pixel, tile by tile, on the device where it is.

    Parameters
    ----------
    model
        Network and card; the image is normalised as a whole, as the card says.
    image
        (*spatial) or (C, *spatial), raw intensities, 2D or 3D as the network is; of more channels than the model takes,
        those that the card names.
    tile_shape
        Pixels that a tile contributes, per spatial axis; rounded up to the network's stride. None = the whole
        image where memory allows, else about 512 x 512 in 2D and as large a box as memory allows in 3D.
    halo
        Context in pixels on each side of a tile, per spatial axis; rounded up to the stride. None = the reach of the
        network (`receptive_reach`), at most 128 in 2D and 32 in 3D, beyond which weights are close to nothing.
    out
        Takes the result by slice assignment, for instance a zarr array of the shape of the result.
    teacher
        Predict with the teacher instead of the student.
    precision
        Of the network's arithmetic. "auto" takes bfloat16 where the hardware computes in it, which takes half of the
        time or less, moves embeddings by some hundredths, and segmentations by nothing that scores would show.
    stop
        Asked before every tile; true ends the prediction.
    on_progress
        Called with (tiles done, tiles in all) before the first and after every tile.
    n_outputs
        How many numbers per pixel are wanted; all if None.

    Returns
    -------
    numpy.ndarray
        (n_outputs, *spatial) float32, or `out`: the embedding, and where the network classifies pixels the scores of
        the classes behind it (`split_outputs`).

    Raises
    ------
    PredictionStopped
        `stop` returned true; `out` then holds the tiles that were done.
    TypeError, ValueError
        The image has other axes or channels than the network expects, is smaller than its stride, or is refused by
        `as_channels_first`; `tile_shape`, `halo` or `out` do not fit; the model has no teacher.
    """
    config = model.config
    network = copy.deepcopy(_choose_network(model, teacher=teacher)).eval()  # Others may train it meanwhile.
    channels = _check_image(image, model.card)
    shape = channels.shape[1:]
    n_outputs = config.n_outputs if n_outputs is None else n_outputs
    if out is None:
        out = np.empty((n_outputs, *shape), dtype=np.float32)
    elif tuple(out.shape) != (n_outputs, *shape):
        raise ValueError(f"out: expected shape {(n_outputs, *shape)}, got {tuple(out.shape)}.")
    device = next(network.parameters()).device
    padded = tuple(-(-size // config.stride) * config.stride for size in shape)
    margin = _aligned(halo, config, name="halo", at_least=0) if halo is not None else default_halo(config)
    tile = (
        _aligned(tile_shape, config, name="tile_shape", at_least=1)
        if tile_shape is not None
        else default_tile_shape(config, padded, margin, memory=_memory_budget(device, config.ndim))
    )
    normalized = normalize_image(channels, model.card.normalization)
    normalized = np.pad(normalized, [(0, 0), *((0, p - s) for p, s in zip(padded, shape, strict=True))], mode="reflect")
    tiles = list(_tiles(shape, padded, tile, margin))
    if on_progress is not None:
        on_progress(0, len(tiles))
    dtype = choose_precision(precision, device)
    layout = _LAYOUT[config.ndim] if device.type in ("cpu", "cuda") else torch.contiguous_format
    network.to(memory_format=layout)  # type: ignore[call-overload]
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for n_done, (outer, inner, crop) in enumerate(tiles, start=1):
            if stop is not None and stop():
                raise PredictionStopped(f"Prediction was stopped after {n_done - 1} of {len(tiles)} tiles.")
            block = torch.from_numpy(normalized[(None, slice(None), *outer)])  # (1, C, *outer)
            outputs = network(block.to(device, memory_format=layout))[0]  # (E or more, *outer)
            out[(slice(None), *inner)] = outputs[(slice(n_outputs), *crop)].float().cpu().numpy()
            if on_progress is not None:
                on_progress(n_done, len(tiles))
    return out


def split_outputs(outputs: NDArray[Any], config: NetworkConfig) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the embeddings (E, *spatial) and the scores of the pixel classes (3, *spatial), None without, as views."""
    return outputs[: config.embedding_dim], outputs[config.embedding_dim :] if config.pixel_classes else None


def receptive_reach(config: NetworkConfig) -> int:
    """Return how far, in pixels along an axis, an embedding can depend on the image.

    Two convolutions of reach 1 per block; through pooling and nearest upsampling the answer differs with the position
    modulo the stride, so the largest is taken. 51 for 4 levels.
    """
    top = len(config.feature_maps) - 1
    reach = 0
    for position in range(config.stride):
        first = last = position
        skips = []
        for _ in range(top):  # down the decoder's path, from the output
            first, last = first - 2, last + 2
            skips.append((first, last))
            first, last = first // 2, last // 2
        first, last = first - 2, last + 2
        for skip in reversed(skips):  # up the encoder's path, to the image
            first, last = min(2 * first, skip[0]) - 2, max(2 * last + 1, skip[1]) + 2
        reach = max(reach, position - first, last - position)
    return reach


def default_halo(config: NetworkConfig) -> tuple[int, ...]:
    """Return the reach of the network rounded up to its stride, capped at 128 (2D) or 32 (3D) pixels per axis."""
    reach = min(receptive_reach(config), max(_MAX_HALO[config.ndim], config.stride))
    return (_round_up(reach, config.stride),) * config.ndim


def default_tile_shape(
    config: NetworkConfig, shape: tuple[int, ...], halo: tuple[int, ...], *, memory: float
) -> tuple[int, ...]:
    """Choose a tile: the whole image if it fits, else 512 x 512 in 2D, else a box as large as memory allows.

    Parameters
    ----------
    config
        Architecture, from which the memory per pixel is estimated.
    shape
        Of the image, padded to multiples of the stride.
    halo
        Of every tile.
    memory
        Bytes that the network may take.

    Returns
    -------
    tuple of int
        Multiples of the stride. At least one stride per axis, whatever the memory is.
    """
    n_pixels = memory / bytes_per_pixel(config)
    if np.prod(shape, dtype=float) <= n_pixels:
        return shape
    tile = (_TILE_2D,) * 2 if config.ndim == 2 else _largest_box(config.stride, shape, halo, n_pixels)
    # As few tiles as these, but of equal lengths instead of a thin last one.
    n_tiles = [-(-size // length) for size, length in zip(shape, tile, strict=True)]
    return tuple(_round_up(-(-size // n), config.stride) for size, n in zip(shape, n_tiles, strict=True))


def _largest_box(stride: int, shape: tuple[int, ...], halo: tuple[int, ...], n_pixels: float) -> tuple[int, ...]:
    """Lengthen the shortest axis that still can be, stride by stride, while box and halo have at most `n_pixels`."""
    box = (stride,) * len(shape)
    while True:
        for axis in sorted(range(len(shape)), key=box.__getitem__):
            longer = (*box[:axis], box[axis] + stride, *box[axis + 1 :])
            outer = [min(length + 2 * h, size) for length, h, size in zip(longer, halo, shape, strict=True)]
            if longer[axis] <= shape[axis] and np.prod(outer, dtype=float) <= n_pixels:
                box = longer
                break
        else:
            return box


def bytes_per_pixel(config: NetworkConfig) -> float:
    """Estimate the memory of a prediction per pixel, a little above what was measured for four levels in 2D and 3D.

    The last decoder block decides: skip and upsampled features, their concatenation, its normalised copy and two
    activations live at once, beside the skips of the lower levels.
    """
    maps = config.feature_maps
    last_decoder = 3 * (maps[0] + maps[1]) + 2 * maps[0]
    skips = sum(width / 2 ** (config.ndim * level) for level, width in enumerate(maps))
    return 4.0 * float(last_decoder + skips + 2 * config.n_outputs + config.in_channels)


def _choose_network(model: EmbeddingModel, *, teacher: bool) -> nn.Module:
    if not teacher:
        return model.network
    if model.teacher is None:
        raise ValueError("teacher: expected a model that was saved with its teacher, got one without.")
    return model.teacher


def _check_image(image: NDArray[Any], card: ModelCard) -> NDArray[Any]:
    config = card.network
    channels = card.take_channels(as_channels_first(image, ndim=config.ndim))
    if min(channels.shape[1:]) < config.stride:
        raise ValueError(
            f"image: expected at least {config.stride} pixels along every axis (the stride of the network), "
            f"got shape {channels.shape[1:]}."
        )
    return channels


def _aligned(lengths: Sequence[int], config: NetworkConfig, *, name: str, at_least: int) -> tuple[int, ...]:
    """Check one length per spatial axis and round each up to the stride."""
    if len(lengths) != config.ndim or any(int(length) != length or length < at_least for length in lengths):
        raise ValueError(f"{name}: expected {config.ndim} integers of at least {at_least}, got {tuple(lengths)}.")
    return tuple(_round_up(int(length), config.stride) for length in lengths)


def _round_up(length: int, stride: int) -> int:
    return -(-length // stride) * stride


def _memory_budget(device: torch.device, ndim: int) -> float:
    if device.type != "cuda":
        return float(_CPU_MEMORY[ndim])
    return _CUDA_SHARE * float(torch.cuda.mem_get_info(device)[0])


Box = tuple[slice, ...]


def _tiles(
    shape: tuple[int, ...], padded: tuple[int, ...], tile: tuple[int, ...], halo: tuple[int, ...]
) -> Iterator[tuple[Box, Box, Box]]:
    """Yield for each tile its box with halo, its own box in the image, and its own box within the one with halo."""
    for starts in itertools.product(*(range(0, size, step) for size, step in zip(shape, tile, strict=True))):
        stops = [min(start + step, size) for start, step, size in zip(starts, tile, shape, strict=True)]
        begins = [max(0, start - margin) for start, margin in zip(starts, halo, strict=True)]
        ends = [
            min(start + step + margin, size)
            for start, step, margin, size in zip(starts, tile, halo, padded, strict=True)
        ]
        outer = tuple(slice(begin, end) for begin, end in zip(begins, ends, strict=True))
        inner = tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))
        crop = tuple(
            slice(start - begin, stop - begin) for start, stop, begin in zip(starts, stops, begins, strict=True)
        )
        yield outer, inner, crop
