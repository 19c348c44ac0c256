"""What a model was trained on is shown to it again, and counts for nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import LossConfig, TrainingConfig, ValidationConfig
from napari_spoco.data.annotations import BACKGROUND, UNLABELED
from napari_spoco.data.samples import load_nuclei
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, ReplaySpec
from napari_spoco.training.replay import SOURCES, Replay, replay_share
from napari_spoco.training.reports import ScoreReport, TrainingNotice, TrainingStarted
from napari_spoco.training.run import train
from napari_spoco.training.scale import TrainingScale
from napari_spoco.training.trainer import Trainer

Discs = tuple[np.ndarray, np.ndarray]
MEMBRANES = ReplaySpec(source="membranes", n_images=2, shape=(48, 48), voxel_size=(0.8, 0.8), seed=3)
UM = ("micrometer", "micrometer")


def with_replay(model: EmbeddingModel, spec: ReplaySpec | None) -> EmbeddingModel:
    return replace(model, card=model.card.model_copy(update={"replay": spec}))


@pytest.fixture
def start(discs: Discs, tiny_config: TrainingConfig) -> EmbeddingModel:
    model = train([discs[0]], [discs[1]], config=tiny_config, voxel_size=(0.8, 0.8), units=UM).model
    return with_replay(model, MEMBRANES)


@pytest.mark.parametrize(
    ("wanted", "is_trained", "spec", "share"),
    [
        (None, True, MEMBRANES, 0.5),
        (0.25, True, MEMBRANES, 0.25),
        (0.0, True, MEMBRANES, 0.0),
        (None, False, MEMBRANES, 0.0),
        (0.25, True, None, 0.0),
    ],
    ids=["default", "set", "off", "from scratch", "nothing to replay"],
)
def test_the_share_of_a_run(start: EmbeddingModel, wanted, is_trained, spec, share) -> None:
    history = start.card.history if is_trained else ModelCard(network=start.config).history
    card = start.card.model_copy(update={"replay": spec, "history": history})
    assert replay_share(TrainingConfig(replay=wanted), card) == share


@pytest.mark.parametrize(("share", "batch_size"), [(0.5, 4), (0.5, 1), (0.3, 2), (0.9, 3)])
def test_the_share_of_a_batch(share: float, batch_size: int, rng: np.random.Generator) -> None:
    counts = [Replay([], share, "").count(batch_size, rng) for _ in range(2000)]
    assert max(counts) - min(counts) <= 1
    assert np.mean(counts) == pytest.approx(share * batch_size, abs=0.05)


def test_replayed_patches_are_dense_and_the_user_s_sparse(
    discs: Discs, tiny_config: TrainingConfig, start: EmbeddingModel
) -> None:
    image, labels = discs
    config = tiny_config.model_copy(update={"batch_size": 4})
    trainer = Trainer([image], [labels], config=config, start_from=start, voxel_size=(0.8, 0.8), units=UM)
    crops = trainer._batches.draw_crops(np.random.default_rng(0))
    assert [(crop.labels == UNLABELED).any() for crop in crops] == [True, True, False, False]
    assert all((crop.labels > 0).any() for crop in crops[2:])


def test_what_is_replayed_counts_for_nothing_else(
    discs: Discs, tiny_config: TrainingConfig, start: EmbeddingModel
) -> None:
    image, labels = discs
    labels = np.where((labels > 0) & (np.arange(64) % 32 > 15), labels + 10, labels)
    trainer = Trainer([image], [labels], config=tiny_config, start_from=start)
    messages = list(trainer.run())
    (started,) = (message for message in messages if isinstance(message, TrainingStarted))
    notices = [message.text for message in messages if isinstance(message, TrainingNotice)]
    assert "So that the model does not forget, 50% of what it sees are images it was trained on before." in notices
    assert started.n_objects == len(np.unique(labels)) - 1
    assert {m.n_objects for m in messages if isinstance(m, ScoreReport)} == {started.n_left_out}
    card = trainer.result().model.card
    assert (card.history.n_images, card.history.n_objects) == (1, started.n_objects)
    assert card.replay == MEMBRANES


def test_replay_changes_what_is_learned(discs: Discs, tiny_config: TrainingConfig, start: EmbeddingModel) -> None:
    image, labels = discs
    first, again, without = (
        train([image], [labels], config=tiny_config.model_copy(update={"replay": share}), start_from=start).last
        for share in (0.5, None, 0.0)
    )
    assert torch.equal(first.network.final_conv.weight, again.network.final_conv.weight)
    assert not torch.equal(first.network.final_conv.weight, without.network.final_conv.weight)


def test_without_data_a_wish_for_replay_is_answered(
    discs: Discs, tiny_config: TrainingConfig, start: EmbeddingModel
) -> None:
    image, labels = discs
    config = tiny_config.model_copy(update={"replay": 0.5})
    trainer = Trainer([image], [labels], config=config, start_from=with_replay(start, None))
    notices = [message.text for message in trainer.run() if isinstance(message, TrainingNotice)]
    assert "Nothing is replayed: the run starts from no model whose training data are known." in notices


@pytest.mark.parametrize("supervision", ["sparse", "dense", "dense_consistency"])
def test_all_kinds_of_supervision(
    discs: Discs, tiny_config: TrainingConfig, start: EmbeddingModel, supervision: str
) -> None:
    image, labels = discs
    changes = {"loss": LossConfig(supervision=supervision), "validation": ValidationConfig(left_out="none")}
    config = tiny_config.model_copy(update=changes)
    reports = train([image], [labels], config=config, start_from=start).reports
    assert all((report.terms.unlabeled_push > 0) == (supervision == "sparse") for report in reports)
    assert all((report.terms.consistency > 0) == (supervision != "dense") for report in reports)


def test_resumed_with_its_replay(
    discs: Discs, tiny_config: TrainingConfig, start: EmbeddingModel, tmp_path: Path
) -> None:
    image, labels = discs
    config = tiny_config.model_copy(update={"replay": 0.3})
    unbroken = train([image], [labels], config=config, start_from=start)
    answers = iter([False, True])
    train([image], [labels], config=config, start_from=start, folder=tmp_path, stop=lambda: next(answers))
    resumed = train([image], [labels], folder=tmp_path, resume=True)
    for name, value in unbroken.last.network.state_dict().items():
        torch.testing.assert_close(resumed.last.network.state_dict()[name], value, rtol=0, atol=0)
    assert resumed.last.card.replay == MEMBRANES


@pytest.mark.parametrize("source", SOURCES)
def test_sources_are_dense_and_reproducible(source: str) -> None:
    spec = ReplaySpec(source=source, n_images=2, shape=(40, 40) if source == "membranes" else ())
    first, second = (SOURCES[source](spec) for _ in range(2))
    assert not np.array_equal(*first[0])
    assert len(first[0]) == 2
    for image, known, other, known_again in zip(*first, *second, strict=True):
        np.testing.assert_array_equal(image, other)
        np.testing.assert_array_equal(known.labels, known_again.labels)
        assert image.shape == known.labels.shape
        assert known.n_objects > 1
        assert not (known.labels == UNLABELED).any()


def test_no_nucleus_of_the_demo_is_replayed() -> None:
    images, known = SOURCES["nuclei"](ReplaySpec(source="nuclei", n_images=100))
    assert len(images) == 14
    assert all((each.labels == BACKGROUND).mean() > 0.3 for each in known)
    demo = [sample.image for split in ("train", "val") for sample in load_nuclei(split)]
    assert not {row.tobytes() for image in demo for row in image if row.std() > 5} & {
        row.tobytes() for image in images for row in image
    }


def test_replayed_images_get_to_the_voxel_size_of_the_run(start: EmbeddingModel) -> None:
    prepared = Replay.prepare(start.card, 0.5, TrainingScale(((0.4, 0.4), UM), ()))
    assert [image.image.shape for image in prepared.images] == [(1, 96, 96)] * 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ReplaySpec(source="clouds"), "start_from: expected training data from one of membranes, nuclei, got 'clouds'"),
        (ReplaySpec(source="membranes", n_images=1, shape=(8, 20, 20)), r"start_from: .*\(2D, 1 channels\), got 3D"),
    ],
)
def test_data_that_cannot_be_replayed(discs: Discs, tiny_config, start: EmbeddingModel, spec, message: str) -> None:
    image, labels = discs
    with pytest.raises(ValueError, match=message):
        Trainer([image], [labels], config=tiny_config, start_from=with_replay(start, spec))
