"""Tells redrawings of a layer that may come of changed pixels from those that come of another place on show.

napari has one event for both, `set_data`, and no other for undo. Whoever counts, copies or compares all pixels of a
layer when they may have changed had better not do so at every plane that is scrolled to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import napari
from napari.utils.events import Event

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Layer
    from napari.utils.events import EventEmitter

_NAME = "napari_spoco_redrawn"
_PLACE = ("ndim", "ndisplay", "order", "point", "margin_left", "margin_right")
"""Fields of `Dims` that say what is on show."""


def redrawn(layer: Layer) -> EventEmitter:
    """Return the event of a layer that says it was drawn anew at the place that was on show before.

    Where it is not in the viewer that is used now, it says so of every redrawing.
    """
    if _NAME not in layer.events.emitters:
        layer.events.add(**{_NAME: Event})
        viewer, event = napari.current_viewer(), layer.events.emitters[_NAME]
        if viewer is not None and layer in viewer.layers:
            told = _AtOnePlace(viewer.dims, event)
            layer.events.set_data.connect(lambda _event: told.on_redrawn())  # A method alone would not be kept.
        else:
            layer.events.set_data.connect(event)
    return layer.events.emitters[_NAME]


class _AtOnePlace:
    """Hands a layer's redrawings on, but for those of another place.

    Parameters
    ----------
    dims
        Of the viewer that the layer is in.
    told
        Of the redrawings.
    """

    def __init__(self, dims: Dims, told: EventEmitter) -> None:
        self._dims, self._told, self._place = dims, told, _place(dims)
        for name in _PLACE:
            dims.events.emitters[name].connect(self._on_moved, position="last")

    def on_redrawn(self) -> None:
        """Tell of it, unless another place is on show."""
        before, self._place = self._place, _place(self._dims)
        if self._place == before:
            self._told()

    def _on_moved(self, _event: Any) -> None:
        # By now napari has drawn what looks different there; the next redrawing of another layer has another reason.
        self._place = _place(self._dims)


def _place(dims: Dims) -> tuple[object, ...]:
    return tuple(getattr(dims, name) for name in _PLACE)
