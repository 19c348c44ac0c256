"""What each object looks like to somebody who looks for mistakes: its embeddings, its shape, its size, its place.

Raw measures of one object at a time, so that after a correction only the objects it has touched are measured again.
What is odd about them, compared with the others, is said by `queue`; what embeddings say is in `embedding_fit`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spoco.review.editing import bounding_box, relative_scale
from napari_spoco.review.embedding_fit import look_at_object, widen
from napari_spoco.segmentation.arguments import check_labels
from napari_spoco.segmentation.cleanup import remove_small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_spoco.data.label_change import Box

_SLAB = 2**20
"""Pixels that are searched for objects at once."""
_FEW = 4
"""Up to so many ids are compared one by one with these pixels, which is faster than by a table."""


class MeasuringStopped(Exception):
    """The `stop` predicate asked to end before all objects were measured."""


@dataclass(frozen=True)
class ObjectMeasures:
    """One object.

    Attributes
    ----------
    instance_id, n_pixels : int
    box : tuple of slice
        The smallest box around it.
    anchor : tuple of int
        The pixel that stands for it, (Z)YX: where its embedding is closest to its mean, or else its most inner one.
    compactness : float
        Radius of the largest ball inside of it over the radius of a ball of its size: 1 for a ball, less for what is
        elongated, ragged or made of two. The border of the image is no border of the object.
    at_border : bool
        Whether it touches the border of the image, along an axis of more than one pixel.
    fit : float or None
        Intersection over union of the object and of what the embeddings give around its anchor (`instance_around`);
        None without embeddings, and for what is too small to be seen on their grid.
    agreement : float or None
        The same of what student's and teacher's embeddings give; None without those of both.
    """

    instance_id: int
    n_pixels: int
    box: Box
    anchor: tuple[int, ...]
    compactness: float
    at_border: bool
    fit: float | None = None
    agreement: float | None = None


def measure_objects(
    labels: NDArray[Any],
    ids: Sequence[int] | None = None,
    *,
    embeddings: NDArray[Any] | None = None,
    other_embeddings: NDArray[Any] | None = None,
    scale: Sequence[float] | None = None,
    delta_var: float = 0.5,
    kernel_threshold: float = 0.9,
    stop: Callable[[], bool] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[ObjectMeasures, ...]:
    """Measure objects.

    Parameters
    ----------
    labels
        (*spatial) non-negative integers, 2D or 3D, 0 = no object.
    ids
        Which of them; ids that are not there are left out. None = all.
    embeddings
        (E, *grid) of the student or the teacher, whichever is looked at; anything that can be sliced. Its grid covers
        the same box of space as the labels, with the same pixels or others (`data.resampling`).
    other_embeddings
        (E, *grid) of the other one of the two.
    scale
        Size of a pixel per axis, in any unit; None = all alike.
    delta_var, kernel_threshold
        Of the training, as for `select_instance`.
    stop
        Asked before every object; true ends it.
    on_progress
        Called with (objects done, objects in all) after every object.

    Returns
    -------
    tuple of ObjectMeasures
        In ascending order of the ids, or in that of `ids`.

    Raises
    ------
    MeasuringStopped
        `stop` returned true.
    TypeError, ValueError
        `labels` are no non-negative integers, or the shapes do not fit.
    """
    labels = check_labels(labels)
    check_embeddings(labels, embeddings, other_embeddings)
    sizes = relative_scale(scale, labels.ndim)
    kernel = {"delta_var": delta_var, "kernel_threshold": kernel_threshold}
    measures: list[ObjectMeasures] = []
    boxes = list(_boxes(labels, ids))
    for instance_id, box in boxes:
        if stop is not None and stop():
            raise MeasuringStopped(f"Measuring was stopped after {len(measures)} objects.")
        measures.append(_measure(labels, instance_id, box, sizes, embeddings, other_embeddings, kernel))
        if on_progress is not None:
            on_progress(len(measures), len(boxes))
    return tuple(measures)


def check_embeddings(labels: NDArray[Any], embeddings: NDArray[Any] | None, other: NDArray[Any] | None) -> None:
    """Raise ValueError where the embeddings of one network or both do not fit labels (*spatial)."""
    if embeddings is not None and embeddings.ndim != labels.ndim + 1:
        expected = f"(E, *spatial) with {labels.ndim} spatial axes"
        raise ValueError(f"embeddings: expected {expected}, got {embeddings.shape}.")
    if other is None:
        return
    if embeddings is None:
        raise ValueError("embeddings: expected those of one network beside those of the other, got None.")
    if other.shape[1:] != embeddings.shape[1:]:
        raise ValueError(f"other_embeddings: expected spatial shape {embeddings.shape[1:]}, got {other.shape[1:]}.")


def _boxes(labels: NDArray[Any], ids: Sequence[int] | None) -> Iterator[tuple[int, Box]]:
    if ids is not None:
        boxes = _find_boxes(labels, ids)
        yield from ((instance_id, boxes[instance_id]) for instance_id in ids if instance_id in boxes)
        return
    numbers = remove_small(labels, 0)  # 1..n in the order of the ids, however large these are
    for number, box in enumerate(ndimage.find_objects(numbers.astype(np.intp, copy=False)), start=1):
        first = np.unravel_index(int((numbers[box] == number).argmax()), numbers[box].shape)
        yield int(labels[box][first]), box


def _find_boxes(labels: NDArray[Any], ids: Sequence[int]) -> dict[int, Box]:
    """Return the boxes of those of some objects that are there, from one look at the labels, slab by slab."""
    limits = np.iinfo(labels.dtype)
    known = np.array(sorted({one for one in ids if limits.min <= one <= limits.max}), labels.dtype)
    boxes: dict[int, Box] = {}
    thickness = max(1, _SLAB * len(labels) // max(labels.size, 1))
    for start in range(0, len(labels), thickness):
        slab = labels[start : start + thickness]
        is_known = _is_any_of(slab, known)
        around = bounding_box(is_known)
        if not around:
            continue
        numbers = np.where(is_known[around], np.searchsorted(known, slab[around]) + 1, 0)
        origin = (start + around[0].start, *(axis.start for axis in around[1:]))
        for instance_id, box in zip(known.tolist(), ndimage.find_objects(numbers, len(known)), strict=True):
            if box is not None:
                own = tuple(slice(a.start + o, a.stop + o) for a, o in zip(box, origin, strict=True))
                boxes[instance_id] = _around_both(boxes.get(instance_id, own), own)
    return boxes


def _is_any_of(labels: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.bool_]:
    if len(ids) > _FEW:
        return np.isin(labels, ids)
    mask = np.zeros(labels.shape, np.bool_)
    for instance_id in ids:
        mask |= labels == instance_id
    return mask


def _around_both(first: Box, second: Box) -> Box:
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))


def _measure(
    labels: NDArray[Any],
    instance_id: int,
    box: Box,
    sizes: tuple[float, ...],
    embeddings: NDArray[Any] | None,
    other_embeddings: NDArray[Any] | None,
    kernel: dict[str, float],
) -> ObjectMeasures:
    near = widen(box, [1] * labels.ndim, labels.shape)
    mask = labels[near] == instance_id
    n_pixels = int(mask.sum())
    radius, centre = _inscribed(mask, sizes)
    anchor = tuple(index + axis.start for index, axis in zip(centre, near, strict=True))
    fit = agreement = None
    if embeddings is not None:
        seen = look_at_object(labels, instance_id, box, embeddings, other_embeddings, kernel)
        anchor, fit, agreement = seen or (anchor, None, None)
    return ObjectMeasures(
        instance_id,
        n_pixels,
        box,
        anchor,
        min(1.0, radius / _ball_radius(n_pixels * math.prod(sizes), labels.ndim)),
        any(n > 1 and (axis.start == 0 or axis.stop == n) for axis, n in zip(box, labels.shape, strict=True)),
        fit,
        agreement,
    )


def _inscribed(mask: NDArray[np.bool_], sizes: tuple[float, ...]) -> tuple[float, tuple[int, ...]]:
    """Return the radius of the largest ball in a mask, in pixels of the finest axis, and its centre."""
    if mask.all():
        return math.inf, tuple(n // 2 for n in mask.shape)
    depths = ndimage.distance_transform_edt(mask, sampling=sizes)
    deepest = int(depths.argmax())
    centre = tuple(int(index) for index in np.unravel_index(deepest, mask.shape))
    return float(depths.flat[deepest]) - 0.5, centre  # to the outline, half a pixel before the next pixel's centre


def _ball_radius(size: float, ndim: int) -> float:
    """Return the radius of the disk or ball of this area or volume."""
    return math.sqrt(size / math.pi) if ndim == 2 else math.cbrt(3 * size / (4 * math.pi))
