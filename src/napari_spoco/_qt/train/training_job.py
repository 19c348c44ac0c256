"""The bodies of the training jobs: check the input, run the child process, pass on what it says and what is painted.

No Qt, no torch.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_spoco._qt.train.painted import PaintedCopy
from napari_spoco._qt.train.run_folders import discard_unless_kept
from napari_spoco._qt.train.run_images import has_run_images, write_run_images
from napari_spoco.data.annotations import SparseAnnotations, check_annotations
from napari_spoco.data.channels import count_channels, take_channels
from napari_spoco.data.images import as_channels_first
from napari_spoco.data.writers import check_folder
from napari_spoco.training.process import TrainingProcess, TrainingRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco._qt.layers.sources import ImageSource
    from napari_spoco._qt.train.run_images import RunImage
    from napari_spoco.config import TrainingConfig
    from napari_spoco.training.process import AnnotationUpdate, Box, ViewUpdate
    from napari_spoco.training.reports import TrainingMessage

_PATIENCE = 10.0
"""Seconds that a training has to save itself when the window closes."""


class Process(Protocol):
    """What the window needs of a training process; `TrainingProcess` is one."""

    def start(self) -> None:
        """Start the child."""

    def messages(self) -> Iterator[TrainingMessage]:
        """Yield what the child says until it ends."""

    def update_annotations(self, update: AnnotationUpdate) -> bool:
        """Send what has been painted; may take a while."""

    def update_view(self, update: ViewUpdate) -> bool:
        """Say what is on show."""

    def request_stop(self) -> None:
        """Ask the child to save and end."""

    def leave(self) -> None:
        """Ask the child to save and end, and hear no more of it."""

    def kill(self, patience: float = 0.0) -> None:
        """End the child, unless it has ended by itself after so many seconds."""


@dataclass(frozen=True, eq=False)
class AnnotatedSource:
    """An image and what is painted into it: `labels` are the layer's own pixels, copied in the job's thread.

    `boxes` are fully annotated; `about` is kept with the run.
    """

    image: ImageSource
    labels: Any
    boxes: tuple[Box, ...]
    about: RunImage


@dataclass(frozen=True, eq=False)
class TrainingInputs:
    """What the user has chosen.

    `folder` is where the run is kept; it is there already where it is to be resumed, with the same images.
    """

    images: tuple[AnnotatedSource, ...]
    config: TrainingConfig
    folder: str
    resume: bool = False
    start_from: str | None = None


@dataclass(frozen=True)
class TrainedImages:
    """Which of the images of the inputs are trained on: those with an object. Comes before all other messages."""

    indices: tuple[int, ...]


class ProcessHandle:
    """Stops or kills a process from any thread, at any time: before it starts, while it runs and after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._painted: Sequence[PaintedCopy] = ()
        self._stop = self._kill = self._is_left = False

    @property
    def is_killed(self) -> bool:
        """Whether the user ended the process at once."""
        return self._kill

    def start(self, process: Process, painted: Sequence[PaintedCopy]) -> bool:
        """Start the process, which gets `painted`, unless it was killed beforehand; return whether it was started."""
        with self._lock:
            if self._kill or self._is_left:
                return False
            self._process, self._painted = process, painted
            if self._stop:
                process.request_stop()
        # Outside of the lock: starting takes seconds, and Stop must not wait for it.
        process.start()
        if self._kill:
            process.kill()
        return True

    def send_painted(self, pixels: Mapping[int, Any]) -> None:
        """Send what has changed since in the pixels of layers, by the index of their images; for one thread.

        Raises ValueError for ids that mean nothing.
        """
        with self._lock:
            process, painted = self._process, self._painted
        if process is None:
            return
        for index, layer_pixels in pixels.items():
            if (update := painted[index].take_changes(layer_pixels)) is not None:
                process.update_annotations(update)

    def send_view(self, view: ViewUpdate) -> None:
        """Say what is on show; for the thread that sends what is painted."""
        with self._lock:
            process = self._process
        if process is not None:
            process.update_view(view)

    def request_stop(self) -> None:
        """Ask for a stop, now or as soon as there is a process."""
        with self._lock:
            self._stop = True
            if self._process is not None:
                self._process.request_stop()

    def kill(self) -> None:
        """End the process at once, or keep it from starting."""
        self._kill = True
        self.close()

    def leave(self) -> None:
        """Let the process save and end by itself, heard by nobody: the window closes. Returns at once.

        The thread that waits for that is no daemon, so that the interpreter waits, too.
        """
        with self._lock:
            was_left, self._is_left = self._is_left, True
            process = self._process
        if process is not None and not was_left:
            process.leave()
            threading.Thread(target=self.close, name="spoco-training-end").start()

    def close(self) -> None:
        """See to it that no process runs any more; one that was left has a little time."""
        with self._lock:
            process = self._process
        if process is not None:
            process.kill(_PATIENCE if self._is_left and not self._kill else 0.0)


