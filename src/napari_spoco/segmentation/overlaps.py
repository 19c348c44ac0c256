"""The table of overlaps between a segmentation and the truth, off which all measures are read.

Label 0, and only label 0, is background. Pixels are visited here, and only here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.segmentation.arguments import check_labels
from napari_spoco.segmentation.cleanup import remove_small

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Objects by index from 0 with their ids and sizes, and the pairs of a true and a found one that share pixels.

    `in_background` are the pixels of each true object at which nothing was found.
    """

    true_ids: NDArray[np.integer[Any]]
    found_ids: NDArray[np.integer[Any]]
    true_sizes: NDArray[np.int64]
    sizes: NDArray[np.int64]
    in_background: NDArray[np.int64]
    true: NDArray[np.int64]
    found: NDArray[np.int64]
    pixels: NDArray[np.int64]

    @property
    def n_true(self) -> int:
        """Number of true objects."""
        return len(self.true_ids)

    @property
    def n_found(self) -> int:
        """Number of found objects."""
        return len(self.found_ids)

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of every pair."""
        union = self.true_sizes[self.true] + self.sizes[self.found] - self.pixels
        ratios: NDArray[np.float64] = self.pixels / union
        return ratios


def count_overlaps(labels: NDArray[Any], ground_truth: NDArray[Any], min_size: int = 0) -> Overlaps:
    """Count the pixels that every found and every true object share.

    Parameters
    ----------
    labels, ground_truth
        (*spatial) non-negative integers, 0 = background; any ids.
    min_size
        Objects of fewer pixels are taken out of both first.

    Raises
    ------
    TypeError, ValueError
        An argument holds no non-negative integers, the shapes differ, or `min_size` is negative.
    """
    ground_truth = check_labels(ground_truth, name="ground_truth")
    labels = check_labels(labels, shape=ground_truth.shape)
    true, true_ids = _number(ground_truth, min_size)
    found, found_ids = _number(labels, min_size)
    width = len(found_ids)
    keys = true.astype(np.int64) * width + found
    # Neighbours are mostly alike: only where the pair changes is there something to sort.
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    pairs, which = np.unique(keys[starts], return_inverse=True)
    pixels = np.bincount(which, np.diff(starts, append=keys.size), len(pairs)).astype(np.int64)
    true, found = np.divmod(pairs, width)
    true_sizes = np.bincount(true, pixels, len(true_ids)).astype(np.int64)
    sizes = np.bincount(found, pixels, width).astype(np.int64)
    unfound = (found == 0) & (true > 0)
    in_background = np.bincount(true[unfound], pixels[unfound], len(true_ids)).astype(np.int64)
    both = (true > 0) & (found > 0)
    return Overlaps(
        true_ids[1:],
        found_ids[1:],
        true_sizes[1:],
        sizes[1:],
        in_background[1:],
        true[both] - 1,
        found[both] - 1,
        pixels[both],
    )


def _number(labels: NDArray[np.integer[Any]], min_size: int) -> tuple[NDArray[np.uint32], NDArray[np.integer[Any]]]:
    """Return the labels of objects of at least `min_size` pixels as (N,) 0..n, and the ids that 0..n had."""
    numbers = remove_small(labels, min_size).ravel()
    ids = np.zeros(int(numbers.max(initial=0)) + 1, dtype=labels.dtype)
    ids[numbers] = labels.ravel()
    ids[0] = 0
    return numbers, ids
