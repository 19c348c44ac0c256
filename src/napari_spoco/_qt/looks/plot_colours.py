"""Plots in the colours of napari's theme, and in colours of their own that can be seen on it."""

from __future__ import annotations

import pyqtgraph as pg


def colour_axes(plot: pg.PlotWidget, *, text: str, background: str, right: str | None = None) -> None:
    """Draw axes in the theme's text colour, on its background; the one on the right in another colour, if given."""
    plot.setBackground(background)
    for side, colour in (("left", text), ("bottom", text), ("right", right)):
        if colour is not None:
            axis = plot.getAxis(side)
            axis.setPen(pg.mkPen(colour, width=1))
            axis.setTextPen(pg.mkPen(colour))
