"""Two views of one patch: geometry is shared, appearance is drawn for each view (MONAI transforms, 2D and 3D).

Labels travel as `label - IGNORE`, so that the zeros with which resampling fills the outside mean `IGNORE` afterwards:
the difference between "unlabeled" and "not in the image" survives every transform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from monai.data import set_track_meta
from monai.transforms import (
    Compose,
    RandAdjustContrast,
    RandAffined,
    RandFlipd,
    RandGaussianNoise,
    RandGaussianSmooth,
    RandScaleIntensity,
    RandShiftIntensity,
)

from napari_spoco.data.annotations import IGNORE

if TYPE_CHECKING:
    import torch

    from napari_spoco.config import AugmentationConfig


@dataclass(frozen=True)
class Views:
    """Two views (C, *patch) of one patch and the labels (*patch), int64, that hold for both."""

    student: torch.Tensor
    teacher: torch.Tensor
    labels: torch.Tensor


class Augmentation:
    """Cut a crop down to the patch with random geometry, and give it two random appearances.

    Parameters
    ----------
    config
        Strengths.
    patch_shape
        Shape of the patch, (Z)YX, pixels.
    rng
        Source of all randomness.
    """

    def __init__(self, config: AugmentationConfig, patch_shape: tuple[int, ...], rng: np.random.Generator) -> None:
        self._geometry = _geometry(config, patch_shape)
        self._appearance = _appearance(config, len(patch_shape))
        for transform in (self._geometry, self._appearance):
            transform.set_random_state(seed=int(rng.integers(2**31)))

    def __call__(self, image: torch.Tensor, labels: torch.Tensor) -> Views:
        """Make the views of a crop: image (C, *crop) float32, labels (1, *crop) float32."""
        set_track_meta(False)
        moved = self._geometry({"image": image, "labels": labels - IGNORE})
        patch_labels = moved["labels"][0].round().long() + IGNORE
        return Views(self._appearance(moved["image"]), self._appearance(moved["image"]), patch_labels)


def crop_shape(config: AugmentationConfig, patch_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the crop that covers a patch after any rotation in the plane and any scaling."""
    shape = np.array(patch_shape, dtype=float)
    if config.rotate:
        shape[-2:] = np.hypot(*shape[-2:])
    return tuple(int(n) for n in np.ceil(shape * (1 + config.scaling)))


def _geometry(config: AugmentationConfig, patch_shape: tuple[int, ...]) -> Compose:
    ndim = len(patch_shape)
    angle = np.pi if config.rotate else 0.0
    affine = RandAffined(
        keys=("image", "labels"),
        prob=1.0,
        # In 3D the first angle turns around the first axis, that is in the plane: voxels may be anisotropic.
        rotate_range=(angle,) if ndim == 2 else (angle, 0.0, 0.0),
        scale_range=(config.scaling,) * ndim,
        spatial_size=patch_shape,
        mode=("bilinear", "nearest"),
        padding_mode=("reflection", "zeros"),
    )
    flips = [RandFlipd(keys=("image", "labels"), prob=0.5, spatial_axis=axis) for axis in range(ndim)]
    return Compose([affine, *(flips if config.flip else [])])


def _appearance(config: AugmentationConfig, ndim: int) -> Compose:
    sigma = (0.0, max(config.blur, 1e-3))
    in_plane = {"sigma_x": sigma, "sigma_y": sigma} | ({"sigma_z": sigma} if ndim == 3 else {})
    return Compose(
        [
            RandGaussianSmooth(prob=0.5 if config.blur else 0.0, **in_plane),
            RandAdjustContrast(prob=1.0 if config.gamma else 0.0, gamma=(1 / (1 + config.gamma), 1 + config.gamma)),
            RandScaleIntensity(factors=config.contrast, prob=1.0 if config.contrast else 0.0),
            RandShiftIntensity(offsets=config.contrast / 2, prob=1.0 if config.contrast else 0.0),
            RandGaussianNoise(prob=1.0 if config.noise else 0.0, std=config.noise),
        ]
    )
