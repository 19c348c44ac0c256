"""The mouse over the viewer, while the plugin has asked for it: where it points, and what its button and wheel say.

napari tells the viewer of the mouse first, and the selected layer after it, whatever the viewer made of it. Until the
button is let go that layer therefore moves the image: neither a brush nor another tool in hand takes part in the press.
The wheel zooms as ever; napari has no use for it with Shift.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_spoco._qt.layers.layer_view import pixel_under

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari.viewer
    from napari.layers import Layer

_MILLISECONDS = 15
"""Positions that come faster replace each other."""
_SLACK = 4
"""Pixels of the screen that a hand may tremble during a click."""
_NO_TOOL = "pan_zoom"


class Pointing(QObject):
    """Follows the mouse over one layer from `begin` to `end`.

    `hovered` and `clicked` bring the pixel of the layer, (Z)YX; `left` says that the mouse is outside of it; `turned`
    brings 1 or -1 where the wheel is turned up or down with Shift.
    """

    hovered = Signal(tuple)
    clicked = Signal(tuple)
    left = Signal()
    turned = Signal(int)

    def __init__(self, viewer: napari.viewer.Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Layer | None = None
        self._position: tuple[float, ...] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def is_following(self) -> bool:
        """Whether the mouse is followed."""
        return self._layer is not None

    def begin(self, layer: Layer) -> None:
        """Follow the mouse over a layer."""
        self.end()
        self._layer = layer
        self._viewer.mouse_move_callbacks.append(self._on_mouse_moved)
        self._viewer.mouse_drag_callbacks.append(self._on_mouse_pressed)
        self._viewer.mouse_wheel_callbacks.append(self._on_wheel_turned)

    def end(self) -> None:
        """Follow the mouse no longer."""
        if self._layer is None:
            return
        self._layer = None
        self._timer.stop()
        self._viewer.mouse_move_callbacks.remove(self._on_mouse_moved)
        self._viewer.mouse_drag_callbacks.remove(self._on_mouse_pressed)
        self._viewer.mouse_wheel_callbacks.remove(self._on_wheel_turned)

    def _on_mouse_moved(self, _viewer: Any, event: Any) -> None:
        self._position = tuple(event.position)
        if not self._timer.isActive():
            self._timer.start()

    def _on_mouse_pressed(self, _viewer: Any, event: Any) -> Iterator[None]:
        """Take a click with the left button; where the mouse is dragged, it moves the image."""
        pixel = None if self._layer is None else pixel_under(self._layer, event.position)
        if event.button != 1 or pixel is None:
            return
        x, y = event.pos
        with _tool_laid_by(self._viewer.layers.selection.active):
            yield
            while event.type == "mouse_move":
                yield
        if max(abs(event.pos[0] - x), abs(event.pos[1] - y)) <= _SLACK:
            self.clicked.emit(pixel)

    def _on_wheel_turned(self, _viewer: Any, event: Any) -> None:
        way = sum(event.delta)  # Where Shift turns the wheel by 90 degrees, it is along the other axis.
        if tuple(event.modifiers) == ("Shift",) and way:
            self.turned.emit(1 if way > 0 else -1)

    def _on_timeout(self) -> None:
        if self._layer is None or self._position is None:
            return
        pixel = pixel_under(self._layer, self._position)
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
