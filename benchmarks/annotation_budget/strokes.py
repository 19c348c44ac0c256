"""Strokes of a brush over the background, as a person would draw them: short, wavy, clear of the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bioimage_cpp.distance import distance_transform

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RADIUS = 3
"""Of the brush, in pixels."""
_LENGTH = 60
"""Steps of about one pixel."""
_BEND = 0.15
"""Standard deviation of the turn per step, in radians."""


def draw_strokes(labels: NDArray[Any], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Stroke over the background until a share of the image's pixels is covered.

    Parameters
    ----------
    labels
        (*spatial) all objects, 2D or 3D, 0 = background; in 3D every stroke lies in one plane.
    share
        Of the pixels of the image; less is covered where the background is too narrow for a brush.
    rng
        Draws where strokes begin and how they bend.

    Returns
    -------
    numpy.ndarray
        (*spatial) bool; no pixel of an object.
    """
    covered = np.zeros(labels.shape, dtype=bool)
    planes, truth = covered.reshape(-1, *labels.shape[-2:]), labels.reshape(-1, *labels.shape[-2:])
    clearance = np.stack([distance_transform(np.pad(plane == 0, 1))[1:-1, 1:-1] for plane in truth])
    starts = np.argwhere(clearance > _RADIUS + 1)
    most = len(starts) if share else 0
    for start in starts[rng.permutation(len(starts))[:most]]:
        if covered.mean() >= share:
            break
        plane = int(start[0])
        _stroke(planes[plane], clearance[plane], start[1:].astype(float), rng)
    return covered


def _stroke(
    covered: NDArray[np.bool_], clearance: NDArray[Any], position: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """Move a round brush until the stroke is long enough or an object or the border comes too near; in place."""
    offsets = np.argwhere(np.hypot(*np.mgrid[-_RADIUS : _RADIUS + 1, -_RADIUS : _RADIUS + 1]) <= _RADIUS) - _RADIUS
    angle = rng.uniform(0, 2 * np.pi)
    for turn in rng.normal(0, _BEND, _LENGTH):
        pixel = np.rint(position).astype(int)
        if (pixel < 0).any() or (pixel >= covered.shape).any() or clearance[tuple(pixel)] <= _RADIUS + 1:
            return
        covered[tuple((pixel + offsets).T)] = True
        angle += turn
        position = position + np.array([np.sin(angle), np.cos(angle)])
