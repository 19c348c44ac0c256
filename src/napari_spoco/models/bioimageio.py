"""Packages of the BioImage Model Zoo (bioimage.io), format 0.5: our models for other programs to run.

A package is a zip of plain files beside a description in YAML, which is all that is needed to write one; the official
validator (extra `bioimageio`) checks in the tests what is written here. The network's source travels along as the
architecture, since those who run a state dict need it; `package_import` reads packages and never runs any.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml
from scipy import ndimage

from napari_spoco.config import PIXEL_CLASSES
from napari_spoco.data.images import normalize_image
from napari_spoco.data.writers import atomic_path
from napari_spoco.models import network as network_module
from napari_spoco.models.network import UNet

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import NetworkConfig, Normalization
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard

DESCRIPTION = "rdf.yaml"
OWN_SECTION = "napari_spoco"
"""Section of `config` in the description that holds our model card."""
TEACHER = "teacher.pt"
"""Weights of the teacher, in packages of models that have one."""

_FORMAT = "0.5.3"
_SPACE_UNITS = ("angstrom", "centimeter", "meter", "micrometer", "millimeter", "nanometer")
_CITATION = {
    "text": "Wolny, Yu, Pape, Kreshuk: Sparse Object-Level Supervision for Instance Segmentation With Pixel "
    "Embeddings. CVPR 2022.",
    "url": "https://arxiv.org/abs/2103.14572",
}
_CALLABLE = "make_network"
_MAKE_NETWORK = f'''

def {_CALLABLE}(**config):
    """Make the network; what `config` holds stands in the package's description."""
    from types import SimpleNamespace

    return UNet(SimpleNamespace(**config))
