"""Reads the model that an option names, whatever kind of file it is, and says what the file does not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spoco.cli.terminal import console

if TYPE_CHECKING:
    from pathlib import Path

    from napari_spoco.models.checkpoint import EmbeddingModel


MODEL_HELP = (
    "Model file, folder of a training, or name of a shipped model; or a BioImage.IO package (.zip), or a checkpoint of "
    "the SPOCO authors or of pytorch-3dunet."
)
"""Of what names a model, to be read by `read_model_file`."""


def read_model_file(path: Path) -> EmbeddingModel:
    """Read a model; errors as `models.reading.read_model`."""
    from napari_spoco.models.reading import describe_missing, find_kind, read_model

    model = read_model(path)
    if missing := describe_missing(find_kind(path), model.card):
        console.print(f"{path.name}: {missing}", style="yellow", soft_wrap=True, markup=False, highlight=False)
    return model
