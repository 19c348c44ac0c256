"""Supervoxels of a boundary signal, merged by mean embedding: for tissue whose boundaries are bright.

The image knows better than the embeddings where a boundary runs, the embeddings know better which pieces belong
together; a mean over hundreds of pixels is not troubled by noise that shatters a mutex watershed. One seed per local
minimum is meant: what the watershed parts too often is merged again, what it fails to part is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from bioimage_cpp.segmentation import label, watershed
from scipy import ndimage
from skimage.morphology import local_minima

from napari_spoco.segmentation.agglomeration import merge_by_embedding
from napari_spoco.segmentation.arguments import check_choice, check_embeddings, check_mask, check_number
from napari_spoco.segmentation.cleanup import BACKGROUND_MODES, clean_up
from napari_spoco.segmentation.segments import SegmentTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.segmentation.background import ShownBackground


def boundary_signal(
    image: NDArray[Any],
    kind: Literal["image", "gradient"] = "image",
    *,
    sigma: float = 1.0,
    scale: Sequence[float] | None = None,
) -> NDArray[np.float32]:
    """Make a signal that is bright at boundaries.

    Parameters
    ----------
    image
        (*spatial) one channel, 2D or 3D, any real type.
    kind
        "image": the image itself, where boundaries are stained. "gradient": its gradient magnitude, where objects
        differ from what is around them.
    sigma
        Standard deviation of the Gaussian over the image, in pixels of the finest axis; 0 = none.
    scale
        Distance of neighbouring pixels per axis, in any unit: only the ratios matter. None = equal.

    Returns
    -------
    numpy.ndarray
        (*spatial) float32; reflecting borders.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or the image holds NaN or infinity; the message names it.
    """
    signal = _check_signal(image, name="image")
    check_choice(kind, ("image", "gradient"), name="kind")
    spacing = _check_scale(scale, signal.ndim)
    sigma = check_number(sigma, name="sigma", at_least=0)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(signal, sigma / spacing)
    if kind == "image":
        return smooth
    squared = np.zeros_like(smooth)
    for axis, step in enumerate(spacing.tolist()):
        if smooth.shape[axis] > 1:
            # Differences of the smoothed image: a sampled derivative of a Gaussian fades where sigma is below a pixel.
            squared += np.square(np.gradient(smooth, step, axis=axis))
    return np.sqrt(squared)


def segment_supervoxels(
    embeddings: NDArray[Any],
    boundaries: NDArray[Any],
    *,
    merge_distance: float,
    foreground: NDArray[Any] | None = None,
    scale: Sequence[float] | None = None,
    boundary_smoothing: float = 1.0,
    fragment_size: int = 0,
    background: Literal["none", "largest", "mode"] = "none",
    background_radius: float = 2.0,
    shown_background: ShownBackground | None = None,
    min_size: int = 0,
) -> NDArray[np.uint32]:
    """Segment embeddings into instances whose borders follow a boundary signal, then clean up.

    The order is: smoothing of the boundary signal, `find_supervoxels`, `merge_by_embedding` by the pixels that are no
    brighter than the mean of their supervoxel, growth of fragments, removal of the background, removal of small
    objects.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    boundaries
        (*spatial) any real type, bright = boundary; the image, or a `boundary_signal`.
    merge_distance
        Touching segments whose mean embeddings are closer are merged. Training keeps pixels within delta_var of their
        mean and means 2 delta_dist apart; between half of that and all of it suits.
    foreground
        (*spatial) bool or integer: only these pixels are segmented.
    scale
        Distance of neighbouring pixels per axis, in any unit: only the ratios matter. None = equal.
    boundary_smoothing
        Standard deviation of the Gaussian over the boundary signal, in pixels of the finest axis: the noisier, the
        more, up to about the width of a boundary. 0 takes the signal as it is.
    fragment_size
        Segments of fewer pixels grow into the touching segment of the nearest mean embedding.
    background, background_radius, shown_background
        Segments that become label 0, as for `clean_up`.
    min_size
        Objects of fewer pixels become label 0.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, 0 = background.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or an array holds NaN or infinity; the message names it.
    """
    embeddings = check_embeddings(embeddings)
    boundaries = _check_signal(boundaries, name="boundaries")
    if boundaries.shape != embeddings.shape[1:]:
        raise ValueError(f"boundaries: expected shape {embeddings.shape[1:]}, got {boundaries.shape}.")
    check_number(merge_distance, name="merge_distance", at_least=0)
    check_number(boundary_smoothing, name="boundary_smoothing", at_least=0)
    check_number(fragment_size, name="fragment_size", at_least=0)
    check_choice(background, BACKGROUND_MODES, name="background")
    check_number(background_radius, name="background_radius", above=0)
    check_number(min_size, name="min_size", at_least=0)

    heights = boundary_signal(boundaries, sigma=boundary_smoothing, scale=scale)
    basins = find_supervoxels(heights, foreground=foreground)
    return clean_up(
        merge_supervoxels(basins, embeddings, heights, merge_distance),
        fragment_size=fragment_size,
        background=background,
        background_radius=background_radius,
        shown_background=shown_background,
        min_size=min_size,
    )


def merge_supervoxels(
    basins: NDArray[np.uint32], embeddings: NDArray[np.float32], heights: NDArray[np.float32], merge_distance: float
) -> SegmentTable:
    """Merge supervoxels by the mean embedding of the pixels that are no higher than the mean of their supervoxel.

    Parameters
    ----------
    basins, heights
        (*spatial) from `find_supervoxels` and what they were found in.
    embeddings
        (E, *spatial).
    merge_distance
        As for `merge_by_embedding`.
    """
    merged = merge_by_embedding(basins, embeddings, merge_distance, interior=_is_interior(basins, heights))
    return SegmentTable(merged, embeddings)


def find_supervoxels(heights: NDArray[Any], *, foreground: NDArray[Any] | None = None) -> NDArray[np.uint32]:
    """Divide an image into the catchment basins of its boundary signal.

    Watershed (bioimage-cpp) with one seed per local minimum. Every connected part of the foreground holds a minimum,
    be it a plateau, so all of the foreground is covered.

    Parameters
    ----------
    heights
        (*spatial) any real type, high = boundary. Smooth it beforehand: every minimum is a supervoxel.
    foreground
        (*spatial) bool or integer: only these pixels are divided.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, each connected through faces; 0 outside of the foreground.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type or shape, or `heights` hold NaN or infinity.
    """
    heights = _check_signal(heights, name="heights")
    mask = None if foreground is None else check_mask(foreground, heights.shape, name="foreground")
    walled = heights if mask is None else np.where(mask, heights, np.float32(np.inf))
    minima = local_minima(np.pad(walled, 1, constant_values=np.inf), connectivity=1)
    seeds = label(minima[(slice(1, -1),) * heights.ndim], connectivity=1).astype(np.uint32)
    basins: NDArray[np.uint32] = watershed(heights, seeds, mask=mask)
    return basins


def _is_interior(basins: NDArray[np.uint32], heights: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the pixels that are no higher than the mean of their basin, (*spatial)."""
    flat = basins.ravel()
    means = np.bincount(flat, heights.ravel()) / np.maximum(np.bincount(flat), 1)
    lower: NDArray[np.bool_] = heights <= means[basins]
    return lower


def _check_signal(signal: NDArray[Any], *, name: str) -> NDArray[np.float32]:
    array = np.asarray(signal)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}.")
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"{name}: expected axes (Y, X) or (Z, Y, X), got shape {array.shape}.")
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity.")
    return array


def _check_scale(scale: Sequence[float] | None, ndim: int) -> NDArray[np.float64]:
    """Return the distances of neighbouring pixels per axis, in those of the finest axis."""
    spacing = tuple(scale) if scale is not None else (1.0,) * ndim
    if len(spacing) != ndim:
        raise ValueError(f"scale: expected {ndim} numbers, got {spacing}.")
    checked = np.array([check_number(step, name="scale", above=0) for step in spacing])
    relative: NDArray[np.float64] = checked / checked.min()
    return relative
