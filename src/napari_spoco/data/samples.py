"""Images to begin with: real ones that ship with the package, their licence beside them, and a synthetic tissue."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_spoco.data.images import read_image, read_labels
from napari_spoco.data.tissue import tissue_stack
from napari_spoco.data.tissue_geometry import TissueGeometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.data.synthetic import SyntheticStack

_OVULE_SHAPE, _OVULE_SCALE = (64, 128, 128), (0.235, 0.3, 0.3)


@dataclass(frozen=True, eq=False)
class NucleiSample:
    """Fluorescent nuclei, every one annotated.

    Attributes
    ----------
    name : str
        Identifier of the image in its source.
    image : ndarray
        uint8 (256, 256).
    labels : ndarray
        uint16 (256, 256), 0 is background.
    """

    name: str
    image: NDArray[Any]
    labels: NDArray[Any]


def load_nuclei(split: Literal["train", "val"]) -> list[NucleiSample]:
    """Load the fluorescence microscopy of nuclei that ships with the package.

    Parameters
    ----------
    split : {"train", "val"}
        24 images to train on, or 8 to evaluate on.

    Returns
    -------
    list of NucleiSample
        Ordered by name.

    Raises
    ------
    ValueError
        An unknown split.
    """
    if split not in ("train", "val"):
        raise ValueError(f"split: expected 'train' or 'val', got {split!r}")
    with as_file(files("napari_spoco.data") / "sample_images" / "dsb_fluo" / split) as folder:
        return [
            NucleiSample(path.stem, read_image(path, ndim=2).data[0], read_labels(folder / "labels" / path.name))
            for path in sorted((folder / "images").glob("*.tif"))
        ]


def make_ovule() -> SyntheticStack:
    """Make a synthetic stack like one of an ovule, some of which is outside of the tissue; always the same.

    Its voxels are those of the shipped model `ovules-small`.
    """
    geometry = TissueGeometry(outside=0.2)
    return tissue_stack(_OVULE_SHAPE, rng=np.random.default_rng(0), scale=_OVULE_SCALE, geometry=geometry)
