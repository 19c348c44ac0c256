"""The body of the training job: check the input, run the child process, pass on what it says. No Qt, no torch."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_spoco.data.annotations import check_annotations
from napari_spoco.data.images import as_channels_first
from napari_spoco.data.writers import check_folder
from napari_spoco.training.process import TrainingProcess, TrainingRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from numpy.typing import NDArray

    from napari_spoco._qt.sources import ImageSource
    from napari_spoco._qt.worker import JobContext
    from napari_spoco.config import TrainingConfig
    from napari_spoco.training.reports import TrainingMessage


class Process(Protocol):
    """What the window needs of a training process; `TrainingProcess` is one."""

    def start(self) -> None:
        """Start the child."""

    def messages(self) -> Iterator[TrainingMessage]:
        """Yield what the child says until it ends."""

    def request_stop(self) -> None:
        """Ask the child to save and end."""

    def kill(self) -> None:
        """End the child at once."""


@dataclass(frozen=True, eq=False)
class TrainingInputs:
    """What the user has chosen; `labels` is a copy that no painting reaches."""

    image: ImageSource
    labels: NDArray[np.integer]
    config: TrainingConfig
    model_path: str
    start_from: str | None = None


class ProcessHandle:
    """Stops or kills a process from any thread, at any time: before it starts, while it runs and after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._stop = self._kill = False

    @property
    def is_killed(self) -> bool:
        """Whether the user ended the process at once."""
        return self._kill

    def start(self, process: Process) -> bool:
        """Start the process unless it was killed beforehand; return whether it was started."""
        with self._lock:
            if self._kill:
                return False
            self._process = process
            if self._stop:
                process.request_stop()
        # Outside of the lock: starting takes seconds, and Stop must not wait for it.
        process.start()
        if self._kill:
            process.kill()
        return True

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
    process = make_process(_make_request(inputs))
    if context.is_cancelled() or not handle.start(process):
        return
    try:
        yield from process.messages()
    finally:
        handle.close()


def _make_request(inputs: TrainingInputs) -> TrainingRequest:
    """Check everything that can be checked before a process is worth its start."""
    _check_folder(Path(inputs.model_path).parent)
    image = inputs.image
    pixels = as_channels_first(np.asarray(image.data), ndim=image.ndim)
    check_annotations(inputs.labels, pixels.shape[1:])
    return TrainingRequest(
        images=(pixels,),
        annotations=(inputs.labels,),
        config=inputs.config,
        model_path=inputs.model_path,
        start_from=inputs.start_from,
        voxel_size=image.geometry.scale,
        units=image.geometry.units,
    )


def _check_folder(folder: Path) -> None:
    """Make sure now that the model can be saved at the end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_folder(folder)
    except OSError as error:
        raise OSError(f"Models cannot be saved in {folder}: {error.strerror or error}.") from error
