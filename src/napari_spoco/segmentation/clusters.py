"""The clusters of sampled pixels: by HDBSCAN, by mean-shift, and those on which student and teacher agree.

Which pixels are clustered is known in `sampling`, the algorithms but for scikit-learn's HDBSCAN in `mean_shift` and
`consistency`, and what becomes of clusters in `cluster_cleanup`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spoco.segmentation.consistency import find_consistent
from napari_spoco.segmentation.mean_shift import find_modes, merge_close
from napari_spoco.segmentation.sampling import (
    N_PIXELS_PER_CLUSTER,
    Clusters,
    PixelSample,
    cluster_means,
    join_nearest,
    nearest_centres,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cluster_size(min_size: int, sample: PixelSample) -> int:
    """Return how many of the chosen pixels a cluster of `min_size` pixels of the image has."""
    return int(min_size) if sample.is_complete else max(round(min_size * sample.share), N_PIXELS_PER_CLUSTER)


def hdbscan_clusters(sample: PixelSample, min_cluster_size: int) -> Clusters:
    """Cluster the pixels of a sample by HDBSCAN, `min_cluster_size` counted in chosen pixels."""
    points = sample.chosen_points
    clusters = _hdbscan(points, min_cluster_size)
    centres = cluster_means(points, clusters)
    if not sample.is_complete:
        return join_nearest(sample, clusters, centres)
    is_inside = clusters >= 0
    nearest = clusters.copy()
    if len(centres):
        nearest[~is_inside] = nearest_centres(points[~is_inside], centres)[0]
    return Clusters(nearest, is_inside, clusters, len(centres))


def mean_shift_clusters(sample: PixelSample, bandwidth: float) -> Clusters:
    """Cluster the pixels of a sample by mean-shift."""
    points = sample.chosen_points
    if not len(points):
        nothing = np.empty(0, dtype=np.intp)
        return Clusters(nothing, np.empty(0, dtype=np.bool_), nothing, 0)
    modes = find_modes(points, bandwidth)
    # The points within the bandwidth of a mode may all be nearer to others; it is dropped.
    used, clusters = np.unique(nearest_centres(points, modes)[0], return_inverse=True)
    if sample.is_complete:
        return Clusters(clusters, np.ones(len(clusters), dtype=np.bool_), clusters, len(used))
    return join_nearest(sample, clusters, modes[used], least_reach=bandwidth)


def merge_clusters(sample: PixelSample, clusters: Clusters, distance: float | None) -> Clusters:
    """Merge clusters whose mean embeddings are closer than a distance; None = none."""
    if distance is None or not clusters.n_clusters:
        return clusters
    of_chosen = clusters.of_chosen
    means = cluster_means(sample.chosen_points, of_chosen)
    new_ids = merge_close(means, np.bincount(of_chosen[of_chosen >= 0]), distance)
    merged = np.append(new_ids, -1)[of_chosen]
    return Clusters(new_ids[clusters.nearest], clusters.is_inside, merged, int(new_ids.max()) + 1)


def consistent_clusters(
    sample: PixelSample,
    clusters: Clusters,
    teacher: NDArray[np.float32],
    bandwidth: float,
    iou_threshold: float,
    n_anchors: int,
    min_size: int,
    seed: np.random.Generator | int,
) -> NDArray[np.bool_]:
    """Tell which clusters (K,) the teacher's embeddings (E, *spatial) agree with; see `find_consistent`."""
    return find_consistent(
        clusters.of_pixels,
        clusters.n_clusters,
        teacher.reshape(len(teacher), -1).T[sample.pixels],
        bandwidth=bandwidth,
        iou_threshold=iou_threshold,
        n_anchors=n_anchors,
        min_size=min_size,
        rng=np.random.default_rng(seed),
    )


def _hdbscan(points: NDArray[np.float32], min_cluster_size: int) -> NDArray[np.intp]:
    """Return the cluster of each point (n,) from 0, -1 = noise; all 0 where no clusters part."""
    everything = np.zeros(len(points), dtype=np.intp)
    min_cluster_size = max(min_cluster_size, 2)
    if len(points) <= min_cluster_size:
        return everything
    from sklearn.cluster import HDBSCAN

    # The k-d tree needs no table of all pairs. Its selection of clusters by distance (cluster_selection_epsilon) fails
    # on some data with NumPy 2.4; `merge_close` does the same work.
    found = HDBSCAN(min_cluster_size=min_cluster_size, algorithm="kd_tree", copy=True).fit_predict(points)
    return found.astype(np.intp) if (found >= 0).any() else everything
