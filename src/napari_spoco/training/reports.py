"""What a training tells the outside: frozen, plain messages that may cross a process boundary.

This module alone knows their shape; who sends them (trainer, process) and who shows them (window, command
line) meet only here. It imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Network = Literal["teacher", "student"]


@dataclass(frozen=True)
class LossTerms:
    """Weighted terms of one step, averaged over the batch; their sum is the loss."""

    pull: float
    push: float
    regularizer: float
    instance: float
    unlabeled_push: float
    consistency: float
    adversarial: float = 0.0
    pixel_classes: float = 0.0

    @property
    def total(self) -> float:
        """Return the loss: the sum of the terms."""
        return float(sum(getattr(self, field.name) for field in fields(self)))


@dataclass(frozen=True)
class TrainingStarted:
    """Sent once, before the first step.

    `first_step` is above 1 where a run is resumed, `n_left_out` objects score the training, and `memory` is the most
    that the dry run took on the device, in bytes (None where the device does not tell). `is_fine_tuning` says that the
    run began with a trained model, `has_teacher` that the model will have two networks.
    """

    device: str
    precision: str
    patch_shape: tuple[int, ...]
    batch_size: int
    n_objects: int
    n_parameters: int
    learning_rate: float
    first_step: int = 1
    n_left_out: int = 0
    memory: int | None = None
    is_fine_tuning: bool = False
    has_teacher: bool = True


@dataclass(frozen=True)
class StepReport:
    """Sent after every step; `elapsed` and `remaining` in seconds."""

    step: int
    n_steps: int
    terms: LossTerms
    learning_rate: float
    elapsed: float
    remaining: float


@dataclass(frozen=True)
class ScoreReport:
    """How well the objects that were left out are recovered, now and then; step 0 is the model that is started from.

    `soft_iou` by the soft mask of an anchor, `clustered_iou` by mutex watershed; `score` is what `best_score` is
    compared with, the highest so far. `is_best` says that the model is kept as the best.
    """

    step: int
    soft_iou: float
    clustered_iou: float
    score: float
    n_objects: int
    best_score: float
    is_best: bool


@dataclass(frozen=True)
class TrainingNotice:
    """A sentence that the user should read, such as a patch that was made smaller."""

    text: str


@dataclass(frozen=True)
class Preview:
    """Embeddings of one box of one training image, projected to RGB.

    `rgb` is uint8 of shape (*spatial, 3); `start` is the box's first pixel in image `image_index`. In 3D
    the box is one or several whole planes.
    """

    step: int
    image_index: int
    start: tuple[int, ...]
    rgb: NDArray[np.uint8]


@dataclass(frozen=True)
class TrainingFinished:
    """Sent last. `stopped` says that the run was ended early; the model at `model_path` is complete either way.

    It is the best by the objects left out (`best_step`; 0 is the model that was started from), or the last (None).
    `score_change` has the scores before and after a fine-tuning, where both are known (`training/verdict.py`).
    """

    model_path: str
    n_steps: int
    stopped: bool
    best_step: int | None = None
    score_change: tuple[float, float] | None = None


@dataclass(frozen=True)
class TrainingFailed:
    """Sent last, instead of `TrainingFinished`: a sentence for the user, the traceback for a report."""

    message: str
    details: str


TrainerMessage = TrainingStarted | StepReport | ScoreReport | Preview | TrainingNotice
"""What a trainer yields."""
TrainingMessage = TrainerMessage | TrainingFinished | TrainingFailed
"""What a training process sends."""
