"""Embeds the chosen image and finds its objects, under the model in use, and shows both over the image.

One job at a time: what the session brings belongs to the image for which the last one was begun.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.embeddings.embedding_job import EmbeddingInputs
from napari_spoco._qt.layers import layers
from napari_spoco._qt.model.model_headers import header_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.embeddings.embedding_job import EmbeddedImage
    from napari_spoco._qt.embeddings.embedding_source import EmbeddingSource
    from napari_spoco._qt.embeddings.embedding_views import EmbeddingViews
    from napari_spoco._qt.embeddings.embeddings_tab import EmbeddingsTab
    from napari_spoco._qt.layers.result_layers import ResultLayers
    from napari_spoco._qt.segment.segment_tab import SegmentTab
    from napari_spoco._qt.segment.segmentation_job import SegmentationResult
    from napari_spoco._qt.train.training_settings import TrainingSettings
    from napari_spoco.training.process import Box


class Segmenting(QObject):
    """Between the tabs Embeddings and Segment and the session.

    Parameters
    ----------
    viewer
        Has the image, unless the user has removed it meanwhile.
    session
        Has the model in use; embeds and segments.
    results, views
        What shows embeddings and objects, and what follows the mouse over them.
    tabs
        What is segmented, and how.
    settings
        Of the training; they say which device computes, and what annotations mean.
    """

    embedded = Signal(object)  # Layer of the image
    segmented = Signal(object)  # Layer of the objects

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        session: SessionController,
        results: ResultLayers,
        views: EmbeddingViews,
        tabs: tuple[AnnotateTab, EmbeddingsTab, SegmentTab],
        settings: TrainingSettings,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._session, self._results = viewer, session, results
        self._views, self._settings = views, settings
        self._annotate, self._embeddings, self._segment = tabs
        self._image: Layer | None = None  # of the last job
        self._source: EmbeddingSource | None = None  # of the last job
        self._is_asked = False  # whether the embeddings themselves were
        self._segment.segment_requested.connect(self.segment)
        for tab in (self._segment, self._embeddings):
            tab.cancel_requested.connect(session.cancel)
        self._embeddings.embed_requested.connect(self.embed)
        views.embedding_wanted.connect(self._on_embedding_wanted)
        session.embedded.connect(self._on_embedded)
        session.segmented.connect(self._on_segmented)
        session.state_changed.connect(self._on_state_changed)

    def segment(self) -> None:
        """Find the objects of the chosen image."""
        self._is_asked = False
        self._begin(self._session.segment)

    def embed(self) -> None:
        """Compute the embeddings of the chosen image, and show them."""
        self._is_asked = True
        self._begin(self._session.embed)

    def _on_embedding_wanted(self, view: Box | None) -> None:
        self._is_asked = False
        self._begin(self._session.embed, view)

    def _begin(self, begin: Callable[[EmbeddingInputs], None], view: Box | None = None) -> None:
        image, model_path = self._annotate.image.layer(), self._session.model_path
        if image is None or model_path is None:
            return
        try:
            inputs = replace(self._inputs(image, model_path), view=view)
        except ValueError as error:
            self._session.refuse(error)
            return
        self._image, self._source = image, self._views.source_of(image)
        self._results.begin()
        begin(inputs)

    def _inputs(self, image: Layer, model_path: str) -> EmbeddingInputs:
        """Return what the user has chosen; raises ValueError with a sentence for the user."""
        annotations = self._annotate.annotations.layer()
        return EmbeddingInputs(
            image=layers.read_image(image),
            model_path=model_path,
            config=self._segment.config(),
            device=self._settings.device,
            mask=self._segment.mask(),
            annotations=None if annotations is None else layers.labels_pixels(annotations),
            meaning=self._settings.annotations(),
            background_pixel=self._views.background.pixel(image),
            channels=self._settings.channels,
            network=self._embeddings.network.value(),
        )

    def _on_state_changed(self) -> None:
        path = self._session.model_path
        try:
            header = None if path is None else header_of(path)
        except ValueError:
            header = None
        if header is None:
            self._segment.offer_classes(None)
        else:
            self._segment.offer_classes(header.network.pixel_classes, header.class_threshold)

    def _on_embedded(self, embedded: EmbeddedImage) -> None:
        if self._image is None or self._source is None or not self._is_there(self._image):
            return
        if embedded.part is not None:
            self._views.begin(self._source, embedded)
            return
        self._results.show_embeddings(self._image, embedded.rgb, is_asked=self._is_asked)
        if embedded.dots is not None:
            points, ids = embedded.dots
            annotations = self._annotate.annotations.layer()
            colours = [None] * len(ids) if annotations is None else layers.label_colours(annotations, ids)
            self._embeddings.show_points(points, colours, source=f"{self._image.name}, by {self._session.model_name}")
        self._views.begin(self._source, embedded)
        if self._is_asked:
            self._views.preview.give_way()
        self.embedded.emit(self._image)

    def _on_segmented(self, result: SegmentationResult) -> None:
        if self._image is not None and self._is_there(self._image):
            self._views.preview.give_way()
            layer = self._results.show_objects(self._image, result.labels)
            layers.show_features(layer, result.features)
            self.segmented.emit(layer)

    def _is_there(self, image: Layer) -> bool:
        """Say so where the image is gone: objects that belong to none would not be saved."""
        if image in self._viewer.layers:
            return True
        self._session.refuse(
            ValueError(
                f"image: expected “{image.name}” in the layer list; it was removed meanwhile, and what was computed is "
                "not shown."
            )
        )
        return False