'''


def export_package(
    model: EmbeddingModel,
    path: str | os.PathLike[str],
    *,
    name: str,
    description: str = "",
    documentation: str = "",
    authors: Sequence[str] = (),
    licence: str | None = None,
    with_torchscript: bool = False,
) -> Path:
    """Write a model as a package of the BioImage Model Zoo, all or nothing.

    It holds the student's weights, the network's source, a test image (smooth noise, seed 0) with its embeddings, the
    normalisation as preprocessing, and the model card, from which `import_package` makes the same model again, teacher
    included.

    Parameters
    ----------
    model
        What to export.
    path
        File to write, ending in .zip.
    name
        5 to 128 letters, digits, spaces or any of "_+-()".
    description
        One sentence; empty = made from the card.
    documentation
        Markdown, for those who use the model; the card's facts are put below it.
    authors
        Names. The zoo wants at least one.
    licence
        SPDX identifier, such as MIT or CC-BY-4.0. The zoo wants one.
    with_torchscript
        Also write the network as TorchScript, for programs that run no Python (ImageJ, QuPath). PyTorch gives
        TorchScript up.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        `path` does not end in .zip, or `name` is not as above.
    WriteError
        The folder does not exist or cannot be written; nothing is left behind.
    """
    path = Path(path)
    if path.suffix != ".zip":
        raise ValueError(f"path: expected a file ending in .zip, got {str(path)!r}.")
    if re.fullmatch(r"[A-Za-z0-9_+\- ()]{5,128}", name) is None:
        raise ValueError(f'name: expected 5 to 128 letters, digits, spaces or any of "_+-()", got {name!r}.')
    files = {
        "README.md": f"{documentation.strip() or f'# {name}'}\n\n{_facts(model.card)}".encode(),
        **_model_files(model, with_torchscript=with_torchscript),
    }
    content = {
        "format_version": _FORMAT,
        "type": "model",
        "name": name,
        "description": description or f"Pixel embeddings for instance segmentation of {model.config.ndim}D images.",
        "authors": [{"name": author} for author in authors],
        "cite": [_CITATION],
        **({"license": licence} if licence else {}),
        "documentation": "README.md",
        **_describe_model(model, files),
    }
    files[DESCRIPTION] = yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in files.items():
            archive.writestr(file, data)
    return path


def _model_files(model: EmbeddingModel, *, with_torchscript: bool) -> dict[str, bytes]:
    weights = _on_cpu(model.network)
    network = UNet(model.config).eval()
    network.load_state_dict(weights)
    image, embeddings = _test_pair(network, model.card)
    files = {
        "network.py": (Path(network_module.__file__).read_text(encoding="utf-8") + _MAKE_NETWORK).encode(),
        "weights.pt": _saved(weights),
        "test_image.npy": _as_npy(image),
        "test_embeddings.npy": _as_npy(embeddings),
    }
    if model.teacher is not None:
        files[TEACHER] = _saved(_on_cpu(model.teacher))
    if with_torchscript:
        files["weights.torchscript"] = _traced(network, image.shape)
    return files


def _describe_model(model: EmbeddingModel, files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the description says of the network, its input and its output."""
    card = model.card
    return {
        "tags": ["napari-spoco", "pytorch", "instance-segmentation", "unet", f"{card.network.ndim}d"],
        "inputs": [_describe_input(card, files)],
        "outputs": [_describe_output(card, files)],
        "weights": _describe_weights(card, files),
        "attachments": [_file(TEACHER, files)] if TEACHER in files else [],
        "config": {OWN_SECTION: {"card": card.model_dump(mode="json")}},
    }


def _describe_input(card: ModelCard, files: dict[str, bytes]) -> dict[str, Any]:
    network = card.network
    channels = [f"channel{i}" for i in range(network.in_channels)]
    # Other sizes are fine, too; with these, the network's pooling leaves no remainder.
    size = {"min": 2 * network.stride, "step": network.stride}
    return {
        "id": "image",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": channels},
            *({"type": "space", "size": dict(size), **axis} for axis in _space_axes(card)),
        ],
        "test_tensor": _file("test_image.npy", files),
        "data": {"type": "float32"},
        "preprocessing": [_describe_normalization(card.normalization, "zyx"[-network.ndim :])],
    }


def _describe_output(card: ModelCard, files: dict[str, bytes]) -> dict[str, Any]:
    channels = [f"embedding{i}" for i in range(card.network.embedding_dim)]
    if card.network.pixel_classes:
        channels += [f"{name}_score" for name in PIXEL_CLASSES]
    return {
        "id": "embeddings",
        "description": "One vector per pixel; pixels of the same object have vectors close to each other.",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": channels},
            *(
                {"type": "space", "size": {"tensor_id": "image", "axis_id": axis["id"]}, **axis}
                for axis in _space_axes(card)
            ),
        ],
        "test_tensor": _file("test_embeddings.npy", files),
        "data": {"type": "float32"},
    }


def _space_axes(card: ModelCard) -> list[dict[str, Any]]:
    """Return id, and voxel size where the format has a word for its unit, of each spatial axis."""
    axes: list[dict[str, Any]] = [{"id": letter} for letter in "zyx"[-card.network.ndim :]]
    if card.voxel_size and card.units and set(card.units) <= set(_SPACE_UNITS):
        for axis, scale, unit in zip(axes, card.voxel_size, card.units, strict=True):
            axis |= {"scale": scale, "unit": unit}
    return axes


def _describe_normalization(normalization: Normalization, axes: str) -> dict[str, Any]:
    """Return the step that does the same per image and channel."""
    if normalization.kind == "standard":
        return {"id": "zero_mean_unit_variance", "kwargs": {"axes": list(axes)}}
    percentiles = {"min_percentile": normalization.lower, "max_percentile": normalization.upper}
    return {"id": "scale_range", "kwargs": {"axes": list(axes), **percentiles}}


def _describe_weights(card: ModelCard, files: dict[str, bytes]) -> dict[str, Any]:
    version = torch.__version__.split("+")[0]
    architecture = {
        **_file("network.py", files),
        "callable": _CALLABLE,
        "kwargs": card.network.model_dump(mode="json"),
    }
    weights: dict[str, Any] = {
        "pytorch_state_dict": {
            **_file("weights.pt", files),
            "architecture": architecture,
            "pytorch_version": version,
        }
    }
    if "weights.torchscript" in files:
        weights["torchscript"] = {
            **_file("weights.torchscript", files),
            "parent": "pytorch_state_dict",
            "pytorch_version": version,
        }
    return weights


def _file(name: str, files: dict[str, bytes]) -> dict[str, str]:
    return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}


def _facts(card: ModelCard) -> str:
    """Return what the card says to those who run the network elsewhere."""
    network, size = card.network, card.voxel_size
    voxel = f"{' x '.join(f'{s:g}' for s in size)} {card.units[0]}" if size and card.units else "not told"
    return f"""## Use

Maps an image of {network.in_channels} channel(s) at a voxel size of {voxel} to {network.embedding_dim} numbers per
pixel. Objects are found by clustering the pixels, for example by mutex watershed of the distances of their embeddings
(delta_dist {card.delta_dist:g}): the pixels of an object lie within about {card.delta_var:g} of their mean, and the
means of different objects at least {2 * card.delta_dist:g} apart.{_about_classes(network)}
napari-spoco reads this package (`napari-spoco import`), segments with it and trains it on. Training steps so far:
{card.history.steps:,}.

## Validation

The test image and its embeddings only tell whether the network is run as it should. Score the segmentation of images
with known objects that it was not trained on (`napari-spoco evaluate`).
"""


def _about_classes(network: NetworkConfig) -> str:
    if not network.pixel_classes:
        return ""
    return f" Behind them come scores (logits) of the pixel being {', '.join(PIXEL_CLASSES)} of an object."


def _test_pair(network: UNet, card: ModelCard) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return an image (1, C, *spatial) before its normalisation, and its embeddings (1, E, *spatial)."""
    config = card.network
    shape = (config.in_channels, *(4 * config.stride,) * config.ndim)
    noise = np.random.default_rng(0).standard_normal(shape)
    smooth = ndimage.gaussian_filter(noise, (0, *(1.5,) * config.ndim))
    image = (100 + 400 * smooth).astype(np.float32)
    with torch.no_grad():
        embeddings = network(torch.from_numpy(normalize_image(image, card.normalization))[None])
    return image[None], embeddings.numpy()


def _on_cpu(network: UNet) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _saved(weights: dict[str, torch.Tensor]) -> bytes:
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    return buffer.getvalue()


def _traced(network: UNet, shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        # GroupNorm refuses planes of a single pixel, which no image here has.
        warnings.filterwarnings("ignore", "Converting a tensor to a Python boolean")
        torch.jit.save(torch.jit.trace(network, torch.zeros(shape)), buffer)
    return buffer.getvalue()


def _as_npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
