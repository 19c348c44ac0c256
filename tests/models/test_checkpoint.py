"""Model files: what is written comes back, and what is broken says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_spoco.config import NetworkConfig
from napari_spoco.models.checkpoint import (
    EmbeddingModel,
    ModelCard,
    ReplaySpec,
    TrainingHistory,
    load_model,
    save_model,
)
from napari_spoco.models.checksum import write_checksum
from napari_spoco.models.network import make_teacher

CARD = ModelCard(
    network=NetworkConfig(ndim=3, feature_maps=(8, 16), norm="group"),
    patch_shape=(8, 16, 16),
    voxel_size=(0.5, 0.2, 0.2),
    units=("micrometer",) * 3,
    median_object_size=120.0,
    replay=ReplaySpec(source="membranes", voxel_size=(0.5, 0.2, 0.2)),
    history=TrainingHistory(steps=3, losses=(3.0, 2.0), loss_steps=(1, 3)),
)


@pytest.fixture
def model() -> EmbeddingModel:
    created = EmbeddingModel.create(CARD)
    return EmbeddingModel(created.network, CARD, make_teacher(created.network))


@pytest.mark.parametrize("with_teacher", [True, False])
def test_round_trip(model: EmbeddingModel, tmp_path: Path, with_teacher: bool) -> None:
    written = model if with_teacher else EmbeddingModel(model.network, CARD)
    read = load_model(save_model(written, tmp_path / "model.safetensors"))
    assert read.card == CARD
    assert (read.teacher is not None) == with_teacher
    for name, value in model.network.state_dict().items():
        torch.testing.assert_close(read.network.state_dict()[name], value, rtol=0, atol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_an_image_gets_to_the_voxel_size_of_the_model() -> None:
    assert CARD.resampling((10, 40, 40), (500, 100, 100), ("nm",) * 3).model_shape == (10, 20, 20)
    assert CARD.resampling((10, 40, 40), None, None).notice.startswith("The image has no voxel size")
    without = CARD.model_copy(update={"voxel_size": None, "units": None})
    assert (CARD.known_voxel_size, without.known_voxel_size) == ((CARD.voxel_size, CARD.units), None)
    assert without.resampling((10, 40, 40), (500, 100, 100), ("nm",) * 3).is_identity


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no model file at .*nothing"):
        load_model(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("kept", [0, 5, 200, -10], ids=["empty", "5 bytes", "header only", "cut at the end"])
def test_truncated_file(model: EmbeddingModel, tmp_path: Path, kept: int) -> None:
    path = save_model(model, tmp_path / "model.safetensors")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="truncated or not a model file"):
        load_model(path)


def test_foreign_safetensors_file(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="has no model card"):
        load_model(tmp_path / "other.safetensors")


def test_card_that_does_not_fit_the_weights(model: EmbeddingModel, tmp_path: Path) -> None:
    other = CARD.model_copy(update={"network": NetworkConfig(ndim=3, feature_maps=(8, 32), norm="group")})
    path = save_model(EmbeddingModel(model.network, other), tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="do not fit its model card"):
        load_model(path)


def test_unreadable_card(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "m.safetensors", metadata={"napari_spoco": '{"network": 3}'})
    with pytest.raises(ValueError, match=r"model card in .* cannot be read"):
        load_model(tmp_path / "m.safetensors")


def test_missing_folder(model: EmbeddingModel, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="its folder does not exist"):
        save_model(model, tmp_path / "no" / "model.safetensors")


@pytest.mark.parametrize("style", ["{sum}  {name}", "SHA256 ({name}) = {sum}"], ids=["coreutils", "BSD"])
def test_a_file_is_held_against_the_checksum_beside_it(model: EmbeddingModel, tmp_path: Path, style: str) -> None:
    path = save_model(model, tmp_path / "m.safetensors")
    beside = tmp_path / "m.safetensors.sha256"
    beside.write_text(style.format(sum=write_checksum(path), name=path.name))
    assert load_model(path).card == CARD
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # a weight: the file can still be read
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^path: .*m.safetensors is not the file that m.safetensors.sha256 beside it"):
        load_model(path)
    beside.write_text("nothing of the kind")
    with pytest.raises(ValueError, match=r"^path: expected the SHA-256 of m.safetensors in .*, found none"):
        load_model(path)
