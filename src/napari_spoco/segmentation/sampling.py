"""Which pixels of an image are clustered, and how the others join: to the nearest cluster, unless they are too far.

Density-based clustering grows with the square of the number of pixels, so large images are clustered on a random
sample. How the sample is clustered is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_spoco.segmentation.arguments import check_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_PIXELS_PER_CLUSTER = 8
"""Sampled pixels that the smallest cluster should have; below that, chance clusters of boundary pixels appear."""

MOST_PIXELS = 300_000
_FEW_PIXELS = 10_000
_SMALL_SAMPLE, _LARGE_SAMPLE = 5_000, 8_000
_MARGIN = 1.5
_N_LEADING = 32
_SURE = 0.999
"""Room for rounding."""
_BLOCK_DISTANCES = 2**18
"""Distances at a time; they stay in the cache."""


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters 0..n_clusters - 1 of pixels.

    `nearest` (N,) the cluster nearest to each pixel, `is_inside` (N,) whether the pixel belongs to it or is noise;
    `of_chosen` (n,) the cluster of each chosen pixel, -1 = noise.
    """

    nearest: NDArray[np.intp]
    is_inside: NDArray[np.bool_]
    of_chosen: NDArray[np.intp]
    n_clusters: int

    @property
    def of_pixels(self) -> NDArray[np.intp]:
        """Cluster of each pixel (N,), -1 = noise."""
        return np.where(self.is_inside, self.nearest, -1)


def sample_pixels(
    embeddings: NDArray[np.float32],
    foreground: NDArray[np.bool_] | None,
    n_samples: int,
    seed: np.random.Generator | int,
) -> PixelSample:
    """Choose pixels of the foreground at random.

    Parameters
    ----------
    embeddings
        (E, *spatial), checked and smoothed.
    foreground
        (*spatial), or None for all pixels.
    n_samples
        From `sample_size`.
    seed
        Generator, or seed of one.
    """
    flat = embeddings.reshape(embeddings.shape[0], -1)
    if foreground is None:
        pixels, points = np.arange(flat.shape[1]), flat.T
    else:
        pixels = np.flatnonzero(foreground)
        points = flat[:, pixels].T
    if n_samples == len(pixels):
        return PixelSample(embeddings, pixels, points, np.arange(n_samples))
    rng = np.random.default_rng(seed)
    return PixelSample(embeddings, pixels, points, rng.choice(len(pixels), n_samples, replace=False, shuffle=False))


def sample_size(n_samples: int | None, n_pixels: int, min_size: int) -> int:
    """Return how many of the pixels to cluster.

    Parameters
    ----------
    n_samples
        What the user wants; None = all of up to 10,000, else 5,000 to 8,000, the more the smaller `min_size`.
    n_pixels
        How many there are.
    min_size
        Of an object, in pixels of the image; 0 = unknown.

    Raises
    ------
    TypeError, ValueError
        `n_samples` is no number of at least 1, or asks for more pixels than can be clustered within minutes.
    """
    if n_samples is None:
        if n_pixels <= _FEW_PIXELS:
            return n_pixels
        wanted = N_PIXELS_PER_CLUSTER * n_pixels / min_size if min_size else 0
        return int(np.clip(wanted, _SMALL_SAMPLE, _LARGE_SAMPLE))
    size = min(int(check_number(n_samples, name="n_samples", at_least=1)), n_pixels)
    if size > MOST_PIXELS:
        raise ValueError(
            f"n_samples: expected at most {MOST_PIXELS} pixels, as the time grows with their square up to hours, "
            f"got {size}; leave it out to cluster a sample that the other pixels join, or give a smaller foreground."
        )
    return size


def join_nearest(
    sample: PixelSample,
    clusters: NDArray[np.intp],
    centres: NDArray[np.float32],
    *,
    least_reach: float = 0.0,
) -> Clusters:
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
    """
    inside = clusters >= 0
    members = clusters[inside]
    reach = np.full(len(centres), least_reach, dtype=np.float32)
    np.maximum.at(reach, members, _MARGIN * _distances(sample.points[sample.chosen[inside]], centres[members]))
    nearest, distances = nearest_centres(sample.points, centres)
    return Clusters(nearest, distances <= reach[nearest], clusters, len(centres))


def nearest_centres(
    points: NDArray[np.float32], centres: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return for each of N points (N, E) the nearest of K centres (K, E), the first of equals, and its distance.

    Fast where most points are close to one of the first centres, as those of mean-shift are, the strongest first.
    """
    leading = centres[:_N_LEADING]
    nearest, distances = _nearest(points, leading)
    if len(leading) == len(centres):
        return nearest, distances
    # A centre is the nearest of all if it is nearer than half its distance to any other (triangle inequality).
    others = np.linalg.norm(leading[:, None] - centres, axis=-1)  # (L, K)
    np.fill_diagonal(others, np.inf)
    is_unsure = 2.0 * distances >= _SURE * others.min(axis=1)[nearest]
    nearest[is_unsure], distances[is_unsure] = _nearest(points[is_unsure], centres)
    return nearest, distances


def _nearest(points: NDArray[np.float32], centres: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    origin = centres.mean(axis=0)  # keeps the expanded square exact far from the origin
    directions = 2.0 * (centres - origin).T
    norms = np.square(centres - origin).sum(axis=1)
    nearest = np.empty(len(points), dtype=np.intp)
    distances = np.empty(len(points), dtype=np.float32)
    step = max(1, _BLOCK_DISTANCES // len(centres))
    room = np.empty((min(step, len(points)), len(centres)), dtype=np.float32)
    for start in range(0, len(points), step):
        rows = slice(start, start + step)
        block = np.ascontiguousarray(points[rows])
        closeness = np.matmul(block - origin, directions, out=room[: len(block)])
        closeness -= norms
        nearest[rows] = closeness.argmax(axis=1)
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
