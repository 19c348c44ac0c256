"""The brush: with which id it paints, and how wide it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spoco._qt.annotate import annotation_layer
from napari_spoco._qt.annotate.annotation_status import BACKGROUND_BRUSH
from napari_spoco.data.free_ids import next_object_id

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Labels

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.annotate.stroke_labels import Stroke, StrokeLabels


class Brush:
    """Takes the brush of a layer of annotations; that for strokes is narrow, and that for objects comes back as it was.

    Parameters
    ----------
    viewer
        Whose layers.
    tab
        Counts what is painted.
    strokes
        Say which ids are strokes.
    """

    def __init__(self, viewer: napari.viewer.Viewer, tab: AnnotateTab, strokes: StrokeLabels) -> None:
        self._viewer, self._tab, self._strokes = viewer, tab, strokes
        self._layer: Labels | None = None
        self._size: int | None = None  # for objects, while the brush for strokes is in use

    def follow(self, layer: Labels | None) -> None:
        """Be the brush of this layer."""
        self._layer, self._size = layer, None

    def begin_object(self) -> None:
        """Take the brush with the next free id; raises ValueError where none is left."""
        limit = annotation_layer.greatest_id(self._layer)
        self.take(next_object_id(self._ids(), self._strokes.reserved, limit=limit))

    def take_for_strokes(self, stroke: Stroke) -> None:
        """Take the brush for strokes; choose a free id for them first where none is set, ValueError if none is left."""
        limit = annotation_layer.greatest_id(self._layer)
        self.take(self._strokes.pick(self._layer, stroke, self._ids(), limit=limit))

    def take(self, label: int) -> None:
        """Take the brush with an id."""
        layer, is_stroke = self._layer, label in self._strokes.reserved
        size = None
        if is_stroke and self._size is None:
            self._size, size = layer.brush_size, BACKGROUND_BRUSH
        elif not is_stroke and self._size is not None:
            self._size, size = None, self._size
        annotation_layer.take_brush(self._viewer, layer, label, size=size)

    def _ids(self) -> list[int]:
        """Return the ids of objects, and those that may be in use since these were counted, such as the brush's."""
        ids, counting = self._tab.summary.objects.ids, self._tab.counting
        label = int(self._layer.selected_label)
        is_object = label not in self._strokes.reserved
        recent = [counting.greatest_id, *([label] if is_object else [])] if counting.is_pending else []
        taken = annotation_layer.taken_box(self._layer)
        outside = [] if taken is None else [taken.box.greatest_id]
        return [*ids[ids > 0].tolist(), *outside, *recent]
