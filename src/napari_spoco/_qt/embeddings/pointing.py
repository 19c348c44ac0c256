"""The mouse over the viewer, while the plugin has asked for it: where it points, and what its button and wheel say.

napari tells the viewer of the mouse first, and the selected layer after it, whatever the viewer made of it. Until the
button is let go that layer therefore moves the image: neither a brush nor another tool in hand takes part in the press.
The wheel zooms as ever; napari has no use for it with Shift.

In 3D a place of the canvas is a line through the image, and from the side what lights up would be a line: nothing is
pointed at as long as the view shows anything but a plane of Y and X, and a click is lost on the tool in hand, too.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_spoco._qt.layers.image_axes import spatial_axes
from napari_spoco._qt.layers.layer_view import displayed_axes, pixel_under

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari.viewer
    from napari.layers import Layer

_MILLISECONDS = 15
"""Positions that come faster replace each other."""
_SLACK = 4
"""Pixels of the screen that a hand may tremble during a click."""
_NO_TOOL = "pan_zoom"
_IN_3D = "The mouse points at pixels of a plane: switch the view to 2D, with the cube below the layer list."
_FROM_THE_SIDE = (
    "The mouse points at pixels of a plane of Y and X: roll the axes back, with the button beside the cube below the "
    "layer list."
)


class Pointing(QObject):
    """Follows the mouse over one layer from `begin` to `end`.

    `hovered` and `clicked` bring the pixel of the layer, (Z)YX; `left` says that the mouse is outside of it; `turned`
    brings 1 or -1 where the wheel is turned up or down with Shift. Where the view shows no plane of the layer, Y by X,
    they wait, and `hindrance` says why.
    """

    hovered = Signal(tuple)
    clicked = Signal(tuple)
    left = Signal()
    turned = Signal(int)
    hindrance_changed = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Layer | None = None
        self._told = ""  # the hindrance
        self._position: tuple[float, ...] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def is_following(self) -> bool:
        """Whether the mouse is followed."""
        return self._layer is not None

    @property
    def hindrance(self) -> str:
        """Why nothing can be pointed at in the view, in a sentence; empty where it can, or is not to be."""
        if self._layer is None:
            return ""
        if self._viewer.dims.ndisplay != 2:
            return _IN_3D
        ndim = len(spatial_axes(self._layer))
        displayed, _ = displayed_axes(self._viewer, self._layer)
        return "" if set(displayed) == {ndim - 2, ndim - 1} else _FROM_THE_SIDE

    def begin(self, layer: Layer) -> None:
        """Follow the mouse over a layer."""
        self.end()
        self._layer = layer
        for event in self._views():
            event.connect(self._on_view_changed)
        self._viewer.mouse_move_callbacks.append(self._on_mouse_moved)
        self._viewer.mouse_drag_callbacks.append(self._on_mouse_pressed)
        self._viewer.mouse_wheel_callbacks.append(self._on_wheel_turned)
        self._tell_hindrance()

    def end(self) -> None:
        """Follow the mouse no longer."""
        if self._layer is None:
            return
        self._layer = None
        self._timer.stop()
        for event in self._views():
            event.disconnect(self._on_view_changed)
        self._viewer.mouse_move_callbacks.remove(self._on_mouse_moved)
        self._viewer.mouse_drag_callbacks.remove(self._on_mouse_pressed)
        self._viewer.mouse_wheel_callbacks.remove(self._on_wheel_turned)
        self._tell_hindrance()

    def _views(self) -> tuple[Any, ...]:
        events = self._viewer.dims.events
        return events.ndisplay, events.order

    def _on_view_changed(self, _event: Any = None) -> None:
        if isalive(self):
            if self.hindrance:
                self.left.emit()
            self._tell_hindrance()

    def _tell_hindrance(self) -> None:
        if self.hindrance != self._told:
            self._told = self.hindrance
            self.hindrance_changed.emit()

    def _on_mouse_moved(self, _viewer: Any, event: Any) -> None:
        self._position = tuple(event.position)
        if not self._timer.isActive():
            self._timer.start()

    def _on_mouse_pressed(self, _viewer: Any, event: Any) -> Iterator[None]:
        """Take a click with the left button; where the mouse is dragged, it moves the image."""
        hindrance, layer = self.hindrance, self._layer
        pixel = None if layer is None or hindrance else pixel_under(layer, event.position)
        if event.button != 1 or (pixel is None and not hindrance):
            return
        x, y = event.pos
        with _tool_laid_by(self._viewer.layers.selection.active):
            yield
            while event.type == "mouse_move":
                yield
        if pixel is not None and max(abs(event.pos[0] - x), abs(event.pos[1] - y)) <= _SLACK:
            self.clicked.emit(pixel)

    def _on_wheel_turned(self, _viewer: Any, event: Any) -> None:
        way = sum(event.delta)  # Where Shift turns the wheel by 90 degrees, it is along the other axis.
        if tuple(event.modifiers) == ("Shift",) and way:
            self.turned.emit(1 if way > 0 else -1)

    def _on_timeout(self) -> None:
        if self._layer is None or self._position is None:
            return
        pixel = None if self.hindrance else pixel_under(self._layer, self._position)
        if pixel is None:
            self.left.emit()
        else:
            self.hovered.emit(pixel)


@contextmanager
def _tool_laid_by(layer: Layer | None) -> Iterator[None]:
    """Let the mouse move the image, where a layer has a tool in hand, and give it back."""
    tool = _NO_TOOL if layer is None else str(layer.mode)
    if layer is None or tool == _NO_TOOL:
        yield
        return
    layer.mode = _NO_TOOL
    try:
        yield
    finally:
        layer.mode = tool
