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
_TOUCH = 2.0
"""Pixels around a stroke whose embeddings are taken for its own."""
_REACH = 0.5
"""Of the way from a stroke to the outline: within it, the middle of its half is looked for."""


def split(
    labels: NDArray[Any],
    instance_id: int,
    stroke_a: ArrayLike,
    stroke_b: ArrayLike,
    *,
    embeddings: NDArray[Any] | None = None,
    delta_var: float = 0.5,
    scale: Sequence[float] | None = None,
    locked: Collection[int] = (),
) -> LabelChange:
    """Split an object by a watershed that starts at two strokes, each of which may be a single pixel.

    Where the embeddings tell the strokes apart, the parts meet where the embedding changes most on its way from the
    mean around one stroke to the mean around the other. Otherwise they meet at the object's narrowest place between
    the strokes (distance transform). What is one object by mistake often has the same embeddings on both sides.

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
    delta_var
        Margin of the pull term in training: means that are further apart than twice as much are of two objects.
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
    sizes = relative_scale(scale, mask.ndim)
    landscape = None
    if embeddings is not None:
        if embeddings.shape[1:] != labels.shape:
            raise ValueError(f"embeddings: expected spatial shape {labels.shape}, got {embeddings.shape[1:]}.")
        wide = _widen(markers, mask)
        landscape = _slope(embeddings[(slice(None), *box)].astype(np.float32), mask, wide, 2 * delta_var)
    if landscape is None:
        depths = ndimage.distance_transform_edt(np.pad(mask, 1), sizes)[(slice(1, -1),) * mask.ndim]
        landscape, markers = -depths, _fill(markers, depths, sizes)
    else:
        markers = wide
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


def _widen(markers: NDArray[np.int8], mask: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return markers that take in what lies around them in the object, each pixel to the nearest stroke."""
    distances, nearest = ndimage.distance_transform_edt(markers == 0, return_indices=True)
    return np.where(mask & (distances <= _TOUCH), markers[tuple(nearest)], np.int8(0))


def _fill(markers: NDArray[np.int8], depths: NDArray[np.float64], sizes: tuple[float, ...]) -> NDArray[np.int8]:
    """Return markers that take in the balls around them, as large as fit into the object.

    A click beside the middle lies lower than the narrowest place: what floods the other half would come through there
    first, and leave it a pixel. Where both balls overlap, they are divided by the plane in which their surfaces meet.
    """
    deepest = [_deepest(np.where(markers == side, depths, 0)) for side in (1, 2)]
    away = [_squared_distances(depths.shape, one, sizes) for one in deepest]
    middles = []
    for one, own, other in zip(deepest, away, away[::-1], strict=True):
        is_near = (own <= (_REACH * depths[one]) ** 2) & (own < other)
        middles.append(_deepest(np.where(is_near, depths, 0)))
    powers = [_squared_distances(depths.shape, one, sizes) - depths[one] ** 2 for one in middles]
    side = np.where(powers[0] <= powers[1], np.int8(1), np.int8(2))
    return np.where((markers == 0) & (np.minimum(*powers) < 0), side, markers)


def _deepest(depths: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(int(index) for index in np.unravel_index(int(depths.argmax()), depths.shape))


def _squared_distances(shape: tuple[int, ...], pixel: tuple[int, ...], sizes: tuple[float, ...]) -> NDArray[np.float64]:
    ways = (np.arange(n) - index for n, index in zip(shape, pixel, strict=True))
    squares = ((way * size) ** 2 for way, size in zip(ways, sizes, strict=True))
    return np.asarray(sum(np.ix_(*squares)))


def _slope(
    embeddings: NDArray[np.float32], mask: NDArray[np.bool_], markers: NDArray[np.int8], least: float
) -> NDArray[np.float32] | None:
    """Return how fast (*spatial) the embeddings (E, *spatial) go from one stroke's mean to the other's.

    Outside of the object the nearest pixel inside counts, so that its outline is no slope. None if the means are not
    further apart than `least`.
    """
    first, second = (embeddings[:, markers == side].mean(axis=1) for side in (1, 2))
    way = second - first
    if np.linalg.norm(way) <= least:
        return None
    course = np.tensordot(way, embeddings, axes=1) / float(way @ way)
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    slope: NDArray[np.float32] = ndimage.gaussian_gradient_magnitude(course[tuple(nearest)], _SIGMA)
    return slope
