"""Undo and redo of what was done in a review: changes of labels, in whichever plane, and objects that were accepted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.label_change import LabelChange
from napari_spoco.review.locks import check_locked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Step:
    """A change of labels, and which of its ids count as rejected before and after it.

    A decision is a step that changes no labels: it has the ids that count as accepted before and after it.
    """

    change: LabelChange
    rejected_before: tuple[int, ...] = ()
    rejected_after: tuple[int, ...] = ()
    accepted_before: tuple[int, ...] = ()
    accepted_after: tuple[int, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids that lose or gain pixels, or that are decided, ascending, without 0."""
        return tuple(sorted({*self.change.ids, *self.accepted_before, *self.accepted_after}))

    @property
    def is_decision(self) -> bool:
        """Whether it changes no labels."""
        return not self.change


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps in the order in which they were made; the first `n_done` are made now, the others were taken back."""

    every: tuple[Step, ...] = ()
    n_done: int = 0

    @property
    def done(self) -> tuple[Step, ...]:
        """Those that can be taken back, the last one last."""
        return self.every[: self.n_done]

    @property
    def undone(self) -> tuple[Step, ...]:
        """Those that can be made again, the next one first."""
        return self.every[self.n_done :]

    @property
    def n_changes(self) -> int:
        """How many of them change labels."""
        return sum(not step.is_decision for step in self.every)

    def fitting(self, labels: NDArray[Any]) -> Steps:
        """Return those that labels allow to take back and to make again, one after the other; labels stay as they are.

        Labels may be from some steps earlier or later than `n_done`, as a crash leaves them: where they stand is the
        place from which most changes fit, of several the closest; decisions fit everywhere, and tell nothing. What lies
        beyond a step that does not fit is forgotten with it.
        """
        if any(step.change.shape != labels.shape for step in self.every):
            return Steps()
        best = Steps()
        touched, changes = _only_touched(labels, [step.change for step in self.every])
        for place in self._places(touched, changes):
            n_back = _count_fitting(touched, (change.revert for change in reversed(changes[:place])))
            n_ahead = _count_fitting(touched, (change.apply for change in changes[place:]))
            fitting = Steps(self.every[place - n_back : place + n_ahead], n_back)
            best = max(best, fitting, key=lambda steps: steps.n_changes) if best.every else fitting
            if len(best.every) == len(self.every):
                break
        return best

    def _places(self, labels: NDArray[Any], changes: Sequence[LabelChange]) -> Collection[int]:
        """Return where labels may stand, the closest place first: the steps on both sides of it fit.

        From all places between the same two changes the same steps fit, so that the closest stands for them.
        """
        is_made = [True, *(change.can_revert(labels) for change in changes)]
        is_open = [*(change.can_apply(labels) for change in changes), True]
        places = {place for place in range(len(is_made)) if is_made[place] and is_open[place]}
        n_before = list(accumulate(map(bool, changes), initial=0))
        closest: dict[int, int] = {}
        for place in sorted({self.n_done} | places, key=lambda place: (abs(place - self.n_done), place)):
            closest.setdefault(n_before[place], place)
        return closest.values()


class EditHistory:
    """Makes changes, and takes them back in their reverse order.

    What was changed by other means meanwhile is never overwritten: the step is then refused, as `LabelChange.apply`
    says. So is one that would change a locked object. After that, everything is as it was.

    Parameters
    ----------
    steps
        What the history goes on from.
    max_pixels, max_steps
        The oldest changes are forgotten when all together hold more; a pixel takes 16 bytes with uint32 labels.
    """

    def __init__(self, steps: Steps | None = None, *, max_pixels: int = 20_000_000, max_steps: int = 1000) -> None:
        self._steps = steps or Steps()
        self._max_pixels, self._max_steps = max_pixels, max_steps

    @property
    def steps(self) -> Steps:
        """All steps as they are now; may be asked for in any thread."""
        return self._steps

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._steps.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to make again."""
        return bool(self._steps.undone)

    def make(
        self,
        labels: NDArray[Any],
        change: LabelChange,
        *,
        rejected_before: Iterable[int] = (),
        rejected_after: Iterable[int] = (),
    ) -> None:
        """Make a change, in place; what was undone before can no longer be made again.

        Parameters
        ----------
        labels
            (*spatial), the array that is changed.
        change
            What is to become of it.
        rejected_before, rejected_after
            Ids that count as rejected before and after it; those that it changes are kept with it.

        Raises
        ------
        ValueError
            As `LabelChange.apply`.
        """
        change.apply(labels)
        before, after = (tuple(sorted({*ids} & {*change.ids})) for ids in (rejected_before, rejected_after))
        self._add(Step(change, before, after))

    def decide(self, labels: NDArray[Any], accepted_before: Iterable[int], accepted_after: Iterable[int]) -> None:
        """Note which objects have been accepted, or are so no longer; as `make`, but that no labels change."""
        before, after = (tuple(sorted(ids)) for ids in (accepted_before, accepted_after))
        self._add(Step(LabelChange.none(labels), accepted_before=before, accepted_after=after))

    def _add(self, step: Step) -> None:
        done = [*self._steps.done, step]
        while len(done) > 1 and (len(done) > self._max_steps or _n_pixels(done) > self._max_pixels):
            del done[0]
        self._steps = Steps(tuple(done), len(done))

    def undo(self, labels: NDArray[Any], *, locked: Collection[int] = ()) -> Step | None:
        """Take the last change back, in place, and return it; None if there is none.

        Raises
        ------
        LockedError
            It was a change of an object that is locked by now.
        ValueError
            Its pixels are no longer what it made of them.
        """
        if not self.can_undo:
            return None
        step = self._steps.done[-1]
        check_locked(step.change.ids, locked)
        step.change.revert(labels)
        self._steps = replace(self._steps, n_done=self._steps.n_done - 1)
        return step

    def redo(self, labels: NDArray[Any], *, locked: Collection[int] = ()) -> Step | None:
        """Make the change that was taken back last again, in place, and return it; None if there is none.

        Errors as `undo`.
        """
        if not self.can_redo:
            return None
        step = self._steps.undone[0]
        check_locked(step.change.ids, locked)
        step.change.apply(labels)
        self._steps = replace(self._steps, n_done=self._steps.n_done + 1)
        return step


def _n_pixels(steps: Iterable[Step]) -> int:
    return sum(len(step.change.pixels) for step in steps)


def _only_touched(labels: NDArray[Any], changes: Sequence[LabelChange]) -> tuple[NDArray[Any], list[LabelChange]]:
    """Return the pixels that changes touch, (N,), and the changes as changes of these."""
    pixels = np.unique(np.concatenate([np.empty(0, np.int64), *(change.pixels for change in changes)]))
    touched = labels[np.unravel_index(pixels, labels.shape)]
    places = (np.searchsorted(pixels, change.pixels) for change in changes)
    return touched, [
        replace(change, pixels=own, shape=touched.shape) for change, own in zip(changes, places, strict=True)
    ]


def _count_fitting(labels: NDArray[Any], changes: Iterable[Callable[[NDArray[Any]], None]]) -> int:
    """Return how many changes of a copy can be made one after the other."""
    copy = labels.copy()
    count = 0
    try:
        for change in changes:
            change(copy)
            count += 1
    except ValueError:
        pass
    return count
