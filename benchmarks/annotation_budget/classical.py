"""Without any learning: thresholds and watersheds, over a grid of settings."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.annotation_budget.contestants import Fitted, Readout, Setting
from bioimage_cpp.segmentation import watershed
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import h_minima

from napari_spoco.segmentation.classical import bright_foreground
from napari_spoco.segmentation.foreground import split_foreground

if TYPE_CHECKING:
    from benchmarks.annotation_budget.contestants import Task
    from numpy.typing import NDArray


def fit(task: Task) -> Fitted:
    """Learn nothing; the choice among the settings is all there is."""
    tissue = {"h-minima or distance watershed": _tissue_settings()}
    readouts = tissue if task.is_tissue else _object_readouts(task.images[0].ndim)
    return Fitted(
        [None] * len(task.images), lambda _: None, {name: Readout(settings) for name, settings in readouts.items()}
    )


def _object_readouts(ndim: int) -> dict[str, list[Setting]]:
    local = [
        Setting(f"smoothing {s}, neighbourhood {n}, distance {d}", partial(_local, s, n, d))
        for s, n, d in product((1.0, 2.0), (8.0, 12.0, 16.0), (4, 6))
    ]
    dark = [
        Setting(f"smoothing {s}, closing {c}, darkest {q}, size {m}", partial(_dark, s, c, q, m))
        for s, c, q, m in product((2.0, 3.5), (15, 21, 27), (0.08, 0.12, 0.16), (300, 600))
    ]
    readouts = {"local threshold, distance transform": local}
    return readouts | ({"darkest blobs": dark} if ndim == 2 else {})


def _local(smoothing: float, neighbourhood: float, min_distance: int, image: NDArray[Any], _: None) -> NDArray[Any]:
    mask = bright_foreground(image, threshold="local", smoothing=smoothing, neighbourhood=neighbourhood)
    return split_foreground(mask, min_distance=min_distance, min_size=20)


def _dark(smoothing: float, closing: int, share: float, min_size: int, image: NDArray[Any], _: None) -> NDArray[Any]:
    """Take the darkest pixels once dark lines thinner than `closing` pixels, such as membranes, are closed."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), smoothing)
    closed = ndimage.grey_closing(smooth, size=closing)
    mask = ndimage.binary_fill_holes(closed < np.quantile(closed, share))
    return split_foreground(mask, method="components", min_size=min_size)


def _tissue_settings() -> list[Setting]:
    minima = [
        Setting(f"h-minima, smoothing {s}, height {h}", partial(_h_minima, s, h))
        for s, h in product((1.0, 1.5, 2.0, 3.0), (0.02, 0.05, 0.1, 0.2))
    ]
    distance = [
        Setting(f"distance transform, smoothing {s}, seeds {d}", partial(_walls, s, d))
        for s, d in product((0.5, 1.0, 2.0), (3, 5, 7))
    ]
    return minima + distance


def _h_minima(smoothing: float, height: float, image: NDArray[Any], _: None) -> NDArray[Any]:
    """Flood the image from its minima that are deeper than a share of its range."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), smoothing)
    low, high = np.percentile(smooth, (1, 99.8))
    relative = (smooth - low) / max(float(high - low), 1e-6)
    seeds, _n = ndimage.label(h_minima(relative, height))
    return watershed(relative, seeds.astype(np.uint32))


def _walls(smoothing: float, min_distance: int, image: NDArray[Any], _: None) -> NDArray[Any]:
    """Split what is darker than the walls by its distance to them, then let the parts grow over the walls."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), smoothing)
    parts = split_foreground(smooth < threshold_otsu(smooth), min_distance=min_distance, smoothing=1.0, min_size=20)
    return watershed(smooth, parts)
