"""The loop: what it yields, that it learns, stops and refuses what cannot be trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import TrainingConfig
from napari_spoco.models.checkpoint import load_model, save_model
from napari_spoco.training.reports import Preview, StepReport, TrainingStarted
from napari_spoco.training.trainer import Trainer, train

from .conftest import discs


def test_run_yields_start_steps_and_previews(tiny_config: TrainingConfig) -> None:
    image, labels = discs()
    reports = list(Trainer([image], [labels], config=tiny_config).run())
    assert isinstance(reports[0], TrainingStarted)
    assert reports[0].n_objects == 4
    steps = [report for report in reports if isinstance(report, StepReport)]
    assert [report.step for report in steps] == [1, 2, 3]
    assert steps[-1].remaining == 0.0
    previews = [report for report in reports if isinstance(report, Preview)]
    assert previews
    assert previews[0].rgb.shape == (64, 64, 3)
    assert previews[0].rgb.dtype == np.uint8


def test_loss_falls_and_objects_come_apart() -> None:
    image, labels = discs()
    config = TrainingConfig(
        max_steps=60, patch_shape=(48, 48), batch_size=2, feature_maps=(8, 16), learning_rate=5e-3, preview_seconds=1e9
    )
    result = train([image], [labels], config=config)
    losses = [report.terms.total for report in result.reports]
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])
    assert result.model.card.history.steps == 60
    assert result.model.card.history.n_objects == 4
    assert result.model.card.median_object_size == pytest.approx(193, abs=5)


def test_3d_and_channels_and_images_without_objects(tiny_config: TrainingConfig) -> None:
    rng = np.random.default_rng(0)
    images = [rng.random((2, 10, 24, 24)).astype(np.float32) for _ in range(2)]
    labels = [np.zeros((10, 24, 24), dtype=np.uint16) for _ in range(2)]
    labels[1][3:6, 5:12, 5:12] = 300
    config = tiny_config.model_copy(update={"patch_shape": (8, 16, 16), "norm": "group"})
    result = train(images, labels, config=config)
    assert result.model.config.ndim == 3
    assert result.model.config.in_channels == 2


def test_stop_ends_before_the_next_step(tiny_config: TrainingConfig) -> None:
    image, labels = discs()
    answers = iter([False, True])
    result = train([image], [labels], config=tiny_config, stop=lambda: next(answers))
    assert len(result.reports) == 1
    assert result.stopped


def test_time_ends_a_run_without_calling_it_stopped(tiny_config: TrainingConfig) -> None:
    image, labels = discs()
    config = tiny_config.model_copy(update={"max_minutes": 1e-9, "max_steps": 1000})
    result = train([image], [labels], config=config)
    assert len(result.reports) <= 1
    assert not result.stopped


def test_same_seed_same_weights(tiny_config: TrainingConfig) -> None:
    image, labels = discs()
    first, second = (train([image], [labels], config=tiny_config).model.network.state_dict() for _ in range(2))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)


def test_training_goes_on_from_a_model_file(tiny_config: TrainingConfig, tmp_path: Path) -> None:
    image, labels = discs()
    path = save_model(train([image], [labels], config=tiny_config).model, tmp_path / "a.safetensors")
    before = load_model(path).network.state_dict()
    config = tiny_config.model_copy(update={"learning_rate": 1e-12, "feature_maps": None})
    again = train([image], [labels], start_from=path, config=config).model
    assert again.card.history.steps == 6
    name = "final_conv.weight"
    torch.testing.assert_close(again.network.state_dict()[name], before[name], rtol=0, atol=1e-6)


IMAGE, LABELS = discs()
BAD_INPUT = {
    "no image": ([], [], "expected one annotation per image"),
    "numbers differ": ([IMAGE], [], "expected one annotation per image, got 1 images and 0"),
    "no annotation": ([IMAGE], [LABELS * 0], "annotations"),
    "other shape": ([IMAGE], [LABELS[:-1]], "annotations"),
    "one pixel": ([IMAGE], [(np.arange(64 * 64).reshape(64, 64) == 99).astype(np.int32)], "pixel"),
    "constant image": ([IMAGE * 0], [LABELS], "constant"),
    "NaN": ([np.where(LABELS == 1, np.nan, IMAGE)], [LABELS], "NaN"),
    "infinity": ([np.where(LABELS == 1, np.inf, IMAGE)], [LABELS], "infinit"),
    "too many axes": ([IMAGE[None, None]], [LABELS], "axes"),
    "float labels": ([IMAGE], [LABELS.astype(float)], "integer"),
    "mixed channels": ([IMAGE, np.stack([IMAGE, IMAGE])], [LABELS, LABELS], "channel count"),
    "smaller than the stride": ([IMAGE[:1, :20]], [LABELS[13:14, :20]], "stride|smaller"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_a_sentence_that_names_it(case: str, tiny_config: TrainingConfig) -> None:
    images, labels, message = BAD_INPUT[case]
    with pytest.raises((ValueError, TypeError), match=message):
        Trainer(images, labels, config=tiny_config)


@pytest.mark.parametrize("patch", [(16,), (1, 32), (8, 8, 8)], ids=str)
def test_patch_that_does_not_fit_the_network(patch: tuple[int, ...], tiny_config: TrainingConfig) -> None:
    image, labels = discs()
    with pytest.raises(ValueError, match="patch_shape: expected 2 axes of at least 2 pixels"):
        Trainer([image], [labels], config=tiny_config.model_copy(update={"patch_shape": patch}))


def test_unknown_device(tiny_config: TrainingConfig) -> None:
    image, labels = discs()
    with pytest.raises(ValueError, match="device: 'abacus' is not available"):
        Trainer([image], [labels], config=tiny_config.model_copy(update={"device": "abacus"}))


def test_loss_that_is_not_finite_is_an_error(tiny_config: TrainingConfig) -> None:
    image, labels = discs()
    config = tiny_config.model_copy(update={"learning_rate": 1e30, "max_steps": 20})
    with pytest.raises(FloatingPointError, match="try a lower learning rate"):
        train([image], [labels], config=config)


@pytest.mark.gpu
def test_trains_on_the_gpu_and_returns_to_the_cpu(tiny_config: TrainingConfig) -> None:
    image, labels = discs()
    result = train([image], [labels], config=tiny_config.model_copy(update={"device": "cuda"}))
    assert next(result.model.network.parameters()).device.type == "cpu"
