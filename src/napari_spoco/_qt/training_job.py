"""The bodies of the training jobs: check the input, run the child process, pass on what it says and what is painted.

No Qt, no torch.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_spoco._qt.painted import PaintedCopy
from napari_spoco._qt.run_folders import discard_unless_kept
from napari_spoco.data.annotations import SparseAnnotations, check_annotations
from napari_spoco.data.images import as_channels_first
from napari_spoco.data.writers import check_folder
from napari_spoco.training.process import TrainingProcess, TrainingRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from numpy.typing import NDArray

    from napari_spoco._qt.sources import ImageSource
    from napari_spoco._qt.worker import JobContext
    from napari_spoco.config import TrainingConfig
    from napari_spoco.training.process import AnnotationUpdate, Box
    from napari_spoco.training.reports import TrainingMessage


class Process(Protocol):
    """What the window needs of a training process; `TrainingProcess` is one."""

    def start(self) -> None:
        """Start the child."""

    def messages(self) -> Iterator[TrainingMessage]:
        """Yield what the child says until it ends."""

    def update_annotations(self, update: AnnotationUpdate) -> bool:
        """Send what has been painted; may take a while."""

    def request_stop(self) -> None:
        """Ask the child to save and end."""

    def kill(self) -> None:
        """End the child at once."""


@dataclass(frozen=True, eq=False)
class TrainingInputs:
    """What the user has chosen; `labels` are the layer's own pixels, copied in the job's thread.

    `boxes` are fully annotated. `folder` is where the run is kept; it is there already where it is to be resumed.
    """

    image: ImageSource
    labels: Any
    config: TrainingConfig
    folder: str
    resume: bool = False
    start_from: str | None = None
    boxes: tuple[Box, ...] = ()


class ProcessHandle:
    """Stops or kills a process from any thread, at any time: before it starts, while it runs and after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._painted: PaintedCopy | None = None
        self._stop = self._kill = False

    @property
    def is_killed(self) -> bool:
        """Whether the user ended the process at once."""
        return self._kill

    def start(self, process: Process, painted: PaintedCopy) -> bool:
        """Start the process, which gets `painted`, unless it was killed beforehand; return whether it was started."""
        with self._lock:
            if self._kill:
                return False
            self._process, self._painted = process, painted
            if self._stop:
                process.request_stop()
        # Outside of the lock: starting takes seconds, and Stop must not wait for it.
        process.start()
        if self._kill:
            process.kill()
        return True

    def send_painted(self, pixels: Any) -> None:
        """Send what has changed in the layer's pixels since; for one thread, and once the process has spoken.

        Raises ValueError for ids that mean nothing.
        """
        with self._lock:
            process, painted = self._process, self._painted
        if process is not None and painted is not None and (update := painted.take_changes(pixels)) is not None:
            process.update_annotations(update)

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

    def close(self) -> None:
        """See to it that no process runs any more."""
        with self._lock:
            process = self._process
        if process is not None:
            process.kill()


def run_training(
    context: JobContext,
    inputs: TrainingInputs,
    handle: ProcessHandle,
    make_process: Callable[[TrainingRequest], Process] = TrainingProcess,
) -> Generator[TrainingMessage, None, None]:
    """Train in a child process and yield its messages; the child never outlives this generator.

    Raises
    ------
    ValueError
        Image or annotations cannot be trained on; no process was started.
    OSError
        The model could not be saved; no process was started.
    """
    labels = np.array(inputs.labels)
    process = make_process(_make_request(inputs, labels))
    if context.is_cancelled() or not handle.start(process, PaintedCopy(labels)):
        return
    try:
        yield from process.messages()
    finally:
        handle.close()
        if not inputs.resume:
            discard_unless_kept(inputs.folder)


def send_painted(_context: JobContext, pixels: Any, handle: ProcessHandle) -> Generator[None, None, None]:
    """Send the training process what has been painted since the last time; see `ProcessHandle.send_painted`."""
    yield
    handle.send_painted(pixels)


def _make_request(inputs: TrainingInputs, labels: NDArray[np.integer]) -> TrainingRequest:
    """Check everything that can be checked before a process is worth its start."""
    _check_folder(Path(inputs.folder).parent)
    image = inputs.image
    pixels = as_channels_first(np.asarray(image.data), ndim=image.ndim)
    stated = SparseAnnotations.from_labels(
        labels, boxes=inputs.boxes, config=inputs.config.annotations, name="annotations"
    )
    check_annotations(stated, pixels.shape[1:])
    return TrainingRequest(
        images=(pixels,),
        annotations=(labels,),
        config=inputs.config,
        folder=inputs.folder,
        resume=inputs.resume,
        start_from=inputs.start_from,
        voxel_size=image.geometry.scale,
        units=image.geometry.units,
        boxes=(inputs.boxes,),
    )


def _check_folder(folder: Path) -> None:
    """Make sure now that the model can be saved at the end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_folder(folder)
    except OSError as error:
        raise OSError(f"Models cannot be saved in {folder}: {error.strerror or error}.") from error
