"""Follows what is to be shown of the images in training, and by which network; says so once it has come to rest.

On the event loop only the box is worked out; saying it is a job's.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer

from napari_spoco._qt.layers.layer_view import visible_box
from napari_spoco._qt.layers.layers import spatial_shape
from napari_spoco.training.process import ViewUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.forms.editors import ChoiceEditor
    from napari_spoco._qt.forms.layer_choice import LayerChoice

_MILLISECONDS = 300
"""For so long the view has to be at rest."""


class LiveView(QObject):
    """Follows the view from `begin` to `end`.

    Parameters
    ----------
    viewer
        What is looked at.
    choice
        Chooses the image that is meant, where several are trained on.
    network
        Chooses whose embeddings are meant, teacher's or student's.
    send
        Takes what is on show, and returns whether it has; asked again a little later if not.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        choice: LayerChoice,
        network: ChoiceEditor,
        send: Callable[[ViewUpdate], bool],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._choice, self._network, self._send = viewer, choice, network, send
        self._images: dict[Layer, tuple[int, tuple[int, ...]]] = {}  # index in the training, and shape
        self._said = ViewUpdate()  # which is what a training shows that was told nothing
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def is_following(self) -> bool:
        """Whether the view is followed."""
        return bool(self._images)

    def begin(self, images: Sequence[Layer]) -> None:
        """Follow the view of these images, in the order of the training's."""
        self.end()
        self._images = {layer: (index, spatial_shape(layer)) for index, layer in enumerate(images)}
        for event in self._events():
            event.connect(self._on_moved)
        self._choice.chosen.connect(self._on_moved)
        self._network.edited.connect(self._on_moved)
        self._timer.start()

    def end(self) -> None:
        """Follow the view no more."""
        self._timer.stop()
        if not self._images:
            return
        self._images, self._said = {}, ViewUpdate()
        for event in self._events():
            event.disconnect(self._on_moved)
        self._choice.chosen.disconnect(self._on_moved)
        self._network.edited.disconnect(self._on_moved)

    def _events(self) -> tuple[Any, ...]:
        camera, dims = self._viewer.scene.camera.events, self._viewer.dims.events
        return camera.zoom, camera.center, dims.current_step, dims.order, dims.ndisplay

    def _on_moved(self, _event: Any = None) -> None:
        if isalive(self) and self._images:
            self._timer.start()

    def _on_timeout(self) -> None:
        view = self._view()
        if view == self._said:
            return
        if self._send(view):
            self._said = view
        else:
            self._timer.start()

    def _view(self) -> ViewUpdate:
        """Return what is on show; where the chosen image is not trained on, or is another one by now, the last view."""
        layer, network = self._choice.layer(), self._network.value()
        if layer not in self._images or layer not in self._viewer.layers:
            return replace(self._said, network=network)
        index, shape = self._images[layer]
        if spatial_shape(layer) != shape:
            return replace(self._said, network=network)
        return ViewUpdate(index, visible_box(self._viewer, layer, n_pixels=sys.maxsize, n_planes=1), network)
