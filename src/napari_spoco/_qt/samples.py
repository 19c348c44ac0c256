"""File > Open Sample: an image to paint on, and the truth to compare with, hidden."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_spoco.data.samples import load_nuclei, make_ovule
from napari_spoco.data.synthetic import SyntheticStack, membrane_stack

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
    return _as_layers(stack, "membranes")


def open_ovule() -> list[LayerData]:
    """Return a synthetic stack like one of a plant ovule, for the shipped model `ovules-small`."""
    return _as_layers(make_ovule(), "ovule")


def _as_layers(stack: SyntheticStack, name: str) -> list[LayerData]:
    geometry = {"scale": stack.scale, "units": ("micrometer",) * 3, "axis_labels": ("z", "y", "x")}
    return [
        (stack.image, {"name": name, "colormap": "gray", **geometry}, "image"),
        (stack.labels.astype(np.int32), {"name": f"{name} truth", "visible": False, **geometry}, "labels"),
    ]
