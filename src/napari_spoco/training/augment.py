"""Two views of each patch: geometry is shared and one resampling, appearance is drawn for each view.

Labels travel as `label - IGNORE`, so that the zeros with which resampling fills the outside mean `IGNORE` afterwards:
the difference between "unlabeled" and "not in the image" survives every transform. Whole batches are computed at
once, and nothing waits for a GPU; all randomness of a batch comes from the generator that is passed in for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.transforms.utils import create_grid, create_rotate, create_scale
from torch.nn.functional import grid_sample, interpolate

from napari_spoco.data.annotations import IGNORE
from napari_spoco.training.appearance import Appearance, along_axes, moved
from napari_spoco.training.patches import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import AugmentationConfig
    from napari_spoco.training.patches import Crop


@dataclass(frozen=True, eq=False)
class Batch:
    """Two views of B patches, and what is known about both.

    Attributes
    ----------
    student, teacher : Tensor
        float32 (B, C, *patch).
    labels : Tensor
        int64 (B, *patch), the ids of the crops.
    known : tuple of mapping of int to Tensor
        Per patch, for each object that was painted in some planes only: bool (*patch), true where the voxel comes
        from one of them. All other objects are known everywhere.
    """

    student: torch.Tensor
    teacher: torch.Tensor
    labels: torch.Tensor
    known: tuple[Mapping[int, torch.Tensor], ...]


class Augmentation:
    """Cut crops down to patches with random geometry, and give each two random appearances.

    Rotation, scaling, flips and a smooth deformation make one grid, in which the image is interpolated once. Turns
    are in the plane, around the first axis in 3D; displacements and blur are equal along all axes in physical units.

    Parameters
    ----------
    config : AugmentationConfig
        Strengths; what is given in pixels is in the finer of the two pixel sizes of the plane.
    patch_shape : tuple of int
        Shape of the patches, (Z)YX, pixels.
    voxel_size : tuple of float, optional
        Distance of neighbouring pixels per axis, in any unit; equal if None.

    Raises
    ------
    ValueError
        A voxel size that is not positive, or of another number of axes.
    """

    def __init__(
        self, config: AugmentationConfig, patch_shape: tuple[int, ...], voxel_size: tuple[float, ...] | None = None
    ) -> None:
        self._config = config
        self._patch_shape = tuple(patch_shape)
        self._steps = _steps(len(patch_shape), voxel_size)
        self._appearance = Appearance(config, self._steps)
        coordinates = create_grid(patch_shape, homogeneous=False, dtype=np.float32)
        self._coordinates = torch.from_numpy(coordinates).flatten(1)  # (ndim, pixels), from the centre of the patch
        lengths = (np.array(patch_shape) - 1) * self._steps
        n_nodes = np.maximum(np.rint(lengths / config.elastic_spacing).astype(int) + 1, 2)
        self._weights = [_cubic_weights(n, m) for n, m in zip(n_nodes.tolist(), patch_shape, strict=True)]

    def __call__(self, crops: Sequence[Crop], rng: np.random.Generator, device: torch.device | str = "cpu") -> Batch:
        """Make a batch on the device; on the CPU the same bits for the same state of `rng`."""
        device = torch.device(device)
        self._coordinates = self._coordinates.to(device)
        self._weights = [weights.to(device) for weights in self._weights]
        images = moved(np.stack([crop.image for crop in crops]), device)  # (B, C, *crop)
        marks = moved(_marks(crops), device)  # (B, 1 or 2, *crop)
        grid = self._grid(rng, len(crops), images.shape[2:], device)  # (B, *patch, ndim)
        # The crop covers the patch, so that the padding of the image serves rounding only; "border" is the fastest.
        patches = grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
        marks = grid_sample(marks, grid, mode="nearest", padding_mode="zeros", align_corners=False).long()
        student, teacher = self._appearance(torch.cat([patches, patches]), rng).chunk(2)
        known = tuple(_known(crop, shifted) for crop, shifted in zip(crops, marks[:, -1], strict=True))
        return Batch(student, teacher, marks[:, 0] + IGNORE, known)

    def _grid(self, rng: np.random.Generator, n: int, crop_shape: Sequence[int], device: torch.device) -> torch.Tensor:
        """Return where each patch pixel comes from, (B, *patch, ndim), as `grid_sample` takes it (no corners)."""
        to_unit = 2 / np.array(crop_shape, dtype=float)  # pixels from the centre -> [-1, 1]
        matrices = moved(_as_float32(to_unit[:, None] * self._matrices(rng, n)), device)
        sources: torch.Tensor = (matrices @ self._coordinates).unflatten(-1, self._patch_shape)  # (B, ndim, *patch)
        if self._config.elastic:
            sources += self._displacements(rng, n, to_unit, device)
        return sources.flip(1).movedim(1, -1)

    def _matrices(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Draw `n` matrices (B, ndim, ndim) from patch to crop, both in pixels from the centre."""
        ndim = len(self._patch_shape)
        angles = rng.uniform(-np.pi, np.pi, n) * self._config.rotate
        factors = np.exp(rng.uniform(-1, 1, n) * np.log1p(self._config.scaling))
        signs = np.where((rng.random((n, ndim)) < 0.5) & self._config.flip, -1, 1)
        to_pixels, to_physical = create_scale(ndim, 1 / self._steps), create_scale(ndim, self._steps)
        matrices = [
            # In 3D the first of the angles turns around the first axis.
            to_pixels @ create_rotate(ndim, angle if ndim == 2 else (angle,)) @ to_physical @ create_scale(ndim, scale)
            for angle, scale in zip(angles, factors[:, None] * signs, strict=True)
        ]
        return np.stack(matrices)[:, :ndim, :ndim]

    def _displacements(
        self, rng: np.random.Generator, n: int, to_unit: NDArray[np.float64], device: torch.device
    ) -> torch.Tensor:
        """Draw `n` smooth fields (B, ndim, *patch); the length of the longest vector is uniform up to `elastic`."""
        ndim = len(self._patch_shape)
        nodes = rng.uniform(-1, 1, (n, ndim, *(weights.shape[1] for weights in self._weights)))
        amplitudes = rng.uniform(0, self._config.elastic, n)[:, None] * to_unit / self._steps  # (B, ndim)
        fields = along_axes(moved(_as_float32(nodes), device), self._weights)
        longest = fields.square().sum(1).flatten(1).amax(1, keepdim=True).sqrt()  # (B, 1)
        factors = moved(_as_float32(amplitudes), device) / longest
        return fields * factors.view(n, ndim, *[1] * ndim)


