"""The embedding of the background: the dominant mode of all embeddings, or of what the user has shown to be background.

This module alone knows in which forms a person may say what is background.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.arguments import check_embeddings, check_mask, check_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    ShownBackground = NDArray[Any] | Sequence[int]

_SEED_PIXELS = 2_000
_SHIFT_PIXELS = 20_000
_LEAST_SHARE = 0.1
"""Of the shown pixels; a smaller cluster is where a stroke slipped over an object."""
_MOST_MODES = 8
_BLOCK = 1 << 14
"""Pixels; the differences of 16 channels stay in the cache."""


def background_embedding(
    embeddings: NDArray[Any],
    *,
    mask: NDArray[Any] | None = None,
    bandwidth: float = 1.0,
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Find the dominant mode of the embeddings, which is the background's wherever it covers most of the image.

    Mean-shift with a flat kernel on a random sample, started at the sampled pixel with the most others within
    `bandwidth`: robust where the background is no single segment and its mean would be drawn off by objects.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    mask
        (*spatial) bool or integer: only these pixels are looked at, for instance the user's background strokes.
    bandwidth
        Radius of the kernel in embedding space.
    rng
        Source of the sample; None = a generator of seed 0, so that equal embeddings give equal modes.

    Returns
    -------
    numpy.ndarray
        (E,) float32.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or `mask` is empty.
    """
    embeddings = check_embeddings(embeddings)
    bandwidth = check_number(bandwidth, name="bandwidth", above=0)
    if mask is not None:
        mask = check_mask(mask, embeddings.shape[1:], name="mask")
        if not mask.any():
            raise ValueError("mask: expected at least one pixel, got none.")
    return _mode(_sample(embeddings, mask, rng), bandwidth)


