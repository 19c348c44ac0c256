"""Between the user's pixels and those that a model was trained at.

Both grids cover the same box of space: of n pixels along an axis, pixel i covers the part from i / n to (i + 1) / n.
What is told by every pixel (an image) is interpolated; what is told by ids is decided by a vote in which every id
counts by the share of the new pixel that it covers. This module knows no networks: `ModelCard.resampling` asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, sparse

from napari_spoco.data.annotations import UNLABELED
from napari_spoco.data.runs import group_runs
from napari_spoco.data.units import MICROMETERS, canonical_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Box = tuple[slice, ...]

TOLERANCE = 1.1
"""Along an axis on which voxel sizes differ by no larger a factor, nothing is resampled."""
MAX_FACTOR = 8.0
"""Voxel sizes that differ by more are a wrong scale rather than another microscope."""
_PIXELS = ("pixel", "dimensionless", "")
_ROUNDING = 1e-5


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
        votes = _Votes(self.model_shape)
        is_crest = np.zeros(self.model_shape, dtype=bool)
        for label, box, shares in _shares(labels, self._matrices(self.shape, self.model_shape, _overlaps)):
            is_won = votes.cast(label, box, shares)
            crest = shares >= 0.5 * ndimage.maximum_filter(shares, size=3, mode="constant") - _ROUNDING
            is_crest[box][is_won] = crest[is_won]
        return np.where((votes.total >= 0.5 - _ROUNDING) | is_crest, votes.winners, UNLABELED).astype(np.int32)

    def mask(self, mask: NDArray[Any]) -> NDArray[np.bool_]:
        """Resample where a mask (*shape) is not zero; a new pixel is inside if at least half of it is."""
        shares = (mask != 0).astype(np.float32)
        for axis, matrix in enumerate(self._matrices(self.shape, self.model_shape, _overlaps)):
            shares = _along(axis, matrix, shares)
        return np.asarray(shares >= 0.5 - _ROUNDING)

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
        votes = _Votes(self.shape)
        for label, box, shares in _shares(
            labels.astype(np.int32), self._matrices(self.model_shape, self.shape, _interpolation)
        ):
            votes.cast(label, box, shares)
        # 1 - total is the share of 0.
        return np.where(votes.best + votes.total > 1, votes.winners, 0).astype(np.uint32)

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

    @staticmethod
    def _matrices(before: tuple[int, ...], after: tuple[int, ...], make: Any) -> list[sparse.csc_array]:
        return [make(n, m) for n, m in zip(before, after, strict=True)]


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


def in_micrometers(
    scale: Sequence[float] | None, units: Sequence[str] | None, ndim: int, *, name: str = "scale, units"
) -> tuple[float, ...] | None:
    """Convert a voxel size; None where it is not known, that is where an axis is in pixels.

    Raises
    ------
    ValueError
        A unit that is no length, a size that is not positive, or not one of each per axis.
    """
    if scale is None or units is None:
        return None
    names = [canonical_unit(unit) or unit for unit in units]
    if any(unit in _PIXELS for unit in names):
        return None
    if len(scale) != ndim or len(names) != ndim or not all(0 < size < np.inf for size in scale):
        raise ValueError(f"{name}: expected {ndim} positive numbers and {ndim} units, got {tuple(scale)}, {names}")
    unknown = [unit for unit in names if unit not in MICROMETERS]
    if unknown:
        raise ValueError(f"{name}: expected units of length ({', '.join(MICROMETERS)}) or pixel, got {unknown[0]!r}")
    return tuple(float(size) * MICROMETERS[unit] for size, unit in zip(scale, names, strict=True))


def differ_too_much(size: Sequence[float], other: Sequence[float]) -> bool:
    """Say whether two voxel sizes, in one unit, differ by more than `MAX_FACTOR` along any axis."""
    return any(max(a / b, b / a) > MAX_FACTOR for a, b in zip(size, other, strict=True))


def describe_size(size: Sequence[float]) -> str:
    """Return "0.235 x 0.3 x 0.3 micrometer"."""
    return f"{' x '.join(f'{step:.4g}' for step in size)} micrometer"


def _resampled_length(n: int, factor: float) -> int:
    return n if 1 / TOLERANCE <= factor <= TOLERANCE else max(1, round(n * factor))


class _Votes:
    """For each pixel of a grid the id with the largest share so far, that share, and the sum of all shares."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.winners = np.zeros(shape, dtype=np.int32)
        self.best = np.zeros(shape, dtype=np.float32)
        self.total = np.zeros(shape, dtype=np.float32)

    def cast(self, label: int, box: Box, shares: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Count the shares of a label in a box; returns where it is ahead of all others."""
        self.total[box] += shares
        is_won: NDArray[np.bool_] = shares > self.best[box]
        self.winners[box][is_won] = label
        self.best[box][is_won] = shares[is_won]
        return is_won


def _shares(
    labels: NDArray[np.int32], matrices: list[sparse.csc_array]
) -> Iterator[tuple[int, Box, NDArray[np.float32]]]:
    """Yield each id but 0, the box of the new grid in which it is, and its share of the pixels there; objects first."""
    groups = group_runs(labels, unwanted=(UNLABELED,))
    for label in sorted(groups, key=lambda label: (label < 0, label)):
        firsts = np.unravel_index(groups[label].starts, labels.shape)
        lasts = (*firsts[:-1], firsts[-1] + np.diff(groups[label].ends, prepend=0) - 1)
        source = tuple(slice(int(a.min()), int(b.max()) + 1) for a, b in zip(firsts, lasts, strict=True))
        shares = (labels[source] == label).astype(np.float32)
        box = []
        for axis, (matrix, part) in enumerate(zip(matrices, source, strict=True)):
            columns = matrix[:, part]
            begin, end = int(columns.indices.min()), int(columns.indices.max()) + 1
            shares = _along(axis, columns[begin:end], shares)
            box.append(slice(begin, end))
        yield label, tuple(box), shares


def _along(axis: int, matrix: sparse.csc_array, array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply a matrix to an axis."""
    moved = np.moveaxis(array, axis, 0)
    product = (matrix @ moved.reshape(len(moved), -1)).reshape(-1, *moved.shape[1:])
    return np.moveaxis(product, 0, axis)


def _overlaps(n: int, m: int) -> sparse.csc_array:
    """Return (m, n): which share of each of m pixels lies in each of n pixels that cover the same length."""
    edges = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)  # in units that divide both
    weights = (np.diff(edges) / n).astype(np.float32)
    return sparse.csc_array((weights, (edges[:-1] // n, edges[:-1] // m)), shape=(m, n))


def _interpolation(n: int, m: int) -> sparse.csc_array:
    """Return (m, n): linear interpolation at the centres of m pixels; the mean where they are the larger ones."""
    if m <= n:
        return _overlaps(n, m)
    centres = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
    below = np.minimum(centres.astype(int), max(n - 2, 0))
    above = np.minimum(below + 1, n - 1)
    weights = np.concatenate([1 - (centres - below), centres - below]).astype(np.float32)
    rows = np.tile(np.arange(m), 2)
    matrix = sparse.csc_array((weights, (rows, np.concatenate([below, above]))), shape=(m, n))
    matrix.eliminate_zeros()
    return matrix
