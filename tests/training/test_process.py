"""The trainer in a child process: messages come out, commands go in, every end is reported."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lightning_fabric import Fabric

from napari_spoco.config import TrainingConfig
from napari_spoco.models.checkpoint import load_model
from napari_spoco.training.clock import RunClock
from napari_spoco.training.process import TrainingProcess, TrainingRequest
from napari_spoco.training.reports import (
    Preview,
    ScoreReport,
    StepReport,
    TrainingFailed,
    TrainingFinished,
    TrainingNotice,
    TrainingStarted,
)
from napari_spoco.training.run_folder import RunFolder

Discs = tuple[np.ndarray, np.ndarray]


def request(discs: Discs, config: TrainingConfig, path: Path, *, steps: int = 3) -> TrainingRequest:
    image, labels = discs
    chosen = config.model_copy(update={"max_steps": steps, "threads": 1})
    return TrainingRequest((image,), (labels,), chosen, str(path), voxel_size=(0.5, 0.5), units=("um", "um"))


def test_messages_end_with_a_model_file(discs: Discs, tiny_config: TrainingConfig, tmp_path: Path) -> None:
    process = TrainingProcess(request(discs, tiny_config, tmp_path / "run"))
    process.start()
    messages = list(process.messages())
    told = [m.text for m in messages if isinstance(m, TrainingNotice)]
    assert told == [
        "Starting the training: loading PyTorch …",
        "Starting the training: preparing the images …",
        "Finishing: the model is measured and saved …",
    ]
    assert isinstance(messages[2], TrainingStarted)
    assert [m.step for m in messages if isinstance(m, StepReport)] == [1, 2, 3]
    assert any(isinstance(m, Preview) for m in messages)
    assert messages[-1] == TrainingFinished(str(tmp_path / "run" / "last.safetensors"), 3, stopped=False)
    card = load_model(messages[-1].model_path).card
    assert (card.voxel_size, card.units) == ((0.5, 0.5), ("um", "um"))
    assert not process.is_alive()


def test_the_end_of_a_fine_tuning_tells_the_score_before_and_after(
    discs: Discs, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    config = tiny_config.model_copy(update={"replay": 0.0})
    asked = replace(request(discs, config, tmp_path / "run", steps=1), start_from="nuclei-small")
    process = TrainingProcess(asked)
    process.start()
    *messages, last = process.messages()
    before, after = (message.score for message in messages if isinstance(message, ScoreReport))
    assert isinstance(last, TrainingFinished)
    assert last.score_change == (before, after)


def test_stop_saves_a_complete_model(discs: Discs, tiny_config: TrainingConfig, tmp_path: Path) -> None:
    process = TrainingProcess(request(discs, tiny_config, tmp_path / "run", steps=100_000))
    process.start()
    last = None
    for last in process.messages():
        if isinstance(last, StepReport):
            process.request_stop()
            assert process.is_alive()
        if isinstance(last, TrainingFinished):
            assert not process.is_alive()
    assert isinstance(last, TrainingFinished)
    assert last.stopped
    assert load_model(last.model_path).card.history.steps == last.n_steps >= 1


def test_error_in_the_child_is_a_sentence_with_details(
    discs: Discs, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    image, labels = discs
    process = TrainingProcess(request((image, labels * 0), tiny_config, tmp_path / "run"))
    process.start()
    *_, failure = process.messages()
    assert isinstance(failure, TrainingFailed)
    assert "annotations" in failure.message
    assert "Traceback" in failure.details
    assert not list(tmp_path.iterdir())


def test_killed_child_is_reported(discs: Discs, tiny_config: TrainingConfig, tmp_path: Path) -> None:
    process = TrainingProcess(request(discs, tiny_config, tmp_path / "run", steps=100_000))
    process.start()
    last = None
    for last in process.messages():
        if isinstance(last, StepReport):
            process.kill()
    assert isinstance(last, TrainingFailed)
    assert "ended unexpectedly" in last.message
    assert not process.is_alive()


def test_kill_before_the_start_and_after_the_end_is_harmless(
    discs: Discs, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    process = TrainingProcess(request(discs, tiny_config, tmp_path / "run"))
    process.kill()
    assert not process.is_alive()


def leave(process: TrainingProcess) -> None:
    process.leave()


def terminate(_process: TrainingProcess) -> None:
    (child,) = multiprocessing.active_children()
    os.kill(child.pid, signal.SIGTERM)


def hang_up(_process: TrainingProcess) -> None:
    (child,) = multiprocessing.active_children()
    os.kill(child.pid, signal.SIGHUP)


SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="such signals are of POSIX")


@pytest.mark.parametrize("end", [leave, pytest.param(terminate, marks=SIGNALS), pytest.param(hang_up, marks=SIGNALS)])
def test_a_training_that_is_left_saves_itself_and_ends(
    discs: Discs, tiny_config: TrainingConfig, tmp_path: Path, end: Callable[[TrainingProcess], None]
) -> None:
    process = TrainingProcess(request(discs, tiny_config, tmp_path / "run", steps=100_000))
    process.start()
    last = None
    for last in process.messages():
        if isinstance(last, StepReport) and last.step == 2:
            end(process)
    assert isinstance(last, StepReport | TrainingFinished)
    process.kill(patience=60)
    assert not process.is_alive()
    RunFolder(tmp_path / "run", keep=True).load_state()
    assert load_model(tmp_path / "run" / "last.safetensors").card.history.steps >= 2


VANISH = """
import os, pickle, sys
from napari_spoco.training.process import TrainingProcess
from napari_spoco.training.reports import StepReport

if __name__ == "__main__":
    process = TrainingProcess(pickle.load(sys.stdin.buffer))
    process.start()
    for message in process.messages():
        if isinstance(message, StepReport):
            os._exit(7)
"""


def test_a_training_whose_window_has_vanished_saves_itself_and_ends(
    discs: Discs, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    script = tmp_path / "vanish.py"
    script.write_text(VANISH)
    wanted = pickle.dumps(request(discs, tiny_config, tmp_path / "run", steps=100_000))
    # The output is a pipe: it ends when nobody has it any more, the child of the one that vanishes included.
    done = subprocess.run([sys.executable, str(script)], input=wanted, stdout=subprocess.PIPE, check=False)
    assert done.returncode == 7
    RunFolder(tmp_path / "run", keep=True).load_state()
    assert load_model(tmp_path / "run" / "last.safetensors").card.history.steps >= 1


@pytest.mark.parametrize(("autosave", "saved"), [(60.0, [10, 70, 130]), (4.0, [4, 8, 12])])
def test_the_first_autosave_comes_early(monkeypatch: pytest.MonkeyPatch, autosave: float, saved: list[int]) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: now)
    now = 0.0
    clock = RunClock(TrainingConfig(autosave_seconds=autosave), Fabric(accelerator="cpu"), 0.0)
    found = []
    for second in range(saved[-1] + 1):
        now = float(second)
        if clock.is_time_to_save():
            found.append(second)
    assert found == saved


@pytest.mark.parametrize("module", ["napari_spoco.training.process", "napari_spoco.training.reports"])
def test_the_parent_side_imports_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