def run_training(
    context: JobContext,
    inputs: TrainingInputs,
    handle: ProcessHandle,
    make_process: Callable[[TrainingRequest], Process] = TrainingProcess,
) -> Generator[TrainingMessage | TrainedImages, None, None]:
    """Train in a child process and yield its messages; the child never outlives this generator.

    Raises
    ------
    ValueError
        Images or annotations cannot be trained on; no process was started.
    OSError
        The model could not be saved; no process was started.
    """
    _check_folder(Path(inputs.folder).parent)
    labels = [np.array(source.labels) for source in inputs.images]
    kept = range(len(labels)) if inputs.resume else _with_objects(inputs, labels)
    chosen, painted = [inputs.images[index] for index in kept], [labels[index] for index in kept]
    process = make_process(_make_request(inputs, chosen, painted))
    yield TrainedImages(tuple(kept))
    copies = [PaintedCopy(array, index) for index, array in enumerate(painted)]
    if context.is_cancelled() or not handle.start(process, copies):
        return
    try:
        for message in process.messages():
            _note_images(inputs.folder, chosen)
            yield message
    finally:
        handle.close()
        _note_images(inputs.folder, chosen)
        if not inputs.resume:
            discard_unless_kept(inputs.folder)


def send_painted(_context: JobContext, pixels: Mapping[int, Any], handle: ProcessHandle) -> Generator[None, None, None]:
    """Send the training process what has been painted since the last time; see `ProcessHandle.send_painted`."""
    yield
    handle.send_painted(pixels)


def send_view(_context: JobContext, view: ViewUpdate, handle: ProcessHandle) -> Generator[None, None, None]:
    """Say what is on show; see `ProcessHandle.send_view`."""
    yield
    handle.send_view(view)


def _note_images(folder: str, chosen: Sequence[AnnotatedSource]) -> None:
    """Keep with the run on what it is made, as soon as it has a folder."""
    if not has_run_images(folder) and Path(folder).is_dir():
        write_run_images(folder, [source.about for source in chosen])


def _with_objects(inputs: TrainingInputs, labels: Sequence[NDArray[np.integer]]) -> Sequence[int]:
    """Return the indices of the images into which an object is painted; all where that is none, to be refused."""
    meaning = inputs.config.annotations
    ignored = [value for value in (0, meaning.background_label, meaning.ignore_label) if value is not None]
    kept = [index for index, array in enumerate(labels) if not np.isin(array, ignored).all()]
    return kept or range(len(labels))


def _make_request(
    inputs: TrainingInputs, chosen: Sequence[AnnotatedSource], labels: Sequence[NDArray[np.integer]]
) -> TrainingRequest:
    """Check everything that can be checked before a process is worth its start."""
    channels = inputs.config.channels
    pixels = [as_channels_first(np.asarray(source.image.data), ndim=source.image.ndim) for source in chosen]
    taken = [
        take_channels(image, channels, name=f"image “{source.image.name}”")
        for source, image in zip(chosen, pixels, strict=True)
    ]
    for source, image, painted in zip(chosen, taken, labels, strict=True):
        _check_alike(source, image, chosen[0], taken[0])
        name = "annotations" if len(chosen) == 1 else f"annotations of “{source.image.name}”"
        stated = SparseAnnotations.from_labels(painted, boxes=source.boxes, config=inputs.config.annotations, name=name)
        check_annotations(stated, image.shape[1:], name=name, may_be_empty=inputs.resume and len(chosen) > 1)
    return TrainingRequest(
        images=tuple(pixels),
        annotations=tuple(labels),
        config=inputs.config,
        folder=inputs.folder,
        resume=inputs.resume,
        start_from=inputs.start_from,
        voxel_size=tuple(source.image.geometry.scale for source in chosen),
        units=tuple(source.image.geometry.units for source in chosen),
        boxes=tuple(source.boxes for source in chosen),
    )


def _check_alike(
    source: AnnotatedSource, image: NDArray[Any], first: AnnotatedSource, first_image: NDArray[Any]
) -> None:
    """Make sure that what is taken of an image, (C, *spatial), has as many axes and channels as of the first one."""
    if (image.ndim, image.shape[0]) != (first_image.ndim, first_image.shape[0]):
        raise ValueError(
            f"images: expected all to be {_kind(first_image)}, as “{first.image.name}” is, got {_kind(image)} in the "
            f"layer “{source.image.name}”."
        )


def _kind(image: NDArray[Any]) -> str:
    return f"{image.ndim - 1}D with {count_channels(image.shape[0])}"


def _check_folder(folder: Path) -> None:
    """Make sure now that the model can be saved at the end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_folder(folder)
    except OSError as error:
        raise OSError(f"Models cannot be saved in {folder}: {error.strerror or error}.") from error
