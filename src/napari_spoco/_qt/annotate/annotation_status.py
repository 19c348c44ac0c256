"""What can be done while annotating, by button and by key, and what the window advises. Pure: no Qt, no napari."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from napari_spoco._qt.jobs.files_job import AnnotationSummary
from napari_spoco._qt.review.review_status import Action

if TYPE_CHECKING:
    from napari_spoco.config import AnnotationConfig

BACKGROUND_BRUSH = 7
"""Pixels; strokes of this width were tried (docs/benchmarks.md)."""
ENOUGH_OBJECTS = 5
_NARROW = 1 / 3
"""Share of the planes; objects whose middles all lie within are not spread."""

PAINTING = (
    Action("new_object", "New object", "D", "Take the brush with the next free label, and paint one whole object."),
    Action(
        "paint_background",
        "Background",
        "K",
        "Take the brush for strokes of background: what belongs to no object. A few are enough. The first time, a free "
        "label is chosen for it, and noted in Train > Advanced settings > Annotations.",
    ),
    Action(
        "paint_ignore",
        "Ignore",
        "",
        "Take the brush for regions that are to take no part in the training, such as dirt. The label is chosen as for "
        "Background.",
    ),
)
TOOLS = (
    Action(
        "interpolate",
        "Interpolate",
        "I",
        "Fill the object of the brush in the planes between those in which it is painted. Only unlabeled pixels are "
        "painted.",
    ),
    Action("jump_next", "Next", "T", "Go to the next object of the list, and paint on with it."),
    Action("delete_selected", "Delete", "", "Remove the objects that are selected in the list; undo takes it back."),
)
WORK_BOX = (
    Action(
        "crop_here",
        "Crop here",
        "",
        "For large images: make layers of the part that is on show (of a stack, with all planes), to annotate or to "
        "try a model there; both are quick again.",
    ),
    Action(
        "write_back",
        "Write back",
        "",
        "Put what has changed in the work box into the annotations that it was cropped from, and close the box.",
    ),
)
ACTIONS = (*PAINTING, *TOOLS, *WORK_BOX)
_WAIT = "Wait a moment: the last change is still being made."
_NEEDS_COUNT = {*(action.name for action in PAINTING), "interpolate", "jump_next"}
_OTHER_SHAPE = (
    "These annotations do not have the shape of the image as it is read, and are not saved with it: choose the image "
    "that they belong to, or press New."
)
_IS_BOX = "This is a work box already: write it back first."
IMPORT = "import"
"""Has a form instead of a button and a key."""


class Elsewhere(NamedTuple):
    """The other images that are trained on with this one, as far as is known.

    `n_objects` are painted in them; `next_image` is the name of one in which the next object is worth most, empty for
    none.
    """

    n_objects: int = 0
    next_image: str = ""


_NOWHERE = Elsewhere()


@dataclass(frozen=True)
class AnnotationStatus:
    """How things stand.

    Attributes
    ----------
    has_image : bool
        Whether an image is chosen.
    is_open, is_paintable : bool
        Whether annotations are chosen; whether they lie in memory, so that they can be changed.
    may_set_labels : bool
        Whether the meaning of labels may be set now; a running training has its own.
    is_working : bool
        Whether a tool is at work.
    is_box, is_croppable : bool
        Whether image and annotations are a work box; whether they are of the same shape, so that both can be cropped.
    summary : AnnotationSummary
        What is painted.
    uncounted : str
        Why that is not known, so that any id may be in use; empty where it is.
    meaning : AnnotationConfig or None
        Of labels; None where the settings are wrong.
    label : int
        Of the brush.
    axis : int
        Along which the view shows one plane.
    has_selection : bool
        Whether rows of the list are selected.
    elsewhere : Elsewhere
        How other images are annotated.
    """

    has_image: bool = False
    is_open: bool = False
    is_paintable: bool = False
    may_set_labels: bool = True
    is_working: bool = False
    is_box: bool = False
    is_croppable: bool = False
    summary: AnnotationSummary = field(default_factory=AnnotationSummary)
    uncounted: str = ""
    meaning: AnnotationConfig | None = None
    label: int = 0
    axis: int = 0
    has_selection: bool = False
    elsewhere: Elsewhere = _NOWHERE

    def reason(self, name: str) -> str:
        """Say why an action is not possible; empty where it is."""
        if not self.is_open:
            return self._reason_while_closed(name)
        if not self.is_paintable:
            return "These annotations cannot be painted here: their pixels are not in memory. Press New for others."
        if self.meaning is None:
            return "Correct Train > Advanced settings > Annotations first."
        if name in _NEEDS_COUNT and self.uncounted:
            return self.uncounted
        if name in ("paint_background", "paint_ignore") and not self.may_set_labels:
            label = self.meaning.background_label if name == "paint_background" else self.meaning.ignore_label
            return "" if label is not None else "Wait for the end of the training: it takes every label for an object."
        if name in ("interpolate", "delete_selected", "crop_here", "write_back", IMPORT) and self.is_working:
            return _WAIT
        if name == "interpolate":
            return self._reason_against_filling()
        if name == "crop_here" and not self.is_croppable:
            return "Choose the image that these annotations belong to first: both must have the same shape."
        if name == "crop_here" and self.is_box:
            return _IS_BOX
        if name == "write_back" and not self.is_box:
            return "These annotations are no work box: press Crop here to make one."
        if name == "jump_next" and not len(self.summary.objects):
            return "Nothing is painted yet."
        if name == "delete_selected" and not self.has_selection:
            return "Select objects in the list first."
        return ""

    @property
    def brush(self) -> str:
        """Say what the brush paints."""
        if not self.is_open or self.meaning is None:
            return ""
        if self.label == 0:
            return "The brush erases."
        names = {self.meaning.background_label: "background", self.meaning.ignore_label: "what is ignored"}
        if self.label in names:
            return f"The brush paints {names[self.label]} (label {self.label})."
        return f"The brush paints object {self.label}."

    @property
    def advice(self) -> str:
        """Say how much of the image is annotated, and what to annotate next."""
        summary = self.summary
        if self.is_open and self.has_image and not self.is_croppable:
            return _OTHER_SHAPE
        if not self.is_open or not len(summary.objects):
            return ""
        whole = "volume" if len(summary.shape) == 3 else "image"
        return f"{_percent(summary.share)} of the {whole} is annotated. {advise(summary, self.elsewhere)}".rstrip()

    def _reason_while_closed(self, name: str) -> str:
        if not self.has_image:
            return "Open or choose an image first."
        if name == "crop_here":
            return self._reason_against_cropping()
        return "" if name == "new_object" else "Press New object first, or choose annotations."

    def _reason_against_cropping(self) -> str:
        """Say why an image without annotations cannot be cropped."""
        if self.is_working:
            return _WAIT
        if not self.is_croppable:
            return "This image cannot be used as it is: the line below Image, in Annotate, says what to do."
        return "This is a part of an image already: choose the whole first." if self.is_box else ""

    def _reason_against_filling(self) -> str:
        if len(self.summary.shape) != 3:
            return "There are no planes to fill: the annotations are 2D."
        objects = self.summary.objects
        row = objects.row(self.label)
        if self.label < 1 or row is None:
            return "Choose a painted object first: click on it in the list."
        n_planes = int(objects.last[row, self.axis] - objects.first[row, self.axis]) + 1
        if n_planes == 1:
            return f"Paint object {self.label} in another plane, too: it is in one only."
        if self.axis == 0 and objects.n_planes[row] == n_planes:
            return f"Object {self.label} is painted in every plane from its first to its last."
        return ""


def advise(summary: AnnotationSummary, elsewhere: Elsewhere = _NOWHERE) -> str:
    """Say what to annotate next, as docs/benchmarks.md supports it; empty where there is nothing to say.

    Strokes help whatever else is painted. Of as many objects, one in each of several images are the best (Table 16 of
    the paper, too) and neighbours in one image the worst: a pair or two that touch are asked for, and no more.
    """
    objects = summary.objects
    middles = objects.middles[objects.ids > 0]
    if summary.n_objects + elsewhere.n_objects >= ENOUGH_OBJECTS and summary.n_objects and not summary.n_background:
        return "Paint a few strokes of background as well: unpainted is unknown, not background."
    if summary.n_objects and elsewhere.next_image:
        return (
            f"Paint the next one in “{elsewhere.next_image}”: objects of several images teach more than as many of "
            "one. Where two touch, paint both."
        )
    if 0 < summary.n_objects + elsewhere.n_objects < ENOUGH_OBJECTS:
        return "Five or six objects are a good start."
    if summary.n_objects and not summary.n_touching:
        return "Where objects touch, paint both of a pair or two: they teach where one object ends."
    if len(summary.shape) == 3 and len(middles) and summary.shape[0] > ENOUGH_OBJECTS:
        extent = int(middles[:, 0].max() - middles[:, 0].min() + 1)
        if extent < _NARROW * summary.shape[0]:
            return "All objects lie in few planes: take some from other depths."
    return ""


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %" if percent >= 0.01 else "Less than 0.01 %"
