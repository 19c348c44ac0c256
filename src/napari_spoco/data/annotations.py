"""What a person has painted: masks of a few objects, everything else unlabeled.

This module alone knows what the values of an annotation mean. Zero is no statement at all; that a pixel is
background is a statement of its own: a stroke, a box in which everything is annotated, or a dense image. An object
painted in some planes of a volume only is unknown in the other planes, also where other labels are painted.
"""

from __future__ import annotations

import math
import operator
import threading
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.runs import PixelRuns, group_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Box = tuple[slice, ...]

UNLABELED = 0
"""Nothing is known: the pixel may belong to any object or to none."""
BACKGROUND = -1
"""Known to belong to no object."""
IGNORE = -2
"""Outside of every term of the loss, such as padding."""
MIN_OBJECT_PIXELS = 4
"""Smaller annotated objects are taken as slips of the brush."""


@dataclass(frozen=True, eq=False)
class SparseAnnotations:
    """An immutable snapshot of the annotations of one image.

    Attributes
    ----------
    labels : ndarray
        int32 (*spatial), a read-only copy: instance ids from 1, `UNLABELED`, `BACKGROUND` or `IGNORE`.
    version : int
        Rises by one with every change of the store that it comes from.
    in_planes : frozenset of int
        Ids of objects that are known only in the planes (along the first axis) in which they are painted.
    """

    labels: NDArray[np.int32]
    version: int = 0
    in_planes: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Copy the labels, so that later painting cannot reach them."""
        labels = _as_int32(self.labels, "labels").copy()
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)
        if self.in_planes and labels.ndim != 3:
            raise ValueError(f"in_planes: expected none but in 3D, got ids and {labels.ndim}D labels")

    @classmethod
    def from_labels(
        cls,
        labels: ArrayLike,
        *,
        dense: bool = False,
        boxes: Sequence[Box] = (),
        config: AnnotationConfig | None = None,
        version: int = 0,
        name: str = "labels",
    ) -> SparseAnnotations:
        """Make a snapshot of painted labels.

        Parameters
        ----------
        labels : array-like
            Integers (*spatial).
        dense : bool
            The user's statement that every object is annotated: what is unlabeled becomes `BACKGROUND`.
        boxes : sequence of tuple of slice
            The same statement for parts of the image; one slice per axis, pixels.
        config : AnnotationConfig, optional
            What the painted values state.
        version : int
            See the class.
        name : str
            Name of the argument in error messages.

        Raises
        ------
        ValueError
            Not integers, ids that do not fit into int32, negative ids without meaning, a box that is empty, out of
            the image or of another number of axes, one label for background and ignored, or planes in 2D.
        """
        config = config or AnnotationConfig()
        painted = _as_int32(labels, name)
        _check_config(config, painted.ndim)
        for index, box in enumerate(boxes):
            _check_box(box, painted.shape, f"boxes[{index}]")
        array = painted.copy()
        for value, meaning in ((config.background_label, BACKGROUND), (config.ignore_label, IGNORE)):
            if value is not None:
                array[painted == value] = meaning
        complete: Sequence[Box] = [(slice(None),) * painted.ndim] if dense else boxes
        for box in complete:
            array[box][array[box] == UNLABELED] = BACKGROUND
        snapshot = cls(array, version)
        return replace(snapshot, in_planes=frozenset(snapshot.sizes)) if config.painted_in_planes else snapshot

    def as_dense(self) -> SparseAnnotations:
        """Return the snapshot with everything unlabeled stated to be `BACKGROUND`."""
        is_unlabeled = self.labels == UNLABELED
        return replace(self, labels=np.where(is_unlabeled, BACKGROUND, self.labels)) if is_unlabeled.any() else self

    def without(self, ids: Iterable[int]) -> SparseAnnotations:
        """Return the snapshot, of the same version, with these objects `UNLABELED`; other ids are left alone."""
        left_out = self.sizes.keys() & set(ids)
        labels = self.labels.copy()
        for instance_id in left_out:
            labels.reshape(-1)[self.runs[instance_id].pixels()] = UNLABELED
        return replace(self, labels=labels, in_planes=self.in_planes - left_out)

    @cached_property
    def runs(self) -> dict[int, PixelRuns]:
        """Where `BACKGROUND` (if there is any) and each object are, ascending by id."""
        return group_runs(self.labels, unwanted=(UNLABELED, IGNORE))

    @cached_property
    def sizes(self) -> dict[int, int]:
        """Pixels of each object by instance id, ascending."""
        return {instance_id: runs.n_pixels for instance_id, runs in self.runs.items() if instance_id > 0}

    @cached_property
    def painted_planes(self) -> dict[int, tuple[int, ...]]:
        """Planes, ascending, in which each object of `in_planes` is painted."""
        plane_size = math.prod(self.labels.shape[1:])
        return {
            instance_id: tuple(np.unique(self.runs[instance_id].starts // plane_size).tolist())
            for instance_id in self.sizes
            if instance_id in self.in_planes
        }

    @property
    def instance_ids(self) -> tuple[int, ...]:
        """Ids of the annotated objects, ascending."""
        return tuple(self.sizes)

    @property
    def n_objects(self) -> int:
        """Number of annotated objects."""
        return len(self.sizes)

    @property
    def median_size(self) -> int | None:
        """Median number of pixels of an object, rounded down; None without an object."""
        return int(np.median(list(self.sizes.values()))) if self.sizes else None


def check_annotations(
    labels: ArrayLike | SparseAnnotations,
    image_spatial_shape: Sequence[int],
    *,
    name: str = "annotations",
    may_be_empty: bool = False,
) -> SparseAnnotations:
    """Return the annotations if a network can be trained on them.

    Parameters
    ----------
    labels : array-like or SparseAnnotations
        Integers of the image's spatial shape.
    image_spatial_shape : sequence of int
        Shape of the image without its channels.
    name : str
        Name of the argument in error messages.
    may_be_empty : bool
        Whether annotations without any object are accepted.

    Raises
    ------
    ValueError
        Not integers, another shape than the image, ids out of range, no object, or an object of fewer than
        `MIN_OBJECT_PIXELS` pixels.
    """
    given = labels.labels if isinstance(labels, SparseAnnotations) else _as_int32(labels, name)
    expected = tuple(image_spatial_shape)
    if given.shape != expected:
        raise ValueError(f"{name}: expected the image's shape {expected}, got {given.shape}")
    annotations = labels if isinstance(labels, SparseAnnotations) else SparseAnnotations(given)
    if annotations.n_objects == 0 and not may_be_empty:
        raise ValueError(f"{name}: expected at least one annotated object (an id from 1), got none")
    small = [instance_id for instance_id, size in annotations.sizes.items() if size < MIN_OBJECT_PIXELS]
    if small:
        raise ValueError(
            f"{name}: expected objects of at least {MIN_OBJECT_PIXELS} pixels, "
            f"got fewer for {_some(small)}; paint more of them or erase them"
        )
    return annotations


def keep_fraction(
    label_images: Sequence[NDArray[Any]], fraction: float, rng: np.random.Generator
) -> list[NDArray[Any]]:
    """Keep the masks of a random fraction of the objects of all images; the others become `UNLABELED`.

    Parameters
    ----------
    label_images : sequence of ndarray
        Integers (*spatial); ids are those of the image, equal ids of two images are two objects.
    fraction : float
        Share of the objects of all images together, in (0, 1]; at least one object is kept.
    rng : numpy.random.Generator
        Draws the objects, all with the same chance.

    Returns
    -------
    list of ndarray
        As many arrays of the same types; negative ids stay as they are.

    Raises
    ------
    ValueError
        The fraction is out of bounds, or there is no object.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction: expected a number above 0 and at most 1, got {fraction}")
    objects = [
        (i, instance_id) for i, labels in enumerate(label_images) for instance_id in np.unique(labels[labels > 0])
    ]
    if not objects:
        raise ValueError("label_images: expected at least one object, got none")
    n_kept = max(1, round(fraction * len(objects)))
    kept = [objects[i] for i in rng.choice(len(objects), n_kept, replace=False)]
    sparse = []
    for i, labels in enumerate(label_images):
        ids = [instance_id for image, instance_id in kept if image == i]
        sparse.append(np.where((labels < 0) | np.isin(labels, ids), labels, labels.dtype.type(UNLABELED)))
    return sparse


