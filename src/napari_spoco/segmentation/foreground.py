"""Foreground by the distance from the background's embedding, and its division into objects.

Beside mutex watershed this is the other way from embeddings to objects; it suits images where the background is one
cluster and objects are told apart by their shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from napari_spoco.segmentation.arguments import check_choice, check_mask, check_number
from napari_spoco.segmentation.background import background_embedding
from napari_spoco.segmentation.cleanup import remove_small
from napari_spoco.segmentation.smoothing import smooth_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def radius_from_annotations(
    embeddings: Iterable[NDArray[Any]],
    annotations: Iterable[NDArray[Any]],
    *,
    quantile: float = 0.1,
    smoothing: float = 0.0,
) -> float:
    """Choose the radius of `foreground_by_distance` so that most annotated pixels are foreground.

    The background's embedding is found in each image by itself; the distances of the annotated pixels of all images
    are pooled.

    Parameters
    ----------
    embeddings
        Per image (E, *spatial).
    annotations
        Per image (*spatial) integers; pixels above 0 belong to annotated objects. Images without one are passed over.
    quantile
        Share of the annotated pixels that may lie outside; edges of objects and objects not yet learned do.
    smoothing
        As it will be given to `foreground_by_distance`.

    Raises
    ------
    TypeError, ValueError
        The arguments do not fit each other, no pixel is annotated, or `quantile` is not inside of [0, 1).
    """
    quantile = check_number(quantile, name="quantile", at_least=0)
    if quantile >= 1:
        raise ValueError(f"quantile: expected a number below 1, got {quantile}.")
    distances = [np.empty(0, dtype=np.float32)]
    for array, labels in zip(embeddings, annotations, strict=True):
        inside = check_mask(np.asarray(labels) > 0, np.shape(array)[1:], name="annotations")
        if inside.any():
            smooth = smooth_embeddings(array, smoothing)
            distances.append(np.sqrt(_squared_distance(smooth, background_embedding(smooth))[inside]))
    pooled = np.concatenate(distances)
    if pooled.size == 0:
        raise ValueError("annotations: expected at least one annotated object, got none.")
    return float(np.quantile(pooled, quantile))


def foreground_by_distance(
    embeddings: NDArray[Any],
    *,
    radius: float,
    background: NDArray[Any] | None = None,
    smoothing: float = 0.0,
) -> NDArray[np.bool_]:
    """Take as foreground the pixels whose embedding is farther than `radius` from the background's.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    radius
        Distance in embedding space; 2.5 to 3.5 suits delta_dist = 2.
    background
        (E,) embedding of the background; None = `background_embedding(embeddings)`.
    smoothing
        Standard deviation of a Gaussian over the embeddings beforehand, in pixels.

    Returns
    -------
    numpy.ndarray
        (*spatial) bool.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range.
    """
    embeddings = smooth_embeddings(embeddings, smoothing)
    radius = check_number(radius, name="radius", above=0)
    centre = background_embedding(embeddings) if background is None else np.asarray(background, dtype=np.float32)
    if centre.shape != embeddings.shape[:1]:
        raise ValueError(f"background: expected shape {embeddings.shape[:1]}, got {centre.shape}.")
    if not np.isfinite(centre).all():
        raise ValueError("background: expected finite numbers, got NaN or infinity.")
    far: NDArray[np.bool_] = _squared_distance(embeddings, centre) > radius**2
    return far


def _squared_distance(embeddings: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float32]:
    squared = np.zeros(embeddings.shape[1:], dtype=np.float32)
    for channel, coordinate in zip(embeddings, centre, strict=True):
        squared += np.square(channel - coordinate)
    return squared


def split_foreground(
    mask: NDArray[Any],
    *,
    method: Literal["watershed", "components"] = "watershed",
    min_distance: int = 5,
    smoothing: float = 1.0,
    min_size: int = 0,
) -> NDArray[np.uint32]:
    """Split a foreground mask into objects by shape alone.

    Parameters
    ----------
    mask
        (*spatial) bool or integer, 2D or 3D.
    method
        "components": connected through faces. "watershed": of the smoothed distance to the background, with one seed
        per peak, so that touching round objects come apart.
    min_distance
        Least distance between two peaks, in pixels; about a third of an object's diameter.
    smoothing
        Standard deviation of the Gaussian over the distance, in pixels.
    min_size
        Objects of fewer pixels become label 0.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, 0 = background.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range.
    """
    mask = check_mask(mask, np.shape(mask), name="mask")
    if mask.ndim not in (2, 3):
        raise ValueError(f"mask: expected 2 or 3 axes, got shape {mask.shape}.")
    check_choice(method, ("watershed", "components"), name="method")
    check_number(min_distance, name="min_distance", at_least=1)
    check_number(smoothing, name="smoothing", at_least=0)
    components, _ = ndimage.label(mask)
    if method == "components":
        return remove_small(components, min_size)
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim]
    distance = ndimage.gaussian_filter(distance, smoothing)
    peaks = peak_local_max(
        distance, min_distance=int(min_distance), labels=components, exclude_border=False, p_norm=2.0
    )
    seeds = np.zeros(mask.shape, dtype=np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return remove_small(watershed(-distance, seeds, mask=mask), min_size)
