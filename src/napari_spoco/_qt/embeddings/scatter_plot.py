"""Pixels by the first two principal components of their embeddings, in the colours of the annotated objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_spoco._qt.forms.parts import sentence
from napari_spoco._qt.looks.plot_colours import colour_axes
from napari_spoco._qt.looks.theme_colours import legible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_HEIGHT = 240
_UNLABELED, _UNLABELED_CONTRAST, _OPACITY = "#808080", 8.0, 0.65
"""Of dots that lie over each other; a single one lets the background through, and still stands off it by 3."""
_ABOUT = (
    "Each dot is a pixel, at the first two principal components of its embedding; in colour where it is annotated. "
    "Objects should be dense, and far from each other."
)


class ScatterPlot(QWidget):
    """Plots pixels."""

    def __init__(self) -> None:
        super().__init__()
        self._plot = pg.PlotWidget(self, enableMenu=False)
        self._plot.setFixedHeight(_HEIGHT)
        self._plot.hideButtons()
        item = self._plot.getPlotItem()
        item.ctrlMenu.setParent(self, item.ctrlMenu.windowFlags())  # pyqtgraph leaves it without a parent
        self._dots = pg.ScatterPlotItem(size=4, pen=None)
        self._unlabeled, self._is_unlabeled = pg.mkBrush(_UNLABELED), np.zeros(0, bool)
        self._plot.addItem(self._dots)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._plot)
        layout.addWidget(sentence(_ABOUT))

    @property
    def n_dots(self) -> int:
        """Number of pixels on show."""
        return len(self._dots.data)

    def show_points(self, points: NDArray[np.float32], colours: Sequence[tuple[int, ...] | None]) -> None:
        """Show pixels (N, 2), each in its colour (red, green, blue, opacity of 255); None = not annotated."""
        brushes = {colour: pg.mkBrush(*colour) for colour in set(colours) if colour is not None}
        self._is_unlabeled = np.array([colour is None for colour in colours], bool)
        self._dots.setData(
            x=points[:, 0], y=points[:, 1], brush=[brushes.get(colour, self._unlabeled) for colour in colours]
        )

    def set_colours(self, *, text: str, background: str) -> None:
        """Draw axes in the theme's text colour, on its background, and the dots to be seen on it."""
        colour_axes(self._plot, text=text, background=background)
        colour = QColor(legible(_UNLABELED, background, least=_UNLABELED_CONTRAST))
        colour.setAlphaF(_OPACITY)
        self._unlabeled = pg.mkBrush(colour)
        brushes = self._dots.data["brush"].copy()
        brushes[self._is_unlabeled] = self._unlabeled
        self._dots.setBrush(brushes)
