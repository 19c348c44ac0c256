"""Trainings: what they are made on, what they start from, and what the window shows of them.

The cycle of a training:

1. Train takes pairs of image and annotations, the chosen ones or those of the run to resume, and the session trains.
2. The job says which of the pairs have objects (`TrainedImages`); from here on, images are counted among these.
3. Once the training has started, what is painted on them (`LivePainting`) and what is on show (`LiveView`) is handed
   on until the session is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt import paths
from napari_spoco._qt.layers.image_axes import n_channels, spatial_axes
from napari_spoco._qt.layers.image_look import is_bright
from napari_spoco._qt.session import SessionState, Start
from napari_spoco._qt.train.live_painting import LivePainting
from napari_spoco._qt.train.live_view import LiveView
from napari_spoco._qt.train.memory_view import MemoryView
from napari_spoco._qt.train.run_images import check_resumed, read_run_images
from napari_spoco._qt.train.training_images import TrainingImages
from napari_spoco._qt.train.training_job import TrainedImages, TrainingInputs
from napari_spoco._qt.train.training_log import TrainingLog
from napari_spoco.training.reports import Preview, ScoreReport, StepReport, TrainingFinished, TrainingStarted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.annotate.annotated_images import AnnotatedImage, AnnotatedImages
    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.forms.editors import ChoiceEditor
    from napari_spoco._qt.layers.result_layers import ResultLayers
    from napari_spoco._qt.session import Controls
    from napari_spoco._qt.train.run_folders import Run
    from napari_spoco._qt.train.train_tab import TrainTab
    from napari_spoco.training.reports import TrainingMessage


class Training(QObject):
    """Between the Train tab and the session.

    Parameters
    ----------
    viewer
        What is looked at while the embeddings of the model in training are shown.
    tab, annotate
        The tab that asks for a training, and the one that chooses what it is made on.
    network
        Chooses whose embeddings are shown while it is trained.
    images
        What is annotated.
    session
        Trains.
    results
        Where the embeddings of the model in training are shown.
    new_run_folder
        Returns the folder for a training on an image of this name; raises OSError.
    is_brought_back
        Says whether annotations, the latter, are what the project has of others, which the user has removed.
    models_folder
        Where to look for another run first.
    """

    stepped = Signal(object)  # StepReport

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        tab: TrainTab,
        annotate: AnnotateTab,
        network: ChoiceEditor,
        images: AnnotatedImages,
        session: SessionController,
        results: ResultLayers,
        new_run_folder: Callable[[str], str],
        is_brought_back: Callable[[Layer, Layer], bool],
        models_folder: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._tab, self._annotate, self._annotated = viewer, tab, annotate, images
        self._session, self._results = session, results
        self._new_run_folder, self._models_folder = new_run_folder, models_folder
        self._is_brought_back = is_brought_back
        self._pairs: list[AnnotatedImage] = []  # that are trained on
        self.painting = LivePainting(session.send_painted, self._layer_now, parent=self)
        self.view = LiveView(viewer, annotate.image, network, session.send_view, parent=self)
        self.log = TrainingLog(session, tab.log, parent=self)
        self.images = TrainingImages(images, annotate, tab.train_on, tab.settings, parent=self)
        self.memory = MemoryView(self.images, tab, session, parent=self)
        tab.train_requested.connect(self._on_train_requested)
        tab.stop_requested.connect(session.stop)
        tab.start.chosen.connect(self._on_start_chosen)
        tab.start.other_requested.connect(self._on_other_run_requested)
        session.training_reported.connect(self._on_training_reported)
        session.run_opened.connect(self._on_run_opened)

    def show_controls(self, controls: Controls) -> None:
        """Show what may be pressed, and how much memory it would take; a training that has ended is not painted for."""
        session = self._session
        self._tab.show_controls(controls, session.model_name, session.loading_name)
        # While a model is on its way, no other one is recommended.
        self._tab.show_start(session.model_summary, None if session.loading_name else self._ndim_of_one_channel())
        if self._session.state is not SessionState.TRAINING:
            self.end()
        self.memory.refresh()

    def end(self) -> None:
        """Let go of what the running training was told of."""
        self.painting.end()
        self.view.end()

    def release(self) -> None:
        """Let go of viewer and layers."""
        self.end()
        self.images.release()

    # What the user wants

    def _on_start_chosen(self, start: Start) -> None:
        self._session.choose_start(start)
        if start is Start.RESUME and self._session.resumable is not None:
            self._tab.settings.show_config(self._session.resumable.config)

    def _on_other_run_requested(self) -> None:
        if folder := paths.ask_run_to_resume(self._tab, self._models_folder):
            self._session.load_model(folder, to_resume=True)

    def _on_train_requested(self) -> None:
        resumed = self._session.resumable if self._tab.start.start is Start.RESUME else None
        try:
            pairs = self._annotated.to_resume(resumed.folder) if resumed else self.images.pairs()
            if not pairs:
                return
            if resumed:
                check_resumed(read_run_images(resumed.folder), [pair.about() for pair in pairs])
            inputs = self._inputs(pairs, resumed)
        except (ValueError, OSError) as error:
            self._session.refuse(error)
            return
        self._pairs = pairs
        self._results.begin()
        self.log.begin(inputs.config, inputs.folder, is_resumed=inputs.resume)
        self._session.train(inputs)

    def _ndim_of_one_channel(self) -> int | None:
        """Return the number of spatial axes of the chosen image, if a shipped model may know one channel of it."""
        image, channels = self._annotate.image.layer(), self._tab.settings.channels
        if image is None or (n_channels(image) if channels is None else len(channels)) > 1 or is_bright(image):
            return None
        return len(spatial_axes(image))

    def _inputs(self, pairs: list[AnnotatedImage], resumed: Run | None) -> TrainingInputs:
        """Return what to train on and how; raises ValueError or OSError with a sentence for the user."""
        return TrainingInputs(
            images=tuple(pair.source() for pair in pairs),
            config=self._tab.settings.config(),
            folder=resumed.folder if resumed else self._new_run_folder(self._title(pairs)),
            resume=resumed is not None,
            start_from=self._session.model_path if self._tab.start.start is Start.FINE_TUNE else None,
        )

    def _title(self, pairs: list[AnnotatedImage]) -> str:
        """Return what a training is called: the image on show, and how many others it is made on."""
        current = self._annotate.image.layer()
        name = next((pair.image.name for pair in pairs if pair.image is current), pairs[0].image.name)
        return f"{name} and {len(pairs) - 1} more" if len(pairs) > 1 else name

    def _layer_now(self, annotations: Layer) -> Layer:
        """Return the layer of annotations that are trained on: another one if they were removed and brought back."""
        if annotations in self._viewer.layers:
            return annotations
        others = (pair.annotations for pair in self._annotated.every())
        return next((other for other in others if self._is_brought_back(annotations, other)), annotations)

    # What the session says

    def _on_training_reported(self, message: TrainingMessage | TrainedImages) -> None:
        match message:
            case TrainedImages(indices):
                self._pairs = [self._pairs[index] for index in indices]
            case TrainingStarted():
                self._tab.begin(message.first_step)
                self.painting.begin([pair.annotations for pair in self._pairs])
                self.view.begin([pair.image for pair in self._pairs])
            case ScoreReport():
                self._tab.show_score(message)
            case TrainingFinished() if message.score_change:
                self._tab.show_change(message.score_change)
            case StepReport():
                self._tab.show_step(message)
                self.stepped.emit(message)
            case Preview() if (image := self._pairs[message.image_index].image) in self._viewer.layers:
                self._results.show_embeddings(image, message.rgb, message.start)

    def _on_run_opened(self, run: Run) -> None:
        self._tab.plot.clear()
        self._tab.settings.show_config(run.config)
