"""What the foot of the dock says is to be done next: a table by tab, and by what the session is doing. Pure.

Of the rows of a tab the first whose condition holds is the one. `{start}` stands for what the button of the training
says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_spoco._qt.session import START_TEXTS, SessionFacts, SessionState, Start, derive_start

if TYPE_CHECKING:
    from collections.abc import Callable


class _Case(NamedTuple):
    """What a condition looks at; `n` objects are painted."""

    facts: SessionFacts
    n: int

    @property
    def can_use_model(self) -> bool:
        return self.facts.has_model and not self.facts.mismatch

    @property
    def is_misfit(self) -> bool:
        """Whether the model is in the way: it does not suit the image, and would be used."""
        return bool(self.facts.mismatch) and derive_start(self.facts) is Start.FINE_TUNE


_Rows = tuple[tuple["Callable[[_Case], bool]", str], ...]
_PAINT_ONE = "Paint over one object. Press New object for the next one, and paint that."
_PAINT_MORE = "Press New object and paint a few more: five or six are a good start."
_OPEN = "Open an image, or try File > Open Sample > SPOCO."
_MISMATCH, _HINDRANCE, _ADVICE = "{mismatch}", "{hindrance}", "{advice}"
_IN_PIXELS = "The pixel size is not known, so all sizes will be in pixels: enter it in Annotate. Then press Save…"


def _always(_case: _Case) -> bool:
    return True


def _has_no_image(case: _Case) -> bool:
    return not case.facts.has_image


_ANNOTATE: _Rows = (
    (_has_no_image, _OPEN),
    (lambda case: case.is_misfit, _MISMATCH),
    (
        lambda case: case.n == 0 and bool(case.facts.unlike),
        "Press New object, and paint what a new model is to learn.",
    ),
    (
        lambda case: case.n == 0 and case.facts.has_found,
        "Objects are found: go on to Review and Export. Or press New object to paint what the model is to learn.",
    ),
    (
        lambda case: case.n == 0 and case.can_use_model,
        "Press Segment (tab Segment), or New object to paint what the model is to learn.",
    ),
    (lambda case: not case.facts.has_annotations, "Press New object to start painting."),
    (lambda case: case.n == 0, _PAINT_ONE),
    (lambda case: case.n == 1, _PAINT_MORE),
    (lambda case: not case.can_use_model, "Paint more objects, or press {start} (tab Train)."),
    (
        lambda case: case.facts.has_found,
        "Paint more objects and press {start} (tab Train), or go on to Review and Export.",
    ),
    (_always, "Paint more objects and press {start} (tab Train), or press Segment (tab Segment)."),
)
_TRAIN: _Rows = (
    (_has_no_image, _OPEN),
    (lambda case: case.is_misfit, _MISMATCH),
    (
        lambda case: case.n <= 1 and case.facts.is_one_of_several,
        "Several images are annotated: choose all of them in Train on. Or paint more objects (tab Annotate).",
    ),
    (lambda case: not case.facts.has_annotations, "First press New object (tab Annotate), and paint a few objects."),
    (lambda case: case.n == 0, "First paint a few objects (tab Annotate)."),
    (lambda case: case.n == 1, "Paint a few more objects first (tab Annotate): five or six are a good start."),
    (lambda case: not case.can_use_model, "Paint more objects (tab Annotate), or press {start}."),
    (_always, "Press {start} to teach the model what is painted, or go on to Segment."),
)
_PICK = (
    "Point at an object, and it lights up; click, and it becomes an annotation. Shift and the mouse wheel: more or "
    "less of it."
)
_NO_SHIPPED = (
    "This image is bright, which no shipped model knows: paint a few objects (tab Annotate) and train a new model (tab "
    "Train)."
)
_EMBEDDINGS: _Rows = (
    (_has_no_image, _OPEN),
    (lambda case: bool(case.facts.mismatch), _MISMATCH),
    (lambda case: not case.facts.has_model and case.facts.is_bright, _NO_SHIPPED),
    (lambda case: not case.facts.has_model, "Take a shipped model (tab Segment), or train one (tab Train)."),
    (lambda case: bool(case.facts.hindrance), _HINDRANCE),
    (lambda case: case.facts.is_picking, _PICK),
    (_always, "Press Show embeddings, or tick Pick objects with the mouse. Segment does not need either."),
)
_SEGMENT: _Rows = (
    (_has_no_image, _OPEN),
    (lambda case: bool(case.facts.mismatch), _MISMATCH),
    (lambda case: bool(case.facts.hindrance), _HINDRANCE),
    (lambda case: not case.facts.has_model and case.facts.is_bright, _NO_SHIPPED),
    (
        lambda case: not case.facts.has_model,
        "Take a shipped model, or load one; or paint a few objects (tab Annotate) and train one (tab Train).",
    ),
    (
        lambda case: case.facts.has_found and bool(case.facts.unlike),
        "If these are not your objects, paint a few of them (tab Annotate), and train a new model (tab Train).",
    ),
    (
        lambda case: case.facts.has_found and bool(case.facts.few_steps),
        "If these are pieces of your objects, train the model on (tab Train), and press Segment again.",
    ),
    (
        lambda case: case.facts.has_found,
        "Objects are found: look through them in Review, save them in Export. With other settings press Segment again.",
    ),
    (_always, "Press Segment. To try the model on a part of a large image first, press Crop here (tab Annotate)."),
)
_REVIEW: _Rows = (
    (
        lambda case: case.facts.is_reviewing,
        "Accept what is right, correct what is wrong, as many as you like. Then save in Export.",
    ),
    (lambda case: case.facts.has_labels or case.facts.has_found, "Choose the objects, and press Start review."),
    (_always, "Nothing to review yet: press Segment (tab Segment), or open a Labels layer."),
)
_EXPORT: _Rows = (
    (
        lambda case: not case.facts.has_labels and not case.facts.has_found,
        "Nothing to save yet: press Segment (tab Segment), or open a Labels layer.",
    ),
    (lambda case: not case.facts.has_labels, "Choose the labels to save."),
    (lambda case: case.facts.has_image and not case.facts.has_voxel_size, _IN_PIXELS),
    (_always, "Press Save… for the labels; a name that ends in .csv gets a table of their sizes."),
)
_BATCH: _Rows = (
    (
        lambda case: case.facts.is_in_batch,
        "The batch runs by itself; you may go on in the other tabs. Stop ends it after the current tile.",
    ),
    (lambda case: bool(case.facts.batch_advice), _ADVICE),
    (_always, "Add files, choose a model and a folder for the results, and press Run."),
)
HINTS: dict[str, _Rows] = {
    "Annotate": _ANNOTATE,
    "Train": _TRAIN,
    "Embeddings": _EMBEDDINGS,
    "Segment": _SEGMENT,
    "Review": _REVIEW,
    "Export": _EXPORT,
    "Batch": _BATCH,
}
"""By the title of the tab on show, while no job runs."""
_TRAINS = "You may go on painting: the training takes it in."
_PREDICTS = "The model looks at the whole image. You may go on painting; Cancel (tab Segment) gives up."
_SEGMENTS = "The objects are being found in the whole image. You may go on painting; Cancel (tab Segment) gives up."
BUSY_HINTS: dict[SessionState, dict[str, str]] = {
    SessionState.TRAINING: {
        "": _TRAINS,
        "Train": f"{_TRAINS} Stop keeps what was learned so far.",
        "Embeddings": "Show embeddings, and picking in an image that has not been embedded, wait for the end of the "
        "training; Stop (tab Train) ends it.",
        "Segment": "Segment waits for the end of the training; Stop (tab Train) ends it. Preview works meanwhile.",
    },
    SessionState.STOPPING: {"": "The last step is being finished and the model saved. Stop now gives the rest up."},
    SessionState.LOADING: {"": "One moment: the model is being loaded."},
    SessionState.PREDICTING: {"": _PREDICTS, "Segment": _PREDICTS.replace(" (tab Segment)", "")},
    SessionState.SEGMENTING: {"": _SEGMENTS, "Segment": _SEGMENTS.replace(" (tab Segment)", "")},
}
"""By what is being done, and by tab; "" is for those that are not named."""
_OF_THEIR_OWN = ("Review", "Export", "Batch", "Embeddings")
"""Tabs in which a job does not keep anybody from going on, who has begun."""
_WITH_MODEL = ("Embeddings", "Segment")


def next_step(state: SessionState, facts: SessionFacts, n_objects: int, tab: str = "Annotate") -> str:
    """Say in a sentence what the user should do next, in the tab of this title."""
    if state.is_busy and not (tab in _OF_THEIR_OWN and _is_open(facts, tab)):
        by_tab = BUSY_HINTS[state]
        return by_tab.get(tab, by_tab[""])
    case = _Case(facts, n_objects)
    text = next(text for holds, text in HINTS[tab] if holds(case))
    start = START_TEXTS[derive_start(facts)][0]
    return text.format(start=start, mismatch=facts.mismatch, hindrance=facts.hindrance, advice=facts.batch_advice)


def warn(facts: SessionFacts, tab: str) -> str:
    """Say what is likely to go wrong if one goes on in a tab; empty where nothing is."""
    is_used = tab in _WITH_MODEL or (tab == "Train" and derive_start(facts) is not Start.NEW)
    return (facts.unlike or facts.few_steps or facts.unknown_size) if is_used else ""


def _is_open(facts: SessionFacts, tab: str) -> bool:
    return {"Review": facts.is_reviewing, "Export": facts.has_labels, "Embeddings": facts.is_picking}.get(tab, True)
