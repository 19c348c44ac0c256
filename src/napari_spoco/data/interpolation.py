"""Objects painted in some planes of a stack: their masks in the planes between.

Shape-based interpolation (Raya and Udupa, IEEE TMI 1990): the signed distances to the outlines in two painted planes
are mixed in proportion, after both are moved to the centroid that lies in proportion between theirs (Herman, Zheng and
Bucholtz, IEEE CG&A 1992). What is positive is inside. Without the motion, an object that moves by more than its width
would vanish half-way.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spoco.data.label_change import LabelChange
from napari_spoco.data.runs import group_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_spoco.data.runs import PixelRuns


@dataclass(frozen=True, eq=False)
class Interpolation:
    """What is to be painted.

    Attributes
    ----------
    change : LabelChange
        From unlabeled to the objects' ids.
    filled : dict of int to tuple of int
        Planes that got pixels, ascending, by id; without objects for which there was nothing to do.
    """

    change: LabelChange
    filled: dict[int, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Pixels (N,) of the stack, flat, that an object may get, and how deep (N,) inside of it they would lie."""

    instance_id: int
    pixels: NDArray[np.int64]
    depths: NDArray[np.float32]


def interpolate_planes(
    labels: NDArray[Any], ids: Sequence[int] | None = None, *, spacing: Sequence[float] = (1.0, 1.0)
) -> Interpolation:
    """Fill objects in the planes between those in which they are painted.

    Parameters
    ----------
    labels
        (Z, Y, X) integers, planes along the first axis; for objects painted in planes along another axis give a view
        with that axis first. Only pixels that are 0 are filled: no other object, and no stroke, loses a pixel. Where
        two objects want the same pixel, it goes to the one in which it lies deeper.
    ids
        Objects to fill; None = all ids from 1.
    spacing
        Distance of neighbouring pixels along Y and X, in any unit.

    Returns
    -------
    Interpolation
        Nothing is painted yet: `change.apply(labels)` does it.

    Raises
    ------
    ValueError
        Not three axes of integers, an id that is not painted in at least two planes, or a spacing that is not positive.
    """
    labels = np.asarray(labels)
    if labels.ndim != 3 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels: expected integers (Z, Y, X), got {labels.dtype} of shape {labels.shape}")
    if len(spacing) != 2 or min(spacing) <= 0:
        raise ValueError(f"spacing: expected two positive numbers, got {spacing}")
    wanted = [part for painted in _painted(labels, ids) for part in _candidates(labels.shape, *painted, spacing)]
    change = _settle(labels, wanted)
    planes = change.pixels // (labels.shape[1] * labels.shape[2])
    filled = {i: tuple(np.unique(planes[change.after == i]).tolist()) for i in change.new_ids}
    return Interpolation(change, filled)


def _painted(labels: NDArray[Any], ids: Sequence[int] | None) -> list[tuple[int, NDArray[np.int64]]]:
    """Return ids and flat pixels (N,), ascending, of the objects that are to be filled."""
    runs = group_runs(labels, unwanted=(0,))
    if ids is None:
        ids = [instance_id for instance_id in runs if instance_id > 0]
    else:
        _check_ids(ids, runs, labels.shape)
    return [(instance_id, runs[instance_id].pixels()) for instance_id in ids]


def _check_ids(ids: Sequence[int], runs: dict[int, PixelRuns], shape: tuple[int, ...]) -> None:
    for instance_id in ids:
        n_planes = len(_split_planes(runs[instance_id].pixels(), shape)) if instance_id in runs else 0
        if n_planes < 2:
            raise ValueError(
                f"ids: expected objects painted in at least two planes, but {instance_id} is in {n_planes}"
            )


