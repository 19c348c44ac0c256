"""The course of the learning rate, and when a run has learned all that it will."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import ReduceLROnPlateau

if TYPE_CHECKING:
    import torch

    from napari_spoco.config import TrainingConfig


class Schedule:
    """Set the rate of an optimizer, by the share of the run that is done or by the scores.

    Parameters
    ----------
    optimizer
        Its rate is the peak rate at first.
    config
        Kind of schedule; on plateaus factor, patience and the least rate (appendix A.1 of the paper).
    """

    def __init__(self, optimizer: torch.optim.Optimizer, config: TrainingConfig) -> None:
        self._optimizer = optimizer
        self._kind = config.schedule
        self._wanted_peak: float = optimizer.param_groups[0]["lr"]
        self._peak = self._wanted_peak
        self._least = config.min_learning_rate
        self._plateau = ReduceLROnPlateau(
            optimizer, mode="max", factor=config.plateau_factor, patience=config.plateau_patience, threshold=0.0
        )

    @property
    def rate(self) -> float:
        """The rate of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    @property
    def is_over(self) -> bool:
        """Whether plateaus have brought the rate below the least."""
        return self._kind == "plateau" and self.rate < self._least

    def advance(self, progress: float) -> None:
        """Set the rate for a run of which a share between 0 and 1 is done."""
        if self._kind == "cosine":
            for group in self._optimizer.param_groups:
                group["lr"] = self._peak * 0.5 * (1 + math.cos(math.pi * progress))

    def restart(self) -> None:
        """Begin anew at the peak rate of the settings, for a run that goes on after its end.

        By then the rate has fallen to where nothing is learned any more, and further steps at it would be lost.
        Weights, teacher and what Adam knows of the gradients stay, so there is no warm-up: a warm restart (SGDR,
        Loshchilov and Hutter 2017, section 3). That the model is worse for a while is no loss, since the best one by
        the objects left out is remembered.
        """
        self._peak = self._wanted_peak
        for group in self._optimizer.param_groups:
            group["lr"] = self._peak
        self._plateau.best, self._plateau.num_bad_epochs = -math.inf, 0

    def on_score(self, score: float) -> None:
        """Lower the rate when the score, of which more is better, has stopped rising."""
        if self._kind == "plateau":
            self._plateau.step(score)

    def state_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "peak": self._peak,
            "best": self._plateau.best,
            "n_bad": self._plateau.num_bad_epochs,
            "n_scores": self._plateau.last_epoch,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; the rate itself comes with the optimizer."""
        self._peak = state["peak"]
        self._plateau.best = state["best"]
        self._plateau.num_bad_epochs = state["n_bad"]
        self._plateau.last_epoch = state["n_scores"]
