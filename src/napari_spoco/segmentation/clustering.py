"""Clusters of embeddings, wherever in the image: HDBSCAN, mean-shift and consistency clustering.

Unlike mutex watershed these look at embeddings alone and then split what is not connected. Which pixels are clustered,
the algorithms but for scikit-learn's HDBSCAN, and the way from clusters to objects are known elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.segmentation.arguments import check_embeddings, check_number
from napari_spoco.segmentation.cluster_cleanup import ClusterCleanUp
from napari_spoco.segmentation.consistency import find_consistent
from napari_spoco.segmentation.mean_shift import find_modes, merge_close
from napari_spoco.segmentation.sampling import (
    N_PIXELS_PER_CLUSTER,
    PixelSample,
    cluster_means,
    join_nearest,
    nearest_centres,
    sample_pixels,
)
from napari_spoco.segmentation.smoothing import smooth_embeddings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.segmentation.cleanup import BackgroundMode


def segment_hdbscan(
    embeddings: NDArray[Any],
    *,
    min_size: int,
    merge_distance: float | None = None,
    foreground: NDArray[Any] | None = None,
    smoothing: float = 0.0,
    n_samples: int | None = None,
    split_disconnected: bool = True,
    fragment_size: int = 0,
    background: BackgroundMode = "none",
    background_radius: float = 2.0,
    rng: np.random.Generator | None = None,
) -> NDArray[np.uint32]:
    """Segment embeddings into instances by HDBSCAN (Campello et al. 2013), then clean up.

    The order is: smoothing, clustering, merging, background, split of disconnected parts, growth of fragments, removal
    of small objects. Where HDBSCAN finds no clusters that part, all pixels are one.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    min_size
        Of a cluster and of an object, in pixels of the image; 200 to 600 in the paper. Clusters of fewer than 8 pixels
        of the sample are not found, whatever it says.
    merge_distance
        Merge clusters whose mean embeddings are closer; None = none. See `merge_close`.
    foreground
        (*spatial) bool or integer: only these pixels are segmented.
    smoothing
        Standard deviation of the Gaussian over the embeddings, in pixels.
    n_samples
        Number of pixels to cluster, drawn at random. The others join the nearest cluster, unless they are farther than
        1.5 times the farthest pixel of it that was drawn. None = all of up to 10,000, else 5,000 to 8,000, the more the
        smaller `min_size`. All pixels are clustered if it is not less than their number.
    split_disconnected
        Make every part of a cluster that is connected through pixel faces an object. False suits objects in several
        parts, such as leaves behind a stem.
    fragment_size
        Segments of fewer pixels grow into the touching segment of the nearest mean embedding.
    background
        Clusters that become label 0, before they are split: "none", the "largest" one, or all whose mean embedding is
        near the dominant "mode" of the embeddings.
    background_radius
        Distance in embedding space that counts as near.
    rng
        Source of the sample; None = a generator of seed 0.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, 0 = background and noise.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range, the embeddings hold NaN or infinity, or `n_samples` asks for
        more pixels than can be clustered within minutes; the message names it.
    """
    clean_up = ClusterCleanUp(split_disconnected, fragment_size, background, background_radius, min_size)
    check_number(min_size, name="min_size", at_least=1)
    if merge_distance is not None:
        check_number(merge_distance, name="merge_distance", above=0)
    sample = sample_pixels(
        embeddings, foreground=foreground, smoothing=smoothing, n_samples=n_samples, min_size=min_size, rng=rng
    )
    points = sample.chosen_points
    clusters = _hdbscan(points, _cluster_size(min_size, sample))
    new_ids = _merge(points, clusters, merge_distance)
    if not sample.is_complete:
        clusters = join_nearest(sample, clusters, cluster_means(points, clusters))
    return clean_up.finish(sample.paint(new_ids[clusters]), sample.embeddings)


def segment_mean_shift(
    embeddings: NDArray[Any],
    *,
    bandwidth: float = 0.5,
    merge_distance: float | None = None,
    foreground: NDArray[Any] | None = None,
    smoothing: float = 0.0,
    n_samples: int | None = None,
    split_disconnected: bool = True,
    fragment_size: int = 0,
    background: BackgroundMode = "none",
    background_radius: float = 2.0,
    min_size: int = 0,
    rng: np.random.Generator | None = None,
) -> NDArray[np.uint32]:
    """Segment embeddings into instances by mean-shift with a flat kernel, then clean up.

    Pixels belong to the nearest mode. If all pixels are clustered, none is noise.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    bandwidth
        Radius of the kernel, delta_var of the training (appendix A.4 of the paper).
    merge_distance
        Merge clusters whose mean embeddings are closer; delta_dist for natural images, within a foreground (section 4.2
        of the paper). None = none.
    min_size
        Objects of fewer pixels become label 0.
    foreground, smoothing, n_samples, split_disconnected, fragment_size, background, background_radius, rng
        Of `segment_hdbscan`.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, 0 = background and noise.

    Raises
    ------
    TypeError, ValueError
        As `segment_hdbscan`.
    """
    clean_up = ClusterCleanUp(split_disconnected, fragment_size, background, background_radius, min_size)
    bandwidth = check_number(bandwidth, name="bandwidth", above=0)
    if merge_distance is not None:
        check_number(merge_distance, name="merge_distance", above=0)
    sample = sample_pixels(
        embeddings, foreground=foreground, smoothing=smoothing, n_samples=n_samples, min_size=min_size, rng=rng
    )
    clusters = _mean_shift(sample, bandwidth, merge_distance)
    return clean_up.finish(sample.paint(clusters), sample.embeddings)


def segment_consistency(
    embeddings: NDArray[Any],
    teacher_embeddings: NDArray[Any],
    *,
    bandwidth: float = 0.5,
    iou_threshold: float = 0.6,
    n_anchors: int = 20,
    foreground: NDArray[Any] | None = None,
    smoothing: float = 0.0,
    n_samples: int | None = None,
    split_disconnected: bool = True,
    fragment_size: int = 0,
    background: BackgroundMode = "none",
    background_radius: float = 2.0,
    min_size: int = 0,
    rng: np.random.Generator | None = None,
) -> NDArray[np.uint32]:
    """Segment by mean-shift and keep the clusters on which student and teacher agree (Algorithm 1 of the paper).

    For each cluster of the student's embeddings random anchors are drawn from its pixels. The pixels whose teacher
    embedding is within `bandwidth` of the anchor's are the object as the teacher sees it. The cluster is kept if the
    median over the anchors of its intersection over union with that is greater than `iou_threshold`. Clusters of fewer
    than `min_size` pixels are dropped at once.

    Parameters
    ----------
    embeddings
        (E, *spatial) of the student, 2D or 3D, floating point.
    teacher_embeddings
        (E, *spatial) of the teacher, of the same image or of another view of it that differs in appearance only.
    bandwidth
        Radius of the kernel and of the teacher's objects, delta_var of the training.
    iou_threshold
        In [0, 1).
    n_anchors
        Per cluster; all pixels of smaller ones.
    min_size
        Clusters and objects of fewer pixels become label 0.
    foreground, smoothing, n_samples, split_disconnected, fragment_size, background, background_radius, rng
        Of `segment_hdbscan`.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, 0 = background, noise and what the two do not agree on.

    Raises
    ------
    TypeError, ValueError
        As `segment_hdbscan`, or the two embeddings have different shapes.
    """
    clean_up = ClusterCleanUp(split_disconnected, fragment_size, background, background_radius, min_size)
    bandwidth = check_number(bandwidth, name="bandwidth", above=0)
    threshold = check_number(iou_threshold, name="iou_threshold", at_least=0)
    if threshold >= 1:
        raise ValueError(f"iou_threshold: expected a number below 1, got {iou_threshold}.")
    check_number(n_anchors, name="n_anchors", at_least=1)
    teacher = check_embeddings(teacher_embeddings, name="teacher_embeddings")
    if teacher.shape != np.shape(embeddings):
        raise ValueError(f"teacher_embeddings: expected shape {np.shape(embeddings)}, got {teacher.shape}.")
    rng = rng if rng is not None else np.random.default_rng(0)
    sample = sample_pixels(
        embeddings, foreground=foreground, smoothing=smoothing, n_samples=n_samples, min_size=min_size, rng=rng
    )
    clusters = _mean_shift(sample, bandwidth, None)
    kept = find_consistent(
        clusters,
        smooth_embeddings(teacher, smoothing).reshape(len(teacher), -1).T[sample.pixels],
        bandwidth=bandwidth,
        iou_threshold=threshold,
        n_anchors=int(n_anchors),
        min_size=min_size,
        rng=rng,
    )
    return clean_up.finish(sample.paint(clusters), sample.embeddings, kept)


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


def _cluster_size(min_size: int, sample: PixelSample) -> int:
    """Return how many of the chosen pixels a cluster of `min_size` pixels of the image has."""
    return int(min_size) if sample.is_complete else max(round(min_size * sample.share), N_PIXELS_PER_CLUSTER)


def _mean_shift(sample: PixelSample, bandwidth: float, merge_distance: float | None) -> NDArray[np.intp]:
    """Return the cluster of each pixel (N,) from 0, -1 = noise."""
    points = sample.chosen_points
    if not len(points):
        return np.empty(0, dtype=np.intp)
    modes = find_modes(points, bandwidth)
    # The points within the bandwidth of a mode may all be nearer to others; it is dropped.
    used, clusters = np.unique(nearest_centres(points, modes)[0], return_inverse=True)
    modes = modes[used]
    new_ids = _merge(points, clusters, merge_distance)
    if not sample.is_complete:
        clusters = join_nearest(sample, clusters, modes, least_reach=bandwidth)
    return new_ids[clusters]


def _merge(points: NDArray[np.float32], clusters: NDArray[np.intp], distance: float | None) -> NDArray[np.intp]:
    """Return the new cluster of each cluster, and -1 at the end for noise."""
    new_ids = np.arange(clusters.max(initial=-1) + 1)
    if distance is not None and len(new_ids):
        sizes = np.bincount(clusters[clusters >= 0])
        new_ids = merge_close(cluster_means(points, clusters), sizes, distance)
    return np.append(new_ids, -1)
