"""A run has a voxel size: images, annotations and what is painted later get there, pictures come back."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import TrainingConfig
from napari_spoco.data.annotations import AnnotationStore
from napari_spoco.models.checkpoint import EmbeddingModel
from napari_spoco.training.reports import Preview, StepReport, TrainingNotice
from napari_spoco.training.run import train
from napari_spoco.training.scale import choose_scale, per_image
from napari_spoco.training.trainer import Trainer, TrainingResult

Discs = tuple[np.ndarray, np.ndarray]
UM, PIXELS = ("micrometer", "micrometer"), ("pixel", "pixel")
COARSE, FINE = ((0.4, 0.4), UM), ((200.0, 200.0), ("nanometer", "nanometer"))
UNKNOWN = ((1.0, 1.0), PIXELS)


@pytest.mark.parametrize(
    ("images", "of_model", "wanted", "expected", "is_said"),
    [
        pytest.param([COARSE, FINE], None, None, COARSE, False, id="the first"),
        pytest.param([UNKNOWN, FINE], None, None, FINE, False, id="the first that is known"),
        pytest.param([UNKNOWN, None], None, None, UNKNOWN, False, id="pixels"),
        pytest.param([None], None, None, None, False, id="nothing is known"),
        pytest.param([COARSE], FINE, None, FINE, False, id="the model's"),
        pytest.param([UNKNOWN], FINE, None, FINE, False, id="the model's for pixels"),
        pytest.param([COARSE], UNKNOWN, None, COARSE, False, id="model in pixels"),
        pytest.param([((4.0, 4.0), UM)], FINE, None, ((4.0, 4.0), UM), True, id="too far from the model's"),
        pytest.param([UNKNOWN, COARSE], FINE, (0.8, 0.8), ((0.8, 0.8), UM), False, id="the setting"),
    ],
)
def test_the_voxel_size_of_a_run(images, of_model, wanted, expected, is_said: bool) -> None:
    scale = choose_scale(images, of_model=of_model, wanted=wanted)
    assert scale.voxel_size == expected
    assert bool(scale.notice) == is_said
    assert scale.from_state(scale.state_dict(), images) == replace(scale, notice="")


@pytest.mark.parametrize(
    ("images", "wanted", "message"),
    [
        ([UNKNOWN], (0.5, 0.5), r"config.voxel_size: .* got \(0.5, 0.5\) for .*pixel"),
        ([None], (0.5, 0.5), "config.voxel_size: .* for no voxel size"),
        ([COARSE], (0.5, 0.5, 0.5), "config.voxel_size: .* one number for each of their axes"),
        ([((1.0, 1.0), ("second",) * 2)], None, "voxel_size, units: expected units of length .*, got 'second'"),
    ],
)
def test_a_voxel_size_that_cannot_be(images, wanted, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_scale(images, wanted=wanted)


def test_one_for_all_or_one_for_each() -> None:
    assert per_image((0.4, 0.4), UM, 2) == (COARSE, COARSE)
    assert per_image([(0.4, 0.4), (1, 1)], [UM, PIXELS], 2) == (COARSE, UNKNOWN)
    assert per_image((1.0, 1.0), None, 1) == (UNKNOWN,)
    assert per_image(None, None, 2) == (None, None)
    with pytest.raises(ValueError, match="units: expected one for each of 1 images, got 2"):
        per_image((1.0, 1.0), [UM, UM], 1)


def doubled(discs: Discs) -> Discs:
    """Show the same with pixels of half the size."""
    image, labels = (array.repeat(2, 0).repeat(2, 1) for array in discs)
    return image, labels


def test_all_images_of_a_run_have_one_voxel_size(discs: Discs, tiny_config: TrainingConfig) -> None:
    (image, labels), (fine, fine_labels) = discs, doubled(discs)
    sizes = {"voxel_size": [(0.4, 0.4), (0.2, 0.2)], "units": [UM, UM]}
    trainer = Trainer([image, fine], [labels, fine_labels], config=tiny_config, **sizes)
    first, second = trainer._pool.images
    assert second.image.shape == (1, 64, 64)
    np.testing.assert_allclose(second.image, first.image, atol=0.35)
    np.testing.assert_array_equal(second.annotations.labels, labels)
    messages = list(trainer.run())
    notices = [message.text for message in messages if isinstance(message, TrainingNotice)]
    (notice,) = notices
    assert "resampled from 0.2 x 0.2 micrometer to the model's voxel size, 0.4 x 0.4 micrometer" in notice
    card = trainer.result().model.card
    assert (card.voxel_size, card.units) == COARSE
    assert card.median_object_size == pytest.approx(193, abs=5)


def test_half_the_resolution(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    config = tiny_config.model_copy(update={"voxel_size": (0.8, 0.8)})
    result = train([image], [labels], config=config, voxel_size=(400, 400), units=("nm", "nm"))
    assert (result.model.card.voxel_size, result.model.card.units) == ((0.8, 0.8), UM)
    assert result.model.card.median_object_size == pytest.approx(193 / 4, abs=4)


@pytest.fixture
def start(discs: Discs, tiny_config: TrainingConfig) -> EmbeddingModel:
    return train([discs[0]], [discs[1]], config=tiny_config, voxel_size=(0.4, 0.4), units=UM).model


def test_fine_tuning_at_the_voxel_size_of_the_model(
    discs: Discs, tiny_config: TrainingConfig, start: EmbeddingModel
) -> None:
    image, labels = doubled(discs)
    store = AnnotationStore(np.where(labels < 3, labels, 0))
    trainer = Trainer([image], [store], config=tiny_config, start_from=start, voxel_size=(0.2, 0.2), units=UM)
    messages = []
    for message in trainer.run():
        messages.append(message)
        if isinstance(message, StepReport) and message.step == 1:
            store.update_box((64, 0), labels[64:])
            store.update_box((0, 0), np.full((1, 2), 9))
    assert "Training goes on with 4 objects." in [m.text for m in messages if isinstance(m, TrainingNotice)]
    (data,) = trainer._pool.images
    np.testing.assert_array_equal(np.maximum(data.annotations.labels, 0), discs[1])
    card = trainer.result().model.card
    assert (card.voxel_size, card.units) == COARSE
    pictures = [message for message in messages if isinstance(message, Preview)]
    assert pictures
    assert {(picture.start, picture.rgb.shape) for picture in pictures} == {((0, 0), (128, 128, 3))}


def test_objects_that_are_too_small_at_the_voxel_size_of_the_run_are_left_out(
    discs: Discs, tiny_config: TrainingConfig
) -> None:
    image, labels = discs
    labels = labels.copy()
    labels[0, :4] = 9
    config = tiny_config.model_copy(update={"voxel_size": (1.6, 1.6), "patch_shape": (16, 16)})
    trainer = Trainer([image], [labels], config=config, voxel_size=(0.4, 0.4), units=UM)
    assert trainer._pool.images[0].annotations.instance_ids == (1, 2, 3, 4)


@pytest.mark.parametrize("units", [UM, PIXELS], ids=["resampled", "in pixels"])
def test_resumed_at_the_same_voxel_size(
    discs: Discs, tiny_config: TrainingConfig, start: EmbeddingModel, tmp_path: Path, units: tuple[str, ...]
) -> None:
    image, labels = doubled(discs)
    options = {"config": tiny_config, "start_from": start, "voxel_size": (0.2, 0.2), "units": units}
    unbroken = train([image], [labels], **options)
    answers = iter([False, True])
    train([image], [labels], **options, folder=tmp_path, stop=lambda: next(answers))
    resumed = train([image], [labels], folder=tmp_path, resume=True)
    assert_same(unbroken, resumed)
    assert resumed.model.card.voxel_size == (0.4, 0.4)


@pytest.mark.parametrize(
    ("size", "units", "message"),
    [
        ((0.2, 0.2), UM, None),
        ((200.5, 199.5), ("nanometer",) * 2, None),
        ((1.0, 1.0), PIXELS, None),
        (
            (0.2, 0.3),
            UM,
            r"^voxel_size: expected 0.2 x 0.2 micrometer of images\[0\], as in .*, got 0.2 x 0.3 micrometer$",
        ),
    ],
    ids=["same", "rounded, in another unit", "not known", "other"],
)
def test_an_image_of_another_voxel_size_cannot_resume_a_run(
    discs: Discs, tiny_config: TrainingConfig, tmp_path: Path, size, units, message: str | None
) -> None:
    image, labels = discs
    config = tiny_config.model_copy(update={"max_steps": 1})
    train([image], [labels], config=config, folder=tmp_path, voxel_size=(0.2, 0.2), units=UM)
    expected = nullcontext() if message is None else pytest.raises(ValueError, match=message)
    with expected:
        Trainer([image], [labels], folder=tmp_path, resume=True, voxel_size=size, units=units)


def test_a_run_that_was_saved_before_there_were_voxel_sizes_resumes(
    discs: Discs, tiny_config: TrainingConfig, start: EmbeddingModel, tmp_path: Path
) -> None:
    image, labels = discs
    sizes = {"voxel_size": (0.2, 0.2), "units": UM}
    unbroken = train([image], [labels], config=tiny_config, start_from=start)  # Taken as it is.
    answers = iter([False, True])
    train([image], [labels], config=tiny_config, start_from=start, folder=tmp_path, stop=lambda: next(answers))
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    for name in ("scale", "replay"):
        del state[name]
    torch.save(state, tmp_path / "state.pt")
    resumed = train([image], [labels], folder=tmp_path, resume=True, **sizes)
    assert_same(unbroken, resumed)
    assert resumed.model.card.voxel_size == (0.2, 0.2)


def assert_same(first: TrainingResult, second: TrainingResult) -> None:
    for name, value in first.last.network.state_dict().items():
        torch.testing.assert_close(second.last.network.state_dict()[name], value, rtol=0, atol=0)


def test_augmentation_knows_the_voxel_size_of_the_run(tiny_config: TrainingConfig) -> None:
    labels = np.zeros((8, 40, 40), dtype=np.int32)
    labels[2:6, 8:30, 8:30] = 1
    image = np.random.default_rng(0).random(labels.shape)
    config = tiny_config.model_copy(update={"patch_shape": (4, 16, 16), "voxel_size": (1.0, 0.5, 0.5)})
    trainer = Trainer([image], [labels], config=config, voxel_size=(1.0, 0.25, 0.25), units=("um",) * 3)
    np.testing.assert_array_equal(trainer._batches._augment._steps, (2, 1, 1))
    assert trainer._pool.images[0].image.shape == (1, 8, 20, 20)


def test_units_that_differ_between_axes_come_to_micrometers() -> None:
    both = per_image([(500, 0.1, 0.1), (2, 1, 1)], [("nm", "um", "um"), ("pixel",) * 3], 2)
    assert both == ((pytest.approx((0.5, 0.1, 0.1)), ("micrometer",) * 3), ((2, 1, 1), ("pixel",) * 3))
    assert choose_scale(both).voxel_size == both[0]
