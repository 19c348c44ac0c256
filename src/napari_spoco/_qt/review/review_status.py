"""What can be done in a review, by button and by key, and what the window says of it. Pure; knows no Qt, no napari."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spoco._qt.embeddings.prediction_job import PredictionProgress
from napari_spoco._qt.notices import Notice, failure
from napari_spoco.review.locks import LockedError

if TYPE_CHECKING:
    from napari_spoco._qt.review.review_job import MeasuringProgress
    from napari_spoco.project.file import ReviewDecisions
    from napari_spoco.review.queue import ObjectScore, ReviewQueue


@dataclass(frozen=True)
class Action:
    """Something the user can do: a button, and a key of the layer under review."""

    name: str
    text: str
    key: str
    hint: str


DECISIONS = (
    Action(
        "accept",
        "Accept",
        "A",
        "It is an object: lock it, and go on to the next one. Again: unlock it. "
        "No tool and no brush changes an accepted object, or makes it larger, and napari's own Undo ends at Accept.",
    ),
    Action("reject", "Reject", "R", "It is no object: delete it, and go on to the next one."),
    Action("next", "Next", "N", "Leave it undecided, and go on to the next one."),
)
TOOLS = (
    Action("merge", "Merge", "J", "Make one object of those that are chosen: Shift+click adds one."),
    Action(
        "split",
        "Split",
        "S",
        "Then draw a line, or click, on the one half of an object, and after that on the other half. Again: leave it.",
    ),
    Action("fill_holes", "Fill holes", "H", "Give the object what it encloses."),
    Action("smooth", "Smooth", "O", "Round the outline."),
    Action("grow", "Grow", "G", "Give the object the free pixels next to it, one pixel wide."),
)
STEPS = (
    Action("undo", "Undo", "U", "Take back what was done last, Accept and Reject included, in whichever plane it was."),
    Action("redo", "Redo", "Y", "Do it again."),
)
ACTIONS = (*DECISIONS, *TOOLS, *STEPS)
_BY_SHAPE = (
    "Their order is by shape and size alone; press “Show embeddings” (tab Embeddings) before a review for a better one."
)
NO_TEACHER = "The order is without the agreement of student and teacher: the model has one network only."
FROM_BEFORE = (
    "The order is without the agreement of student and teacher, as in the review before; press “Show embeddings” (tab "
    "Embeddings) before a review to have it."
)
_MOST_NAMED = 5
"""Locked objects, in a sentence."""


@dataclass(frozen=True)
class ReviewStatus:
    """What the tab is to show.

    Attributes
    ----------
    is_open : bool
        Whether a review has been started.
    progress : MeasuringProgress or None
        While objects are measured.
    queue : ReviewQueue or None
        Once they are.
    chosen : tuple of int
        The current object, and those that the user has added to it.
    can_undo, can_redo, is_drawing, has_embeddings, is_comparing : bool
        Whether there is something to take back or to do again; whether strokes are awaited; whether the
        embeddings of the image take part in the order; whether student and teacher are being compared.
    agreement : str
        Why their agreement does not take part in it.
    ended : str
        Why the last review has ended, if it was not the user's wish.
    before : str
        What is known of earlier reviews while none is open.
    """

    is_open: bool = False
    progress: MeasuringProgress | None = None
    queue: ReviewQueue | None = None
    chosen: tuple[int, ...] = ()
    can_undo: bool = False
    can_redo: bool = False
    is_drawing: bool = False
    has_embeddings: bool = True
    is_comparing: bool = False
    agreement: str = ""
    ended: str = ""
    before: str = ""

    def allows(self, name: str) -> bool:
        """Return whether an action is possible; what is possible and refused is said when it is tried."""
        needs = {"undo": self.can_undo, "redo": self.can_redo, "split": True, "merge": len(self.chosen) > 1}
        needs["next"] = self.queue is not None and bool(self.queue.pending)
        return self.queue is not None and needs.get(name, bool(self.chosen))

    @property
    def summary(self) -> str:
        """How far the review has come."""
        if self.queue is None:
            n_objects = self.progress.n_objects if self.progress else 0
            measured = f": {self.progress.n_done} of {n_objects}" if self.progress and n_objects else " …"
            return f"Looking at the objects{measured}" if self.is_open else f"{self.ended} {self.before}".strip()
        n_objects, n_rejected = len(self.queue.measures), len(self.queue.rejected)
        rejected = f"{n_rejected} rejected, " if n_rejected else ""
        if not n_objects:
            return f"There are no objects{f' ({n_rejected} rejected)' if n_rejected else ''}."
        left = f"{len(self.queue.pending)} to look at" if self.queue.pending else "all are reviewed"
        objects = f"{n_objects} {'object' if n_objects == 1 else 'objects'}"
        return f"{objects}: {len(self.queue.accepted)} accepted, {rejected}{left}."

    @property
    def order(self) -> str:
        """What there is to say about the order of the objects."""
        if self.queue is None:
            return ""
        return self.agreement if self.has_embeddings else _BY_SHAPE

    @property
    def about(self) -> str:
        """What there is to say about the chosen objects."""
        if self.is_drawing:
            return "Draw a line, or click, on the one half of an object, then on the other half."
        if self.queue is None or not self.chosen:
            return ""
        if len(self.chosen) > 1:
            return f"Objects {', '.join(map(str, self.chosen))} are chosen."
        scores = (one for one in self.queue.scores if one.instance_id == self.chosen[0])
        return next((describe(one, self.queue) for one in scores), "")


def reviewed_before(decisions: ReviewDecisions) -> str:
    """Say how far the review of a layer has come that can go on."""
    n_accepted, n_rejected = len(decisions.accepted), len(decisions.rejected)
    return f"{n_accepted} accepted, {n_rejected} rejected so far; Start review goes on from there."


def others_reviewed(name: str) -> str:
    """Say that another layer of the same image was reviewed."""
    return f"“{name}” keeps its decisions and corrections; choose it above to go on with them."


def describe(score: ObjectScore, queue: ReviewQueue) -> str:
    """Describe an object and why it comes when it comes."""
    locked = " is accepted" if score.instance_id in queue.accepted else ""
    reasons = "; ".join(score.reasons) or "nothing is odd about it"
    return f"Object {score.instance_id}{locked}: {reasons}."


def comparing(progress: PredictionProgress | MeasuringProgress | None = None) -> str:
    """Say that student and teacher are being compared, and how far that is."""
    done = ""
    if isinstance(progress, PredictionProgress):
        done = f" (embedding the image: {progress.n_done} of {progress.n_tiles} parts)"
    elif progress is not None and progress.n_objects:
        done = f" ({progress.n_done} of {progress.n_objects} objects)"
    return f"Student and teacher are being compared{done}; the order of the objects follows."


def not_compared(reason: str) -> str:
    """Say why student and teacher are not compared."""
    return f"The order is without the agreement of student and teacher: {reason.rstrip('.')}."


def locked(ids: tuple[int, ...]) -> str:
    """Say that objects are locked."""
    one, n_more = len(ids) == 1, len(ids) - _MOST_NAMED
    which = ", ".join(map(str, ids[:_MOST_NAMED])) + (f" and {n_more} more" if n_more > 0 else "")
    return f"{'Object' if one else 'Objects'} {which} {'is' if one else 'are'} accepted: unlock with Accept first."


def refusal(error: Exception) -> Notice:
    """Say why something was not done."""
    return Notice(locked(error.ids), "bad") if isinstance(error, LockedError) else failure(error)