def find_background(
    embeddings: NDArray[Any],
    shown: ShownBackground | None = None,
    *,
    bandwidth: float = 1.0,
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Find the embeddings of the background, wherever the knowledge of it comes from.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    shown
        None: `background_embedding`, the dominant mode. A bool mask (*spatial), or integer annotations (*spatial)
        with `BACKGROUND` strokes: the modes of these pixels, most often one, but a background that was never shown
        to the network falls into several. One integer per spatial axis: a clicked pixel (Z)YX, that is the mode
        nearby. Floating point (E,) or (n, E): the embeddings themselves.
    bandwidth, rng
        As for `background_embedding`.

    Returns
    -------
    numpy.ndarray
        (n, E) float32, the largest mode first; what is near any of them is background.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, no pixel is shown, or the clicked one lies outside.
    """
    bandwidth = check_number(bandwidth, name="bandwidth", above=0)
    array = np.asarray(shown)
    if np.issubdtype(array.dtype, np.floating):
        return _check_given(array, len(embeddings))
    embeddings = check_embeddings(embeddings)
    if shown is None:
        return _mode(_sample(embeddings, None, rng), bandwidth)[None]
    if array.ndim == 1:
        return _mode_at(embeddings, array, bandwidth, rng)[None]
    return _modes(_sample(embeddings, _shown_mask(array, embeddings.shape[1:]), rng), bandwidth)


def distance_to_background(embeddings: NDArray[Any], background: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute how far embeddings are from the nearest embedding of the background.

    Parameters
    ----------
    embeddings
        (E, *any) of pixels or means of segments, floating point.
    background
        (n, E), from `find_background`.

    Returns
    -------
    numpy.ndarray
        (*any) float32.
    """
    flat = embeddings.reshape(len(embeddings), -1)
    distance = np.empty(flat.shape[1], dtype=np.float32)
    for start in range(0, len(distance), _BLOCK):
        block = slice(start, start + _BLOCK)
        steps = (flat[:, block] - centre[:, None] for centre in background)
        squared = [np.einsum("en,en->n", step, step) for step in steps]
        distance[block] = np.minimum.reduce(squared)
    np.sqrt(distance, out=distance)
    return distance.reshape(embeddings.shape[1:])


def _check_given(centres: NDArray[Any], n_channels: int) -> NDArray[np.float32]:
    if centres.ndim not in (1, 2) or centres.shape[-1] != n_channels or centres.size == 0:
        raise ValueError(f"background: expected shape ({n_channels},) or (n, {n_channels}), got {centres.shape}.")
    if not np.isfinite(centres).all():
        raise ValueError("background: expected finite numbers, got NaN or infinity.")
    return np.atleast_2d(centres.astype(np.float32))


def _shown_mask(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    is_annotation = np.issubdtype(array.dtype, np.integer)
    mask = check_mask(array == BACKGROUND if is_annotation else array, shape, name="background")
    if not mask.any():
        what = f"annotated as background ({BACKGROUND})" if is_annotation else "in the mask"
        raise ValueError(f"background: expected at least one pixel {what}, got none.")
    return mask


def _sample(
    embeddings: NDArray[np.float32], mask: NDArray[np.bool_] | None, rng: np.random.Generator | None
) -> NDArray[np.float32]:
    """Return the embeddings of randomly chosen pixels, (n, E), in random order."""
    flat = embeddings.reshape(embeddings.shape[0], -1)
    candidates = None if mask is None else np.flatnonzero(mask)
    rng = rng if rng is not None else np.random.default_rng(0)
    n_pixels = flat.shape[1] if candidates is None else candidates.size
    chosen = rng.choice(n_pixels, size=_SHIFT_PIXELS) if n_pixels > _SHIFT_PIXELS else np.arange(n_pixels)
    if n_pixels <= _SHIFT_PIXELS:
        rng.shuffle(chosen)  # the first ones become the seeds
    return flat[:, chosen if candidates is None else candidates[chosen]].T


def _modes(sample: NDArray[np.float32], bandwidth: float) -> NDArray[np.float32]:
    """Return the modes one after the other, each without the pixels of those before."""
    modes: list[NDArray[np.float32]] = []
    rest = sample
    while len(rest) and len(modes) < _MOST_MODES and len(rest) >= _LEAST_SHARE * len(sample):
        modes.append(_mode(rest, bandwidth))
        rest = rest[np.square(rest - modes[-1]).sum(axis=1) > (2 * bandwidth) ** 2]
    return np.stack(modes)


def _mode_at(
    embeddings: NDArray[np.float32], pixel: NDArray[Any], bandwidth: float, rng: np.random.Generator | None
) -> NDArray[np.float32]:
    shape = embeddings.shape[1:]
    if not np.issubdtype(pixel.dtype, np.integer) or pixel.size != len(shape):
        raise ValueError(f"background: expected {len(shape)} integers for a clicked pixel, got {pixel.tolist()}.")
    if (pixel < 0).any() or (pixel >= shape).any():
        raise ValueError(f"background: expected a pixel inside of {shape}, got {tuple(pixel.tolist())}.")
    clicked = embeddings[(slice(None), *pixel)]
    # With the pixel itself in the sample the kernel is never empty.
    return _shift_to_mode(np.vstack([_sample(embeddings, None, rng), clicked]), clicked, bandwidth)


def _mode(sample: NDArray[np.float32], bandwidth: float) -> NDArray[np.float32]:
    return _shift_to_mode(sample, _densest(sample[:_SEED_PIXELS], bandwidth), bandwidth)


def _densest(sample: NDArray[np.float32], bandwidth: float) -> NDArray[np.float32]:
    """Return the row with the most rows within the bandwidth."""
    centred = sample - sample.mean(axis=0)  # keeps the expanded square exact far from the origin
    norms = np.einsum("ne,ne->n", centred, centred)
    squared = norms[:, None] + norms[None, :] - 2.0 * (centred @ centred.T)
    densest: NDArray[np.float32] = sample[(squared <= bandwidth**2).sum(axis=1).argmax()]
    return densest


def _shift_to_mode(
    sample: NDArray[np.float32], start: NDArray[np.float32], bandwidth: float, n_shifts: int = 30
) -> NDArray[np.float32]:
    mode = start
    for _ in range(n_shifts):
        near = np.square(sample - mode).sum(axis=1) <= bandwidth**2
        shifted = sample[near].mean(axis=0)
        if np.square(shifted - mode).sum() < (1e-3 * bandwidth) ** 2:
            break
        mode = shifted
    return mode