class AnnotationStore:
    """Hands painted labels from one thread to another as immutable, versioned snapshots.

    Parameters
    ----------
    labels : array-like
        The first annotations, version 0.
    boxes, config, dense
        What holds for all versions; see `SparseAnnotations.from_labels`.

    Raises
    ------
    ValueError
        Labels, boxes or a config that `SparseAnnotations.from_labels` refuses.
    """

    def __init__(
        self,
        labels: ArrayLike,
        boxes: Sequence[Box] = (),
        config: AnnotationConfig | None = None,
        dense: bool = False,
    ) -> None:
        self._lock = threading.Lock()
        self._boxes, self._config, self._dense = tuple(boxes), config, dense
        self._version = 0
        self._painted = _as_int32(labels, "labels").copy()
        self._current = self._take_snapshot()

    def update(self, labels: ArrayLike) -> SparseAnnotations:
        """Copy the labels into the next version and return it.

        Raises
        ------
        ValueError
            Another shape than before, or labels that `SparseAnnotations.from_labels` refuses; the store keeps
            its version.
        """
        painted = _as_int32(labels, "labels").copy()
        if painted.shape != self._painted.shape:
            raise ValueError(f"labels: expected shape {self._painted.shape}, got {painted.shape}")
        with self._lock:
            self._painted = painted
            self._version += 1
            self._current = self._take_snapshot()
            return self._current

    def update_box(self, start: tuple[int, ...], labels: ArrayLike) -> None:
        """Replace a part of the painted labels, and so make the next version.

        Costs no more than the part: the snapshot is made when it is asked for.

        Parameters
        ----------
        start : tuple of int
            First pixel of the part, one index per axis.
        labels : array-like
            Integers (*part), as painted.

        Raises
        ------
        ValueError
            The part is empty, out of the image or of another number of axes, or its labels are refused; the store
            keeps its version.
        """
        part = _as_int32(labels, "labels")
        if len(start) != part.ndim:
            raise ValueError(f"start: expected one index for each of the {part.ndim} axes of labels, got {start}")
        box = tuple(slice(first, first + n) for first, n in zip(start, part.shape, strict=True))
        _check_box(box, self._painted.shape, "start, labels")
        with self._lock:
            self._painted[box] = part
            self._version += 1

    def snapshot(self) -> SparseAnnotations:
        """Return the newest version."""
        with self._lock:
            if self._current.version != self._version:
                self._current = self._take_snapshot()
            return self._current

    def _take_snapshot(self) -> SparseAnnotations:
        return SparseAnnotations.from_labels(
            self._painted, dense=self._dense, boxes=self._boxes, config=self._config, version=self._version
        )


