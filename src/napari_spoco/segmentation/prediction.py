"""Prediction of embeddings, part by part of the image: any size, any remainder.

The image is padded once, at its far ends, to a multiple of the network's stride, and normalised as a whole. Which parts
the network is shown is the business of `tiling`.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_spoco.data.images import as_channels_first, normalize_image
from napari_spoco.models.precision import choose_precision
from napari_spoco.segmentation.tiling import choose_tiles, padded_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_spoco.config import NetworkConfig
    from napari_spoco.data.images import GreyValues
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard
    from napari_spoco.models.precision import Precision
    from napari_spoco.segmentation.tiling import Tile

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
    grey_values: GreyValues | None = None,
) -> Any:
    """Compute all that a network has to say of every pixel, tile by tile, on the device where it is.

    Parameters
    ----------
    model
        Network and card; the image is normalised as the card says.
    image
        (*spatial) or (C, *spatial), raw intensities, 2D or 3D as the network is; of more channels than the model takes,
        those that the card names.
    tile_shape
        Pixels that a tile contributes, per spatial axis; rounded up to the network's stride. A tile at the end of the
        image, where no halo is needed, contributes that of its halo too. None = the whole image where memory allows,
        else about 512 x 512 in 2D and as large a box as memory allows in 3D; where the network normalises by groups,
        blended windows of one and a half patches of its training (`tiling`), unless `halo` is given.
    halo
        Context in pixels on each side of a tile, per spatial axis; rounded up to the stride. None = the reach of the
        network (`receptive_reach`), at most 128 in 2D and 64 in 3D. With less, objects are cut where tiles meet.
    out
        Takes the result by slice assignment, for instance a zarr array of the shape of the result. Where windows are
        blended it is read, too.
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
    grey_values
        Of the whole image, where `image` is a part of it (`data.images.find_grey_values`), to be normalised as the
        whole; None = of `image`.

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
    channels = _check_image(image, model.card, is_part=grey_values is not None)
    shape = channels.shape[1:]
    n_outputs = config.n_outputs if n_outputs is None else n_outputs
    if out is None:
        out = np.empty((n_outputs, *shape), dtype=np.float32)
    elif tuple(out.shape) != (n_outputs, *shape):
        raise ValueError(f"out: expected shape {(n_outputs, *shape)}, got {tuple(out.shape)}.")
    device = next(network.parameters()).device
    dtype = choose_precision(precision, device)
    memory = _memory_budget(device, config.ndim, dtype)
    tiles = choose_tiles(model.card, shape, memory=memory, tile_shape=tile_shape, halo=halo)
    normalized = normalize_image(channels, model.card.normalization, grey_values)
    normalized = _pad(normalized, padded_shape(shape, config.stride))
    if tiles[0].axis_weights is not None:
        out[...] = 0
    if on_progress is not None:
        on_progress(0, len(tiles))
    layout = _LAYOUT[config.ndim] if device.type in ("cpu", "cuda") else torch.contiguous_format
    network.to(memory_format=layout)  # type: ignore[call-overload]
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for n_done, tile in enumerate(tiles, start=1):
            if stop is not None and stop():
                raise PredictionStopped(f"Prediction was stopped after {n_done - 1} of {len(tiles)} tiles.")
            block = torch.from_numpy(normalized[(None, slice(None), *tile.outer)])  # (1, C, *outer)
            outputs = network(block.to(device, memory_format=layout))[0]  # (E or more, *outer)
            _put(out, tile, outputs[(slice(n_outputs), *tile.crop)].float().cpu().numpy())
            if on_progress is not None:
                on_progress(n_done, len(tiles))
    return out


def split_outputs(outputs: NDArray[Any], config: NetworkConfig) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the embeddings (E, *spatial) and the scores of the pixel classes (3, *spatial), None without, as views."""
    return outputs[: config.embedding_dim], outputs[config.embedding_dim :] if config.pixel_classes else None


def _pad(channels: NDArray[np.float32], padded: tuple[int, ...]) -> NDArray[np.float32]:
    missing = [(0, to - size) for size, to in zip(channels.shape[1:], padded, strict=True)]
    return np.pad(channels, [(0, 0), *missing], mode="reflect")


def _put(out: Any, tile: Tile, values: NDArray[np.float32]) -> None:
    """Write what the network says of a tile (E, *inner), or add it by its weights."""
    place = (slice(None), *tile.inner)
    weights = tile.weights
    if weights is None:
        out[place] = values
    else:
        values *= weights
        out[place] = out[place] + values


def _choose_network(model: EmbeddingModel, *, teacher: bool) -> nn.Module:
    if not teacher:
        return model.network
    if model.teacher is None:
        raise ValueError("teacher: expected a model that was saved with its teacher, got one without.")
    return model.teacher


def _check_image(image: NDArray[Any], card: ModelCard, *, is_part: bool) -> NDArray[Any]:
    config = card.network
    channels = card.take_channels(as_channels_first(image, ndim=config.ndim, may_be_constant=is_part))
    if min(channels.shape[1:]) < config.stride:
        raise ValueError(
            f"image: expected at least {config.stride} pixels along every axis (the stride of the network), "
            f"got shape {channels.shape[1:]}."
        )
    return channels


def _memory_budget(device: torch.device, ndim: int, dtype: torch.dtype) -> float:
    """Return how many bytes of float32 a prediction may take; in half precision they are half as many on a CPU.

    On a GPU the norms, and what they return, stay in single precision.
    """
    if device.type != "cuda":
        return _CPU_MEMORY[ndim] * 4.0 / dtype.itemsize
    return _CUDA_SHARE * float(torch.cuda.mem_get_info(device)[0])
