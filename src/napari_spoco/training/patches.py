"""Patches around annotated objects, from any number of images.

This module knows where to cut; what happens to a patch afterwards is the business of `augment`. Crops are larger than
the patch by the margin that rotation and scaling need; whatever lies outside of the image is `IGNORE`, so that padding
is never mistaken for unlabeled tissue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_spoco.data.annotations import IGNORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.training.inputs import TrainingImage


class PatchSampler:
    """Draw crops centred near pixels of annotated objects; every object of every image is equally likely.

    Parameters
    ----------
    images
        Images with at least one annotated object among them.
    crop_shape
        Shape of the crops, (Z)YX, pixels.
    jitter
        Per axis, the largest distance of the crop's centre from the drawn pixel, pixels.
    """

    def __init__(self, images: Sequence[TrainingImage], crop_shape: tuple[int, ...], jitter: tuple[int, ...]) -> None:
        self._images = images
        self._crop_shape = crop_shape
        self._jitter = np.array(jitter)
        self._objects = [
            (index, pixels) for index, image in enumerate(images) for pixels in _object_pixels(image.annotations.labels)
        ]

    def draw(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one crop: image (C, *crop_shape) float32 and labels (1, *crop_shape) float32 (ids are exact)."""
        index, pixels = self._objects[rng.integers(len(self._objects))]
        training_image = self._images[index]
        labels = training_image.annotations.labels
        drawn = np.unravel_index(pixels[rng.integers(len(pixels))], labels.shape)
        centre = np.array(drawn) + rng.integers(-self._jitter, self._jitter + 1)
        centre = np.clip(centre, 0, np.array(labels.shape) - 1)  # The crop must meet the image.
        start = centre - np.array(self._crop_shape) // 2
        image_crop = _crop(training_image.image, start, self._crop_shape)
        label_crop = _crop(labels[None], start, self._crop_shape, fill=IGNORE)
        return torch.from_numpy(image_crop), torch.from_numpy(label_crop.astype(np.float32))


def _object_pixels(labels: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Return the flat indices of every object's pixels, one array per object."""
    flat = np.flatnonzero(labels > 0)
    ids = labels.ravel()[flat]
    order = np.argsort(ids, kind="stable")
    starts = np.flatnonzero(np.diff(ids[order])) + 1
    return [pixels for pixels in np.split(flat[order], starts) if len(pixels)]


def _crop(
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
