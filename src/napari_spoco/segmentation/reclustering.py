"""Objects of embeddings again and again, while a person moves the settings: only what depends on a change is redone.

The stages are those of `read_out`, and so is the result; what is added here is a memory that lives longer than a call,
embeddings that take half the memory or none, and the part of an image that is on show.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.segmentation.readout import Readout, read_out_view
from napari_spoco.segmentation.stages import StageMemory
from napari_spoco.segmentation.view import ReadoutContext, View

if TYPE_CHECKING:
    import os
    from collections import Counter
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import SegmentationConfig
    from napari_spoco.models.checkpoint import ModelCard
    from napari_spoco.segmentation.view_stages import Box


class Reclustering:
    """The embeddings of one image under one model, ready to be read out under changing settings.

    Safe to call from several threads; calls wait for each other.

    Parameters
    ----------
    embeddings
        (E, *spatial), floating point, of any kind that can be sliced: an array, or one on disk (`half_precision`). Must
        not change.
    card
        Of the model that made them.
    context
        What is known beside; `set_context` changes it.
    """

    def __init__(self, embeddings: Any, card: ModelCard, context: ReadoutContext | None = None) -> None:
        self._embeddings, self._card = embeddings, card
        self._context = context or ReadoutContext()
        self._memory = StageMemory()
        self._lock = threading.Lock()

    @property
    def n_runs(self) -> Counter[str]:
        """How often each stage was run, by name; a copy."""
        return self._memory.n_runs.copy()

    def set_context(self, context: ReadoutContext) -> None:
        """Take note that other things are known, such as new annotations; what does not depend on them is kept.

        What has changed must be another array, what has not must be the same.
        """
        with self._lock:
            self._context = context

    def read_out(
        self,
        settings: SegmentationConfig,
        *,
        box: Box | None = None,
        stop: Callable[[], bool] | None = None,
        on_stage: Callable[[str], object] | None = None,
    ) -> Readout:
        """Segment the image, or a part of it, into objects.

        Parameters
        ----------
        settings
            What the user set.
        box
            One slice per spatial axis, in pixels, without steps; None = the whole image. What is background, and how
            far from it objects are, is taken from the whole image.
        stop
            Asked before every stage; true ends the call, and what was done until then is kept.
        on_stage
            Told the name of every stage before it is run; those that are kept are not run.

        Returns
        -------
        Readout
            Of the shape of the box; equal to that of `readout.read_out` for the whole image.

        Raises
        ------
        Stopped
            `stop` returned true.
        TypeError, ValueError
            As `readout.read_out`, and for a box that is empty or has another number of axes.
        """
        shape = np.shape(self._embeddings)[1:]
        part = None if box is None else _check_box(box, shape)
        with self._lock:
            self._memory.stop, self._memory.on_run = stop or _never, on_stage or _ignore
            return read_out_view(View(self._memory, self._embeddings, self._card, settings, self._context, part))


def half_precision(shape: Sequence[int], path: str | os.PathLike[str] | None = None) -> NDArray[np.float16]:
    """Make a place for embeddings that takes half the memory of float32, or none.

    Give it to `predict_embeddings` as `out`. Three digits are left, far more than noise leaves; all is computed in
    float32.

    Parameters
    ----------
    shape
        (E, *spatial).
    path
        File to be written (.npy); None = in memory.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    if path is None:
        return np.empty(tuple(shape), dtype=np.float16)
    on_disk: NDArray[np.float16] = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=tuple(shape))
    return on_disk


def _never() -> bool:
    return False


def _ignore(_name: str) -> None:
    pass


def _check_box(box: Box, shape: tuple[int, ...]) -> Box:
    """Return the part of the box that lies inside of the image, with both ends of every slice."""
    if len(box) != len(shape):
        raise ValueError(f"box: expected {len(shape)} slices, got {len(box)}.")
    ranges = [range(*part.indices(size)) for part, size in zip(box, shape, strict=True)]
    if any(inside.step != 1 or not len(inside) for inside in ranges):
        raise ValueError(f"box: expected slices with pixels of an image of shape {shape} and without steps, got {box}.")
    return tuple(slice(inside.start, inside.stop) for inside in ranges)
