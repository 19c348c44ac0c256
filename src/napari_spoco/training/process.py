"""The trainer in a spawned process: commands go in, frozen reports come out.

The child gives its GPU memory back when it ends, cannot crash napari and can be killed. Only pickled arrays and
messages cross. The parent side imports no torch.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spoco.training.reports import (
    Network,
    TrainingFailed,
    TrainingFinished,
    TrainingMessage,
    TrainingNotice,
)
from napari_spoco.training.verdict import score_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Event

    import numpy as np
    from numpy.typing import NDArray

    from napari_spoco.config import TrainingConfig
    from napari_spoco.data.annotations import AnnotationStore

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_END_SECONDS = 30.0

Box = tuple[slice, ...]


@dataclass(frozen=True)
class TrainingRequest:
    """All that a child needs; parameters as in `napari_spoco.train`.

    `folder` is where the run is kept, `start_from` the path of a model to go on from, `boxes` are per image the regions
    in which everything is annotated.
    """

    images: tuple[NDArray[np.generic], ...]
    annotations: tuple[NDArray[np.integer], ...]
    config: TrainingConfig
    folder: str
    resume: bool = False
    start_from: str | None = None
    voxel_size: tuple[float, ...] | tuple[tuple[float, ...], ...] | None = None
    units: tuple[str, ...] | tuple[tuple[str, ...], ...] | None = None
    boxes: tuple[tuple[Box, ...], ...] = ()


@dataclass(frozen=True)
class AnnotationUpdate:
    """What has been painted since: the labels of a box of image `image_index`, from pixel `start` on."""

    image_index: int
    start: tuple[int, ...]
    labels: NDArray[np.integer]


@dataclass(frozen=True)
class ViewUpdate:
    """What is on show: a box of image `image_index` in its own pixels; a plane of a stack is one pixel thick.

    None leaves it to what was on show before. `network` is whose embeddings are to be shown.
    """

    image_index: int = 0
    box: Box | None = None
    network: Network = "teacher"


class TrainingProcess:
    """Run one training in a child process; `messages` is to be read by one thread."""

    def __init__(self, request: TrainingRequest) -> None:
        context = multiprocessing.get_context("spawn")
        self._receiver, self._sender = context.Pipe(duplex=False)
        self._update_receiver, self._update_sender = context.Pipe(duplex=False)
        self._stop = context.Event()
        self._is_left = False
        self._process = context.Process(
            target=_run_child,
            args=(request, self._sender, self._update_receiver, self._stop),
            name="spoco-training",
            daemon=True,
        )

    def start(self) -> None:
        """Start the child; returns as soon as its arguments are on their way."""
        self._process.start()
        # The child holds the only writing end from now on, so that its death is seen as the end of the pipe.
        self._sender.close()
        self._update_receiver.close()

    def messages(self) -> Iterator[TrainingMessage]:
        """Yield what the child says until it ends, or is left; a child that dies silently yields `TrainingFailed`.

        The last message comes when the child is gone, with all that it held. Who reads no further closes the pipe.
        """
        try:
            while not self._is_left:
                if not self._receiver.poll(_POLL_SECONDS):
                    continue
                message: TrainingMessage = self._receiver.recv()
                if isinstance(message, TrainingFinished | TrainingFailed):
                    self._process.join(_END_SECONDS)
                    yield message
                    return
                yield message
        except (EOFError, OSError):
            self._process.join(_END_SECONDS)
            yield TrainingFailed(
                "The training process ended unexpectedly (killed, or out of memory).",
                f"exit code {self._process.exitcode}",
            )
        finally:
            self._receiver.close()

    def update_annotations(self, update: AnnotationUpdate) -> bool:
        """Send what has been painted; it is trained on from the next step. Returns whether the child still listens.

        Large boxes take as long as their way through a pipe: not to be called from an event loop. As for
        `update_view`, one thread at a time may call it.
        """
        return self._send(update)

    def update_view(self, update: ViewUpdate) -> bool:
        """Say what is on show: the next preview is of that. Returns whether the child still listens."""
        return self._send(update)

    def request_stop(self) -> None:
        """Ask the child to finish its step, save the run and end."""
        self._stop.set()

    def leave(self) -> None:
        """Ask as `request_stop`, and hear no more of it: `messages` end. Then it takes no longer than saving does."""
        self._is_left = True
        self._stop.set()

    def kill(self, patience: float = 0.0) -> None:
        """End the child, unless it has ended by itself after so many seconds; what was saved last can be resumed."""
        if self._process.pid is not None:
            self._process.join(patience)
            self._process.kill()
            self._process.join(_END_SECONDS)

    def is_alive(self) -> bool:
        """Say whether the child is running."""
        return self._process.is_alive()

    def _send(self, update: AnnotationUpdate | ViewUpdate) -> bool:
        try:
            self._update_sender.send(update)
        except OSError:
            return False
        return True


class _Window:
    """The parent as the child knows it: it is told, it may ask for the end, and it may be gone, which asks for it, too.

    A signal sets a plain attribute: its handler may interrupt the very call that holds the lock of an event.
    """

    def __init__(self, sender: Connection, stop: Event) -> None:
        self._sender, self._stop = sender, stop
        self._is_signalled = self.is_gone = False

    def tell(self, message: TrainingMessage) -> None:
        """Send a message, if there is anybody to hear it."""
        try:
            self._sender.send(message)
        except (BrokenPipeError, ConnectionResetError):
            self.is_gone = True

    def on_signal(self, *_: object) -> None:
        """Note that the system asks for the end."""
        self._is_signalled = True

    def wants_end(self) -> bool:
        """Say whether the training is to be saved, and to end."""
        return self._is_signalled or self.is_gone or self._stop.is_set()


def _run_child(request: TrainingRequest, sender: Connection, updates: Connection, stop: Event) -> None:
    """Train in the child, which does not return; the imports are here because only the child may load torch."""
    window = _Window(sender, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal of napari is napari's to handle.
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), window.on_signal)
    try:
        _lower_priority()
        for message in _train(request, updates, window):
            window.tell(message)
    except BaseException as error:  # noqa: BLE001 - whatever ends the training must reach the window
        window.tell(TrainingFailed(_sentence(error), traceback.format_exc()))
    sender.close()
    if sys.stderr is not None:  # A napari that was not started in a terminal has none.
        sys.stderr.flush()
    # All is saved and said. Taking torch down takes many seconds on a busy computer, and the window waits for it.
    os._exit(0)


def _train(request: TrainingRequest, updates: Connection, window: _Window) -> Iterator[TrainingMessage]:
    yield TrainingNotice("Starting the training: loading PyTorch …")
    from napari_spoco.data.annotations import AnnotationStore
    from napari_spoco.models.checkpoint import load_model
    from napari_spoco.training.devices import limit_threads
    from napari_spoco.training.replay import replay_share
    from napari_spoco.training.trainer import Trainer

    config = request.config
    limit_threads(config.threads)
    boxes = request.boxes or ((),) * len(request.annotations)
    is_dense = config.loss.supervision != "sparse"
    stores = [
        AnnotationStore(labels, boxes=inside, config=config.annotations, dense=is_dense)
        for labels, inside in zip(request.annotations, boxes, strict=True)
    ]
    model = load_model(request.start_from) if request.start_from else None
    is_replayed = model is not None and replay_share(config, model.card) > 0
    also = ", and images like those that the model knows" if is_replayed else ""
    yield TrainingNotice(f"Starting the training: preparing the images{also} …")
    trainer = Trainer(
        request.images,
        stores,
        start_from=model,
        config=config,
        voxel_size=request.voxel_size,
        units=request.units,
        folder=request.folder,
        resume=request.resume,
        more=request.resume,  # The window offers runs that have ended, too.
    )
    listening = (updates, stores, trainer.show)
    threading.Thread(target=_take_updates, args=listening, name="spoco-updates", daemon=True).start()
    yield from trainer.run(window.wants_end)
    if window.is_gone:  # All that can be resumed is saved; nobody waits for more.
        return
    yield TrainingNotice("Finishing: the model is measured and saved …")
    result = trainer.result()
    change = score_change(result.scores, result.best_step)
    yield TrainingFinished(str(result.path), len(result.reports), result.stopped, result.best_step, change)


def _take_updates(
    updates: Connection, stores: Sequence[AnnotationStore], show: Callable[[int, Box | None, Network], None]
) -> None:
    """Hand on what arrives, painted pixels to the stores, until the window is gone."""
    while True:
        try:
            update: AnnotationUpdate | ViewUpdate = updates.recv()
        except (EOFError, OSError):
            return
        try:
            if isinstance(update, ViewUpdate):
                show(update.image_index, update.box, update.network)
            else:
                stores[update.image_index].update_box(update.start, update.labels)
        except ValueError:
            logger.exception("What the window says cannot be read; the training goes on with what there was")


def _lower_priority() -> None:
    """Let the window go first; where the system has no priorities, do nothing."""
    if hasattr(os, "nice"):
        os.nice(5)


def _sentence(error: BaseException) -> str:
    if type(error).__name__ == "OutOfMemoryError":
        return f"The device ran out of memory; choose a smaller patch or batch. ({error})"
    return str(error) or type(error).__name__