def crop_shape(
    config: AugmentationConfig, patch_shape: tuple[int, ...], voxel_size: tuple[float, ...] | None = None
) -> tuple[int, ...]:
    """Return the shape of the crop that covers a patch after any rotation, scaling and deformation.

    It exceeds the patch by as much on both sides, so that a patch that is not moved falls on the crop's pixels.
    """
    steps = _steps(len(patch_shape), voxel_size)
    patch = np.array(patch_shape)
    covered = patch * steps
    if config.rotate:
        covered[-2:] = np.hypot(*covered[-2:])
    margins = (covered * (1 + config.scaling) / steps - patch) / 2 + config.elastic / steps
    return tuple((patch + 2 * np.ceil(np.round(margins, 6)).astype(int)).tolist())


def _steps(ndim: int, voxel_size: tuple[float, ...] | None) -> NDArray[np.float64]:
    """Return the voxel size in units of the finer pixel size of the plane."""
    if voxel_size is None:
        return np.ones(ndim)
    if len(voxel_size) != ndim or not all(size > 0 for size in voxel_size):
        raise ValueError(f"voxel_size: expected {ndim} positive numbers, got {voxel_size}")
    return np.array(voxel_size) / min(voxel_size[-2:])


def _cubic_weights(n_nodes: int, n: int) -> torch.Tensor:
    """Return (n, nodes): the weights by which cubic interpolation makes `n` pixels of values at equal distances."""
    return interpolate(torch.eye(n_nodes)[None, None], (n, n_nodes), mode="bicubic", align_corners=True)[0, 0]


def _marks(crops: Sequence[Crop]) -> NDArray[np.float32]:
    """Stack labels and, where any crop has them, planes (B, 1 or 2, *crop) so that zero means outside of the image."""
    n_marks = 2 if any(crop.planes is not None for crop in crops) else 1
    marks = np.zeros((len(crops), n_marks, *crops[0].labels.shape), dtype=np.float32)  # the ids of a crop are exact
    for stack, crop in zip(marks, crops, strict=True):
        np.subtract(crop.labels, IGNORE, out=stack[0], casting="unsafe")
        if crop.planes is not None:
            np.subtract(crop.planes, OUTSIDE, out=stack[1], casting="unsafe")
    return marks


def _known(crop: Crop, shifted_planes: torch.Tensor) -> dict[int, torch.Tensor]:
    """Return per object painted in some planes where the voxels come from them; (*patch) of plane - `OUTSIDE`."""
    if crop.planes is None:
        return {}
    is_painted = np.zeros((len(crop.painted_planes), int(crop.planes.max()) - OUTSIDE + 1), dtype=bool)
    for row, painted in zip(is_painted, crop.painted_planes.values(), strict=True):
        row[[plane - OUTSIDE for plane in painted if plane - OUTSIDE < len(row)]] = True
    distinct, kinds = np.unique(is_painted, axis=0, return_inverse=True)  # many objects share their planes
    known = moved(distinct, shifted_planes.device)[:, shifted_planes]  # (kinds, *patch)
    return {instance_id: known[kind] for instance_id, kind in zip(crop.painted_planes, kinds.tolist(), strict=True)}


def _as_float32(array: NDArray[np.float64]) -> NDArray[np.float32]:
    return array.astype(np.float32)
