"""Our colours can be read on both themes of napari: contrasts by WCAG 2.1, computed here by their own formula."""

from __future__ import annotations

import re

import numpy as np
import pytest
from napari.utils.theme import get_theme
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QLineEdit

from napari_spoco._qt.looks.theme_colours import contrast, legible, style_sheet
from napari_spoco._qt.notices import Notice
from napari_spoco._qt.train.loss_plot import _TERM_COLOURS
from napari_spoco.training.reports import LossTerms, ScoreReport, StepReport

THEMES = ("dark", "light")
TEXT, GREYED = 4.5, 3.0


def wcag(colour: str | QColor, other: str | QColor) -> float:
    def luminance(one: str | QColor) -> float:
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb(one)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((luminance(colour), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def rgb(colour: str | QColor) -> tuple[float, ...]:
    return QColor(colour).getRgbF()[:3]


def of_theme(name: str, part: str) -> str:
    return getattr(get_theme(name), part).as_hex(format="long")


def test_the_contrast_is_that_of_the_standard() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast("#3aa65a", "#d6d0ce") == pytest.approx(wcag("#3aa65a", "#d6d0ce"))


def test_a_colour_that_can_be_read_stays() -> None:
    assert legible("#ff0000", "#000000") == "#ff0000"
    assert legible("#ff0000", "#00ff00", least=21.0) == "#000000"
    assert contrast(legible("#ffff00", "#ffffff"), "#ffffff") == pytest.approx(TEXT, abs=0.3)


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_of_the_sheet_can_be_read(theme) -> None:
    """Messages on the dock, hints in fields, chosen rows; what is greyed on the dock and in fields."""
    sheet, dock, field = style_sheet(get_theme(theme)), of_theme(theme, "background"), of_theme(theme, "primary")
    for tone in ("good", "bad"):
        assert wcag(re.search(rf'tone="{tone}"\] {{ color: (#\w+)', sheet)[1], dock) >= TEXT
    assert wcag(re.search(r"placeholder-text-color: (#\w+)", sheet)[1], field) >= TEXT
    greyed = re.search(r":disabled { color: (#\w+)", sheet)[1]
    assert min(wcag(greyed, dock), wcag(greyed, field)) >= GREYED
    row, text = re.search(r"item:selected { background-color: (#\w+); color: (#\w+)", sheet).groups()
    assert wcag(row, text) >= TEXT


@pytest.mark.parametrize("theme", THEMES)
def test_the_dock_wears_them(spoco, viewer, theme, qtbot) -> None:
    viewer.theme = theme
    dock, field = of_theme(theme, "background"), of_theme(theme, "primary")
    footer = spoco.footer
    shown = set()
    for tone in ("good", "bad"):
        footer.show_notice(Notice("It is so.", tone))
        shown.add(footer.message.palette().color(QPalette.ColorRole.WindowText).name())
        assert wcag(footer.message.palette().color(QPalette.ColorRole.WindowText), dock) >= TEXT
    assert len(shown) == 2
    footer.show_notice(Notice("It is so."))
    assert footer.message.palette().color(QPalette.ColorRole.WindowText).name() == of_theme(theme, "text")
    footer.show_hint("Go on.", "Beware.")
    assert wcag(footer.warning.palette().color(QPalette.ColorRole.WindowText), dock) >= TEXT
    channels = next(edit for edit in spoco.batch.findChildren(QLineEdit) if edit.placeholderText())
    assert wcag(channels.palette().color(QPalette.ColorRole.PlaceholderText), field) >= TEXT
    assert not spoco.batch.run_button.isEnabled()
    greyed = spoco.batch.run_button.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText)
    assert min(wcag(greyed, dock), wcag(greyed, field)) >= GREYED


@pytest.mark.parametrize("theme", THEMES)
def test_plots_can_be_seen(spoco, viewer, theme) -> None:
    viewer.theme = theme
    dock, plot = of_theme(theme, "background"), spoco.train.plot
    plot.add(StepReport(1, 10, LossTerms(*[1.0] * len(_TERM_COLOURS)), 1e-3, 1.0, 9.0))
    plot.add_score(ScoreReport(1, 0.5, 0.5, 0.5, 2, 0.5, True))
    plot._redraw()
    axis = plot._plot.getAxis("right")
    assert wcag(axis.textPen().color(), dock) >= TEXT
    assert wcag(axis.pen().color(), dock) >= TEXT
    for name, curve in plot._curves.items():
        assert wcag(curve.opts["pen"].color(), dock) >= GREYED, name
    marks = re.findall(r"color:(#\w+)", plot._legend.text())
    assert len(marks) >= 2
    assert min(wcag(mark, dock) for mark in marks) >= GREYED


@pytest.mark.parametrize("theme", THEMES)
def test_a_single_dot_can_be_seen(spoco, viewer, theme) -> None:
    """Dots come before or after the theme, and let the background through."""
    scatter, dock = spoco.embeddings.scatter, of_theme(theme, "background")
    scatter.show_points(np.zeros((2, 2), np.float32), [None, (10, 20, 30, 255)])
    viewer.theme = THEMES[1 - THEMES.index(theme)]
    viewer.theme = theme
    grey, own = (brush.color() for brush in scatter._dots.data["brush"])
    mixed = grey.alphaF() * np.array(rgb(grey)) + (1 - grey.alphaF()) * np.array(rgb(dock))
    assert wcag(QColor.fromRgbF(*mixed), dock) >= GREYED
    assert own.getRgb() == (10, 20, 30, 255)
