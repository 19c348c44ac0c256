"""`napari-spoco demo --gui`: the images and annotations of the demo in napari, with the dock open.

The images stand side by side in one mosaic, so that one layer holds the whole training set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari
import numpy as np

from napari_spoco.data.annotations import keep_fraction
from napari_spoco.data.samples import load_nuclei

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels
    from numpy.typing import NDArray

_COLUMNS = {"train": 6, "val": 4}


def open_demo(*, fraction: float, seed: int) -> None:
    """Show the demo's images with the masks of a fraction of their objects, and run napari until it is closed."""
    viewer = napari.Viewer(title="napari-spoco demo")
    annotations = add_demo_layers(viewer, fraction=fraction, seed=seed)
    _, dock = viewer.window.add_plugin_dock_widget("napari-spoco", "SPOCO")
    dock.annotate.annotations.choose(annotations)
    viewer.reset_view()
    napari.run()


def add_demo_layers(viewer: napari.Viewer, *, fraction: float, seed: int) -> Labels:
    """Add training images, their annotations, and the images to segment afterwards; return the annotations."""
    held_out, training = load_nuclei("val"), load_nuclei("train")
    kept = keep_fraction([s.labels for s in training], fraction, np.random.default_rng(seed))
    viewer.add_image(mosaic([s.image for s in held_out], _COLUMNS["val"]), name="nuclei to segment", visible=False)
    viewer.add_image(mosaic([s.image for s in training], _COLUMNS["train"]), name="nuclei to train on")
    labels = mosaic(_with_own_ids(kept), _COLUMNS["train"])
    return viewer.add_labels(labels, name=f"{fraction:.0%} of the nuclei")


def mosaic(tiles: Sequence[NDArray[np.generic]], n_columns: int) -> NDArray[np.generic]:
    """Lay tiles (Y, X) of one shape side by side, row by row; the last row must be full."""
    rows = [np.hstack(tiles[i : i + n_columns]) for i in range(0, len(tiles), n_columns)]
    return np.vstack(rows)


def _with_own_ids(label_images: Sequence[NDArray[np.integer]]) -> list[NDArray[np.int32]]:
    """Give every object of every image its own id."""
    shifted, offset = [], 0
    for labels in label_images:
        wide = labels.astype(np.int32)
        shifted.append(np.where(wide > 0, wide + offset, 0).astype(np.int32))
        offset += int(wide.max())
    return shifted
