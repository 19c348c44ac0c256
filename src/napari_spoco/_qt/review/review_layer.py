"""The Labels layer under review, in its viewer: what is shown of it, and its keys, clicks and strokes.

Knows nothing of queues and corrections. Everything here is on the event loop.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.keys import LayerKeys
from napari_spoco._qt.layers.layer_view import keep_in_view
from napari_spoco._qt.layers.layers import MAKER, PASSING, identity, insert_above, mark, take_away, transforms
from napari_spoco._qt.review.colouring import Colouring
from napari_spoco._qt.review.object_lock import ObjectLock
from napari_spoco._qt.review.review_scene import ReviewScene

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import napari.viewer
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_spoco._qt.keys import KeyChoice
    from napari_spoco.data.label_change import Box
    from napari_spoco.review.measures import ObjectMeasures

_SLACK = 4
"""Pixels of the screen that a hand may tremble during a click."""
_INK = 6
"""Pixels of the screen, width of a stroke."""
_COLOURS = ("#ff3b30", "#34c7ff")
"""Of the two strokes."""


class ReviewedLayer(QObject):
    """Follows a layer from its making to `end`.

    `wished` brings the name of the action whose key was pressed; `clicked` the id under a click, and whether Shift was
    held; `stroked` two arrays of pixels (N, ndim); `gone` says that the layer, or its array, is there no longer.

    Attributes
    ----------
    pixels : ndarray
        (*spatial), the array that the layer shows.
    is_painted : bool
        Whether the user has painted since this was last set to false.
    lock : ObjectLock
        Keeps the user from painting what is accepted.

    Raises
    ------
    ValueError
        The layer holds other than one array in memory with 2 or 3 axes.
    """

    wished = Signal(str)
    clicked = Signal(int, bool)
    stroked = Signal(object)
    gone = Signal()

    def __init__(
        self, viewer: napari.viewer.Viewer, layer: Labels, keys: KeyChoice, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        if layer.multiscale or not isinstance(layer.data, np.ndarray) or layer.ndim not in (2, 3):
            raise ValueError(f"objects: expected one array in memory with 2 or 3 axes in the layer “{layer.name}”.")
        self._viewer, self.layer = viewer, layer
        self.pixels: NDArray[Any] = layer.data
        self.is_painted = False
        self._ink: Points | None = None
        self._strokes: list[NDArray[np.intp]] = []
        self._is_gone = False
        self._scene = ReviewScene(viewer, layer)
        self._colouring = Colouring(layer, parent=self)
        self.lock = ObjectLock(layer, parent=self)
        self.lock.painted.connect(self._on_painted)
        viewer.layers.events.removed.connect(self._on_layers_changed)
        layer.events.data.connect(self._on_layers_changed)
        layer.mouse_drag_callbacks.append(self._on_mouse_pressed)
        self._keys = LayerKeys(layer, keys, parent=self)
        self._keys.pressed.connect(self.wished)
        viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"

    @property
    def is_drawing(self) -> bool:
        """Whether strokes are awaited."""
        return self._ink is not None

    def end(self) -> None:
        """Let go of the layer."""
        self._viewer.layers.events.removed.disconnect(self._on_layers_changed)
        self.layer.events.data.disconnect(self._on_layers_changed)
        self.lock.end()
        self.end_drawing()
        self._scene.end(is_removal=self._is_gone)
        self._colouring.end()
        self.layer.mouse_drag_callbacks.remove(self._on_mouse_pressed)
        self._keys.end()

    def jump_to(self, measures: ObjectMeasures) -> None:
        """Bring an object into view as far as it is not there (`keep_in_view`), and make its id the brush's."""
        self.select(measures.instance_id)
        keep_in_view(self._viewer, self.layer, measures.box, measures.anchor)

    def mark(self, boxes: Mapping[int, Box]) -> None:
        """Outline the objects of these ids, each of which lies in its box."""
        self._scene.mark(boxes)

    def tell_apart(self, boxes: Mapping[int, Box]) -> None:
        """Colour objects that have changed unlike those next to them; each lies in its box."""
        self._colouring.follow(boxes)

    def show_change(self) -> None:
        """Show what the array holds now, and tell whoever follows the layer that it has changed."""
        self.layer.refresh()
        self._scene.refresh()
        self.layer.events.data(value=self.pixels)

    def select(self, instance_id: int) -> None:
        """Make an id the brush's."""
        self.layer.selected_label = instance_id

    def begin_drawing(self) -> None:
        """Await two strokes.

        Raises
        ------
        ValueError
            The view is in 3D.
        """
        if self._viewer.dims.ndisplay != 2:
            raise ValueError("Strokes are drawn in a plane: switch the view to 2D first.")
        layer = self.layer
        size = _INK / self._viewer.scene.camera.zoom / float(layer.scale[-1])
        self._ink = Points(
            ndim=layer.ndim,
            name=f"{layer.name} strokes",
            size=size,
            border_width=0,
            metadata={MAKER: identity(layer)},
            **transforms(layer),
        )
        mark(self._ink, PASSING, True)
        insert_above(self._viewer, layer, self._ink)
        self._viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        layer.mouse_pan = False

    def end_drawing(self) -> None:
        """Take the strokes away."""
        ink, self._ink = self._ink, None
        self._strokes.clear()
        if ink is None:
            return
        self.layer.mouse_pan = self.layer.mode == "pan_zoom"
        take_away(self._viewer, ink, is_removal=self._is_gone)

    def _on_mouse_pressed(self, layer: Labels, event: Any) -> Iterator[None]:
        """Take a click, or a stroke; in any other mode than pan and zoom the layer has them for itself."""
        if event.button != 1 or layer.mode != "pan_zoom":
            return
        x, y = event.pos
        path = [self._pixel(event.position)]
        yield
        while event.type == "mouse_move":
            path.append(self._pixel(event.position))
            self._show_stroke(path)
            yield
        if self.is_drawing:
            self._finish_stroke(path)
        elif max(abs(event.pos[0] - x), abs(event.pos[1] - y)) <= _SLACK:
            value = layer.get_value(
                event.position, view_direction=event.view_direction, dims_displayed=event.dims_displayed, world=True
            )
            if value:
                self.clicked.emit(int(value), "Shift" in event.modifiers)

    def _pixel(self, position: Sequence[float]) -> NDArray[np.intp]:
        return np.rint(self.layer.world_to_data(position)).astype(np.intp)

    def _show_stroke(self, path: list[NDArray[np.intp]]) -> None:
        if self._ink is not None:
            self._ink.current_face_color = _COLOURS[len(self._strokes)]
            self._ink.add(_pixels_along(path[-2:]))

    def _finish_stroke(self, path: list[NDArray[np.intp]]) -> None:
        pixels = _pixels_along(path)
        self._show_stroke(path)
        self._strokes.append(pixels[((pixels >= 0) & (pixels < self.pixels.shape)).all(axis=1)])
        if len(self._strokes) == len(_COLOURS):
            strokes = tuple(self._strokes)
            self.end_drawing()
            self.stroked.emit(strokes)

    def _on_painted(self) -> None:
        self.is_painted = True

    def _on_layers_changed(self, _event: Any = None) -> None:
        if self.layer not in self._viewer.layers or self.layer.data is not self.pixels:
            self._is_gone = True
            self.gone.emit()


def _pixels_along(path: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Return the pixels (N, ndim) on the way from each pixel to the next."""
    from skimage.draw import line_nd

    ways = [np.stack(line_nd(start, stop, endpoint=True), axis=1) for start, stop in pairwise([path[0], *path])]
    return np.unique(np.concatenate(ways), axis=0)
