"""A picture of the mistakes of a segmentation, in which each pixel says of which mistake it is part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from napari_spoco.segmentation.mistakes import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.segmentation.mistakes import Mistakes

KINDS: tuple[Kind, ...] = get_args(Kind)
_N_ROWS = np.iinfo(np.uint16).max // len(KINDS)


def mark_of(mistakes: Mistakes, row: int) -> int:
    """Return the value of the pixels of a row.

    It is 1 more than the place of its kind in `KINDS`, and as many times 4 as there are rows before it; after 16,383
    rows the values come again, so that all fit into 16 bits.
    """
    return 1 + KINDS.index(mistakes.rows[row].kind) + len(KINDS) * (row % _N_ROWS)


def mark_mistakes(mistakes: Mistakes, labels: NDArray[Any], ground_truth: NDArray[Any]) -> NDArray[np.uint16]:
    """Draw the mistakes that `find_mistakes` has found in the same arrays.

    Parameters
    ----------
    mistakes
        What is drawn: true objects that are missed, merged or split, and found objects that are extra.
    labels, ground_truth
        Integers (*spatial), 2D or 3D.

    Returns
    -------
    ndarray
        uint16 (*spatial): the `mark_of` its row where a pixel is part of a mistake, else 0. Where a true object
        overlaps an extra one, the true one is drawn. Within a plane, a seam of 0 parts true objects that are merged
        into one, and the pieces that one is split into.
    """
    rows = range(len(mistakes.rows))
    true_ids = {one: mark_of(mistakes, row) for row in rows for one in mistakes.rows[row].true_ids}
    extra = [row for row in rows if mistakes.rows[row].kind == "extra"]
    found_ids = {one: mark_of(mistakes, row) for row in extra for one in mistakes.rows[row].found_ids}
    marks = np.zeros(labels.shape, np.uint16)
    planes = (array.reshape(-1, *array.shape[-2:]) for array in (marks, labels, ground_truth))
    for drawn, found, true in zip(*planes, strict=True):  # Plane by plane, so that no thread waits for another.
        _look_up(drawn, found, found_ids)
        _look_up(drawn, true, true_ids)
        _cut_seams(drawn, found, true)
    return marks


def _look_up(drawn: NDArray[np.uint16], ids: NDArray[Any], marks: dict[int, int]) -> None:
    """Write the marks of ids where these lie."""
    if marks:
        known = np.array(sorted(marks), ids.dtype)
        values = np.array([marks[one] for one in known.tolist()], np.uint16)
        places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        is_known = known[places] == ids
        drawn[is_known] = values[places[is_known]]


def _cut_seams(drawn: NDArray[np.uint16], found: NDArray[Any], true: NDArray[Any]) -> None:
    """Put 0 where a marked pixel follows one of the same mistake but of another object."""
    kinds = (drawn - np.uint16(drawn > 0)) % len(KINDS)
    ids = np.where(kinds == KINDS.index("merged"), true, np.where(kinds == KINDS.index("split"), found, 0))
    whole = drawn.copy()
    for axis in range(drawn.ndim):
        is_seam = (np.diff(ids, axis=axis) != 0) & (np.diff(whole, axis=axis) == 0)
        np.moveaxis(drawn, axis, 0)[1:][np.moveaxis(is_seam, axis, 0)] = 0
