"""The body of the job that loads a model, and finds the training that it belongs to. No Qt; torch in the thread.

Everything else works on model files of ours: what others wrote becomes one, in a folder of the user's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spoco._qt.notices import short_size
from napari_spoco._qt.train.run_folders import Run, find_run, model_in, model_name
from napari_spoco.data.channels import count_channels
from napari_spoco.data.units import in_micrometers

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard

_IMPORTED = "imported"
"""Folder of the model files that were made of files of others."""
_DIGITS = 8
"""Of the checksum that tells files of one name apart."""


@dataclass(frozen=True)
class LoadedModel:
    """A model that has been read as a whole, in a line, and the training that can be resumed, if there is one.

    `device` is the one that computes where the user leaves the choice. `missing` says what a file of others does not
    tell; empty where there is nothing to say.
    """

    path: str
    summary: str
    run: Run | None
    device: str
    missing: str = ""


def load(_context: JobContext, path: str, import_into: Path | None = None) -> Generator[None, None, LoadedModel]:
    """Read a model file, or that of a training's folder, as a whole.

    Parameters
    ----------
    path
        A model file, the folder of a training, or the state in it; or a package or checkpoint of others.
    import_into
        Where a model file is made of the latter; None refuses them.

    Raises
    ------
    ValueError, OSError
        The file is no model, or truncated; or the settings of its training cannot be read.
    """
    from napari_spoco.models.checkpoint import load_model
    from napari_spoco.models.reading import describe_missing, find_kind, read_model
    from napari_spoco.training.devices import choose_device

    yield
    file, device = model_in(path), str(choose_device("auto"))
    kind = "model" if import_into is None else find_kind(file)
    if kind == "model" or import_into is None:
        return LoadedModel(str(file), _summary(file, load_model(file).card), find_run(path), device)
    model = read_model(file)
    kept = _keep(model, file, import_into / _IMPORTED)
    return LoadedModel(str(kept), _summary(kept, model.card), None, device, describe_missing(kind, model.card))


def _keep(model: EmbeddingModel, source: Path, folder: Path) -> Path:
    """Make a model file of what was read from a source, or find the one that was made of it; named as the source."""
    from napari_spoco.models.checkpoint import save_model

    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
    place = folder / f"{source.stem} {digest}"
    kept = place / f"{source.stem}.safetensors"
    if not kept.is_file():
        place.mkdir(parents=True, exist_ok=True)
        save_model(model, kept)
    return kept


def _summary(file: Path, card: ModelCard) -> str:
    network, history = card.network, card.history
    channels = count_channels(network.in_channels)
    if card.channels is not None:
        channels += f" ({', '.join(map(str, card.channels))} of its images)"
    size = in_micrometers(card.voxel_size, card.units, network.ndim)
    steps = f"{history.steps} steps on {history.n_objects} objects"
    return f"{model_name(file)}: {network.ndim}D, {'' if size is None else f'{short_size(size)}, '}{channels}, {steps}"
