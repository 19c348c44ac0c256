"""Packages of the BioImage Model Zoo whose weights are a U-Net of ours, read into models.

Nothing of a package is run: its description is plain YAML, its weights are read as weights only (`foreign`), and the
source code that it brings along is never looked at. Nothing is downloaded.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from pydantic import ValidationError

from napari_spoco.config import Normalization
from napari_spoco.models.bioimageio import DESCRIPTION, OWN_SECTION, TEACHER
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard
from napari_spoco.models.foreign import import_checkpoint
from napari_spoco.models.network import UNet

if TYPE_CHECKING:
    import os

    from napari_spoco.config import Activation

_DESCRIPTIONS = (DESCRIPTION, "bioimageio.yaml", "model.yaml")
_ACTIVATIONS: dict[str, Activation] = {"r": "relu", "l": "leaky_relu", "e": "elu"}


def is_package(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a package of the BioImage Model Zoo; any path may be asked about."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return not set(_DESCRIPTIONS).isdisjoint(archive.namelist())


def import_package(
    path: str | os.PathLike[str],
    *,
    groups: int | None = None,
    activation: Activation | None = None,
    normalization: Normalization | None = None,
) -> EmbeddingModel:
    """Read a package of the BioImage Model Zoo onto the CPU, ready for prediction.

    One that `export_package` wrote gives the same model again. Of others, the weights are read as `import_checkpoint`
    does, with what the weights do not tell from the description: groups and activation from the arguments that
    pytorch-3dunet's networks take, the normalisation from the preprocessing, the voxel size from the axes.

    Parameters
    ----------
    path
        The package, a zip file, in format 0.4 or 0.5.
    groups, activation, normalization
        Of `import_checkpoint`, in place of what the description says; without meaning for a package of ours.

    Returns
    -------
    EmbeddingModel
        As `import_checkpoint`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is no package of a model, its weights are in other formats than PyTorch's state dict or lie elsewhere,
        they are no U-Net of ours, or images are prepared in another way than ours.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: there is no file at {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            description = _read_description(archive, path)
            own = _section(_section(description, "config"), OWN_SECTION)
            if own:
                return _read_own(archive, description, own, path)
            return _read_other(archive, description, path, groups, activation, normalization)
    except zipfile.BadZipFile as error:
        raise ValueError(f"path: {path} is truncated or no zip file.") from error


def _read_own(archive: zipfile.ZipFile, description: dict[str, Any], own: dict[str, Any], path: Path) -> EmbeddingModel:
    try:
        card = ModelCard.model_validate(own.get("card"))
    except ValidationError as error:
        raise ValueError(f"path: the model card in {path} cannot be read ({error}).") from error
    student = _read_own_network(archive, _weights_source(description, path), card, path)
    has_teacher = TEACHER in archive.namelist()
    teacher = _read_own_network(archive, TEACHER, card, path).requires_grad_(False) if has_teacher else None
    return EmbeddingModel(student, card, teacher)


def _read_own_network(archive: zipfile.ZipFile, source: str, card: ModelCard, path: Path) -> UNet:
    network = UNet(card.network)
    data = io.BytesIO(_read_weights(archive, source, path))
    try:
        network.load_state_dict(torch.load(data, map_location="cpu", weights_only=True))
    except Exception as error:  # damaged pickles fail in any way
        raise ValueError(f"path: {source} in {path} is damaged or does not fit the model card.") from error
    return network.eval()


def _read_other(
    archive: zipfile.ZipFile,
    description: dict[str, Any],
    path: Path,
    groups: int | None,
    activation: Activation | None,
    normalization: Normalization | None,
) -> EmbeddingModel:
    source = _weights_source(description, path)
    entry = description["weights"]["pytorch_state_dict"]
    arguments = _section(entry, "kwargs") or _section(_section(entry, "architecture"), "kwargs")
    image = _only_input(description, path)
    model = _read_checkpoint(
        archive,
        source,
        path,
        _read_groups(arguments, path) if groups is None else groups,
        _read_activation(arguments, path) if activation is None else activation,
        _read_normalization(image, path) if normalization is None else normalization,
    )
    size, units = _read_voxel_size(image, model.config.ndim)
    card = model.card.model_copy(update={"voxel_size": size, "units": units})
    return EmbeddingModel(model.network, card, model.teacher)


def _read_description(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    name = next((name for name in _DESCRIPTIONS if name in archive.namelist()), None)
    if name is None:
        raise ValueError(f"path: expected a package with {' or '.join(_DESCRIPTIONS)}, got none of them in {path}.")
    try:
        description = yaml.safe_load(archive.read(name))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"path: {name} in {path} is no YAML ({error}).") from error
    if not isinstance(description, dict) or description.get("type", "model") != "model":
        raise ValueError(f"path: expected the description of a model in {path}, got another resource.")
    return description


def _weights_source(description: dict[str, Any], path: Path) -> str:
    """Return the name of the file of the PyTorch weights."""
    weights = _section(description, "weights")
    source = _section(weights, "pytorch_state_dict").get("source")
    if not isinstance(source, str):
        found = ", ".join(map(str, weights)) or "no weights"
        raise ValueError(f"path: expected weights as pytorch_state_dict in {path}, got {found}.")
    return source


def _read_checkpoint(
    archive: zipfile.ZipFile,
    source: str,
    path: Path,
    groups: int,
    activation: Activation,
    normalization: Normalization,
) -> EmbeddingModel:
    weights = _read_weights(archive, source, path)
    with tempfile.TemporaryDirectory() as folder:
        # A name of our own: theirs could point outside of the folder.
        file = Path(folder) / f"weights{Path(source).suffix}"
        file.write_bytes(weights)
        try:
            return import_checkpoint(file, groups=groups, activation=activation, normalization=normalization)
        except ValueError as error:
            raise ValueError(str(error).replace(str(file), f"{path} ({source})")) from error


def _read_weights(archive: zipfile.ZipFile, source: str, path: Path) -> bytes:
    name = source.removeprefix("./")
    if name not in archive.namelist():
        raise ValueError(f"path: expected the weights inside of {path}, got a reference to {source}.")
    return archive.read(name)


def _read_groups(arguments: dict[str, Any], path: Path) -> int:
    groups = arguments.get("num_groups", 8)
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"path: expected num_groups as a whole number above 0 in {path}, got {groups!r}.")
    return groups


