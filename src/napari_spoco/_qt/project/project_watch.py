"""Watches the layers that a project keeps: which there are, which have been painted into, which have left the viewer.

On the event loop nothing is copied or compared: events mark layers as changed, and what is taken are references.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.layers import layers
from napari_spoco._qt.project.project_layers import PAINTED, KeptLayers, find_kept
from napari_spoco._qt.project.removed_layers import Removed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotated_images import AnnotatedImages
    from napari_spoco._qt.project.project_session import KeptImage
    from napari_spoco.project.file import PaintedLayer


class ProjectWatch(QObject):
    """Follows annotated images, and the objects found in images, from its making to `release`."""

    changed = Signal()
    removed = Signal(object)  # list of Removed

    def __init__(self, viewer: napari.viewer.Viewer, images: AnnotatedImages, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._images = viewer, images
        self._kept: list[KeptLayers] = []
        self._changed: set[str] = set()  # identities of layers
        self._leaving: list[KeptImage] = []
        self._is_paused = False
        images.changed.connect(self.follow)

    @property
    def has_something(self) -> bool:
        """Whether there is anything to keep, or to be said of what is not."""
        return bool(self._kept or self._leaving or self.unkept())

    def follow(self) -> None:
        """Look for layers that have come or gone; those that have gone are kept as they were."""
        if self._is_paused:
            return
        now = find_kept(self._viewer, self._images.every())
        keys, here = {item.key for item in now}, set(self._viewer.layers)
        # What was painted or found in an image that was deleted is kept with the image that it had.
        now += [item for item in self._kept if item.key not in keys and here.intersection(item.painted)]
        before, painted = self._kept, self._painted(now)
        leaving = [item for item in self._kept if set(item.painted) - painted]
        # All of their pixels: what was taken before may not have been written.
        self._leaving += [item.read(_ids(item.painted), is_leaving=True) for item in leaving]
        removed = [Removed.of_layers(item, here) for item in leaving]
        self._watch(now)
        self._changed |= _ids(self._painted(item for item in now if item not in before))
        self.changed.emit()
        if removed := [item for item in removed if item is not None]:
            self.removed.emit(removed)

    def take(self, *, everything: bool = False) -> tuple[KeptImage, ...]:
        """Return what is to be written, and note it as written: the changed pixels, or all."""
        changed = _ids(self._painted(self._kept)) if everything else self._changed
        taken = (*self._leaving, *(item.read(changed) for item in self._kept))
        self._changed, self._leaving = set(), []
        return taken

    def note_unsaved(self, taken: Iterable[KeptImage] = ()) -> None:
        """Compare everything at the next time: something could not be written, or is to be read in another way.

        Of what was taken, that is taken once more which has left the viewer.
        """
        self._changed |= _ids(self._painted(self._kept))
        self._leaving = [*(image for image in taken if not image.opened), *self._leaving]

    def shown(self) -> Iterator[tuple[str, str, tuple[PaintedLayer, ...]]]:
        """Yield which painted layers are in the viewer now, with the keys of their `KeptImage`."""
        for item in self._kept:
            here = tuple(kind for kind in PAINTED if item.kinds[kind] in self._viewer.layers)
            yield item.key, item.image_key, here

    def unkept(self) -> list[str]:
        """Say of which annotations nothing is kept, and why."""
        kept, pairs = self._painted(self._kept), self._images.every()
        return [
            f"“{pair.annotations.name}” is not saved: “{pair.image.name}”, as it is read, has another shape."
            for pair in pairs
            if pair.annotations not in kept
        ]

    def take_away(self) -> None:
        """Remove the layers from the viewer, and what was made of them."""
        kept = {layer for item in self._kept for layer in (item.image, *item.parts, item.boxes, *item.painted)}
        ids = {item.image_key for item in self._kept}
        with self.paused():
            self._watch([])
            for layer in list(self._viewer.layers):
                if layer in kept or layer.metadata.get(layers.MAKER) in ids:
                    self._viewer.layers.remove(layer)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take no notice of layers that come and go."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    def release(self) -> None:
        """Follow nothing any more."""
        self._is_paused = True
        self._watch([])

    def _watch(self, kept: list[KeptLayers]) -> None:
        """Follow the layers of these, and no others; those that are followed already cost nothing."""
        before, self._kept = self._kept, kept
        gone, come = _only_in(self._painted(before), self._painted(kept))
        for layer in gone:
            layers.unwatch_painting(layer, self._on_painted)
        for layer in come:
            layers.watch_painting(layer, self._on_painted)
        for find, follow in ((_boxes, self._on_boxes_changed), (_images, self._on_image_changed)):
            gone, come = _only_in(find(before), find(kept))
            for layer in gone:
                layer.events.data.disconnect(follow)
            for layer in come:
                layer.events.data.connect(follow)

    def _on_painted(self, event: Any) -> None:
        if isalive(self):
            self._changed.add(layers.identity(event.source))
            self.changed.emit()

    def _on_boxes_changed(self, event: Any) -> None:
        self._note_changed([item for item in self._kept if item.boxes is event.source])

    def _on_image_changed(self, event: Any) -> None:
        """Another image in the layer is kept beside the first one, with what is painted."""
        self._note_changed([item for item in self._kept if item.image is event.source])

    def _note_changed(self, items: list[KeptLayers]) -> None:
        if isalive(self):
            self._changed |= _ids(self._painted(items))
            self.changed.emit()

    @staticmethod
    def _painted(items: Iterable[KeptLayers]) -> set[Layer]:
        return {layer for item in items for layer in item.painted}


def _only_in(before: set[Layer], after: set[Layer]) -> tuple[set[Layer], set[Layer]]:
    """Return what is in the first set alone, and what is in the second alone."""
    return before - after, after - before


def _boxes(items: Iterable[KeptLayers]) -> set[Layer]:
    return {item.boxes for item in items if item.boxes is not None}


def _images(items: Iterable[KeptLayers]) -> set[Layer]:
    return {item.image for item in items if item.image is not None}


def _ids(found: Iterable[Layer]) -> set[str]:
    return {layers.identity(layer) for layer in found}
