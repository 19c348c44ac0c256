"""The session: its state, its jobs, its model. Knows neither widgets nor layers; says all by signals.

One job at a time (train, load, segment); saving a file, and telling a training what is painted and what is on show, are
side jobs that may run beside it. The cycle of a job:

1. A method (`train`, `segment`, `load_model`) raises the generation, sets the state, starts the job.
2. What the job reports comes with its generation; a stale one is dropped.
3. The job's end sets the state to rest and says a sentence.
4. `stop` asks the training to save and end; a second `stop` kills it. `cancel` and `shutdown` raise the generation,
   so that whatever the thread still says is stale; a training that runs at a `shutdown` saves itself, and ends.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt import notices
from napari_spoco._qt.embeddings import embedding_job
from napari_spoco._qt.jobs import files_job
from napari_spoco._qt.jobs.job_steps import JobStep
from napari_spoco._qt.jobs.worker import Job, SideJob
from napari_spoco._qt.model import model_job
from napari_spoco._qt.notices import Notice
from napari_spoco._qt.segment import segmentation_job
from napari_spoco._qt.session import SessionState, Start
from napari_spoco._qt.train import training_job
from napari_spoco._qt.train.run_folders import Run, can_be_resumed, model_in, model_name
from napari_spoco._qt.train.step_pace import StepPace
from napari_spoco.training.process import TrainingProcess
from napari_spoco.training.reports import (
    ScoreReport,
    StepReport,
    TrainingFailed,
    TrainingFinished,
    TrainingNotice,
    TrainingStarted,
)
from napari_spoco.training.verdict import FEWEST_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_spoco._qt.embeddings.prediction_job import PredictionProgress
    from napari_spoco._qt.notices import Tone
    from napari_spoco.training.process import TrainingRequest, ViewUpdate
    from napari_spoco.training.reports import TrainingMessage

_PART = "Only what is on show was computed for the preview; Segment sees the whole image, and may differ a little."


class SessionController(QObject):
    """Runs the jobs of one window.

    Parameters
    ----------
    make_process
        Makes the process that trains.
    embeddings_folder
        Where embeddings are kept.
    """

    state_changed = Signal()
    noticed = Signal(object)  # Notice
    training_reported = Signal(object)  # TrainingMessage
    embedding_reported = Signal(object)  # PredictionProgress, JobStep
    embedded = Signal(object)  # EmbeddedImage
    segmented = Signal(object)  # SegmentationResult
    run_opened = Signal(object)  # Run

    def __init__(
        self,
        make_process: Callable[[TrainingRequest], training_job.Process] = TrainingProcess,
        *,
        embeddings_folder: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._make_process = make_process
        self._state = SessionState.IDLE
        self._generation = 0
        self._job: Job | None = None
        self._on_report: Callable[[Any], None] = _ignore
        self._on_result: Callable[[Any], None] = _ignore
        self._saving, self._telling = SideJob(self), SideJob(self)
        self._saving.changed.connect(self.state_changed)
        self._saving.returned.connect(self._on_saved)
        self._saving.failed.connect(self.refuse)
        self._telling.failed.connect(self.refuse)
        self._rest = SessionState.IDLE
        self._handles: list[training_job.ProcessHandle] = []
        self._embedder = embedding_job.Embedder(embeddings_folder)
        self._model_path: str | None = None
        self._model_summary = ""
        self._loading_name = self._auto_device = ""
        self._run: Run | None = None
        self._has_stepped, self._pace = False, StepPace()
        self._is_new = True
        self._resumable: Run | None = None
        self._score: ScoreReport | None = None
        self._start_wish: Start | None = None

    @property
    def state(self) -> SessionState:
        """What the session is doing."""
        return self._state

    @property
    def model_path(self) -> str | None:
        """File of the model in use."""
        return self._model_path

    @property
    def model_summary(self) -> str:
        """The model in use, in a line."""
        return self._model_summary

    @property
    def model_name(self) -> str:
        """What the model in use is called; empty without one."""
        return "" if self._model_path is None else model_name(self._model_path)

    @property
    def loading_name(self) -> str:
        """What the model is called that is being loaded; empty where none is."""
        return self._loading_name if self._state is SessionState.LOADING else ""

    @property
    def auto_device(self) -> str:
        """The device that "auto" means; empty as long as no model has been loaded."""
        return self._auto_device

    @property
    def embedded_image(self) -> embedding_job.EmbeddedImage | None:
        """The image that was embedded last."""
        return self._embedder.last

    def find_embeddings(self, key: str) -> NDArray[np.float16] | None:
        """Return embeddings that are kept on disk, of an earlier session perhaps; None where they are not any more."""
        return self._embedder.find(key)

    @property
    def resumable(self) -> Run | None:
        """The training that ended, was stopped, killed or opened last, and can be resumed."""
        return self._resumable

    @property
    def kept_run(self) -> Run | None:
        """The training that runs, or else `resumable`: what another session is to offer if this one ends now."""
        waiting = None if self._resumable is None or self._resumable.is_done else self._resumable
        return self._run or waiting

    @property
    def start_wish(self) -> Start | None:
        """What the user has chosen to start from, since the model in use last changed."""
        return self._start_wish

    @property
    def is_saving(self) -> bool:
        """Whether a file is being written."""
        return self._saving.is_running

    def choose_start(self, start: Start) -> None:
        """Start the next training from this, if it is possible then."""
        self._start_wish = start
        self.state_changed.emit()

    def train(self, inputs: training_job.TrainingInputs) -> None:
        """Start a training; it goes on until its steps are done, `stop`, or an error."""
        resumed = self._resumable if inputs.resume else None
        start_from = resumed.start_from if resumed else inputs.start_from
        self._run = Run(inputs.folder, inputs.config, start_from=start_from)
        self._score, self._has_stepped, self._pace = None, False, StepPace()
        self._handles[:] = [training_job.ProcessHandle()]
        self._notice("Starting the training …")
        self._on_report, self._on_result = self._on_training_message, _ignore
        self._start(SessionState.TRAINING, training_job.run_training, inputs, self._handles[0], self._make_process)

    def send_painted(self, pixels: dict[int, Any]) -> bool:
        """Send the training what has been painted, by the index of the image; returns False if this is no moment."""
        is_training = self._state is SessionState.TRAINING
        return is_training and self._telling.start(training_job.send_painted, pixels, self._handles[0])

    def send_view(self, view: ViewUpdate) -> bool:
        """Tell the training what is on show, for its next preview; returns False if this is no moment."""
        is_training = self._state is SessionState.TRAINING
        return is_training and self._telling.start(training_job.send_view, view, self._handles[0])

    def stop(self) -> None:
        """Ask the training to save and end; the second time, end it at once."""
        if self._state is SessionState.TRAINING:
            self._handles[0].request_stop()
            self._notice("Stopping after this step …" if self._has_stepped else "Stopping, once it has started …")
            self._set_state(SessionState.STOPPING)
        elif self._state is SessionState.STOPPING:
            self._handles[0].kill()

    def embed(self, inputs: embedding_job.EmbeddingInputs) -> None:
        """Predict the embeddings, unless they are known; `embedded` brings them."""
        self._notice("Computing the embeddings …")
        self._on_report, self._on_result = self._on_embedding_message, self._on_embedded
        self._start(SessionState.PREDICTING, embedding_job.run_embedding, inputs, self._embedder)

    def segment(self, inputs: embedding_job.EmbeddingInputs) -> None:
        """Predict and cluster; `embedded` and `segmented` bring the results."""
        self._notice("Computing the embeddings …")
        self._on_report, self._on_result = self._on_embedding_message, self._on_segmentation_result
        self._start(SessionState.PREDICTING, segmentation_job.run_segmentation, inputs, self._embedder)

    def cancel(self) -> None:
        """Give up the segmentation; what its thread still says is dropped."""
        if self._state in (SessionState.PREDICTING, SessionState.SEGMENTING):
            self._abandon()
            self._notice("Cancelled.")

    def load_model(self, path: str, *, to_resume: bool = False, import_into: Path | None = None) -> None:
        """Use the model in a file or a training's folder, once it has been read as a whole.

        `to_resume` says that it is the training that is wanted; it is an error where there is none. Packages and
        checkpoints of others become model files in the folder `import_into`; they are refused if that is None.
        """
        self._load(path, partial(self._on_model_loaded, to_resume), import_into)

    def restore(self, model: str | None, run: Run | None) -> None:
        """Use the model that an earlier session used, and offer its training, as far as there were any.

        Whatever that training has learned since, the model stays the one that it was: the other may have been refused.
        """
        if model is not None:
            self._load(model, partial(self._on_model_restored, run))
        elif run is not None:
            self._offer(run)

    def save_model(self, path: str, model: str | None) -> None:
        """Copy a model file into another one; None for no model."""
        if model is not None:
            self._saving.start(files_job.copy_model, model, path)

    def save_package(self, path: str, model: str | None) -> None:
        """Make a BioImage.IO package of a model file; None for no model."""
        if model is not None:
            self._saving.start(files_job.save_package, model, path)

    def save_labels(self, labels: files_job.LabelsToWrite, path: str) -> None:
        """Write labels, or a table of them, as the ending of the path says."""
        self._saving.start(files_job.write_labels_layer, labels, path)

    def refuse(self, error: Exception) -> None:
        """Say why a wish cannot be followed; nothing changes."""
        self.noticed.emit(notices.failure(error))

    def process_leaver(self) -> Callable[[], None]:
        """Return a function that lets the training process save and end even when this object is gone."""
        return partial(_leave_all, self._handles)

    def shutdown(self) -> None:
        """End everything without a word: the window closes. A training saves what it has learned by itself."""
        _leave_all(self._handles)
        self._abandon()

    def _load(
        self, path: str, on_loaded: Callable[[model_job.LoadedModel], None], import_into: Path | None = None
    ) -> None:
        self._loading_name = model_name(model_in(path))
        self._notice(f"Loading {self._loading_name} …")
        self._on_report, self._on_result = _ignore, on_loaded
        self._start(SessionState.LOADING, model_job.load, path, import_into)

    def _start(self, state: SessionState, body: Callable[..., Generator[object, None, object]], *args: object) -> None:
        self._generation += 1
        self._rest = SessionState.IDLE
        self._job = job = Job(self._generation, body, *args, parent=self)
        job.reported.connect(self._on_job_reported)
        job.returned.connect(self._on_job_returned)
        job.failed.connect(self._on_job_failed)
        self._set_state(state)
        job.start()

    def _abandon(self) -> None:
        self._generation += 1
        if self._job is not None:
            self._job.cancel()
        self._set_state(SessionState.IDLE)

    def _on_job_reported(self, generation: int, message: object) -> None:
        if generation == self._generation:
            self._on_report(message)

    def _on_job_returned(self, generation: int, result: object) -> None:
        if generation == self._generation:
            self._on_result(result)
            self._come_to_rest(self._rest)

    def _on_job_failed(self, generation: int, error: Exception) -> None:
        if generation == self._generation:
            self.refuse(error)
            self._come_to_rest(SessionState.IDLE if isinstance(error, notices.EXPECTED) else SessionState.FAILED)

    def _come_to_rest(self, state: SessionState) -> None:
        """End a job; a training that has not come to its own end may be resumed."""
        if self._run is not None and can_be_resumed(self._run.folder):
            self._resumable, self._start_wish = self._run, None
        self._run = None
        self._set_state(state)

    def _on_training_message(self, message: TrainingMessage) -> None:
        match message:
            case TrainingStarted():
                has_start = self._run is not None and self._run.start_from is not None
                self._is_new = not (has_start or message.is_fine_tuning)
                self.noticed.emit(notices.started(message))
            case TrainingNotice():
                self._notice(message.text)
            case StepReport():
                self._has_stepped = True
                if self._pace.add(message):
                    self._warn_of_few_steps(message)
            case ScoreReport():
                self._score = message
            case TrainingFinished():
                self._on_training_finished(message)
            case TrainingFailed() if self._handles[0].is_killed and self._run is not None:
                self.noticed.emit(notices.killed(can_resume=can_be_resumed(self._run.folder)))
            case TrainingFailed():
                self._rest = SessionState.FAILED
                self._notice(message.message, "bad", message.details)
        self.training_reported.emit(message)

    def _warn_of_few_steps(self, report: StepReport) -> None:
        """Say so where the limit of minutes, not that of steps, ends a training early."""
        is_new, limit = self._is_new, None if self._run is None else self._run.config.max_minutes
        enough = notices.FEWEST_NEW_STEPS if is_new else FEWEST_STEPS
        left, minutes = self._pace.n_steps_left(), self._pace.minutes(enough)
        if limit is None or left is None or minutes is None or report.n_steps < enough:
            return
        if report.step + left < enough:
            self.noticed.emit(notices.too_short(report.step + left, limit, minutes, is_new=is_new))

    def _on_training_finished(self, message: TrainingFinished) -> None:
        start = self._run.start_from if self._run is not None else None
        # A model that stays in use is the file that it was, with the name and the read-out that it had.
        is_refused = message.best_step == 0 or message.n_steps == 0
        if not is_refused or start is None or start != self._model_path:
            self._model_path = message.model_path
            self._model_summary = notices.model_summary(self.model_name, message)
        is_new, can_resume = self._is_new, self._run is not None and can_be_resumed(self._run.folder)
        missing = notices.FEWEST_NEW_STEPS - message.n_steps if is_new else FEWEST_STEPS
        minutes = self._pace.minutes(missing)
        name = start and model_name(start)
        self.noticed.emit(notices.finished(message, self._score, name, minutes, is_new=is_new, can_resume=can_resume))
        if not message.stopped and self._run is not None:
            is_done = not is_new or message.n_steps >= notices.FEWEST_NEW_STEPS
            self._resumable = replace(self._run, is_done=is_done) if can_resume else None
            self._start_wish = Start.FINE_TUNE if is_done else None
            self._run = None

    def _on_embedding_message(self, message: PredictionProgress | embedding_job.EmbeddedImage | JobStep) -> None:
        if isinstance(message, embedding_job.EmbeddedImage):
            self._notice("Finding the objects …")
            self._set_state(SessionState.SEGMENTING)
            self.embedded.emit(message)
            return
        if isinstance(message, JobStep):
            self._notice(f"{message.text} …")
        self.embedding_reported.emit(message)

    def _on_embedded(self, image: embedding_job.EmbeddedImage) -> None:
        alone = "" if image.part is None else _PART
        self._notice(" ".join(filter(None, (image.resampling.notice, alone))) or "The embeddings are there.", "good")
        self.embedded.emit(image)

    def _on_segmentation_result(self, result: segmentation_job.SegmentationResult) -> None:
        self._notice(" ".join((f"Found {result.n_objects} objects.", *result.notices)), "good")
        self.segmented.emit(result)

    def _on_model_loaded(self, to_resume: bool, loaded: model_job.LoadedModel) -> None:
        if to_resume and loaded.run is None:
            self.refuse(FileNotFoundError(f"There is no training that can be resumed in {loaded.path}."))
            return
        self._resumable = loaded.run or self._resumable
        self._on_model_restored(loaded.run if to_resume else None, loaded)

    def _on_model_restored(self, run: Run | None, loaded: model_job.LoadedModel) -> None:
        self._model_path, self._model_summary, self._auto_device = loaded.path, loaded.summary, loaded.device
        self._start_wish = Start.FINE_TUNE
        if run is not None:
            self._offer(run)
        else:
            self._notice(" ".join(filter(None, ("The model is loaded.", loaded.missing))), "good")

    def _offer(self, run: Run) -> None:
        """Offer a training to be resumed, and choose that."""
        self._resumable, self._start_wish = run, Start.RESUME
        self._notice("The training can be resumed.", "good")
        self.run_opened.emit(run)
        self.state_changed.emit()

    def _on_saved(self, path: Path) -> None:
        self.noticed.emit(Notice(f"Saved in {path}.", "good", folder=str(path.parent)))

    def _set_state(self, state: SessionState) -> None:
        self._state = state
        self.state_changed.emit()

    def _notice(self, text: str, tone: Tone = "plain", details: str = "") -> None:
        self.noticed.emit(Notice(text, tone, details))


def _leave_all(handles: list[training_job.ProcessHandle]) -> None:
    for handle in handles:
        handle.leave()


def _ignore(_message: object) -> None:
    """Take no notice."""
