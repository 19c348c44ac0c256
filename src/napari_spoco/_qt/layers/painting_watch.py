"""Whether somebody paints: what comes meanwhile should not lie over what is looked at, nor take the brush away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_spoco._qt.layers.layers import MAKER, identity

if TYPE_CHECKING:
    import napari.viewer
    from napari.utils.events import EventEmitter

_BRUSHES = ("paint", "fill", "erase", "polygon")


class PaintingWatch:
    """Knows whether the layer that is selected has been painted on since a moment, with the brush still in hand."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._layer = ""  # the `identity` of the one that was selected
        self._painted: EventEmitter | None = None  # It holds no layer that the user deletes.
        self._has_painted = False

    def begin(self) -> None:
        """Begin anew: the user has just asked for something, and looks out for it."""
        self.end()
        layer = self._viewer.layers.selection.active
        if isinstance(layer, Labels):
            self._layer, self._painted = identity(layer), layer.events.paint
            self._painted.connect(self._on_painted)

    def end(self) -> None:
        """Let go of the layer."""
        if self._painted is not None:
            self._painted.disconnect(self._on_painted)
        self._layer, self._painted, self._has_painted = "", None, False

    @property
    def is_painting(self) -> bool:
        """Whether annotations are selected with a brush, and were not when it began, or were painted on since."""
        layer = self._viewer.layers.selection.active
        if not isinstance(layer, Labels) or MAKER in layer.metadata or str(layer.mode) not in _BRUSHES:
            return False
        return self._has_painted or identity(layer) != self._layer

    def _on_painted(self, _event: Any) -> None:
        self._has_painted = True
