"""The trainer in a spawned process: commands go in, frozen reports come out.

The child gives its GPU memory back when it ends, cannot crash napari and can be killed. Only pickled arrays and
messages cross. The parent side imports no torch.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spoco.training.reports import TrainingFailed, TrainingFinished, TrainingMessage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Event

    import numpy as np
    from numpy.typing import NDArray

    from napari_spoco.config import TrainingConfig

_POLL_SECONDS = 0.2
_END_SECONDS = 5.0


@dataclass(frozen=True)
class TrainingRequest:
    """All that a child needs; parameters as in `napari_spoco.train`.

    `model_path` is where the model is saved at the end, `start_from` the path of a model to go on from.
    """

    images: tuple[NDArray[np.generic], ...]
    annotations: tuple[NDArray[np.integer], ...]
    config: TrainingConfig
    model_path: str
    start_from: str | None = None
    voxel_size: tuple[float, ...] | None = None
    units: tuple[str, ...] | None = None


class TrainingProcess:
    """Run one training in a child process; `messages` is to be read by one thread."""

    def __init__(self, request: TrainingRequest) -> None:
        context = multiprocessing.get_context("spawn")
        self._receiver, self._sender = context.Pipe(duplex=False)
        self._stop = context.Event()
        self._process = context.Process(
            target=_run_child, args=(request, self._sender, self._stop), name="spoco-training", daemon=True
        )

    def start(self) -> None:
        """Start the child; returns as soon as its arguments are on their way."""
        self._process.start()
        # The child holds the only writing end from now on, so that its death is seen as the end of the pipe.
        self._sender.close()

    def messages(self) -> Iterator[TrainingMessage]:
        """Yield what the child says until it ends; a child that dies silently yields `TrainingFailed`."""
        try:
            while True:
                if not self._receiver.poll(_POLL_SECONDS):
                    continue
                message: TrainingMessage = self._receiver.recv()
                yield message
                if isinstance(message, TrainingFinished | TrainingFailed):
                    return
        except (EOFError, OSError):
            self._process.join(_END_SECONDS)
            yield TrainingFailed(
                "The training process ended unexpectedly (killed, or out of memory).",
                f"exit code {self._process.exitcode}",
            )
        finally:
            self._process.join(_END_SECONDS)

    def request_stop(self) -> None:
        """Ask the child to finish its step, save the model and end."""
        self._stop.set()

    def kill(self) -> None:
        """End the child at once; nothing is saved."""
        if self._process.pid is not None:
            self._process.kill()
            self._process.join(_END_SECONDS)

    def is_alive(self) -> bool:
        """Say whether the child is running."""
        return self._process.is_alive()


def _run_child(request: TrainingRequest, sender: Connection, stop: Event) -> None:
    """Train in the child; the imports are here because only the child may load torch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal of napari is napari's to handle.
    try:
        _lower_priority()
        for message in _train(request, stop):
            sender.send(message)
    except (BrokenPipeError, ConnectionResetError):
        return  # napari is gone; so are we.
    except BaseException as error:  # noqa: BLE001 - whatever ends the training must reach the window
        sender.send(TrainingFailed(_sentence(error), traceback.format_exc()))
    finally:
        sender.close()


def _train(request: TrainingRequest, stop: Event) -> Iterator[TrainingMessage]:
    from napari_spoco.models.checkpoint import load_model, save_model
    from napari_spoco.training.devices import limit_threads
    from napari_spoco.training.trainer import Trainer

    limit_threads(request.config.threads)
    model = load_model(request.start_from) if request.start_from else None
    trainer = Trainer(
        request.images,
        request.annotations,
        start_from=model,
        config=request.config,
        voxel_size=request.voxel_size,
        units=request.units,
    )
    yield from trainer.run(stop.is_set)
    result = trainer.result()
    path = save_model(result.model, request.model_path)
    yield TrainingFinished(str(path), len(result.reports), result.stopped)


def _lower_priority() -> None:
    """Let the window go first; where the system has no priorities, do nothing."""
    if hasattr(os, "nice"):
        os.nice(5)


def _sentence(error: BaseException) -> str:
    if type(error).__name__ == "OutOfMemoryError":
        return f"The device ran out of memory; choose a smaller patch or batch. ({error})"
    return str(error) or type(error).__name__
