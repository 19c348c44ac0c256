"""The training loop, on one screen: `Trainer.run(stop)` yields reports and previews, then holds the model.

The trainer knows nothing of windows and processes: the command line runs it as it is, `process` runs it in a child.
All randomness of a step comes from the seed, the number of the step and the rank of the process, so that a run that
goes on from a saved state draws what the unbroken run would have drawn.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard
from napari_spoco.models.precision import choose_precision
from napari_spoco.training.batches import BatchSource
from napari_spoco.training.beginning import Beginning
from napari_spoco.training.clock import Lap, RunClock
from napari_spoco.training.defaults import choose_batch, choose_network, choose_rim
from napari_spoco.training.devices import make_fabric, peak_memory
from napari_spoco.training.finishing import ModelMaker
from napari_spoco.training.history import RunHistory
from napari_spoco.training.inputs import check_sizes
from napari_spoco.training.learner import Learner, place
from napari_spoco.training.memory import choose_fitting, reduction_notice
from napari_spoco.training.pool import TrainingPool
from napari_spoco.training.preview import Previewer
from napari_spoco.training.replay import Replay, replay_share
from napari_spoco.training.reports import LossTerms, ScoreReport, StepReport, TrainingNotice, TrainingStarted
from napari_spoco.training.scale import per_image
from napari_spoco.training.selection import ModelSelection

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lightning_fabric import Fabric
    from numpy.typing import NDArray

    from napari_spoco.config import TrainingConfig
    from napari_spoco.data.annotations import AnnotationStore
    from napari_spoco.training.inputs import Annotations
    from napari_spoco.training.memory import Attempt
    from napari_spoco.training.reports import Network, Preview, TrainerMessage
    from napari_spoco.training.run_folder import State
    from napari_spoco.training.scale import Sizes, Units

_BEFORE_FIRST_STEP = 0
"""Takes the place of the step in the seed of what is drawn before the first one."""


@dataclass(frozen=True)
class TrainingResult:
    """The trained model and what led to it.

    `model` is the one to use: the best by the objects left out (from step `best_step`; 0 is the model that was started
    from), or `last` where none were left out (`best_step` is None). `path` is its file, where the run is kept.
    """

    model: EmbeddingModel
    last: EmbeddingModel
    best_step: int | None
    reports: tuple[StepReport, ...]
    scores: tuple[ScoreReport, ...]
    stopped: bool
    path: Path | None = None


class Trainer:
    """Train a student and its teacher on sparsely annotated images.

    Parameters
    ----------
    images
        Images (*spatial) or (C, *spatial), all of one dimensionality and number of channels, as far as these are taken
        (`config.channels`).
    annotations
        Per image one integer array (*spatial), `SparseAnnotations`, or an `AnnotationStore` that may be painted into
        while the training runs; 0 is unlabeled.
    start_from
        Model to go on from; its architecture and normalisation replace those of `config`.
    config
        Settings of the run; those of the resumed run if None.
    voxel_size, units
        Of the images, per spatial axis; one for all images, or a sequence with one for each. Images are resampled to
        the voxel size of the run (`training/scale.py`), which is kept in the model; pictures and stores stay in the
        images' own pixels.
    folder
        Where the run is kept (`training/run_folder.py`); it is not kept if None.
    resume
        Go on with the run in `folder`, with the same images, to the end that it would have had.
    more
        Go on with a resumed run that had come to its end, for the steps and minutes of `config` once more, from the
        peak of the learning rate (`Schedule.restart`).
    fabric
        Devices, launched if they are several; made from `config` if None.

    Raises
    ------
    ValueError
        An image or an annotation cannot be trained on; the message names it.
    OSError
        The folder cannot be written, or holds an earlier run that is not to be resumed.
    """

    def __init__(
        self,
        images: Sequence[NDArray[Any]],
        annotations: Sequence[Annotations | AnnotationStore],
        *,
        start_from: EmbeddingModel | None = None,
        config: TrainingConfig | None = None,
        voxel_size: Sizes | Sequence[Sizes] | None = None,
        units: Units | Sequence[Units] | None = None,
        folder: str | os.PathLike[str] | None = None,
        resume: bool = False,
        more: bool = False,
        fabric: Fabric | None = None,
    ) -> None:
        begin = Beginning.find(config, start_from, folder, resume=resume)
        self.config, self._folder = begin.config, begin.folder
        config, state = begin.config, begin.state
        self._scale = begin.scale(per_image(voxel_size, units, len(images)))
        self._pool = TrainingPool(images, annotations, begin.normalization, config, self._scale)
        rng = np.random.default_rng((config.seed, _BEFORE_FIRST_STEP))
        self._fabric = fabric or make_fabric(config)
        self._model = (begin.start_from or self._new_model(_draw_seed(rng))).with_channels(config.channels)
        self._is_fine_tuning = self._model.card.history.steps > 0
        network = self._model.config
        wanted = choose_batch(config, network.ndim)
        check_sizes(self._pool.images, wanted[0], network)
        place(self._model.network, config, self._fabric)
        fitting: Attempt = (
            state["attempt"] if state else choose_fitting(self._model.network, config, self._fabric, wanted)
        )
        self.patch_shape, self.batch_size = fitting
        share = state.get("replay", 0.0) if state else replay_share(config, self._model.card)
        self._replay = Replay.prepare(self._model.card, share, self._scale) if share else None
        self._notices = [] if state else [*self._opening_notices(wanted)]
        self._memory = peak_memory(self._fabric.device)
        self._maker = ModelMaker(
            self._model.card,
            config.loss,
            self.patch_shape,
            rim=choose_rim(config, network.ndim),
            voxel_size=self._scale.voxel_size,
            device=self._fabric.device,
        )
        self._learner = Learner(
            self._model,
            config,
            self._fabric,
            self.patch_shape,
            learning_rate=config.learning_rate * (config.fine_tuning_factor if self._is_fine_tuning else 1.0),
            seed=_draw_seed(rng),
        )
        self._selection = ModelSelection(
            self._pool.images,
            network,
            config,
            rng,
            is_fine_tuning=self._is_fine_tuning,
            agree=self._fabric.broadcast,
        )
        self._previewer = Previewer(self._pool.images, network, config.preview_seconds)
        self._shown: Network = "teacher"
        self._batches = BatchSource(
            config.augmentation,
            self.patch_shape,
            self.batch_size,
            voxel_size=self._maker.voxel_size,
            replay=self._replay,
        )
        self._history = RunHistory()
        self._n_logged = 0
        self._lap = Lap()
        self._stopped = False
        if state is not None:
            self._load(state, more=more)
        self._show_images()

    def run(self, stop: Callable[[], bool] | None = None) -> Iterator[TrainerMessage]:
        """Train; yields a report per step, a score and a preview now and then, and sentences for the user.

        `stop` is asked before every step; after a stop the model is complete, only less trained, and where there is a
        folder the run can be resumed.
        """
        yield self._started()
        yield from self._notices
        if self._folder and self._is_first_process:
            self._folder.begin(self.config, self._history.step)
        if self._history.step == 0 and self._is_fine_tuning and self._selection.n_left_out:
            with self._fabric.autocast():
                report = self._selection.judge_start(self._learner.student, self._learner.teacher)
            yield self._scored(report)
        clock = RunClock(self.config, self._fabric, self._history.elapsed, self._lap)
        for step in itertools.count(self._history.step + 1):
            progress, is_stopped = clock.ask(step - 1, stop)
            has_learned = self._learner.schedule.is_over or self._selection.is_stale
            is_over = progress >= 1.0 or has_learned or self._lap.has_ended(self.config)
            self._lap = self._lap.end(self.config) if is_over else self._lap
            self._stopped = is_stopped and not is_over
            if is_over or is_stopped:
                break
            if self._pool.refresh():
                yield self._repainted()
            self._learner.schedule.advance(progress)
            rng = np.random.default_rng((self.config.seed, step, self._fabric.global_rank))
            generator = torch.Generator().manual_seed(_draw_seed(rng))
            batch = self._batches.draw(rng, self._fabric.device)

            terms = self._learner.step(batch, step, generator)

            yield self._report(step, terms, clock)
            if step % self.config.validation.every == 0:
                yield from self._validate(step)
            if self._is_first_process and self._previewer.is_due():
                yield self._preview()
            if clock.is_time_to_save():
                self.save()
        self.save()
        # After the state is saved: a run that goes on is scored as if it had never been stopped.
        if self._history.step and not self._selection.is_scored(self._history.step):
            yield self._judged()
            if self._lap.ended_by:  # What follows a later restart of the rate may be worse: this is to be remembered.
                self.save()

    def show(self, image_index: int, box: tuple[slice, ...] | None, network: Network) -> None:
        """Make the next previews of this box of an image, by this network, or the student where it is the only one.

        See `Previewer.look_at`; without a box it stays where it is. Any thread may call it.
        """
        self._shown = network
        if box is not None:
            self._previewer.look_at(image_index, box)

    def save(self) -> None:
        """Keep the run as it is now, to be resumed; without a folder do nothing.

        The models that a resumed run finds in its folder stay until `result` replaces them.
        """
        if self._folder is None or not self._is_first_process:
            return
        self._folder.log_steps(self._history.reports[self._n_logged :])
        self._n_logged = self._history.step
        self._folder.save_state(self._state())
        if self._folder.takes_models_meanwhile:
            self._folder.save_models(*self._models(is_measured=False))

    def result(self) -> TrainingResult:
        """Return the model as it is now, on the CPU, with its history; the folder keeps it instead of earlier ones."""
        last, best = self._models(is_measured=True)
        is_kept = self._folder is not None and self._is_first_process
        return TrainingResult(
            model=best or last,
            last=last,
            best_step=self._selection.best_step,
            reports=tuple(self._history.reports),
            scores=tuple(self._history.scores),
            stopped=self._stopped,
            path=self._folder.save_models(last, best) if self._folder and is_kept else None,
        )

    @property
    def _is_first_process(self) -> bool:
        return self._fabric.global_rank == 0

    def _new_model(self, seed: int) -> EmbeddingModel:
        channels, *spatial = self._pool.images[0].image.shape
        network = choose_network(self.config, len(spatial), channels)
        return EmbeddingModel.create(ModelCard(network=network, normalization=self.config.normalization), seed=seed)

    def _show_images(self) -> bool:
        """Draw from what has been painted by now, but for the objects that are left out by now.

        If all that is still painted is left out, draw from what there was before, and return False.
        """
        images = self._pool.without(self._selection.left_out)
        is_any = any(image.annotations.runs for image in images)
        if is_any:
            self._batches.show(images)
        return is_any

    def _opening_notices(self, wanted: Attempt) -> Iterator[TrainingNotice]:
        fitting = self.patch_shape, self.batch_size
        if fitting != wanted:
            yield reduction_notice(wanted, fitting)
        said = [self._scale.notice, *(image.resampling.notice for image in self._pool.images if image.resampling)]
        if self._replay is not None:
            said.append(self._replay.notice)
        elif self.config.replay:
            said.append("Nothing is replayed: the run starts from no model whose training data are known.")
        yield from (TrainingNotice(text) for text in dict.fromkeys(said) if text)

    def _repainted(self) -> TrainingNotice:
        self._selection.use(self._pool.images)
        if self._show_images():
            return TrainingNotice(f"Training goes on with {self._pool.n_objects} objects.")
        return TrainingNotice(
            "All objects that are still painted are left out to score: training goes on with the others."
        )

    def _started(self) -> TrainingStarted:
        device = self._fabric.device
        return TrainingStarted(
            device=str(device),
            precision=str(choose_precision(self.config.precision, device)).removeprefix("torch."),
            patch_shape=self.patch_shape,
            batch_size=self.batch_size,
            n_objects=self._pool.n_objects,
            n_parameters=sum(parameter.numel() for parameter in self._model.network.parameters()),
            learning_rate=self._learner.schedule.rate,
            first_step=self._history.step + 1,
            n_left_out=self._selection.n_left_out,
            memory=self._memory,
            is_fine_tuning=self._is_fine_tuning,
            has_teacher=self._learner.teacher is not None,
        )

    def _report(self, step: int, terms: torch.Tensor, clock: RunClock) -> StepReport:
        values, rate = LossTerms(*terms.tolist()), self._learner.schedule.rate
        if not math.isfinite(values.total):
            raise FloatingPointError(
                f"The loss became {values.total} at step {step}; try a lower learning rate (now {rate:.1e})."
            )
        n_steps = self._lap.last_step(self.config)
        report = StepReport(step, n_steps, values, rate, clock.elapsed, clock.remaining(step))
        self._history.reports.append(report)
        return report

    def _validate(self, step: int) -> Iterator[ScoreReport]:
        """Score the model by the objects left out, or let the loss tell whether it still learns."""
        if self._selection.is_scored(step):
            loss = self._fabric.broadcast(self._history.mean_loss(self.config.validation.every))
            self._learner.schedule.on_score(-loss)
            return
        report = self._judged()
        self._learner.schedule.on_score(report.score)
        self._show_images()
        yield report

    def _judged(self) -> ScoreReport:
        with self._fabric.autocast():
            report = self._selection.judge(self._history.step, self._learner.student, self._learner.teacher)
        return self._scored(report)

    def _scored(self, report: ScoreReport) -> ScoreReport:
        self._history.scores.append(report)
        if self._folder and self._is_first_process:
            self._folder.log_score(report)
        return report

    def _preview(self) -> Preview:
        teacher = self._learner.teacher
        network = self._learner.student if teacher is None or self._shown == "student" else teacher
        with self._fabric.autocast():
            return self._previewer.make(network, self._history.step)

    def _models(self, *, is_measured: bool) -> tuple[EmbeddingModel, EmbeddingModel | None]:
        """Return copies of the last and the best model, on the CPU."""
        teacher, images = self._learner.teacher, self._pool.images
        weights = self._learner.student.state_dict(), None if teacher is None else teacher.state_dict()
        last = self._maker.make(weights, images, self._history.reports, is_measured=is_measured)
        best, step = self._selection.best_weights, self._selection.best_step
        if best is None or step is None:
            return last, None
        return last, self._maker.make(best, images, self._history.until(step), is_measured=is_measured)

    def _state(self) -> State:
        return {
            "config": self.config.model_dump_json(),
            "card": self._model.card.model_dump_json(),
            "shapes": [tuple(image.image.shape) for image in self._pool.images],
            "attempt": (self.patch_shape, self.batch_size),
            "scale": self._scale.state_dict(),
            "replay": self._replay.share if self._replay else 0.0,
            "learner": self._learner.state_dict(),
            "selection": self._selection.state_dict(),
            "history": self._history.state_dict(),
            "lap": tuple(self._lap),
        }

    def _load(self, state: State, *, more: bool) -> None:
        shapes = [tuple(image.image.shape) for image in self._pool.images]
        if shapes != state["shapes"]:
            raise ValueError(
                f"images: expected those of the resumed training, of shapes {state['shapes']} (C, *spatial) at its "
                f"voxel size, got {shapes}."
            )
        self._learner.load_state_dict(state["learner"])
        self._selection.load_state_dict(state["selection"])
        self._history.load_state_dict(state["history"])
        self._n_logged = self._history.step
        self._choose_lap(Lap(*state.get("lap", ())), more=more)

    def _choose_lap(self, lap: Lap, *, more: bool) -> None:
        """Go on with a lap, or begin a new one where it is over and more is wanted."""
        step, seconds = self._history.step, self._history.elapsed
        if more and (lap.ended_by or lap.progress(self.config, step, seconds) >= 1.0):
            self._lap = Lap(step, seconds)
            self._learner.schedule.restart()
            self._selection.restart()
            text = f"The training had ended at step {step}: it goes on, at the full learning rate at first."
            self._notices.append(TrainingNotice(text))
        else:
            self._lap = lap if lap.has_ended(self.config) else Lap(lap.step, lap.seconds)


def _draw_seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
