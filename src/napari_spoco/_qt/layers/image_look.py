"""Whether an image is bright as a whole, as those of an electron microscope are: no shipped model knows such images.

Shipped models have learned from fluorescence, where most pixels are dark: the median of such images lies at 0 to .12 of
the way from their dark to their bright percentile, that of electron micrographs of a nerve cord at .55 to .58.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.jobs.worker import SideJob
from napari_spoco._qt.layers.image_axes import axes_of, pixels_of, spatial_axes

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Layer

    from napari_spoco._qt.forms.layer_choice import LayerChoice
    from napari_spoco._qt.jobs.worker import JobContext

_LOOK = "napari-spoco median"
"""Key of an image's metadata; the value is what `find_median` returns."""
_BRIGHT = 0.35
_PERCENTILES = (1.0, 50.0, 99.8)
_MOST_PIXELS = 256
"""Per axis of the plane that is looked at."""


class ImageLook(QObject):
    """Looks at the chosen image, in a thread, once; `changed` says that it is known how it looks."""

    changed = Signal()

    def __init__(self, choice: LayerChoice, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._choice = choice
        self._asked: Any = None
        self._job = SideJob(self)
        self._job.returned.connect(self._on_found)
        choice.chosen.connect(self._look)
        self._look()

    def _look(self) -> None:
        image = self._choice.layer() if isalive(self._choice) else None
        if image is not None and _LOOK not in image.metadata and not self._job.is_running:
            self._asked = ref(image)
            self._job.start(run_look, pixels_of(image), 3 if image.rgb else 2)

    def _on_found(self, median: float) -> None:
        if (image := self._asked()) is not None:
            image.metadata[_LOOK] = median
            self.changed.emit()
        self._look()  # Another image may have been chosen meanwhile.


def is_bright(image: Layer | None) -> bool:
    """Say whether most of a 2D image is bright; not as long as nobody has looked, nor of stacks: none was measured."""
    if image is None or not axes_of(image) or len(spatial_axes(image)) != 2:
        return False
    return float(image.metadata.get(_LOOK, 0.0)) > _BRIGHT


def run_look(_job: JobContext, pixels: Any, n_plane: int) -> Generator[None, None, float]:
    """Return the median of a plane in the middle, see `find_median`; its pixels have the last `n_plane` axes."""
    yield
    middle = tuple(size // 2 for size in pixels.shape[:-n_plane])
    steps = (slice(None, None, max(1, size // _MOST_PIXELS)) for size in pixels.shape[-n_plane:][:2])
    return find_median(np.asarray(pixels[(*middle, *steps)]))


def find_median(pixels: np.ndarray) -> float:
    """Return where the median lies, from 0 at the dark to 1 at the bright percentile; 0 without contrast."""
    known = pixels[np.isfinite(pixels)]
    if known.size == 0:
        return 0.0
    dark, median, bright = np.percentile(known.astype(np.float64), _PERCENTILES)
    return float((median - dark) / (bright - dark)) if bright > dark else 0.0
