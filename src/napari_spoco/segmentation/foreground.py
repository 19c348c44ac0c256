"""Foreground by the distance from the background's embedding, and its division into objects.

Beside mutex watershed this is the other way from embeddings to objects; it suits images where the background is one
cluster and objects are told apart by their shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.arguments import check_choice, check_mask, check_number, check_scale
from napari_spoco.segmentation.background import distance_to_background, find_background
from napari_spoco.segmentation.cleanup import clean_up, remove_small
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
from napari_spoco.segmentation.segments import SegmentTable
from napari_spoco.segmentation.shape import watershed_by_shape
from napari_spoco.segmentation.smoothing import smooth_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_spoco.segmentation.background import ShownBackground

_SHAPE_SPLITS = ("watershed", "components")
_USUAL_QUANTILE = 0.1
_QUANTILES = np.linspace(0.02, 0.8, 40)
"""Shares of the annotated pixels that may lie inside of the radii to choose from."""
_SAMPLED_PIXELS = 200_000
"""Of an image, to tell how much of it lies beyond a radius."""


def radius_from_annotations(
    embeddings: Iterable[NDArray[Any]],
    annotations: Iterable[NDArray[Any]],
    *,
    quantile: float | None = None,
    smoothing: float = 0.0,
    backgrounds: Iterable[ShownBackground | None] | None = None,
) -> float:
    """Choose the radius of `foreground_by_distance` by what was painted.

    The background's embedding is found in each image by itself; the distances of all images are pooled. Strokes of
    background tell how much of the background lies outside of a radius, and with it how much of what lies outside is
    background: `best_radius`. Without strokes most annotated pixels are made foreground.

    Parameters
    ----------
    embeddings
        Per image (E, *spatial).
    annotations
        Per image (*spatial) integers; pixels above 0 belong to annotated objects, `BACKGROUND` are strokes. Images
        without an object are passed over.
    quantile
        Share of the annotated pixels that may lie inside; edges of objects and objects not yet learned do. None = by
        the strokes, a tenth where there are none.
    smoothing
        As it will be given to `foreground_by_distance`.
    backgrounds
        Per image what will be given to `foreground_by_distance` as `background`; None = None for all.

    Raises
    ------
    TypeError, ValueError
        The arguments do not fit each other, no pixel is annotated, or `quantile` is not inside of [0, 1).
    """
    if quantile is not None and check_number(quantile, name="quantile", at_least=0) >= 1:
        raise ValueError(f"quantile: expected a number below 1, got {quantile}.")
    embeddings = list(embeddings)
    shown = [None] * len(embeddings) if backgrounds is None else backgrounds
    objects, strokes, everywhere = ([np.empty(0, dtype=np.float32)] for _ in range(3))
    for array, labels, background in zip(embeddings, annotations, shown, strict=True):
        labels = np.asarray(labels)
        inside = check_mask(labels > 0, np.shape(array)[1:], name="annotations")
        if not inside.any():
            continue
        smooth = smooth_embeddings(array, smoothing)
        modes = find_background(smooth, background)
        objects.append(distance_to_background(smooth[:, inside], modes))
        if quantile is None and (outside := labels == BACKGROUND).any():
            flat = smooth.reshape(len(smooth), -1)
            strokes.append(distance_to_background(smooth[:, outside], modes))
            everywhere.append(distance_to_background(flat[:, :: 1 + flat.shape[1] // _SAMPLED_PIXELS], modes))
    pooled, shown_outside = np.concatenate(objects), np.concatenate(strokes)
    if pooled.size == 0:
        raise ValueError("annotations: expected at least one annotated object, got none.")
    if shown_outside.size:
        return best_radius(pooled, shown_outside, np.concatenate(everywhere))
    return float(np.quantile(pooled, _USUAL_QUANTILE if quantile is None else quantile))


def best_radius(
    objects: NDArray[np.floating], strokes: NDArray[np.floating], everywhere: NDArray[np.floating]
) -> float:
    """Return the radius with the highest Dice coefficient of foreground and objects, as far as that can be estimated.

    Of the pixels of objects a share t lies beyond a radius, of the strokes a share f, of all pixels a share s. If
    strokes and annotated objects are typical, objects cover the share p of the image with s = p t + (1 - p) f, and
    2 p t / (s + p) is the Dice coefficient.

    Parameters
    ----------
    objects, strokes, everywhere
        Distances (n,) from the background's embedding, of pixels of annotated objects, of background, and of all.

    Returns
    -------
    float
        Between the 2 % and the 80 % quantile of the objects' distances; the 10 % quantile where strokes lie as far
        from the background's embedding as everything else.
    """
    radii = np.quantile(objects, _QUANTILES)
    t, f, s = (1 - np.searchsorted(np.sort(d), radii, side="right") / d.size for d in (objects, strokes, everywhere))
    p = np.clip((s - f) / np.maximum(t - f, 1e-6), 0, 1)
    dice = 2 * p * t / np.maximum(s + p, 1e-6)
    return float(radii[dice.argmax()] if dice.any() else np.quantile(objects, _USUAL_QUANTILE))


def foreground_by_distance(
    embeddings: NDArray[Any],
    *,
    radius: float,
    background: ShownBackground | None = None,
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
        What the user has shown to be background, as for `find_background`: a bool mask of strokes, annotations with
        `BACKGROUND`, a clicked pixel, or embeddings; None = the dominant mode. Of several modes the nearest counts.
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
    far: NDArray[np.bool_] = distance_to_background(embeddings, find_background(embeddings, background)) > radius
    return far


def segment_foreground(
    embeddings: NDArray[Any],
    *,
    radius: float,
    split: Literal["watershed", "components", "mutex_watershed"] = "watershed",
    background: ShownBackground | None = None,
    smoothing: float = 0.0,
    scale: Sequence[float] | None = None,
    min_distance: int = 5,
    delta_dist: float = 2.0,
    offsets: Sequence[Sequence[int]] | None = None,
    fragment_size: int = 0,
    min_size: int = 0,
) -> NDArray[np.uint32]:
    """Segment embeddings into instances: what is far from the background's embedding, divided into objects.

    The order is: smoothing, foreground by distance, division, growth of fragments, removal of small objects.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    radius, background
        As for `foreground_by_distance`; `radius_from_annotations` chooses the radius.
    split
        "watershed" and "components" divide by shape, as `split_foreground` does; "mutex_watershed" by embedding.
    smoothing, scale
        As for `smooth_embeddings`; `scale` also for `split_foreground`.
    min_distance
        For "watershed": least distance between the middles of two objects, in pixels of the finest axis.
    delta_dist, offsets
        For "mutex_watershed", as for `segment_mutex_watershed`.
    fragment_size
        Segments of fewer pixels grow into the touching segment of the nearest mean embedding.
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
    check_choice(split, (*_SHAPE_SPLITS, "mutex_watershed"), name="split")
    radius = check_number(radius, name="radius", above=0)
    check_number(fragment_size, name="fragment_size", at_least=0)
    check_number(min_size, name="min_size", at_least=0)
    embeddings = smooth_embeddings(embeddings, smoothing, scale=scale)
    mask = distance_to_background(embeddings, find_background(embeddings, background)) > radius
    if split == "mutex_watershed":
        labels = segment_mutex_watershed(embeddings, delta_dist=delta_dist, offsets=offsets, foreground=mask)
    else:
        labels = split_foreground(mask, method=split, min_distance=min_distance, scale=scale)
    return clean_up(SegmentTable(labels, embeddings), fragment_size=fragment_size, min_size=min_size)


def split_foreground(
    mask: NDArray[Any],
    *,
    method: Literal["watershed", "components"] = "watershed",
    min_distance: int = 5,
    smoothing: float = 1.0,
    min_size: int = 0,
    scale: Sequence[float] | None = None,
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
        Least distance between two peaks, in pixels of the finest axis; about a third of an object's diameter.
    smoothing
        Standard deviation of the Gaussian over the distance, in pixels of the finest axis.
    min_size
        Objects of fewer pixels become label 0.
    scale
        Size of a pixel along every spatial axis, in any unit: only the ratios count. None = equal sizes.

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
    check_choice(method, _SHAPE_SPLITS, name="method")
    check_number(min_distance, name="min_distance", at_least=1)
    check_number(smoothing, name="smoothing", at_least=0)
    components, _ = ndimage.label(mask)
    if method == "components":
        return remove_small(components, min_size)
    steps = None if scale is None else check_scale(scale, mask.ndim)
    return remove_small(watershed_by_shape(mask, components, int(min_distance), smoothing, steps), min_size)
