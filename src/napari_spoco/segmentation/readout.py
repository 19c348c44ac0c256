"""From embeddings to objects by one settings object: what the window and the command line share.

This module alone knows which method reads which setting, and how sizes that the user left empty follow from the
annotated objects. What comes before there are segments is known in `view`; keeping results is the business of the
memory that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_spoco.segmentation.affinities import default_offsets
from napari_spoco.segmentation.cleanup import find_objects, grow_segments, remove_small
from napari_spoco.segmentation.cluster_cleanup import background_clusters, find_parts, grow_parts
from napari_spoco.segmentation.clusters import (
    cluster_size,
    consistent_clusters,
    hdbscan_clusters,
    mean_shift_clusters,
    merge_clusters,
)
from napari_spoco.segmentation.crossing import crossing_warning
from napari_spoco.segmentation.edges import add_expected, parts_between_edges, smooth_edges
from napari_spoco.segmentation.foreground import split_foreground
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
from napari_spoco.segmentation.pixel_classes import grow_cores, segment_pixel_classes
from napari_spoco.segmentation.sampling import Clusters, PixelSample, sample_pixels, sample_size
from napari_spoco.segmentation.segments import GrownSegments, SegmentTable
from napari_spoco.segmentation.stages import StageMemory
from napari_spoco.segmentation.supervoxels import boundary_signal, find_supervoxels, merge_supervoxels
from napari_spoco.segmentation.view import ReadoutContext, View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.config import SegmentationConfig
    from napari_spoco.models.checkpoint import ModelCard
    from napari_spoco.segmentation.cleanup import BackgroundMode
    from napari_spoco.segmentation.view_stages import Box

__all__ = ["Readout", "ReadoutContext", "read_out", "read_out_view"]

_USUAL_RADIUS = 2.0
_USUAL_SPACING = 5
_LEAST_CLUSTER = 10
_MERGE_SHARE = 0.75
"""Of the push margin. On tissue of `membrane_stack`, 2D and 3D, with means 3 to 6 apart, the adapted Rand error was
within .03 of that of the best distance; half of the margin cost up to .08 where embeddings were noisy, all of it up to
.85 where means were 3 apart."""
_EDGE_SHARE = 1.6
"""Of the pull margin (`edges.py`)."""
_FRAGMENT_SHARE, _SMALLEST_SHARE = 1 / 3, 1 / 8
"""Of the median annotated object; chosen on the training images of the demo (benchmarks/demo_settings.py)."""
_EDGE_FRAGMENT_SHARE = 1 / 8
"""Between edges there are few fragments, and in a stack many cells that its border has cut: with a third the SBD of
eight stacks of synthetic tissue was .59 (poorly stained) and .66, with an eighth .64 and .74."""


@dataclass(frozen=True, eq=False)
class Readout:
    """Objects, and what the user should be told.

    Attributes
    ----------
    labels : ndarray
        (*spatial) uint32, 1..n without gaps, 0 = background; nobody else holds it.
    notices : tuple of str
        Sentences about embeddings that do not suit the settings, each with a cure.
    """

    labels: NDArray[np.uint32]
    notices: tuple[str, ...] = ()


def read_out(
    embeddings: Any, card: ModelCard, settings: SegmentationConfig, context: ReadoutContext | None = None
) -> Readout:
    """Segment embeddings into objects.

    Parameters
    ----------
    embeddings
        (E, *spatial).
    card
        Of the model that made them: margins, voxel size, and size of the objects it was trained on.
    settings
        What the user set, in pixels of the embeddings (`grid_settings.on_model_grid`); what is empty is derived.
    context
        Image, annotations, mask and more, as far as the settings need them.

    Raises
    ------
    TypeError, ValueError
        The settings need something that is missing, or an array does not fit; the message names it.
    """
    return read_out_view(View(StageMemory(), embeddings, card, settings, context or ReadoutContext()))


def read_out_view(view: View) -> Readout:
    """Segment what a view shows; stages whose inputs are those of the last time come from its memory."""
    method = view.method
    if method in ("watershed", "components"):
        return Readout(_by_shape(view))
    if method == "pixel_classes":
        return Readout(_by_classes(view))
    if method == "supervoxels":
        return Readout(_from_segments(view, _supervoxels(view)))
    if method == "edges":
        return Readout(_from_segments(view, _between_edges(view)))
    if method != "mutex_watershed":
        return Readout(_by_clusters(view))
    return Readout(_from_mutex_watershed(view), _notices(view))


def _by_shape(view: View) -> NDArray[np.uint32]:
    settings = view.settings
    foreground = view.foreground
    if foreground is None:
        raise ValueError(f"foreground: the method {view.method} splits a foreground, got none.")
    objects = view.memory(
        "objects",
        split_foreground,
        foreground,
        method="watershed" if view.method == "watershed" else "components",
        min_distance=settings.min_distance or _USUAL_SPACING,
        smoothing=settings.distance_smoothing,
        scale=view.scale,
    )
    return remove_small(objects, _min_size(view))


def _by_classes(view: View) -> NDArray[np.uint32]:
    is_told_by_classes = view.choice.foreground == "pixel_classes"
    objects = view.memory(
        "objects",
        segment_pixel_classes,
        view.class_probabilities,
        threshold=view.class_threshold,
        min_size=_min_size(view),
        foreground=None if is_told_by_classes else view.foreground,
    )
    return objects.copy()


def _from_mutex_watershed(view: View) -> NDArray[np.uint32]:
    """Divide the foreground; where pixel classes tell it, divide the cores alone, which then grow over the border."""
    how = (_delta_dist(view), view.settings.mutex_distances, view.settings.mutex_stride)
    cores = view.cores
    if cores is None:
        return _from_segments(view, view.memory("segments", mutex_segments, view.smooth, view.foreground, *how))
    segments = view.memory("segments", mutex_segments, view.smooth, cores, *how)
    parts = view.memory("growth", grow_segments, segments, _fragment_size(view))
    return view.memory("objects", objects_of_cores, parts, view.class_probabilities, _min_size(view)).copy()


def objects_of_cores(parts: GrownSegments, probabilities: NDArray[np.float32], min_size: int) -> NDArray[np.uint32]:
    """Grow parts of cores over the border."""
    everything = np.ones(len(parts.graph.sizes), dtype=bool)
    return grow_cores(parts.labels(everything, 0), probabilities, min_size)


def mutex_segments(
    smooth: NDArray[np.float32],
    foreground: NDArray[np.bool_] | None,
    delta_dist: float,
    mutex_distances: tuple[int, ...],
    stride: int,
) -> SegmentTable:
    """Return the segments of a mutex watershed with mutex edges of these lengths along every axis."""
    ndim = smooth.ndim - 1
    neighbours = default_offsets(ndim)[:ndim]
    longer = [tuple(length * step for step in offset) for length in mutex_distances for offset in neighbours]
    labels = segment_mutex_watershed(
        smooth, delta_dist=delta_dist, offsets=(*neighbours, *longer), foreground=foreground, mutex_stride=stride
    )
    return SegmentTable(labels, smooth)


def _notices(view: View) -> tuple[str, ...]:
    warning = view.memory(
        "notice",
        crossing_warning,
        view.smooth,
        labels=view.annotations,
        delta_dist=_delta_dist(view),
        smoothing=view.smoothing,
    )
    return () if warning is None else (warning,)


def _supervoxels(view: View) -> SegmentTable:
    settings, memory = view.settings, view.memory
    signal = view.signal
    if signal is None:
        raise ValueError("image: supervoxels need the image, got None.")
    how = (settings.boundaries, settings.boundary_smoothing)
    heights = memory("heights", heights_of_box, signal, *how, view.scale, view.box)
    basins = memory("supervoxels", find_supervoxels, heights, foreground=view.foreground)
    distance = settings.merge_distance or _MERGE_SHARE * _delta_dist(view)
    return memory("segments", merge_supervoxels, basins, view.smooth, heights, distance)


def _between_edges(view: View) -> SegmentTable:
    settings, memory = view.settings, view.memory
    edges = memory("edges", smooth_edges, view.smooth, settings.edge_smoothing)
    contrast = view.contrast if settings.edge_image_share else None
    if contrast is not None:
        edges = memory("expected", add_expected, edges, contrast, settings.edge_image_share)
    how = (settings.edge_threshold or _EDGE_SHARE * view.card.delta_var, settings.edge_spacing)
    return memory("segments", parts_between_edges, edges, view.smooth, view.foreground, *how)


def heights_of_box(
    signal: NDArray[Any],
    kind: Literal["image", "gradient"],
    sigma: float,
    scale: tuple[float, ...] | None,
    box: Box | None,
) -> NDArray[np.float32]:
    """Return the `boundary_signal` of an image in the box."""
    heights = boundary_signal(signal, kind, sigma=sigma, scale=scale)
    return heights if box is None else np.ascontiguousarray(heights[box])


def _from_segments(view: View, segments: SegmentTable) -> NDArray[np.uint32]:
    grown = view.memory("growth", grow_segments, segments, _fragment_size(view))
    is_object = view.memory("objects", find_objects, grown, *_background(view))
    return grown.labels(is_object, _min_size(view))


def _by_clusters(view: View) -> NDArray[np.uint32]:
    settings, memory = view.settings, view.memory
    min_size = _min_size(view)
    if view.method == "hdbscan":
        min_size = max(min_size, _LEAST_CLUSTER)
    sample = _sample(view, min_size)
    is_kept = None
    if view.method == "hdbscan":
        clusters = memory("clusters", hdbscan_clusters, sample, cluster_size(min_size, sample))
    else:
        clusters = memory("clusters", mean_shift_clusters, sample, _bandwidth(view))
    if view.method == "consistency":
        is_kept = _consistent(view, sample, clusters, min_size)
    else:
        clusters = memory("merged", merge_clusters, sample, clusters, settings.merge_distance)
    parts = memory("parts", find_parts, sample, clusters, settings.split_disconnected)
    is_background = memory("objects", background_clusters, parts, *_background(view))
    grown, is_object = memory("growth", grow_parts, parts, is_background, is_kept, _fragment_size(view))
    return grown.labels(is_object, min_size)


def _sample(view: View, min_size: int) -> PixelSample:
    settings, smooth, foreground = view.settings, view.smooth, view.foreground
    n_pixels = smooth[0].size if foreground is None else int(np.count_nonzero(foreground))
    size = sample_size(settings.n_samples, n_pixels, min_size)
    return view.memory("sample", sample_pixels, smooth, foreground, size, settings.seed)


def _consistent(view: View, sample: PixelSample, clusters: Clusters, min_size: int) -> NDArray[np.bool_]:
    settings = view.settings
    if view.context.teacher_embeddings is None:
        raise ValueError(
            "teacher_embeddings: expected those of the teacher, which consistency clustering compares with the "
            "student's, got None."
        )
    how = (_bandwidth(view), settings.iou_threshold, settings.n_anchors, min_size, settings.seed)
    return view.memory("consistent", consistent_clusters, sample, clusters, view.smooth_teacher, *how)


def _background(view: View) -> tuple[BackgroundMode, float, NDArray[np.float32] | None]:
    """Return which segments are background: the mode, the radius and the background's embeddings."""
    pieces = view.choice.pieces
    mode: BackgroundMode = pieces if pieces != "shown" else "mode" if view.shows_background else "none"
    if mode != "mode":
        return mode, _USUAL_RADIUS, None
    return mode, view.settings.background_radius or view.radius or _USUAL_RADIUS, view.background


def _fragment_size(view: View) -> int:
    size = view.settings.fragment_size
    share = _EDGE_FRAGMENT_SHARE if view.method == "edges" else _FRAGMENT_SHARE
    return int(view.object_size * share) if size is None else size


def _delta_dist(view: View) -> float:
    return view.settings.delta_dist or view.card.delta_dist


def _bandwidth(view: View) -> float:
    return view.settings.bandwidth or view.card.delta_var


def _min_size(view: View) -> int:
    size = view.settings.min_size
    return int(view.object_size * (view.card.smallest_share or _SMALLEST_SHARE)) if size is None else size
