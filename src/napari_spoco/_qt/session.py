"""What the session is doing, and what may be pressed meanwhile: one enum and pure functions.

This module alone knows when a button is enabled and what it says. It imports neither Qt nor napari.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Start(Enum):
    """What a training starts from."""

    NEW = auto()
    FINE_TUNE = auto()
    RESUME = auto()


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
    """What there is to work with.

    `is_any_ticked` says whether an image is left to be trained on, where the user ticks them. `mismatch` says why the
    model does not suit the image; empty where it does. `start` is what the user has chosen to start from, None as long
    as nothing.
    """

    has_image: bool = False
    has_annotations: bool = False
    is_any_ticked: bool = True
    has_model: bool = False
    can_resume: bool = False
    has_labels: bool = False
    is_saving: bool = False
    mismatch: str = ""
    start: Start | None = None


@dataclass(frozen=True)
class Control:
    """How one button looks; `hint` is its tooltip and says, where it is disabled, what is missing."""

    enabled: bool
    text: str
    hint: str


@dataclass(frozen=True)
class Controls:
    """How all buttons look.

    `inputs` says whether layers and settings may be changed, `settings` whether those of the segmentation may, `starts`
    what a training may start from, and `start` what it will; that is chosen where a model may be loaded.
    """

    inputs: bool
    settings: bool
    starts: tuple[Start, ...]
    start: Start
    new_annotations: Control
    train: Control
    stop: Control
    segment: Control
    cancel: Control
    preview: Control
    embed: Control
    pick: Control
    load_model: Control
    save_model: Control
    save_labels: Control


_STARTS = {
    Start.NEW: ("Train", "Train a new model on the painted objects."),
    Start.FINE_TUNE: ("Fine-tune", "Train the current model on, at a lower rate. A worse model never replaces it."),
    Start.RESUME: ("Resume", "Go on where the last training ended, with what is painted now."),
}
"""What the button says, and its tooltip."""
_BUSY = {
    SessionState.TRAINING: "A training is running.",
    SessionState.STOPPING: "The training is being ended.",
    SessionState.LOADING: "A model is being loaded.",
    SessionState.PREDICTING: "The embeddings are being computed.",
    SessionState.SEGMENTING: "The objects are being found.",
}
"""Why other things have to wait."""
_NO_IMAGE = "Choose an image first."
_NO_MODEL = "Train or load a model first."


def possible_starts(facts: SessionFacts) -> tuple[Start, ...]:
    """Say what a training may start from; the later, the likelier it is meant."""
    return tuple(
        start
        for start, is_possible in (
            (Start.NEW, True),
            (Start.FINE_TUNE, facts.has_model),
            (Start.RESUME, facts.can_resume),
        )
        if is_possible
    )


def derive_start(facts: SessionFacts) -> Start:
    """Say what a training will start from: what the user has chosen, if it is possible."""
    possible = possible_starts(facts)
    return facts.start if facts.start in possible else possible[-1]


def derive_controls(state: SessionState, facts: SessionFacts) -> Controls:
    """Derive every button from the state and the facts."""
    rests = (not state.is_busy, _BUSY.get(state, ""))
    image = (facts.has_image, _NO_IMAGE)
    model = (facts.has_model, _NO_MODEL)
    suits = (not facts.mismatch, facts.mismatch)
    start = derive_start(facts)
    text, hint = _STARTS[start]
    return Controls(
        inputs=not state.is_busy or state is SessionState.LOADING,
        settings=state not in (SessionState.PREDICTING, SessionState.SEGMENTING),
        starts=possible_starts(facts),
        start=start,
        new_annotations=_control(
            "New",
            "Make an empty layer of annotations on the image. Painted ones stay in their own layer.",
            image,
        ),
        train=_control(
            text,
            f"{hint} napari stays usable meanwhile.",
            rests,
            image,
            (facts.has_annotations, "Choose or make annotations first."),
            (facts.is_any_ticked or start is Start.RESUME, "Tick an image to train on first."),
            (start is not Start.FINE_TUNE or not facts.mismatch, facts.mismatch),
        ),
        stop=_stop_control(state),
        segment=_control(
            "Segment",
            "Find the objects of the whole image, in a new Labels layer.",
            rests,
            image,
            model,
            suits,
        ),
        cancel=_control(
            "Cancel",
            "Give up this segmentation.",
            (state in (SessionState.PREDICTING, SessionState.SEGMENTING), "Nothing to cancel."),
        ),
        preview=_control(
            "Preview what is on show",
            "Find the objects in the part of the image that is on show, again whenever a setting or the view changes. "
            "In a stack, in the plane on show and a few around it.",
            image,
            model,
            suits,
        ),
        embed=_control(
            "Show embeddings",
            "Compute the embeddings of the whole image, and show them as colours: alike is alike.",
            rests,
            image,
            model,
            suits,
        ),
        pick=_control(
            "Pick objects with the mouse",
            "Point at an object, and it lights up; click, and it becomes an annotation.",
            image,
            model,
            suits,
        ),
        load_model=_control(
            "Load model…",
            "Use a model that was saved before; the model of a training can be resumed.",
            rests,
        ),
        save_model=_control(
            "Save model…",
            "Keep a copy of the model.",
            (not facts.is_saving, "A file is being written."),
            model,
        ),
        save_labels=_control(
            "Save…",
            "Write the labels, or what they measure, with their pixel size.",
            (not facts.is_saving, "A file is being written."),
            (facts.has_labels, "There is no Labels layer to save."),
        ),
    )


def next_step(state: SessionState, facts: SessionFacts, n_objects: int, tab: str = "") -> str:
    """Say in a sentence what the user should do next; empty while there is nothing to do but to wait.

    `tab` is the title of the one on show, which need not be named.
    """
    if state is SessionState.TRAINING:
        return "You may go on painting: the training takes it in."
    if state is SessionState.LOADING:
        return "One moment: the model is being loaded."
    if state.is_busy:
        return ""
    if not facts.has_image:
        return "Open an image, or try File > Open Sample > SPOCO."
    start = derive_start(facts)
    if facts.mismatch and start is Start.FINE_TUNE:
        return facts.mismatch
    has_model = facts.has_model and not facts.mismatch
    in_segment = "" if tab == "Segment" else " (tab Segment)"
    if n_objects == 0 and has_model:
        return f"Press Segment{in_segment}, or New object to paint what the model is to learn."
    if not facts.has_annotations:
        return "Press New object to start painting."
    if n_objects == 0:
        return "Paint over one object. Press New object for the next one, and paint that."
    if n_objects == 1:
        return "Press New object and paint a few more: five or six are a good start."
    train, in_train = _STARTS[start][0], "" if tab == "Train" else " (tab Train)"
    if not has_model:
        return f"Paint more objects, or press {train}{in_train}."
    then = "go on to Review and Export" if facts.has_labels else f"press Segment{in_segment}"
    return f"Paint more objects and press {train}{in_train}, or {then}."


def _control(text: str, hint: str, *conditions: tuple[bool, str]) -> Control:
    """Enable the button where all conditions hold; else the first that does not is the hint."""
    for holds, reason in conditions:
        if not holds:
            return Control(False, text, reason)
    return Control(True, text, hint)


def _stop_control(state: SessionState) -> Control:
    if state is SessionState.STOPPING:
        return Control(True, "Stop now", "End at once. What was learned since the last autosave is lost.")
    return _control(
        "Stop",
        "Finish this step, save the model, and end. The training can be resumed.",
        (state is SessionState.TRAINING, "Nothing is being trained."),
    )
