"""From embeddings to objects by one settings object: what the window and the command line share.

This module alone knows how sizes and radii that the user left empty follow from the annotated objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.segmentation.classical import bright_foreground
from napari_spoco.segmentation.clustering import segment_hdbscan, segment_mean_shift
from napari_spoco.segmentation.foreground import foreground_by_distance, radius_from_annotations, split_foreground
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
from napari_spoco.segmentation.smoothing import smooth_embeddings
from napari_spoco.segmentation.supervoxels import boundary_signal, segment_supervoxels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.config import SegmentationConfig
    from napari_spoco.models.checkpoint import ModelCard

After = dict[str, Any]
"""What all methods do alike once there are segments."""
_USUAL_RADIUS = 2.0
_LEAST_CLUSTER = 10
_MERGE_SHARE = 0.75
"""Of the push margin; supervoxels of different cells begin to merge above it."""
_FRAGMENT_SHARE, _SMALLEST_SHARE = 1 / 3, 1 / 8
"""Of the median annotated object; chosen on the training images of the demo (benchmarks/demo_settings.py)."""


@dataclass(frozen=True)
class ReadoutContext:
    """What is known beside the embeddings; each part may be missing.

    `image` (C, *spatial) raw intensities, `annotations` (*spatial) ids, `mask` (*spatial) a foreground given by the
    user.
    """

    image: NDArray[Any] | None = None
    annotations: NDArray[Any] | None = None
    mask: NDArray[Any] | None = None


def read_out(
    embeddings: NDArray[Any], card: ModelCard, settings: SegmentationConfig, context: ReadoutContext | None = None
) -> NDArray[np.uint32]:
    """Segment embeddings into objects.

    Parameters
    ----------
    embeddings
        (E, *spatial).
    card
        Of the model that made them: margin and size of the objects it was trained on.
    settings
        What the user set; empty sizes and radii are derived.
    context
        Image, annotations and mask, as far as the settings need them.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n, 0 = background.

    Raises
    ------
    ValueError
        The settings need something that is missing; the message names it.
    """
    context = context or ReadoutContext()
    foreground = find_foreground(embeddings, card, settings, context)
    size = card.median_object_size or 0.0
    min_size = int(size * _SMALLEST_SHARE) if settings.min_size is None else settings.min_size
    if settings.method in ("watershed", "components"):
        if foreground is None:
            raise ValueError(f"foreground: the method {settings.method} splits a foreground, got none.")
        return split_foreground(foreground, method=settings.method, min_size=min_size)
    after: After = {
        "foreground": foreground,
        "fragment_size": int(size * _FRAGMENT_SHARE) if settings.fragment_size is None else settings.fragment_size,
        # Within a foreground the largest segment is an object.
        "background": settings.background if foreground is None else "none",
        "background_radius": settings.background_radius
        or _known_radius(embeddings, card, settings, context)
        or _USUAL_RADIUS,
    }
    if settings.method == "supervoxels":
        return _supervoxels(embeddings, card, settings, context, after | {"min_size": min_size})
    after["smoothing"] = settings.smoothing
    if settings.method == "hdbscan":
        least = max(min_size, _LEAST_CLUSTER)
        return segment_hdbscan(embeddings, min_size=least, merge_distance=settings.merge_distance, **after)
    after["min_size"] = min_size
    if settings.method == "mean_shift":
        merge = settings.merge_distance
        return segment_mean_shift(embeddings, bandwidth=card.delta_var, merge_distance=merge, **after)
    return segment_mutex_watershed(embeddings, delta_dist=card.delta_dist, **after)


def _supervoxels(
    embeddings: NDArray[Any], card: ModelCard, settings: SegmentationConfig, context: ReadoutContext, after: After
) -> NDArray[np.uint32]:
    if context.image is None:
        raise ValueError("image: supervoxels need the image, got None.")
    return segment_supervoxels(
        smooth_embeddings(embeddings, settings.smoothing),
        boundary_signal(context.image.mean(axis=0), settings.boundaries, scale=card.voxel_size),
        merge_distance=settings.merge_distance or _MERGE_SHARE * card.delta_dist,
        scale=card.voxel_size,
        **after,
    )


def find_foreground(
    embeddings: NDArray[Any], card: ModelCard, settings: SegmentationConfig, context: ReadoutContext
) -> NDArray[np.bool_] | None:
    """Return the foreground (*spatial) that the settings ask for, or None for everywhere."""
    if context.mask is not None:
        return np.asarray(context.mask) > 0
    if settings.foreground == "intensity":
        if context.image is None:
            raise ValueError("image: the foreground by intensity needs the image, got None.")
        return bright_foreground(context.image.mean(axis=0), threshold="local")
    if settings.foreground == "embedding":
        radius = settings.foreground_radius or _known_radius(embeddings, card, settings, context)
        if radius is None:
            raise ValueError("foreground_radius: expected a number or annotated objects to take it from, got neither.")
        return foreground_by_distance(embeddings, radius=radius, smoothing=settings.smoothing)
    return None


def _known_radius(
    embeddings: NDArray[Any], card: ModelCard, settings: SegmentationConfig, context: ReadoutContext
) -> float | None:
    """Return how far annotated objects are from the background: in this image, else in the training images."""
    if context.annotations is not None and (context.annotations > 0).any():
        return radius_from_annotations([embeddings], [context.annotations], smoothing=settings.smoothing)
    return card.foreground_radius
