"""The mistakes of a comparison in the image: one layer, a colour for each kind, the chosen one stands out.

The layer comes and goes at the user's will: nothing here trusts that it is still in the viewer.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_spoco._qt.layers.label_colours import rgba, with_own_colours
from napari_spoco._qt.layers.layers import MAKER, PASSING, identity, insert_above, mark, take_away, transforms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import napari.viewer
    from napari.layers import Layer
    from napari.utils.colormaps import CyclicLabelColormap

    from napari_spoco._qt.segment.comparison_job import Comparison
    from napari_spoco.segmentation.mistakes import Kind

COLOURS: dict[Kind, str] = {"missed": "#e6550d", "merged": "#56b4e9", "split": "#f0e442", "extra": "#7b3fe4"}
"""Told apart by colour-blind eyes as well, on dark and light."""
_HAZE, _CHOSEN = 0.45, 0.9
"""Opacities; the image shines through."""
_N_COLOURS = 2**16 - 1
"""As many as there are values of 16 bits, which napari draws as they are."""


class MistakeLayer:
    """Shows the mistakes of one comparison at a time.

    Parameters
    ----------
    viewer
        Whose layers.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._layer: Callable[[], Layer | None] = lambda: None
        self._comparison: Comparison | None = None

    @property
    def layer(self) -> Layer | None:
        """The layer; None where there is none, or the user has removed it."""
        layer = self._layer()
        return layer if layer is not None and layer in self._viewer.layers else None

    def show(self, compared: Sequence[Layer], comparison: Comparison) -> None:
        """Add the mistakes, if there are any, above the layers that were compared: objects and truth."""
        self.drop()
        if not comparison.lines:
            return
        objects = compared[0]
        layer = Labels(
            comparison.marks,
            name=f"{objects.name} {'mistakes' if comparison.is_truth else 'differences'}",
            colormap=_colormap({}),
            opacity=1.0,
            features=_table(comparison),
            metadata={MAKER: identity(objects)},
            **transforms(objects),
        )
        mark(layer, PASSING, True)
        insert_above(self._viewer, max(compared, key=self._viewer.layers.index), layer)
        self._layer, self._comparison = weakref.ref(layer), comparison

    def choose(self, row: int) -> None:
        """Let a row of the comparison stand out, and be the label that the layer's own "show selected" shows."""
        from napari_spoco.segmentation.mistake_marks import mark_of

        layer = self.layer
        if layer is not None and self._comparison is not None:
            mistakes = self._comparison.mistakes
            mark = mark_of(mistakes, row)
            layer.visible = True
            layer.colormap = _colormap({mark: rgba(COLOURS[mistakes.rows[row].kind], _CHOSEN)})
            layer.selected_label = mark

    def drop(self, *, is_removal: bool = False) -> None:
        """Take the layer away; `is_removal` as for `take_away`."""
        if (layer := self.layer) is not None:
            take_away(self._viewer, layer, is_removal=is_removal)
        self._layer, self._comparison = (lambda: None), None


def _colormap(own: dict[int, tuple[float, ...]]) -> CyclicLabelColormap:
    """Return the colours of the kinds, hazy, but for some marks that have their own."""
    from napari_spoco.segmentation.mistake_marks import KINDS

    colours = np.array([rgba("#000000", 0.0), *(rgba(COLOURS[kind], _HAZE) for kind in KINDS)])
    return with_own_colours(colours, own, n_most=_N_COLOURS)


def _table(comparison: Comparison) -> dict[str, list[Any]]:
    """Return what the status bar says of the pixel under the pointer."""
    from napari_spoco.segmentation.mistake_marks import mark_of

    marks = [mark_of(comparison.mistakes, row) for row in range(len(comparison.lines))]
    return {"index": marks, "mistake": list(comparison.lines)}
