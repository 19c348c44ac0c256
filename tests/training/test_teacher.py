"""The kinds of teacher: what each embeds with, when it moves, and where gradient goes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_spoco.config import LossConfig, NetworkConfig, TrainingConfig
from napari_spoco.models.network import UNet
from napari_spoco.segmentation.prediction import predict_embeddings
from napari_spoco.training.run import train
from napari_spoco.training.teacher import choose_teacher
from napari_spoco.training.trainer import Trainer

Discs = tuple[np.ndarray, np.ndarray]
KINDS = ["momentum", "shared", "dropout", "trained"]
VIEW = torch.rand((2, 1, 16, 16), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def student() -> UNet:
    torch.manual_seed(0)
    return UNet(NetworkConfig(feature_maps=(4, 8, 16), norm="batch")).train()


def config_of(kind: str, **changes: object) -> TrainingConfig:
    return TrainingConfig(teacher=kind, **changes)


@pytest.mark.parametrize("kind", KINDS)
def test_which_weights_embed(student: UNet, kind: str) -> None:
    teacher = choose_teacher(student, config_of(kind), None, seed=1)
    same = torch.equal(teacher.embed(VIEW, seed=3), student(VIEW))
    assert same == (kind in ("momentum", "shared"))
    assert (teacher.network is student) == (kind in ("shared", "dropout"))
    assert teacher.is_kept == (kind == "momentum")
    assert teacher.embed(VIEW, seed=3).requires_grad == (kind == "trained")


def test_dropout_is_drawn_from_its_seed_and_leaves_the_global_generator_alone(student: UNet) -> None:
    teacher = choose_teacher(student, config_of("dropout"), None, seed=1)
    state = torch.random.get_rng_state()
    first, again, other = teacher.embed(VIEW, seed=3), teacher.embed(VIEW, seed=3), teacher.embed(VIEW, seed=4)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_dropout_drops_whole_maps_of_the_bottleneck(student: UNet) -> None:
    seen = []
    student.decoders[0].register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    student(VIEW)
    choose_teacher(student, config_of("dropout", teacher_dropout=0.5), None, seed=1).embed(VIEW, seed=3)
    whole, dropped = (maps[:, 8:] for maps in seen)  # behind the 8 maps of the skip connection
    is_zero = (dropped == 0).flatten(2).all(2)
    assert 0 < is_zero.sum() < is_zero.numel()
    torch.testing.assert_close(dropped[~is_zero], 2 * whole[~is_zero])


def test_momentum_moves_once_per_step_with_and_without_ramp(student: UNet) -> None:
    for ramp, step, expected in ((False, 1, 0.9), (True, 1, 0.1), (True, 1000, 0.9)):
        teacher = choose_teacher(student, config_of("momentum", momentum=0.9, momentum_ramp=ramp), None, seed=1)
        before = [p.clone() for p in teacher.network.parameters()]
        with torch.no_grad():
            for parameter in student.parameters():
                parameter.add_(1.0)
        teacher.follow(step, has_run=True)
        for own, old in zip(teacher.network.parameters(), before, strict=True):
            torch.testing.assert_close(own, old + (1 - expected), rtol=0, atol=1e-6)


def test_moving_average_follows_the_rule_of_the_released_code(student: UNet) -> None:
    """f before each step 1, .8, .5, .9 and g from 1 with m = 0.9 give 1, .98, .932, .9288."""
    teacher = choose_teacher(student, config_of("momentum", momentum=0.9, momentum_ramp=False), None, seed=1)
    weight, averaged = student.final_conv.bias, teacher.network.final_conv.bias
    with torch.no_grad():
        averaged.fill_(1.0)
        for value, expected in ((1.0, 1.0), (0.8, 0.98), (0.5, 0.932), (0.9, 0.9288)):
            weight.fill_(value)
            teacher.follow(5, has_run=True)
            torch.testing.assert_close(averaged, torch.full_like(averaged, expected))


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_moves_the_teacher_in_training_steps_alone(discs: Discs, tiny_config: TrainingConfig, kind: str) -> None:
    image, labels = discs
    trainer = Trainer([image], [labels], config=tiny_config.model_copy(update={"teacher": kind}))
    network = trainer._learner._teacher.network
    start = {name: value.clone() for name, value in network.state_dict().items()}
    assert len(list(trainer.run())) > 3
    after = {name: value.clone() for name, value in network.state_dict().items()}
    assert any(not torch.equal(after[name], value) for name, value in start.items())
    trainer.result()
    predict_embeddings(trainer.result().model, image)
    for name, value in network.state_dict().items():
        assert torch.equal(value, after[name]), name


def test_only_the_consistency_term_trains_a_teacher_of_its_own(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    changes = {"teacher": "trained", "loss": LossConfig(consistency_weight=0.0)}
    trainer = Trainer([image], [labels], config=tiny_config.model_copy(update=changes))
    network = trainer._learner._teacher.network
    before = [p.clone() for p in network.parameters()]
    list(trainer.run())
    assert all(torch.equal(own, old) for own, old in zip(network.parameters(), before, strict=True))


def test_only_a_moving_average_goes_into_the_model(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    for kind in KINDS:
        model = train([image], [labels], config=tiny_config.model_copy(update={"teacher": kind})).model
        assert (model.teacher is not None) == (kind == "momentum")


def test_batch_statistics_are_the_teachers_own(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    model = train([image], [labels], config=tiny_config.model_copy(update={"max_steps": 10})).model
    pairs = zip(model.network.named_buffers(), model.teacher.buffers(), strict=True)
    assert any(not torch.equal(own, other) for (name, own), other in pairs if "running" in name)
