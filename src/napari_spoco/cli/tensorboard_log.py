"""The terms of the loss, the learning rate and the score for TensorBoard (extra `tensorboard`)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spoco.training.reports import ScoreReport, StepReport, TrainingStarted

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from napari_spoco.training.reports import TrainerMessage


class TensorBoardLog:
    """Writes into a folder what a training reports; makes the file when the training starts.

    Raises
    ------
    ValueError
        TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ValueError(
                f'--tensorboard: expected the package tensorboard; pip install "napari-spoco[tensorboard]" ({error})'
            ) from error
        self._make = SummaryWriter
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def on_report(self, report: TrainerMessage) -> None:
        """Write down a report."""
        if isinstance(report, TrainingStarted):
            # What an earlier process wrote behind the step from which the training is resumed is void.
            self._writer = self._make(str(self._folder), purge_step=report.first_step)
        elif isinstance(report, StepReport):
            self._write({f"loss/{name}": value for name, value in asdict(report.terms).items()}, report.step)
            self._write({"loss/total": report.terms.total, "learning_rate": report.learning_rate}, report.step)
        elif isinstance(report, ScoreReport):
            scores = {"score": report.score, "soft_iou": report.soft_iou, "clustered_iou": report.clustered_iou}
            self._write({f"left_out/{name}": value for name, value in scores.items()}, report.step)

    def close(self) -> None:
        """Write what is still in memory."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, values: dict[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
