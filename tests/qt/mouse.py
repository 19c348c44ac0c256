"""The mouse over the canvas, by the events of Qt: napari makes its own of them, as it does for a person."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

_LEFT, _NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
_N_MOVES = 4
"""Between two places: a hand does not jump."""


def canvas() -> QWidget:
    """Return the canvas of the viewer that is open."""
    return next(widget for widget in QApplication.allWidgets() if type(widget).__name__.startswith("CanvasBackend"))


def place_of(viewer: object, layer: Layer, pixel: Sequence[float]) -> QPoint:
    """Return where a pixel of a layer lies on the canvas."""
    camera, size = viewer.scene.camera, np.array([canvas().height(), canvas().width()])
    world = np.array(layer.data_to_world(pixel))[-2:] - np.array(camera.center)[-2:]
    y, x = np.rint(world * camera.zoom + size / 2).astype(int).tolist()
    return QPoint(x, y)


def point_at(viewer: object, layer: Layer, pixel: Sequence[float]) -> None:
    """Move the mouse to a pixel of a layer."""
    QTest.mouseMove(canvas(), place_of(viewer, layer, pixel))
    QApplication.processEvents()


def click_at(viewer: object, layer: Layer, pixel: Sequence[float]) -> None:
    """Click at a pixel of a layer."""
    QTest.mouseClick(canvas(), _LEFT, _NO_KEY, place_of(viewer, layer, pixel))


def drag(viewer: object, layer: Layer, *pixels: Sequence[float]) -> None:
    """Press at the first pixel of a layer, move through the others, and let go at the last one."""
    places = [place_of(viewer, layer, pixel) for pixel in pixels]
    QTest.mouseMove(canvas(), places[0])
    QTest.mousePress(canvas(), _LEFT, _NO_KEY, places[0])
    for start, end in pairwise(places):
        for part in range(1, _N_MOVES + 1):
            QTest.mouseMove(canvas(), start + (end - start) * part / _N_MOVES)
            QApplication.processEvents()
    QTest.mouseRelease(canvas(), _LEFT, _NO_KEY, places[-1])
