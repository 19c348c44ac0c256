"""Buttons derived from state and facts: a table."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import pytest

from napari_spoco._qt.session import (
    Control,
    SessionFacts,
    SessionState,
    Start,
    derive_controls,
    derive_start,
    possible_starts,
)

NOTHING = SessionFacts()
ALL = SessionFacts(has_image=True, has_annotations=True, has_model=True, has_labels=True)
IMAGE = SessionFacts(has_image=True)
ANNOTATED = replace(IMAGE, has_annotations=True)
STOPPED = replace(ALL, can_resume=True)
UNSUITED = replace(ALL, mismatch="It is for others.", start=Start.FINE_TUNE)
VIEWS = ("preview", "pick", "save_model")
"""What a model allows whatever else is running."""
FLAGS = [field.name for field in fields(SessionFacts)][:7]
"""The others have other values, or are for hints only."""


def enabled(state: SessionState, facts: SessionFacts) -> set[str]:
    controls = derive_controls(state, facts)
    return {
        field.name
        for field in fields(controls)
        if isinstance(value := getattr(controls, field.name), Control) and value.enabled
    }


@pytest.mark.parametrize(
    ("state", "facts", "expected"),
    [
        pytest.param(SessionState.IDLE, NOTHING, {"load_model"}, id="empty viewer"),
        pytest.param(SessionState.IDLE, IMAGE, {"load_model", "new_annotations"}, id="image"),
        pytest.param(SessionState.IDLE, ANNOTATED, {"load_model", "new_annotations", "train"}, id="annotated"),
        pytest.param(
            SessionState.IDLE,
            ALL,
            {"load_model", "new_annotations", "train", "embed", "segment", "save_labels", *VIEWS},
            id="everything",
        ),
        pytest.param(SessionState.TRAINING, ALL, {"new_annotations", "stop", "save_labels", *VIEWS}, id="training"),
        pytest.param(SessionState.STOPPING, ALL, {"new_annotations", "stop", "save_labels", *VIEWS}, id="stopping"),
        pytest.param(SessionState.LOADING, ALL, {"new_annotations", "save_labels", *VIEWS}, id="loading"),
        pytest.param(SessionState.PREDICTING, ALL, {"new_annotations", "cancel", "save_labels", *VIEWS}, id="predict"),
        pytest.param(SessionState.SEGMENTING, ALL, {"new_annotations", "cancel", "save_labels", *VIEWS}, id="segment"),
        pytest.param(
            SessionState.IDLE,
            replace(ALL, is_saving=True),
            {"load_model", "new_annotations", "train", "embed", "segment", "preview", "pick"},
            id="saving",
        ),
        pytest.param(
            SessionState.IDLE,
            replace(ALL, is_switching=True),
            {"new_annotations", "save_labels", *VIEWS},
            id="a project is being opened",
        ),
    ],
)
def test_what_may_be_pressed(state: SessionState, facts: SessionFacts, expected: set[str]) -> None:
    assert enabled(state, facts) == expected


def test_a_failure_is_a_rest() -> None:
    for facts in (NOTHING, IMAGE, ANNOTATED, ALL):
        assert enabled(SessionState.FAILED, facts) == enabled(SessionState.IDLE, facts)


@pytest.mark.parametrize("state", SessionState)
def test_inputs_are_open_at_rest_and_while_a_model_is_loaded(state: SessionState) -> None:
    is_open = state in (SessionState.IDLE, SessionState.FAILED, SessionState.LOADING)
    assert derive_controls(state, ALL).inputs == is_open


def test_a_model_that_does_not_suit_the_image_is_not_used_on_it() -> None:
    controls = derive_controls(SessionState.IDLE, UNSUITED)
    for control in (controls.train, controls.segment, controls.embed, controls.preview, controls.pick):
        assert (control.enabled, control.hint) == (False, "It is for others.")
    assert derive_controls(SessionState.IDLE, replace(UNSUITED, start=Start.NEW)).train.enabled


@pytest.mark.parametrize("state", SessionState)
def test_picking_in_an_image_that_is_not_embedded_waits_for_a_training(state: SessionState) -> None:
    pick = derive_controls(state, replace(ALL, is_embedded=False)).pick
    assert pick.enabled == (state not in (SessionState.TRAINING, SessionState.STOPPING))
    assert ("end of the training" in pick.hint) == (not pick.enabled)


@pytest.mark.parametrize("state", [state for state in SessionState if state.is_busy])
def test_who_has_to_wait_is_told_for_what(state: SessionState) -> None:
    hint = derive_controls(state, ALL).load_model.hint
    assert hint.split()[1] in ("training", "model", "embeddings", "objects")


def test_who_has_to_wait_for_a_project_is_told() -> None:
    controls = derive_controls(SessionState.IDLE, replace(ALL, is_switching=True))
    for control in (controls.train, controls.segment, controls.embed, controls.load_model):
        assert control.hint == "A project is being opened or closed: one moment."


@pytest.mark.parametrize("state", SessionState)
def test_every_button_says_what_it_does_or_what_is_missing(state: SessionState) -> None:
    for *flags, start in product(*((False, True),) * len(FLAGS), (None, *Start)):
        controls = derive_controls(state, SessionFacts(**dict(zip(FLAGS, flags, strict=True)), start=start))
        shown = [getattr(controls, field.name) for field in fields(controls)]
        assert all(control.text and control.hint for control in shown if isinstance(control, Control))


@pytest.mark.parametrize(
    ("facts", "possible"),
    [
        pytest.param(NOTHING, [Start.NEW], id="nothing"),
        pytest.param(ALL, [Start.NEW, Start.FINE_TUNE], id="model"),
        pytest.param(replace(ANNOTATED, can_resume=True), [Start.NEW, Start.RESUME], id="killed, without a model"),
        pytest.param(STOPPED, list(Start), id="stopped"),
    ],
)
def test_what_a_training_may_start_from(facts: SessionFacts, possible: list[Start]) -> None:
    assert list(possible_starts(facts)) == possible
    assert derive_start(facts) is possible[-1]
    for wish in Start:
        assert derive_start(replace(facts, start=wish)) is (wish if wish in possible else possible[-1])


@pytest.mark.parametrize(("start", "text"), [(Start.NEW, "Train"), (Start.FINE_TUNE, "Fine-tune"), (None, "Resume")])
def test_the_button_says_what_a_training_starts_from(start: Start | None, text: str) -> None:
    assert derive_controls(SessionState.IDLE, replace(STOPPED, start=start)).train.text == text


def test_the_second_stop_is_called_otherwise() -> None:
    texts = [derive_controls(state, ALL).stop.text for state in (SessionState.TRAINING, SessionState.STOPPING)]
    assert texts == ["Stop", "Stop now"]
