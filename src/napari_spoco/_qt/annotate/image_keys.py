"""The keys that begin to paint, while an image is selected in the layer list instead of its annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate.annotation_status import PAINTING
from napari_spoco._qt.annotate.image_layers import are_overlaid, owner
from napari_spoco._qt.keys import LayerKeys, napari_keys

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.keys import KeyChoice


class ImageKeys(QObject):
    """Binds the keys of `annotation_status.PAINTING` on the selected layer, if it shows the chosen image.

    Keys that napari itself has on images are left to it.
    """

    pressed = Signal(str)

    def __init__(
        self, viewer: napari.viewer.Viewer, tab: AnnotateTab, keys: KeyChoice, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._tab, self._keys = viewer, tab, keys
        self._layer: Layer | None = None
        self._bound: LayerKeys | None = None
        viewer.layers.selection.events.active.connect(self._on_selected)
        tab.image.chosen.connect(self._follow)
        self._follow()

    def end(self) -> None:
        """Let go of viewer and layers."""
        self._viewer.layers.selection.events.active.disconnect(self._on_selected)
        self._release()

    def _on_selected(self, event: Any) -> None:
        if isalive(self):
            self._layer = event.value
            self._follow()

    def _follow(self) -> None:
        self._release()
        if self._layer is not None and self._shows_image(self._layer):
            names = [action.name for action in PAINTING]
            self._bound = LayerKeys(self._layer, self._keys, names, without=napari_keys(Image), parent=self)
            self._bound.pressed.connect(self.pressed)

    def _release(self) -> None:
        if self._bound is not None:
            self._bound.end()
            self._bound.deleteLater()
        self._bound = None

    def _shows_image(self, layer: Layer) -> bool:
        shown, image = owner(self._viewer, layer), self._tab.image.layer()
        if not isinstance(layer, Image) or shown is None or image is None:
            return False
        return shown == image or are_overlaid(self._viewer, image, shown)
