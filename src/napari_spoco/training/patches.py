"""Crops around what is annotated, from any number of images.

This module knows where to cut; what happens to a crop afterwards is the business of `augment`. Crops are larger than
the patch by the margin that rotation, scaling and deformation need; whatever lies outside of the image is `IGNORE`, so
that padding is never mistaken for unlabeled tissue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.annotations import IGNORE
from napari_spoco.data.runs import find_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spoco.training.inputs import TrainingImage

OUTSIDE = -1
"""Source plane of what lies outside of the image."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A box of an image; what lies outside of the image is a reflection of the inside.

    Attributes
    ----------
    image : ndarray
        float32 (C, *crop).
    labels : ndarray
        int32 (*crop); the ids are 1 to n of this crop, so that they are exact in float32 whatever they were;
        `IGNORE` outside of the image.
    planes : ndarray or None
        int32 (*crop), the plane of the image (along the first axis) that each voxel comes from, `OUTSIDE` before the
        first and behind the last; None where no object of the crop is known in some planes only.
    painted_planes : mapping of int to tuple of int
        By id of the crop, the planes of the image in which such an object is painted.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.int32]
    planes: NDArray[np.int32] | None
    painted_planes: Mapping[int, tuple[int, ...]]


class PatchSampler:
    """Draw crops centred near annotated pixels.

    Every object of every image is equally likely; the background of an image in which some is stated counts as one
    object more, or else strokes far from all objects would never be seen.

    Parameters
    ----------
    images : sequence of TrainingImage
        Images with at least one annotated object, or some background, among them.
    crop_shape : tuple of int
        Shape of the crops, (Z)YX, pixels.
    jitter : tuple of int
        Per axis, the largest distance of the crop's centre from the drawn pixel, pixels.

    Raises
    ------
    ValueError
        Nothing is annotated.
    """

    def __init__(self, images: Sequence[TrainingImage], crop_shape: tuple[int, ...], jitter: tuple[int, ...]) -> None:
        self._crop_shape = crop_shape
        self._jitter = np.array(jitter)
        self._objects = [(image, runs) for image in images for runs in image.annotations.runs.values()]
        if not self._objects:
            raise ValueError("images: expected at least one annotated object or some background, got none")

    def draw(self, rng: np.random.Generator) -> Crop:
        """Return one crop."""
        training_image, runs = self._objects[rng.integers(len(self._objects))]
        sizes = training_image.annotations.labels.shape
        drawn = np.array(np.unravel_index(runs.pixel(int(rng.integers(runs.n_pixels))), sizes))
        centre = drawn + rng.integers(-self._jitter, self._jitter + 1)
        centre = np.clip(centre, 0, np.array(sizes) - 1)  # The crop must meet the image.
        return _cut(training_image, centre - np.array(self._crop_shape) // 2, self._crop_shape)


def _cut(training_image: TrainingImage, start: NDArray[np.intp], shape: tuple[int, ...]) -> Crop:
    """Cut a box, some of which may lie outside of the image."""
    annotations = training_image.annotations
    image = _cut_box(training_image.image, start, shape)
    labels, ids = _renumber(_cut_box(annotations.labels[None], start, shape, fill=IGNORE)[0])
    painted_planes = {
        compact_id: annotations.painted_planes[instance_id]
        for compact_id, instance_id in enumerate(ids.tolist(), start=1)
        if instance_id in annotations.in_planes
    }
    if not painted_planes:
        return Crop(image, labels, None, {})
    planes = np.arange(start[0], start[0] + shape[0], dtype=np.int32)
    planes[(planes < 0) | (planes >= annotations.labels.shape[0])] = OUTSIDE
    return Crop(image, labels, np.broadcast_to(planes[:, None, None], shape), painted_planes)


def _renumber(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Renumber the objects from 1 without gaps; return the labels and the ids that they had, ascending."""
    values, _, lengths = find_runs(labels)
    is_object = values > 0
    ids, compact = np.unique(values[is_object], return_inverse=True)
    values[is_object] = compact + 1
    return np.repeat(values, lengths).reshape(labels.shape), ids


def _cut_box(
    array: NDArray[Any], start: NDArray[np.intp], shape: tuple[int, ...], fill: int | None = None
) -> NDArray[Any]:
    """Copy a box out of (C, *spatial); outside of the array is `fill`, or a reflection of the inside if None."""
    sizes = np.array(array.shape[1:])
    low, high = np.maximum(start, 0), np.minimum(start + shape, sizes)
    inside = array[(slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))]
    before, after = low - start, start + shape - high
    if not before.any() and not after.any():
        return inside.copy()
    widths = [(0, 0), *zip(before.tolist(), after.tolist(), strict=True)]
    if fill is None:
        return np.pad(inside, widths, mode="reflect")
    return np.pad(inside, widths, mode="constant", constant_values=fill)
