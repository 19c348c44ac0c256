"""What makes a segmentation usable: whole parts, no fragments, no background, no specks, ids without gaps.

Growth, background and sizes are decided on a table of segments (`segments`, `growth`); pixels are visited for the table
and for the final ids only. What counts as background is known in `background`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from bioimage_cpp.segmentation import label

from napari_spoco.segmentation.arguments import (
    check_choice,
    check_embeddings,
    check_labels,
    check_mask,
    check_number,
)
from napari_spoco.segmentation.background import distance_to_background, find_background
from napari_spoco.segmentation.growth import merge_fragments
from napari_spoco.segmentation.segments import GrownSegments, SegmentTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.segmentation.background import ShownBackground

BACKGROUND_MODES = ("none", "largest", "mode")
BackgroundMode = Literal["none", "largest", "mode"]


def measure_segments(labels: NDArray[Any], embeddings: NDArray[Any]) -> SegmentTable:
    """Make the table of segments that `clean_up` works on.

    Parameters
    ----------
    labels
        (*spatial) segments, non-negative integers, 0 = no segment.
    embeddings
        (E, *spatial), floating point.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type or shape.
    """
    embeddings = check_embeddings(embeddings)
    return SegmentTable(remove_small(check_labels(labels, shape=embeddings.shape[1:]), 0), embeddings)


def clean_up(
    segments: SegmentTable,
    *,
    fragment_size: int = 0,
    background: BackgroundMode = "none",
    background_radius: float = 2.0,
    shown_background: ShownBackground | None = None,
    min_size: int = 0,
) -> NDArray[np.uint32]:
    """Grow fragments, then remove the background, then small objects: all of it at the cost of one visit.

    Parameters
    ----------
    segments
        From `measure_segments`; keep it to clean up again with other settings in a few milliseconds.
    fragment_size
        As for `grow_fragments`.
    background, background_radius, shown_background
        As for `remove_background`.
    min_size
        Objects of fewer pixels become label 0.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, 0 = background.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range.
    """
    check_number(fragment_size, name="fragment_size", at_least=0)
    check_choice(background, BACKGROUND_MODES, name="background")
    background_radius = check_number(background_radius, name="background_radius", above=0)
    check_number(min_size, name="min_size", at_least=0)

    grown = grow_segments(segments, fragment_size)
    return grown.labels(find_objects(grown, background, background_radius, shown_background), min_size)


def grow_segments(segments: SegmentTable, fragment_size: int) -> GrownSegments:
    """Grow fragments as `grow_fragments` does."""
    graph = segments.graph
    segment_of = merge_fragments(graph, fragment_size)
    return GrownSegments(segments, segment_of, graph.joined(segment_of, segment_of.max(initial=-1) + 1))


def find_objects(
    grown: GrownSegments, background: BackgroundMode, radius: float, shown: ShownBackground | None
) -> NDArray[np.bool_]:
    """Tell which grown segments are no background, (m,); the modes are those of `remove_background`."""
    graph = grown.graph
    is_object = np.ones(len(graph.sizes), dtype=np.bool_)
    if background == "largest" and len(is_object):
        is_object[graph.sizes.argmax()] = False
    elif background == "mode" and len(is_object):
        known = grown.table.mode if shown is None else find_background(grown.table.embeddings, shown)
        is_object = distance_to_background(graph.means.T, known) > radius
    return is_object


def grow_fragments(labels: NDArray[Any], embeddings: NDArray[Any], fragment_size: int) -> NDArray[np.uint32]:
    """Merge segments of fewer than `fragment_size` pixels into the touching segment of the nearest mean embedding.

    In rounds: every fragment points to its nearest neighbour through a pixel face; those that point to a segment
    that is no fragment, or to each other, are merged, then sizes and means are updated, until no fragment touches
    anything. So two segments of at least `fragment_size` are never merged, and the closest pairs go first. Fragments
    that touch nothing but label 0 stay.

    Parameters
    ----------
    labels
        (*spatial) segments, non-negative integers, 0 = no segment.
    embeddings
        (E, *spatial), floating point.
    fragment_size
        In pixels; 0 and 1 change nothing.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range.
    """
    return clean_up(measure_segments(labels, embeddings), fragment_size=fragment_size)


def remove_background(
    labels: NDArray[Any],
    embeddings: NDArray[Any],
    mode: BackgroundMode,
    radius: float = 2.0,
    *,
    background: ShownBackground | None = None,
    foreground: NDArray[Any] | None = None,
) -> NDArray[np.uint32]:
    """Set the segments that are background to 0 and number the others 1..n in their order.

    Parameters
    ----------
    labels
        (*spatial) segments, non-negative integers.
    embeddings
        (E, *spatial), floating point.
    mode
        "none": nothing is background. "largest": the largest segment. "mode": every segment whose mean embedding
        is within `radius` of the background's; the way for a background in pieces.
    radius
        Distance in embedding space; about delta_dist.
    background
        For "mode", where the background's embedding comes from: strokes, annotations, a clicked pixel or embeddings,
        as for `find_background`; None = the dominant mode of the segments' embeddings.
    foreground
        (*spatial) bool or integer: pixels outside become 0 before anything else.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range.
    """
    labels = check_labels(labels)
    if foreground is not None:
        labels = np.where(check_mask(foreground, labels.shape, name="foreground"), labels, 0)
    segments = measure_segments(labels, embeddings)
    return clean_up(segments, background=mode, background_radius=radius, shown_background=background)


def split_disconnected(labels: NDArray[Any]) -> NDArray[np.uint32]:
    """Give every part of a segment that is not connected to the others through pixel faces an id of its own.

    Parameters
    ----------
    labels
        (*spatial) segments, 2D or 3D, non-negative integers; 0 stays 0.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps, in the order of their first pixels.

    Raises
    ------
    TypeError, ValueError
        `labels` are no non-negative integers or have another number of axes.
    """
    labels = check_labels(labels)
    if labels.ndim not in (2, 3):
        raise ValueError(f"labels: expected 2 or 3 axes, got shape {labels.shape}.")
    if labels.size == 0:
        return np.zeros(labels.shape, dtype=np.uint32)
    parts: NDArray[np.uint64] = label(remove_small(labels, 0), connectivity=1)
    return parts.astype(np.uint32)


def remove_small(labels: NDArray[Any], min_size: int) -> NDArray[np.uint32]:
    """Set objects of fewer than `min_size` pixels to 0 and number the others 1..n in their order.

    Parameters
    ----------
    labels
        Non-negative integers of any shape.
    min_size
        In pixels; 0 and 1 keep every object.

    Raises
    ------
    TypeError, ValueError
        `labels` are no non-negative integers, or `min_size` is negative.
    """
    labels = check_labels(labels)
    check_number(min_size, name="min_size", at_least=0)
    if labels.size and labels.max() > 2 * labels.size:  # a table up to the largest id would be larger than the image
        ids, inverse = np.unique(labels, return_inverse=True)
        labels = inverse.reshape(labels.shape) + int(ids[0] != 0)
    sizes = np.bincount(labels.ravel(), minlength=1)
    kept = (sizes > 0) & (sizes >= min_size)
    kept[0] = False
    if kept[1:].all():
        return labels.astype(np.uint32)
    new_ids = np.where(kept, np.cumsum(kept), 0).astype(np.uint32)
    renumbered: NDArray[np.uint32] = new_ids[labels]
    return renumbered
