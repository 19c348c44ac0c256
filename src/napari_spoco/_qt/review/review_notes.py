"""How far a layer's review has come, noted at the layer, so that it can go on later; the project keeps it from there.

A note holds for the array that was reviewed: whatever else comes into the layer has other objects.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spoco.project.file import ReviewDecisions

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_spoco.project.file import ReviewEmbeddings
    from napari_spoco.review.history import EditHistory
    from napari_spoco.review.queue import Decision, ReviewQueue

_KEY = "napari-spoco review"
"""Of the layer's metadata."""


@dataclass(eq=False)
class ReviewNote:
    """What is decided, and what has been corrected; both are as they are now, in whichever thread they are read."""

    decisions: ReviewDecisions
    history: EditHistory


def note(layer: Layer, decisions: ReviewDecisions, history: EditHistory) -> bool:
    """Note how far the review has come; return whether that is news."""
    known = noted(layer)
    if known is None:
        layer.metadata[_KEY] = (weakref.ref(layer.data), ReviewNote(decisions, history))
        return True
    is_news = known.decisions != decisions
    known.decisions, known.history = decisions, history
    return is_news


def noted(layer: Layer) -> ReviewNote | None:
    """Return how far the review of what the layer shows has come; None where there was none."""
    pixels, known = layer.metadata.get(_KEY, (_nothing, None))
    return known if pixels() is layer.data else None


def is_reviewed(layer: Layer) -> bool:
    """Say whether something is decided or corrected of what the layer shows."""
    known = noted(layer)
    if known is None:
        return False
    return bool(known.decisions.accepted or known.decisions.rejected or known.history.steps.every)


def decisions_of(queue: ReviewQueue, current: int | None, embeddings: ReviewEmbeddings | None) -> ReviewDecisions:
    """Return what is to be noted of a queue, the object that is looked at, and what the objects are measured by."""
    accepted, rejected = (tuple(sorted(ids)) for ids in (queue.accepted, queue.rejected))
    return ReviewDecisions(accepted=accepted, rejected=rejected, current=current, embeddings=embeddings)


def by_id(decisions: ReviewDecisions) -> dict[int, Decision]:
    """Return decisions as a queue takes them."""
    accepted: dict[int, Decision] = dict.fromkeys(decisions.accepted, "accepted")
    return accepted | dict.fromkeys(decisions.rejected, "rejected")


def _nothing() -> None:
    return None
