"""What follows the mouse and the view once an image is embedded: preview of the objects, picking, the background click.

They are on where the user has asked for them and the image on show is embedded under the model in use; where it is not,
it is embedded first, once: what fails is not tried again until it is asked for. For a preview the part on show is
enough (`view_part`); it is embedded anew when the view has left it and come to rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_spoco._qt.embeddings.picking import Picking
from napari_spoco._qt.embeddings.pointing import Pointing
from napari_spoco._qt.model_headers import header_of
from napari_spoco._qt.segment.view_preview import ViewPreview

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer
    from qtpy.QtWidgets import QCheckBox

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.embeddings.embedding_job import EmbeddedImage
    from napari_spoco._qt.embeddings.embeddings_tab import EmbeddingsTab
    from napari_spoco._qt.result_layers import ResultLayers
    from napari_spoco._qt.segment.segment_tab import SegmentTab


_REST_MILLISECONDS = 500
"""Without a change, a view has come to rest."""


class EmbeddingViews(QObject):
    """Switches preview and picking on and off."""

    embedding_wanted = Signal(object)  # Box of what is on show, None for the whole image
    picked = Signal(object)  # Picked
    failed = Signal(object)  # Exception

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        results: ResultLayers,
        session: SessionController,
        tabs: tuple[AnnotateTab, EmbeddingsTab, SegmentTab],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._results = session, results
        self._annotate, self._embeddings, self._segment = tabs
        self._source: tuple[object, ...] = ()  # of the embeddings at hand
        self._background: tuple[Layer, tuple[int, ...]] | None = None  # the image, and the pixel that was clicked
        self._embedded: EmbeddedImage | None = None
        self._asked: tuple[slice, ...] | None = None  # the view that was last embedded, or was to be
        self._may_embed = True
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MILLISECONDS)
        self._rest.timeout.connect(self._on_view_rested)
        self.preview = ViewPreview(viewer, results, self._segment.config, parent=self)
        self.preview.outgrown.connect(self._on_outgrown)
        self.picking = Picking(viewer, results, parent=self)
        self.background_click = Pointing(viewer, parent=self)
        self.background_click.clicked.connect(self._on_background_clicked)
        self.picking.picked.connect(self.picked)
        self.picking.pointing.turned.connect(self._embeddings.reach.stepBy)
        self._embeddings.reach_changed.connect(self.picking.set_reach)
        self._segment.changed.connect(self._on_settings_changed)
        self._segment.preview_toggled.connect(self._on_toggled)
        self._segment.background_requested.connect(self._on_background_requested)
        self._embeddings.pick_toggled.connect(self._on_toggled)
        self._embeddings.network_chosen.connect(self._on_network_chosen)
        for follower in (self.preview, self.picking):
            follower.failed.connect(self.failed)

    def background_pixel(self, image: Layer) -> tuple[int, ...] | None:
        """Return the pixel of the image that was clicked as background."""
        background = self._background
        return background[1] if background is not None and background[0] is image else None

    def begin(self, image: Layer, embedded: EmbeddedImage) -> None:
        """Take note that an image, or a part of it, has just been embedded, under the model in use."""
        self._source, self._embedded, self._may_embed = self._source_of(image), embedded, True
        for follower in (self.preview, self.picking):
            follower.pause()
        self.background_click.end()
        self.follow()

    def follow(self) -> None:
        """Switch on and off what is to be; ask for embeddings that are missing."""
        self._embeddings.offer_networks(has_both=self._has_both_networks())
        image, embedded = self._annotate.image.layer(), self._embedded
        if image is None or self._source != self._source_of(image):
            embedded = None
        whole = embedded if embedded is not None and embedded.part is None else None
        switches = ((self.preview, self._segment.preview, embedded), (self.picking, self._embeddings.pick, whole))
        for follower, switch, known in switches:
            if not switch.isChecked():
                follower.end()
            elif image is None or known is None:
                follower.pause()
            elif not follower.is_following:
                follower.begin(image, known)
        if self.preview.is_following and not self._session.state.is_busy:
            self.preview.check_part()  # The view may have left it during a job.
        missing = [follower for follower, switch, known in switches if _is_on(switch) and known is None]
        if missing and image is not None and self._may_embed and not self._session.state.is_busy:
            self._may_embed = False
            self._embed(image, is_whole=self.picking in missing)

    def end(self) -> None:
        """Follow nothing."""
        self._rest.stop()
        for follower in (self.preview, self.picking, self.background_click):
            follower.end()

    def _has_both_networks(self) -> bool:
        path = self._session.model_path
        try:
            return path is not None and header_of(path).has_teacher
        except ValueError:
            return False

    def _on_network_chosen(self) -> None:
        """Embed the image anew if it is on show under the other network."""
        image = self._annotate.image.layer()
        is_on_show = image is not None and self._source == self._source_of(image)
        self._source = ()
        if is_on_show and self._embedded is not None and not self._session.state.is_busy:
            self._embed(image, is_whole=self._embedded.part is None)

    def _source_of(self, image: Layer) -> tuple[object, ...]:
        """Return what embeddings of an image depend on: itself, its voxel size, and the model in use."""
        return image, tuple(image.scale), tuple(map(str, image.units)), self._session.model_path

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
        self.preview.refresh()

    def _on_toggled(self) -> None:
        self._results.expect()
        self._may_embed = True
        self.follow()

    def _on_background_requested(self, is_wanted: bool) -> None:
        image = self._annotate.image.layer()
        self.background_click.end()
        if is_wanted and image is not None:
            self.background_click.begin(image)
        elif self._background is not None:
            self._set_background(None)

    def _on_background_clicked(self, pixel: tuple[int, ...]) -> None:
        self.background_click.end()
        image = self._annotate.image.layer()
        if image is not None:
            self._set_background((image, pixel))

    def _set_background(self, background: tuple[Layer, tuple[int, ...]] | None) -> None:
        self._background = background
        self._segment.show_background(None if background is None else background[1])
        self._source = ()  # What is known of the image has changed.
        self._on_toggled()


def _is_on(switch: QCheckBox) -> bool:
    return switch.isChecked() and switch.isEnabled()
