"""The dock: tabs and a foot, and the wires between them, the session and the layers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.compat import isalive
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_spoco._qt import paths
from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
from napari_spoco._qt.annotate.annotated_images import AnnotatedImages
from napari_spoco._qt.annotate.annotating import Annotating
from napari_spoco._qt.annotate.combining import Combining
from napari_spoco._qt.annotate.current_image import CurrentImage
from napari_spoco._qt.annotate.image_layers import newest_objects
from napari_spoco._qt.annotate.image_lines import ImageLines
from napari_spoco._qt.annotate.image_reading import ImageReading
from napari_spoco._qt.annotate.new_annotations import NewAnnotations
from napari_spoco._qt.annotate.spreading import Spreading
from napari_spoco._qt.annotate.time_points import TimePoints
from napari_spoco._qt.annotate.voxel_sizes import VoxelSizes
from napari_spoco._qt.batch.batch_tab import BatchTab
from napari_spoco._qt.batch.batching import Batching
from napari_spoco._qt.controller import SessionController
from napari_spoco._qt.embeddings.embedding_views import EmbeddingViews
from napari_spoco._qt.embeddings.embeddings_tab import EmbeddingsTab
from napari_spoco._qt.export_tab import ExportTab
from napari_spoco._qt.files import Files
from napari_spoco._qt.footer import Footer
from napari_spoco._qt.forms.help_links import HelpButton
from napari_spoco._qt.forms.parts import show_control
from napari_spoco._qt.hints import next_step, warn
from napari_spoco._qt.jobs.activity import Activity
from napari_spoco._qt.jobs.preparation import Preparation, warm_up
from napari_spoco._qt.layers.image_axes import voxel_size
from napari_spoco._qt.layers.image_look import ImageLook, is_bright
from napari_spoco._qt.layers.result_layers import ResultLayers
from napari_spoco._qt.looks.theme_colours import style_sheet
from napari_spoco._qt.model.model_fit import find_few_steps, find_mismatch, find_unknown_size, find_unlike
from napari_spoco._qt.preferences import Preferences, find_page
from napari_spoco._qt.project.project_forms import ProjectForms
from napari_spoco._qt.project.projects import Projects
from napari_spoco._qt.review.review_tab import ReviewTab
from napari_spoco._qt.review.reviewing import Reviewing
from napari_spoco._qt.segment.comparing import Comparing
from napari_spoco._qt.segment.earlier_result import ModelInUse
from napari_spoco._qt.segment.segment_tab import SegmentTab
from napari_spoco._qt.segment.segmenting import Segmenting
from napari_spoco._qt.session import SessionFacts, SessionState, derive_controls
from napari_spoco._qt.tabs import Tabs
from napari_spoco._qt.train.train_tab import TrainTab
from napari_spoco._qt.train.training import Training
from napari_spoco.training.process import TrainingProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.jobs.preparation import WarmUp
    from napari_spoco._qt.notices import Notice
    from napari_spoco._qt.review.review_job import AcceptedObjects
    from napari_spoco._qt.train.training_job import Process
    from napari_spoco.training.process import TrainingRequest


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
        self._is_docked = self._is_released = False
        folder = self._models_folder.with_name("embeddings")
        self.session = SessionController(make_process, embeddings_folder=folder, parent=self)
        self.annotate, self.train = AnnotateTab(napari_viewer), TrainTab()
        self.embeddings, self.segment = EmbeddingsTab(), SegmentTab(napari_viewer)
        self.review, self.export = ReviewTab(napari_viewer), ExportTab(napari_viewer)
        self.batch = BatchTab()
        self.images = AnnotatedImages(napari_viewer, self.annotate, parent=self)
        self.current_image = CurrentImage(napari_viewer, self.annotate, self.images, parent=self)
        self.image_lines = ImageLines(self.annotate.image, self.embeddings, self.segment, parent=self)
        self.tabs = Tabs(self.annotate, self.train, self.embeddings, self.segment, self.review, self.export, self.batch)
        tabs = (self.annotate, self.embeddings, self.segment)
        self.views = EmbeddingViews(napari_viewer, self._results, self.session, tabs, self.train.settings, parent=self)
        self.annotating = Annotating(napari_viewer, self.annotate, self.train.settings, parent=self)
        self.spreading = Spreading(napari_viewer, self.annotate, self.images, parent=self)
        self.image_reading = ImageReading(self.annotate, self.train.settings, parent=self)
        self.voxel_sizes = VoxelSizes(napari_viewer, self.annotate, parent=self)
        self.look = ImageLook(self.annotate.image, parent=self)
        self.combining = Combining(napari_viewer, self.annotate, parent=self)
        self.time_points = TimePoints(napari_viewer, self.annotate, parent=self)
        self.new_annotations = NewAnnotations(napari_viewer, self.annotate, parent=self)
        self.reviewing = Reviewing(napari_viewer, self.session, self.review, parent=self)
        self.batching = Batching(
            napari_viewer, self.batch, self.segment, lambda: self.session.model_path, self._models_folder, parent=self
        )
        self.comparing = Comparing(napari_viewer, self.segment.comparison, self._model_in_use, parent=self)
        forms = ProjectForms(self.train, self.segment, self.session, parent=self)
        self.projects = Projects(
            napari_viewer, self.images, self.annotate, self.session, forms, self._models_folder, parent=self
        )
        self.training = Training(
            napari_viewer,
            self.train,
            self.annotate,
            self.embeddings.network,
            self.images,
            self.session,
            self._results,
            self.projects.new_run_folder,
            self.projects.is_brought_back,
            self._models_folder,
            parent=self,
        )
        self.segmenting = Segmenting(
            napari_viewer, self.session, self._results, self.views, tabs, self.train.settings, parent=self
        )
        self.files = Files(self.train.start, self.segment, self.export, self.session, self._models_folder, parent=self)
        self.preparation = Preparation(warm_up, parent=self)
        beside = {
            "SPOCO: batch": self.batching.progressed,
            "SPOCO: measuring the objects": self.reviewing.progressed,
            "SPOCO: comparing": self.comparing.progressed,
        }
        self.activity = Activity(self.session, beside, self, parent=self)
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

    def _connect(self) -> None:
        for changed in (self.annotate.chosen, self.annotate.counted, self.export.chosen, self.session.state_changed):
            changed.connect(self._show_state)
        self.projects.switched.connect(self._show_state)
        for source in (
            self.session,
            self.annotating,
            self.image_reading,
            self.voxel_sizes,
            self.combining,
            self.time_points,
            self.new_annotations,
            self.reviewing,
            self.batching,
            self.projects,
            self.preferences,
            self.views.background,
        ):
            source.noticed.connect(self.footer.show_notice)
        for source in (self.session, self.batching, self.projects):
            source.noticed.connect(self.activity.tell)
        for source in (self.new_annotations, self.views, self.batching, self.comparing, self.projects, self.help):
            source.failed.connect(self.session.refuse)
        for follow in (self.image_reading.show_image, self.annotate.counted, self.views.follow):
            self.voxel_sizes.changed.connect(follow)
        self.train.settings.changed.connect(self._on_settings_changed)
        for changed in (self.training.images.changed, self.look.changed):
            changed.connect(self._show_state)
        for follow in (self.views.follow, self._on_tab_changed):
            self.tabs.currentChanged.connect(follow)
        self.views.pointing_changed.connect(self._show_hint)
        reviewed, in_batch = (self.review.start_requested, self.review.end_requested), self.batching.turned
        for turned in (self.tabs.currentChanged, self.embeddings.pick_toggled, *reviewed, in_batch):
            turned.connect(self._show_hint)
        for begins in (self.annotating.begun, self.batching.begun):
            begins.connect(self._on_begun)
        self.training.stepped.connect(self.footer.show_step)
        self.session.embedding_reported.connect(self.footer.show_embedding)
        self.segmenting.embedded.connect(self.footer.show_busy)
        self.segmenting.embedded.connect(self.reviewing.note_embedded)
        self.segmenting.segmented.connect(self._on_segmented)
        for shown in (
            self.annotating.begun,
            self.new_annotations.begun,
            self.segmenting.embedded,
            self.segmenting.segmented,
        ):
            shown.connect(self.images.show)
        self.views.picked.connect(self.new_annotations.add_picked)
        self.reviewing.accepted.connect(self._on_accepted)
        self.reviewing.decided.connect(self.projects.touch)
        self.projects.left.connect(self.reviewing.note_kept)
        for source in (self.reviewing, self.batching):
            source.withdrawn.connect(self.footer.withdraw)
        keys = {"annotate_keys": self.annotating.keys, "review_keys": self.reviewing.keys}
        self.preferences.follow(self.train.settings, keys)
        self.preparation.noticed.connect(self._on_prepared)
        self.preparation.withdrawn.connect(self.footer.withdraw)
        self.preparation.device_found.connect(self.training.memory.know_device)
        self._viewer.events.theme.connect(self._on_theme_changed)
        self.destroyed.connect(partial(_call, self.session.process_leaver()))
        self.destroyed.connect(partial(_call, self.projects.finish_left))
        if (application := QApplication.instance()) is not None:
            application.aboutToQuit.connect(self.release)

    def release(self) -> None:
        """End every job and let go of viewer and layers; the dock closes."""
        if self._is_released:
            return
        self._is_released = True
        self.training.release()
        self.projects.release()
        self.views.end()
        self._results.end()
        self.reviewing.end()
        self.review.release()
        self.batching.end()
        self.comparing.end()
        self.preparation.end()
        self.preferences.end()
        self.activity.end()
        self.session.shutdown()
        self.current_image.release()
        self.images.release()
        self.voxel_sizes.release()
        self.combining.release()
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

    # From one tab to another

    def _on_settings_changed(self) -> None:
        self.annotate.interpret(self.train.settings.annotations())
        self._show_state()

    def _model_in_use(self) -> ModelInUse:
        return ModelInUse(self.session.model_path, self.session.model_name, self.segment.config())

    def _on_segmented(self, objects: Layer) -> None:
        self.comparing.note_found(objects)
        for choice in (self.export.labels, self.segment.comparison.objects):
            choice.choose(objects)
        if self.reviewing.layer is None:
            self.review.labels.choose(objects)

    def _on_accepted(self, accepted: AcceptedObjects) -> None:
        if (reviewed := self.reviewing.layer) is not None:
            self.new_annotations.add_accepted(reviewed, accepted)

    # What is on show

    def _on_begun(self, _what: Any = None) -> None:
        self.footer.pass_by()

    def _on_tab_changed(self) -> None:
        if self.tabs.current_title != self.batch.title:
            self.batching.withdraw()

    def _on_prepared(self, notice: Notice) -> None:
        if not self.session.state.is_busy:  # What a job says comes first.
            self.footer.show_notice(notice)

    def _on_theme_changed(self, _event: Any = None) -> None:
        if isalive(self):
            theme = get_theme(self._viewer.theme)
            self.setStyleSheet(style_sheet(theme))
            for plot in (self.train.plot, self.embeddings.scatter):
                plot.set_colours(text=theme.text.as_hex(), background=theme.background.as_hex())

    def _facts(self) -> SessionFacts:
        image, path, run = self.annotate.image.layer(), self.session.model_path, self.session.resumable
        is_training = self.session.state in (SessionState.TRAINING, SessionState.STOPPING)
        return SessionFacts(
            has_image=image is not None,
            has_annotations=self.annotate.annotations.layer() is not None or bool(self.training.images.pairs()),
            is_any_ticked=self.training.images.is_chosen,
            is_one_of_several=self.training.images.is_one_of_several,
            has_model=path is not None,
            can_resume=run is not None,
            has_labels=self.export.labels.layer() is not None,
            is_saving=self.session.is_saving,
            mismatch=find_mismatch(path, image, self.train.settings.channels),
            start=self.session.start_wish,
            has_found=image is not None and newest_objects(self._viewer, image) is not None,
            is_reviewing=self.reviewing.layer is not None,
            is_in_batch=self.batching.is_running,
            batch_advice=self.batching.advice,
            has_voxel_size=image is not None and voxel_size(image) is not None,
            is_bright=is_bright(image),
            unlike=find_unlike(path, image),
            few_steps="" if is_training else find_few_steps(path, image, run and run.folder),
            unknown_size=find_unknown_size(path, image, is_offered=bool(self.voxel_sizes.offered)),
            is_embedded=self.views.is_embedded,
            is_picking=self.views.picking.is_following,
            hindrance=self.views.hindrance,
            is_switching=self.projects.is_switching,
        )

    def _show_state(self) -> None:
        state, facts = self.session.state, self._facts()
        controls = derive_controls(state, facts)
        inputs = (self.annotate.image, self.annotate.image_form, self.annotate.annotations, self.annotate.boxes)
        for choice in inputs:
            choice.setEnabled(controls.inputs)
        show_control(self.annotate.new_button, controls.new_annotations)
        self.annotating.allow_setting_labels(controls.inputs)
        self.training.show_controls(controls)
        self.segment.show_controls(controls, model_summary=self.session.model_summary)
        self.embeddings.show_controls(controls)
        self.views.follow()
        self.export.show_controls(controls)
        self.batching.follow()
        self._show_hint()
        if not state.is_busy:
            self.footer.hide_progress()
        elif state is not SessionState.STOPPING and self.footer.bar.isHidden():
            self.footer.pass_by()
            self.footer.show_busy()

    def _show_hint(self) -> None:
        if not self._is_released:
            n_objects, tab, facts = self.training.images.n_objects, self.tabs.current_title, self._facts()
            self.footer.show_hint(next_step(self.session.state, facts, n_objects, tab), warn(facts, tab))


def _call(function: Callable[[], None], *_: object) -> None:
    function()
