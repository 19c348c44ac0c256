"""Between the user's pixels and those that a model was trained at.

Both grids cover the same box of space: of n pixels along an axis, pixel i covers the part from i / n to (i + 1) / n.
What is told by every pixel (an image) is interpolated; what is told by ids is decided by a vote (`votes`). This module
knows no networks: `ModelCard.resampling` asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.units import in_micrometers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TOLERANCE = 1.1
"""Along an axis on which voxel sizes differ by no larger a factor, nothing is resampled."""
MAX_FACTOR = 8.0
"""Voxel sizes that differ by more are a wrong scale rather than another microscope."""


@dataclass(frozen=True)
class Resampling:
    """The way of one image to the voxel size of a model, and back; see `plan_resampling`.

    Attributes
    ----------
    shape, model_shape : tuple of int
        Pixels per spatial axis of the user's grid and of the model's.
    notice : str
        What the user should know: that it is resampled, or why it is not; empty where there is nothing to say.
    """

    shape: tuple[int, ...]
    model_shape: tuple[int, ...]
    notice: str = ""

    @property
    def is_identity(self) -> bool:
        """Whether both grids are the same; then every method returns what it is given."""
        return self.shape == self.model_shape

    @property
    def factors(self) -> tuple[float, ...]:
        """Pixels of the model's grid per pixel of the user's, along every axis."""
        return tuple(m / n for n, m in zip(self.shape, self.model_shape, strict=True))

    def image(self, image: NDArray[Any]) -> NDArray[Any]:
        """Resample an image to the model's grid.

        Linear, after a Gaussian of standard deviation (factor - 1) / 2 along the axes that shrink.

        Parameters
        ----------
        image : ndarray
            (C, *shape).

        Returns
        -------
        ndarray
            float32 (C, *model_shape).
        """
        if self.is_identity:
            return image
        from skimage.transform import resize

        return np.stack(
            [
                resize(channel.astype(np.float32), self.model_shape, order=1, mode="edge", preserve_range=True)
                for channel in image
            ]
        )

    def annotations(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Resample painted labels to the model's grid; thin strokes stay, and masks keep their size.

        Where at least half of a new pixel is annotated, it takes the label with the largest share. Elsewhere it takes
        that label only if no neighbour has more than twice as much of it, which is so along the crest of a stroke that
        is thinner than a pixel, and not at the border of a mask.

        Parameters
        ----------
        labels : ndarray
            int32 (*shape), 0 is unlabeled; negative ids are labels as all others.

        Returns
        -------
        ndarray
            int32 (*model_shape).
        """
        if self.is_identity:
            return labels
        from napari_spoco.data.votes import elect_annotations

        return elect_annotations(labels, self.model_shape)

    def mask(self, mask: NDArray[Any]) -> NDArray[np.bool_]:
        """Resample where a mask (*shape) is not zero; a new pixel is inside if at least half of it is."""
        from napari_spoco.data.votes import resample_mask

        return resample_mask(mask, self.model_shape)

    def labels(self, labels: NDArray[np.integer]) -> NDArray[np.uint32]:
        """Resample found objects back to the user's grid.

        Each mask is interpolated, and a pixel takes the id (or 0) of the largest value there.

        Parameters
        ----------
        labels : ndarray
            Ids from 0 to below 2**31, (*model_shape).

        Returns
        -------
        ndarray
            uint32 (*shape). Where the user's pixels are the coarser ones, very small objects may be lost.
        """
        if self.is_identity:
            return labels.astype(np.uint32, copy=False)
        from napari_spoco.data.votes import elect_labels

        return elect_labels(labels, self.shape)

    def model_pixel(self, pixel: Sequence[int]) -> tuple[int, ...]:
        """Return the pixel of the model's grid in which a pixel of the user's grid has its centre.

        Raises
        ------
        ValueError
            Not one index per spatial axis.
        """
        if len(pixel) != len(self.shape):
            raise ValueError(f"pixel: expected {len(self.shape)} indices, got {tuple(pixel)}.")
        sizes = zip(pixel, self.shape, self.model_shape, strict=True)
        return tuple((2 * index + 1) * m // (2 * n) for index, n, m in sizes)

    def picture(
        self, picture: NDArray[np.uint8], start: Sequence[int] | None = None
    ) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
        """Bring a picture of a box of the model's grid to the user's grid, by nearest neighbour.

        Parameters
        ----------
        picture : ndarray
            (*box, 3).
        start : sequence of int, optional
            First pixel of the box in the model's grid; 0 if None.

        Returns
        -------
        ndarray, tuple of int
            (*box of the user's grid, 3), at least one pixel per axis, and its first pixel.
        """
        firsts = (0,) * len(self.shape) if start is None else tuple(start)
        if self.is_identity:
            return picture, firsts
        begins = []
        for axis, (n, m, first) in enumerate(zip(self.shape, self.model_shape, firsts, strict=True)):
            length = picture.shape[axis]
            nearest = nearest_pixels(m, n)
            inside = np.flatnonzero((nearest >= first) & (nearest < first + length))
            if not len(inside):  # Between two centres of coarser pixels: the one that covers it.
                inside = np.array([min((2 * first + length) * n // (2 * m), n - 1)])
            begins.append(int(inside[0]))
            picture = picture.take(np.clip(nearest[inside] - first, 0, length - 1), axis)
        return picture, tuple(begins)


def plan_resampling(
    shape: Sequence[int],
    scale: Sequence[float] | None,
    units: Sequence[str] | None,
    model_scale: Sequence[float] | None,
    model_units: Sequence[str] | None,
) -> Resampling:
    """Decide how an image gets to the voxel size of a model.

    Nothing is resampled along axes that differ by at most `TOLERANCE`; nothing at all where one of the voxel sizes is
    not known, or is given in pixels, or where they differ by more than `MAX_FACTOR`.

    Parameters
    ----------
    shape : sequence of int
        Of the image, per spatial axis.
    scale, units : sequence, optional
        Distance of neighbouring pixels per axis, and its unit.
    model_scale, model_units : sequence, optional
        Those that the model was trained at.

    Raises
    ------
    ValueError
        A unit that is no length, a size that is not positive, or not one of each per axis.
    """
    shape = tuple(shape)
    wanted = in_micrometers(model_scale, model_units, len(shape), name="model_scale, model_units")
    if wanted is None:
        return Resampling(shape, shape)
    size = in_micrometers(scale, units, len(shape), name="scale, units")
    if size is None:
        return Resampling(
            shape,
            shape,
            f"The image has no voxel size; it is taken to have that of the model, {describe_size(wanted)}.",
        )
    if differ_too_much(size, wanted):
        return Resampling(
            shape,
            shape,
            f"The image's voxel size, {describe_size(size)}, is too far from the model's, {describe_size(wanted)}, to "
            "be right; the image is taken as it is.",
        )
    model_shape = tuple(_resampled_length(n, a / b) for n, a, b in zip(shape, size, wanted, strict=True))
    if model_shape == shape:
        return Resampling(shape, shape)
    notice = f"The image is resampled from {describe_size(size)} to the model's voxel size, {describe_size(wanted)}."
    return Resampling(shape, model_shape, notice)


def nearest_pixels(n: int, m: int) -> NDArray[np.intp]:
    """Return, for each of m pixels along an axis, in which of n that cover the same length its centre lies, (m,)."""
    return (2 * np.arange(m) + 1) * n // (2 * m)


def differ_too_much(size: Sequence[float], other: Sequence[float]) -> bool:
    """Say whether two voxel sizes, in one unit, differ by more than `MAX_FACTOR` along any axis."""
    return any(max(a / b, b / a) > MAX_FACTOR for a, b in zip(size, other, strict=True))


def describe_size(size: Sequence[float]) -> str:
    """Return "0.235 x 0.3 x 0.3 micrometer"."""
    return f"{' x '.join(f'{step:.4g}' for step in size)} micrometer"


def _resampled_length(n: int, factor: float) -> int:
    return n if 1 / TOLERANCE <= factor <= TOLERANCE else max(1, round(n * factor))
