"""How large annotated objects are, also those of which some planes of a volume were painted only.

What is counted is what was painted; of an object that is known in some planes alone, that is a share of it which
nobody has stated. Its volume is estimated: between two painted planes its section changes linearly, and beyond the
first and the last one it ends like half of a ball with the section of that plane, or at the border of the image. One
section gives the ball around it, 4 / (3 sqrt(pi)) A^1.5; an object painted in all of its planes ends in small sections
and keeps its size. The largest section alone would make all objects balls, long ones too, although more is known.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_spoco.data.annotations import SparseAnnotations


def object_sizes(annotations: SparseAnnotations, voxel_size: Sequence[float] | None = None) -> dict[int, float]:
    """Return the size of each object in pixels by instance id, ascending.

    Parameters
    ----------
    annotations
        Objects of `in_planes` are estimated, never below what was painted of them; of the others, pixels are counted.
    voxel_size
        Size of a pixel per spatial axis, in any unit: only the ratios count. None = equal sizes.
    """
    # Radii of sections in distances of planes.
    sizes = (1.0,) * annotations.labels.ndim if voxel_size is None else voxel_size
    pixel = math.sqrt(math.prod(sizes[-2:])) / sizes[0]
    return {
        instance_id: max(n_painted, _estimate(annotations, instance_id, pixel))
        if instance_id in annotations.in_planes
        else float(n_painted)
        for instance_id, n_painted in annotations.sizes.items()
    }


def median_object_size(images: Iterable[tuple[SparseAnnotations, Sequence[float] | None]]) -> float:
    """Return the median size of the objects of all images, each with its voxel size; 0 without an object."""
    sizes = [size for annotations, voxel_size in images for size in object_sizes(annotations, voxel_size).values()]
    return float(np.median(sizes)) if sizes else 0.0


def _estimate(annotations: SparseAnnotations, instance_id: int, pixel: float) -> float:
    """Return the volume in voxels; `pixel` is the length of a pixel of the planes, in distances of planes."""
    n_planes = annotations.labels.shape[0]
    sections = _sections(annotations, instance_id)
    planes = np.flatnonzero(sections)
    areas = sections[planes]
    between = float(np.trapezoid(areas, planes))
    first = _end(areas[0], pixel, planes[0] + 0.5)
    return between + first + _end(areas[-1], pixel, n_planes - planes[-1] - 0.5)


def _sections(annotations: SparseAnnotations, instance_id: int) -> NDArray[np.float64]:
    """Return the painted pixels of an object in each plane."""
    n_planes, *plane = annotations.labels.shape
    runs = annotations.runs[instance_id]
    areas = np.zeros(n_planes)
    np.add.at(areas, runs.starts // math.prod(plane), np.diff(runs.ends, prepend=0))
    return areas


def _end(area: float, pixel: float, to_border: float) -> float:
    """Return the volume of half a ball, or of half an ellipsoid that ends at the border, over a section."""
    height = min(math.sqrt(area / math.pi) * pixel, to_border)
    return 2 / 3 * float(area) * height
