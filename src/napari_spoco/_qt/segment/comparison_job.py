"""The body of the job that compares objects with the truth, or with those of another model. No Qt, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from numpy.typing import NDArray

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.segmentation.mistakes import Kind, Mistake, Mistakes

    Box = tuple[slice, ...]

_MISTAKES: dict[Kind, str] = {
    "missed": "Missed: {true}",
    "merged": "Merged: {true} in object {found}",
    "split": "Split: {true} into objects {found}",
    "extra": "Extra: object {found}",
}
_DIFFERENCES: dict[Kind, str] = {
    "missed": "Only in the other: {true}",
    "merged": "Joined: {true} of the other in object {found}",
    "split": "In pieces: {true} of the other in objects {found}",
    "extra": "Only here: object {found}",
}
"""What is said of it where the other objects are no truth."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """How objects agree with the truth.

    Attributes
    ----------
    ndim : int
        Number of axes.
    is_truth : bool
        Whether the others are the truth; else they are what another model has found.
    scores : dict of str to float
        Of `evaluate_segmentation`.
    mistakes : Mistakes
        What is wrong; `lines` say so, and `boxes` are around it, one for each row.
    marks : ndarray
        uint16 (*spatial), see `mark_mistakes`.
    """

    ndim: int
    is_truth: bool
    scores: dict[str, float]
    mistakes: Mistakes
    lines: tuple[str, ...]
    boxes: tuple[Box, ...]
    marks: NDArray[np.uint16]


def run_comparison(
    _context: JobContext, labels: Any, truth: Any, is_truth: bool = True
) -> Generator[None, None, Comparison]:
    """Compare the pixels of two Labels layers, (*spatial), which may be lazy; they are copied here.

    `is_truth` as in `Comparison`.

    Raises
    ------
    ValueError
        The shapes differ, or ids are negative.
    """
    from napari_spoco.segmentation.metrics import evaluate_segmentation
    from napari_spoco.segmentation.mistake_marks import mark_mistakes
    from napari_spoco.segmentation.mistakes import find_mistakes

    yield
    labels, truth = np.array(labels), np.array(truth)
    if labels.shape != truth.shape:
        raise ValueError(f"truth: expected a layer of the shape of the objects {labels.shape}, got {truth.shape}.")
    scores, mistakes = evaluate_segmentation(labels, truth), find_mistakes(labels, truth)
    of_truth = find_boxes(truth, {one for row in mistakes.rows for one in row.true_ids})
    of_found = find_boxes(labels, {one for row in mistakes.rows if not row.true_ids for one in row.found_ids})
    boxes = [
        _around([of_truth[one] for one in row.true_ids] or [of_found[one] for one in row.found_ids])
        for row in mistakes.rows
    ]
    lines = tuple(describe_mistake(row, is_truth=is_truth) for row in mistakes.rows)
    marks = mark_mistakes(mistakes, labels, truth)
    return Comparison(labels.ndim, is_truth, scores, mistakes, lines, tuple(boxes), marks)


def describe_mistake(mistake: Mistake, *, is_truth: bool) -> str:
    """Say what is wrong, or differs, and with which objects."""
    true, found = (", ".join(map(str, ids)) for ids in (mistake.true_ids, mistake.found_ids))
    return (_MISTAKES if is_truth else _DIFFERENCES)[mistake.kind].format(true=true, found=found)


def find_boxes(labels: NDArray[np.integer[Any]], ids: Iterable[int]) -> dict[int, Box]:
    """Return the smallest box around each of some objects; plane by plane, so that no thread waits for another."""
    from scipy import ndimage

    wanted = np.array(sorted(ids), labels.dtype)
    boxes: dict[int, Box] = {}
    for index, plane in enumerate(labels if len(wanted) else ()):
        numbers = np.minimum(np.searchsorted(wanted, plane), len(wanted) - 1)
        numbers = np.where(wanted[numbers] == plane, numbers + 1, 0)
        for one, box in zip(wanted.tolist(), ndimage.find_objects(numbers), strict=False):
            if box is not None:
                here = (slice(index, index + 1), *box)
                boxes[one] = _around([boxes.get(one, here), here])
    return boxes


def _around(boxes: list[Box]) -> Box:
    axes = zip(*boxes, strict=True)
    return tuple(slice(min(part.start for part in axis), max(part.stop for part in axis)) for axis in axes)
