"""Algorithm 1 of the paper: which clusters of the student's embeddings the teacher sees as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_PIXELS = 2**15


def find_consistent(
    clusters: NDArray[np.intp],
    n_clusters: int,
    teacher_points: NDArray[np.float32],
    *,
    bandwidth: float,
    iou_threshold: float,
    n_anchors: int,
    min_size: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Tell which clusters have a median intersection over union with the teacher's objects above a threshold.

    Parameters
    ----------
    clusters
        (N,) cluster 0..K-1 of each pixel, -1 = noise.
    n_clusters
        K; some may have no pixel, and are not consistent.
    teacher_points
        (N, E) teacher's embeddings of the pixels.
    bandwidth
        The teacher's object of an anchor are the pixels nearer than this.
    iou_threshold
        In [0, 1).
    n_anchors
        Random pixels of each cluster; all pixels of smaller ones.
    min_size
        Clusters of fewer pixels are not looked at: they are not consistent.
    rng
        Source of the anchors.

    Returns
    -------
    numpy.ndarray
        (K,) bool.
    """
    if not len(clusters):
        return np.zeros(n_clusters, dtype=np.bool_)
    points = teacher_points - teacher_points.mean(axis=0)  # keeps the expanded square exact far from the origin
    norms = np.square(points).sum(axis=1)
    sizes = np.bincount(clusters + 1, minlength=n_clusters + 1)  # the first is noise
    members_of = np.split(np.argsort(clusters, kind="stable"), np.cumsum(sizes)[:-1])[1:]
    is_consistent = np.zeros(len(members_of), dtype=np.bool_)
    for cluster, members in enumerate(members_of):
        if len(members) >= max(min_size, 1):
            anchors = points[rng.choice(members, min(n_anchors, len(members)), replace=False)]
            shared = _count_near(points[members], norms[members], anchors, bandwidth)
            # The union is no smaller than the cluster: often the other pixels need not be looked at.
            if np.median(shared) > iou_threshold * len(members):
                union = _count_near(points, norms, anchors, bandwidth) + len(members) - shared
                is_consistent[cluster] = np.median(shared / union) > iou_threshold
    return is_consistent


def _count_near(
    points: NDArray[np.float32], norms: NDArray[np.float32], anchors: NDArray[np.float32], distance: float
) -> NDArray[np.intp]:
    """Return for each of M anchors (M, E) how many of the points (N, E), of squared norms (N,), are nearer."""
    reach = distance**2 - np.square(anchors).sum(axis=1, keepdims=True)
    counts = np.zeros(len(anchors), dtype=np.intp)
    for start in range(0, len(points), _BLOCK_PIXELS):
        rows = slice(start, start + _BLOCK_PIXELS)
        is_near = norms[rows] - 2.0 * anchors @ points[rows].T < reach
        counts += [np.count_nonzero(row) for row in is_near]
    return counts
