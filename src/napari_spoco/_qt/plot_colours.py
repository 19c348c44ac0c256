"""Plots in the colours of napari's theme."""

from __future__ import annotations

import pyqtgraph as pg


def colour_axes(plot: pg.PlotWidget, *, text: str, background: str) -> None:
    """Draw axes in the theme's text colour, on its background."""
    plot.setBackground(background)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(pg.mkPen(text, width=1))
        axis.setTextPen(pg.mkPen(text))
