"""How the parts of a view are made: functions of a box of an image that see what they need of the rest.

Each depends on its arguments alone, so that a `StageMemory` can keep what it returned.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.annotations import BACKGROUND, SparseAnnotations
from napari_spoco.data.object_sizes import median_object_size
from napari_spoco.segmentation.arguments import check_mask
from napari_spoco.segmentation.background import find_background
from napari_spoco.segmentation.classical import bright_foreground
from napari_spoco.segmentation.edges import AROUND
from napari_spoco.segmentation.foreground import radius_from_annotations
from napari_spoco.segmentation.smoothing import local_contrast, smooth_embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Smooth = Callable[..., NDArray[np.float32]]

Box = tuple[slice, ...]
_REACH = 3.0
"""Standard deviations of the smoothing around a view."""
_SAMPLED_PIXELS = 50_000
"""Pixels of an image, evenly spaced, that tell the background of a part of it."""


def smoothed_box(
    embeddings: Any,
    box: Box | None,
    sigma: float,
    scale: Sequence[float] | None,
    smooth: Smooth = smooth_embeddings,
) -> NDArray[np.float32]:
    """Smooth the embeddings of a box as if all of the image were smoothed; reads no more than it needs.

    Parameters
    ----------
    embeddings
        (E, *spatial), floating point; anything that can be sliced.
    box
        One slice per spatial axis, None = all.
    sigma, scale
        Of `smooth_embeddings`.
    smooth
        What smooths; `class_probabilities` for scores of the pixel classes.
    """
    if box is None:
        return smooth(np.asarray(embeddings), sigma, scale=scale)
    steps = scale or (1.0,) * len(box)
    halo = [math.ceil(_REACH * sigma * steps[-1] / step) for step in steps]
    outer = [slice(max(0, part.start - reach), part.stop + reach) for part, reach in zip(box, halo, strict=True)]
    inner = [slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(box, outer, strict=True)]
    smoothed = smooth(np.asarray(embeddings[(slice(None), *outer)]), sigma, scale=scale)
    return np.ascontiguousarray(smoothed[(slice(None), *inner)])


def contrast_of_box(signal: NDArray[Any], box: Box | None, scale: Sequence[float] | None) -> NDArray[np.float32]:
    """Return the local contrast of a signal (*spatial) in the box."""
    contrast: NDArray[np.float32] = smoothed_box(signal[None], box, AROUND, scale, local_contrast)[0]
    return contrast


def stroke_box(annotations: NDArray[Any] | None) -> Box | None:
    """Return the box that holds all background strokes; None without one."""
    return None if annotations is None else _bounding_box(annotations == BACKGROUND)


def object_box(annotations: NDArray[Any] | None) -> Box | None:
    """Return the box that holds all annotated objects; None without one."""
    return None if annotations is None else _bounding_box(annotations > 0)


def painted_box(annotations: NDArray[Any]) -> Box:
    """Return the box that holds all that is painted, the whole image if nothing is."""
    return _bounding_box(annotations != 0) or tuple(slice(0, n) for n in annotations.shape)


def _bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    boxes = ndimage.find_objects(mask.view(np.uint8))
    return boxes[0] if boxes else None


def median_size(annotations: NDArray[Any] | None, scale: Sequence[float] | None, in_planes: bool = False) -> float:
    """Return the median size of the annotated objects in pixels, 0 without one; estimated if painted in planes only."""
    if annotations is None:
        return 0.0
    meaning = AnnotationConfig(painted_in_planes=in_planes and annotations.ndim == 3)
    return median_object_size([(SparseAnnotations.from_labels(annotations, config=meaning), scale)])


def image_background(
    smooth: NDArray[np.float32], annotations: NDArray[Any] | None, pixel: tuple[int, ...] | None
) -> NDArray[np.float32]:
    """Find the background in the embeddings of a whole image; all that is shown counts, else the dominant mode."""
    shown = [what for what in (annotations, pixel) if what is not None]
    if not shown:
        return find_background(smooth)
    return np.concatenate([find_background(smooth, what) for what in shown])


def box_background(
    embeddings: Any,
    annotations: NDArray[Any] | None,
    strokes: Box | None,
    pixel: tuple[int, ...] | None,
    sigma: float,
    scale: Sequence[float] | None,
) -> NDArray[np.float32]:
    """Find the background of the whole image without smoothing all of it.

    The embeddings that are shown are smoothed; the others are evenly spaced pixels as they are, whose modes pixel
    noise hardly moves.
    """
    found = []
    if strokes is not None and annotations is not None:
        found.append(find_background(smoothed_box(embeddings, strokes, sigma, scale), annotations[strokes]))
    if pixel is not None:
        clicked = smoothed_box(embeddings, tuple(slice(index, index + 1) for index in pixel), sigma, scale)
        pixels = np.concatenate([_evenly_spaced(embeddings), clicked.reshape(len(clicked), 1, 1)], axis=2)
        found.append(find_background(pixels, (0, pixels.shape[2] - 1)))
    return np.concatenate(found) if found else find_background(_evenly_spaced(embeddings))


def _evenly_spaced(embeddings: Any) -> NDArray[np.float32]:
    """Return every n-th pixel along every axis, (E, 1, N) float32."""
    n_channels, *shape = np.shape(embeddings)
    step = max(1, math.ceil((math.prod(shape) / _SAMPLED_PIXELS) ** (1 / len(shape))))
    every = tuple(slice(None, None, step) for _ in shape)
    pixels = np.asarray(embeddings[(slice(None), *every)], dtype=np.float32)
    return pixels.reshape(n_channels, 1, -1)


def annotated_radius(
    smooth: NDArray[np.float32],
    annotations: NDArray[Any],
    box: Box,
    background: NDArray[np.float32],
    quantile: float | None,
) -> float:
    """Choose the radius by what is painted in a box, from the embeddings of the image or of the box."""
    part = annotations[box]
    inside = smooth if smooth.shape[1:] == part.shape else smooth[(slice(None), *box)]
    return radius_from_annotations([inside], [part], quantile=quantile, backgrounds=[background])


def annotations_of_box(annotations: NDArray[Any] | None, box: Box | None) -> NDArray[Any] | None:
    """Return the annotations in a box, None where no object is painted."""
    part = None if annotations is None else _part(annotations, box)
    return None if part is None or not (part > 0).any() else part


def mean_of_channels(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean (*spatial) of an image (C, *spatial)."""
    mean: NDArray[np.float64] = np.asarray(image).mean(axis=0)
    return mean


def mask_of_box(mask: NDArray[Any], box: Box | None) -> NDArray[np.bool_]:
    """Return a mask of the image as bool in the box."""
    part = _part(np.asarray(mask), box)
    return check_mask(part, part.shape, name="mask")


def bright_part(image: NDArray[Any], threshold: Any, neighbourhood: float, box: Box | None) -> NDArray[np.bool_]:
    """Find what is bright in the image, and return it in the box."""
    bright = bright_foreground(image, threshold=threshold, neighbourhood=neighbourhood)
    return np.ascontiguousarray(_part(bright, box))


def is_far(distance: NDArray[np.float32], radius: float) -> NDArray[np.bool_]:
    """Tell which pixels are farther than the radius."""
    far: NDArray[np.bool_] = distance > radius
    return far


def _part(array: NDArray[Any], box: Box | None) -> NDArray[Any]:
    return array if box is None else array[box]
