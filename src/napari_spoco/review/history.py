"""Undo and redo of changes of labels, in whichever plane they were made."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from napari_spoco.review.editing import LockedError

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from napari_spoco.data.label_change import LabelChange


class EditHistory:
    """Makes changes, and takes them back in their reverse order.

    What was changed by other means meanwhile is never overwritten: the step is then refused, as `LabelChange.apply`
    says. So is one that would change a locked object. After that, everything is as it was.

    Parameters
    ----------
    max_pixels
        The oldest changes are forgotten when all together hold more; a pixel takes 16 bytes with uint32 labels.
    """

    def __init__(self, max_pixels: int = 50_000_000) -> None:
        self._max_pixels = max_pixels
        self._done: deque[LabelChange] = deque()
        self._undone: list[LabelChange] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to make again."""
        return bool(self._undone)

    def make(self, labels: NDArray[Any], change: LabelChange) -> None:
        """Make a change, in place; what was undone before can no longer be made again."""
        change.apply(labels)
        self._undone.clear()
        self._done.append(change)
        while len(self._done) > 1 and sum(len(kept.pixels) for kept in self._done) > self._max_pixels:
            self._done.popleft()

    def undo(self, labels: NDArray[Any], *, locked: Collection[int] = ()) -> LabelChange | None:
        """Take the last change back, in place, and return it; None if there is none.

        Raises
        ------
        LockedError
            It was a change of an object that is locked by now.
        ValueError
            Its pixels are no longer what it made of them.
        """
        if not self._done:
            return None
        _check_locked(self._done[-1], locked)
        self._done[-1].revert(labels)
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def redo(self, labels: NDArray[Any], *, locked: Collection[int] = ()) -> LabelChange | None:
        """Make the change that was taken back last again, in place, and return it; None if there is none.

        Errors as `undo`.
        """
        if not self._undone:
            return None
        _check_locked(self._undone[-1], locked)
        self._undone[-1].apply(labels)
        self._done.append(self._undone.pop())
        return self._done[-1]


def _check_locked(change: LabelChange, locked: Collection[int]) -> None:
    if is_locked := [instance_id for instance_id in change.ids if instance_id in locked]:
        raise LockedError(is_locked)
