"""What each object looks like to somebody who looks for mistakes: its embeddings, its shape, its size, its place.

Raw measures of one object at a time, so that after a correction only the objects it has touched are measured again.
What is odd about them, compared with the others, is said by `review`. Embeddings may be on another grid than the
objects (a model has its own pixel size): an object is looked at there as its nearest pixels show it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spoco.data.resampling import nearest_pixels
from napari_spoco.review.editing import bounding_box, relative_scale
from napari_spoco.segmentation.arguments import check_labels
from napari_spoco.segmentation.cleanup import remove_small
from napari_spoco.segmentation.instance import instance_around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_spoco.data.label_change import Box

_MARGIN = 0.5
"""How far around an object its embeddings are looked for, in its own extents."""
_LEAST_MARGIN = 4
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
        The same of what student's and teacher's embeddings give.
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
    teacher_embeddings: NDArray[Any] | None = None,
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
        (E, *grid) of the student, or of the only network there is; anything that can be sliced. Its grid covers the
        same box of space as the labels, with the same pixels or others (`data.resampling`).
    teacher_embeddings
        (E, *grid) of the teacher.
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
    _check_embeddings(labels, embeddings, teacher_embeddings)
    sizes = relative_scale(scale, labels.ndim)
    kernel = {"delta_var": delta_var, "kernel_threshold": kernel_threshold}
    measures: list[ObjectMeasures] = []
    boxes = list(_boxes(labels, ids))
    for instance_id, box in boxes:
        if stop is not None and stop():
            raise MeasuringStopped(f"Measuring was stopped after {len(measures)} objects.")
        measures.append(_measure(labels, instance_id, box, sizes, embeddings, teacher_embeddings, kernel))
        if on_progress is not None:
            on_progress(len(measures), len(boxes))
    return tuple(measures)


def _check_embeddings(labels: NDArray[Any], student: NDArray[Any] | None, teacher: NDArray[Any] | None) -> None:
    if student is not None and student.ndim != labels.ndim + 1:
        raise ValueError(f"embeddings: expected (E, *spatial) with {labels.ndim} spatial axes, got {student.shape}.")
    if teacher is None:
        return
    if student is None:
        raise ValueError("embeddings: expected the student's beside those of the teacher, got None.")
    if teacher.shape[1:] != student.shape[1:]:
        raise ValueError(f"teacher_embeddings: expected spatial shape {student.shape[1:]}, got {teacher.shape[1:]}.")


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
    teacher_embeddings: NDArray[Any] | None,
    kernel: dict[str, float],
) -> ObjectMeasures:
    near = _widen(box, [1] * labels.ndim, labels.shape)
    mask = labels[near] == instance_id
    n_pixels = int(mask.sum())
    radius, centre = _inscribed(mask, sizes)
    anchor = tuple(index + axis.start for index, axis in zip(centre, near, strict=True))
    fit = agreement = None
    if embeddings is not None:
        seen = _look_at_embeddings(labels, instance_id, box, embeddings, teacher_embeddings, kernel)
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


def _look_at_embeddings(
    labels: NDArray[Any],
    instance_id: int,
    box: Box,
    embeddings: NDArray[Any],
    teacher_embeddings: NDArray[Any] | None,
    kernel: dict[str, float],
) -> tuple[tuple[int, ...], float, float | None] | None:
    """Return an object's anchor, `fit` and `agreement`; None if it has no pixel on the grid of the embeddings."""
    shape = embeddings.shape[1:]
    pixels = [nearest_pixels(n, m) for n, m in zip(labels.shape, shape, strict=True)]
    inner = tuple(_between(places, axis) for places, axis in zip(pixels, box, strict=True))
    margins = [max(_LEAST_MARGIN, math.ceil(_MARGIN * (axis.stop - axis.start))) for axis in inner]
    around = _widen(inner, margins, shape)
    near = [places[axis] for places, axis in zip(pixels, around, strict=True)]
    mask = labels[np.ix_(*near)] == instance_id
    if not mask.any():
        return None
    own = _cut(embeddings, around)
    anchor = _nearest_to_mean(own, mask)
    seen = instance_around(own, anchor, **kernel)
    agreement = None
    if teacher_embeddings is not None:
        agreement = _iou(seen, instance_around(_cut(teacher_embeddings, around), anchor, **kernel))
    place = tuple(int(places[index]) for places, index in zip(near, anchor, strict=True))
    return place, _iou(mask, seen), agreement


def _between(places: NDArray[np.intp], part: slice) -> slice:
    """Return which of ascending places lie in a part of an axis."""
    start, stop = np.searchsorted(places, (part.start, part.stop))
    return slice(int(start), int(stop))


def _widen(box: Box, margins: Sequence[int], shape: tuple[int, ...]) -> Box:
    wide = zip(box, margins, shape, strict=True)
    return tuple(slice(max(axis.start - margin, 0), min(axis.stop + margin, n)) for axis, margin, n in wide)


def _cut(embeddings: NDArray[Any], box: Box) -> NDArray[np.float32]:
    return np.ascontiguousarray(embeddings[(slice(None), *box)], dtype=np.float32)


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


def _nearest_to_mean(embeddings: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[int, ...]:
    inside = embeddings[:, mask]  # (E, N)
    squared = np.square(inside - inside.mean(axis=1, keepdims=True)).sum(axis=0)
    return tuple(np.argwhere(mask)[int(squared.argmin())].tolist())


def _iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(first & second) / np.count_nonzero(first | second))
