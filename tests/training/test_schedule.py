"""The course of the learning rate, and fine-tuning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import AdversarialConfig, TrainingConfig, ValidationConfig
from napari_spoco.models.checkpoint import save_model
from napari_spoco.training.run import train
from napari_spoco.training.schedule import Schedule
from napari_spoco.training.trainer import Trainer

Discs = tuple[np.ndarray, np.ndarray]


def schedule(**settings: object) -> Schedule:
    parameter = torch.nn.Parameter(torch.zeros(1))
    return Schedule(torch.optim.Adam([parameter], lr=1.0), TrainingConfig(**settings))


def test_cosine_falls_to_zero() -> None:
    course = schedule(schedule="cosine")
    rates = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        course.advance(progress)
        rates.append(course.rate)
    assert rates == pytest.approx([1.0, 0.853553, 0.5, 0.0], abs=1e-6)


def test_constant_stays() -> None:
    course = schedule(schedule="constant")
    course.advance(0.7)
    course.on_score(0.0)
    assert course.rate == 1.0


def test_plateau_lowers_the_rate_and_ends_below_the_least() -> None:
    course = schedule(schedule="plateau", plateau_factor=0.2, plateau_patience=2, min_learning_rate=0.03)
    for score, rate in ((0.1, 1.0), (0.2, 1.0), (0.2, 1.0), (0.1, 1.0), (0.2, 0.2), (0.3, 0.2)):
        course.advance(0.5)
        course.on_score(score)
        assert course.rate == pytest.approx(rate)
        assert not course.is_over
    for _ in range(6):
        course.on_score(0.0)
    assert course.rate == pytest.approx(0.008)
    assert course.is_over


def test_a_run_that_goes_on_after_its_end_begins_at_the_peak_rate_of_its_settings() -> None:
    course = schedule(schedule="plateau", plateau_factor=0.1, plateau_patience=1, min_learning_rate=0.5)
    for score in (0.9, 0.1, 0.1):
        course.on_score(score)
    assert course.is_over
    course.load_state_dict(course.state_dict() | {"peak": 7.0})
    course.restart()
    assert (course.rate, course.is_over) == (1.0, False)
    course.on_score(0.2)  # The first one is not compared with those of before.
    course.on_score(0.1)
    assert course.rate == 1.0
    course.on_score(0.1)
    assert course.rate == pytest.approx(0.1)


def test_a_plateau_goes_on_from_its_state() -> None:
    first, second = (schedule(schedule="plateau", plateau_patience=2) for _ in range(2))
    for score in (0.5, 0.4):
        first.on_score(score)
    second.load_state_dict(first.state_dict())
    for course in (first, second):
        course.on_score(0.4)
        course.on_score(0.4)
    assert first.rate == second.rate == pytest.approx(0.2)


def test_a_run_on_plateaus_ends_by_itself(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    changes = {
        "schedule": "plateau",
        "plateau_patience": 1,
        "plateau_factor": 1e-5,
        "learning_rate": 1e-4,
        "max_steps": 500,
        "validation": ValidationConfig(left_out="none", every=1),
    }
    result = train([image], [labels], config=tiny_config.model_copy(update=changes))
    assert len(result.reports) < 500
    assert not result.stopped
    assert result.reports[-1].learning_rate == pytest.approx(1e-4)


def test_fine_tuning_takes_a_tenth_of_the_rate(discs: Discs, tiny_config: TrainingConfig, tmp_path: Path) -> None:
    image, labels = discs
    config = tiny_config.model_copy(update={"schedule": "constant", "learning_rate": 2e-4})
    model = train([image], [labels], config=config).model
    assert train([image], [labels], config=config).reports[0].learning_rate == pytest.approx(2e-4)
    path = save_model(model, tmp_path / "model.safetensors")
    tuned = train([image], [labels], config=config, start_from=path)
    assert [report.learning_rate for report in tuned.reports] == pytest.approx([2e-5] * 3)


def test_gradient_is_clipped_only_on_demand(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    norms = {}
    for clip in (None, 1e-3):
        trainer = Trainer([image], [labels], config=tiny_config.model_copy(update={"gradient_clip": clip}))
        list(trainer.run())
        gradients = [p.grad.flatten() for p in trainer._model.network.parameters()]
        norms[clip] = torch.cat(gradients).norm().item()
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-3)
    assert norms[None] > 1e-2


def test_adversarial_runs_take_the_papers_betas(discs: Discs, tiny_config: TrainingConfig) -> None:
    image, labels = discs
    for adversarial, betas in ((AdversarialConfig(), (0.9, 0.999)), (AdversarialConfig(enabled=True), (0.5, 0.9))):
        changes = {"adversarial": adversarial.model_copy(update={"feature_maps": (4,)})}
        trainer = Trainer([image], [labels], config=tiny_config.model_copy(update=changes))
        assert trainer._learner._optimizer.param_groups[0]["betas"] == betas
