"""The bodies of the jobs that find out which pixels of annotations objects are to have, and which ids. No Qt.

Nothing is painted here, and nothing copied of the annotations: the user may paint on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.data.label_change import Box


@dataclass(frozen=True, eq=False)
class FreePixels:
    """What objects are to have of annotations.

    Attributes
    ----------
    pixels : ndarray
        int64 (N,), flat indices in C order, at which nothing was painted.
    ids : ndarray
        (N,), in the type of the annotations, the greatest first, and each once before any of them comes again: as soon
        as these pixels are painted, whoever looks for free ids finds none of them.
    shape : tuple of int
        Of the annotations.
    n_objects : int
        How many there are; those that have no pixels are left out.
    """

    pixels: NDArray[np.int64]
    ids: NDArray[np.integer]
    shape: tuple[int, ...]
    n_objects: int

    @property
    def n_pixels(self) -> int:
        """How many pixels there are."""
        return len(self.pixels)

    @property
    def new_ids(self) -> range:
        """The ids, none of which anything had."""
        return range(self.next_id - self.n_objects, self.next_id)

    @property
    def next_id(self) -> int:
        """The id after all of them."""
        return int(self.ids[0]) + 1 if self.n_pixels else 0

    def part(self, start: int, n_pixels: int) -> tuple[tuple[NDArray[np.int64], ...], int, NDArray[np.integer]]:
        """Return the indices, an array per axis, what is there, 0, and the ids of so many pixels."""
        where = slice(start, start + n_pixels)
        return tuple(np.unravel_index(self.pixels[where], self.shape)), 0, self.ids[where]


def run_finding_whole(
    _job: JobContext, painted: Any, labels: NDArray[np.integer], boxes: Mapping[int, Box]
) -> Generator[None, None, FreePixels]:
    """Find the objects of an array of the annotations' shape, each of which lies in its box.

    Those on which something is painted already are left out.

    Raises
    ------
    ValueError
        The type of the annotations has too few free ids.
    """
    yield
    objects = []
    for instance_id, box in boxes.items():
        mask = labels[box] == instance_id
        if not np.asarray(painted[box])[mask].any():
            objects.append(_pixels_of(mask, [part.start for part in box], painted.shape))
    return _numbered(objects, painted)


def run_finding_rest(
    _job: JobContext, painted: Any, mask: NDArray[np.bool_], start: Sequence[int]
) -> Generator[None, None, FreePixels]:
    """Find what is not painted yet of one object: a mask, the box of which begins at a pixel; errors as above."""
    yield
    box = tuple(slice(first, first + n) for first, n in zip(start, mask.shape, strict=True))
    pixels = _pixels_of(mask & (np.asarray(painted[box]) == 0), start, painted.shape)
    return _numbered([pixels], painted)


def _pixels_of(mask: NDArray[np.bool_], start: Sequence[int], shape: tuple[int, ...]) -> NDArray[np.int64]:
    places = tuple(index + first for index, first in zip(np.nonzero(mask), start, strict=True))
    return np.ravel_multi_index(places, shape).astype(np.int64, copy=False)


def _numbered(objects: Sequence[NDArray[np.int64]], painted: Any) -> FreePixels:
    """Give objects, flat indices of each, the ids after the greatest one that is painted."""
    objects = [pixels for pixels in objects if len(pixels)][::-1]
    n_objects, dtype = len(objects), np.dtype(painted.dtype)
    greatest = max(int(np.asarray(painted).max()), 0)
    if greatest + n_objects > np.iinfo(dtype).max:
        raise ValueError(
            f"annotations: expected room for {n_objects} more ids of type {dtype}, got {greatest} as the greatest one."
        )
    ids = np.arange(greatest + n_objects, greatest, -1).astype(dtype)
    firsts = np.array([pixels[0] for pixels in objects], np.int64)
    others = [pixels[1:] for pixels in objects]
    ids = np.concatenate([ids, np.repeat(ids, np.array([len(pixels) for pixels in others], np.intp))])
    return FreePixels(np.concatenate([firsts, *others]), ids, tuple(painted.shape), n_objects)
