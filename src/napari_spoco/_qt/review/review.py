"""One review, from the measuring of the objects to its end: their queue, their corrections and their undoing.

The cycle of a correction:

1. What the user wishes waits until no job is running, so that it always meets the objects it was meant for.
2. A job finds out what the correction changes (`LabelChange`); the layer is as it was.
3. The change is made, on the event loop, unless the user has painted there meanwhile: it is then refused.
4. A job measures the objects that have changed, and puts them into a new queue.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from napari_spoco._qt.notices import Notice
from napari_spoco._qt.review import agreement_job, review_job
from napari_spoco._qt.review.review_notes import by_id, decisions_of, note, noted
from napari_spoco._qt.review.review_status import ReviewStatus
from napari_spoco.review.history import EditHistory
from napari_spoco.review.locks import LockedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_spoco._qt.review.agreement import Agreement
    from napari_spoco._qt.review.agreement_job import ComparedObjects
    from napari_spoco._qt.review.review_job import AcceptedObjects, MeasuringProgress, Subject
    from napari_spoco._qt.review.review_layer import ReviewedLayer
    from napari_spoco._qt.review.review_turns import Body, Turns
    from napari_spoco.data.label_change import LabelChange
    from napari_spoco.review.queue import ReviewQueue

_PAINTED = "Pixels of that object have been painted over since; nothing was changed."


class Review:
    """The review of one layer; goes on where the last one of it has ended.

    Parameters
    ----------
    view, subject
        The layer, and what is known of its image.
    turns
        Jobs and wishes in turn; what they say comes back as `show_progress` and `go_on_after_failure`.
    agreement
        Compares student and teacher meanwhile; what it finds comes back as `note_compared`.
    say
        Takes sentences for the user.

    Attributes
    ----------
    queue : ReviewQueue or None
        The objects and decisions; None while they are being measured.
    chosen : tuple of int
        The current object, and those that the user has added to it.
    """

    def __init__(
        self,
        view: ReviewedLayer,
        subject: Subject,
        turns: Turns,
        agreement: Agreement,
        say: Callable[[Notice], None],
    ) -> None:
        self.view = view
        self.queue: ReviewQueue | None = None
        self.chosen: tuple[int, ...] = ()
        self._subject, self._turns, self._agreement, self._say = subject, turns, agreement, say
        self._progress: MeasuringProgress | None = None
        known = noted(view.layer)
        self._before = None if known is None else known.decisions
        self._history = EditHistory() if known is None else known.history
        self._compared: ComparedObjects | None = None
        view.lock.find_ids = self._find_locked

    @property
    def status(self) -> ReviewStatus:
        """What there is to show."""
        can_undo, can_redo = self._history.can_undo, self._history.can_redo
        return ReviewStatus(
            is_open=True,
            progress=self._progress,
            queue=self.queue,
            chosen=self.chosen,
            can_undo=can_undo,
            can_redo=can_redo,
            is_drawing=self.view.is_drawing,
            has_embeddings=self._subject.embeddings is not None,
            is_comparing=self._agreement.is_running,
            agreement=self._agreement.text,
        )

    def begin(self) -> None:
        """Measure the objects."""
        if self._find_locked():
            self.view.lock.forget_strokes()
        decisions = None if self._before is None else by_id(self._before)
        self._turns.start(self._on_first_measured, review_job.run_measuring, self._subject, decisions)

    def note_compared(self, compared: ComparedObjects) -> None:
        """Take note of what student and teacher agree on."""
        self._compared = compared
        self.take_agreement()

    def take_agreement(self) -> None:
        """Order the objects anew where student and teacher have been compared, once there is nothing else to do."""
        if self._compared is not None and self.queue is not None and not self._turns.is_busy:
            compared, self._compared = self._compared, None
            self._wish(partial(self._order, compared))

    def note(self) -> bool:
        """Note at the layer how far the review has come; return whether that is news."""
        if self.queue is None:
            return False
        current = self.chosen[0] if self.chosen else None
        decisions = decisions_of(self.queue, current, self._subject.measured_by)
        return note(self.view.layer, decisions, self._history)

    def show_chosen(self) -> None:
        """Outline the chosen objects in the image."""
        measures = {} if self.queue is None else self.queue.measures
        self.view.mark({one: measures[one].box for one in self.chosen if one in measures})

    def show_progress(self, progress: MeasuringProgress | None) -> None:
        """Take note of how far the first measuring has come."""
        if self.queue is None:
            self._progress = progress

    def go_on_after_failure(self) -> None:
        """Look again at the chosen objects if the user has painted: perhaps what was wished for is there no longer."""
        if self.queue is not None and self.view.is_painted:
            self.view.is_painted = False
            self._wish(partial(self._measure, tuple(set(self.chosen) - self.queue.accepted)))

    # What the user wants

    def act(self, name: str) -> None:
        """Do one of `review_status.ACTIONS`, by its name."""
        self._wish(partial(self._act, name))

    def go_to(self, instance_id: int) -> None:
        """Choose an object and show it."""
        self._wish(partial(self._go_to, instance_id))

    def choose(self, instance_id: int, is_added: bool) -> None:
        """Choose an object, or, if it is added, put it to the chosen ones or take it from them."""
        self._wish(partial(self._choose, instance_id, is_added))

    def split(self, strokes: tuple[NDArray[np.integer], ...]) -> None:
        """Split the object under two strokes (N, ndim)."""
        self._wish(partial(self._edit, review_job.run_split, strokes))

    def hand_over(self, take: Callable[[AcceptedObjects], None]) -> None:
        """Give the accepted objects to a function."""
        self._wish(partial(self._hand_over, take))

    def _wish(self, step: Callable[[], None]) -> None:
        if self.queue is not None:
            self._turns.wish(step)

    # What is done; only while no job is running

    def _act(self, name: str) -> None:
        was_drawing = self.view.is_drawing
        self.view.end_drawing()
        if name == "split":
            if not was_drawing:
                self.view.begin_drawing()
        elif name in ("undo", "redo"):
            self._step(name)
        elif name == "next":
            self._advance()
        elif not self.chosen:
            raise ValueError("Choose an object first: click on it.")
        elif name == "merge" and len(self.chosen) < 2:
            raise ValueError("Choose what to merge first: click on one object, Shift+click on the others.")
        elif name == "accept":
            self._accept()
        elif name == "reject":
            self._reject()
        else:
            self._edit(review_job.run_edit, name, self.chosen)

    def _accept(self) -> None:
        """Lock the chosen objects and go on; or unlock them where all are locked."""
        chosen, before = self.chosen, self.queue.accepted
        is_locked = before.issuperset(chosen)
        self._history.decide(self.view.pixels, before.intersection(chosen), () if is_locked else chosen)
        self._decide(chosen, () if is_locked else chosen)
        if not is_locked:
            self._advance()

    def _decide(self, ids: tuple[int, ...], accepted: tuple[int, ...]) -> None:
        if accepted:
            self.view.lock.forget_strokes()
        for instance_id in set(ids) & self.queue.measures.keys():
            self.queue = self.queue.decide(instance_id, "accepted" if instance_id in accepted else None)

    def _reject(self) -> None:
        """Delete the chosen objects and go on."""
        rest = self.queue
        for instance_id in self.chosen:
            rest = rest.decide(instance_id, "rejected")
        following = rest.next_after(self.chosen[0])
        to_show = () if following is None else (following,)
        self._edit(review_job.run_edit, "delete", self.chosen, to_show=to_show, rejected=self.chosen)

    def _advance(self) -> None:
        following = self.queue.next_after(self.chosen[0] if self.chosen else None)
        if following is not None:
            self._go_to(following)
        else:
            self._say(Notice("All objects are reviewed.", "good"))

    def _go_to(self, instance_id: int) -> None:
        if instance_id in self.queue.measures:
            self.chosen = (instance_id,)
            self.view.jump_to(self.queue.measures[instance_id])

    def _choose(self, instance_id: int, is_added: bool) -> None:
        if not is_added:
            self.chosen = (instance_id,)
        elif instance_id in self.chosen:
            self.chosen = tuple(other for other in self.chosen if other != instance_id)
        else:
            self.chosen = (*self.chosen, instance_id)
        if self.chosen:
            self.view.select(self.chosen[0])
        if instance_id not in self.queue.measures:  # The user has painted it since.
            self._measure((instance_id,))

    def _edit(self, body: Body, *args: object, to_show: tuple[int, ...] = (), rejected: tuple[int, ...] = ()) -> None:
        on_known = partial(self._on_change_known, to_show, rejected)
        self._turns.start(on_known, body, self._subject, *args, self.queue.accepted)

    def _step(self, name: str) -> None:
        with _in_words():
            step = getattr(self._history, name)(self.view.pixels, locked=self.queue.accepted)
        if step is not None and step.is_decision:
            self._decide(step.ids, step.accepted_before if name == "undo" else step.accepted_after)
            self._go_to(step.ids[0])
        elif step is not None:
            self.view.show_change()
            rejected = step.rejected_before if name == "undo" else step.rejected_after
            self._measure(step.ids, to_show=step.ids, rejected=rejected)

    def _hand_over(self, take: Callable[[AcceptedObjects], None]) -> None:
        if self.queue.accepted:
            boxes = {one: self.queue.measures[one].box for one in self.queue.accepted}
            self._turns.start(take, review_job.run_keeping, self.view.pixels, boxes)

    def _measure(self, ids: tuple[int, ...], *, to_show: tuple[int, ...] = (), rejected: tuple[int, ...] = ()) -> None:
        on_measured = partial(self._on_measured, ids, to_show)
        self._turns.start(on_measured, review_job.run_measuring_again, self._subject, self.queue, ids, rejected)

    def _order(self, compared: ComparedObjects) -> None:
        self._subject = self._subject.with_other(compared.other_embeddings)
        self._turns.start(self._on_ordered, agreement_job.run_ordering, self.queue, compared)

    def _find_locked(self) -> Collection[int]:
        if self.queue is not None:
            return self.queue.accepted
        return () if self._before is None else self._before.accepted

    # What the jobs say

    def _on_ordered(self, queue: ReviewQueue) -> None:
        self.queue = queue
        self._agreement.compare(self._subject, queue.measures)

    def _on_first_measured(self, queue: ReviewQueue) -> None:
        self.queue = queue
        self._agreement.compare(self._subject, queue.measures)
        if self._before is not None and self._before.current in queue.measures:
            self._go_to(self._before.current)
        elif queue.measures:
            self._advance()

    def _on_change_known(self, to_show: tuple[int, ...], rejected: tuple[int, ...], change: LabelChange) -> None:
        if not change:
            self._say(Notice("There is nothing to change."))
            return
        with _in_words():
            kinds = {"rejected_before": self.queue.rejected, "rejected_after": rejected}
            self._history.make(self.view.pixels, change, **kinds)
        self.view.show_change()
        if not {*self.chosen} & {*change.ids}:
            self.chosen = change.ids[:1]
        self._measure(change.ids, to_show=to_show, rejected=rejected)

    def _on_measured(self, ids: tuple[int, ...], to_show: tuple[int, ...], queue: ReviewQueue) -> None:
        self.queue = queue
        self.view.tell_apart({one: queue.measures[one].box for one in ids if one in queue.measures})
        self.chosen = tuple(one for one in self.chosen if one in queue.measures)
        if there := [one for one in to_show if one in queue.measures]:
            self._go_to(there[0])
        elif not self.chosen:
            self._advance()


@contextmanager
def _in_words() -> Iterator[None]:
    """Say it in words where pixels are not what a change was made for."""
    try:
        yield
    except LockedError:
        raise
    except ValueError as error:
        raise ValueError(_PAINTED) from error
