"""The body of the job that loads a model, and finds the training that it belongs to. No Qt; torch in the thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spoco._qt.notices import short_size
from napari_spoco._qt.train.run_folders import Run, find_run, model_in, model_name
from napari_spoco.data.channels import count_channels
from napari_spoco.data.resampling import in_micrometers

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.models.checkpoint import ModelCard


@dataclass(frozen=True)
class LoadedModel:
    """A model that has been read as a whole, in a line, and the training that can be resumed, if there is one.

    `device` is the one that computes where the user leaves the choice.
    """

    path: str
    summary: str
    run: Run | None
    device: str


def load(_context: JobContext, path: str) -> Generator[None, None, LoadedModel]:
    """Read a model file, or that of a training's folder, as a whole.

    Parameters
    ----------
    path
        A model file, the folder of a training, or the state in it.

    Raises
    ------
    ValueError, OSError
        The file is no model, or truncated; or the settings of its training cannot be read.
    """
    from napari_spoco.models.checkpoint import load_model
    from napari_spoco.training.devices import choose_device

    yield
    file = model_in(path)
    summary = _summary(file, load_model(file).card)
    return LoadedModel(str(file), summary, find_run(path), str(choose_device("auto")))


def _summary(file: Path, card: ModelCard) -> str:
    network, history = card.network, card.history
    channels = count_channels(network.in_channels)
    if card.channels is not None:
        channels += f" ({', '.join(map(str, card.channels))} of its images)"
    size = in_micrometers(card.voxel_size, card.units, network.ndim)
    steps = f"{history.steps} steps on {history.n_objects} objects"
    return f"{model_name(file)}: {network.ndim}D, {'' if size is None else f'{short_size(size)}, '}{channels}, {steps}"
