"""What the jobs get of a layer: its pixels and its geometry, plain and frozen. No Qt, no napari."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Geometry:
    """Pixel distance, unit and name of each spatial axis, (Z)YX."""

    scale: tuple[float, ...]
    units: tuple[str, ...]
    axis_labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ImageSource:
    """An image as the layer holds it, (*spatial) or (C, *spatial); may be lazy, is computed in the job's thread."""

    data: Any
    geometry: Geometry
    name: str

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.geometry.scale)