def _read_activation(arguments: dict[str, Any], path: Path) -> Activation:
    """Return what the last letter of pytorch-3dunet's layer order stands for."""
    order = str(arguments.get("layer_order", "gcr"))
    if order[-1:] not in _ACTIVATIONS:
        raise ValueError(f"path: expected a layer_order that ends in r, l or e in {path}, got {order!r}.")
    return _ACTIVATIONS[order[-1]]


def _only_input(description: dict[str, Any], path: Path) -> dict[str, Any]:
    inputs = description.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise ValueError(f"path: expected a model of one image in {path}, got inputs {inputs!r:.200}.")
    return inputs[0]


def _read_normalization(image: dict[str, Any], path: Path) -> Normalization:
    """Return the normalisation that does what the preprocessing says, per image and channel."""
    steps = [
        (step.get("id", step.get("name")), _section(step, "kwargs"))
        for step in image.get("preprocessing") or []
        if isinstance(step, dict)
    ]
    steps = [(name, kwargs) for name, kwargs in steps if name != "ensure_dtype"]
    is_joint = any(_mixes_channels(image, kwargs) for _, kwargs in steps)
    if len(steps) == 1 and not is_joint:
        name, kwargs = steps[0]
        if name == "zero_mean_unit_variance":
            return Normalization(kind="standard")
        if name == "scale_range":
            return Normalization(lower=kwargs.get("min_percentile", 0.0), upper=kwargs.get("max_percentile", 100.0))
    found = ", ".join(str(name) for name, _ in steps) or "none"
    raise ValueError(
        f"path: expected zero_mean_unit_variance or scale_range of each channel as the only preprocessing in {path}, "
        f"got {found}{' over all channels together' * is_joint}; state the normalization to go on "
        "without it (import_package in Python)."
    )


def _mixes_channels(image: dict[str, Any], kwargs: dict[str, Any]) -> bool:
    """Return whether several channels are normalised with common numbers."""
    over = kwargs.get("axes")
    if over is not None and not {"c", "channel"} & set(over):
        return False
    axes = image.get("axes")
    names = [len(axis.get("channel_names", ())) for axis in axes or () if isinstance(axis, dict)]
    return max(names, default=1) > 1


def _read_voxel_size(image: dict[str, Any], ndim: int) -> tuple[tuple[float, ...] | None, tuple[str, ...] | None]:
    """Return scale and unit of the spatial axes, if all have both."""
    axes = [axis for axis in image.get("axes") or () if isinstance(axis, dict) and axis.get("type") == "space"]
    if len(axes) != ndim or not all(isinstance(axis.get("unit"), str) and axis.get("scale") for axis in axes):
        return None, None
    return tuple(float(axis["scale"]) for axis in axes), tuple(axis["unit"] for axis in axes)


def _section(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a part of the description that should be a mapping; empty if it is missing or anything else."""
    part = mapping.get(key)
    return part if isinstance(part, dict) else {}
