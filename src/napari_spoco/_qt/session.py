"""What the session is doing, and what may be pressed meanwhile: one enum and pure functions.

This module alone knows when a button is enabled and what it says. It imports neither Qt nor napari.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class SessionState(Enum):
    """What the one job of the session is doing; saving files is a side job and no state."""

    IDLE = auto()
    TRAINING = auto()
    STOPPING = auto()
    LOADING = auto()
    PREDICTING = auto()
    SEGMENTING = auto()
    FAILED = auto()

    @property
    def is_busy(self) -> bool:
        """Whether a job is running; FAILED is a rest like IDLE, with an error on show."""
        return self not in (SessionState.IDLE, SessionState.FAILED)


@dataclass(frozen=True)
class SessionFacts:
    """What there is to work with; `goes_on` says that a training would start from the model in use."""

    has_image: bool = False
    has_annotations: bool = False
    has_model: bool = False
    goes_on: bool = False
    has_labels: bool = False
    is_saving: bool = False


@dataclass(frozen=True)
class Control:
    """How one button looks; `hint` is its tooltip and says, where it is disabled, what is missing."""

    enabled: bool
    text: str
    hint: str


@dataclass(frozen=True)
class Controls:
    """How all buttons look; `inputs` says whether layers and settings may be changed."""

    inputs: bool
    new_annotations: Control
    train: Control
    stop: Control
    segment: Control
    cancel: Control
    load_model: Control
    save_model: Control
    save_labels: Control


def derive_controls(state: SessionState, facts: SessionFacts) -> Controls:
    """Derive every button from the state and the facts."""
    rests = not state.is_busy
    return Controls(
        inputs=rests,
        new_annotations=_control(
            "New",
            "Make an empty Labels layer on the image and start painting.",
            (facts.has_image, "Choose an image first."),
        ),
        train=_control(
            "Train on" if facts.goes_on else "Train",
            "Train on the painted objects. napari stays usable meanwhile.",
            (rests, "Something else is running."),
            (facts.has_image, "Choose an image first."),
            (facts.has_annotations, "Choose or make annotations first."),
        ),
        stop=_stop_control(state),
        segment=_control(
            "Segment",
            "Find the objects of the whole image, in a new Labels layer.",
            (rests, "Something else is running."),
            (facts.has_image, "Choose an image first."),
            (facts.has_model, "Train or load a model first."),
        ),
        cancel=_control(
            "Cancel",
            "Give up this segmentation.",
            (state in (SessionState.PREDICTING, SessionState.SEGMENTING), "Nothing to cancel."),
        ),
        load_model=_control("Load model…", "Use a model that was saved before.", (rests, "Something else is running.")),
        save_model=_control(
            "Save model…",
            "Keep a copy of the model.",
            (not facts.is_saving, "A file is being written."),
            (facts.has_model, "Train or load a model first."),
        ),
        save_labels=_control(
            "Save TIFF…",
            "Write the labels with their pixel size.",
            (not facts.is_saving, "A file is being written."),
            (facts.has_labels, "There is no Labels layer to save."),
        ),
    )


def next_step(state: SessionState, facts: SessionFacts, n_objects: int) -> str:
    """Say in a sentence what the user should do next; empty while a job runs."""
    if state.is_busy:
        return ""
    if not facts.has_image:
        return "Open an image, or try File > Open Sample > SPOCO."
    if not facts.has_annotations:
        return "Press New to start painting."
    if n_objects == 0:
        return "Paint over one object. Press M for the next object, and paint that."
    if n_objects == 1:
        return "Press M and paint a few more objects: five or six are a good start."
    return f"Paint more (M = next object), or press {'Segment' if facts.has_model else 'Train'}."


def _control(text: str, hint: str, *conditions: tuple[bool, str]) -> Control:
    """Enable the button where all conditions hold; else the first that does not is the hint."""
    for holds, reason in conditions:
        if not holds:
            return Control(False, text, reason)
    return Control(True, text, hint)


def _stop_control(state: SessionState) -> Control:
    if state is SessionState.STOPPING:
        return Control(True, "Stop now", "End at once without saving what was learned in this run.")
    return _control(
        "Stop",
        "Finish this step, save the model, and end.",
        (state is SessionState.TRAINING, "Nothing is being trained."),
    )
