"""Settings of a person in the pixels of their image, for a read-out on the grid of the model.

This module alone knows which settings speak of objects, which a person measures in their own image: how large they
are and how far apart. All other lengths are of the model's grid, where their defaults were chosen, as are sizes that
follow from the model's card.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spoco.config import SegmentationConfig


def on_model_grid(
    settings: SegmentationConfig, factors: Sequence[float], voxel_size: Sequence[float] | None
) -> SegmentationConfig:
    """Return settings with the sizes and distances of objects in pixels of the model's grid.

    Parameters
    ----------
    settings
        `fragment_size` and `min_size` in pixels of the image, `min_distance` in those of its finest axis; what is
        empty stays empty.
    factors
        Pixels of the model's grid per pixel of the image, along every axis (`Resampling.factors`).
    voxel_size
        Of the model; None = equal sizes.
    """
    if all(factor == 1 for factor in factors):
        return settings
    sizes = voxel_size or (1.0,) * len(factors)
    finest = min(factor * size for factor, size in zip(factors, sizes, strict=True)) / min(sizes)
    share = math.prod(factors)
    given = {name: getattr(settings, name) for name in ("fragment_size", "min_size")}
    changes = {name: round(size * share) for name, size in given.items() if size is not None}
    if settings.min_distance is not None:
        changes["min_distance"] = max(1, round(settings.min_distance * finest))
    return settings.model_copy(update=changes)
