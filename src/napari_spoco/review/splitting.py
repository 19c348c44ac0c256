"""One object to two, along what separates two strokes that the user has drawn on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from napari_spoco.data.label_change import LabelChange, next_free_id
from napari_spoco.review.editing import cut_out, relative_scale

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_spoco.data.label_change import Box

_SIGMA = 1.0
"""Pixels over which the course of the embeddings is smoothed before its slope is taken."""


def split(
    labels: NDArray[Any],
    instance_id: int,
    stroke_a: ArrayLike,
    stroke_b: ArrayLike,
    *,
    embeddings: NDArray[Any] | None = None,
    scale: Sequence[float] | None = None,
    locked: Collection[int] = (),
) -> LabelChange:
    """Split an object by a watershed that starts at two strokes.

    With embeddings the parts meet where the embedding changes most on its way from the mean under one stroke to the
    mean under the other; without, at the object's narrowest place between the strokes (distance transform).

    Parameters
    ----------
    labels
        (*spatial) objects, non-negative integers, 2D or 3D.
    instance_id
        The object.
    stroke_a, stroke_b
        (N, ndim) integer pixels, (Z)YX. What is beside the object, or in both strokes, does not count. The part under
        `stroke_a` keeps the id, the one under `stroke_b` gets a new one (`next_free_id`); pieces of the object that
        neither is connected to keep it.
    embeddings
        (E, *spatial), floating point.
    scale
        Size of a pixel per axis, in any unit, for the distance transform; None = all alike.
    locked
        Ids that must not change.

    Raises
    ------
    LockedError
        The object is locked.
    TypeError, ValueError
        A stroke has no pixel on the object, there is no such object, no id is free, or an argument has the wrong shape.
    """
    box, part = cut_out(labels, [instance_id], locked)
    mask = part == instance_id
    markers = _markers(mask, box, {"stroke_a": stroke_a, "stroke_b": stroke_b})
    if embeddings is None:
        landscape = -ndimage.distance_transform_edt(np.pad(mask, 1), relative_scale(scale, mask.ndim))[
            (slice(1, -1),) * mask.ndim
        ]
    else:
        if embeddings.shape[1:] != labels.shape:
            raise ValueError(f"embeddings: expected spatial shape {labels.shape}, got {embeddings.shape[1:]}.")
        landscape = _slope(embeddings[(slice(None), *box)].astype(np.float32), mask, markers)
    sides = watershed(landscape, markers, mask=mask)
    part[sides == 2] = next_free_id(labels)
    return LabelChange.between(labels, part, box)


def _markers(mask: NDArray[np.bool_], box: Box, strokes: dict[str, ArrayLike]) -> NDArray[np.int8]:
    """Return the pixels of the first stroke as 1, of the second as 2, all others as 0."""
    markers = np.zeros(mask.shape, dtype=np.int8)
    for side, (name, stroke) in enumerate(strokes.items(), start=1):
        pixels = np.asarray(stroke)
        if pixels.ndim != 2 or pixels.shape[1] != mask.ndim or not np.issubdtype(pixels.dtype, np.integer):
            raise ValueError(f"{name}: expected integers (N, {mask.ndim}), got {pixels.dtype} of shape {pixels.shape}.")
        pixels = pixels - [axis.start for axis in box]
        pixels = pixels[((pixels >= 0) & (pixels < mask.shape)).all(axis=1)]
        markers[tuple(pixels.T)] += side
    markers[(markers == 3) | ~mask] = 0
    for side, name in enumerate(strokes, start=1):
        if not (markers == side).any():
            raise ValueError(f"{name}: expected pixels on the object that are not in the other stroke, got none.")
    return markers


def _slope(embeddings: NDArray[np.float32], mask: NDArray[np.bool_], markers: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return how fast (*spatial) the embeddings (E, *spatial) go from one stroke's mean to the other's.

    Outside of the object the nearest pixel inside counts, so that its outline is no slope.
    """
    first, second = (embeddings[:, markers == side].mean(axis=1) for side in (1, 2))
    way = second - first
    course = np.tensordot(way, embeddings, axes=1) / max(float(way @ way), np.finfo(np.float32).tiny)
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    slope: NDArray[np.float32] = ndimage.gaussian_gradient_magnitude(course[tuple(nearest)], _SIGMA)
    return slope
