"""Painting goes on while the network learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_spoco.config import AnnotationConfig, LossConfig, TrainingConfig, ValidationConfig
from napari_spoco.data.annotations import BACKGROUND, UNLABELED, AnnotationStore
from napari_spoco.models.checkpoint import load_model
from napari_spoco.training.pool import TrainingPool
from napari_spoco.training.process import AnnotationUpdate, TrainingProcess, TrainingRequest
from napari_spoco.training.reports import Preview, StepReport, TrainingNotice
from napari_spoco.training.trainer import Trainer

Discs = tuple[np.ndarray, np.ndarray]


def pool_of(discs: Discs, painted: np.ndarray, **loss: object) -> tuple[TrainingPool, AnnotationStore]:
    store = AnnotationStore(painted)
    config = TrainingConfig(loss=LossConfig(**loss))
    return TrainingPool([discs[0]], [store], config.normalization, config), store


def test_new_objects_are_taken_in_once(discs: Discs) -> None:
    labels = discs[1]
    pool, store = pool_of(discs, np.where(labels == 1, labels, 0))
    assert not pool.refresh()
    store.update_box((0, 32), labels[:32, 32:])
    assert pool.refresh()
    assert pool.images[0].annotations.instance_ids == (1, 2)
    assert pool.n_objects == 2
    assert not pool.refresh()


def test_the_first_dab_of_a_brush_is_no_object_yet(discs: Discs) -> None:
    labels = discs[1]
    pool, store = pool_of(discs, np.where(labels == 1, labels, 0))
    store.update_box((40, 40), np.array([[9]]))
    pool.refresh()
    assert pool.images[0].annotations.instance_ids == (1,)


def test_erasing_everything_changes_nothing(discs: Discs) -> None:
    pool, store = pool_of(discs, discs[1])
    store.update(np.zeros_like(discs[1]))
    assert not pool.refresh()
    assert pool.n_objects == 4


def test_what_is_painted_later_is_read_like_what_was_there(discs: Discs) -> None:
    pool, store = pool_of(discs, discs[1], supervision="dense")
    store.update(np.where(discs[1] > 1, discs[1], 0))
    assert pool.refresh()
    assert set(np.unique(pool.images[0].annotations.labels)) == {BACKGROUND, 2, 3, 4}


def test_objects_left_out_are_unlabeled(discs: Discs) -> None:
    pool, _ = pool_of(discs, discs[1], supervision="dense")
    (image,) = pool.without((frozenset({2}),))
    assert set(np.unique(image.annotations.labels[discs[1] == 2])) == {UNLABELED}
    assert image.annotations.instance_ids == (1, 3, 4)
    assert pool.n_objects == 4
    assert all(shown is image for shown, image in zip(pool.without(()), pool.images, strict=True))


def test_objects_that_are_shown_have_a_rim_and_those_left_out_have_none() -> None:
    image = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    labels = np.zeros((32, 32), np.int32)
    labels[4:9, 4:9], labels[20:25, 20:25], labels[15] = 1, 2, 9
    config = TrainingConfig(annotations=AnnotationConfig(background_label=9))
    pool = TrainingPool([image], [labels], config.normalization, config)
    (shown,) = pool.without((frozenset({2}),))
    assert (shown.annotations.labels[2:4, 4:9] == BACKGROUND).all()
    assert not shown.annotations.labels[18:28, 18:28].any()
    assert pool.without((frozenset({2}),))[0] is shown
    (everything,) = pool.without(())
    assert (everything.annotations.labels[18:20, 20:25] == BACKGROUND).all()
    assert not pool.images[0].annotations.labels[2:4].any()


def test_cells_of_a_stack_may_lie_wall_to_wall() -> None:
    stack = np.random.default_rng(0).random((8, 32, 32)).astype(np.float32)
    labels = np.zeros(stack.shape, np.int32)
    labels[:, 4:9, 4:9], labels[:, 15] = 1, 9
    config = TrainingConfig(annotations=AnnotationConfig(background_label=9))
    for width, n_more in ((None, 0), (1, 8 * 4 * 5)):
        settings = config.model_copy(update={"background_rim": width})
        (shown,) = TrainingPool([stack], [labels], config.normalization, settings).without(())
        assert (shown.annotations.labels == BACKGROUND).sum() == (labels == 9).sum() + n_more


def test_a_run_goes_on_with_what_was_painted(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    store = AnnotationStore(np.where(labels < 3, labels, 0))
    trainer = Trainer([image], [store], config=tiny_config)
    messages = []
    for message in trainer.run():
        messages.append(message)
        if isinstance(message, StepReport) and message.step == 1:
            store.update(labels)
    notices = [message.text for message in messages if isinstance(message, TrainingNotice)]
    assert notices == ["Training goes on with 4 objects."]
    assert trainer.result().model.card.history.n_objects == 4


def test_a_run_goes_on_where_only_what_is_left_out_stays_painted(tiny_config: TrainingConfig) -> None:
    labels = np.kron(np.arange(1, 10).reshape(3, 3), np.pad(np.ones((10, 10), np.int32), 5))
    image = (labels > 0) + np.random.default_rng(0).random(labels.shape).astype(np.float32)
    store = AnnotationStore(labels)
    config = tiny_config.model_copy(update={"max_steps": 4, "validation": ValidationConfig(fraction=0.3)})
    trainer = Trainer([image], [store], config=config)
    (left_out,) = trainer._selection.left_out
    notices = []
    for message in trainer.run():
        if isinstance(message, StepReport) and message.step == 1:
            store.update(np.where(np.isin(labels, list(left_out)), labels, 0))
        if isinstance(message, TrainingNotice):
            notices.append(message.text)
    assert left_out
    assert notices == ["All objects that are still painted are left out to score: training goes on with the others."]
    assert len(trainer.result().reports) == 4


@pytest.mark.slow
def test_a_child_takes_in_what_is_painted(discs: Discs, tiny_config: TrainingConfig, tmp_path: Path) -> None:
    image, labels = discs
    painted = np.where(labels < 3, labels, 0)
    config = tiny_config.model_copy(
        update={"max_steps": 100_000, "threads": 1, "annotations": AnnotationConfig(background_label=7)}
    )
    process = TrainingProcess(TrainingRequest((image,), (painted,), config, str(tmp_path / "run")))
    process.start()
    notices = []
    for message in process.messages():
        if isinstance(message, StepReport) and message.step == 1:
            strokes = np.full((4, 64), 7)
            assert process.update_annotations(AnnotationUpdate(0, (30, 0), strokes))
            assert process.update_annotations(AnnotationUpdate(0, (32, 0), labels[32:]))
        if isinstance(message, TrainingNotice):
            notices.append(message.text)
            if notices[-1].endswith("4 objects."):
                process.request_stop()
    assert "Training goes on with 4 objects." in notices
    process.kill()
    assert not process.update_annotations(AnnotationUpdate(0, (0, 0), labels))


@pytest.mark.slow
def test_a_child_takes_what_is_painted_to_the_voxel_size_of_the_run(
    discs: Discs, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    image, labels = (array.repeat(2, 0).repeat(2, 1) for array in discs)
    painted = np.where(labels < 3, labels, 0)
    config = tiny_config.model_copy(update={"max_steps": 100_000, "threads": 1, "voxel_size": (0.4, 0.4)})
    request = TrainingRequest(
        (image,), (painted,), config, str(tmp_path / "run"), voxel_size=(0.2, 0.2), units=("micrometer",) * 2
    )
    process = TrainingProcess(request)
    process.start()
    notices, pictures = [], set()
    for message in process.messages():
        if isinstance(message, StepReport) and message.step == 1:
            assert process.update_annotations(AnnotationUpdate(0, (64, 0), labels[64:]))
        if isinstance(message, Preview):
            pictures.add((message.start, message.rgb.shape))
        if isinstance(message, TrainingNotice):
            notices.append(message.text)
            if message.text == "Training goes on with 4 objects.":
                process.request_stop()
    assert any("to the model's voxel size, 0.4 x 0.4 micrometer" in notice for notice in notices)
    assert "Training goes on with 4 objects." in notices
    assert pictures == {((0, 0), (128, 128, 3))}
    card = load_model(tmp_path / "run").card
    assert (card.voxel_size, card.history.n_objects) == ((0.4, 0.4), 4)
    assert card.median_object_size == pytest.approx(193, abs=5)
