"""The bodies of the jobs of a project: save, make, open, finish. No Qt, no napari."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco._qt.project.project_folders import n_closed, note_answered, to_open
from napari_spoco._qt.project.project_writer import SEGMENTATION, TRAIN_ON, TRAINING, ProjectWriter
from napari_spoco._qt.train.run_folders import find_run, last_step
from napari_spoco._qt.train.run_images import ImageWish
from napari_spoco.config import SegmentationConfig, TrainingConfig
from napari_spoco.config_files import read_config
from napari_spoco.review.history import Steps

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco._qt.project.project_session import KeptSession, Saved
    from napari_spoco._qt.project.removed_layers import Removed
    from napari_spoco._qt.train.run_folders import Run
    from napari_spoco.config import Parameters
    from napari_spoco.project.file import ProjectImage
    from napari_spoco.project.project import Project

logger = logging.getLogger(__name__)
_ALONE = " What was painted in it is shown by itself, and saved. Open the image, and choose both in Annotate."


@dataclass(frozen=True, eq=False)
class OpenedImage:
    """An image of a project: `pixels` as a layer has them, `annotations` and `result`, (*spatial); None if missing.

    `steps` are the corrections of the result that can be undone and redone.
    """

    entry: ProjectImage
    pixels: NDArray[Any] | None
    annotations: NDArray[np.int32] | None
    result: NDArray[Any] | None
    steps: Steps


@dataclass(frozen=True, eq=False)
class OpenedProject:
    """What was open of a project, read; so many others were not, and `problems` tell what could not be read.

    `model` was in use, `run` can be resumed; `interrupted` says that it was running, empty if it was not.
    """

    writer: ProjectWriter
    images: tuple[OpenedImage, ...]
    training: TrainingConfig | None
    segmentation: SegmentationConfig | None
    train_on: ImageWish | None
    model: Path | None
    run: Run | None
    chosen: str | None
    n_closed: int
    problems: tuple[str, ...]
    interrupted: str = ""


@dataclass(frozen=True, eq=False)
class ClosedImage:
    """What was removed of an image, read again; `text` names it."""

    image: OpenedImage
    text: str
    problems: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MadeProject:
    """A new project into which everything has been written."""

    writer: ProjectWriter
    saved: Saved


def save(_context: JobContext, writer: ProjectWriter, session: KeptSession) -> Generator[None, None, Saved]:
    """Write what has changed; errors as `ProjectWriter.write`."""
    yield
    return writer.write(session)


def make(
    _context: JobContext, folder: str, before: ProjectWriter, session: KeptSession
) -> Generator[None, None, MadeProject]:
    """Make a project of all that is open; the one that was is let go. Errors as `Project.create`."""
    yield
    writer = ProjectWriter.create(Path(folder))
    try:
        saved = writer.write(session)
    except BaseException:
        writer.close()
        raise
    # What was removed from the layer list is in the former project alone.
    if before.is_untitled and not saved.problems and _n_painted(before) <= _n_painted(writer):
        before.discard()
    before.close()
    return MadeProject(writer, saved)


def open_project(
    _context: JobContext, folder: str, is_untitled: bool, before: ProjectWriter, session: KeptSession
) -> Generator[None, None, OpenedProject | Saved]:
    """Save what is open where it belongs, then read a project, unless there are problems; errors as `ProjectWriter`."""
    yield
    import pandas  # noqa: F401 - of napari, whose first labels would import it on the event loop: that takes a second

    saved = before.write(session)
    if saved.problems:
        return saved
    writer = ProjectWriter(Path(folder).resolve(), is_untitled=is_untitled)
    try:
        return _read(writer)
    except BaseException:
        writer.close()
        raise


def read_closed(_context: JobContext, writer: ProjectWriter, removed: Removed) -> Generator[None, None, ClosedImage]:
    """Read what was removed of an image; errors as `Project.image`, and FileNotFoundError if it could not be saved."""
    yield
    name = removed.find(writer)
    if writer.project is None or name is None:
        raise FileNotFoundError(f"There is nothing of “{removed.text}” in {writer.folder}.")
    problems: list[str] = []
    entry = writer.project.image(name)
    closed = tuple(kind for kind in entry.painted if kind not in removed.kinds)
    image = _read_image(writer.project, entry.model_copy(update={"closed": closed}), problems)
    writer.note_read(name, image.annotations, image.result)
    return ClosedImage(image, removed.text, tuple(problems))


def finish(writer: ProjectWriter, session: KeptSession, joined: Sequence[Path]) -> None:
    """Write for the last time; what cannot be written is logged, since nobody is left to be told."""
    try:
        if not writer.finish(session).problems:
            give_up(joined)
    except Exception:
        logger.exception("What was painted last could not be saved in %s", writer.folder)


def give_up(joined: Sequence[Path]) -> None:
    """Offer projects without a name no more: all that is in them has been written into another one."""
    for folder in joined:
        note_answered(folder)


def _n_painted(writer: ProjectWriter) -> int:
    """Return how many annotations and results a project has."""
    return 0 if writer.project is None else sum(len(image.painted) for image in writer.project.images)


def _read(writer: ProjectWriter) -> OpenedProject:
    project = writer.project
    if project is None:
        raise FileNotFoundError(f"path: there is no project in {writer.folder}.")
    problems: list[str] = []
    model, run_folder, chosen, start, is_training = project.work
    entries = to_open(project.images, chosen)
    images = tuple(_read_image(project, entry, problems) for entry in entries)
    for image in images:
        writer.note_read(image.entry.name, image.annotations, image.result)
    if model is not None and not model.is_file():
        problems.append(f"The model that was in use is gone: {model}")
        model = None
    run = None if run_folder is None else _read_run(run_folder, start, problems)
    return OpenedProject(
        writer,
        images,
        _read_settings(project.path / TRAINING, TrainingConfig(), problems),
        _read_settings(project.path / SEGMENTATION, SegmentationConfig(), problems),
        _read_settings(project.path / TRAIN_ON, ImageWish(), problems),
        model,
        run,
        chosen,
        n_closed(project.images, entries),
        tuple(problems),
        _interrupted(run) if is_training else "",
    )


def _interrupted(run: Run | None) -> str:
    """Say that a training was running when the window went."""
    if run is None:
        return "A training was interrupted before its first autosave; nothing of it is kept."
    step = last_step(run.folder)
    at = "" if step is None else f" at step {step}"
    return f"The training was interrupted{at}; Resume goes on with it."


def _read_image(project: Project, entry: ProjectImage, problems: list[str]) -> OpenedImage:
    name = entry.name
    pixels = annotations = result = None
    steps = Steps()
    try:
        annotations = project.annotations(name) if "annotations" in entry.now_open else None
        result = project.result(name) if "objects" in entry.now_open else None
        if result is not None:
            steps = project.steps(name).fitting(result)
    except (ValueError, OSError) as error:
        problems.append(str(error))
    try:
        pixels = _as_layer_data(project.read_image(name).data, entry)
    except (ValueError, OSError) as error:
        alone = _ALONE * (annotations is not None)
        problems.append(f"“{entry.title or name}” cannot be shown: {error}.{alone}")
    return OpenedImage(entry, pixels, annotations, result, steps)


def _as_layer_data(channels: NDArray[Any], entry: ProjectImage) -> NDArray[Any]:
    """Return (C, *spatial) as a layer has it: colours last, one channel without its axis."""
    if channels.shape[1:] != entry.shape:
        raise ValueError(f"{entry.file}: expected the shape {entry.shape}, got {channels.shape[1:]}")
    if entry.is_rgb:
        return np.moveaxis(channels[:3], 0, -1)
    return channels[0] if len(channels) == 1 else channels


def _read_run(folder: Path, start: Path | None, problems: list[str]) -> Run | None:
    """Return a training and what it began with; None where it has kept nothing to go on from."""
    try:
        run = find_run(folder)
    except ValueError as error:
        problems.append(str(error))
        return None
    return run if run is None or start is None else replace(run, start_from=str(start))


def _read_settings(path: Path, base: Any, problems: list[str]) -> Any:
    """Return settings on top of others; None where there are none that can be read."""
    try:
        return _read_parameters(path, base)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        problems.append(str(error))
        return None


def _read_parameters(path: Path, base: Parameters) -> Parameters:
    return read_config(path, base)
