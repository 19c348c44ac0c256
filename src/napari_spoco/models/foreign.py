"""Weights that others trained: checkpoints of the SPOCO authors and of pytorch-3dunet, and bare state dicts.

This module alone knows how others lay out their files and which of their networks are ours. Nothing in a file is ever
run: it is read as weights only, and the NumPy values that lie beside the weights become placeholders, so that not
even NumPy's own functions are called on what the file says.
"""

from __future__ import annotations

import re
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from napari_spoco.config import NetworkConfig, Normalization
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, TrainingHistory
from napari_spoco.models.network import UNet

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from napari_spoco.config import Activation, Norm

    Weights = dict[str, torch.Tensor]

# Prefixes of student and teacher: authors now, authors in 2021, a single network.
_LAYOUTS = (("net_f.", "net_g."), ("unet_q.", "unet_k."), ("", None))

# Parameter names that give away a network whose computation differs from ours.
_OTHER_NETWORKS = {
    r"\.se_module\.": "squeeze-and-excitation blocks",
    r"\.basic_module\.conv[123]\.|\.conv1x1\.": "residual blocks",
    r"\.upsampl": "learned upsampling (transposed convolutions)",
    r"\.SingleConv\d\.conv\.bias$": "convolutions with a bias (a layer order without normalisation)",
}


class _Placeholder:
    """What stands for a NumPy value in a file; takes what it is built from and keeps nothing."""

    def __new__(cls, *_: Any) -> _Placeholder:
        return super().__new__(cls)

    def __setstate__(self, _: Any) -> None:
        """Ignore the state."""


# NumPy 2 renamed numpy.core to numpy._core; both stand in files.
_PLACEHOLDERS: list[Any] = [
    type(name, (_Placeholder,), {"__module__": module})
    for module, name in (
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.multiarray", "_reconstruct"),
    )
]


def import_checkpoint(
    path: str | os.PathLike[str],
    *,
    groups: int = 8,
    activation: Activation = "relu",
    normalization: Normalization | None = None,
) -> EmbeddingModel:
    """Read weights that others trained onto the CPU, ready for prediction; `save_model` makes a model file of them.

    The architecture is read off the shapes of the weights, except for what leaves no trace in them: the arguments.

    Parameters
    ----------
    path
        A checkpoint of the SPOCO authors (of 2021 or later, with or without teacher), one of pytorch-3dunet, or a
        bare state dict with the same names, as `torch.save` writes it or as `.safetensors`.
    groups
        Groups of the GroupNorm layers; without meaning for BatchNorm. 8 in both codes.
    activation
        Behind every convolution: the last letter of the layer order, "relu" for bcr and gcr, "leaky_relu" (slope
        0.01; pytorch-3dunet before 1.3 had 0.1) for l, "elu" for e. A sigmoid or softmax at the end is left out.
    normalization
        How images are prepared for the network. None = to mean 0 and standard deviation 1, as both codes do.

    Returns
    -------
    EmbeddingModel
        With the teacher if the file has one. The card holds architecture and number of steps; margins and kernel
        threshold are the paper's, and patch and voxel size are unknown, since files do not state them.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is truncated or no file of weights, asks for code to be run, has an unknown layout, holds a network
        of another kind, or has groups that do not divide its feature maps.
    """
    path = Path(path)
    content = _read_file(path)
    weights, teacher_weights = _split_networks(_find_weights(content, path), path)
    config = _read_architecture(weights, groups, activation, path)
    student = _load_network(config, weights, path)
    teacher = _load_network(config, teacher_weights, path).requires_grad_(False) if teacher_weights else None
    steps = content.get("num_iterations")
    card = ModelCard(
        network=config,
        normalization=normalization or Normalization(kind="standard"),
        history=TrainingHistory(steps=steps if isinstance(steps, int) else 0),
    )
    return EmbeddingModel(student, card, teacher)


def _read_file(path: Path) -> dict[Any, Any]:
    """Return the dictionary in a file; no object in it is built but tensors, plain values and placeholders."""
    if not path.is_file():
        raise FileNotFoundError(f"path: there is no file at {path}.")
    with path.open("rb") as file:
        try:
            if path.suffix == ".safetensors":
                return load_file(path)
            # Warnings about archives and pickle protocols precede errors that say the same.
            with torch.serialization.safe_globals(_PLACEHOLDERS), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                content = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # damaged pickles fail in any way
            raise _reading_error(error, path) from error
    if not isinstance(content, dict):
        raise ValueError(f"path: expected a checkpoint or a state dict in {path}, got a {type(content).__name__}.")
    return content


def _reading_error(error: Exception, path: Path) -> ValueError:
    """Say what is wrong with a file; PyTorch's own text advises to switch the protection off."""
    wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
    if wanted is not None:
        return ValueError(
            f"path: {path} asks for code to be run ({wanted[1]}) and is refused; expected weights and plain values "
            "alone, as torch.save writes a state dict."
        )
    return ValueError(f"path: {path} is truncated or not a file of weights (torch.save or .safetensors).")


