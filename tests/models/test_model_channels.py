"""The channels that a model remembers: from the training through its file to the prediction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_spoco.config import NetworkConfig, SegmentationConfig, TrainingConfig
from napari_spoco.data.images import SourceImage
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, load_model, save_model
from napari_spoco.models.header import METADATA_KEY
from napari_spoco.segmentation.prediction import predict_embeddings
from napari_spoco.training.run import train
from napari_spoco.training.trainer import Trainer
from napari_spoco.whole_image import segment_source

IMAGE = np.random.default_rng(0).random((3, 32, 32)).astype(np.float32)
CONFIG = TrainingConfig(
    max_steps=2, max_minutes=None, feature_maps=(4, 8), patch_shape=(16, 16), batch_size=1, preview_seconds=1e9
)


def make_model(n_channels: int, channels: tuple[int, ...] | None = None) -> EmbeddingModel:
    network = NetworkConfig(in_channels=n_channels, feature_maps=(4, 8), embedding_dim=4)
    model = EmbeddingModel.create(ModelCard(network=network, channels=channels), seed=0)
    model.network.eval()
    return model


def painted() -> np.ndarray:
    labels = np.zeros((32, 32), np.int32)
    labels[2:10, 2:10], labels[14:24, 14:24] = 1, 2
    return labels


@pytest.mark.parametrize("channels", [(1,), (2, 0)])
def test_the_channels_of_the_model_are_predicted_from(channels) -> None:
    chosen = IMAGE[list(channels)]
    plain, model = make_model(len(channels)), make_model(len(channels), channels)
    expected = predict_embeddings(plain, chosen)
    np.testing.assert_array_equal(predict_embeddings(model, IMAGE), expected)
    np.testing.assert_array_equal(predict_embeddings(model, chosen), expected)  # split off already


def test_channels_are_turned_round_once() -> None:
    source = SourceImage(IMAGE[:2], (1.0, 1.0), ("pixel", "pixel"), ("y", "x"), "cells")
    found = segment_source(make_model(2, (1, 0)), source, SegmentationConfig(method="mutex_watershed"))
    np.testing.assert_array_equal(found.embeddings, predict_embeddings(make_model(2), IMAGE[1::-1]))


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        pytest.param(None, "expected 1 channel, as the model takes, got an image of 3 channels; choose 1", id="all"),
        pytest.param((0, 2), "of 3 channels, of which 2 are chosen; choose 1 of its", id="too many"),
        pytest.param((4,), "with channel 4 .* got one of 3 channels", id="not there"),
    ],
)
def test_image_and_model_do_not_suit(channels, message) -> None:
    with pytest.raises(ValueError, match=message):
        predict_embeddings(make_model(1, channels), IMAGE)


def test_old_files_take_all_channels(tmp_path: Path) -> None:
    path = save_model(make_model(3, (2, 1, 0)), tmp_path / "model.safetensors")
    assert load_model(path).card.channels == (2, 1, 0)
    with safe_open(path, framework="pt") as file:
        card = json.loads(file.metadata()[METADATA_KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    del card["channels"]
    save_file(tensors, path, {METADATA_KEY: json.dumps(card)})
    assert load_model(path).card.channels is None


def test_a_training_takes_the_channels_of_every_image() -> None:
    one = IMAGE[[2, 0]]
    other = np.random.default_rng(1).random((4, 32, 32)).astype(np.float32)
    expected = train([one, other[[2, 0]]], [painted()] * 2, config=CONFIG)
    config = CONFIG.model_copy(update={"channels": (2, 0)})
    result = train([IMAGE, other], [painted()] * 2, config=config)
    assert [report.terms for report in result.reports] == [report.terms for report in expected.reports]
    assert result.model.card.channels == (2, 0)
    assert result.model.config.in_channels == 2
    assert expected.model.card.channels is None


def test_a_training_goes_on_with_the_channels(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"channels": (1,)})
    first = train([IMAGE], [painted()], config=config, folder=tmp_path / "run")
    tuned = train([IMAGE], [painted()], start_from=first.model, config=CONFIG)
    assert tuned.model.card.channels == (1,)
    elsewhere = CONFIG.model_copy(update={"channels": (2,)})
    assert train([IMAGE], [painted()], start_from=first.model, config=elsewhere).model.card.channels == (2,)
    resumed = Trainer([IMAGE], [painted()], config=elsewhere, folder=tmp_path / "run", resume=True)
    assert resumed.config.channels == (1,)
    assert resumed.result().model.card.channels == (1,)
    assert all(torch.equal(a, b) for a, b in zip(*map(weights, (first.last, resumed.result().last)), strict=True))


def weights(model: EmbeddingModel) -> list[torch.Tensor]:
    return list(model.network.state_dict().values())


def test_a_model_of_fewer_channels_says_so() -> None:
    with pytest.raises(ValueError, match=r"2D images of 1 channels, .* got 2D images of 3 \(choose as many\)"):
        train([IMAGE], [painted()], start_from=make_model(1), config=CONFIG)
