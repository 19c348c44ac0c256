"""The embedding of the background: the dominant mode of all embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.segmentation.arguments import check_embeddings, check_mask, check_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SEED_PIXELS = 2_000
_SHIFT_PIXELS = 20_000


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
    check_number(bandwidth, name="bandwidth", above=0)
    flat = embeddings.reshape(embeddings.shape[0], -1)
    candidates = None
    if mask is not None:
        candidates = np.flatnonzero(check_mask(mask, embeddings.shape[1:], name="mask"))
        if candidates.size == 0:
            raise ValueError("mask: expected at least one pixel, got none.")
    rng = rng if rng is not None else np.random.default_rng(0)
    n_pixels = flat.shape[1] if candidates is None else candidates.size
    chosen = rng.choice(n_pixels, size=_SHIFT_PIXELS) if n_pixels > _SHIFT_PIXELS else np.arange(n_pixels)
    if n_pixels <= _SHIFT_PIXELS:
        rng.shuffle(chosen)  # the first ones become the seeds
    sample = flat[:, chosen if candidates is None else candidates[chosen]].T  # (N, E)
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
