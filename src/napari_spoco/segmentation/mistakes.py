"""Which objects a segmentation has missed, merged or split, so that somebody can go and look at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_spoco.segmentation.overlaps import Overlaps, count_overlaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["missed", "merged", "split", "extra"]

_MOST = 0.5
"""More than this share of an object is most of it. At most one object of the other side can hold that much."""


class Mistake(NamedTuple):
    """What happened to some true objects, and the found objects that did it; ids as they were given."""

    kind: Kind
    true_ids: tuple[int, ...]
    found_ids: tuple[int, ...]


@dataclass(frozen=True)
class Mistakes:
    """All mistakes of a segmentation.

    Attributes
    ----------
    n_true, n_right : int
        True objects, and those of them that were found: with an intersection over union greater than 0.5. The others
        are missed, merged or split, each of them once.
    n_missed, n_merged, n_split : int
        True objects.
    n_extra : int
        Found objects.
    rows : tuple of Mistake
        One per missed, split or extra object, and one per found object that holds several true ones.
    """

    n_true: int
    n_right: int
    n_missed: int
    n_merged: int
    n_split: int
    n_extra: int
    rows: tuple[Mistake, ...]


def find_mistakes(labels: NDArray[Any], ground_truth: NDArray[Any], *, min_size: int = 0) -> Mistakes:
    """Say what became of the true objects that were not found.

    A true object is found if an object has an intersection over union greater than 0.5 with it. Else it is *merged* if
    most of it lies in an object that holds most of another true one too; else *split* if most of it is covered by
    several objects, each of which lies mostly in it; else *missed*. A found object is *extra* if most of it lies where
    the truth has no object.

    Parameters
    ----------
    labels, ground_truth, min_size
        Of `metrics.evaluate_segmentation`.

    Raises
    ------
    TypeError, ValueError
        As `metrics.evaluate_segmentation`.
    """
    overlaps = count_overlaps(labels, ground_truth, min_size)
    true, found = overlaps.true, overlaps.found
    right = _marked(true[overlaps.iou > _MOST], overlaps.n_true)
    held = overlaps.pixels > _MOST * overlaps.true_sizes[true]
    several = np.bincount(found[held], minlength=overlaps.n_found) > 1
    merging = held & several[found]
    merged = _marked(true[merging], overlaps.n_true) & ~right
    piece = overlaps.pixels > _MOST * overlaps.sizes[found]
    split = _is_split(overlaps, piece) & ~right & ~merged
    missed = ~(right | merged | split)
    in_truth = np.bincount(found, overlaps.pixels, overlaps.n_found)
    extra = in_truth < (1 - _MOST) * overlaps.sizes
    rows = (
        *(Mistake("missed", (one,), ()) for one in overlaps.true_ids[missed].tolist()),
        *_merges(overlaps, merging, merged),
        *_splits(overlaps, piece, split),
        *(Mistake("extra", (), (one,)) for one in overlaps.found_ids[extra].tolist()),
    )
    n_right, n_missed, n_merged, n_split, n_extra = (int(part.sum()) for part in (right, missed, merged, split, extra))
    return Mistakes(overlaps.n_true, n_right, n_missed, n_merged, n_split, n_extra, rows)


def _is_split(overlaps: Overlaps, piece: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which true objects (K,) are mostly covered by several pieces."""
    pieces_of = overlaps.true[piece]
    n_pieces = np.bincount(pieces_of, minlength=overlaps.n_true)
    covered = np.bincount(pieces_of, overlaps.pixels[piece], overlaps.n_true)
    is_split: NDArray[np.bool_] = (n_pieces > 1) & (covered > _MOST * overlaps.true_sizes)
    return is_split


def _merges(overlaps: Overlaps, merging: NDArray[np.bool_], merged: NDArray[np.bool_]) -> list[Mistake]:
    """List the found objects to which a true one was lost, with all that they hold."""
    rows = []
    for found in np.unique(overlaps.found[merging & merged[overlaps.true]]).tolist():
        held = overlaps.true[merging & (overlaps.found == found)]
        rows.append(Mistake("merged", tuple(overlaps.true_ids[held].tolist()), (int(overlaps.found_ids[found]),)))
    return rows


def _splits(overlaps: Overlaps, piece: NDArray[np.bool_], split: NDArray[np.bool_]) -> list[Mistake]:
    rows = []
    for true in np.flatnonzero(split).tolist():
        pieces = overlaps.found[piece & (overlaps.true == true)]
        rows.append(Mistake("split", (int(overlaps.true_ids[true]),), tuple(overlaps.found_ids[pieces].tolist())))
    return rows


def _marked(indices: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    marked = np.zeros(n, bool)
    marked[indices] = True
    return marked
