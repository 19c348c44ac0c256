"""Which model of a run is kept: the one that best recovers the objects that were left out of the training.

Without objects left out there is no score and no best model, and the last one is the run's.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from napari_spoco.training.reports import ScoreReport
from napari_spoco.training.validation import RunningScore, Validator, split_left_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from torch import nn

    from napari_spoco.config import NetworkConfig, TrainingConfig
    from napari_spoco.training.inputs import TrainingImage
    from napari_spoco.training.validation import LeftOut

Weights = dict[str, "torch.Tensor"]


class ModelSelection:
    """Score the networks of a run now and then, and remember the weights with the best score.

    Parameters
    ----------
    images
        The training images with all their annotations.
    network
        Architecture.
    config
        How objects are left out, how often they score, and when to give up.
    rng
        Chooses the objects.
    """

    def __init__(
        self, images: Sequence[TrainingImage], network: NetworkConfig, config: TrainingConfig, rng: np.random.Generator
    ) -> None:
        self._network, self._config = network, config
        self._folds = split_left_out(images, config.validation, rng)
        self._turn = 0
        self._scores = RunningScore()
        self._n_stale = 0
        self.best_step: int | None = None
        self.best_score = 0.0
        self.best_weights: tuple[Weights, Weights | None] | None = None
        self.use(images)

    @property
    def left_out(self) -> LeftOut:
        """Ids per image that the training must not be shown now; empty where none are left out."""
        return self._folds[self._turn] if self._folds else ()

    @property
    def n_left_out(self) -> int:
        """Number of objects that are left out now."""
        return sum(map(len, self.left_out))

    @property
    def is_stale(self) -> bool:
        """Whether too many scores have passed without a better one."""
        patience = self._config.validation.early_stopping
        return patience is not None and self._n_stale >= patience

    def use(self, images: Sequence[TrainingImage]) -> None:
        """Score by these images from now on; objects that are new to them are not left out."""
        self._validator = Validator(images, self._network, self._config.loss)
        self._images = images

    def is_due(self, step: int) -> bool:
        """Say whether there is something to score after this step."""
        return self._is_possible() and step % self._config.validation.every == 0

    def judge_start(self, student: nn.Module, teacher: nn.Module | None) -> ScoreReport:
        """Score a model before it is trained on, by all objects that will be left out."""
        for _ in self._folds:
            if self._is_possible():
                self._scores.update(self._turn, self._validator.score(teacher or student, self.left_out))
            self._turn = (self._turn + 1) % len(self._folds)
        return self._remember(0, student, teacher)

    def judge(self, step: int, student: nn.Module, teacher: nn.Module | None) -> ScoreReport:
        """Score the network that predicts by the objects left out, and let the next ones be left out."""
        self._scores.update(self._turn, self._validator.score(teacher or student, self.left_out))
        self._turn = (self._turn + 1) % len(self._folds)
        return self._remember(step, student, teacher)

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers, text, and containers of them."""
        return {
            "folds": [[sorted(ids) for ids in fold] for fold in self._folds],
            "turn": self._turn,
            "scores": self._scores.state_dict(),
            "n_stale": self._n_stale,
            "best_step": self.best_step,
            "best_score": self.best_score,
            "best_weights": self.best_weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._folds = tuple(tuple(frozenset(ids) for ids in fold) for fold in state["folds"])
        self._turn, self._n_stale = state["turn"], state["n_stale"]
        self._scores = RunningScore()
        self._scores.load_state_dict(state["scores"])
        self.best_step, self.best_score = state["best_step"], state["best_score"]
        self.best_weights = state["best_weights"]

    def _is_possible(self) -> bool:
        """Whether any of the objects left out is still there: people erase while the network learns."""
        pairs = zip(self.left_out, self._images, strict=False)
        return any(ids & set(image.annotations.instance_ids) for ids, image in pairs)

    def _remember(self, step: int, student: nn.Module, teacher: nn.Module | None) -> ScoreReport:
        mean = self._scores.mean
        if mean is None:
            raise AssertionError("a score is remembered after one was made")
        # The first scores of a round are of other objects than the later ones, and are not compared with them.
        is_comparable = self._scores.n_folds == len(self._folds)
        is_best = is_comparable and (self.best_step is None or mean.score > self.best_score)
        if is_best:
            self.best_step, self.best_score = step, mean.score
            self.best_weights = (_copied(student), None if teacher is None else _copied(teacher))
        self._n_stale = 0 if is_best or not is_comparable else self._n_stale + 1
        return ScoreReport(
            step, mean.soft_iou, mean.clustered_iou, mean.score, mean.n_objects, self.best_score, is_best
        )


def _copied(network: nn.Module) -> Weights:
    weights: Weights = copy.deepcopy({name: value.detach().cpu() for name, value in network.state_dict().items()})
    return weights
