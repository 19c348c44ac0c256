"""Where a network looks at an image that it cannot, or should not, see as a whole.

Tiles with halo are for networks with BatchNorm: once the halo covers the reach of the network, what it says does not
depend on the tiles. Every tile begins at a multiple of the network's stride, so that pooling and upsampling meet the
same pixels in every tile, and ends where the padded image ends, so that the zero padding of the convolutions stands
there and nowhere else.

GroupNorm computes its statistics from what the network is shown, so what it says depends on how much that is. Such a
network is shown overlapping windows little larger than the patches that it was trained on, and what it says of them is
blended. On two stacks of synthetic tissue, 40 x 256 x 256 at the voxel size of `ovules-small`, whose patches were of
32 x 64 x 64, the adapted Rand error between edges was .21 and .27 seen as a whole, .15 and .16 by tiles of 128 with a
halo of 32, and .14 and .19, .10 and .12, .09 and .09, .23 and .23 by windows of three, two, one and a half patches and
one (`benchmarks/windows.py`).
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import NetworkConfig
    from napari_spoco.models.checkpoint import ModelCard

Box = tuple[slice, ...]

_TILE_2D = 512
_MAX_HALO = {2: 128, 3: 64}
PATCHES = 1.5
"""Length of a window, in patches of the training."""
_OVERLAP = 1 / 3
_RIM = 1 / 8
"""Shares of a window's length: what it has in common with the next one, and what at its ends says nothing."""
_LEAST_WEIGHT = 1e-3


class Tile(NamedTuple):
    """A part of an image to look at.

    Attributes
    ----------
    outer : tuple of slice
        What the network is shown, of the padded image.
    inner : tuple of slice
        What is taken of its answer, in the image.
    crop : tuple of slice
        The same, within `outer`.
    axis_weights : tuple of ndarray or None
        Of a window that shares its pixels with others, float32 (n,) along each axis of `inner`. The weight of a pixel
        is the product of those at its indices. Along each axis those of a place add up to 1, and so do the products of
        a pixel.
    """

    outer: Box
    inner: Box
    crop: Box
    axis_weights: tuple[NDArray[np.float32], ...] | None = None

    @property
    def weights(self) -> NDArray[np.float32] | None:
        """The weights of the pixels, (*inner) float32, made anew: those of all windows take more than the image."""
        return None if self.axis_weights is None else _outer_product(self.axis_weights)


def choose_tiles(
    card: ModelCard,
    shape: tuple[int, ...],
    *,
    memory: float,
    tile_shape: Sequence[int] | None = None,
    halo: Sequence[int] | None = None,
) -> list[Tile]:
    """Choose where the network of a model looks at an image.

    Parameters
    ----------
    card
        Of the model.
    shape
        Of the image, per spatial axis.
    memory
        Bytes that the network may take.
    tile_shape, halo
        As for `predict_outputs`; windows are taken only where neither is given.

    Raises
    ------
    ValueError
        `tile_shape` or `halo` does not fit.
    """
    config = card.network
    padded = padded_shape(shape, config.stride)
    n_pixels = memory / bytes_per_pixel(config)
    if config.norm == "group" and card.patch_shape and tile_shape is None and halo is None:
        wanted = tuple(_round_up(math.ceil(PATCHES * length), config.stride) for length in card.patch_shape)
        window = _largest_box(config.stride, wanted, (0,) * config.ndim, n_pixels)
        return list(overlapping_windows(shape, padded, window, config.stride))
    margin = default_halo(config) if halo is None else _aligned(halo, config, name="halo", at_least=0)
    if tile_shape is None:
        tile = default_tile_shape(config, padded, margin, memory=memory)
    else:
        tile = _aligned(tile_shape, config, name="tile_shape", at_least=1)
    return list(tiles_with_halo(shape, padded, tile, margin))


def padded_shape(shape: tuple[int, ...], stride: int) -> tuple[int, ...]:
    """Return the lengths of the axes, rounded up to multiples of the stride."""
    return tuple(_round_up(size, stride) for size in shape)


def overlapping_windows(
    shape: tuple[int, ...], padded: tuple[int, ...], window: tuple[int, ...], stride: int
) -> Iterator[Tile]:
    """Yield windows, evenly spread, that have a third in common with the next one; a shorter axis has one."""
    axes = [_window_axis(*lengths, stride) for lengths in zip(padded, window, strict=True)]
    is_alone = all(len(axis) == 1 for axis in axes)
    for parts in itertools.product(*axes):
        outer = tuple(slice(start, start + len(weights)) for start, weights in parts)
        inner = tuple(slice(part.start, min(part.stop, size)) for part, size in zip(outer, shape, strict=True))
        crop = tuple(slice(0, part.stop - part.start) for part in inner)
        weights = tuple(own[part] for (_, own), part in zip(parts, crop, strict=True))
        yield Tile(outer, inner, crop, None if is_alone else weights)