def _find_weights(content: dict[Any, Any], path: Path) -> Weights:
    """Return the state dict without the prefixes of (Distributed)DataParallel."""
    weights = content.get("model_state_dict", content)
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ValueError(
            f"path: expected model_state_dict, or nothing but weights, in {path}, got {_some_names(content)}."
        )
    return {re.sub(r"^(module\.)+", "", str(name)): value for name, value in weights.items()}


def _split_networks(weights: Weights, path: Path) -> tuple[Weights, Weights]:
    """Return the weights of student and teacher, without prefix; those of the teacher may be none."""
    for student, teacher in _LAYOUTS:
        if f"{student}final_conv.weight" in weights:
            return _with_prefix(weights, student), {} if teacher is None else _with_prefix(weights, teacher)
    raise _layout_error(weights, path)


def _with_prefix(weights: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _read_architecture(weights: Weights, groups: int, activation: Activation, path: Path) -> NetworkConfig:
    for pattern, what in _OTHER_NETWORKS.items():
        if any(re.search(pattern, name) for name in weights):
            raise ValueError(f"path: expected a plain U-Net in {path}, got one with {what}.")
    final = weights["final_conv.weight"]
    if final.ndim not in (4, 5) or len(final) < 2:
        raise ValueError(
            f"path: expected a last convolution in 2D or 3D with at least 2 output channels in {path}, got weights "
            f"of shape {tuple(final.shape)}."
        )
    norm: Norm = "batch" if any(".batchnorm." in name for name in weights) else "group"
    _check_convolutions(weights, norm, final.ndim - 2, path)
    config = NetworkConfig(
        ndim=final.ndim - 2,
        in_channels=_first_convolution(weights, path).shape[1],
        embedding_dim=len(final),
        feature_maps=_feature_maps(weights, path),
        norm=norm,
        groups=groups,
        activation=activation,
    )
    if norm == "group":
        _check_groups(weights, groups, path)
    return config


def _check_convolutions(weights: Weights, norm: Norm, ndim: int, path: Path) -> None:
    """Raise where a convolution is not 3 wide, or its normalisation stands behind it."""
    for name, kernel in weights.items():
        if not name.endswith(".conv.weight"):
            continue
        if kernel.shape[2:] != (3,) * ndim:
            raise ValueError(
                f"path: expected convolutions of shape {(3,) * ndim} in {path}, got {tuple(kernel.shape[2:])} "
                f"in {name}."
            )
        scale = weights.get(f"{name.removesuffix('conv.weight')}{norm}norm.weight")
        if scale is not None and scale.shape == kernel.shape[:1] != kernel.shape[1:2]:
            raise ValueError(
                f"path: expected the normalisation in front of every convolution in {path} (layer order bcr or gcr), "
                f"got one behind it (such as cbr or crg) in {name}."
            )


def _first_convolution(weights: Weights, path: Path) -> torch.Tensor:
    name = "encoders.0.basic_module.SingleConv1.conv.weight"
    if name not in weights:
        raise _layout_error(weights, path)
    return weights[name]


def _feature_maps(weights: Weights, path: Path) -> tuple[int, ...]:
    """Return the number of maps per level, from full resolution down."""
    maps: list[int] = []
    while (name := f"encoders.{len(maps)}.basic_module.SingleConv2.conv.weight") in weights:
        maps.append(len(weights[name]))
    if len(maps) < 2:
        raise _layout_error(weights, path)
    return tuple(maps)


def _check_groups(weights: Weights, groups: int, path: Path) -> None:
    """Raise where the feature maps rule the groups out; others would give wrong embeddings without a word."""
    widths = {value.numel() for name, value in weights.items() if name.endswith("groupnorm.weight")}
    wrong = sorted(width for width in widths if width >= groups and width % groups)
    if wrong:
        raise ValueError(
            f"groups: expected a divisor of the feature maps in {path}, got {groups} for {wrong[0]} maps; "
            "`napari-spoco import --groups` takes others."
        )


def _load_network(config: NetworkConfig, weights: Weights, path: Path) -> UNet:
    network = UNet(config)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = textwrap.shorten(str(error), 400)
        raise ValueError(f"path: the weights in {path} do not fit the U-Net of their own shapes ({reason}).") from error
    return network.eval()


def _layout_error(weights: Weights, path: Path) -> ValueError:
    return ValueError(
        f"path: expected weights named encoders.0.basic_module.SingleConv1.conv.weight to final_conv.weight in {path} "
        f"(also behind module., net_f. or unet_q.), got {_some_names(weights)}."
    )


def _some_names(names: Iterable[Any]) -> str:
    """List the first few names."""
    found = [str(name) for name in names]
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "") if found else "nothing"
