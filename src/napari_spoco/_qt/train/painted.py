"""What is painted while a training runs: the difference to what the training has, box by box. No Qt, no napari."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.annotations import SparseAnnotations
from napari_spoco.training.process import AnnotationUpdate

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLAB_PIXELS = 2**20


class PaintedCopy:
    """The painted labels of one of the training's images as the training process has them.

    Parameters
    ----------
    labels
        Integers (*spatial) that the process was started with; changed in place by `take_changes`.
    image_index
        Which of the training's images it is.
    """

    def __init__(self, labels: NDArray[np.integer], image_index: int = 0) -> None:
        self._labels, self._image_index = labels, image_index

    def take_changes(self, pixels: Any) -> AnnotationUpdate | None:
        """Return the box of all that has changed since, as it is now; None where nothing has.

        Painting may go on meanwhile: the layer's pixels are copied in slabs, and what is compared, kept and returned
        are the copies. Half a stroke may so be taken; the other half is the next difference.

        Parameters
        ----------
        pixels
            The pixels of the layer themselves; of another shape they have become another image and are left alone.

        Raises
        ------
        ValueError
            Ids that mean nothing have been painted; they are not returned until they have been changed again.
        """
        if tuple(pixels.shape) != self._labels.shape:
            return None
        lowest, highest = [], []
        thickness = max(1, _SLAB_PIXELS // max(1, math.prod(self._labels.shape[1:])))
        for first in range(0, len(self._labels), thickness):
            kept = self._labels[first : first + thickness]
            now = np.array(pixels[first : first + thickness])
            changed = now != kept
            if changed.any():
                kept[...] = now
                lower, upper = _bounds(changed)
                lowest.append((first + lower[0], *lower[1:]))
                highest.append((first + upper[0], *upper[1:]))
        if not lowest:
            return None
        start, stop = np.min(lowest, axis=0).tolist(), np.max(highest, axis=0).tolist()
        box = tuple(map(slice, start, stop))
        return AnnotationUpdate(self._image_index, tuple(start), SparseAnnotations(self._labels[box]).labels)


def _bounds(mask: NDArray[np.bool_]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return first and last-plus-one index of what is True, along each axis."""
    axes = range(mask.ndim)
    along = [np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != axis))) for axis in axes]
    return tuple(int(hits[0]) for hits in along), tuple(int(hits[-1]) + 1 for hits in along)
