"""The dock: tabs and a foot, and the wires between them, the session and the layers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.compat import isalive
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_spoco._qt import layers, paths
from napari_spoco._qt.activity import Activity
from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
from napari_spoco._qt.annotate.annotated_images import AnnotatedImages
from napari_spoco._qt.annotate.annotating import Annotating
from napari_spoco._qt.batch.batch_tab import BatchTab
from napari_spoco._qt.batch.batching import Batching
from napari_spoco._qt.controller import SessionController
from napari_spoco._qt.embeddings.embedding_views import EmbeddingViews
from napari_spoco._qt.embeddings.embeddings_tab import EmbeddingsTab
from napari_spoco._qt.export_tab import ExportTab
from napari_spoco._qt.footer import Footer
from napari_spoco._qt.help_links import HelpButton
from napari_spoco._qt.notices import Notice
from napari_spoco._qt.parts import show_control
from napari_spoco._qt.preferences import Preferences, find_page
from napari_spoco._qt.preparation import Preparation, warm_up
from napari_spoco._qt.project.project_forms import ProjectForms
from napari_spoco._qt.project.projects import Projects
from napari_spoco._qt.result_layers import ResultLayers
from napari_spoco._qt.review.review_tab import ReviewTab
from napari_spoco._qt.review.reviewing import Reviewing
from napari_spoco._qt.segment.comparing import Comparing
from napari_spoco._qt.segment.segment_tab import SegmentTab
from napari_spoco._qt.segment.segmentation_job import SegmentationInputs
from napari_spoco._qt.session import SessionFacts, SessionState, Start, derive_controls, derive_start, next_step
from napari_spoco._qt.tabs import Tabs
from napari_spoco._qt.train.live_painting import LivePainting
from napari_spoco._qt.train.memory_view import MemoryView
from napari_spoco._qt.train.run_folders import model_name
from napari_spoco._qt.train.train_on import TrainOnChoice
from napari_spoco._qt.train.train_tab import TrainTab
from napari_spoco._qt.train.training_job import TrainedImages, TrainingInputs
from napari_spoco._qt.train.training_log import TrainingLog
from napari_spoco.models.registry import shipped_path
from napari_spoco.training.process import TrainingProcess
from napari_spoco.training.reports import Preview, ScoreReport, StepReport, TrainingStarted

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotated_images import AnnotatedImage
    from napari_spoco._qt.embeddings.picking_job import Picked
    from napari_spoco._qt.preparation import WarmUp
    from napari_spoco._qt.review.review_job import AcceptedObjects
    from napari_spoco._qt.segment.segmentation_job import EmbeddedImage, PredictionProgress, SegmentationResult
    from napari_spoco._qt.train.run_folders import Run
    from napari_spoco._qt.train.training_job import Process
    from napari_spoco.training.process import TrainingRequest
    from napari_spoco.training.reports import TrainingMessage

_WIDTH = 340


class SpocoWidget(QWidget):
    """Paint a few objects, train, segment, save.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are worked on.
    make_process
        Makes the process that trains.
    models_folder
        Where trainings are kept, each in a folder of its own; a folder of the user's by default.
    warm_up
        Gets compiled loops ready, see `Preparation`.
    find_page
        Returns the plugin's page of napari's Preferences, see `Preferences`.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        *,
        make_process: Callable[[TrainingRequest], Process] = TrainingProcess,
        models_folder: Path | None = None,
        warm_up: WarmUp = warm_up,
        find_page: Callable[[], Any] = find_page,
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.preferences = Preferences(find_page(), parent=self)
        self._models_folder = models_folder or self.preferences.folder(paths.data_folder()) / "models"
        self._results = ResultLayers(napari_viewer)
        self._image: Layer | None = None  # of the last job
        self._pairs: list[AnnotatedImage] = []  # that are trained on
        self._is_docked = self._is_released = False
        folder = self._models_folder.with_name("embeddings")
        self.session = SessionController(make_process, embeddings_folder=folder, parent=self)
        self.painting = LivePainting(self.session.send_painted, parent=self)
        self.annotate, self.train = AnnotateTab(napari_viewer), TrainTab()
        self.embeddings, self.segment = EmbeddingsTab(), SegmentTab(napari_viewer)
        self.review, self.export = ReviewTab(napari_viewer), ExportTab(napari_viewer)
        self.batch = BatchTab()
        self.images, self.train_on = AnnotatedImages(napari_viewer, self.annotate, parent=self), TrainOnChoice()
        self.train.settings.quick.put_first("Train on", self.train_on)
        self.tabs = Tabs(self.annotate, self.train, self.embeddings, self.segment, self.review, self.export, self.batch)
        tabs = (self.annotate, self.embeddings, self.segment)
        self.views = EmbeddingViews(napari_viewer, self._results, self.session, tabs, parent=self)
        self.annotating = Annotating(napari_viewer, self.annotate, self.train.settings, parent=self)
        self.reviewing = Reviewing(napari_viewer, self.session, self.review, parent=self)
        self.batching = Batching(
            self.batch, self.segment, lambda: self.session.model_path, self._models_folder, parent=self
        )
        self.comparing = Comparing(napari_viewer, self.segment.comparison, parent=self)
        self.log = TrainingLog(self.session, self.train.log, parent=self)
        self.memory = MemoryView(self.annotate, self.train, self.session, parent=self)
        forms = ProjectForms(self.train, self.segment, self.session, parent=self)
        self.projects = Projects(
            napari_viewer, self.images, self.annotate, self.session, forms, self._models_folder, parent=self
        )
        self.preparation = Preparation(warm_up, parent=self)
        self.activity = Activity(self.session, self, parent=self)
        self.help = HelpButton(self.tabs)
        self.footer = Footer(self.help)
        self._lay_out()
        self._connect()
        self._on_theme_changed()
        self._show_state()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.projects.bar)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.footer)
        self.setMinimumWidth(_WIDTH)

    def _connect(self) -> None:
        self.annotate.new_requested.connect(self._on_new_requested)
        self.annotate.chosen.connect(self._show_state)
        self.images.changed.connect(self._on_images_changed)
        self.annotate.counted.connect(self._show_state)
        self.annotating.noticed.connect(self.footer.show_notice)
        self.train.train_requested.connect(self._on_train_requested)
        self.train.stop_requested.connect(self.session.stop)
        self.train.start.chosen.connect(self._on_start_chosen)
        self.train.start.other_requested.connect(self._on_other_run_requested)
        self.train.start.shipped_requested.connect(self._on_shipped_requested)
        self.train.settings.changed.connect(self._on_settings_changed)
        self.segment.segment_requested.connect(self._on_segment_requested)
        self.segment.cancel_requested.connect(self.session.cancel)
        self.segment.shipped_requested.connect(self._on_shipped_requested)
        self.segment.load_requested.connect(self._on_load_requested)
        self.segment.save_requested.connect(self._on_save_model_requested)
        self.embeddings.embed_requested.connect(self._on_embed_requested)
        self.views.embedding_wanted.connect(self._on_embed_requested)
        self.views.picked.connect(self._on_picked)
        self.views.failed.connect(self.session.refuse)
        self.reviewing.noticed.connect(self.footer.show_notice)
        self.reviewing.accepted.connect(self._on_accepted)
        self.export.chosen.connect(self._show_state)
        self.export.save_requested.connect(self._on_save_labels_requested)
        self.export.model_requested.connect(self._on_save_model_requested)
        self.export.package_requested.connect(self._on_save_package_requested)
        self.projects.noticed.connect(self.footer.show_notice)
        self.projects.failed.connect(self.session.refuse)
        self.batching.noticed.connect(self.footer.show_notice)
        self.batching.failed.connect(self.session.refuse)
        self.comparing.failed.connect(self.session.refuse)
        self.help.failed.connect(self.session.refuse)
        for source in (self.session, self.batching, self.projects):
            source.noticed.connect(self.activity.tell)
        self.preferences.noticed.connect(self.footer.show_notice)
        keys = {"annotate_keys": self.annotating.keys, "review_keys": self.reviewing.keys}
        self.preferences.follow(self.train.settings, keys)
        self.session.state_changed.connect(self._show_state)
        self.session.noticed.connect(self.footer.show_notice)
        self.preparation.noticed.connect(self._on_prepared)
        self.session.training_reported.connect(self._on_training_reported)
        self.session.embedding_reported.connect(self._on_embedding_reported)
        self.session.embedded.connect(self._on_embedded)
        self.session.segmented.connect(self._on_segmented)
        self.session.run_opened.connect(self._on_run_opened)
        self._viewer.events.theme.connect(self._on_theme_changed)
        self.destroyed.connect(partial(_call, self.session.process_killer()))
        self.destroyed.connect(partial(_call, self.projects.finish_left))
        if (application := QApplication.instance()) is not None:
            application.aboutToQuit.connect(self.release)

    def release(self) -> None:
        """End every job and let go of viewer and layers; the dock closes."""
        if self._is_released:
            return
        self._is_released = True
        self.painting.end()
        self.projects.release()
        self.views.end()
        self.reviewing.end()
        self.review.release()
        self.batching.end()
        self.comparing.end()
        self.preparation.end()
        self.preferences.end()
        self.activity.end()
        self.session.shutdown()
        self.images.release()
        self.annotating.end()
        self.annotate.release()
        self.segment.release()
        self.export.release()
        self._viewer.events.theme.disconnect(self._on_theme_changed)

    def event(self, event: QEvent) -> bool:
        """Notice that the dock was removed: napari takes the widget out, forgets it, and makes another next time."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._is_docked = True
            elif self._is_docked:
                self.release()
                self.deleteLater()
        return super().event(event)

    # What the user wants

    def _on_new_requested(self) -> None:
        image = self.annotate.image.layer()
        if image is None:
            return
        try:
            self.annotate.annotations.choose(layers.add_annotations(self._viewer, image))
        except ValueError as error:
            self.session.refuse(error)

    def _on_images_changed(self) -> None:
        self.train_on.offer(len(self.images.one_each()))

    def _on_start_chosen(self, start: Start) -> None:
        self.session.choose_start(start)
        if start is Start.RESUME and self.session.resumable is not None:
            self.train.settings.show_config(self.session.resumable.config)

    def _on_other_run_requested(self) -> None:
        if folder := paths.ask_run_to_resume(self, self._models_folder):
            self.session.load_model(folder, to_resume=True)

    def _on_train_requested(self) -> None:
        start, run = derive_start(self._facts()), self.session.resumable
        resumed = run if start is Start.RESUME else None
        try:
            pairs = self.images.to_resume(resumed.folder) if resumed else self._pairs_to_train_on()
            if not pairs:
                return
            inputs = TrainingInputs(
                images=tuple(pair.source() for pair in pairs),
                config=self.train.settings.config(),
                folder=resumed.folder if resumed else self.projects.new_run_folder(pairs[0].image.name),
                resume=resumed is not None,
                start_from=self.session.model_path if start is Start.FINE_TUNE else None,
            )
        except (ValueError, OSError) as error:
            self.session.refuse(error)
            return
        self._pairs, self._image = pairs, pairs[0].image
        self._results.begin()
        self.log.begin(inputs.config, inputs.folder, is_resumed=inputs.resume)
        self.session.train(inputs)

    def _pairs_to_train_on(self) -> list[AnnotatedImage]:
        current = self.images.current()
        return self.images.one_each() if self.train_on.wants_all else [current] if current else []

    def _on_segment_requested(self) -> None:
        self._begin_job(self.session.segment)

    def _on_embed_requested(self) -> None:
        self._begin_job(self.session.embed)

    def _begin_job(self, begin: Callable[[SegmentationInputs], None]) -> None:
        """Begin to embed or segment the chosen image under the model in use."""
        image, annotations = self.annotate.image.layer(), self.annotate.annotations.layer()
        model_path = self.session.model_path
        if image is None or model_path is None:
            return
        try:
            inputs = SegmentationInputs(
                image=layers.read_image(image),
                model_path=model_path,
                config=self.segment.config(),
                device=self.train.settings.device,
                mask=self.segment.mask(),
                annotations=None if annotations is None else layers.labels_pixels(annotations),
                meaning=self.train.settings.annotations(),
                background_pixel=self.views.background_pixel(image),
                network=self.embeddings.network.value(),
            )
        except ValueError as error:
            self.session.refuse(error)
            return
        self._image = image
        self._results.begin()
        begin(inputs)

    def _on_picked(self, picked: Picked) -> None:
        annotations = self.annotate.annotations.layer()
        if annotations is None:
            self._on_new_requested()
            annotations = self.annotate.annotations.layer()
        if annotations is None or layers.spatial_shape(annotations) != layers.spatial_shape(self._image):
            self.session.refuse(ValueError("annotations: expected a Labels layer of the image's shape."))
            return
        label = layers.add_object(annotations, picked.mask, picked.start)
        text = f"Annotated as object {label}; undo takes it back." if label else "That object is annotated already."
        self.footer.show_notice(Notice(text))

    def _on_shipped_requested(self, name: str) -> None:
        self.session.load_model(str(shipped_path(name)))

    def _on_load_requested(self) -> None:
        if path := paths.ask_model_to_load(self, self._models_folder):
            self.session.load_model(path)

    def _on_save_model_requested(self) -> None:
        if path := paths.ask_model_to_save(self, model_name(self.session.model_path or "model")):
            self.session.save_model(path)

    def _on_save_labels_requested(self) -> None:
        layer, labels = self.export.labels.layer(), self.export.labels_to_write()
        if layer is None or labels is None:
            return
        if path := paths.ask_labels_to_save(self, layer.name, str(self.export.format.value())):
            self.session.save_labels(labels, path)

    def _on_save_package_requested(self) -> None:
        if path := paths.ask_package_to_save(self, model_name(self.session.model_path or "model")):
            self.session.save_package(path)

    def _on_accepted(self, accepted: AcceptedObjects) -> None:
        """Make the accepted objects annotations, in a layer of their own."""
        reviewed = self.reviewing.layer
        if reviewed is not None:
            self.annotate.annotations.choose(layers.add_accepted(self._viewer, reviewed, accepted.labels))

    # What the session says

    def _on_training_reported(self, message: TrainingMessage | TrainedImages) -> None:
        if isinstance(message, TrainedImages):
            self._pairs = [self._pairs[index] for index in message.indices]
        elif isinstance(message, TrainingStarted):
            self.train.begin(message.first_step)
            self.painting.begin([pair.annotations for pair in self._pairs])
        elif isinstance(message, ScoreReport):
            self.train.show_score(message)
        elif isinstance(message, StepReport):
            self.train.show_step(message)
            self.footer.show_step(message)
        elif isinstance(message, Preview):
            self._results.show_embeddings(self._pairs[message.image_index].image, message.rgb, message.start)

    def _on_embedding_reported(self, message: PredictionProgress) -> None:
        if message.n_tiles:
            self.footer.show_progress(message.n_done, message.n_tiles, f"tile {message.n_done} of {message.n_tiles}")

    def _on_embedded(self, embedded: EmbeddedImage) -> None:
        if self._image is None:
            return
        self._results.show_embeddings(self._image, embedded.rgb)
        self.footer.show_progress(0, 0, "")
        if embedded.dots is not None:
            points, ids = embedded.dots
            annotations = self.annotate.annotations.layer()
            colours = [None] * len(ids) if annotations is None else layers.label_colours(annotations, ids)
            self.embeddings.show_points(points, colours)
        self.views.begin(self._image)
        self.reviewing.note_embedded(self._image)

    def _on_segmented(self, result: SegmentationResult) -> None:
        if self._image is not None:
            layer = self._results.show_objects(self._image, result.labels)
            layers.show_features(layer, result.features)
            for choice in (self.export.labels, self.segment.comparison.objects):
                choice.choose(layer)
            if self.reviewing.layer is None:
                self.review.labels.choose(layer)

    def _on_run_opened(self, run: Run) -> None:
        self.train.plot.clear()
        self.train.settings.show_config(run.config)

    def _on_settings_changed(self) -> None:
        self.annotate.interpret(self.train.settings.annotations())

    def _on_prepared(self, notice: Notice) -> None:
        if not self.session.state.is_busy:  # What a job says comes first.
            self.footer.show_notice(notice)

    # What is on show

    def _on_theme_changed(self, _event: Any = None) -> None:
        if isalive(self):
            theme = get_theme(self._viewer.theme)
            for plot in (self.train.plot, self.embeddings.scatter):
                plot.set_colours(text=theme.text.as_hex(), background=theme.background.as_hex())

    def _facts(self) -> SessionFacts:
        return SessionFacts(
            has_image=self.annotate.image.layer() is not None,
            has_annotations=self.annotate.annotations.layer() is not None,
            has_model=self.session.model_path is not None,
            can_resume=self.session.resumable is not None,
            has_labels=self.export.labels.layer() is not None,
            is_saving=self.session.is_saving,
            start=self.session.start_wish,
        )

    def _show_state(self) -> None:
        state, facts = self.session.state, self._facts()
        controls = derive_controls(state, facts)
        for choice in (self.annotate.image, self.annotate.annotations, self.annotate.boxes):
            choice.setEnabled(controls.inputs)
        show_control(self.annotate.new_button, controls.new_annotations)
        self.annotating.allow_setting_labels(controls.inputs)
        self.train.show_controls(controls)
        if state is not SessionState.TRAINING:
            self.painting.end()
        self.segment.show_controls(controls, model_summary=self.session.model_summary)
        self.embeddings.show_controls(controls)
        self.views.follow()
        self.export.show_controls(controls)
        self.batching.follow()
        self.memory.refresh()
        hint = next_step(state, facts, self.annotate.summary.n_objects)
        self.footer.show_hint(hint)
        if not state.is_busy:
            self.footer.hide_progress()
        elif state is not SessionState.STOPPING and self.footer.bar.isHidden():
            self.footer.show_progress(0, 0, "")


def _call(function: Callable[[], None], *_: object) -> None:
    function()
