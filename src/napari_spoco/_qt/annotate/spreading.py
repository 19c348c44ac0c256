"""In which other image the next object is worth most: one that could be trained on with this one, and has none yet.

Annotations that were not counted, as those of a project that was just opened, are taken to hold one object.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_spoco._qt.annotate.annotation_status import Elsewhere
from napari_spoco._qt.annotate.image_layers import WHOLE, are_overlaid
from napari_spoco._qt.layers import layers
from napari_spoco._qt.layers.image_axes import is_readable, n_channels

if TYPE_CHECKING:
    from collections.abc import Mapping

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.annotate.annotated_images import AnnotatedImages

_ENOUGH_IMAGES = 16
"""With an object each; more were not tried (docs/benchmarks.md)."""


class Spreading(QObject):
    """Tells the tab, whenever something was counted, and images or annotations come, go or are chosen."""

    def __init__(
        self, viewer: napari.viewer.Viewer, tab: AnnotateTab, images: AnnotatedImages, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._tab, self._images = viewer, tab, images
        self._n_objects: dict[str, int] = {}  # by the identity of annotations
        images.changed.connect(self._show)
        tab.counted.connect(self._on_counted)

    def _on_counted(self) -> None:
        here = self._tab.annotations.layer()
        if here is not None and not self._tab.counting.uncounted:
            self._n_objects[layers.identity(here)] = self._tab.summary.n_objects
        self._show()

    def _show(self) -> None:
        image = self._tab.image.layer()
        self._tab.show_elsewhere(Elsewhere() if image is None else self._look(image))

    def _look(self, image: Layer) -> Elsewhere:
        if WHOLE in image.metadata or not is_readable(image):
            return Elsewhere()
        painted: dict[Layer, int] = {}
        for pair in self._images.every():
            n = self._n_objects.get(layers.identity(pair.annotations), 1)
            painted[pair.image] = painted.get(pair.image, 0) + n
        joined = (n for other, n in painted.items() if n and self._may_join(other, image))
        counts = list(islice(joined, _ENOUGH_IMAGES - 1))  # More would change nothing, and take their time.
        is_enough = len(counts) + 1 >= _ENOUGH_IMAGES
        return Elsewhere(sum(counts), "" if is_enough else self._find_next(image, painted))

    def _find_next(self, image: Layer, painted: Mapping[Layer, int]) -> str:
        images = reversed(layers.image_layers(self._viewer))  # The lowest was opened first.
        free = (other for other in images if not painted.get(other) and self._may_join(other, image))
        return next((other.name for other in free), "")

    def _may_join(self, other: Layer, image: Layer) -> bool:
        """Say whether another image could be trained on with this one, and is no part or channel of one."""
        return (
            other is not image
            and WHOLE not in other.metadata
            and is_readable(other)
            and len(layers.spatial_shape(other)) == len(layers.spatial_shape(image))
            and n_channels(other) == n_channels(image)
            and not are_overlaid(self._viewer, image, other)
        )
