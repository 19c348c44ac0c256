"""Which model of a run is kept: the one that best recovers the objects that were left out of the training.

A handful of objects measures poorly, and a network that has trained longer is the better guess: a later model takes the
place of the best one unless its score is lower by more than the standard error. A model that the run starts from is
replaced by none with a lower score. Without objects left out there is no score, and the last model is the run's.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from napari_spoco.training.reports import ScoreReport
from napari_spoco.training.validation import RunningScore, Validator, split_left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import torch
    from torch import nn

    from napari_spoco.config import NetworkConfig, TrainingConfig
    from napari_spoco.training.inputs import TrainingImage
    from napari_spoco.training.validation import LeftOut, LeftOutScore

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
    is_fine_tuning
        Whether the run starts from a trained model: a single object left out is then better than none.
    agree
        Returns the score of the first of several processes.
    """

    def __init__(
        self,
        images: Sequence[TrainingImage],
        network: NetworkConfig,
        config: TrainingConfig,
        rng: np.random.Generator,
        *,
        is_fine_tuning: bool,
        agree: Callable[[LeftOutScore], LeftOutScore],
    ) -> None:
        self._network, self._config, self._agree = network, config, agree
        self._folds = split_left_out(images, config.validation, rng, fewest=1 if is_fine_tuning else 2)
        self._turn = 0
        self._scores = RunningScore()
        self._n_stale = 0
        self._scored_step: int | None = None
        self._highest, self._least = 0.0, 0.0
        self.best_step: int | None = None
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

    def is_scored(self, step: int) -> bool:
        """Say whether the model after this step needs no score any more."""
        return self._scored_step == step or not self._is_possible()

    def restart(self) -> None:
        """Wait for a better score anew; the best model so far stays the one to beat."""
        self._n_stale = 0

    def use(self, images: Sequence[TrainingImage]) -> None:
        """Score by these images from now on; objects that are new to them are not left out."""
        self._validator = Validator(images, self._network, self._config.loss)
        self._images = images

    def judge_start(self, student: nn.Module, teacher: nn.Module | None) -> ScoreReport:
        """Score a model before it is trained on, by all objects that will be left out."""
        for _ in self._folds:
            if self._is_possible():
                self._scores.update(self._turn, self._measure(teacher or student))
            self._turn = (self._turn + 1) % len(self._folds)
        report = self._remember(0, student, teacher)
        self._least = report.score
        return report

    def judge(self, step: int, student: nn.Module, teacher: nn.Module | None) -> ScoreReport:
        """Score the network that predicts by the objects left out, and let the next ones be left out."""
        self._scores.update(self._turn, self._measure(teacher or student))
        self._turn = (self._turn + 1) % len(self._folds)
        return self._remember(step, student, teacher)

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers, text, and containers of them."""
        return {
            "folds": [[sorted(ids) for ids in fold] for fold in self._folds],
            "turn": self._turn,
            "scores": self._scores.state_dict(),
            "n_stale": self._n_stale,
            "scored_step": self._scored_step,
            "highest": self._highest,
            "least": self._least,
            "best_step": self.best_step,
            "best_weights": self.best_weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._folds = tuple(tuple(frozenset(ids) for ids in fold) for fold in state["folds"])
        self._turn, self._n_stale = state["turn"], state["n_stale"]
        self._scores = RunningScore()
        self._scores.load_state_dict(state["scores"])
        self._scored_step = state["scored_step"]
        self._highest, self._least = state["highest"], state["least"]
        self.best_step, self.best_weights = state["best_step"], state["best_weights"]

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
        is_higher = is_comparable and (self.best_step is None or mean.score > self._highest)
        is_best = is_higher or (is_comparable and mean.score >= max(self._highest - mean.error, self._least))
        if is_higher:
            self._highest = mean.score
        if is_best:
            self.best_step = step
            self.best_weights = (_copied(student), None if teacher is None else _copied(teacher))
        self._n_stale = 0 if is_higher or not is_comparable else self._n_stale + 1
        self._scored_step = step
        return ScoreReport(step, mean.soft_iou, mean.clustered_iou, mean.score, mean.n_objects, self._highest, is_best)

    def _measure(self, network: nn.Module) -> LeftOutScore:
        return self._agree(self._validator.score(network, self.left_out))


def _copied(network: nn.Module) -> Weights:
    weights: Weights = copy.deepcopy({name: value.detach().cpu() for name, value in network.state_dict().items()})
    return weights
