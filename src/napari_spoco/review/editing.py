"""Corrections of a segmentation: merge, delete, fill holes, smooth, grow (`splitting` has the sixth).

Nothing is changed here: every function says what would change, as a `LabelChange` that is applied and reverted exactly.
Two things are promised of all of them. Only the objects asked for lose pixels, and only pixels of no object are gained.
Locked objects, which the user has accepted, are never changed: asking for it is an error.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.measure import label as connected_parts

from napari_spoco.data.label_change import LabelChange
from napari_spoco.review.locks import check_locked
from napari_spoco.segmentation.arguments import check_labels, check_number

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from napari_spoco.data.label_change import Box


def merge(labels: NDArray[Any], ids: Sequence[int], *, locked: Collection[int] = ()) -> LabelChange:
    """Make one object of several; it has the first of the ids.

    Parameters
    ----------
    labels
        (*spatial) objects, non-negative integers, 2D or 3D; as for all functions here.
    ids
        At least two objects; they need not touch.
    locked
        Ids that must not change; as for all functions here.

    Raises
    ------
    LockedError
        One of the ids is locked.
    TypeError, ValueError
        `labels` are no non-negative integers, or there is no object of an id.
    """
    if len(set(ids)) < 2:
        raise ValueError(f"ids: expected at least two objects, got {tuple(ids)}.")
    box, part = cut_out(labels, ids, locked)
    return LabelChange.between(labels, np.where(np.isin(part, ids), part.dtype.type(ids[0]), part), box)


def delete(labels: NDArray[Any], ids: Sequence[int], *, locked: Collection[int] = ()) -> LabelChange:
    """Take objects away; their pixels become 0. Errors as `merge`."""
    box, part = cut_out(labels, ids, locked)
    return LabelChange.between(labels, np.where(np.isin(part, ids), part.dtype.type(0), part), box)


def fill_holes(
    labels: NDArray[Any], ids: Sequence[int], *, by_plane: bool = False, locked: Collection[int] = ()
) -> LabelChange:
    """Fill what is enclosed by an object; other objects inside of it stay.

    Parameters
    ----------
    labels, ids, locked
        As for `merge`; errors too.
    by_plane
        In stacks, fill what is enclosed within a plane along the first axis. Otherwise a hole is what cannot be left
        through pixel faces along any axis.
    """
    box, part = cut_out(labels, ids, locked)
    structure = ndimage.generate_binary_structure(2, 1)[np.newaxis] if by_plane and part.ndim == 3 else None
    for instance_id in ids:
        mask = part == instance_id
        part[ndimage.binary_fill_holes(mask, structure) & (part == 0)] = instance_id
    return LabelChange.between(labels, part, box)


def smooth(
    labels: NDArray[Any],
    ids: Sequence[int],
    *,
    radius: float = 1.0,
    scale: Sequence[float] | None = None,
    locked: Collection[int] = (),
) -> LabelChange:
    """Round the outlines of objects: what a Gaussian of their mask leaves above one half.

    Where objects touch, what one loses is not given to the other.

    Parameters
    ----------
    labels, ids, locked
        As for `merge`; errors too.
    radius
        Standard deviation, in pixels of the finest axis.
    scale
        Size of a pixel per axis, in any unit; coarser axes are smoothed over fewer pixels. None = all alike.

    Raises
    ------
    ValueError
        Nothing would be left of an object; also for `radius` and `scale`.
    """
    sigma = [check_number(radius, name="radius", above=0) / size for size in relative_scale(scale, labels.ndim)]
    box, part = cut_out(labels, ids, locked, pad=[math.ceil(2 * s) + 1 for s in sigma])
    before = labels[box]
    is_free = before == 0
    for instance_id in ids:
        mask = before == instance_id
        inside = ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="nearest") > 0.5
        inside &= mask | is_free
        if not inside.any():
            raise ValueError(f"radius: object {instance_id} is too thin to be smoothed over {radius:g} pixels.")
        part[mask & ~inside] = 0
        part[inside & (part == 0)] = instance_id
    return LabelChange.between(labels, part, box)


def grow(
    labels: NDArray[Any],
    ids: Sequence[int],
    *,
    distance: float = 1.0,
    scale: Sequence[float] | None = None,
    locked: Collection[int] = (),
) -> LabelChange:
    """Give objects the free pixels around them, each to the nearest; what lies behind another object is not reached.

    Parameters
    ----------
    labels, ids, locked
        As for `merge`; errors too.
    distance
        How far, in pixels of the finest axis.
    scale
        As for `smooth`.

    Raises
    ------
    ValueError
        For `distance` and `scale`.
    """
    check_number(distance, name="distance", above=0)
    sizes = relative_scale(scale, labels.ndim)
    box, part = cut_out(labels, ids, locked, pad=[math.ceil(distance / size) for size in sizes])
    is_member = np.isin(part, ids)
    distances, nearest = ndimage.distance_transform_edt(~is_member, sampling=sizes, return_indices=True)
    is_gained = (part == 0) & (distances <= distance)
    grown = np.where(is_member | is_gained, part[tuple(nearest)], 0)
    pieces = connected_parts(grown, connectivity=1)
    is_gained &= np.isin(pieces, np.unique(pieces[is_member]))
    return LabelChange.between(labels, np.where(is_gained, grown, part), box)


def cut_out(
    labels: NDArray[Any], ids: Sequence[int], locked: Collection[int] = (), *, pad: Sequence[int] | None = None
) -> tuple[Box, NDArray[Any]]:
    """Return the box around objects, `pad` pixels wider per axis and side, and a copy of the labels in it.

    Raises
    ------
    LockedError
        One of the ids is locked.
    TypeError, ValueError
        `labels` are no integers of two or three axes, or there is no object of an id.
    """
    if labels.ndim not in (2, 3) or not np.issubdtype(labels.dtype, np.integer):
        check_labels(labels)
        raise ValueError(f"labels: expected 2 or 3 axes, got shape {labels.shape}.")
    if not ids or min(ids) < 1:
        raise ValueError(f"ids: expected objects, ids from 1, got {tuple(ids)}.")
    check_locked(ids, locked)
    mask = labels == ids[0] if len(ids) == 1 else np.isin(labels, ids)
    tight = bounding_box(mask)
    missing = sorted({*ids} - {*np.unique(labels[tight]).tolist()}) if tight else ids
    if missing:
        raise ValueError(f"ids: there is no object {', '.join(map(str, missing))}.")
    wide = zip(tight, pad or (0,) * labels.ndim, labels.shape, strict=True)
    box = tuple(slice(max(part.start - n, 0), min(part.stop + n, size)) for part, n, size in wide)
    return box, labels[box].copy()


def bounding_box(mask: NDArray[np.bool_]) -> Box:
    """Return the smallest box that holds all true pixels; () if there are none."""
    box: Box = ()
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        hits = np.flatnonzero(mask[box].any(axis=others))
        if not len(hits):
            return ()
        box = (*box, slice(int(hits[0]), int(hits[-1]) + 1))
    return box


def relative_scale(scale: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return the sizes of a pixel in units of its smallest one."""
    if scale is None:
        return (1.0,) * ndim
    sizes = [check_number(size, name="scale", above=0) for size in scale]
    if len(sizes) != ndim:
        raise ValueError(f"scale: expected {ndim} numbers, got {tuple(scale)}.")
    return tuple(size / min(sizes) for size in sizes)
