"""What a model file says of itself without torch."""

from __future__ import annotations

import pytest

from napari_spoco.config import NetworkConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, TrainingHistory, save_model
from napari_spoco.models.header import read_header
from napari_spoco.models.network import make_teacher


@pytest.mark.parametrize("has_teacher", [True, False])
def test_the_header_says_network_and_teacher(tmp_path, has_teacher) -> None:
    card = ModelCard(network=NetworkConfig(feature_maps=(2, 4), embedding_dim=2), history=TrainingHistory(steps=96))
    model = EmbeddingModel.create(card)
    if has_teacher:
        model = EmbeddingModel(model.network, card, make_teacher(model.network))
    path = save_model(model, tmp_path / "last.safetensors")
    for place in (path, tmp_path):  # a file, and the folder of a training
        header = read_header(place)
        assert header.network == card.network
        assert header.has_teacher == has_teacher
        assert header.n_steps == 96


def test_what_is_no_model_is_refused(tmp_path) -> None:
    from safetensors.numpy import save_file

    (tmp_path / "text.safetensors").write_bytes(b"model")
    save_file({}, tmp_path / "other.safetensors")
    for name in ("text", "other", "missing"):
        with pytest.raises(ValueError, match=f"path: .*{name}.safetensors is not a model file"):
            read_header(tmp_path / f"{name}.safetensors")
