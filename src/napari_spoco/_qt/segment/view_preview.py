"""Follows what is on show and how it is set, and keeps a preview of its objects up to date.

On the event loop only the box is worked out; the objects are found in a thread (`LiveClustering`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_spoco._qt.layers.layer_view import visible_box
from napari_spoco._qt.segment.live_clustering import LiveClustering

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.embeddings.embedding_job import EmbeddedImage
    from napari_spoco._qt.layers.result_layers import ResultLayers
    from napari_spoco._qt.segment.segmentation_job import ViewResult
    from napari_spoco.config import SegmentationConfig

_MILLISECONDS = 30
"""Changes that come faster are one."""
_MOST_PIXELS = 2**20
_MOST_PLANES = 9
"""Of a stack, around the plane on show: objects are found in 3D, but not in all of it."""


class ViewPreview(QObject):
    """Previews the objects in the view from `begin` to `end` or `pause`.

    Parameters
    ----------
    viewer, results
        What is looked at, and where the preview is shown.
    read_config
        Returns the settings; raises ValueError where they are not all right, and nothing is previewed then.
    """

    failed = Signal(object)  # Exception
    outgrown = Signal(object)  # Box that is on show, and that the embedded part does not hold

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        results: ResultLayers,
        read_config: Callable[[], SegmentationConfig],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._results, self._read_config = viewer, results, read_config
        self._layer: Layer | None = None
        self._image: EmbeddedImage | None = None
        self._gives_way = False
        self.clustering = LiveClustering(self)
        self.clustering.found.connect(self._on_found)
        self.clustering.failed.connect(self.failed)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def is_following(self) -> bool:
        """Whether a view is followed."""
        return self._layer is not None

    def begin(self, layer: Layer, image: EmbeddedImage) -> None:
        """Preview an image that has been embedded."""
        self.pause()
        self._layer, self._image = layer, image
        for event in self._events():
            event.connect(self._on_view_changed)
        self.refresh()

    def end(self) -> None:
        """Preview nothing; the last preview is taken away."""
        self.pause()
        self._results.drop_preview()

    def pause(self) -> None:
        """Preview nothing, with the last preview out of sight, until it begins again."""
        self._timer.stop()
        self.clustering.forget()
        if self._layer is None:
            return
        self._layer = self._image = None
        for event in self._events():
            event.disconnect(self._on_view_changed)
        self._results.hide_preview()

    def give_way(self) -> None:
        """Leave the place to the objects of the whole image, until a setting is changed."""
        self._gives_way = True
        self._timer.stop()
        self.clustering.forget()
        self._results.hide_preview()

    def refresh(self) -> None:
        """Find the objects anew, soon: a setting has changed."""
        self._gives_way = False
        if isalive(self) and self._layer is not None and not self._timer.isActive():
            self._timer.start()

    def check_part(self) -> None:
        """Find out, soon, whether the part that is embedded still holds what is on show."""
        if self._image is not None and self._image.part is not None and not self._gives_way:
            self.refresh()

    def view_of(self, layer: Layer) -> tuple[slice, ...]:
        """Return what of an image is on show and previewed, in its pixels."""
        return visible_box(self._viewer, layer, n_pixels=_MOST_PIXELS, n_planes=_MOST_PLANES)

    def _on_view_changed(self, _event: Any = None) -> None:
        if not self._gives_way:
            self.refresh()

    def _events(self) -> tuple[Any, ...]:
        camera, dims = self._viewer.scene.camera.events, self._viewer.dims.events
        return camera.zoom, camera.center, dims.current_step, dims.order, dims.ndisplay

    def _on_timeout(self) -> None:
        if self._layer is None or self._image is None:
            return
        try:
            config = self._read_config()
        except ValueError:
            return
        view, part = self.view_of(self._layer), self._image.part
        if part is not None and not part.shows(view):
            self.outgrown.emit(view)
        else:
            self.clustering.request(self._image, config, view)

    def _on_found(self, result: ViewResult) -> None:
        if self._layer is not None:
            self._results.show_preview(self._layer, result.labels, result.start)
