"""Reads a file that holds a model, by its kind: one of ours, a package of the BioImage Model Zoo, weights of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from safetensors import SafetensorError, safe_open

from napari_spoco.models.checkpoint import load_model
from napari_spoco.models.foreign import import_checkpoint
from napari_spoco.models.header import METADATA_KEY
from napari_spoco.models.package_import import import_package, is_package
from napari_spoco.models.registry import shipped_models

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard

Kind = Literal["model", "package", "checkpoint"]

_READERS: dict[Kind, Callable[[str | os.PathLike[str]], EmbeddingModel]] = {
    "model": load_model,
    "package": import_package,
    "checkpoint": import_checkpoint,
}


def read_model(path: str | os.PathLike[str]) -> EmbeddingModel:
    """Read a model of any kind onto the CPU, ready for prediction.

    Parameters
    ----------
    path
        What `load_model`, `import_package` or `import_checkpoint` reads; what the file does not say is taken as they
        do, see `describe_missing`.

    Raises
    ------
    OSError, ValueError
        As theirs.
    """
    return _READERS[find_kind(path)](path)


def find_kind(path: str | os.PathLike[str]) -> Kind:
    """Return which of the functions that `read_model` names reads a file; the name of a shipped model is of ours."""
    file = Path(path)
    if str(path) in shipped_models() or not file.is_file():
        return "model"
    if file.suffix.lower() == ".zip" or is_package(file):
        return "package"
    try:
        with safe_open(file, framework="numpy") as content:
            return "model" if METADATA_KEY in (content.metadata() or {}) else "checkpoint"
    except (SafetensorError, OSError):
        return "model" if file.suffix == ".safetensors" else "checkpoint"


def describe_missing(kind: Kind, card: ModelCard) -> str:
    """Say what a file of others does not tell, what is taken instead and what the user has to see to; or nothing."""
    if kind == "model":
        return ""
    parts = []
    if card.known_voxel_size is None:
        parts.append(
            "Its file does not tell the voxel size that it was trained at: images are taken as they are, so take "
            "images of that size."
        )
    if kind == "checkpoint":
        network, is_grouped = card.network, card.network.norm == "group"
        groups, taken = ("groups and ", f"{network.groups} and ") if is_grouped else ("", "")
        parts.append(
            f"Nor does it tell the {groups}activation of the network (taken: {taken}{network.activation}); "
            "`napari-spoco import` makes a model file with others."
        )
    return " ".join(parts)
