"""The curves of a training: the loss thick, its terms thin, the score of left-out objects on an axis of its own.

One step sees a few patches, so its loss jumps: the curves are means over the last steps, the dots are single steps.
Of a long training no more is drawn than can be told apart: means for the curves, the extremes for the dots. All colours
are made to be seen on the theme.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_spoco._qt.forms.parts import sentence
from napari_spoco._qt.looks.plot_colours import colour_axes
from napari_spoco._qt.looks.theme_colours import GREYED_CONTRAST, legible

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.training.reports import ScoreReport, StepReport

_TERM_COLOURS = {
    "pull": "#4c9be8",
    "push": "#e8894c",
    "regularizer": "#9a9a9a",
    "instance": "#4cb86a",
    "unlabeled_push": "#c774d8",
    "consistency": "#c9a227",
    "adversarial": "#d8576f",
    "pixel_classes": "#84a82b",
}
_MEANINGS = {
    "pull": ("objects even", "the pixels of an object are not alike yet; such objects come out in pieces"),
    "push": ("objects apart", "objects are not different yet; neighbours are merged"),
    "regularizer": ("numbers small", "how large the numbers of the embeddings are; of no matter to the objects"),
    "instance": ("outlines", "how far what is found around a painted pixel differs from what was painted there"),
    "unlabeled_push": ("unpainted apart", "what is not painted is still taken for painted objects"),
    "consistency": ("both views agree", "student and teacher find different objects in what is not painted"),
    "adversarial": ("critic", "how well the critic still tells found outlines from painted ones"),
    "pixel_classes": ("inside and outside", "inside, border and outside of painted objects are still confused"),
}
"""What a term of the loss asks for, in the words of the legend, and what it means while it is high."""
_LEGEND_HELP = "<br>".join(
    [
        "Every curve is a kind of mistake: it should fall, then stay low. Dots are single steps, the thick curve is "
        "the sum. In brackets is what settings and log call it.",
        *(f"<b>{title}</b> ({name.replace('_', ' ')}): {meaning}." for name, (title, meaning) in _MEANINGS.items()),
        "<b>score</b>: how well left-out objects are found; it should rise, 1 is perfect.",
    ]
)
_SCORE_COLOUR = "#14a6b8"
_REDRAW_MILLISECONDS = 150
_PATIENCE = 10
"""Times the duration of a redraw, that passes at least before the next one."""
_MOST_POINTS = 2000
"""Of a curve, and of the dots."""
_SMOOTHED_STEPS = 30
"""Steps that a point of a curve is the mean of; fewer where the run is short, more where it stands for more."""


class LossPlot(QWidget):
    """Plots step and score reports; adding one is cheap, drawing happens a few times a second."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._steps = array("q")
        self._values = {name: array("d") for name in ("total", *_TERM_COLOURS)}
        self._scored_steps: list[int] = []
        self._scores: list[float] = []
        self._plot = pg.PlotWidget(self, enableMenu=False)
        self._plot.setFixedHeight(150)
        self._plot.hideButtons()
        self._plot.setMouseEnabled(x=False, y=False)
        item = self._plot.getPlotItem()
        # pyqtgraph leaves its menu without a parent, so that it would outlive the plot.
        item.ctrlMenu.setParent(self, item.ctrlMenu.windowFlags())
        item.setClipToView(True)
        self._curves = {name: self._plot.plot() for name in _TERM_COLOURS}
        self._colours = _TERM_COLOURS | {"score": _SCORE_COLOUR}
        self._dots = self._plot.plot(pen=None, symbol="o", symbolSize=2, symbolPen=None)
        self._curves["total"] = self._plot.plot()
        self._score_box, self._score_curve = _add_score_axis(item)
        self._legend: QLabel = sentence()
        self.setToolTip(_LEGEND_HELP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._plot)
        layout.addWidget(self._legend)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REDRAW_MILLISECONDS)
        self._timer.timeout.connect(self._redraw)
        self.set_colours(text="#d0d0d0", background="#202020")

    @property
    def scores(self) -> dict[int, float]:
        """The score of left-out objects by the step at which it was taken."""
        return dict(zip(self._scored_steps, self._scores, strict=True))

    @property
    def totals(self) -> list[float]:
        """The loss of every step so far."""
        return list(self._values["total"])

    def clear(self) -> None:
        """Begin a new curve."""
        self.go_on_from(0)

    def go_on_from(self, step: int) -> None:
        """Forget what lies at or behind a step, which a resumed training takes anew."""
        n_kept = bisect_left(self._steps, step)
        for values in (self._steps, *self._values.values()):
            del values[n_kept:]
        n_kept = bisect_left(self._scored_steps, step)
        del self._scored_steps[n_kept:], self._scores[n_kept:]
        self._redraw()

    def add(self, report: StepReport) -> None:
        """Add a step."""
        self._steps.append(report.step)
        self._values["total"].append(report.terms.total)
        for name in _TERM_COLOURS:
            self._values[name].append(getattr(report.terms, name))
        self._draw_soon()

    def add_score(self, report: ScoreReport) -> None:
        """Add a score."""
        self._scored_steps.append(report.step)
        self._scores.append(report.score)
        self._draw_soon()

    def set_colours(self, *, text: str, background: str) -> None:
        """Draw axes and the sum in the theme's text colour, on its background, and the others to be seen on it."""
        score = legible(_SCORE_COLOUR, background)
        terms = {name: legible(colour, background, least=GREYED_CONTRAST) for name, colour in _TERM_COLOURS.items()}
        self._colours = terms | {"score": score}
        colour_axes(self._plot, text=text, background=background, right=score)
        for name, colour in terms.items():
            self._curves[name].setPen(pg.mkPen(colour, width=1))
        self._curves["total"].setPen(pg.mkPen(text, width=2))
        self._dots.setSymbolBrush(pg.mkBrush(text))
        self._score_curve.setPen(pg.mkPen(score, width=2))
        self._score_curve.setSymbolBrush(pg.mkBrush(score))
        self._redraw()

    def _draw_soon(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _redraw(self) -> None:
        begin = perf_counter()
        steps, values = np.array(self._steps), {name: np.array(kept) for name, kept in self._values.items()}
        dots, ends = find_extremes(values["total"]), _ends(len(steps))
        self._dots.setData(steps[dots], values["total"][dots])
        used = [name for name, every in values.items() if every.any()]
        for name, curve in self._curves.items():
            curve.setData(steps[ends - 1], smooth(values[name], ends))
            curve.setVisible(name in used)
        # All terms but the critic's are positive.
        self._plot.setLimits(yMin=None if "adversarial" in used else 0)
        self._score_curve.setData(self._scored_steps, self._scores)
        self._plot.showAxis("right", show=bool(self._scores))
        shown = [name for name in used if name != "total"] + ["score"] * bool(self._scores)
        self._legend.setText(_legend({name: self._colours[name] for name in shown}))
        self._timer.setInterval(max(_REDRAW_MILLISECONDS, round(1000 * _PATIENCE * (perf_counter() - begin))))


def _add_score_axis(item: pg.PlotItem) -> tuple[pg.ViewBox, pg.PlotDataItem]:
    """Lay a second view over a plot, with the axis on the right, from 0 to 1, and the same steps."""
    box = pg.ViewBox(enableMenu=False, enableMouse=False)
    item.scene().addItem(box)
    axis = item.getAxis("right")
    axis.linkToView(box)
    box.setXLink(item)
    box.setYRange(0, 1, padding=0.03)
    curve = pg.PlotDataItem(symbol="o", symbolSize=6, symbolPen=None)
    box.addItem(curve)
    item.vb.sigResized.connect(lambda view: box.setGeometry(view.sceneBoundingRect()))
    return box, curve


def _legend(colours: dict[str, str]) -> str:
    """Explain the colours of the terms, and of the score if it has one."""
    terms = {name: colour for name, colour in colours.items() if name != "score"}
    parts = [f"{_mark(colour, '■')}&nbsp;{_MEANINGS[name][0].replace(' ', '&nbsp;')}" for name, colour in terms.items()]
    has_score = "score" in colours
    score = f"<br>{_mark(colours['score'], '●')}&nbsp;score on left-out objects, axis on the right" if has_score else ""
    return "Mistakes per step (loss), less is better: the sum, and&nbsp; " + "&nbsp; ".join(parts) + score


def _mark(colour: str, shape: str) -> str:
    return f'<span style="color:{colour}">{shape}</span>'


def _ends(n_values: int) -> NDArray[np.intp]:
    """Return after how many of the values the points of a curve lie: at like distances, the last one after all."""
    return np.arange(n_values, 0, -_n_per_point(n_values, _MOST_POINTS))[::-1]


def _n_per_point(n_values: int, most: int) -> int:
    return max(1, math.ceil(n_values / most))


def smooth(values: NDArray[np.float64], ends: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean of the last values up to each of the ends, at least of all since the end before.

    Parameters
    ----------
    values
        Of all steps, (N,).
    ends
        How many of the values lie before the end of a mean, (M,); ascending, at like distances.
    """
    n_smoothed = max(_n_per_point(len(values), len(ends) or 1), min(_SMOOTHED_STEPS, 1 + len(values) // 5))
    sums = np.zeros(len(values) + 1)
    np.cumsum(values, out=sums[1:])
    first = np.maximum(ends - n_smoothed, 0)
    return (sums[ends] - sums[first]) / (ends - first)


def find_extremes(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices of the least and the greatest of so many values (N,) each that few are left; all of few."""
    n_per_pair = _n_per_point(len(values), _MOST_POINTS // 2)
    if len(values) <= _MOST_POINTS:
        return np.arange(len(values))
    bins = np.pad(values, (0, -len(values) % n_per_pair), mode="edge").reshape(-1, n_per_pair)
    found = np.concatenate([bins.argmin(axis=1), bins.argmax(axis=1)]) + n_per_pair * np.tile(np.arange(len(bins)), 2)
    return np.unique(np.minimum(found, len(values) - 1))
