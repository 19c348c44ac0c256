"""The voxel size that a run trains at, and how each of its images gets there.

That of the model it starts from, if it has one; else that of the first image whose voxel size is known; a setting goes
before both. Images without a voxel size are taken as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.resampling import describe_size, differ_too_much, plan_resampling
from napari_spoco.data.units import alike, in_micrometers

if TYPE_CHECKING:
    from napari_spoco.data.resampling import Resampling

Sizes = tuple[float, ...]
Units = tuple[str, ...]
VoxelSize = tuple[Sizes, Units]
"""Per spatial axis."""
_ROUNDING = 0.01
"""Share by which a voxel size may differ from what it was: files round it."""


@dataclass(frozen=True)
class TrainingScale:
    """What the images of a run are resampled to.

    Attributes
    ----------
    voxel_size : VoxelSize or None
        That of the run and of its models; None where it is not known.
    images : tuple of VoxelSize or None
        Those of the images.
    notice : str
        What the user should know of the choice.
    """

    voxel_size: VoxelSize | None
    images: tuple[VoxelSize | None, ...]
    notice: str = ""

    def resampling(self, index: int, shape: Sequence[int]) -> Resampling:
        """Return the way of an image of this spatial shape."""
        return plan_resampling(shape, *(self.images[index] or (None, None)), *(self.voxel_size or (None, None)))

    def state_dict(self) -> dict[str, Any]:
        """Return numbers and text."""
        return {"voxel_size": self.voxel_size, "images": self.images}

    @classmethod
    def from_state(cls, state: dict[str, Any] | None, images: Sequence[VoxelSize | None]) -> TrainingScale:
        """Return what `state_dict` was asked of; a run that was saved before there was one resamples nothing.

        Raises
        ------
        ValueError
            An image has another voxel size than it had; one whose voxel size is not known may have any.
        """
        if state is None:
            return cls(next((given for given in images if given), None), (None,) * len(images))
        # With another number of images their shapes will be found to be others too.
        is_same = len(state["images"]) == len(images)
        for index, (kept, given) in enumerate(zip(state["images"], images, strict=True) if is_same else ()):
            sizes = [_micrometers(size, "voxel_size, units") if size else None for size in (kept, given)]
            if sizes[0] and sizes[1] and is_other_size(sizes[0], sizes[1]):
                raise ValueError(
                    f"voxel_size: expected {describe_size(sizes[0])} of images[{index}], as in the resumed training, "
                    f"got {describe_size(sizes[1])}"
                )
        return cls(state["voxel_size"], tuple(state["images"] if is_same else images))


def choose_scale(
    images: Sequence[VoxelSize | None], *, of_model: VoxelSize | None = None, wanted: Sizes | None = None
) -> TrainingScale:
    """Choose the voxel size of a run.

    Parameters
    ----------
    images
        Voxel sizes of the images.
    of_model
        That of the model that the run starts from.
    wanted
        The user's setting, in micrometers.

    Raises
    ------
    ValueError
        A unit is no length, or the setting is for images without a voxel size or with other axes.
    """
    images = tuple(images)
    known = [given for given in images if given and _micrometers(given, "voxel_size, units")]
    first = next(iter(known), None) or next((given for given in images if given), None)
    if wanted is not None:
        if not known or len(wanted) != len(known[0][0]):
            raise ValueError(
                "config.voxel_size: expected none for images without a voxel size in a unit of length, or one number "
                f"for each of their axes, got {wanted} for {first or 'no voxel size'}"
            )
        return TrainingScale((tuple(wanted), ("micrometer",) * len(wanted)), images)
    model_size = _micrometers(of_model, "start_from: voxel_size, units") if of_model else None
    if model_size is None:
        return TrainingScale(first or of_model, images)
    size = _micrometers(known[0], "voxel_size, units") if known else None
    if size is None or not differ_too_much(size, model_size):
        return TrainingScale(of_model, images)
    notice = (
        f"The voxel size of the images, {describe_size(size)}, is too far from the model's, "
        f"{describe_size(model_size)}, to be right; they are not resampled to it."
    )
    return TrainingScale(known[0], images, notice)


def is_other_size(kept: Sizes, given: Sizes) -> bool:
    """Say whether an image has another voxel size than it had, both in one unit."""
    return len(kept) != len(given) or not np.allclose(given, kept, rtol=_ROUNDING, atol=0)


def _micrometers(given: VoxelSize, name: str) -> Sizes | None:
    return in_micrometers(*given, len(given[0]), name=name)


def per_image(
    voxel_size: Sizes | Sequence[Sizes] | None, units: Units | Sequence[Units] | None, n_images: int
) -> tuple[VoxelSize | None, ...]:
    """Return the voxel size of each image, given one for all or one for each; in micrometers where its units differ.

    Raises
    ------
    ValueError
        There is not one for each.
    """
    sizes, names = _spread(voxel_size, n_images, "voxel_size"), _spread(units, n_images, "units")
    return tuple(
        alike(size, name or ("pixel",) * len(size)) if size else None for size, name in zip(sizes, names, strict=True)
    )


def _spread(given: Sequence[Any] | None, n_images: int, name: str) -> list[Any]:
    if not given or not isinstance(given[0], Sequence) or isinstance(given[0], str):
        return [given] * n_images
    if len(given) != n_images:
        raise ValueError(f"{name}: expected one for each of {n_images} images, got {len(given)}")
    return list(given)
