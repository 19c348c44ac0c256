"""The folder of one training run: what it needs to go on, what it found, and its log.

    state.pt             everything that the next step depends on; written at every autosave and at the end
    best.safetensors     the model with the best score on the objects left out
    last.safetensors     the model as it was at the end, or at the last autosave of a run that has not ended yet
    config.json          the settings, readable by `napari-spoco train --config`
    log.csv, scores.csv  a row per step and a row per score
    log.txt              what the window said of it, if there was one (`_qt/train/run_log.py`)

Every file but the logs appears complete or not at all, so a run that is killed goes on from its last autosave. The
models of a run that is resumed stay as they are until it ends again: somebody may be using them, and what it learns
meanwhile is in the state. The state holds tensors, numbers and text alone and is read without running any code.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_spoco.data.writers import atomic_path
from napari_spoco.models.checkpoint import save_model
from napari_spoco.models.registry import RUN_MODELS, model_in_folder
from napari_spoco.training.reports import LossTerms, ScoreReport, StepReport

if TYPE_CHECKING:
    import os

    from napari_spoco.config import TrainingConfig
    from napari_spoco.models.checkpoint import EmbeddingModel

State = dict[str, Any]
_VERSION = 1
_STEP_COLUMNS = ("step", "seconds", "learning_rate", "loss", *(field.name for field in fields(LossTerms)))
_SCORE_COLUMNS = tuple(field.name for field in fields(ScoreReport))


class RunFolder:
    """Reads and writes the files of one run.

    Parameters
    ----------
    path
        The folder; it is made when the run begins.
    keep
        Keep the files of an earlier run that lie there, to go on from them; otherwise they are an error.

    Raises
    ------
    FileExistsError
        An earlier run lies there and is not to be gone on from.
    FileNotFoundError
        There is nothing to go on from.
    """

    def __init__(self, path: str | os.PathLike[str], *, keep: bool = False) -> None:
        self.path = Path(path)
        self._state = self.path / "state.pt"
        self._has_models = keep and model_in_folder(self.path) != self.path
        if keep and not self._state.is_file():
            raise FileNotFoundError(f"folder: there is no training to go on with in {self.path} (no state.pt).")
        if not keep and self._state.exists():
            raise FileExistsError(
                f"folder: {self.path} holds an earlier training; resume it, or choose another folder."
            )

    @property
    def best_path(self) -> Path:
        """Where the best model is kept."""
        return self.path / RUN_MODELS[0]

    @property
    def last_path(self) -> Path:
        """Where the last model is kept."""
        return self.path / RUN_MODELS[1]

    @property
    def log_path(self) -> Path:
        """Where the terms of every step are kept."""
        return self.path / "log.csv"

    @property
    def scores_path(self) -> Path:
        """Where the scores are kept."""
        return self.path / "scores.csv"

    @property
    def takes_models_meanwhile(self) -> bool:
        """Whether models are kept before the run ends: not where they would replace those of its earlier part."""
        return not self._has_models

    def begin(self, config: TrainingConfig, step: int) -> None:
        """Make the folder, write the settings, and begin the logs or cut off what lies behind `step`.

        Raises
        ------
        OSError
            The folder cannot be made or written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path / "config.json") as temporary:
            temporary.write_text(config.model_dump_json(indent=2), encoding="utf-8")
        _begin_log(self.log_path, _STEP_COLUMNS, step)
        _begin_log(self.scores_path, _SCORE_COLUMNS, step)

    def log_steps(self, reports: list[StepReport]) -> None:
        """Append a row per step."""
        with self.log_path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                (r.step, round(r.elapsed, 3), r.learning_rate, r.terms.total, *asdict(r.terms).values())
                for r in reports
            )

    def log_score(self, report: ScoreReport) -> None:
        """Append a row."""
        with self.scores_path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(asdict(report).values())

    def save_state(self, state: State) -> None:
        """Keep all that the next step depends on: tensors, numbers, text, and containers of them."""
        with atomic_path(self._state) as temporary:
            torch.save({"version": _VERSION, **state}, temporary)

    def load_state(self) -> State:
        """Return what `save_state` was given, on the CPU.

        Raises
        ------
        ValueError
            The file is truncated, or no state of this package.
        """
        try:
            state: State = torch.load(self._state, map_location="cpu", weights_only=True)
            version = state.pop("version")
        except Exception as error:
            raise ValueError(f"folder: {self._state} is truncated or no state of a training ({error}).") from error
        if version != _VERSION:
            raise ValueError(f"folder: expected a state of version {_VERSION} in {self._state}, got {version}.")
        return state

    def save_models(self, last: EmbeddingModel, best: EmbeddingModel | None) -> Path:
        """Keep the models and return the path of the one to use: the best, if there is one."""
        save_model(last, self.last_path)
        return self.last_path if best is None else save_model(best, self.best_path)


def _begin_log(path: Path, columns: tuple[str, ...], step: int) -> None:
    rows: list[list[str]] = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row and row[0].isdecimal() and int(row[0]) <= step]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
