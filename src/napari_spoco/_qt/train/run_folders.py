"""What the window knows of the folder of a training (`training/run_folder.py`), without torch or Qt."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from napari_spoco.config import TrainingConfig
from napari_spoco.models.registry import RUN_MODELS, model_in_folder

STATE_FILE = "state.pt"
LOG_FILE = "log.txt"
_STEPS_FILE = "log.csv"
_CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class Run:
    """A training that can be resumed: its folder, its settings, and its log where it was read from the disk.

    `start_from` is the file of the model that it was begun with, where it began in this session with one. One that
    `is_done` has come to its end, after steps enough: it may go on, but is not waiting for that.
    """

    folder: str
    config: TrainingConfig
    log: str = ""
    start_from: str | None = None
    is_done: bool = False


def can_be_resumed(folder: str | Path) -> bool:
    """Say whether a training has kept its state in that folder."""
    return (Path(folder) / STATE_FILE).is_file()


def find_run(path: str | Path) -> Run | None:
    """Return the run of a folder, or of one of its files; None where there is none.

    Raises
    ------
    ValueError
        The settings of the run cannot be read.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    if not can_be_resumed(folder):
        return None
    try:
        config = TrainingConfig.model_validate_json((folder / _CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ValueError(f"The settings of the training in {folder} cannot be read ({error}).") from error
    return Run(str(folder), config, _read_log(folder))


def last_step(folder: str | Path) -> int | None:
    """Return the last step that a training has kept: it is logged with the state; None where it cannot be read."""
    try:
        *_, last = (Path(folder) / _STEPS_FILE).read_text(encoding="utf-8").splitlines()
        return int(last.partition(",")[0])
    except (OSError, ValueError):
        return None


def model_in(path: str | Path) -> Path:
    """Return the model file: the path itself, or that of a training whose folder or state was chosen."""
    path = Path(path)
    if path.name != STATE_FILE and not path.is_dir():
        return path
    folder = path if path.is_dir() else path.parent
    model = model_in_folder(folder)
    return model if model != folder else folder / RUN_MODELS[-1]


def model_name(path: str | Path) -> str:
    """Return a name for a copy of a model file; that of a training is called as its folder."""
    path = Path(path)
    return path.parent.name if path.name in RUN_MODELS else path.stem


def _read_log(folder: Path) -> str:
    """Return the log of a run; empty where it has none that can be read."""
    try:
        return (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def discard_unless_kept(folder: str | Path) -> None:
    """Remove the folder of a training that ended before it had kept anything."""
    if not can_be_resumed(folder):
        shutil.rmtree(folder, ignore_errors=True)
