"""What a run has reported so far: the terms of every step and the scores, in a form that goes into its saved state."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import torch

from napari_spoco.training.reports import LossTerms, ScoreReport, StepReport


class RunHistory:
    """Reports of the steps and scores of one run, in order."""

    def __init__(self) -> None:
        self.reports: list[StepReport] = []
        self.scores: list[ScoreReport] = []

    @property
    def step(self) -> int:
        """Number of steps made."""
        return self.reports[-1].step if self.reports else 0

    @property
    def elapsed(self) -> float:
        """Seconds of training."""
        return self.reports[-1].elapsed if self.reports else 0.0

    def mean_loss(self, n_steps: int) -> float:
        """Return the mean total loss of the last steps."""
        totals = [report.terms.total for report in self.reports[-n_steps:]]
        return sum(totals) / max(len(totals), 1)

    def until(self, step: int) -> list[StepReport]:
        """Return the reports of the steps up to one."""
        return self.reports[:step]

    def state_dict(self) -> dict[str, Any]:
        """Return a tensor and numbers."""
        rows = [(r.step, r.n_steps, r.learning_rate, r.elapsed, r.remaining, *astuple(r.terms)) for r in self.reports]
        return {"reports": torch.tensor(rows, dtype=torch.float64), "scores": [astuple(score) for score in self.scores]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.reports = [
            StepReport(int(step), int(n_steps), LossTerms(*terms), rate, elapsed, remaining)
            for step, n_steps, rate, elapsed, remaining, *terms in state["reports"].tolist()
        ]
        self.scores = [ScoreReport(*values) for values in state["scores"]]
