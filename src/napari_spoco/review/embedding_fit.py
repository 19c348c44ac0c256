"""What embeddings say of one object: the pixel that stands for it, and what is seen around that pixel.

Embeddings may be on another grid than the objects (a model has its own pixel size): an object is looked at there as
its nearest pixels show it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_spoco.data.resampling import nearest_pixels
from napari_spoco.segmentation.instance import instance_around

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spoco.data.label_change import Box

_MARGIN = 0.5
"""How far around an object its embeddings are looked for, in its own extents."""
_LEAST_MARGIN = 4


class SeenObject(NamedTuple):
    """An object in embeddings: `anchor`, `fit` and `agreement` of `ObjectMeasures`."""

    anchor: tuple[int, ...]
    fit: float
    agreement: float | None


def look_at_object(
    labels: NDArray[Any],
    instance_id: int,
    box: Box,
    embeddings: NDArray[Any],
    other_embeddings: NDArray[Any] | None,
    kernel: Mapping[str, float],
) -> SeenObject | None:
    """Look at an object, which lies in a box of the labels; None if it has no pixel on the grid of the embeddings.

    Parameters
    ----------
    labels, embeddings, other_embeddings
        Of `measure_objects`.
    instance_id, box
        Which object, and where.
    kernel
        `delta_var` and `kernel_threshold` of `select_instance`.
    """
    shape = embeddings.shape[1:]
    pixels = [nearest_pixels(n, m) for n, m in zip(labels.shape, shape, strict=True)]
    inner = tuple(_between(places, axis) for places, axis in zip(pixels, box, strict=True))
    margins = [max(_LEAST_MARGIN, math.ceil(_MARGIN * (axis.stop - axis.start))) for axis in inner]
    around = widen(inner, margins, shape)
    near = [places[axis] for places, axis in zip(pixels, around, strict=True)]
    mask = labels[np.ix_(*near)] == instance_id
    if not mask.any():
        return None
    own = _cut(embeddings, around)
    anchor = _nearest_to_mean(own, mask)
    seen = instance_around(own, anchor, **kernel)
    agreement = None
    if other_embeddings is not None:
        agreement = _iou(seen, instance_around(_cut(other_embeddings, around), anchor, **kernel))
    place = tuple(int(places[index]) for places, index in zip(near, anchor, strict=True))
    return SeenObject(place, _iou(mask, seen), agreement)


def widen(box: Box, margins: Sequence[int], shape: tuple[int, ...]) -> Box:
    """Return a box that is wider by a margin per axis, on either side, as far as there are pixels."""
    wide = zip(box, margins, shape, strict=True)
    return tuple(slice(max(axis.start - margin, 0), min(axis.stop + margin, n)) for axis, margin, n in wide)


def _between(places: NDArray[np.intp], part: slice) -> slice:
    """Return which of ascending places lie in a part of an axis."""
    start, stop = np.searchsorted(places, (part.start, part.stop))
    return slice(int(start), int(stop))


def _cut(embeddings: NDArray[Any], box: Box) -> NDArray[np.float32]:
    return np.ascontiguousarray(embeddings[(slice(None), *box)], dtype=np.float32)


def _nearest_to_mean(embeddings: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[int, ...]:
    inside = embeddings[:, mask]  # (E, N)
    squared = np.square(inside - inside.mean(axis=1, keepdims=True)).sum(axis=0)
    return tuple(np.argwhere(mask)[int(squared.argmin())].tolist())


def _iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(first & second) / np.count_nonzero(first | second))
