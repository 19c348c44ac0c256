"""What a model file says of itself in its header, read in a moment and without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_spoco.config import NetworkConfig
from napari_spoco.data.units import in_micrometers
from napari_spoco.models.registry import model_in_folder

if TYPE_CHECKING:
    import os

METADATA_KEY = "napari_spoco"
"""Of the safetensors header; its value is the card, as JSON."""


@dataclass(frozen=True)
class ModelHeader:
    """Architecture of a model, whether the file holds a teacher beside the student, and what it was trained on.

    `channels` are counted from 0; None for all. `voxel_size` is in micrometers per spatial axis; None where it is not
    known. `class_threshold` is what agreed best with the painted objects; None where that is not known. `n_steps` are
    those that it was trained for, with the models before it; 0 where that is not known.
    """

    network: NetworkConfig
    has_teacher: bool
    channels: tuple[int, ...] | None = None
    voxel_size: tuple[float, ...] | None = None
    class_threshold: float | None = None
    n_steps: int = 0


def read_header(path: str | os.PathLike[str]) -> ModelHeader:
    """Read the header of a model file, or of the model in the folder of a training; the weights are not looked at.

    Raises
    ------
    ValueError
        There is no such file, or it is no model of this package.
    """
    from safetensors import SafetensorError, safe_open

    path = model_in_folder(Path(path))
    try:
        with safe_open(path, framework="numpy") as file:
            metadata, names = file.metadata() or {}, [*file.keys()]
        card = json.loads(metadata[METADATA_KEY])
        network, channels = NetworkConfig(**card["network"]), card.get("channels")
        n_steps = int(card.get("history", {}).get("steps", 0))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"path: {path} is not a model file ({error}).") from error
    has_teacher = any(name.startswith("teacher.") for name in names)
    taken = None if channels is None else tuple(channels)
    size = _voxel_size(card, network.ndim)
    return ModelHeader(network, has_teacher, taken, size, card.get("class_threshold"), n_steps)


def _voxel_size(card: dict[str, Any], ndim: int) -> tuple[float, ...] | None:
    try:
        return in_micrometers(card.get("voxel_size"), card.get("units"), ndim)
    except ValueError:
        return None
