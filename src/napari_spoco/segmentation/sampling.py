"""Which pixels of an image are clustered, and how the others join: to the nearest cluster, unless they are too far.

Density-based clustering grows with the square of the number of pixels, so large images are clustered on a random
sample. How the sample is clustered is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.segmentation.arguments import check_embeddings, check_mask, check_number
from napari_spoco.segmentation.smoothing import smooth_embeddings

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_PIXELS_PER_CLUSTER = 8
"""Sampled pixels that the smallest cluster should have; below that, chance clusters of boundary pixels appear."""

_FEW_PIXELS, _MOST_PIXELS = 10_000, 300_000
_SMALL_SAMPLE, _LARGE_SAMPLE = 5_000, 8_000
_MARGIN = 1.5
_BLOCK_DISTANCES = 2**22


@dataclass(frozen=True)
class PixelSample:
    """Pixels to segment and those of them to cluster, as rows of embeddings.

    `embeddings` (E, *spatial), smoothed; `pixels` (N,) flat indices of the foreground; `points` (N, E) their
    embeddings; `chosen` (n,) indices into `pixels`, all of them in order if `is_complete`.
    """

    embeddings: NDArray[np.float32]
    pixels: NDArray[np.intp]
    points: NDArray[np.float32]
    chosen: NDArray[np.intp]

    @property
    def is_complete(self) -> bool:
        """Whether all pixels are clustered."""
        return len(self.chosen) == len(self.pixels)

    @property
    def share(self) -> float:
        """Part of the pixels that is clustered."""
        return len(self.chosen) / max(len(self.pixels), 1)

    @property
    def chosen_points(self) -> NDArray[np.float32]:
        """Embeddings of the chosen pixels (n, E), contiguous."""
        return np.ascontiguousarray(self.points if self.is_complete else self.points[self.chosen])

    def paint(self, clusters: NDArray[np.intp]) -> NDArray[np.uint32]:
        """Return the image (*spatial) of clusters (N,) from 0 as labels from 1; -1 and other pixels become 0."""
        labels = np.zeros(self.embeddings.shape[1:], dtype=np.uint32)
        labels.flat[self.pixels] = clusters + 1
        return labels


def sample_pixels(
    embeddings: NDArray[Any],
    *,
    foreground: NDArray[Any] | None,
    smoothing: float,
    n_samples: int | None,
    min_size: int,
    rng: np.random.Generator | None,
) -> PixelSample:
    """Smooth the embeddings and choose pixels of the foreground.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    foreground
        (*spatial) bool or integer, or None for all pixels.
    smoothing
        Standard deviation of the Gaussian over the embeddings, in pixels.
    n_samples
        Number of pixels; None = all of up to 10,000, else 5,000 to 8,000, the more the smaller `min_size`.
    min_size
        Of an object, in pixels of the image; 0 = unknown.
    rng
        Source of the sample; None = a generator of seed 0.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, or `n_samples` asks for more pixels than can be clustered
        within minutes.
    """
    embeddings = smooth_embeddings(check_embeddings(embeddings), smoothing)
    flat = embeddings.reshape(embeddings.shape[0], -1)
    if foreground is None:
        pixels, points = np.arange(flat.shape[1]), flat.T
    else:
        pixels = np.flatnonzero(check_mask(foreground, embeddings.shape[1:], name="foreground"))
        points = flat[:, pixels].T
    check_number(min_size, name="min_size", at_least=0)
    n_chosen = _sample_size(n_samples, len(pixels), min_size)
    if n_chosen == len(pixels):
        return PixelSample(embeddings, pixels, points, np.arange(n_chosen))
    rng = rng if rng is not None else np.random.default_rng(0)
    return PixelSample(embeddings, pixels, points, rng.choice(len(pixels), n_chosen, replace=False, shuffle=False))


def _sample_size(n_samples: int | None, n_pixels: int, min_size: int) -> int:
    if n_samples is None:
        if n_pixels <= _FEW_PIXELS:
            return n_pixels
        wanted = N_PIXELS_PER_CLUSTER * n_pixels / min_size if min_size else 0
        return int(np.clip(wanted, _SMALL_SAMPLE, _LARGE_SAMPLE))
    size = min(int(check_number(n_samples, name="n_samples", at_least=1)), n_pixels)
    if size > _MOST_PIXELS:
        raise ValueError(
            f"n_samples: expected at most {_MOST_PIXELS} pixels, as the time grows with their square up to hours, "
            f"got {size}; leave it out to cluster a sample that the other pixels join, or give a smaller foreground."
        )
    return size


def join_nearest(
    sample: PixelSample,
    clusters: NDArray[np.intp],
    centres: NDArray[np.float32],
    *,
    least_reach: float = 0.0,
) -> NDArray[np.intp]:
    """Let every pixel join the cluster of the nearest centre, if it is not much farther than the chosen ones.

    A cluster reaches 1.5 times as far as its farthest chosen pixel: a sample does not hold the outermost pixels.

    Parameters
    ----------
    sample
        The pixels.
    clusters
        (n,) cluster 0..K-1 of each chosen pixel, -1 = noise.
    centres
        (K, E).
    least_reach
        Distance from its centre that every cluster reaches at least.

    Returns
    -------
    numpy.ndarray
        (N,) cluster of each pixel, -1 = noise.
    """
    inside = clusters >= 0
    members = clusters[inside]
    reach = np.full(len(centres), least_reach, dtype=np.float32)
    np.maximum.at(reach, members, _MARGIN * _distances(sample.points[sample.chosen[inside]], centres[members]))
    nearest, distances = nearest_centres(sample.points, centres)
    return np.where(distances <= reach[nearest], nearest, -1)


def nearest_centres(
    points: NDArray[np.float32], centres: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return for each of N points (N, E) the nearest of K centres (K, E), the first of equals, and its distance."""
    origin = centres.mean(axis=0)  # keeps the expanded square exact far from the origin
    directions = 2.0 * (centres - origin).T
    norms = np.square(centres - origin).sum(axis=1)
    nearest = np.empty(len(points), dtype=np.intp)
    distances = np.empty(len(points), dtype=np.float32)
    step = max(1, _BLOCK_DISTANCES // len(centres))
    for start in range(0, len(points), step):
        rows = slice(start, start + step)
        block = np.ascontiguousarray(points[rows])
        nearest[rows] = (norms - (block - origin) @ directions).argmin(axis=1)
        distances[rows] = _distances(block, centres[nearest[rows]])
    return nearest, distances


def _distances(points: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    distances: NDArray[np.float32] = np.sqrt(np.square(points - others).sum(axis=1))
    return distances


def cluster_means(points: NDArray[np.float32], clusters: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the mean (K, E) of the points (n, E) of each cluster 0..K-1; each must have one, -1 is left out."""
    inside = clusters >= 0
    sizes = np.bincount(clusters[inside])
    sums = [np.bincount(clusters[inside], weights=column) for column in points[inside].T]
    means: NDArray[np.float32] = (np.stack(sums, axis=1) / sizes[:, None]).astype(np.float32)
    return means
