"""The objects left out choose the model: the best is kept, a worse one never takes its place, a stale run ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import TrainingConfig, ValidationConfig
from napari_spoco.models.checkpoint import load_model, save_model
from napari_spoco.training import selection
from napari_spoco.training.reports import ScoreReport, TrainingStarted
from napari_spoco.training.run import train
from napari_spoco.training.trainer import Trainer
from napari_spoco.training.validation import LeftOutScore

Labelled = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def many_discs() -> Labelled:
    """Nine discs: enough to leave some out."""
    rng = np.random.default_rng(0)
    labels = np.zeros((72, 72), dtype=np.int32)
    y, x = np.mgrid[:72, :72]
    for index in range(9):
        labels[np.hypot(y - 12 - 24 * (index // 3), x - 12 - 24 * (index % 3)) < 8] = index + 1
    return ((labels > 0) * 100.0 + rng.normal(20, 5, labels.shape)).astype(np.float32), labels


def scripted(monkeypatch: pytest.MonkeyPatch, scores: list[float], error: float = 0.0) -> None:
    """Let the validator say these scores, one after the other; the last one for ever."""
    remaining = list(scores)

    class Scripted:
        def __init__(self, *_: object) -> None:
            pass

        def score(self, *_: object) -> LeftOutScore:
            value = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            return LeftOutScore(value, value, 1, error)

    monkeypatch.setattr(selection, "Validator", Scripted)


def config_of(tiny_config: TrainingConfig, steps: int, **validation: object) -> TrainingConfig:
    return tiny_config.model_copy(
        update={"max_steps": steps, "validation": ValidationConfig(**{"every": 1, "fraction": 0.25} | validation)}
    )


@pytest.mark.parametrize(
    ("scores", "error", "best"),
    [
        ([0.2, 0.6, 0.5, 0.55], 0.0, [1, 1, 0, 0]),
        ([0.2, 0.6, 0.5, 0.55], 0.07, [1, 1, 0, 1]),
        ([0.2, 0.6, 0.5, 0.6], 0.0, [1, 1, 0, 1]),
        ([0.6, 0.5, 0.4, 0.3], 0.2, [1, 1, 1, 0]),
    ],
    ids=["highest", "within the error", "equal", "never far below the highest"],
)
def test_the_best_model_is_the_result(
    scores: list[float],
    error: float,
    best: list[bool],
    many_discs: Labelled,
    tiny_config: TrainingConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(monkeypatch, scores, error)
    image, labels = many_discs
    trainer = Trainer([image], [labels], config=config_of(tiny_config, 4))
    weights = {}
    for message in trainer.run():
        if isinstance(message, ScoreReport):
            weights[message.step] = {k: v.clone() for k, v in trainer._model.network.state_dict().items()}
    result = trainer.result()
    assert [score.is_best for score in result.scores] == best
    assert [score.best_score for score in result.scores] == [max(scores[: n + 1]) for n in range(4)]
    expected = max(step for step, is_best in enumerate(best, start=1) if is_best)
    assert result.best_step == expected
    for name, value in result.model.network.state_dict().items():
        torch.testing.assert_close(value, weights[expected][name], rtol=0, atol=0)
        torch.testing.assert_close(result.last.network.state_dict()[name], weights[4][name], rtol=0, atol=0)
    assert (result.model.card.history.steps, result.last.card.history.steps) == (expected, 4)


def test_a_model_that_is_started_from_gives_way_to_none_below_it(
    many_discs: Labelled, tiny_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, labels = many_discs
    start = train([image], [labels], config=config_of(tiny_config, 1)).model
    for scores, best_step in (([0.5, 0.45, 0.48], 0), ([0.5, 0.6, 0.52], 2)):
        scripted(monkeypatch, scores, 0.2)
        trainer = Trainer([image], [labels], config=config_of(tiny_config, 2), start_from=start)
        assert len(list(trainer.run())) >= 2
        assert trainer.result().best_step == best_step


def test_a_run_that_ends_between_two_scores_is_scored_at_its_end(
    many_discs: Labelled, tiny_config: TrainingConfig
) -> None:
    image, labels = many_discs
    result = train([image], [labels], config=config_of(tiny_config, 5, every=2))
    assert [score.step for score in result.scores] == [2, 4, 5]


def test_too_many_scores_without_a_better_one_end_the_run(
    many_discs: Labelled, tiny_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.2, 0.6, 0.5])
    image, labels = many_discs
    result = train([image], [labels], config=config_of(tiny_config, 50, early_stopping=3))
    assert len(result.reports) == 5
    assert not result.stopped
    assert result.best_step == 2


def test_the_score_drives_the_plateau(
    many_discs: Labelled, tiny_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.6, 0.5])
    image, labels = many_discs
    config = config_of(tiny_config, 6).model_copy(update={"schedule": "plateau", "plateau_patience": 2})
    rates = [report.learning_rate for report in train([image], [labels], config=config).reports]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 1e-3, 2e-4, 2e-4])


@pytest.mark.parametrize("stopped", [False, True])
def test_a_worse_model_never_replaces_the_one_it_started_from(
    many_discs: Labelled, tiny_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    image, labels = many_discs
    config = config_of(tiny_config, 60).model_copy(update={"learning_rate": 5e-3})
    start = train(
        [image], [labels], config=config.model_copy(update={"validation": ValidationConfig(every=20, fraction=0.25)})
    ).model
    path = save_model(start, tmp_path / "start.safetensors")
    scripted(monkeypatch, [0.6, 0.5])
    spoil = config.model_copy(update={"learning_rate": 2.0, "max_steps": 4})
    answers = iter([False, False, True])
    stop = (lambda: next(answers)) if stopped else None
    result = train([image], [labels], config=spoil, start_from=path, folder=tmp_path / "run", stop=stop)
    assert result.scores[0].step == 0
    assert result.scores[0].is_best
    assert result.best_step == 0
    assert result.stopped == stopped
    kept = load_model(tmp_path / "run")
    for name, value in start.network.state_dict().items():
        torch.testing.assert_close(kept.network.state_dict()[name], value, rtol=0, atol=0)
    assert kept.card.history.steps == start.card.history.steps


def test_objects_left_out_are_not_trained_on(many_discs: Labelled, tiny_config: TrainingConfig) -> None:
    image, labels = many_discs
    trainer = Trainer([image], [labels], config=config_of(tiny_config, 2, fraction=0.25))
    (started,) = (m for m in trainer.run() if isinstance(m, TrainingStarted))
    assert started.n_left_out == 2
    assert started.n_objects == 9
    objects = trainer._batches._shown._objects
    sampled = {index for _, runs in objects for index in np.unique(labels.ravel()[runs.pixels()])}
    (left_out,) = trainer._selection.left_out
    assert sampled == set(range(1, 10)) - left_out


def test_all_objects_are_left_out_in_turn(many_discs: Labelled, tiny_config: TrainingConfig) -> None:
    image, labels = many_discs
    trainer = Trainer([image], [labels], config=config_of(tiny_config, 4, left_out="in_turn", fraction=0.25))
    seen, best = [], []
    for message in trainer.run():
        if isinstance(message, ScoreReport):
            seen.append(trainer._selection.left_out[0])
            best.append(message.is_best)
    assert set().union(*seen) == set(range(1, 10))
    assert best == [False, False, False, True]


def test_few_objects_are_all_trained_on(
    discs: tuple[np.ndarray, np.ndarray], tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    image, labels = discs
    result = train([image], [labels], config=config_of(tiny_config, 2), folder=tmp_path)
    assert result.scores == ()
    assert result.best_step is None
    assert result.path == tmp_path / "last.safetensors"
    assert not (tmp_path / "best.safetensors").exists()