def _as_int32(labels: ArrayLike, name: str) -> NDArray[np.int32]:
    """Return the labels as int32 without wrapping any id."""
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers, got {array.dtype}")
    if array.size:
        low, high = int(array.min()), int(array.max())
        limit = np.iinfo(np.int32).max
        if high > limit:
            raise ValueError(f"{name}: expected ids up to {limit}, got {high}")
        if low < IGNORE:
            raise ValueError(
                f"{name}: expected no negative ids but {BACKGROUND} (background) and {IGNORE} (ignored), got {low}"
            )
    return array.astype(np.int32, copy=False)


def _check_config(config: AnnotationConfig, ndim: int) -> None:
    """Raise ValueError where the meanings of values contradict each other or the labels."""
    if config.background_label is not None and config.background_label == config.ignore_label:
        raise ValueError(
            f"config: expected background_label and ignore_label to differ, got {config.background_label} for both"
        )
    if config.painted_in_planes and ndim != 3:
        raise ValueError(f"config.painted_in_planes: expected 3D labels, planes along the first axis, got {ndim}D")


def _check_box(box: Box, shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError unless the box has one slice per axis and lies inside of the image."""
    if len(box) != len(shape):
        raise ValueError(f"{name}: expected one slice for each of the {len(shape)} axes, got {len(box)}")
    for part, n in zip(box, shape, strict=True):
        start = 0 if part.start is None else operator.index(part.start)
        stop = n if part.stop is None else operator.index(part.stop)
        if part.step not in (None, 1) or not 0 <= start < stop <= n:
            raise ValueError(f"{name}: expected slices inside of the image's shape {shape}, got {box}")


def _some(ids: Sequence[int], most: int = 10) -> str:
    """Name some ids in a sentence."""
    shown = ", ".join(map(str, ids[:most]))
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return f"{'id' if len(ids) == 1 else 'ids'} {shown}{more}"
