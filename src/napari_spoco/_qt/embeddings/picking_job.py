"""The instance at a pixel of an embedded image, on the user's grid. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_spoco._qt.embeddings.embedding_job import EmbeddedImage
    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.segmentation.instance import InstancePicker

_AROUND = (24, 160, 160)
"""Pixels around a click, (Z)YX, in which its object is looked for."""
_THRESHOLD = 0.5
"""Of the soft mask, at the edge of an object, where the reach is 1."""


@dataclass(frozen=True, eq=False)
class Picked:
    """An object: bool (*box), and the pixel of the image at which the box begins."""

    mask: NDArray[np.bool_]
    start: tuple[int, ...]

    def holds(self, pixel: tuple[int, ...]) -> bool:
        """Return whether a pixel of the image is in the object."""
        index = tuple(i - first for i, first in zip(pixel, self.start, strict=True))
        inside = all(0 <= i < n for i, n in zip(index, self.mask.shape, strict=True))
        return inside and bool(self.mask[index])


class PlanePicker:
    """Picks in the plane in which the pointer is; ready for the next pixel of the plane at once."""

    def __init__(self, image: EmbeddedImage) -> None:
        self._image = image
        self._plane: tuple[int, ...] | None = None
        self._picker: InstancePicker | None = None

    def pick(self, pixel: tuple[int, ...], reach: float = 1.0) -> Picked:
        """Return the object around a pixel (Z)YX of the user's grid, in its plane; `reach` as for `run_pick`."""
        resampling = self._image.resampling
        *plane, y, x = resampling.model_pixel(pixel)
        if self._picker is None or self._plane != tuple(plane):
            self._plane = tuple(plane)
            self._picker = _make_picker(self._image, (slice(None), *plane))
        mask = self._picker.around((y, x), threshold=_threshold(reach))
        box = mask.reshape((*(1 for _ in plane), *mask.shape))
        return _on_grid(self._image, box, (*plane, 0, 0), pixel)


def run_pick(
    _job: JobContext, image: EmbeddedImage, pixel: tuple[int, ...], reach: float = 1.0
) -> Generator[None, None, Picked]:
    """Find the object around a pixel (Z)YX of the user's grid, in all directions as far as `_AROUND`.

    `reach` says how far embeddings may be from that of the pixel, in units of the distance that suits the training.
    """
    yield
    centre = image.resampling.model_pixel(pixel)
    around = _AROUND[-len(centre) :]
    sizes = zip(centre, around, image.embeddings.shape[1:], strict=True)
    box = tuple(slice(max(0, i - far), min(n, i + far + 1)) for i, far, n in sizes)
    picker = _make_picker(image, (slice(None), *box))
    start = tuple(part.start for part in box)
    anchor = tuple(i - first for i, first in zip(centre, start, strict=True))
    mask = picker.around(anchor, threshold=_threshold(reach))
    return _on_grid(image, mask, start)


def _threshold(reach: float) -> float:
    """Return the value of the soft mask, exp(-distance^2 / (2 sigma^2)), so many times as far away as 0.5 is."""
    return float(_THRESHOLD**reach**2)


def _make_picker(image: EmbeddedImage, where: tuple[slice | int, ...]) -> InstancePicker:
    from napari_spoco.segmentation.instance import InstancePicker

    card = image.card
    part = np.ascontiguousarray(image.embeddings[where], dtype=np.float32)
    return InstancePicker(part, delta_var=card.delta_var, kernel_threshold=card.kernel_threshold)


def _on_grid(
    image: EmbeddedImage, mask: NDArray[np.bool_], start: tuple[int, ...], pixel: tuple[int, ...] | None = None
) -> Picked:
    """Bring a mask to the user's grid; of a plane of the model's, the user's plane of the pixel."""
    on_grid, first = image.resampling.picture(mask[..., None].view(np.uint8), start)
    if pixel is not None:
        planes = tuple(slice(i - f, i - f + 1) for i, f in zip(pixel[:-2], first, strict=False))
        on_grid, first = on_grid[planes], (*pixel[:-2], *first[-2:])
    return Picked(on_grid[..., 0].astype(bool), tuple(first))
