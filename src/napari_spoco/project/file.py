"""`project.toml`: what a project keeps of its images beside their pixels.

This module alone knows how the file is written; what it is for stands in `project`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from napari_spoco.config import AnnotationConfig, Parameters
from napari_spoco.config_files import parse_parameters, read_document
from napari_spoco.data.writers import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

    Box = tuple[slice, ...]

FORMAT_VERSION = 1

PaintedLayer = Literal["annotations", "objects"]
ShownLayer = Literal["image", "annotations", "objects"]


class Placement(Parameters):
    """Where an image lies in the world of a viewer, per spatial axis, as napari's layers have it."""

    scale: tuple[float, ...]
    translate: tuple[float, ...]
    rotate: tuple[tuple[float, ...], ...]
    shear: tuple[float, ...]
    affine: tuple[tuple[float, ...], ...]
    units: tuple[str, ...]
    axis_labels: tuple[str, ...]


class ReviewEmbeddings(Parameters):
    """By which embeddings objects are measured, so that they can be measured alike once more.

    `key` and `teacher_key` are names among the embeddings that are kept on this computer, of which the first `n_dims`
    values of a pixel count; `delta_var` and `kernel_threshold` are those of the model. `teacher_key` is that of the
    other network, the student where `key` is of the teacher; None where they were not compared.
    """

    key: str = Field(pattern="^[0-9a-f]+-(student|teacher)$")
    teacher_key: str | None = Field(None, pattern="^[0-9a-f]+-(student|teacher)$")
    n_dims: int = Field(gt=0)
    delta_var: float
    kernel_threshold: float


class ReviewDecisions(Parameters):
    """How far the review of found objects has come, by their ids: what is decided, and which object was looked at.

    `embeddings` are those that take part in the order of the objects; None where it is by shape and size alone.
    """

    accepted: tuple[int, ...] = ()
    rejected: tuple[int, ...] = ()
    current: int | None = None
    embeddings: ReviewEmbeddings | None = None

    def common(self, other: ReviewDecisions) -> ReviewDecisions:
        """Return what both have decided alike, in the order of this one."""
        accepted, rejected = {*self.accepted} & {*other.accepted}, {*self.rejected} & {*other.rejected}
        alike = {"accepted": tuple(sorted(accepted)), "rejected": tuple(sorted(rejected))}
        return ReviewDecisions(**alike, embeddings=self.embeddings)


class ProjectImage(Parameters):
    """What `project.toml` says of one image.

    `file` is absolute or relative to the project's folder, empty where the image itself is not kept; like it are
    `annotation_file` and `result_file`, which are None until something is painted or found. `shape` is (*spatial);
    `boxes` are the regions in which everything is annotated, (start, stop) per axis. `title` is how the image is called
    on show, its name if empty; `is_rgb` says that its channels are colours, and `channels` are their names, if they
    have some. `review` is that of the found objects.
    `looks` are colormap, darkest and brightest value of each channel, where channels are on show in place of the image.
    `found_title` is how the layer of the found objects is called, if not as usual; `found_as` says what it is in the
    window, empty where the user has changed it, and `found_by` how they were found, in JSON.
    `n_painted` and `n_found` are numbers of objects; `is_copy` says that the image is a part of another one, with a
    copy of what is painted there, and `part_of` names the entry of that one, if the project has it. Of its layers,
    `closed` are those that the user has taken out of the viewer, and `hidden` those that were there, but not seen, when
    it was written last.
    """

    name: str
    file: str
    shape: tuple[int, ...] = Field(min_length=2, max_length=3)
    annotation_file: str | None = None
    boxes: tuple[tuple[tuple[int, int], ...], ...] = ()
    meaning: AnnotationConfig = AnnotationConfig()
    result_file: str | None = None
    found_title: str = ""
    found_as: str = ""
    found_by: str = ""
    review: ReviewDecisions = ReviewDecisions()
    title: str = ""
    is_rgb: bool = False
    channels: tuple[str, ...] = ()
    looks: tuple[tuple[str, float, float], ...] = ()
    placement: Placement | None = None
    n_painted: int = 0
    n_found: int = 0
    closed: tuple[ShownLayer, ...] = ()
    hidden: tuple[ShownLayer, ...] = ()
    is_copy: bool = False
    part_of: str = ""

    @property
    def source(self) -> str:
        """What several entries of one image have in common: its file."""
        return self.file or f"entry {self.name}"

    @property
    def painted(self) -> tuple[PaintedLayer, ...]:
        """What there is of the image beside its pixels."""
        files: dict[PaintedLayer, str | None] = {"annotations": self.annotation_file, "objects": self.result_file}
        return tuple(kind for kind, file in files.items() if file is not None)

    @property
    def is_reviewed(self) -> bool:
        """Whether a review of the found objects has been begun."""
        return self.review != ReviewDecisions()

    @property
    def now_open(self) -> tuple[PaintedLayer, ...]:
        """What of it was open when the project was written last."""
        return tuple(kind for kind in self.painted if kind not in self.closed)

    @property
    def is_open(self) -> bool:
        """Whether it was open at all."""
        return bool(self.now_open) or not (self.painted or "image" in self.closed)

    @property
    def slices(self) -> tuple[Box, ...]:
        """The boxes as `SparseAnnotations.from_labels` takes them."""
        return tuple(tuple(slice(start, stop) for start, stop in box) for box in self.boxes)


class ProjectWork(NamedTuple):
    """What is worked with: the file of the model in use, the training that can be resumed, the name of the image.

    `start` is the file of the model that the training began with; None where that was a new one, or is not known.
    `is_training` says that the training was still running.
    """

    model: Path | None = None
    run: Path | None = None
    chosen: str | None = None
    start: Path | None = None
    is_training: bool = False


class ProjectFile(Parameters):
    """All of `project.toml`.

    `model`, `run`, `chosen`, `start` and `is_training` are those of `ProjectWork`; paths are absolute or relative to
    the project's folder.
    """

    name: str
    format_version: int = FORMAT_VERSION
    model: str | None = None
    run: str | None = None
    chosen: str | None = None
    start: str | None = None
    is_training: bool = False
    images: tuple[ProjectImage, ...] = ()


def read_project_file(path: Path) -> ProjectFile:
    """Read the file.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is broken, has two images of one name, or is of a newer version.
    """
    values = read_document(path)
    version = values.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ValueError(f"{path}: expected format_version {FORMAT_VERSION}, got {version}; update napari-spoco")
    content = parse_parameters(ProjectFile, values, source=str(path))
    names = [image.name for image in content.images]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path}: images: expected one of each name, got {name!r} twice")
    return content


def write_project_file(path: Path, content: ProjectFile) -> None:
    """Write or replace the file, all or nothing."""
    lines = [f"name = {_toml(content.name)}", f"format_version = {content.format_version}"]
    known = {"model": content.model, "run": content.run, "chosen": content.chosen, "start": content.start}
    lines += [f"{name} = {_toml(value)}" for name, value in known.items() if value is not None]
    lines += ["is_training = true"] if content.is_training else []
    for image in content.images:
        values = image.model_dump(mode="json", exclude_defaults=True)
        lines += ["", "[[images]]", *(f"{name} = {_toml(value)}" for name, value in values.items())]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: Any) -> str:
    """Write text, numbers, truth values, lists and tables; of strings, TOML reads all that JSON writes but DEL."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {_toml(part)}' for name, part in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
