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
    as nothing. `is_embedded` says whether the whole image is, under the model in use. Of what only hints look at,
    `is_one_of_several` says that one image alone is trained on though others are annotated, too, `has_found` whether
    objects were found in the image, `unknown_size` that the model knows a voxel size and the image does not, empty
    where there is nothing to say, and `is_picking` whether the mouse picks objects. `is_bright` says that most of the
    image is, `unlike` that the model in use does not know such images, `few_steps` that it has hardly been trained,
    `is_in_batch` that a batch is running, and `batch_advice` what came out of the last one, and what to do now.
    `is_switching` says that a project is being opened or closed, with the model in use, and `hindrance` why the mouse,
    which is to point at the image, cannot.
    """

    has_image: bool = False
    has_annotations: bool = False
    is_any_ticked: bool = True
    is_one_of_several: bool = False
    has_model: bool = False
    can_resume: bool = False
    has_labels: bool = False
    is_saving: bool = False
    mismatch: str = ""
    start: Start | None = None
    has_found: bool = False
    is_reviewing: bool = False
    is_in_batch: bool = False
    batch_advice: str = ""
    has_voxel_size: bool = True
    unknown_size: str = ""
    is_bright: bool = False
    unlike: str = ""
    few_steps: str = ""
    is_embedded: bool = True
    is_picking: bool = False
    is_switching: bool = False
    hindrance: str = ""


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


START_TEXTS = {
    Start.NEW: ("Train", "Train a new model on the painted objects."),
    Start.FINE_TUNE: ("Fine-tune", "Train the current model on, at a lower rate. A worse model never replaces it."),
    Start.RESUME: ("Resume", "Go on where the last training ended, with what is painted now."),
}
"""What the button says, and its tooltip."""
_BUSY = {
    SessionState.TRAINING: "A training is running: wait for its end, or press Stop in the tab Train.",
    SessionState.STOPPING: "The training is being ended: one moment.",
    SessionState.LOADING: "A model is being loaded: one moment.",
    SessionState.PREDICTING: "The embeddings are being computed: wait, or press Cancel.",
    SessionState.SEGMENTING: "The objects are being found: wait, or press Cancel.",
}
"""Why other things have to wait."""
_SWITCHING = "A project is being opened or closed: one moment."
_TRAINS = (SessionState.TRAINING, SessionState.STOPPING)
_NO_PICKING = (
    "Picking needs the embeddings of this image, which have to wait for the end of the training; Stop (tab Train) "
    "ends it."
)
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
    rests = (not state.is_busy and not facts.is_switching, _BUSY.get(state, _SWITCHING))
    image = (facts.has_image, _NO_IMAGE)
    model = (facts.has_model, _NO_MODEL)
    suits = (not facts.mismatch, facts.mismatch)
    start = derive_start(facts)
    text, hint = START_TEXTS[start]
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
            "Give up what is being computed.",
            (state in (SessionState.PREDICTING, SessionState.SEGMENTING), "Nothing to cancel."),
        ),
        preview=_control(
            "Preview what is on show",
            "Find the objects in the part of the image that is on show, again whenever a setting or the view changes. "
            "In a stack, in the plane on show and a few around it. Of a large image only that is computed, so zoom in "
            "first: where most of it is on show, all of it is.",
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
            "Point at an object, and it lights up; click, and it becomes an annotation. While this tab is on show.",
            image,
            model,
            suits,
            (facts.is_embedded or state not in _TRAINS, _NO_PICKING),
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
