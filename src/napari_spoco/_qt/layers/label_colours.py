"""Colours of labels in the image: some have one of their own, all others those that napari gives them.

napari is quick with colours that come again after so many labels, and slow with a table of labels; so here is a longer
round of colours, in which the chosen labels have their places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap
from qtpy.QtGui import QColor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def rgba(colour: str, opacity: float = 1.0) -> tuple[float, ...]:
    """Return (red, green, blue, opacity) up to 1 of a colour such as "#ffffff"."""
    return (*QColor(colour).getRgbF()[:3], opacity)


def keep_apart(
    colours: NDArray[np.floating], own: Sequence[Sequence[float]], *, distance: float
) -> NDArray[np.floating]:
    """Replace colours that are much like others.

    Parameters
    ----------
    colours
        (1 + N, 4), as for `with_own_colours`; the first one stays.
    own
        Colours that no other one may be taken for.
    distance
        In CIE Lab, at least. A colour that is nearer becomes that of a label half a round on, since those of
        neighbouring ids often touch.
    """
    from skimage.color import rgb2lab

    lab, own_lab = (rgb2lab(np.asarray(some, float)[np.newaxis, :, :3])[0] for some in (colours, own))
    nearest = np.linalg.norm(lab[:, np.newaxis] - own_lab, axis=-1).min(axis=1)
    apart = 1 + np.flatnonzero(nearest[1:] >= distance)
    if not len(apart):
        return colours
    rows = np.arange(len(colours))
    near = np.setdiff1d(rows[1:], apart)
    rows[near] = apart[(np.searchsorted(apart, near) + len(apart) // 2) % len(apart)]
    return colours[rows]


def with_own_colours(
    colours: NDArray[np.floating], own: Mapping[int, Sequence[float]], *, n_most: int
) -> CyclicLabelColormap:
    """Make a colormap in which some labels have colours of their own.

    Parameters
    ----------
    colours
        (1 + N, 4), red, green, blue and opacity up to 1; the first is that of 0, the others come again and again.
    own
        Colour by label, as `rgba` makes it.
    n_most
        Colours of the whole round: after so many labels, rounded down to whole rounds of N, own colours come again.
        napari draws up to 254 from one byte a pixel.
    """
    n_rounds = max(1, n_most // (len(colours) - 1))
    table = np.concatenate([colours[:1], np.tile(colours[1:], (n_rounds, 1))]).astype(np.float32)
    for label, colour in own.items():
        table[1 + (label - 1) % (len(table) - 1)] = colour
    return CyclicLabelColormap(colors=table, background_value=0)
