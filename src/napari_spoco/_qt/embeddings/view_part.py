"""Which part of an image is embedded for a preview of what is on show, where the whole image would take far longer.

The part is what is on show with a margin that the network looks at. It is normalised by itself, as a work box is, so
that its objects may differ a little from those of the whole image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco._qt.embeddings.embedding_job import EmbeddingInputs
    from napari_spoco.data.resampling import Resampling

    Box = tuple[slice, ...]

_MARGIN = 32
"""Pixels of the model's grid on every side: less than a network of four levels reaches (51), to be quick; what is shown
is at its best away from the ends of the part."""
_QUICK = 2**22
"""Pixels of the model's grid; the whole of a smaller image is embedded in a moment."""
_SHARE = 0.5
"""Of the whole, above which a part is not worth it: the whole can be kept for Segment."""


@dataclass(frozen=True)
class ViewPart:
    """A part of an image that is embedded alone.

    `box` is all of it, `trusted` what has enough around it to be shown, both in pixels of the image.
    """

    box: Box
    trusted: Box

    @property
    def origin(self) -> tuple[int, ...]:
        """Its first pixel in the image."""
        return tuple(one.start for one in self.box)

    def shows(self, view: Box) -> bool:
        """Say whether what is on show can be shown from it."""
        pairs = zip(self.trusted, view, strict=True)
        return all(own.start <= wanted.start and wanted.stop <= own.stop for own, wanted in pairs)

    def within(self, view: Box) -> Box:
        """Return a box of the image in the part's own pixels."""
        return tuple(slice(one.start - o, one.stop - o) for one, o in zip(view, self.origin, strict=True))


def part_around(view: Box, resampling: Resampling) -> ViewPart | None:
    """Return the part that is embedded to show a box of an image; None where it may as well be the whole one.

    Parameters
    ----------
    view
        What is on show, in pixels of the user's grid.
    resampling
        Of the whole image.
    """
    shape = resampling.shape
    margins = [-(-_MARGIN * n // m) for n, m in zip(shape, resampling.model_shape, strict=True)]
    box = _widened(view, margins, shape)
    share = math.prod(one.stop - one.start for one in box) / math.prod(shape)
    if share > _SHARE or math.prod(resampling.model_shape) <= _QUICK:
        return None
    return ViewPart(box, _widened(view, [margin // 2 for margin in margins], shape))


def _widened(view: Box, margins: Sequence[int], shape: tuple[int, ...]) -> Box:
    sizes = zip(view, margins, shape, strict=True)
    return tuple(slice(max(0, one.start - margin), min(n, one.stop + margin)) for one, margin, n in sizes)


def cut_inputs(inputs: EmbeddingInputs, part: Box, shape: tuple[int, ...]) -> EmbeddingInputs:
    """Return the inputs with what is known of the part alone; a click on the background elsewhere is not.

    An array that has not the image's shape (*spatial) stays as it is, to be refused or left out later.
    """
    clicked = inputs.background_pixel
    inside = clicked is not None and all(one.start <= p < one.stop for one, p in zip(part, clicked, strict=True))
    shifted = tuple(p - one.start for one, p in zip(part, clicked, strict=True)) if clicked and inside else None
    return replace(
        inputs,
        mask=_cut(inputs.mask, part, shape),
        annotations=_cut(inputs.annotations, part, shape),
        background_pixel=shifted,
    )


def _cut(array: NDArray[Any] | None, part: Box, shape: tuple[int, ...]) -> NDArray[Any] | None:
    return array if array is None or array.shape != shape else array[part]
