"""Which image is worked on: the one that was opened, or of which a layer was selected, last; and that it can be seen.

A choice in the tab's form, and a click in napari's list of layers, say the same. While a job runs the choice is locked.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer

from napari_spoco._qt.annotate.channel_layers import are_channels
from napari_spoco._qt.annotate.image_layers import are_overlaid, is_annotation, owner, parts_of
from napari_spoco._qt.layers import layers

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.annotate.annotated_images import AnnotatedImages


class CurrentImage(QObject):
    """Lets the choice of the image follow the layer list, and the layer list follow the choice."""

    def __init__(
        self, viewer: napari.viewer.Viewer, tab: AnnotateTab, images: AnnotatedImages, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._tab, self._images = viewer, tab, images
        self._new: Layer | None = None  # just added, not selected yet
        self._selected: Callable[[], Layer | None] = _reference(None)  # napari says it twice of a layer that was added
        self._removing = QTimer(self)  # napari selects a neighbour of what was removed: nobody has chosen that
        self._removing.setSingleShot(True)
        self._removing.setInterval(0)
        self._removing.timeout.connect(self._on_removed)
        tab.image.activated.connect(self._on_chosen)
        for event, slot in self._events():
            event.connect(slot)

    def release(self) -> None:
        """Let go of the viewer."""
        self._removing.stop()
        for event, slot in self._events():
            event.disconnect(slot)

    def _events(self) -> tuple[tuple[Any, Any], ...]:
        events = self._viewer.layers.events
        return (
            (events.inserted, self._on_inserted),
            (events.removed, self._on_removing),
            (self._viewer.layers.selection.events.active, self._on_selected),
            (self._viewer.canvas.grid.events.enabled, self._on_grid_changed),
        )

    def _on_chosen(self) -> None:
        if (image := self._tab.image.layer()) is not None:
            self._images.bring_up(image)

    def _on_inserted(self, event: Any) -> None:
        self._new = event.value

    def _on_selected(self, event: Any) -> None:
        if not isalive(self):
            return
        layer, before, self._selected = event.value, self._selected(), _reference(event.value)
        if layer is None or layer is before:
            return
        new, self._new = self._new, None
        if self._removing.isActive() or not self._tab.image.isEnabled():
            return
        if layer is new:
            self._follow_opened(layer)
        else:
            self._follow_selected(layer)

    def _follow_opened(self, layer: Layer) -> None:
        """Choose an image that was opened, on top of all others; of several channels the first one stays chosen."""
        if layer not in layers.image_layers(self._viewer) or not layer.visible:
            return
        image = self._tab.image.layer()
        if image is None or not are_channels(image, layer):
            self._tab.image.choose(layer)

    def _follow_selected(self, layer: Layer) -> None:
        image, chosen = owner(self._viewer, layer), self._tab.image.layer()
        if image is None:
            return
        if image != chosen and not self._stays(image, chosen):
            self._images.bring_up(image)
        if is_annotation(layer) and image == self._tab.image.layer():
            self._tab.annotations.choose(layer)

    def _stays(self, image: Layer, chosen: Layer | None) -> bool:
        """Say whether a click on an image is no choice of it: one looks at both, and painted into the chosen one."""
        if chosen is None or not are_overlaid(self._viewer, image, chosen):
            return False
        is_painted = self._tab.annotations.layer() is not None and not self._images.has_annotations(image)
        return image in parts_of(self._viewer, chosen) or is_painted

    def _on_removing(self, _event: Any = None) -> None:
        if isalive(self):
            self._removing.start()

    def _on_removed(self) -> None:
        """Show the image that is chosen in place of one that was removed."""
        if (image := self._tab.image.layer()) is not None:
            self._images.stage.reveal(image)

    def _on_grid_changed(self, _event: Any = None) -> None:
        if isalive(self) and self._viewer.canvas.grid.enabled:
            self._images.stage.show_all()


def _reference(layer: Layer | None) -> Callable[[], Layer | None]:
    return (lambda: None) if layer is None else weakref.ref(layer)
