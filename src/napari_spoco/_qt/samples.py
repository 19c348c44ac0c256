"""File > Open Sample: an image to paint on, and the truth to compare with, hidden."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_spoco.data.samples import load_nuclei
from napari_spoco.data.synthetic import membrane_stack

LayerData = tuple[Any, dict[str, Any], str]

_NUCLEI_INDEX = 0
_MEMBRANES_SHAPE = (32, 128, 128)
_MEMBRANES_SCALE = (1.0, 0.5, 0.5)


def open_nuclei() -> list[LayerData]:
    """Return one image of fluorescent nuclei; its pixel size is unknown."""
    sample = load_nuclei("val")[_NUCLEI_INDEX]
    return [
        (sample.image, {"name": "nuclei", "colormap": "gray"}, "image"),
        (sample.labels.astype(np.int32), {"name": "nuclei truth", "visible": False}, "labels"),
    ]


def open_membranes() -> list[LayerData]:
    """Return a synthetic stack of cells with bright membranes."""
    stack = membrane_stack(_MEMBRANES_SHAPE, rng=np.random.default_rng(0), scale=_MEMBRANES_SCALE)
    geometry = {"scale": stack.scale, "units": ("micrometer",) * 3, "axis_labels": ("z", "y", "x")}
    return [
        (stack.image, {"name": "membranes", "colormap": "gray", **geometry}, "image"),
        (stack.labels.astype(np.int32), {"name": "membranes truth", "visible": False, **geometry}, "labels"),
    ]
