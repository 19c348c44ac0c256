"""The walk through the objects of a segmentation, worst first, and what the user has decided about each.

A score is a guess at how well an object matches a true one: the product of `fit` and `agreement`, as far as there are
embeddings of one network or both, of the compactness, of the size compared with the median, and of a tenth less for
what touches the border of the image. Shape tells wrong nuclei best and wrong mitochondria worst, embeddings the other
way round; of the combinations that were tried, the plain product was never far from the better of the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from napari_spoco.review.measures import ObjectMeasures

Decision = Literal["accepted", "rejected"]

_ODD = 0.7
"""Below it, a part of the score is a reason to look."""
_USUAL_FACTOR = 4.0
"""Sizes within this factor of the median are as good as any."""
_CUT = 0.9
"""Of the score is left where the border of the image may have cut off a part: it never ranks an object as better."""


@dataclass(frozen=True)
class ObjectScore:
    """What there is to say about one object: 1 = nothing, towards 0 = much; and why, in words."""

    measures: ObjectMeasures
    score: float
    reasons: tuple[str, ...]

    @property
    def instance_id(self) -> int:
        """Its id."""
        return self.measures.instance_id


def score_objects(measures: Iterable[ObjectMeasures]) -> tuple[ObjectScore, ...]:
    """Score objects against each other.

    Parameters
    ----------
    measures
        All objects of an image: sizes are compared with their median.

    Returns
    -------
    tuple of ObjectScore
        Worst first; equal ones in ascending order of the ids.
    """
    objects = tuple(measures)
    median_size = float(np.median([one.n_pixels for one in objects])) if objects else 1.0
    scores = [_score(one, one.n_pixels / median_size) for one in objects]
    return tuple(sorted(scores, key=lambda one: (one.score, one.instance_id)))


def _score(measures: ObjectMeasures, relative_size: float) -> ObjectScore:
    embeddings = math.prod(share for share in (measures.fit, measures.agreement) if share is not None)
    size = min(1.0, _USUAL_FACTOR / max(relative_size, 1 / relative_size))
    score = embeddings * measures.compactness * size * (_CUT if measures.at_border else 1.0)
    return ObjectScore(measures, score, tuple(_reasons(measures, relative_size, size)))


def _reasons(measures: ObjectMeasures, relative_size: float, size: float) -> Iterator[str]:
    if measures.agreement is not None and measures.agreement < _ODD:
        yield f"the two networks (student and teacher) agree on {measures.agreement:.0%} of it"
    if measures.fit is not None and measures.fit < _ODD:
        yield f"its outline and what the model takes for one object overlap by {measures.fit:.0%}"
    if measures.compactness < _ODD:
        share = f"compactness {measures.compactness:.0%}; a round object has nearly 100%"
        yield f"it is elongated, ragged or made of parts ({share})"
    if size < _ODD:
        comparison = f"{relative_size:.1f} times as large" if relative_size > 1 else f"{relative_size:.0%} as large"
        yield f"it is {comparison} as the median object"
    if measures.at_border:
        yield "it touches the border of the image"


@dataclass(frozen=True)
class ReviewQueue:
    """Objects with their scores and decisions. Immutable: every step gives a new queue, so a step back is the old one.

    Attributes
    ----------
    measures : mapping of int to ObjectMeasures
        All objects by id.
    decisions : mapping of int to str
        "accepted" or "rejected" by id; plain values that can be stored. Rejected objects may be there no longer.
    """

    measures: Mapping[int, ObjectMeasures]
    decisions: Mapping[int, Decision] = field(default_factory=dict)

    @classmethod
    def of(cls, measures: Iterable[ObjectMeasures], decisions: Mapping[int, Decision] | None = None) -> ReviewQueue:
        """Make a queue; of objects that are not there only those are remembered that were rejected."""
        by_id = {one.instance_id: one for one in measures}
        known = (decisions or {}).items()
        return cls(by_id, {one: made for one, made in known if one in by_id or made == "rejected"})

    @cached_property
    def scores(self) -> tuple[ObjectScore, ...]:
        """All objects, worst first."""
        return score_objects(self.measures.values())

    @cached_property
    def pending(self) -> tuple[int, ...]:
        """Ids without a decision, worst first."""
        return tuple(one.instance_id for one in self.scores if one.instance_id not in self.decisions)

    @property
    def accepted(self) -> frozenset[int]:
        """Ids that are locked: no correction may change them."""
        return self._decided("accepted")

    @property
    def rejected(self) -> frozenset[int]:
        """Ids that are no objects."""
        return self._decided("rejected")

    def next_after(self, instance_id: int | None = None) -> int | None:
        """Return the pending object that follows another one in the order of scores, from the worst again at the end.

        None if none is pending; the worst if the other one is None or gone.
        """
        if not self.pending:
            return None
        order = [one.instance_id for one in self.scores]
        place = 0 if instance_id is None or instance_id not in self.measures else order.index(instance_id) + 1
        waiting = set(self.pending)
        return next(other for other in (*order[place:], *order) if other in waiting)

    def decide(self, instance_id: int, decision: Decision | None) -> ReviewQueue:
        """Return a queue with a decision about an object, or, with None, without one.

        Raises
        ------
        ValueError
            There is no such object.
        """
        if instance_id not in self.measures:
            raise ValueError(f"instance_id: there is no object {instance_id}.")
        others = {other: made for other, made in self.decisions.items() if other != instance_id}
        decided = replace(self, decisions=others if decision is None else {**others, instance_id: decision})
        vars(decided)["scores"] = self.scores  # Of the same measures; to sort thousands anew takes long.
        return decided

    def after_change(
        self, ids: Iterable[int], measures: Iterable[ObjectMeasures], *, rejected: Iterable[int] = ()
    ) -> ReviewQueue:
        """Return the queue after a correction.

        Parameters
        ----------
        ids
            Objects that were changed, made or taken away (`LabelChange.ids`); they are pending again.
        measures
            Of those of them that are there now.
        rejected
            Those of them that were taken away because they are no objects.
        """
        changed = {*ids}
        kept = {other: one for other, one in self.measures.items() if other not in changed}
        now = {one.instance_id: one for one in measures}
        decisions = {other: made for other, made in self.decisions.items() if other not in changed}
        gone: dict[int, Decision] = {other: "rejected" for other in rejected if other not in now}
        return ReviewQueue({**kept, **now}, {**decisions, **gone})

    def with_agreement(self, compared: Mapping[int, ObjectMeasures], agreement: Mapping[int, float]) -> ReviewQueue:
        """Return the queue once student and teacher are compared.

        Parameters
        ----------
        compared
            The objects as they were then, by id; what has been measured again since stays as it is.
        agreement
            Of those of them of which it is known.
        """
        known = {one: share for one, share in agreement.items() if self.measures.get(one) is compared[one]}
        now = {one: replace(self.measures[one], agreement=share) for one, share in known.items()}
        return replace(self, measures={**self.measures, **now})

    def _decided(self, decision: Decision) -> frozenset[int]:
        return frozenset(instance_id for instance_id, made in self.decisions.items() if made == decision)
