"""Colours of our own that can be read on every theme of napari: this module alone knows what sets them off.

A colour is given as a hue; where it stands too little off its background, it is made darker on a light one and lighter
on a dark one. Labels say by `parts.show_tone` how a sentence is meant, and the sheet of the dock has the colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtGui import QColor

if TYPE_CHECKING:
    from napari.utils.theme import Theme

TEXT_CONTRAST = 4.5
"""Least contrast of text that is to be read (WCAG 2.1, 1.4.3)."""
GREYED_CONTRAST = 3.0
"""Least contrast of what cannot be used now, and of the curves and dots of plots (WCAG 2.1, 1.4.11)."""
GOOD, BAD = "#3aa65a", "#e8604c"
_GREY = "#808080"
_SHEET = """
*[tone="good"] {{ color: {good}; }}
*[tone="bad"] {{ color: {bad}; }}
*[refused="true"] {{ border: 2px solid {bad}; border-radius: 2px; }}
QWidget:disabled {{ color: {greyed}; }}
QLineEdit {{ placeholder-text-color: {hint}; }}
QAbstractItemView {{ selection-background-color: {selected}; selection-color: {selected_text}; }}
QAbstractItemView::item:selected {{ background-color: {selected}; color: {selected_text}; }}
"""


def contrast(colour: str, other: str) -> float:
    """Return how far two colours such as "#ffffff" stand off each other, from 1 to 21 (WCAG 2.1)."""
    darker, lighter = sorted((_luminance(colour), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def legible(colour: str, *backgrounds: str, least: float = TEXT_CONTRAST) -> str:
    """Return the colour most like one that has at least this contrast to all backgrounds; black or white at worst."""
    is_light = np.mean([_luminance(background) for background in backgrounds]) > _luminance(_GREY)
    end = np.zeros(3) if is_light else np.full(3, 255.0)
    for share in np.linspace(0, 1, 101):
        mixed = _hex((1 - share) * _rgb(colour) + share * end)
        if min(contrast(mixed, background) for background in backgrounds) >= least:
            break
    return mixed


def style_sheet(theme: Theme) -> str:
    """Return the sheet of the dock: messages, refused fields, hints in fields, what is greyed, and chosen rows."""
    dock, field, selected = (
        colour.as_hex(format="long") for colour in (theme.background, theme.primary, theme.current)
    )
    return _SHEET.format(
        good=legible(GOOD, dock),
        bad=legible(BAD, dock),
        greyed=legible(_GREY, dock, field, least=GREYED_CONTRAST),
        hint=legible(_GREY, field),
        selected=selected,
        selected_text=legible(theme.text.as_hex(format="long"), selected),
    )


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour, from 0 to 1 (WCAG 2.1)."""
    share = _rgb(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _rgb(colour: str) -> np.ndarray:
    return np.array(QColor(colour).getRgb()[:3], float)


def _hex(rgb: np.ndarray) -> str:
    return QColor(*(round(part) for part in rgb)).name()
