"""The click that says what is background in an image: it is waited for, noted, and taken back by the same button.

It is waited for no longer than the tab Segment and the image stay on show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.embeddings.pointing import Pointing
from napari_spoco._qt.notices import Notice
from napari_spoco._qt.segment.background_use import BackgroundUse, find_use

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.segment.segment_tab import SegmentTab
    from napari_spoco.models.checkpoint import ModelCard

_CLICKED = (
    "What is like the clicked place is background now: in the preview at once, else when you press Segment. What is "
    "still found there goes with a higher {}."
)


class BackgroundClick(QObject):
    """Knows the pixel that was clicked in each image."""

    changed = Signal()
    noticed = Signal(object)  # Notice

    def __init__(self, viewer: napari.viewer.Viewer, tab: SegmentTab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tab = tab
        self._image: Layer | None = None
        self._card: ModelCard | None = None
        self._pixels: WeakKeyDictionary[Layer, tuple[int, ...]] = WeakKeyDictionary()
        self.pointing = Pointing(viewer, self)
        self.pointing.clicked.connect(self._on_clicked)
        self.pointing.hindrance_changed.connect(self.show)
        tab.background_requested.connect(self._on_requested)

    @property
    def is_waiting(self) -> bool:
        """Whether the next click says what is background."""
        return self.pointing.is_following

    def pixel(self, image: Layer) -> tuple[int, ...] | None:
        """Return the pixel of the image that was clicked, (Z)YX."""
        return self._pixels.get(image)

    def follow(self, image: Layer | None, card: ModelCard | None) -> None:
        """Show what is known of the chosen image, under the model of this card."""
        is_there = image is self._image and self._tab.is_editable and self._tab.isVisibleTo(self._tab.window())
        self._image, self._card = image, card
        if self.is_waiting and not is_there:
            self.end()
        self.show()

    def show(self) -> None:
        """Say on the button what was clicked, and whether that is looked at under the settings."""
        pixel = None if self._image is None else self.pixel(self._image)
        use, hindrance = self._use(), self.pointing.hindrance
        self._tab.show_background(pixel, is_waiting=self.is_waiting, hindrance=hindrance, ignored=use.ignored)

    def end(self) -> None:
        """Wait no longer."""
        self.pointing.end()

    def _use(self) -> BackgroundUse:
        try:
            return find_use(self._tab.config(), self._card, has_mask=self._tab.foreground.layer() is not None)
        except ValueError:
            return BackgroundUse()

    def _on_requested(self, is_wanted: bool) -> None:
        self.end()
        if self._image is not None and is_wanted:
            self.pointing.begin(self._image)
        elif self._image is not None and self._pixels.pop(self._image, None) is not None:
            self.changed.emit()
        self.show()

    def _on_clicked(self, pixel: tuple[int, ...]) -> None:
        self.end()
        if self._image is None:
            return
        self._pixels[self._image] = pixel
        self.show()
        self.noticed.emit(Notice(_CLICKED.format(self._use().radius)))
        self.changed.emit()
