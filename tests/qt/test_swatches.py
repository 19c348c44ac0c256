"""Squares of a colour, on screens of any resolution."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QSize
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication

from napari_spoco._qt.forms.swatches import swatch


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_a_swatch_has_the_pixels_of_the_screen(qapp, monkeypatch: pytest.MonkeyPatch, ratio: float) -> None:
    monkeypatch.setattr(QApplication, "devicePixelRatio", lambda _application: ratio)
    icon = swatch("#ff0000")
    (size,) = icon.availableSizes()
    assert size == QSize(12, 12) * ratio
    image = icon.pixmap(QSize(12, 12), ratio).toImage()
    assert (image.width(), image.devicePixelRatio()) == (12 * ratio, ratio)
    colours = [image.pixelColor(x, image.height() // 2).name() for x in range(image.width())]
    edge, n_edge = QColor(128, 128, 128).name(), int(ratio)
    assert colours == [edge] * n_edge + ["#ff0000"] * (len(colours) - 2 * n_edge) + [edge] * n_edge
