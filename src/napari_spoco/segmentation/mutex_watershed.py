"""Mutex watershed of embeddings: objects without seeds, thresholds or a number of objects.

Edges between pixels are visited from the strongest to the weakest. Direct neighbours attract with 1 - w and are
merged unless a mutex forbids it; long-range edges repel with w and put a mutex between their two segments
(Wolf et al. 2018; w of equation 12 of the SPOCO paper). What is known here is which edges attract, which repel, and
the order of the clean-up; who computes the watershed is the business of the engine.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_spoco.segmentation.affinities import Offset, check_offsets, default_offsets
from napari_spoco.segmentation.arguments import check_choice, check_embeddings, check_mask, check_number
from napari_spoco.segmentation.cleanup import (
    BACKGROUND_MODES,
    clean_up,
    measure_segments,
    remove_small,
)
from napari_spoco.segmentation.mutex_engine import segment_edges
from napari_spoco.segmentation.smoothing import smooth_embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def segment_mutex_watershed(
    embeddings: NDArray[Any],
    *,
    delta_dist: float = 2.0,
    offsets: Sequence[Sequence[int]] | None = None,
    foreground: NDArray[Any] | None = None,
    smoothing: float = 0.0,
    fragment_size: int = 0,
    background: Literal["none", "largest", "mode"] = "none",
    background_radius: float = 2.0,
    min_size: int = 0,
    mutex_stride: int = 1,
    n_threads: int = 1,
) -> NDArray[np.uint32]:
    """Segment embeddings into instances by mutex watershed, then clean up.

    The order is: smoothing, mutex watershed, growth of fragments, removal of the background, removal of small
    objects.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    delta_dist
        Push margin of the training: embeddings twice this far apart repel with priority 1.
    offsets
        Displacements of the edges in pixels, (Z)YX. Direct neighbours (all steps within one pixel) attract, all others
        repel; None = `default_offsets`. Offsets longer than the image have no edge and are dropped.
    foreground
        (*spatial) bool or integer: only these pixels are segmented, edges to others are dropped.
    smoothing
        Standard deviation of the Gaussian over the embeddings, in pixels. The priorities of attraction and repulsion
        cross at distance 0.59 delta_dist, so pixel noise shatters objects; one pixel of smoothing cures it.
    fragment_size
        Segments of fewer pixels grow into the touching segment of the nearest mean embedding.
    background
        Segments that become label 0: "none", the "largest" one, or all whose mean embedding is near the dominant
        "mode" of the embeddings.
    background_radius
        Distance in embedding space that counts as near.
    min_size
        Objects of fewer pixels become label 0.
    mutex_stride
        Mutex edges start only at pixels whose coordinates are multiples of it; 1 = at every pixel. Faster, but fewer
        edges keep objects apart.
    n_threads
        Threads that share what can be shared, the priorities of the edges.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, 0 = background.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or the embeddings hold NaN or infinity; the message names it.
    """
    embeddings = check_embeddings(embeddings)
    shape = embeddings.shape[1:]
    if foreground is not None:
        foreground = check_mask(foreground, shape, name="foreground")
    offsets = check_offsets(offsets if offsets is not None else default_offsets(len(shape)), len(shape))
    check_number(fragment_size, name="fragment_size", at_least=0)
    check_choice(background, BACKGROUND_MODES, name="background")
    check_number(background_radius, name="background_radius", above=0)
    check_number(min_size, name="min_size", at_least=0)
    check_number(delta_dist, name="delta_dist", above=0)
    _check_count(mutex_stride, name="mutex_stride")
    _check_count(n_threads, name="n_threads")

    embeddings = smooth_embeddings(embeddings, smoothing)
    attractive, mutex = _split_offsets(offsets, shape)
    if attractive:
        labels = segment_edges(
            embeddings,
            attractive,
            mutex,
            delta_dist=delta_dist,
            foreground=foreground,
            mutex_stride=int(mutex_stride),
            n_threads=int(n_threads),
        )
    else:
        labels = _single_pixels(shape, foreground)
    return clean_up(
        measure_segments(labels, embeddings),
        fragment_size=fragment_size,
        background=background,
        background_radius=background_radius,
        min_size=min_size,
    )


def _check_count(value: int, *, name: str) -> None:
    if check_number(value, name=name, at_least=1) % 1 != 0:
        raise ValueError(f"{name}: expected a whole number, got {value}.")


def _single_pixels(shape: tuple[int, ...], foreground: NDArray[np.bool_] | None) -> NDArray[np.uint32]:
    """Make every pixel an object, since nothing can merge, as in an image of a single pixel."""
    labels = np.arange(1, math.prod(shape) + 1, dtype=np.uint32).reshape(shape)
    return labels if foreground is None else remove_small(np.where(foreground, labels, np.uint32(0)), 0)


def _split_offsets(
    offsets: tuple[Offset, ...], shape: tuple[int, ...]
) -> tuple[tuple[Offset, ...], tuple[Offset, ...]]:
    """Return (attractive, mutex) offsets that have at least one edge in an image of this shape."""
    inside = [offset for offset in offsets if all(abs(step) < size for step, size in zip(offset, shape, strict=True))]
    attractive = tuple(offset for offset in inside if max(map(abs, offset)) == 1)
    mutex = tuple(offset for offset in inside if max(map(abs, offset)) > 1)
    return attractive, mutex
