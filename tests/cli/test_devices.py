"""Several processes train one run: the command starts itself again, and one of them writes and speaks."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = shutil.which("napari-spoco", path=str(Path(sys.executable).parent))
COMMANDS = {"module": [sys.executable, "-m", "napari_spoco.cli"], "script": [SCRIPT]}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_two_processes_make_one_run(files: tuple[Path, Path], tiny: Path, tmp_path: Path, name: str) -> None:
    if os.name == "nt":
        pytest.skip("the launcher does not find the script of the environment there")
    image, labels = files
    command = [*COMMANDS[name], "train", image, "-a", labels, "--config", tiny, "--devices", "2", "--steps", "3"]
    # None of the variables by which a cluster says that it has started the processes.
    environment = {key: value for key, value in os.environ.items() if key not in ("LOCAL_RANK", "WORLD_SIZE")}
    result = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "run")],
        capture_output=True, text=True, timeout=240, check=False, env=environment,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("annotated objects") == 1
    assert result.stdout.count("3 steps, loss") == 1
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3"]
    assert {"config.json", "last.safetensors", "loss.png", "state.pt"} <= {p.name for p in (tmp_path / "run").iterdir()}
