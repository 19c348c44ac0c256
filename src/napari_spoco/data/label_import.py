"""Objects of other labels, taken into annotations: which ones, and under which ids.

What is painted already keeps its pixels and its ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.label_change import LabelChange

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

ALL = "all"
"""Stands for every id."""
_RANGE = re.compile(r"(\d+)(?:\s*[-\u2013]\s*(\d+))?")


@dataclass(frozen=True, eq=False)
class LabelImport:
    """What is to be painted.

    Attributes
    ----------
    change : LabelChange
        From unlabeled to the objects' ids.
    renamed : dict of int to int
        New id by the id in the other labels, of those that could not keep it.
    n_left_out : int
        Objects of which no pixel is free.
    """

    change: LabelChange
    renamed: dict[int, int]
    n_left_out: int

    @property
    def n_objects(self) -> int:
        """Number of objects that get pixels."""
        return len(self.change.new_ids)


def choose_ids(text: str, present: NDArray[Any]) -> NDArray[Any]:
    """Return those of the ids (N,) that a text names, such as "1-5, 9"; `ALL`, or an empty text, names every one.

    Raises
    ------
    ValueError
        The text is neither, or names no id that there is.
    """
    if text.strip().lower() in ("", ALL):
        return present
    is_chosen = np.zeros(len(present), bool)
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"ids: expected numbers and ranges such as “1-5, 9”, or “{ALL}”, got “{text}”.")
        low, high = int(match[1]), int(match[2] or match[1])
        is_chosen |= (present >= low) & (present <= high)
    if not is_chosen.any():
        raise ValueError(f"ids: expected ids of objects that there are, got “{text}”.")
    chosen: NDArray[Any] = present[is_chosen]
    return chosen


def import_objects(
    labels: NDArray[Any],
    other: NDArray[Any],
    text: str = ALL,
    *,
    reserved: Collection[int] = (),
    name: str = "labels",
) -> LabelImport:
    """Find out what it takes to have objects of other labels among the annotations.

    Parameters
    ----------
    labels
        (*spatial) integers, the annotations. Only pixels that are 0 are painted.
    other
        (*spatial) integers, the other labels; ids from 1 are objects.
    text
        Ids to take, see `choose_ids`.
    reserved
        Ids that no object may get, such as that of background.
    name
        What errors call the other labels, such as the name of their file.

    Returns
    -------
    LabelImport
        Nothing is painted yet. An id that is in use, reserved, or too great for the annotations becomes the next free
        one above all ids.

    Raises
    ------
    ValueError
        Other shapes, not integers, no objects, ids that `choose_ids` refuses, or more objects than the type has ids.
    """
    if other.shape != labels.shape:
        raise ValueError(f"{name}: expected the annotations' shape {labels.shape}, got {other.shape}.")
    if other.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers, got {other.dtype}.")
    present = np.unique(other)
    present = present[present > 0]
    if not len(present):
        raise ValueError(f"{name}: expected objects (ids from 1), got none.")
    chosen = choose_ids(text, present)
    new_ids = _new_ids(chosen, labels, reserved)
    rows = np.minimum(np.searchsorted(chosen, other), len(chosen) - 1)
    wanted = np.flatnonzero((chosen[rows] == other) & (labels == 0))
    before = labels.reshape(-1)[wanted]
    change = LabelChange(wanted, before, new_ids[rows.reshape(-1)[wanted]], labels.shape)
    taken = set(change.new_ids)
    pairs = zip(chosen.tolist(), new_ids.tolist(), strict=True)
    renamed = {old: new for old, new in pairs if old != new and new in taken}
    return LabelImport(change, renamed, len(chosen) - len(taken))


def _new_ids(chosen: NDArray[Any], labels: NDArray[Any], reserved: Collection[int]) -> NDArray[Any]:
    """Return the id (N,) that each chosen one gets, of the type of the labels."""
    limit = int(np.iinfo(labels.dtype).max)
    in_use = {*np.unique(labels).tolist(), *reserved}
    clashes = [old in in_use or old > limit for old in chosen.tolist()]
    following = max(*in_use, *chosen[~np.array(clashes)].tolist(), 0) + 1
    if following + sum(clashes) - 1 > limit:
        raise ValueError(f"ids: expected as many unused ids as objects, but type {labels.dtype} ends at {limit}.")
    new = iter(range(following, following + sum(clashes)))
    ids = [next(new) if clash else old for old, clash in zip(chosen.tolist(), clashes, strict=True)]
    return np.array(ids, labels.dtype)
