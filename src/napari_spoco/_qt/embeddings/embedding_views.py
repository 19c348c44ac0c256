"""What follows the mouse and the view once an image is embedded: preview of the objects, picking, the background click.

They are on where the user has asked for them and the image on show is embedded under the model in use; where it is not,
it is embedded first, once: what fails is not tried again until it is asked for. For a preview the part on show is
enough (`view_part`); it is embedded anew when the view has left it and come to rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_spoco._qt.embeddings.background_click import BackgroundClick
from napari_spoco._qt.embeddings.background_job import run_background_change
from napari_spoco._qt.embeddings.embedding_source import ModelFile, find_model, find_source
from napari_spoco._qt.embeddings.picking import Picking
from napari_spoco._qt.jobs.worker import SideJob
from napari_spoco._qt.model.model_headers import header_of
from napari_spoco._qt.segment.view_preview import ViewPreview
from napari_spoco._qt.session import SessionState
from napari_spoco.training.reports import TrainingStarted

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.embeddings.embedding_job import EmbeddedImage
    from napari_spoco._qt.embeddings.embedding_source import EmbeddingSource
    from napari_spoco._qt.embeddings.embeddings_tab import EmbeddingsTab
    from napari_spoco._qt.layers.result_layers import ResultLayers
    from napari_spoco._qt.segment.segment_tab import SegmentTab
    from napari_spoco._qt.train.training_settings import TrainingSettings
    from napari_spoco.models.checkpoint import ModelCard


_TRAINING = (SessionState.TRAINING, SessionState.STOPPING)
_REST_MILLISECONDS = 500
"""Without a change, a view has come to rest."""


class EmbeddingViews(QObject):
    """Switches preview and picking on and off."""

    pointing_changed = Signal()
    embedding_wanted = Signal(object)  # Box of what is on show, None for the whole image
    picked = Signal(object)  # Picked
    failed = Signal(object)  # Exception

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        results: ResultLayers,
        session: SessionController,
        tabs: tuple[AnnotateTab, EmbeddingsTab, SegmentTab],
        settings: TrainingSettings,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._results, self._settings = session, results, settings
        self._annotate, self._embeddings, self._segment = tabs
        self._model = ModelFile(None)  # in use
        self._source: EmbeddingSource | None = None  # of the embeddings at hand
        self._embedded: EmbeddedImage | None = None
        self._asked: tuple[slice, ...] | None = None  # the view that was last embedded, or was to be
        self._may_embed = self._is_teacher_trained = True
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MILLISECONDS)
        self._rest.timeout.connect(self._on_view_rested)
        self.preview = ViewPreview(viewer, results, self._segment.config, parent=self)
        self.preview.outgrown.connect(self._on_outgrown)
        self.picking = Picking(viewer, results, parent=self)
        self.background = BackgroundClick(viewer, self._segment, parent=self)
        self.background.changed.connect(self._on_background_changed)
        self._telling = SideJob(self)  # the embeddings at hand, what is background
        self._telling.returned.connect(self._on_background_told)
        self._telling.failed.connect(self.failed)
        self.picking.picked.connect(self.picked)
        self.picking.pointing.turned.connect(self._embeddings.reach.stepBy)
        for follower in (self.picking, self.background):
            follower.pointing.hindrance_changed.connect(self.pointing_changed)
        self._embeddings.reach_changed.connect(self.picking.set_reach)
        self._segment.changed.connect(self._on_settings_changed)
        self._segment.preview_toggled.connect(self._on_toggled)
        self._embeddings.pick_toggled.connect(self._on_toggled)
        self._embeddings.network_chosen.connect(self._on_network_chosen)
        session.training_reported.connect(self._on_training_reported)
        for follower in (self.preview, self.picking):
            follower.failed.connect(self.failed)

    @property
    def is_embedded(self) -> bool:
        """Whether all of the image on show is embedded, under the model in use."""
        embedded = self._known()
        return embedded is not None and embedded.part is None

    @property
    def hindrance(self) -> str:
        """Why nothing can be pointed at where it is asked for, in a sentence; empty where it can."""
        return self.picking.pointing.hindrance or self.background.pointing.hindrance

    def source_of(self, image: Layer) -> EmbeddingSource:
        """Return what embeddings of an image depend on now."""
        return find_source(image, self._settings.channels, self._model_now())

    def begin(self, source: EmbeddingSource, embedded: EmbeddedImage) -> None:
        """Take note that an image, or a part of it, has just been embedded, as it was when that was begun."""
        self._watch(source.image)
        self._source, self._embedded, self._may_embed = source, embedded, True
        for follower in (self.preview, self.picking):
            follower.pause()
        self.follow()

    def follow(self) -> None:
        """Switch on and off what is to be; ask for embeddings that are missing."""
        self._offer_networks()
        image, embedded = self._annotate.image.layer(), self._known()
        whole = embedded if self.is_embedded else None
        if whole is None:
            self._embeddings.hide_points()
        self.background.follow(image, self._card())
        is_previewed, is_picked = self._segment.preview.isChecked(), self._embeddings.is_picking_wanted
        wishes = ((self.preview, is_previewed, embedded), (self.picking, is_picked, whole))
        for follower, is_wanted, known in wishes:
            if not is_wanted:
                follower.end()
            elif image is None or known is None:
                follower.pause()
            elif not follower.is_following:
                follower.begin(image, known)
        if self.preview.is_following and not self._session.state.is_busy:
            self.preview.check_part()  # The view may have left it during a job.
        may = {self.preview: self._segment.preview.isEnabled(), self.picking: self._embeddings.pick.isEnabled()}
        missing = [follower for follower, is_wanted, known in wishes if is_wanted and may[follower] and known is None]
        if missing and image is not None and self._may_embed and not self._session.state.is_busy:
            self._may_embed = False
            self._embed(image, is_whole=self.picking in missing)

    def end(self) -> None:
        """Follow nothing."""
        self._rest.stop()
        self._watch(None)
        self._may_embed = False
        for follower in (self.preview, self.picking, self.background):
            follower.end()

    def _known(self) -> EmbeddedImage | None:
        """Return the embeddings at hand, if they are of the image on show, under the model in use."""
        image, source = self._annotate.image.layer(), self._source
        is_current = image is not None and source is not None and source.is_same(self.source_of(image))
        return self._embedded if is_current else None

    def _card(self) -> ModelCard | None:
        """Return the card of the model in use, if an image has been embedded under it."""
        is_of_model = self._source is not None and self._source.model == self._model_now()
        return self._embedded.card if self._embedded is not None and is_of_model else None

    def _model_now(self) -> ModelFile:
        """Return the model in use; what a training that goes on with it autosaves counts once that has ended."""
        path = self._session.model_path
        if path != self._model.path or self._session.state not in _TRAINING:
            self._model = find_model(path)
        return self._model

    def _watch(self, image: Layer | None) -> None:
        """Notice when other pixels are put into the image of the embeddings at hand."""
        if self._source is not None:
            self._source.image.events.data.disconnect(self._on_pixels_replaced)
        if image is not None:
            image.events.data.connect(self._on_pixels_replaced)
        self._source = None

    def _on_pixels_replaced(self, _event: Any = None) -> None:
        if isalive(self):
            self.follow()

    def _offer_networks(self) -> None:
        """Let the network be chosen of the model that is shown: the one in training, or else the one in use."""
        is_training = self._session.state in _TRAINING
        has_both = self._is_teacher_trained if is_training else self._has_both_networks()
        self._embeddings.offer_networks(has_both=has_both, is_training=is_training)

    def _on_training_reported(self, message: object) -> None:
        if isinstance(message, TrainingStarted):
            self._is_teacher_trained = message.has_teacher
            self._offer_networks()

    def _has_both_networks(self) -> bool:
        path = self._session.model_path
        try:
            return path is not None and header_of(path).has_teacher
        except ValueError:
            return False

    def _on_network_chosen(self) -> None:
        """Embed the image anew if it is on show under the other network."""
        image, known = self._annotate.image.layer(), self._known()
        self._watch(None)
        if image is not None and known is not None and not self._session.state.is_busy:
            self._embed(image, is_whole=known.part is None)

    def _embed(self, image: Layer, *, is_whole: bool) -> None:
        self._asked = None if is_whole else self.preview.view_of(image)
        self.embedding_wanted.emit(self._asked)

    def _on_outgrown(self, view: tuple[slice, ...]) -> None:
        if view != self._asked:  # Else the user has just cancelled it.
            self._rest.start()

    def _on_view_rested(self) -> None:
        image = self._annotate.image.layer()
        if isalive(self) and image is not None and self.preview.is_following and not self._session.state.is_busy:
            self._embed(image, is_whole=False)

    def _on_settings_changed(self) -> None:
        self._results.expect()
        self.background.show()
        self.preview.refresh()

    def _on_toggled(self) -> None:
        self._results.expect()
        self._may_embed = True
        self.follow()

    def _on_background_changed(self) -> None:
        """Let the embeddings at hand know what was clicked; the preview stays where it is until it is found anew."""
        self._results.expect()
        image, embedded = self._annotate.image.layer(), self._known()
        if image is not None and embedded is not None:
            self.preview.clustering.forget()
            self._telling.start(run_background_change, embedded, self.background.pixel(image))

    def _on_background_told(self, told: tuple[EmbeddedImage, tuple[int, ...] | None]) -> None:
        embedded, pixel = told
        image, known = self._annotate.image.layer(), self._known()
        if image is None or known is None or known.reclustering is not embedded.reclustering:
            return
        if pixel != self.background.pixel(image):
            self._on_background_changed()
            return
        self._embedded = embedded
        self.preview.refresh()
