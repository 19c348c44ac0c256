"""Ctrl-C and SIGTERM: the run is kept, resumes exactly, and the exit code says what ended it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_spoco.cli.interruption import Interruption
from napari_spoco.models.checkpoint import load_model

COMMAND = (sys.executable, "-m", "napari_spoco.cli", "train")
needs_signals = pytest.mark.skipif(os.name == "nt", reason="there are no such signals")


@needs_signals
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_first_signal_asks_and_second_one_raises(name: str, code: int, capfd) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Interruption("Stopping.") as interruption:
        assert not interruption.is_asked()
        os.kill(os.getpid(), number)
        assert interruption.is_asked()
        assert interruption.exit_code == code
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
    assert capfd.readouterr().err == "\nStopping.\n"


@needs_signals
@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_interrupted_and_resumed_equals_unbroken(
    run, files: tuple[Path, Path], tiny: Path, tmp_path: Path, name: str, code: int
) -> None:
    image, labels = files
    arguments = [str(image), "-a", str(labels), "--config", str(tiny), "--set", "validation.every=30"]
    arguments += ["--steps", "150", "--out", str(tmp_path / "run")]
    said = end_by(getattr(signal, name), [*COMMAND, *arguments], code)
    assert "stopped" in said
    assert f"Go on with: napari-spoco train {' '.join(arguments)} --resume" in said
    last_step = load_model(tmp_path / "run" / "last.safetensors").card.history.steps
    assert 1 <= last_step < 150
    assert f"Resumed at step {last_step + 1}" in run("train", *arguments, "--resume")
    run("train", *arguments[:-1], tmp_path / "unbroken")
    for file in ("last.safetensors", "best.safetensors"):
        resumed, unbroken = (load_model(tmp_path / folder / file) for folder in ("run", "unbroken"))
        for network in ("network", "teacher"):
            expected = getattr(unbroken, network).state_dict()
            for key, value in getattr(resumed, network).state_dict().items():
                torch.testing.assert_close(value, expected[key], rtol=0, atol=0)


def end_by(number: int, command: list[str], code: int) -> str:
    """Start a training, send it a signal after its first step, and return what it said."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as child:
        said = []
        for line in child.stdout:
            said.append(line)
            if line.startswith("step 1 of"):
                child.send_signal(number)
    assert child.returncode == code, "".join(said)
    return "".join(said)


@needs_signals
def test_second_signal_ends_at_once(invoke, files: tuple[Path, Path], tiny: Path, tmp_path: Path, monkeypatch) -> None:
    image, labels = files
    before = signal.getsignal(signal.SIGINT)  # ignored, where the tests run in the background of a shell

    def interrupted_twice(_trainer: object, _stop: object) -> object:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        yield None

    monkeypatch.setattr("napari_spoco.training.trainer.Trainer.run", interrupted_twice)
    result = invoke("train", image, "-a", labels, "--config", tiny, "--out", tmp_path / "run")
    assert result.exit_code == 130
    assert "Ended at once" in result.output
    assert signal.getsignal(signal.SIGINT) is before
