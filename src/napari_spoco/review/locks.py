"""Locked objects, which the user has accepted: nothing changes them, and asking for it is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


class LockedError(ValueError):
    """An object that is to be changed is locked; `ids` names it and the others that are."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = tuple(ids)
        which = f"object {ids[0]} is" if len(ids) == 1 else f"objects {', '.join(map(str, ids))} are"
        super().__init__(f"ids: {which} accepted and cannot be changed.")


def check_locked(ids: Iterable[int], locked: Collection[int]) -> None:
    """Raise LockedError if one of the ids is locked."""
    if is_locked := [instance_id for instance_id in ids if instance_id in locked]:
        raise LockedError(is_locked)