def tiles_with_halo(
    shape: tuple[int, ...], padded: tuple[int, ...], tile: tuple[int, ...], halo: tuple[int, ...]
) -> Iterator[Tile]:
    """Yield tiles that do not overlap but for their halo.

    The first tile of an axis is longer by the halo that it has not got, and so is the last one.
    """
    cuts = [_cuts(*lengths) for lengths in zip(shape, tile, halo, strict=True)]
    for pairs in itertools.product(*(itertools.pairwise(axis) for axis in cuts)):
        starts, stops = zip(*pairs, strict=True)
        begins = [max(0, start - margin) for start, margin in zip(starts, halo, strict=True)]
        # What is padded belongs to the last tile.
        ends = [
            whole if stop == size else min(stop + margin, whole)
            for stop, margin, size, whole in zip(stops, halo, shape, padded, strict=True)
        ]
        outer = tuple(slice(begin, end) for begin, end in zip(begins, ends, strict=True))
        inner = tuple(slice(start, stop) for start, stop in pairs)
        crop = tuple(
            slice(start - begin, stop - begin) for start, stop, begin in zip(starts, stops, begins, strict=True)
        )
        yield Tile(outer, inner, crop)


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
    """Return the reach of the network rounded up to its stride, capped at 128 (2D) or 64 (3D) pixels per axis.

    With 32 of the 51 pixels of four levels the embeddings of a 3D network make a step of .93 where tiles meet
    (elsewhere .28 between neighbours), which cuts cells in two; with 48 there is none.
    """
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
    # As few tiles as these, but of equal lengths instead of a thin last one; the first and the last need less halo.
    between = [max(1, size - 2 * h) for size, h in zip(shape, halo, strict=True)]
    n_tiles = [-(-size // length) for size, length in zip(between, tile, strict=True)]
    return tuple(_round_up(-(-size // n), config.stride) for size, n in zip(between, n_tiles, strict=True))


def bytes_per_pixel(config: NetworkConfig) -> float:
    """Estimate the memory of a prediction per pixel, a little above what was measured for four levels in 2D and 3D.

    The last decoder block decides: skip and upsampled features, their concatenation, its normalised copy and two
    activations live at once, beside the skips of the lower levels.
    """
    maps = config.feature_maps
    last_decoder = 3 * (maps[0] + maps[1]) + 2 * maps[0]
    skips = sum(width / 2 ** (config.ndim * level) for level, width in enumerate(maps))
    return 4.0 * float(last_decoder + skips + 2 * config.n_outputs + config.in_channels)


def _window_axis(size: int, window: int, stride: int) -> list[tuple[int, NDArray[np.float32]]]:
    """Return where the windows of an axis begin, and the weights of their pixels, which add up to 1."""
    if size <= window:
        return [(0, np.ones(size, dtype=np.float32))]
    n = 1 + math.ceil((size - window) / (window * (1 - _OVERLAP)))
    starts = [stride * round(i * (size - window) / (n - 1) / stride) for i in range(n)]
    tents = [_tent(window, is_first=start == 0, is_last=start + window == size) for start in starts]
    total = np.zeros(size)
    for start, tent in zip(starts, tents, strict=True):
        total[start : start + window] += tent
    parts = zip(starts, tents, strict=True)
    return [(start, (tent / total[start : start + window]).astype(np.float32)) for start, tent in parts]


def _tent(length: int, *, is_first: bool, is_last: bool) -> NDArray[np.float64]:
    """Return weights that rise from the ends of a window to its middle, but not at an end of the image."""
    at = np.arange(length) + 0.5
    left, right = (np.full(length, np.inf) if ends else depth for ends, depth in ((is_first, at), (is_last, at[::-1])))
    depth = np.minimum(np.minimum(left, right), length)
    weights: NDArray[np.float64] = np.maximum(depth - _RIM * length, _LEAST_WEIGHT)
    return weights


def _outer_product(weights: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    product = np.ones((), dtype=np.float32)
    for axis in weights:
        product = product[..., None] * axis
    return product


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


def _aligned(lengths: Sequence[int], config: NetworkConfig, *, name: str, at_least: int) -> tuple[int, ...]:
    """Check one length per spatial axis and round each up to the stride."""
    if len(lengths) != config.ndim or any(int(length) != length or length < at_least for length in lengths):
        raise ValueError(f"{name}: expected {config.ndim} integers of at least {at_least}, got {tuple(lengths)}.")
    return tuple(_round_up(int(length), config.stride) for length in lengths)


def _round_up(length: int, stride: int) -> int:
    return -(-length // stride) * stride


def _cuts(size: int, length: int, margin: int) -> list[int]:
    """Return where the tiles of an axis begin, and its end."""
    return [0, *range(length + margin, size - margin, length), size]
