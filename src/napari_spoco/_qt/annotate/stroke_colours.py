"""The colours in which strokes are painted, which are not those of any object near them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap

from napari_spoco._qt.layers.label_colours import keep_apart, rgba, with_own_colours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Labels

    from napari_spoco._qt.annotate.stroke_labels import Stroke

COLOURS: dict[Stroke, str] = {"background_label": "#ffffff", "ignore_label": "#ff00ff"}
STROKE_ACTIONS: dict[str, Stroke] = {"paint_background": "background_label", "paint_ignore": "ignore_label"}
"""By the names of the actions that paint with them."""
_DISTANCE = 35
"""In Lab, between strokes and objects; less than 10 is hard to tell."""
_N_COLOURS = 254
"""More would take napari two bytes a pixel."""


class StrokeColours:
    """Gives layers these colours; those of the other labels stay what they were, unless they are much like these.

    A label that is 245 above that of a stroke, or a multiple of it, has the colour of the stroke.
    """

    # Whoever gives a layer these colours: what it had before is known to all.
    _theirs: ClassVar[WeakKeyDictionary[Labels, np.ndarray]] = WeakKeyDictionary()
    _ours: ClassVar[WeakKeyDictionary[Labels, CyclicLabelColormap]] = WeakKeyDictionary()

    def show(self, layer: Labels, labels: Mapping[Stroke, int | None]) -> None:
        """Show labels of a layer in the colours of strokes.

        Nothing is done where its pixels are not in memory, so that drawing them anew may take long, and where each
        label has a colour that the user has chosen.
        """
        shown = layer.colormap
        is_quick = isinstance(layer.data, np.ndarray) and not layer.multiscale
        if not is_quick or not isinstance(shown, CyclicLabelColormap):
            return
        if shown is not self._ours.get(layer):
            self._theirs[layer] = np.array(shown.colors)
        strokes = {stroke: rgba(colour) for stroke, colour in COLOURS.items()}
        colours = keep_apart(self._theirs[layer], list(strokes.values()), distance=_DISTANCE)
        own = {label: strokes[stroke] for stroke, label in labels.items() if label is not None and label > 0}
        new = with_own_colours(colours, own, n_most=_N_COLOURS)
        if not np.array_equal(new.colors, shown.colors):
            new.use_selection, new.selection = shown.use_selection, shown.selection
            self._ours[layer] = new  # First, since the layer tells of its new colours.
            layer.colormap = new
