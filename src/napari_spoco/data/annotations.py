"""What a person has painted: masks of a few objects, everything else unlabeled.

This module alone knows what the values of an annotation mean. Zero is no statement at all; that a pixel is
background is a statement of its own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

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
    """

    labels: NDArray[np.int32]
    version: int = 0

    def __post_init__(self) -> None:
        """Copy the labels, so that later painting cannot reach them."""
        labels = _as_int32(self.labels, "labels").copy()
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)

    @classmethod
    def from_labels(cls, labels: ArrayLike, *, dense: bool = False, version: int = 0) -> SparseAnnotations:
        """Make a snapshot of painted labels.

        Parameters
        ----------
        labels : array-like
            Integers (*spatial).
        dense : bool
            The user's statement that every object is annotated: what is unlabeled becomes `BACKGROUND`.
        version : int
            See the class.

        Raises
        ------
        ValueError
            Not integers, ids that do not fit into int32, or negative ids without meaning.
        """
        array = _as_int32(labels, "labels")
        if dense:
            array = np.where(array == UNLABELED, np.int32(BACKGROUND), array)
        return cls(array, version)

    @cached_property
    def sizes(self) -> dict[int, int]:
        """Pixels of each object by instance id, ascending."""
        ids, counts = np.unique(self.labels[self.labels > 0], return_counts=True)
        return dict(zip(ids.tolist(), counts.tolist(), strict=True))

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
        The first annotations, version 0; see `SparseAnnotations.from_labels`.
    """

    def __init__(self, labels: ArrayLike) -> None:
        self._lock = threading.Lock()
        self._current = SparseAnnotations.from_labels(labels)

    def update(self, labels: ArrayLike) -> SparseAnnotations:
        """Copy the labels into the next version and return it.

        Raises
        ------
        ValueError
            Another shape than before, or labels that `SparseAnnotations.from_labels` refuses; the store keeps
            its version.
        """
        with self._lock:
            new = SparseAnnotations.from_labels(labels, version=self._current.version + 1)
            if new.labels.shape != self._current.labels.shape:
                raise ValueError(f"labels: expected shape {self._current.labels.shape}, got {new.labels.shape}")
            self._current = new
            return new

    def snapshot(self) -> SparseAnnotations:
        """Return the newest version."""
        with self._lock:
            return self._current


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


def _some(ids: Sequence[int], most: int = 10) -> str:
    """Name some ids in a sentence."""
    shown = ", ".join(map(str, ids[:most]))
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return f"{'id' if len(ids) == 1 else 'ids'} {shown}{more}"
