"""Clusters of embeddings, wherever in the image: HDBSCAN, mean-shift and consistency clustering.

Unlike mutex watershed these look at embeddings alone and then split what is not connected. Which pixels are clustered,
the algorithms but for scikit-learn's HDBSCAN, and the way from clusters to objects are known elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.segmentation.arguments import check_choice, check_embeddings, check_mask, check_number
from napari_spoco.segmentation.cleanup import BACKGROUND_MODES
from napari_spoco.segmentation.cluster_cleanup import background_clusters, find_parts, grow_parts
from napari_spoco.segmentation.clusters import (
    cluster_size,
    consistent_clusters,
    hdbscan_clusters,
    mean_shift_clusters,
    merge_clusters,
)
from napari_spoco.segmentation.sampling import PixelSample, sample_pixels, sample_size
from napari_spoco.segmentation.smoothing import smooth_embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.segmentation.background import ShownBackground
    from napari_spoco.segmentation.cleanup import BackgroundMode


def segment_hdbscan(
    embeddings: NDArray[Any],
    *,
    min_size: int,
    merge_distance: float | None = None,
    foreground: NDArray[Any] | None = None,
    smoothing: float = 0.0,
    scale: Sequence[float] | None = None,
    n_samples: int | None = None,
    split_disconnected: bool = True,
    fragment_size: int = 0,
    background: BackgroundMode = "none",
    background_radius: float = 2.0,
    shown_background: ShownBackground | None = None,
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
    smoothing, scale
        Standard deviation of the Gaussian over the embeddings, in pixels, and their size, as for `smooth_embeddings`.
    n_samples
        Number of pixels to cluster, drawn at random. The others join the nearest cluster, unless they are farther than
        1.5 times the farthest pixel of it that was drawn. None = all of up to 10,000, else 5,000 to 8,000, the more the
        smaller `min_size`. All pixels are clustered if it is not less than their number.
    split_disconnected
        Make every part of a cluster that is connected through pixel faces an object. False suits objects in several
        parts, such as leaves behind a stem.
    fragment_size
        Segments of fewer pixels grow into the touching segment of the nearest mean embedding; so does noise in pieces
        of fewer pixels, such as the seams between touching objects.
    background
        Clusters that become label 0, before they are split: "none", the "largest" one, or all whose mean embedding is
        near the "mode" of the background.
    background_radius
        Distance in embedding space that counts as near.
    shown_background
        For "mode", what the user has shown to be background, as for `find_background`; None = the dominant mode of the
        embeddings.
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
    check_number(min_size, name="min_size", at_least=1)
    _check_clean_up(merge_distance, fragment_size, background, background_radius, min_size)
    sample = _sample(embeddings, foreground, smoothing, scale, n_samples, min_size, rng)
    clusters = hdbscan_clusters(sample, cluster_size(min_size, sample))
    clusters = merge_clusters(sample, clusters, merge_distance)
    parts = find_parts(sample, clusters, split_disconnected)
    is_background = background_clusters(parts, background, background_radius, shown_background)
    grown, is_object = grow_parts(parts, is_background, None, fragment_size)
    return grown.labels(is_object, min_size)


def segment_mean_shift(
    embeddings: NDArray[Any],
    *,
    bandwidth: float = 0.5,
    merge_distance: float | None = None,
    foreground: NDArray[Any] | None = None,
    smoothing: float = 0.0,
    scale: Sequence[float] | None = None,
    n_samples: int | None = None,
    split_disconnected: bool = True,
    fragment_size: int = 0,
    background: BackgroundMode = "none",
    background_radius: float = 2.0,
    shown_background: ShownBackground | None = None,
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
    foreground, smoothing, scale, n_samples, split_disconnected, fragment_size, rng
        Of `segment_hdbscan`.
    background, background_radius, shown_background
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
    bandwidth = check_number(bandwidth, name="bandwidth", above=0)
    _check_clean_up(merge_distance, fragment_size, background, background_radius, min_size)
    sample = _sample(embeddings, foreground, smoothing, scale, n_samples, min_size, rng)
    clusters = merge_clusters(sample, mean_shift_clusters(sample, bandwidth), merge_distance)
    parts = find_parts(sample, clusters, split_disconnected)
    is_background = background_clusters(parts, background, background_radius, shown_background)
    grown, is_object = grow_parts(parts, is_background, None, fragment_size)
    return grown.labels(is_object, min_size)


def segment_consistency(
    embeddings: NDArray[Any],
    teacher_embeddings: NDArray[Any],
    *,
    bandwidth: float = 0.5,
    iou_threshold: float = 0.6,
    n_anchors: int = 20,
    foreground: NDArray[Any] | None = None,
    smoothing: float = 0.0,
    scale: Sequence[float] | None = None,
    n_samples: int | None = None,
    split_disconnected: bool = True,
    fragment_size: int = 0,
    background: BackgroundMode = "none",
    background_radius: float = 2.0,
    shown_background: ShownBackground | None = None,
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
    foreground, smoothing, scale, n_samples, split_disconnected, fragment_size, rng
        Of `segment_hdbscan`.
    background, background_radius, shown_background
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
    bandwidth = check_number(bandwidth, name="bandwidth", above=0)
    _check_clean_up(None, fragment_size, background, background_radius, min_size)
    threshold = check_number(iou_threshold, name="iou_threshold", at_least=0)
    if threshold >= 1:
        raise ValueError(f"iou_threshold: expected a number below 1, got {iou_threshold}.")
    check_number(n_anchors, name="n_anchors", at_least=1)
    teacher = check_embeddings(teacher_embeddings, name="teacher_embeddings")
    if teacher.shape != np.shape(embeddings):
        raise ValueError(f"teacher_embeddings: expected shape {np.shape(embeddings)}, got {teacher.shape}.")
    rng = rng if rng is not None else np.random.default_rng(0)
    sample = _sample(embeddings, foreground, smoothing, scale, n_samples, min_size, rng)
    clusters = mean_shift_clusters(sample, bandwidth)
    is_kept = consistent_clusters(
        sample,
        clusters,
        smooth_embeddings(teacher, smoothing, scale=scale),
        bandwidth,
        threshold,
        int(n_anchors),
        min_size,
        rng,
    )
    parts = find_parts(sample, clusters, split_disconnected)
    is_background = background_clusters(parts, background, background_radius, shown_background)
    grown, is_object = grow_parts(parts, is_background, is_kept, fragment_size)
    return grown.labels(is_object, min_size)


def _check_clean_up(
    merge_distance: float | None, fragment_size: int, background: str, background_radius: float, min_size: int
) -> None:
    if merge_distance is not None:
        check_number(merge_distance, name="merge_distance", above=0)
    check_number(fragment_size, name="fragment_size", at_least=0)
    check_choice(background, BACKGROUND_MODES, name="background")
    check_number(background_radius, name="background_radius", above=0)
    check_number(min_size, name="min_size", at_least=0)


def _sample(
    embeddings: NDArray[Any],
    foreground: NDArray[Any] | None,
    smoothing: float,
    scale: Sequence[float] | None,
    n_samples: int | None,
    min_size: int,
    rng: np.random.Generator | None,
) -> PixelSample:
    """Smooth checked embeddings and choose pixels of the foreground."""
    embeddings = smooth_embeddings(embeddings, smoothing, scale=scale)
    mask = None if foreground is None else check_mask(foreground, embeddings.shape[1:], name="foreground")
    n_pixels = embeddings[0].size if mask is None else int(np.count_nonzero(mask))
    return sample_pixels(embeddings, mask, sample_size(n_samples, n_pixels, min_size), 0 if rng is None else rng)
