"""Which part of an image is embedded for a preview of what is on show, where the whole image would take far longer.

The part is what is on show with as much around it as the network looks at. It begins where the network, which pools
pixels, would have begun a pool in the whole image, is cut out of the whole image at the model's voxel size, and is
normalised by the grey values of the whole. Its embeddings are therefore those of the whole image, but for a network
that normalises by groups: what that says depends on how much it is shown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_spoco.data.resampling import Resampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco._qt.embeddings.embedding_job import EmbeddingInputs
    from napari_spoco.config import NetworkConfig

    Box = tuple[slice, ...]

_SPARE = 16
"""Pixels of the model's grid on every side by which the view may move before another part is embedded."""
_BESIDE_GROUPS = 16
"""Pixels beyond these that a network is shown which normalises by groups: whatever they are, it is shown the part in
windows (`segmentation/tiling.py`), and three axes make every pixel dear."""
_QUICK = 2**22
"""Pixels of the model's grid; the whole of a smaller image is embedded in a moment."""
_SHARE = 0.5
"""Of the whole, above which a part is not worth it: the whole can be kept for Segment."""


@dataclass(frozen=True)
class ViewPart:
    """A part of an image that is embedded alone.

    `box` is all of it, `trusted` what has enough around it to be shown, both in pixels of the image; `model_box` is
    what is embedded, in pixels of the model. Where these are others, `box` is up to a pixel larger on every side.
    """

    box: Box
    trusted: Box
    model_box: Box

    @property
    def origin(self) -> tuple[int, ...]:
        """Its first pixel in the image."""
        return tuple(one.start for one in self.box)

    def resampling(self, whole: Resampling) -> Resampling:
        """Return the way from the part's pixels to what is embedded, given that of the whole image."""
        shape, model_shape = (tuple(one.stop - one.start for one in box) for box in (self.box, self.model_box))
        return Resampling(shape, model_shape, whole.notice)

    def shows(self, view: Box) -> bool:
        """Say whether what is on show can be shown from it."""
        pairs = zip(self.trusted, view, strict=True)
        return all(own.start <= wanted.start and wanted.stop <= own.stop for own, wanted in pairs)

    def within(self, view: Box) -> Box:
        """Return a box of the image in the part's own pixels."""
        return tuple(slice(one.start - o, one.stop - o) for one, o in zip(view, self.origin, strict=True))

    def own_pixel(self, pixel: tuple[int, ...] | None) -> tuple[int, ...] | None:
        """Return a pixel of the image as one of the part's own; None where it lies outside."""
        if pixel is None or not all(one.start <= p < one.stop for one, p in zip(self.box, pixel, strict=True)):
            return None
        return tuple(p - first for p, first in zip(pixel, self.origin, strict=True))


def part_around(view: Box, resampling: Resampling, network: NetworkConfig) -> ViewPart | None:
    """Return the part that is embedded to show a box of an image; None where it may as well be the whole one.

    Parameters
    ----------
    view
        What is on show, in pixels of the user's grid.
    resampling
        Of the whole image.
    network
        Of the model.
    """
    shape, model_shape = resampling.shape, resampling.model_shape
    on_model = _widened(_scaled(view, shape, model_shape), (_SPARE,) * len(shape), model_shape)
    seen = _widened(on_model, _context(network), model_shape)
    model_box = tuple(slice(one.start // network.stride * network.stride, one.stop) for one in seen)
    box = _scaled(model_box, model_shape, shape)
    share = math.prod(one.stop - one.start for one in box) / math.prod(shape)
    if share > _SHARE or math.prod(model_shape) <= _QUICK:
        return None
    return ViewPart(box, _scaled(on_model, model_shape, shape), model_box)


def _context(network: NetworkConfig) -> tuple[int, ...]:
    """Return how many pixels around those on show the network is shown: its reach, where that settles what it says.

    With the reach of four levels, 56 pixels and not 16, a preview of 512 x 512 pixels takes 1.3 times as long.
    """
    from napari_spoco.segmentation.tiling import default_halo

    return default_halo(network) if network.norm == "batch" else (_BESIDE_GROUPS,) * network.ndim


def _scaled(box: Box, shape: tuple[int, ...], other: tuple[int, ...]) -> Box:
    """Return the smallest box of another grid over the same space that holds a box."""
    sizes = zip(box, shape, other, strict=True)
    return tuple(slice(one.start * m // n, -(-one.stop * m // n)) for one, n, m in sizes)


def _widened(box: Box, margins: Sequence[int], shape: tuple[int, ...]) -> Box:
    sizes = zip(box, margins, shape, strict=True)
    return tuple(slice(max(0, one.start - margin), min(n, one.stop + margin)) for one, margin, n in sizes)


def cut_inputs(inputs: EmbeddingInputs, part: ViewPart, shape: tuple[int, ...]) -> EmbeddingInputs:
    """Return the inputs with what is known of the part alone; a click on the background elsewhere is not.

    An array that has not the image's shape (*spatial) stays as it is, to be refused or left out later.
    """
    return replace(
        inputs,
        mask=_cut(inputs.mask, part.box, shape),
        annotations=_cut(inputs.annotations, part.box, shape),
        background_pixel=part.own_pixel(inputs.background_pixel),
    )


def _cut(array: NDArray[Any] | None, part: Box, shape: tuple[int, ...]) -> NDArray[Any] | None:
    return array if array is None or array.shape != shape else array[part]
