"""Ids that nothing has yet: for the next object, and for strokes that are no objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_STEP = 100
"""Strokes get round ids, far from those of objects, so that a person tells them apart."""


def next_object_id(ids: Collection[int], reserved: Collection[int] = (), *, limit: int) -> int:
    """Return the id for a new object: the first above all ids of objects that is not reserved.

    Parameters
    ----------
    ids
        Of the objects there are; other than positive ones do not count.
    reserved
        Ids that state something else, such as background.
    limit
        Greatest id that the labels can hold.

    Raises
    ------
    ValueError
        There is no such id up to the limit.
    """
    label = max([0, *ids]) + 1
    while label in reserved:
        label += 1
    return _checked(label, limit)


def free_stroke_id(ids: Collection[int], *, limit: int) -> int:
    """Return the id for strokes: the next full hundred above all ids in use, or the next id where types end earlier.

    Raises
    ------
    ValueError
        The greatest id is in use.
    """
    greatest = max([0, *ids])
    rounded = (greatest // _STEP + 1) * _STEP
    return _checked(rounded if rounded <= limit else greatest + 1, limit)


def _checked(label: int, limit: int) -> int:
    if label > limit:
        raise ValueError(f"labels: expected an unused id, but these labels end at {limit}.")
    return label
