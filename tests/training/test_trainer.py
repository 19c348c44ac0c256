"""The loop: what it yields, that it learns, stops and refuses what cannot be trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import AnnotationConfig, LossConfig, TrainingConfig
from napari_spoco.models.checkpoint import load_model, save_model
from napari_spoco.training.loss import TERMS
from napari_spoco.training.reports import Preview, StepReport, TrainingStarted
from napari_spoco.training.run import train
from napari_spoco.training.trainer import Trainer

Discs = tuple[np.ndarray, np.ndarray]
CLASSES_ALONE = LossConfig(pixel_classes_weight=5.0, **{f"{term}_weight": 0.0 for term in TERMS})


def test_run_yields_start_steps_and_previews(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
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


def test_loss_falls_and_objects_come_apart(discs: Discs) -> None:
    image, labels = discs
    config = TrainingConfig(
        max_steps=120,
        patch_shape=(48, 48),
        batch_size=2,
        feature_maps=(8, 16),
        learning_rate=5e-3,
        preview_seconds=1e9,
        seed=1,
    )
    result = train([image], [labels], config=config)
    losses = [report.terms.total for report in result.reports]
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])
    assert result.model.card.history.steps == 120
    assert result.model.card.history.n_objects == 4
    assert result.model.card.median_object_size == pytest.approx(193, abs=5)


def test_3d_and_channels_and_images_without_objects(discs: Discs, tiny_config: TrainingConfig) -> None:
    rng = np.random.default_rng(0)
    images = [rng.random((2, 10, 24, 24)).astype(np.float32) for _ in range(2)]
    labels = [np.zeros((10, 24, 24), dtype=np.uint16) for _ in range(2)]
    labels[1][3:6, 5:12, 5:12] = 300
    config = tiny_config.model_copy(update={"patch_shape": (8, 16, 16), "norm": "group"})
    result = train(images, labels, config=config)
    assert result.model.config.ndim == 3
    assert result.model.config.in_channels == 2


def test_stop_ends_before_the_next_step(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    answers = iter([False, True])
    result = train([image], [labels], config=tiny_config, stop=lambda: next(answers))
    assert len(result.reports) == 1
    assert result.stopped


def test_time_ends_a_run_without_calling_it_stopped(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    config = tiny_config.model_copy(update={"max_minutes": 1e-9, "max_steps": 1000})
    result = train([image], [labels], config=config)
    assert len(result.reports) <= 1
    assert not result.stopped


def test_same_seed_same_weights(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    first, second = (train([image], [labels], config=tiny_config).model.network.state_dict() for _ in range(2))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)


def test_teacher_predicts_without_the_consistency_term_too(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    config = tiny_config.model_copy(update={"loss": LossConfig(consistency_weight=0.0), "max_steps": 20})
    model = train([image], [labels], config=config).model
    for name, value in model.network.state_dict().items():
        if "running" in name:
            torch.testing.assert_close(model.teacher.state_dict()[name], value)


def test_the_model_that_is_started_from_is_left_as_it_was(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    model = train([image], [labels], config=tiny_config).model
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    again = train([image], [labels], start_from=model, config=tiny_config).model
    assert any(not torch.equal(again.network.state_dict()[name], value) for name, value in before.items())
    assert all(torch.equal(model.network.state_dict()[name], value) for name, value in before.items())


def test_training_goes_on_from_a_model_file(discs: Discs, tiny_config: TrainingConfig, tmp_path: Path) -> None:
    image, labels = discs
    path = save_model(train([image], [labels], config=tiny_config).model, tmp_path / "a.safetensors")
    before = load_model(path).network.state_dict()
    config = tiny_config.model_copy(update={"learning_rate": 1e-12, "feature_maps": None})
    again = train([image], [labels], start_from=path, config=config).model
    assert again.card.history.steps == 6
    name = "final_conv.weight"
    torch.testing.assert_close(again.network.state_dict()[name], before[name], rtol=0, atol=1e-6)


def test_background_stays_where_the_model_has_it(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    at_origin = train([image], [labels], config=tiny_config).model
    assert (tiny_config.loss.background_embedding, at_origin.card.background_embedding) == ("origin", "origin")
    at_mean = replace(at_origin, card=at_origin.card.model_copy(update={"background_embedding": "mean"}))
    trainer = Trainer([image], [labels], start_from=at_mean, config=tiny_config)
    assert trainer.config.loss.background_embedding == "mean"
    assert list(trainer.run())
    assert trainer.result().model.card.background_embedding == "mean"


def test_a_resumed_run_keeps_where_the_background_is(discs: Discs, tiny_config: TrainingConfig, tmp_path: Path) -> None:
    image, labels = discs
    train([image], [labels], config=tiny_config, folder=tmp_path / "run")
    again = Trainer([image], [labels], folder=tmp_path / "run", resume=True)
    assert again.config.loss.background_embedding == "origin"


BAD_INPUT = {
    "no image": (lambda image, labels: ([], []), "expected one annotation per image"),
    "numbers differ": (lambda image, labels: ([image], []), "got 1 images and 0 annotations"),
    "no annotation": (lambda image, labels: ([image], [labels * 0]), "annotations: expected at least one"),
    "other shape": (lambda image, labels: ([image], [labels[:-1]]), r"annotations\[0\]: expected the image's shape"),
    "one pixel": (lambda image, labels: ([image], [_one_pixel(labels)]), "expected objects of at least 4 pixels"),
    "constant image": (lambda image, labels: ([image * 0], [labels]), "expected an image with contrast"),
    "NaN": (lambda image, labels: ([_spoilt(image, np.nan)], [labels]), "NaN"),
    "infinity": (lambda image, labels: ([_spoilt(image, np.inf)], [labels]), "infinity"),
    "too many axes": (lambda image, labels: ([image[None, None]], [labels]), r"images\[0\]: expected axes"),
    "float labels": (lambda image, labels: ([image], [labels.astype(float)]), "integer"),
    "mixed channels": (lambda image, labels: ([image, np.stack([image] * 2)], [labels] * 2), "channel count"),
    "too small": (
        lambda image, labels: ([image[13:14, :20]], [labels[13:14, :20]]),
        "at least 2 pixels along every axis",
    ),
}


def _one_pixel(labels: np.ndarray) -> np.ndarray:
    return (np.arange(labels.size).reshape(labels.shape) == 99).astype(np.int32)


def _spoilt(image: np.ndarray, value: float) -> np.ndarray:
    copy = image.copy()
    copy[3, 4] = value
    return copy


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_a_sentence_that_names_it(case: str, discs: Discs, tiny_config: TrainingConfig) -> None:
    make, message = BAD_INPUT[case]
    images, labels = make(*discs)
    with pytest.raises((ValueError, TypeError), match=message):
        Trainer(images, labels, config=tiny_config)


def test_a_loss_that_the_model_cannot_learn_by_is_refused(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    alone = tiny_config.model_copy(update={"loss": CLASSES_ALONE})
    with pytest.raises(ValueError, match=r"loss: expected a weight above 0, got 0 for every term .* can learn by"):
        Trainer([image], [labels], start_from=load_model("nuclei-small"), config=alone)


def test_model_of_another_kind_is_refused(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    model = train([image], [labels], config=tiny_config).model
    with pytest.raises(
        ValueError, match="expected 2D images of 1 channels, as the model was made for, got 2D images of 2"
    ):
        Trainer([np.stack([image, image])], [labels], start_from=model, config=tiny_config)


@pytest.mark.parametrize("patch", [(16,), (1, 32), (8, 8, 8)], ids=str)
def test_patch_that_does_not_fit_the_network(discs: Discs, patch: tuple[int, ...], tiny_config: TrainingConfig) -> None:
    image, labels = discs
    with pytest.raises(ValueError, match="patch_shape: expected 2 axes of at least 2 pixels"):
        Trainer([image], [labels], config=tiny_config.model_copy(update={"patch_shape": patch}))


def test_unknown_device(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    with pytest.raises(ValueError, match="device: 'abacus' is not available"):
        Trainer([image], [labels], config=tiny_config.model_copy(update={"device": "abacus"}))


def test_loss_that_is_not_finite_is_an_error(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    config = tiny_config.model_copy(update={"learning_rate": 1e30, "max_steps": 20})
    with pytest.raises(FloatingPointError, match="try a lower learning rate"):
        train([image], [labels], config=config)


@pytest.mark.gpu
def test_trains_on_the_gpu_and_returns_to_the_cpu(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    result = train([image], [labels], config=tiny_config.model_copy(update={"device": "cuda"}))
    assert next(result.model.network.parameters()).device.type == "cpu"


STATEMENTS = {
    "strokes": ((12, 24, 24), AnnotationConfig(background_label=8, ignore_label=9)),
    "planes": ((12, 24, 24), AnnotationConfig(background_label=8, painted_in_planes=True)),
    "strokes 2d": ((32, 32), AnnotationConfig(background_label=8, ignore_label=9)),
}


@pytest.mark.parametrize("supervision", ["sparse", "dense", "dense_consistency"])
@pytest.mark.parametrize("case", STATEMENTS)
def test_trains_on_all_that_can_be_stated(case: str, supervision: str, tiny_config: TrainingConfig) -> None:
    shape, statement = STATEMENTS[case]
    rng = np.random.default_rng(0)
    labels = np.zeros(shape, dtype=np.uint16)
    labels[..., 4:10, 4:10], labels[..., 12:20, 12:20] = 1, 2
    labels[..., 22:, :8], labels[..., :2, :] = 8, 9
    if case == "planes":
        labels[:4], labels[6:] = 0, 0
    config = tiny_config.model_copy(
        update={
            "patch_shape": (8, 16, 16)[-len(shape) :],
            "norm": "group",
            "annotations": statement,
            "loss": LossConfig(supervision=supervision),
        }
    )
    result = train([rng.random(shape).astype(np.float32)], [labels], config=config)
    assert result.model.card.history.n_objects == (3 if case == "planes" else 2)
    assert len(result.reports) == 3
    terms = result.reports[-1].terms
    assert (terms.unlabeled_push > 0) == (supervision == "sparse")
    assert (terms.consistency > 0) == (supervision != "dense")


def test_pixel_classes_are_learned_beside_the_embeddings(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    result = train([image], [labels], config=tiny_config)
    assert result.model.config.pixel_classes
    assert 0.3 <= (result.model.card.class_threshold or 0) <= 0.99
    assert result.model.card.smallest_share in (1 / 8, 1 / 3)
    assert all(report.terms.pixel_classes > 0 for report in result.reports)
    assert result.model.card.method in ("mutex_watershed", "pixel_classes")
    without = tiny_config.model_copy(update={"loss": LossConfig(), "background_rim": 0})
    paper = train([image], [labels], config=without)
    assert not paper.model.config.pixel_classes
    card = paper.model.card
    assert (card.class_threshold, card.method, card.knows_outside) == (None, None, False)
    assert all(report.terms.pixel_classes == 0 for report in paper.reports)
    # A model that was made without goes on without.
    tuned = train([image], [labels], start_from=paper.model, config=tiny_config)
    assert not tuned.model.config.pixel_classes
    assert all(report.terms.pixel_classes == 0 for report in tuned.reports)
