"""One time point of a series, as an image of its own: what is annotated, trained on and segmented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.layers import layers
from napari_spoco._qt.layers.image_axes import at_index, pixels_of, series_axes, set_axes
from napari_spoco._qt.notices import Notice

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab


class TimePoints(QObject):
    """Offers, in the image's form, to take the time point on show of a series."""

    noticed = Signal(object)  # Notice

    def __init__(self, viewer: napari.viewer.Viewer, tab: AnnotateTab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._tab = viewer, tab
        tab.image_form.time_point_requested.connect(self.take)

    def take(self) -> None:
        """Open the time point that is on show as an image; the series is put by."""
        series = self._tab.image.layer()
        axis = -1 if series is None else series_axes(series).find("T")
        if series is None or axis < 0:
            return
        last = pixels_of(series).shape[axis] - 1
        here = float(series.world_to_data(self._viewer.dims.point)[axis])
        image = time_point(series, axis, int(np.clip(np.rint(here), 0, last)))
        series.visible = False
        self._viewer.add_layer(image)
        self._tab.image.choose(image)
        text = f"“{image.name}” is an image of its own. For another time point choose “{series.name}” again."
        self.noticed.emit(Notice(text, "good"))


def time_point(series: Layer, axis: int, index: int) -> Image:
    """Return one time point of a series, in its place; nothing is copied."""
    axes = [other for other in range(series.ndim) if other != axis]
    levels = at_index(series, axis, index)
    image = Image(
        levels if series.multiscale else levels[0],
        multiscale=series.multiscale,
        rgb=False,
        name=f"{series.name} t{index}",
        colormap=series.colormap,
        contrast_limits=series.contrast_limits,  # Otherwise napari reads pixels to find out.
        **layers.transforms(series, axes=axes),
    )
    set_axes(image, series_axes(series).replace("T", ""))
    return image
