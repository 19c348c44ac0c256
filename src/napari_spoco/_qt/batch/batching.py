"""Runs the batch of the Batch tab, and says in its table what becomes of each image.

The batch has a job, a thread and a model of its own, so it may run beside a training or a segmentation. The cycle:

1. Run makes a `BatchConfig` of the tab, the Segment tab and the model in use, and starts a job.
2. What the job reports comes with its generation; a stale one is dropped, as those of a window that has closed.
3. Stop cancels the job. What it still says is true, so the generation stays; the job's end brings the report.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt import paths
from napari_spoco._qt.batch import batch_job
from napari_spoco._qt.batch.batch_job import BatchPlanned, TileDone
from napari_spoco._qt.jobs.worker import Job
from napari_spoco._qt.layers import layers
from napari_spoco._qt.layers.image_axes import voxel_size
from napari_spoco._qt.notices import Notice, failure, settings_line
from napari_spoco._qt.train.run_folders import model_in
from napari_spoco.batch.batch import IN_PIXELS, ImageDone, ImageStarted, read_batch_config
from napari_spoco.batch.report import REPORT_NAME
from napari_spoco.config_files import write_yaml
from napari_spoco.data.writers import atomic_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import napari.viewer

    from napari_spoco._qt.batch.batch_tab import BatchTab
    from napari_spoco._qt.notices import Tone
    from napari_spoco._qt.segment.segment_tab import SegmentTab
    from napari_spoco.config import BatchConfig

_WAITING = "waiting"
_NOT_LISTED = "Stopped before the images were listed."
_NOT_RUN = "The batch could not be run: below the table is why. Mend that, and press Run again."


class Batching(QObject):
    """Between the Batch tab and its job.

    Parameters
    ----------
    viewer
        Has images, whose pixel size is offered.
    tab, segment
        The tab that asks for a batch, and the one with the settings of the segmentation.
    model_in_use
        Returns the file of the model in use, if there is one.
    models_folder
        Where to look for another model first.
    """

    noticed = Signal(object)  # Notice
    withdrawn = Signal(object)  # Notice
    failed = Signal(object)  # Exception
    begun = Signal()
    turned = Signal()  # begun or ended, or the next one is being chosen
    progressed = Signal(int, int)  # images done, and in all; 0 of 0 at the end

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        tab: BatchTab,
        segment: SegmentTab,
        model_in_use: Callable[[], str | None],
        models_folder: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._tab, self._segment = viewer, tab, segment
        self._model_in_use, self._models_folder = model_in_use, models_folder
        self._generation = 0
        self._job: Job | None = None
        self._image, self._out = Path(), ""
        self._done: list[ImageDone] = []
        self._error: Notice | None = None  # that the user was told last
        self._advice = ""
        tab.edited.connect(self._on_edited)
        tab.added.connect(self._on_added)
        segment.changed.connect(self._show_settings)
        tab.run_requested.connect(self._on_run_requested)
        tab.stop_requested.connect(self._on_stop_requested)
        tab.save_requested.connect(self._on_save_requested)
        tab.load_requested.connect(self._on_load_requested)
        tab.other_model_requested.connect(self._on_other_model_requested)
        self.follow()

    @property
    def is_running(self) -> bool:
        """Whether a batch is running."""
        return self._job is not None

    @property
    def advice(self) -> str:
        """What has come out of the last batch, and what can be done now; empty once another one is being chosen."""
        return self._advice

    def withdraw(self) -> None:
        """Take back what was said to be wrong, since the user has moved on; of a batch the tab goes on saying it."""
        if self._error is not None:
            self.withdrawn.emit(self._error)
            self._error = None

    def follow(self) -> None:
        """Show what may be pressed now; there may be another model in use."""
        self._tab.show_controls(has_model_in_use=self._model_in_use() is not None, is_running=self.is_running)
        self._show_settings()

    def end(self) -> None:
        """End the batch after its current tile, without a word: the window closes."""
        self._generation += 1
        if self._job is not None:
            self._job.cancel()

    def _on_run_requested(self) -> None:
        try:
            config = self._config()
        except ValueError as error:
            self._fail(error)
            return
        self._generation += 1
        self._done, self._out, self._error = [], config.out, None
        self._tab.table.states.begin((), _WAITING)
        self._tab.show_report("Loading the model …")
        self._job = job = Job(self._generation, batch_job.run, config, parent=self)
        job.reported.connect(self._on_job_reported)
        job.returned.connect(self._on_job_ended)
        job.cancelled.connect(self._on_job_ended)
        job.failed.connect(self._on_job_failed)
        job.start()
        self.begun.emit()
        self.follow()
        self.turned.emit()

    def _on_stop_requested(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._tab.show_report("Stopping after this tile …")

    def _on_save_requested(self) -> None:
        try:
            config = self._config()
            if path := paths.ask_batch_to_save(self._tab):
                with atomic_path(path, flush=False) as temporary:
                    temporary.write_text(write_yaml(config), encoding="utf-8")
                self.noticed.emit(Notice(f"Saved in {path}.", "good"))
        except (OSError, ValueError) as error:
            self._fail(error)

    def _on_load_requested(self) -> None:
        path = paths.ask_batch_to_load(self._tab)
        if not path:
            return
        try:
            config = read_batch_config(path)
        except (OSError, ValueError) as error:
            self._fail(error)
            return
        self._tab.show_config(config)
        self._segment.show_config(config.segmentation)
        self._segment.changed.emit()
        self.noticed.emit(Notice("The batch is loaded; its settings are in the Segment tab.", "good"))

    def _on_other_model_requested(self) -> None:
        if path := paths.ask_model_to_load(self._tab, self._models_folder):
            self._tab.choose_model(str(model_in(path)))

    def _on_job_reported(self, generation: int, message: object) -> None:
        if generation != self._generation:
            return
        table = self._tab.table
        match message:
            case BatchPlanned(images):
                table.states.begin(images, _WAITING)
                self.progressed.emit(0, len(images))
            case ImageStarted():
                self._image = message.image
                self._tab.show_report(f"Image {message.index} of {message.n_images} …")
                table.states.say(message.image, "running")
                table.reveal(message.image)
            case TileDone(n_done, n_tiles):
                table.states.say(
                    self._image, f"tile {n_done} of {n_tiles}" if n_done < n_tiles else "finding the objects"
                )
            case ImageDone():
                self._done.append(message)
                self.progressed.emit(len(self._done), table.states.rowCount())
                table.states.say(message.image, describe(message))

    def _on_job_ended(self, generation: int, _result: object = None) -> None:
        if generation == self._generation:
            n_images = self._tab.table.states.rowCount()
            text, self._advice = summarize(self._done, n_images=n_images), advise(self._done, n_images=n_images)
            self._tab.show_report(text)
            self._forget()
            notice = conclude(self._done, text, self._out)
            self._error = notice if notice.tone == "bad" else None
            self.noticed.emit(notice)

    def _on_job_failed(self, generation: int, error: Exception) -> None:
        if generation == self._generation:
            self._advice = _NOT_RUN
            self._tab.show_report(f"The batch could not be run: {failure(error).text}")
            self._forget()
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._error = failure(error)
        self.failed.emit(error)

    def _forget(self) -> None:
        if self._job is not None:
            self._job.deleteLater()
        self._job = None
        self.progressed.emit(0, 0)
        self.follow()
        self.turned.emit()

    def _on_edited(self) -> None:
        self._advice = ""
        self.follow()
        self.turned.emit()

    def _on_added(self) -> None:
        self._tab.offer_size(common_size(self._viewer))

    def _show_settings(self) -> None:
        try:
            text = settings_line(self._segment.config(), "Settings of the tab Segment")
        except ValueError:  # The tab Segment marks it.
            text = ""
        self._tab.show_settings(text)

    def _config(self) -> BatchConfig:
        if self._segment.foreground.layer() is not None:
            raise ValueError("foreground: expected one that suits all images, got a layer; see “Objects lie”.")
        return self._tab.config(self._model_in_use(), self._segment.config())


def common_size(viewer: napari.viewer.Viewer) -> tuple[float, ...] | None:
    """Return the pixel size of the open images in micrometers, if those that have one have the same."""
    sizes = {voxel_size(image) for image in layers.image_layers(viewer)} - {None}
    return sizes.pop() if len(sizes) == 1 else None


def describe(done: ImageDone) -> str:
    """Say what became of an image."""
    state = done.state
    if done.n_objects is not None:
        state = f"{state}, {done.n_objects} object{'' if done.n_objects == 1 else 's'}"
    return ": ".join(filter(None, (state, done.message, " ".join(done.notices))))


def summarize(done: Sequence[ImageDone], *, n_images: int) -> str:
    """Say how a batch has ended: "3 done, 1 failed, 2 not begun; batch_report.csv lies with the results."."""
    if not n_images:
        return _NOT_LISTED
    counts = Counter(one.state for one in done)
    parts = [f"{count} {state}" for state, count in counts.items()]
    if n_images > len(done):
        parts.append(f"{n_images - len(done)} not begun")
    where = f"; {REPORT_NAME} lies with the results" if done else ""
    return f"{', '.join(parts)}{where}."


def advise(done: Sequence[ImageDone], *, n_images: int) -> str:
    """Say of how many images the results are there, and what can be done next."""
    if not n_images:
        return f"{_NOT_LISTED} Run begins again."
    n_there = sum(bool(one.outputs) for one in done)
    states = {one.state for one in done}
    is_over = 0 < n_images == len(done) and "stopped" not in states
    has_failed, is_in_pixels = "failed" in states, any(IN_PIXELS in one.notices for one in done)
    advice = (
        (not is_over, "Run goes on with the others."),
        (is_over and has_failed, "The table says what is wrong with the others: mend that, and press Run again."),
        (is_over and is_in_pixels, "For sizes in micrometers enter the pixel size, tick Overwrite, and press Run."),
        (is_over and not has_failed and not is_in_pixels, "They are in the folder Results; or add other files."),
    )
    there = f"{n_there} of {n_images} image{'' if n_images == 1 else 's'} segmented."
    return " ".join((there, *(text for holds, text in advice if holds)))


def conclude(done: Sequence[ImageDone], summary: str, folder: str) -> Notice:
    """Say how a batch has ended, what went wrong first, and which sizes are in pixels; offers the folder."""
    failures = [one for one in done if one.state == "failed"]
    n_in_pixels = sum(IN_PIXELS in one.notices for one in done)
    parts = [summary, *(f"The first: {one.message} ({one.image})" for one in failures[:1])]
    if n_in_pixels:
        parts.append(f"Sizes of {n_in_pixels} are in pixels: enter the pixel size, tick Overwrite, press Run again.")
    is_new = any(one.state == "done" for one in done)
    tone: Tone = "bad" if failures or n_in_pixels else "good" if is_new else "plain"
    return Notice(" ".join(parts), tone, folder=folder if done else "")
