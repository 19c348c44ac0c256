"""A run that is stopped, killed or interrupted and then resumed ends with the weights of the unbroken run."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import AdversarialConfig, LossConfig, TrainingConfig, ValidationConfig
from napari_spoco.models.checkpoint import load_model, save_model
from napari_spoco.training import finishing
from napari_spoco.training.devices import limit_threads
from napari_spoco.training.process import TrainingProcess, TrainingRequest
from napari_spoco.training.reports import (
    ScoreReport,
    StepReport,
    TrainingFailed,
    TrainingFinished,
    TrainingNotice,
    TrainingStarted,
)
from napari_spoco.training.run import train
from napari_spoco.training.trainer import Trainer, TrainingResult

Case = tuple[np.ndarray, np.ndarray, TrainingConfig]
STEPS = 6


@pytest.fixture(params=["2d", "3d"])
def case(request: pytest.FixtureRequest, discs: tuple[np.ndarray, np.ndarray], tiny_config: TrainingConfig) -> Case:
    """Image, labels and settings with every augmentation on."""
    image, labels = discs
    changes: dict[str, object] = {"max_steps": STEPS}
    if request.param == "3d":
        image, labels = np.stack([image[::2, ::2]] * 12), np.stack([labels[::2, ::2]] * 12)
        changes |= {"patch_shape": (8, 16, 16), "norm": "group"}
    return image, labels, tiny_config.model_copy(update=changes)


def stop_after(n_steps: int) -> object:
    """Answer yes when asked before the step after so many."""
    answers = iter([False] * n_steps + [True])
    return lambda: next(answers)


def assert_same(first: TrainingResult, second: TrainingResult) -> None:
    for one, other in ((first.last, second.last), (first.model, second.model)):
        for name, value in one.network.state_dict().items():
            torch.testing.assert_close(other.network.state_dict()[name], value, rtol=0, atol=0)
        if one.teacher is not None:
            for name, value in one.teacher.state_dict().items():
                torch.testing.assert_close(other.teacher.state_dict()[name], value, rtol=0, atol=0)
    assert [report.terms for report in first.reports] == [report.terms for report in second.reports]
    assert first.scores == second.scores
    assert first.best_step == second.best_step


VARIANTS = {
    "momentum": {},
    "plateau": {"schedule": "plateau", "plateau_patience": 1},
    "scores in turn": {"validation": ValidationConfig(left_out="in_turn", fraction=0.25, every=2)},
    "dropout": {"teacher": "dropout"},
    "trained": {"teacher": "trained"},
    "adversarial": {"adversarial": AdversarialConfig(enabled=True, warm_up=1, critic_steps=2, feature_maps=(4, 8))},
    "background": {"loss": LossConfig(supervision="dense_consistency")},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("stopped_at", [1, 4])
def test_stopped_and_resumed_equals_unbroken(case: Case, tmp_path: Path, variant: str, stopped_at: int) -> None:
    image, labels, config = case
    if variant == "scores in turn":
        labels = split_objects(labels)
    config = config.model_copy(update=VARIANTS[variant])
    unbroken = train([image], [labels], config=config)
    stopped = train([image], [labels], config=config, folder=tmp_path / "run", stop=stop_after(stopped_at))
    assert stopped.stopped
    assert len(stopped.reports) == stopped_at
    resumed = train([image], [labels], folder=tmp_path / "run", resume=True)
    assert not resumed.stopped
    assert_same(unbroken, resumed)


def split_objects(labels: np.ndarray) -> np.ndarray:
    """Cut every object in two, so that there are enough to leave some out."""
    right = np.arange(labels.shape[-1]) % 32 >= labels.shape[-1] // 4
    return np.where((labels > 0) & right, labels + 10, labels)


def test_resume_from_a_model_keeps_its_history(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    start = save_model(train([image], [labels], config=config).model, tmp_path / "start.safetensors")
    unbroken = train([image], [labels], config=config, start_from=start)
    train([image], [labels], config=config, start_from=start, folder=tmp_path / "run", stop=stop_after(2))
    resumed = train([image], [labels], folder=tmp_path / "run", resume=True)
    assert_same(unbroken, resumed)
    assert resumed.model.card.history.steps == 2 * STEPS


def test_more_steps_go_on_where_the_run_ended(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    config = config.model_copy(update={"schedule": "constant"})
    unbroken = train([image], [labels], config=config)
    shorter = config.model_copy(update={"max_steps": 2})
    train([image], [labels], config=shorter, folder=tmp_path)
    assert_same_weights(unbroken, train([image], [labels], config=config, folder=tmp_path, resume=True))


LAPS = {
    "cosine": {},
    "plateau": {"schedule": "plateau", "plateau_patience": 1, "plateau_factor": 0.5, "min_learning_rate": 1e-12},
    "by minutes": {"max_minutes": 1e9},
}


@pytest.mark.parametrize("variant", LAPS)
def test_a_run_that_had_ended_is_trained_for_as_many_steps_again(case: Case, tmp_path: Path, variant: str) -> None:
    image, labels, config = case
    config = config.model_copy(update=LAPS[variant])
    first = train([image], [labels], config=config, folder=tmp_path)
    said: list[object] = []
    again = train([image], [labels], folder=tmp_path, resume=True, more=True, on_report=said.append)
    assert [report.step for report in again.reports] == list(range(1, 2 * STEPS + 1))
    assert [report.n_steps for report in again.reports] == [STEPS] * STEPS + [2 * STEPS] * STEPS
    assert again.reports[:STEPS] == first.reports
    rates = [report.learning_rate for report in again.reports]
    assert rates[STEPS:] == pytest.approx(rates[:STEPS])
    assert not again.stopped
    assert again.last.card.history.steps == 2 * STEPS
    text = f"The training had ended at step {STEPS}: it goes on, at the full learning rate at first."
    assert TrainingNotice(text) in said
    with (tmp_path / "log.csv").open(newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, 2 * STEPS + 1))


def test_minutes_are_counted_anew_by_a_run_that_had_ended_by_them(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    short = config.model_copy(update={"max_minutes": 1e-9, "max_steps": 1000})
    assert not train([image], [labels], config=config, folder=tmp_path).stopped
    for _ in range(2):  # Its minutes are over before a step: whatever the machine, it ends, and may go on again.
        ended = train([image], [labels], config=short, folder=tmp_path, resume=True, more=True)
        assert not ended.stopped
    again = train([image], [labels], config=config, folder=tmp_path, resume=True, more=True)
    assert len(again.reports) == len(ended.reports) + STEPS


def test_stopped_in_the_second_part_equals_unbroken(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    results = []
    for folder in ("unbroken", "stopped"):
        train([image], [labels], config=config, folder=tmp_path / folder)
        stop = stop_after(2) if folder == "stopped" else None
        results.append(train([image], [labels], folder=tmp_path / folder, resume=True, more=True, stop=stop))
    assert len(results[1].reports) == STEPS + 2
    assert_same(results[0], train([image], [labels], folder=tmp_path / "stopped", resume=True, more=True))


def test_a_run_that_had_ended_is_left_as_it_is_unless_more_is_wanted(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    config = config.model_copy(update={"validation": ValidationConfig(every=1, fraction=0.3, early_stopping=1)})
    first = train([image], [split_objects(labels)], config=config, folder=tmp_path)
    assert_same(first, train([image], [split_objects(labels)], folder=tmp_path, resume=True))
    again = train([image], [split_objects(labels)], folder=tmp_path, resume=True, more=True)
    assert len(again.reports) > len(first.reports)
    assert again.scores[: len(first.scores)] == first.scores
    assert again.scores[-1].best_score >= first.scores[-1].best_score


def test_the_best_model_of_a_run_is_remembered_when_it_goes_on(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    config = config.model_copy(update={"validation": ValidationConfig(every=100, fraction=0.3)})
    data = [image], [split_objects(labels)]
    first = train(*data, config=config, folder=tmp_path)
    assert first.best_step == STEPS  # It is scored at the end only.
    trainer = Trainer(*data, folder=tmp_path, resume=True, more=True)
    assert trainer.result().best_step == STEPS
    for name, value in trainer.result().model.network.state_dict().items():
        torch.testing.assert_close(first.model.network.state_dict()[name], value, rtol=0, atol=0)


def assert_same_weights(first: TrainingResult, second: TrainingResult) -> None:
    for name, value in first.last.network.state_dict().items():
        torch.testing.assert_close(second.last.network.state_dict()[name], value, rtol=0, atol=0)


def request(case: Case, folder: Path, *, resume: bool = False) -> TrainingRequest:
    image, labels, config = case
    chosen = config.model_copy(update={"threads": 1, "autosave_seconds": 0.0, "preview_seconds": 1e9})
    return TrainingRequest((image,), (labels,), chosen, str(folder), resume=resume)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_child_ended_by_a_signal_resumes_exactly(case: Case, tmp_path: Path, name: str) -> None:
    if not hasattr(signal, name):
        pytest.skip(f"there is no {name} here")
    image, labels, config = case
    long = (image, labels, config.model_copy(update={"max_steps": 60, "schedule": "constant"}))
    process = TrainingProcess(request(long, tmp_path / "run"))
    process.start()
    last = None
    for last in process.messages():
        if isinstance(last, StepReport) and last.step == 3:
            os.kill(process._process.pid, getattr(signal, name))
    if name == "SIGTERM":
        assert isinstance(last, TrainingFinished)
        assert last.stopped
    else:
        assert isinstance(last, TrainingFailed)
    messages = resumed_messages(long, tmp_path / "run")
    (started,) = (m for m in messages if isinstance(m, TrainingStarted))
    assert 1 < started.first_step <= 60
    assert isinstance(messages[-1], TrainingFinished)
    limit_threads(1)  # As the child has: other sums come out of two, which is what windows of other tests leave.
    unbroken = train([image], [labels], config=request(long, tmp_path).config)
    model = load_model(tmp_path / "run" / "last.safetensors")
    for key, value in unbroken.last.network.state_dict().items():
        torch.testing.assert_close(model.network.state_dict()[key], value, rtol=0, atol=0)
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, 61))


def models_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


def test_a_resumed_run_leaves_the_models_of_its_earlier_part_until_it_ends(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    config = config.model_copy(update={"autosave_seconds": 0.0, "validation": ValidationConfig(every=2, fraction=0.3)})
    data = [image], [split_objects(labels)]
    unbroken = train(*data, config=config)
    train(*data, config=config, folder=tmp_path, stop=stop_after(2))
    before = models_in(tmp_path)
    assert len(before) == 2
    trainer = Trainer(*data, folder=tmp_path, resume=True)
    for message in trainer.run():  # until it is killed, after the autosave of the step before
        assert models_in(tmp_path) == before
        if isinstance(message, StepReport) and message.step == 5:
            break
    resumed = Trainer(*data, folder=tmp_path, resume=True)
    messages = list(resumed.run())
    assert next(m for m in messages if isinstance(m, TrainingStarted)).first_step == 5
    assert models_in(tmp_path) == before
    assert_same(unbroken, resumed.result())
    assert all(model != before[name] for name, model in models_in(tmp_path).items())
    assert load_model(tmp_path / "last.safetensors").card.history.steps == STEPS


def test_models_of_the_earlier_part_stay_where_the_new_ones_cannot_be_measured(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, labels, config = case
    train([image], [labels], config=config, folder=tmp_path, stop=stop_after(2))
    before = models_in(tmp_path)
    trainer = Trainer([image], [labels], folder=tmp_path, resume=True)
    list(trainer.run())
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(finishing, "_measure", lambda *_: (_ for _ in ()).throw(MemoryError))
        trainer.result()
    assert models_in(tmp_path) == before
    again = Trainer([image], [labels], folder=tmp_path, resume=True)
    list(again.run())
    assert len(again.result().reports) == STEPS


def test_a_run_without_a_model_yet_keeps_one_at_every_autosave(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    config = config.model_copy(update={"autosave_seconds": 0.0})
    for is_resumed in (False, True):
        trainer = Trainer([image], [labels], config=config, folder=tmp_path, resume=is_resumed)
        steps = (message.step for message in trainer.run() if isinstance(message, StepReport))
        next(steps), next(steps)
        (model,) = tmp_path.glob("*.safetensors")
        model.unlink()
        next(steps)
        assert load_model(tmp_path).card.history.steps == trainer._history.step - 1
        (tmp_path / "last.safetensors").unlink()


def resumed_messages(case: Case, folder: Path) -> list[object]:
    process = TrainingProcess(request(case, folder, resume=True))
    process.start()
    return list(process.messages())


def test_other_images_cannot_resume_a_run(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    train([image], [labels], config=config, folder=tmp_path, stop=stop_after(1))
    with pytest.raises(ValueError, match="images: expected those of the resumed training, of shapes"):
        Trainer([image[..., :-2]], [labels[..., :-2]], folder=tmp_path, resume=True)


def test_an_earlier_run_is_not_overwritten(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    train([image], [labels], config=config, folder=tmp_path, stop=stop_after(1))
    before = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(FileExistsError, match="holds an earlier training; resume it, or choose another folder"):
        Trainer([image], [labels], config=config, folder=tmp_path)
    assert (tmp_path / "state.pt").read_bytes() == before


def test_nothing_to_resume(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    with pytest.raises(FileNotFoundError, match="no training to go on with"):
        Trainer([image], [labels], config=config, folder=tmp_path / "none", resume=True)
    with pytest.raises(ValueError, match="folder: expected the folder of the training to resume"):
        Trainer([image], [labels], config=config, resume=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kept", [0, 100, -10])
def test_truncated_state(case: Case, tmp_path: Path, kept: int) -> None:
    image, labels, config = case
    train([image], [labels], config=config, folder=tmp_path, stop=stop_after(1))
    state = tmp_path / "state.pt"
    state.write_bytes(state.read_bytes()[:kept])
    with pytest.raises(ValueError, match="truncated or no state of a training"):
        Trainer([image], [labels], folder=tmp_path, resume=True)


def test_run_folder_holds_models_log_and_settings(case: Case, tmp_path: Path) -> None:
    image, labels, config = case
    config = config.model_copy(update={"validation": ValidationConfig(every=2, fraction=0.3)})
    result = train([image], [split_objects(labels)], config=config, folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "best.safetensors", "config.json", "last.safetensors", "log.csv", "scores.csv", "state.pt",
    }  # fmt: skip
    assert result.path == tmp_path / "best.safetensors"
    assert load_model(tmp_path).card == result.model.card
    assert TrainingConfig.model_validate_json((tmp_path / "config.json").read_text()) == config
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [2, 4, 6] == [score.step for score in result.scores]
    assert all(isinstance(score, ScoreReport) for score in result.scores)
