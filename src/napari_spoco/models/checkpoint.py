"""One safe model file: safetensors weights of student and teacher, and a JSON card in the header.

Nothing in a model file is ever executed. Format: the metadata key `napari_spoco` holds the card; tensors are named
`student.<parameter>` and `teacher.<parameter>`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from napari_spoco.config import Channels, Foreground, Method, NetworkConfig, Normalization, Parameters
from napari_spoco.data.channels import count_channels, take_channels
from napari_spoco.data.resampling import plan_resampling
from napari_spoco.data.writers import atomic_path
from napari_spoco.models.checksum import check_sum
from napari_spoco.models.header import METADATA_KEY
from napari_spoco.models.network import UNet
from napari_spoco.models.registry import model_in_folder, shipped_models, shipped_path

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.data.resampling import Resampling


class TrainingHistory(Parameters):
    """What the model has been through; `losses` is the total loss at `loss_steps`."""

    steps: int = 0
    seconds: float = 0.0
    n_images: int = 0
    n_objects: int = 0
    loss_steps: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()


class ReplaySpec(Parameters):
    """Where the data that a model was trained on come from, to be replayed when it is fine-tuned.

    `source` is a name of `training/replay.py`. What is made rather than shipped is made with this number of images, of
    this shape, at this voxel size (micrometers), with this seed.
    """

    source: str
    n_images: int = Field(4, ge=1)
    shape: tuple[int, ...] = ()
    voxel_size: tuple[float, ...] | None = None
    seed: int = Field(0, ge=0)


class ModelCard(Parameters):
    """Everything but the weights that prediction and clustering need to know of a model.

    Sizes are in pixels of `voxel_size`: what is predicted is brought there first, see `resampling`. `method` is the
    read-out that suits the model best, `foreground` where objects may be then; a model that classifies pixels
    `knows_outside` if it was shown what lies outside of objects, and is better off when its classes say where objects
    may be. Objects smaller than `smallest_share` of the median one are none. `channels` are those of the images that it
    was trained on, all if None.
    """

    format_version: int = 1
    network: NetworkConfig
    channels: Channels | None = None
    normalization: Normalization = Normalization()
    delta_var: float = Field(0.5, gt=0)
    delta_dist: float = Field(2.0, gt=0)
    kernel_threshold: float = Field(0.9, gt=0, lt=1)
    background_embedding: Literal["mean", "origin"] = "mean"
    knows_outside: bool = False
    patch_shape: tuple[int, ...] = ()
    voxel_size: tuple[float, ...] | None = None
    units: tuple[str, ...] | None = None
    median_object_size: float | None = None
    foreground_radius: float | None = None
    class_threshold: float | None = None
    smallest_share: float | None = Field(None, gt=0)
    replay: ReplaySpec | None = None
    method: Method | None = None
    foreground: Foreground | None = None
    history: TrainingHistory = TrainingHistory()

    @property
    def known_voxel_size(self) -> tuple[tuple[float, ...], tuple[str, ...]] | None:
        """Voxel size and units per spatial axis, if both are known."""
        return (self.voxel_size, self.units) if self.voxel_size and self.units else None

    def take_channels(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return the channels of an image (C, *spatial) that the model takes.

        Raises
        ------
        ValueError
            Image and model do not suit each other; the sentence names both.
        """
        taken, wanted = take_channels(image, self.channels), self.network.in_channels
        if len(taken) != wanted:
            chosen = "" if self.channels is None else f", of which {len(taken)} are chosen"
            advice = f"; choose {wanted} of its channels" if len(image) > wanted else ""
            raise ValueError(
                f"image: expected {count_channels(wanted)}, as the model takes, got an image of "
                f"{count_channels(len(image))}{chosen}{advice}."
            )
        return taken

    def resampling(
        self, shape: Sequence[int], scale: Sequence[float] | None, units: Sequence[str] | None
    ) -> Resampling:
        """Return the way of an image of this spatial shape and voxel size to the model's, and back.

        Raises
        ------
        ValueError
            Scale and units are no voxel size; see `plan_resampling`.
        """
        return plan_resampling(shape, scale, units, self.voxel_size, self.units)


@dataclass(frozen=True)
class EmbeddingModel:
    """A network with its card; `teacher` is None where only the student was kept."""

    network: UNet
    card: ModelCard
    teacher: UNet | None = None

    @classmethod
    def create(cls, card: ModelCard, *, seed: int | None = None) -> Self:
        """Make an untrained model, from a seed, or from PyTorch's current random state if None."""
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            return cls(UNet(card.network), card)

    def with_channels(self, channels: Sequence[int] | None) -> Self:
        """Return the model for images of which these channels are to be taken; all if None."""
        chosen = None if channels is None else tuple(channels)
        return replace(self, card=self.card.model_copy(update={"channels": chosen}))

    @property
    def config(self) -> NetworkConfig:
        """Architecture of the network."""
        return self.card.network

    def to(self, device: torch.device | str) -> Self:
        """Move the weights to a device, in place, and return the model."""
        for network in (self.network, self.teacher):
            if network is not None:
                network.to(device)
        return self


def save_model(model: EmbeddingModel, path: str | os.PathLike[str]) -> Path:
    """Write a model file, all or nothing.

    Raises
    ------
    WriteError
        The folder does not exist or cannot be written; nothing is left behind.
    """
    path = Path(path)
    tensors = {f"student.{name}": value for name, value in model.network.state_dict().items()}
    if model.teacher is not None:
        tensors |= {f"teacher.{name}": value for name, value in model.teacher.state_dict().items()}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, {METADATA_KEY: model.card.model_dump_json()}))
    return path


def load_model(path: str | os.PathLike[str]) -> EmbeddingModel:
    """Read a model file onto the CPU, ready for prediction.

    Parameters
    ----------
    path
        A file that `save_model` wrote, the folder of a training (its best model, or else its last), or the name of a
        shipped model (`models/registry.py`).

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is truncated, is no model of this package, is not the one whose checksum lies beside it (NAME.sha256),
        or its weights do not fit its card.
    """
    path = shipped_path(str(path)) if str(path) in shipped_models() else model_in_folder(Path(path))
    if not path.is_file():
        names = ", ".join(shipped_models())
        raise FileNotFoundError(f"path: there is no model file at {path}, and no shipped model of that name ({names}).")
    check_sum(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"path: {path} is truncated or not a model file ({error}); import_package and "
            "import_checkpoint read those of others."
        ) from error
    if METADATA_KEY not in metadata:
        raise ValueError(f"path: {path} is a safetensors file, but not a napari-spoco model: it has no model card.")
    try:
        card = ModelCard.model_validate_json(metadata[METADATA_KEY])
    except ValidationError as error:
        raise ValueError(f"path: the model card in {path} cannot be read ({error}).") from error
    student = _load_network(card, tensors, "student.", path)
    has_teacher = any(name.startswith("teacher.") for name in tensors)
    teacher = _load_network(card, tensors, "teacher.", path).requires_grad_(False) if has_teacher else None
    return EmbeddingModel(student, card, teacher)


def _load_network(card: ModelCard, tensors: dict[str, torch.Tensor], prefix: str, path: Path) -> UNet:
    network = UNet(card.network)
    weights = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"path: the weights in {path} do not fit its model card ({error}).") from error
    return network.eval()
