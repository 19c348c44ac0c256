"""What the foot says is to be done next: a table by tab and state, and the dock that follows it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from tests.qt.conftest import make_image

from napari_spoco._qt.hints import BUSY_HINTS, HINTS, next_step, warn
from napari_spoco._qt.layers.layers import MAKER, identity
from napari_spoco._qt.session import SessionFacts, SessionState, Start

IDLE = SessionState.IDLE
NOTHING = SessionFacts()
IMAGE = SessionFacts(has_image=True)
ANNOTATED = replace(IMAGE, has_annotations=True)
MODEL = replace(IMAGE, has_model=True)
FOUND = replace(MODEL, has_found=True, has_labels=True)
BOTH = replace(MODEL, has_annotations=True)
STOPPED = replace(BOTH, can_resume=True)
HARDLY_TRAINED = replace(FOUND, few_steps="It has learned for 96 steps only.")
UNSUITED = replace(BOTH, mismatch="It is for others {of them}.")


@pytest.mark.parametrize(
    ("tab", "facts", "n_objects", "expected"),
    [
        ("Annotate", NOTHING, 0, "Open an image"),
        ("Annotate", IMAGE, 0, "Press New object to start painting."),
        ("Annotate", ANNOTATED, 0, "Paint over one object"),
        ("Annotate", ANNOTATED, 1, "a few more"),
        ("Annotate", ANNOTATED, 5, "Paint more objects, or press Train (tab Train)."),
        ("Annotate", MODEL, 0, "Press Segment (tab Segment), or New object"),
        ("Annotate", BOTH, 5, "press Fine-tune (tab Train), or press Segment (tab Segment)"),
        ("Annotate", STOPPED, 5, "press Resume (tab Train)"),
        ("Annotate", FOUND, 0, "Objects are found: go on to Review and Export"),
        ("Annotate", replace(FOUND, has_annotations=True), 5, "or go on to Review and Export"),
        ("Annotate", UNSUITED, 5, "It is for others {of them}."),
        ("Annotate", replace(UNSUITED, start=Start.NEW), 5, "Paint more objects, or press Train (tab Train)."),
        ("Train", NOTHING, 0, "Open an image"),
        ("Train", IMAGE, 0, "First press New object (tab Annotate)"),
        ("Train", ANNOTATED, 0, "First paint a few objects (tab Annotate)"),
        ("Train", replace(ANNOTATED, is_one_of_several=True), 1, "choose all of them in Train on"),
        ("Train", replace(IMAGE, is_one_of_several=True), 0, "choose all of them in Train on"),
        ("Train", replace(ANNOTATED, is_one_of_several=True), 5, "Paint more objects (tab Annotate), or press Train."),
        ("Train", ANNOTATED, 1, "Paint a few more objects first (tab Annotate)"),
        ("Train", ANNOTATED, 5, "Paint more objects (tab Annotate), or press Train."),
        ("Train", BOTH, 5, "Press Fine-tune to teach the model"),
        ("Train", UNSUITED, 5, "It is for others"),
        ("Embeddings", NOTHING, 0, "Open an image"),
        ("Embeddings", IMAGE, 0, "Take a shipped model (tab Segment)"),
        ("Embeddings", MODEL, 0, "Press Show embeddings"),
        ("Embeddings", replace(MODEL, is_picking=True), 0, "Shift and the mouse wheel"),
        ("Embeddings", UNSUITED, 0, "It is for others"),
        ("Segment", NOTHING, 0, "Open an image"),
        ("Segment", IMAGE, 0, "Take a shipped model, or load one"),
        ("Segment", ANNOTATED, 5, "Take a shipped model, or load one"),
        ("Segment", MODEL, 0, "Press Segment."),
        ("Segment", FOUND, 0, "Objects are found: look through them in Review, save them in Export"),
        ("Segment", UNSUITED, 5, "It is for others"),
        ("Segment", HARDLY_TRAINED, 5, "If these are pieces of your objects, train the model on (tab Train)"),
        ("Review", IMAGE, 0, "Nothing to review yet"),
        ("Review", FOUND, 0, "press Start review"),
        ("Review", replace(FOUND, is_reviewing=True), 0, "Accept what is right"),
        ("Export", MODEL, 0, "Nothing to save yet"),
        ("Export", replace(FOUND, has_labels=False), 0, "Choose the labels"),
        ("Export", FOUND, 0, "Press Save"),
        ("Export", replace(FOUND, has_voxel_size=False), 0, "sizes will be in pixels: enter it in Annotate"),
        ("Batch", NOTHING, 0, "Add files"),
        ("Batch", replace(NOTHING, is_in_batch=True, batch_advice="2 of 3 {of them}."), 0, "The batch runs by itself"),
        ("Batch", replace(NOTHING, batch_advice="2 of 3 {of them}."), 0, "2 of 3 {of them}."),
    ],
)
def test_the_next_step_at_rest(tab: str, facts: SessionFacts, n_objects: int, expected: str) -> None:
    for state in (IDLE, SessionState.FAILED):
        assert expected in next_step(state, facts, n_objects, tab)


@pytest.mark.parametrize(
    ("state", "tab", "expected"),
    [
        (SessionState.TRAINING, "Annotate", "You may go on painting: the training takes it in."),
        (SessionState.TRAINING, "Train", "Stop keeps what was learned"),
        (SessionState.TRAINING, "Embeddings", "picking in an image that has not been embedded, wait for the end"),
        (SessionState.TRAINING, "Segment", "Segment waits for the end of the training"),
        (SessionState.STOPPING, "Train", "The last step is being finished"),
        (SessionState.LOADING, "Segment", "the model is being loaded"),
        (SessionState.PREDICTING, "Embeddings", "Cancel (tab Segment) gives up"),
        (SessionState.PREDICTING, "Segment", "Cancel gives up"),
        (SessionState.SEGMENTING, "Segment", "The objects are being found in the whole image"),
        (SessionState.SEGMENTING, "Review", "The objects are being found"),
        (SessionState.SEGMENTING, "Batch", "Add files"),
    ],
)
def test_what_to_do_while_a_job_runs(state: SessionState, tab: str, expected: str) -> None:
    assert expected in next_step(state, MODEL, 0, tab)


def test_a_review_goes_on_while_a_training_runs() -> None:
    facts = replace(FOUND, is_reviewing=True)
    assert "Accept what is right" in next_step(SessionState.TRAINING, facts, 5, "Review")


def test_picking_goes_on_while_a_training_runs() -> None:
    assert "click, and it becomes" in next_step(SessionState.TRAINING, replace(MODEL, is_picking=True), 5, "Embeddings")


def test_there_is_always_something_to_say() -> None:
    flags = ("has_image", "has_annotations", "has_model", "has_labels", "has_found", "is_reviewing")
    for state, tab, n_objects, *values in product(SessionState, HINTS, (0, 1, 5), *((False, True),) * len(flags)):
        text = next_step(state, SessionFacts(**dict(zip(flags, values, strict=True))), n_objects, tab)
        assert text.endswith((".", "…"))
        assert "{" not in text


def test_no_sentence_sends_one_to_the_tab_on_show() -> None:
    for tab, rows in HINTS.items():
        assert not [text for _, text in rows if f"(tab {tab})" in text]
    for texts in BUSY_HINTS.values():
        assert not [text for tab, text in texts.items() if tab and f"(tab {tab})" in text]


@pytest.mark.parametrize(
    ("tab", "facts", "is_said"),
    [
        ("Annotate", MODEL, False),
        ("Segment", MODEL, True),
        ("Embeddings", MODEL, True),
        ("Train", BOTH, True),
        ("Train", replace(BOTH, start=Start.NEW), False),
        ("Export", FOUND, False),
    ],
)
def test_an_unknown_voxel_size_is_said_where_the_model_is_used(tab: str, facts: SessionFacts, is_said: bool) -> None:
    assert warn(replace(facts, unknown_size="Not known."), tab) == ("Not known." if is_said else "")
    assert warn(facts, tab) == ""


@pytest.mark.parametrize(
    ("tab", "facts", "is_said"),
    [
        ("Annotate", HARDLY_TRAINED, False),
        ("Segment", HARDLY_TRAINED, True),
        ("Embeddings", HARDLY_TRAINED, True),
        ("Train", replace(HARDLY_TRAINED, can_resume=True), True),
        ("Train", replace(HARDLY_TRAINED, start=Start.NEW), False),
        ("Segment", replace(HARDLY_TRAINED, unlike="It is for others."), False),
    ],
)
def test_too_few_steps_are_said_where_the_model_is_used(tab: str, facts: SessionFacts, is_said: bool) -> None:
    assert (warn(facts, tab) == HARDLY_TRAINED.few_steps) is is_said
    assert warn(replace(facts, unlike="", few_steps=""), tab) == ""


def test_the_dock_follows_tabs_objects_and_reviews(spoco, viewer, until) -> None:
    image = viewer.add_image(make_image(), name="cells")

    def hint(tab: str) -> str:
        spoco.tabs.setCurrentIndex([*HINTS].index(tab))
        return spoco.footer.hint.text()

    assert [*HINTS] == [spoco.tabs._tabs[index].title for index in range(spoco.tabs.count())]
    assert "start painting" in hint("Annotate")
    assert "Take a shipped model" in hint("Segment")
    assert "Nothing to review" in hint("Review")
    labels = np.zeros((64, 64), np.int32)
    labels[5:15, 5:15], labels[30:40, 30:40] = 1, 2
    layer = viewer.add_labels(labels, name="cells objects", metadata={MAKER: identity(image)})
    spoco.export.labels.choose(layer)
    spoco.review.labels.choose(layer)
    assert "press Start review" in hint("Review")
    spoco.review.start_button.click()
    assert "Accept what is right" in spoco.footer.hint.text()
    until(lambda: not spoco.reviewing.is_busy)
    spoco.review.start_button.click()
    assert "press Start review" in spoco.footer.hint.text()
    assert "sizes will be in pixels" in hint("Export")
