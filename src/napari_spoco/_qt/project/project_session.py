"""What a project keeps of a window, frozen: taken on the event loop, written in a thread. No Qt, no napari."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from napari_spoco._qt.annotate.channel_looks import ChannelLook
    from napari_spoco._qt.review.review_notes import ReviewNote
    from napari_spoco.config import AnnotationConfig
    from napari_spoco.project.file import PaintedLayer, Placement, ProjectImage, ReviewDecisions, ShownLayer
    from napari_spoco.training.process import Box


@dataclass(frozen=True, eq=False)
class KeptImage:
    """An image with what was painted for it, or found in it.

    `key` is what these annotations, or objects, as `kind` says, are known by as long as their layer lives, and
    `image_key` the image. `pixels`, (*spatial) or (C, *spatial), or (*spatial, C) of colours as `is_rgb` says, are the
    layer's own; so are `annotations` and `result`, (*spatial), or None where they have not changed;
    `review` is what is decided about the result, None where nothing was, and `note` what is noted at its layer, which
    goes on; `holder` is the object that is replaced when the image is. `file` is where the image was read from, if
    anywhere. `opened` are its layers in the viewer, none where they are leaving it, and `hidden` those not seen there.
    `found_title` is the name of the layer of objects, `found_as` its role, and `found_by` how they were found.
    `is_copy` says that its annotations are copied from those of another image; `whole` are, where they are known, what
    the annotations and the image that these are a part of are known by. `channels` are the names of the
    channels, if they have some, and `looks` how these look that are on show in place of the image.
    `alone` is what a project has of an image that is not there, of which only the annotations are written: `pixels` and
    `holder` are None then.
    """

    key: str
    image_key: str
    title: str
    file: str | None
    pixels: Any
    holder: Any
    is_rgb: bool
    placement: Placement | None
    annotations: Any = None
    boxes: tuple[Box, ...] | None = None
    result: Any = None
    review: ReviewDecisions | None = None
    note: ReviewNote | None = None
    opened: tuple[ShownLayer, ...] = ()
    hidden: tuple[ShownLayer, ...] = ()
    channels: tuple[str, ...] = ()
    kind: PaintedLayer = "annotations"
    found_title: str = ""
    found_as: str = ""
    found_by: str = ""
    is_copy: bool = False
    whole: tuple[str, str] = ("", "")
    looks: tuple[ChannelLook, ...] = ()
    alone: ProjectImage | None = None


@dataclass(frozen=True, eq=False)
class KeptSession:
    """All that a project keeps of a window; settings as JSON, None where they cannot be read.

    `model`, `run`, `start` and `is_training` are those of `ProjectWork`.
    """

    images: tuple[KeptImage, ...]
    chosen: str | None
    meaning: AnnotationConfig | None
    training: str | None
    segmentation: str | None
    model: Path | None
    run: Path | None
    start: Path | None = None
    train_on: str | None = None
    is_training: bool = False


@dataclass(frozen=True)
class Saved:
    """When something was saved, what could not be, and for how many seconds it took; `time` is None for nothing."""

    time: datetime | None
    problems: tuple[str, ...]
    seconds: float