def _split_planes(pixels: NDArray[np.int64], shape: tuple[int, ...]) -> dict[int, NDArray[np.int64]]:
    """Return by plane its flat pixels (N,) within the plane, ascending."""
    planes, within = np.divmod(pixels, shape[1] * shape[2])
    starts = np.flatnonzero(np.diff(planes, prepend=-1))
    return dict(zip(planes[starts].tolist(), np.split(within, starts[1:]), strict=True))


def _candidates(
    shape: tuple[int, ...], instance_id: int, pixels: NDArray[np.int64], spacing: Sequence[float]
) -> Iterator[_Candidates]:
    """Interpolate one object between each two painted planes that follow each other with a gap."""
    painted = _split_planes(pixels, shape)
    for (first, before), (last, after) in itertools.pairwise(painted.items()):
        if last - first < 2:
            continue
        gap = _Gap(shape[1:], before, after, spacing)
        for plane in range(first + 1, last):
            within, depths = gap.inside((plane - first) / (last - first))
            yield _Candidates(instance_id, within + plane * shape[1] * shape[2], depths)


class _Gap:
    """Two outlines of one object, and every outline between them.

    Signed distances are computed once, in the part of the plane that an outline between the two can reach.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        before: NDArray[np.int64],
        after: NDArray[np.int64],
        spacing: Sequence[float],
    ) -> None:
        self._shape = shape
        ends = [np.stack(np.unravel_index(pixels, shape)) for pixels in (before, after)]  # (2, N) each
        self._motion = ends[1].mean(axis=1) - ends[0].mean(axis=1)
        reach = np.ceil(np.abs(self._motion)).astype(int) + 1
        both = np.concatenate(ends, axis=1)
        self._start = np.maximum(both.min(axis=1) - reach, 0)
        size = np.minimum(both.max(axis=1) + 1 + reach, shape) - self._start
        self._distances = [_signed_distance(end - self._start[:, None], tuple(size), spacing) for end in ends]

    def inside(self, share: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return flat pixels (N,) of the plane and their depths, at a share of the way from the first outline."""
        moves = (share * self._motion, (share - 1) * self._motion)
        from_first, from_last = (
            ndimage.shift(distance, move, order=1, mode="nearest")
            for distance, move in zip(self._distances, moves, strict=True)
        )
        depths = (1 - share) * from_first + share * from_last
        places = np.nonzero(depths > 0)
        index = tuple(place + start for place, start in zip(places, self._start, strict=True))
        return np.ravel_multi_index(index, self._shape), depths[places].astype(np.float32)


def _signed_distance(
    pixels: NDArray[np.int64], shape: tuple[int, ...], spacing: Sequence[float]
) -> NDArray[np.float32]:
    """Return the distance (*shape) to the nearest pixel of the other side: positive inside, negative outside."""
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(pixels)] = True
    # One pixel of outside on each side, so that an object that fills the part has an outline too.
    padded = np.pad(mask, 1)
    inside = ndimage.distance_transform_edt(padded, sampling=spacing)[1:-1, 1:-1]
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    signed: NDArray[np.float32] = (inside - outside).astype(np.float32)
    return signed


def _settle(labels: NDArray[Any], wanted: Sequence[_Candidates]) -> LabelChange:
    """Give every free pixel to the object in which it lies deepest; the smaller id where two are equal."""
    pixels = np.concatenate([part.pixels for part in wanted] or [np.empty(0, np.int64)])
    depths = np.concatenate([part.depths for part in wanted] or [np.empty(0, np.float32)])
    ids = np.concatenate([np.full(len(part.pixels), part.instance_id, labels.dtype) for part in wanted] or [pixels])
    order = np.lexsort((ids, -depths, pixels))
    pixels, ids = pixels[order], ids[order].astype(labels.dtype)
    is_winner = np.diff(pixels, prepend=-1) > 0
    pixels, ids = pixels[is_winner], ids[is_winner]
    before = labels[np.unravel_index(pixels, labels.shape)]
    is_free = before == 0
    return LabelChange(pixels[is_free], before[is_free], ids[is_free], labels.shape)
