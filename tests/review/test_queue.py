"""Which object comes first, why, and what becomes of decisions."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from napari_spoco.review.editing import merge
from napari_spoco.review.measures import ObjectMeasures, measure_objects
from napari_spoco.review.queue import ReviewQueue, score_objects

BOX = (slice(0, 1), slice(0, 1))


def measured(instance_id: int, n_pixels: int = 100, **values: float) -> ObjectMeasures:
    return ObjectMeasures(instance_id, n_pixels, BOX, (0, 0), **{"compactness": 1.0, "at_border": False, **values})


USUAL = [measured(instance_id) for instance_id in range(10, 15)]


@pytest.mark.parametrize(
    ("values", "score", "reason"),
    [
        pytest.param(
            {"agreement": 0.36, "fit": 0.9}, 0.324, "(student and teacher) agree on 36% of it", id="agreement"
        ),
        pytest.param({"fit": 0.25}, 0.25, "what the model takes for one object overlap by 25%", id="fit"),
        pytest.param({"compactness": 0.5}, 0.5, "elongated, ragged or made of parts", id="shape"),
        pytest.param({"n_pixels": 10}, 0.4, "it is 10% as large as the median object", id="small"),
        pytest.param({"n_pixels": 1000}, 0.4, "it is 10.0 times as large as the median object", id="large"),
        pytest.param({"at_border": True}, 0.9, "it touches the border of the image", id="border"),
        pytest.param({"n_pixels": 30}, 1.0, None, id="usual"),
    ],
)
def test_a_score_has_its_reason(values: dict, score: float, reason: str | None) -> None:
    found = {one.instance_id: one for one in score_objects([*USUAL, measured(3, **values)])}[3]
    assert found.score == pytest.approx(score)
    assert len(found.reasons) == (reason is not None)
    assert reason is None or reason in found.reasons[0]


@pytest.mark.parametrize(
    "values", [{}, {"n_pixels": 10}, {"n_pixels": 1000}, {"fit": 0.5}, {"compactness": 0.1}], ids=str
)
def test_what_the_border_may_have_cut_comes_before_what_is_whole(values: dict) -> None:
    whole, cut, worse = measured(1, **values), measured(2, **values, at_border=True), measured(3, fit=0.05)
    order = [one.instance_id for one in score_objects([*USUAL, whole, cut, worse])]
    assert order.index(2) < order.index(1)
    assert order.index(3) < order.index(10)  # A worse fault counts for more than the border does.


def test_once_student_and_teacher_are_compared_the_order_is_another() -> None:
    before = ReviewQueue.of([measured(1, fit=0.9), measured(2, fit=0.8), measured(3)]).decide(2, "accepted")
    assert before.pending == (1, 3)
    after = before.with_agreement(before.measures, {3: 0.2, 2: 0.5})
    assert [one.instance_id for one in after.scores] == [3, 2, 1]
    assert (after.accepted, after.pending) == ({2}, (3, 1))
    assert [after.measures[one].agreement for one in (1, 2, 3)] == [None, 0.5, 0.2]
    assert "agree on 20%" in after.scores[0].reasons[0]


def test_what_has_changed_since_keeps_its_own_measures() -> None:
    before = ReviewQueue.of([measured(1), measured(2), measured(3)])
    now = before.after_change([1, 3], [measured(1, n_pixels=90)])
    after = now.with_agreement(before.measures, {1: 0.2, 2: 0.5, 3: 0.1})
    assert {one: found.agreement for one, found in after.measures.items()} == {1: None, 2: 0.5}
    assert after.measures[1] is now.measures[1]


def test_the_worst_come_first_and_equal_ones_by_id() -> None:
    scores = score_objects([*reversed(USUAL), measured(99, compactness=0.3, fit=0.5), measured(1, fit=0.5)])
    assert [one.instance_id for one in scores] == [99, 1, 10, 11, 12, 13, 14]
    assert len(scores[0].reasons) == 2
    assert score_objects([]) == ()


def test_wrong_objects_come_first(rng: np.random.Generator) -> None:
    truth = np.kron(np.arange(1, 31, dtype=np.uint32).reshape(5, 6), np.ones((14, 14), np.uint32))
    embeddings = 4 * np.eye(30, dtype=np.float32)[truth - 1].transpose(2, 0, 1)
    embeddings += rng.normal(0, 0.1, embeddings.shape).astype(np.float32)
    labels = truth.copy()
    labels[labels == 9] = 8
    labels[28:35, 28:42] = 31  # half of the 15th
    worst = [one.instance_id for one in score_objects(measure_objects(labels, embeddings=embeddings))[:3]]
    assert set(worst) == {8, 15, 31}


def test_a_walk_through_the_queue() -> None:
    queue = ReviewQueue.of([measured(i, fit=i / 10) for i in range(1, 6)])
    assert queue.pending == (1, 2, 3, 4, 5)
    assert queue.next_after() == 1
    queue = queue.decide(1, "accepted").decide(3, "rejected")
    assert queue.pending == (2, 4, 5)
    assert (queue.accepted, queue.rejected) == ({1}, {3})
    assert [queue.next_after(i) for i in (1, 2, 3, 5, 77)] == [2, 4, 4, 2, 2]
    assert queue.decide(1, None).pending == (1, 2, 4, 5)
    assert queue.decide(1, "rejected").rejected == {1, 3}
    for instance_id in queue.pending:
        queue = queue.decide(instance_id, "accepted")
    assert queue.next_after(2) is None
    with pytest.raises(ValueError, match="instance_id: there is no object 6"):
        queue.decide(6, "accepted")


def test_a_decision_changes_no_score() -> None:
    queue = ReviewQueue.of([measured(1), measured(2, fit=0.3)])
    assert queue.decide(1, "accepted").scores is queue.scores


def test_decisions_can_be_stored() -> None:
    queue = ReviewQueue.of(USUAL).decide(10, "accepted").decide(11, "rejected")
    stored = {int(key): value for key, value in json.loads(json.dumps(queue.decisions)).items()}
    assert ReviewQueue.of(USUAL, stored) == queue
    assert ReviewQueue.of(USUAL[1:], stored).decisions == {11: "rejected"}
    assert ReviewQueue.of(USUAL[2:], stored).decisions == {11: "rejected"}


def test_a_rejected_object_is_remembered_until_it_is_there_again() -> None:
    queue = ReviewQueue.of(USUAL).after_change([10, 11], [USUAL[1]], rejected=[10, 11])
    assert (queue.rejected, queue.accepted) == ({10}, frozenset())
    assert queue.pending == (11, 12, 13, 14)
    queue = queue.after_change([12], [])
    assert queue.rejected == {10}
    assert queue.after_change([10], [USUAL[0]]).rejected == frozenset()


def test_a_corrected_object_is_pending_again(make_cells: Callable) -> None:
    embeddings, labels = make_cells((40, 40), 6)
    queue = ReviewQueue.of(measure_objects(labels, embeddings=embeddings)).decide(1, "rejected").decide(5, "accepted")
    change = merge(labels, [2, 1], locked=queue.accepted)
    change.apply(labels)
    queue = queue.after_change(change.ids, measure_objects(labels, change.ids, embeddings=embeddings))
    assert set(queue.measures) == {2, 3, 4, 5, 6}
    assert queue.decisions == {5: "accepted"}
    assert queue.measures == ReviewQueue.of(measure_objects(labels, embeddings=embeddings)).measures
