"""The classes of painted pixels, and the loss of a network that tells them apart beside its embeddings.

Not part of the paper. Where background is painted, or objects are outlined in a background, a few strokes settle what
an object is sooner than embeddings do, whose terms have to tell each object from every other (docs/benchmarks.md).
Classes are `config.PIXEL_CLASSES`: outside 0, inside 1, border 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OUTSIDE, INSIDE, BORDER = range(3)
_UNKNOWN = -1
_EDGE = 1
"""Pixels of an object that close to its outline are border."""
_SURROUNDINGS = 2
"""Unlabeled pixels that close to an object are border too, where nothing is said about what surrounds objects."""
_PRIOR_WEIGHT = 0.05
"""Of unlabeled pixels being outside. Without it, 20 objects in one image and no strokes left all that is far from
objects an object, too."""
_MAX_POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}


def pixel_class_loss(
    scores: torch.Tensor,
    labels: torch.Tensor,
    *,
    rim: int,
    known: Sequence[Mapping[int, torch.Tensor]] | None = None,
) -> torch.Tensor:
    """Compute the cross-entropy of the classes over the pixels whose class is known; 0 where there are none.

    Where objects lie in a background (`rim` above 0), unlabeled pixels are taken to be outside, with so little weight
    that it matters only where nothing else is known: objects that nobody painted look like those that somebody did.

    Parameters
    ----------
    scores
        Logits (B, 3, *spatial).
    labels, known
        (B, *spatial), and per image the objects that are known in some planes only, as for `loss.spoco_loss`.
    rim
        As for `pixel_classes`.
    """
    in_planes = [bool(of_image) for of_image in known or [{}] * len(labels)]
    classes = torch.stack(
        [pixel_classes(image, rim=rim, in_planes=planes) for image, planes in zip(labels, in_planes, strict=True)]
    )
    loss = _mean_cross_entropy(scores, classes)
    if rim:
        is_open = (labels == UNLABELED) & (classes == _UNKNOWN)
        loss = loss + _PRIOR_WEIGHT * _mean_cross_entropy(scores, torch.where(is_open, OUTSIDE, _UNKNOWN))
    return loss


def _mean_cross_entropy(scores: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    total = functional.cross_entropy(scores, classes, ignore_index=_UNKNOWN, reduction="sum")
    return total / (classes != _UNKNOWN).sum().clamp(min=1)


def pixel_classes(labels: torch.Tensor, *, rim: int, in_planes: bool = False) -> torch.Tensor:
    """Say of which class the pixels of an image are, as far as it was painted.

    Parameters
    ----------
    labels
        (*spatial), integers as in `SparseAnnotations`, below 2^24.
    rim
        So many unlabeled pixels of the plane around an object are outside. 0: objects may touch, and what surrounds
        one is border.
    in_planes
        Objects are painted in some planes only: where they end above and below is not known.

    Returns
    -------
    torch.Tensor
        (*spatial), integers; -1 where the class is unknown.
    """
    ids = labels.clamp(min=0).to(torch.float32)
    depth = 0 if in_planes else _EDGE
    highest, lowest = _highest(ids, _EDGE, depth), -_highest(-ids, _EDGE, depth)
    width, depth = (rim, 0) if rim else (_SURROUNDINGS, 0 if in_planes else _SURROUNDINGS)
    is_near = (labels == UNLABELED) & (_highest(ids, width, depth) > 0)
    classes = torch.full_like(labels, _UNKNOWN, dtype=torch.long)
    classes[is_near] = OUTSIDE if rim else BORDER
    classes[labels == BACKGROUND] = OUTSIDE
    classes[labels > 0] = BORDER
    classes[(labels > 0) & (lowest == highest)] = INSIDE
    # Where the image ends in the patch, objects do not.
    is_cut = _highest((labels == IGNORE).to(ids.dtype), _EDGE, 0) > 0
    classes[is_cut & (classes == BORDER)] = _UNKNOWN
    return classes


def _highest(values: torch.Tensor, width: int, depth: int) -> torch.Tensor:
    """Return the highest value within so many pixels in the plane, and planes."""
    pooled = values[None]
    for axis, reach in enumerate((*(depth,) * (values.ndim - 2), width, width)):
        if reach:  # One axis after the other: far fewer comparisons.
            padding = [reach if i == axis else 0 for i in range(values.ndim)]
            kernel = [2 * n + 1 for n in padding]
            pooled = _MAX_POOL[values.ndim](pooled, kernel, stride=1, padding=padding)
    return pooled[0]
