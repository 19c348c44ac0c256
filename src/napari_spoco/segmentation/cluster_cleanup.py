"""From clusters of embeddings to objects: whole clusters are background, what is left falls into connected parts.

The pixels are visited once, for a table of the parts; what becomes of them is decided on its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_spoco.segmentation.background import distance_to_background, find_background
from napari_spoco.segmentation.cleanup import remove_small, split_disconnected
from napari_spoco.segmentation.growth import merge_fragments
from napari_spoco.segmentation.segments import GrownSegments, SegmentTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.segmentation.background import ShownBackground
    from napari_spoco.segmentation.cleanup import BackgroundMode
    from napari_spoco.segmentation.sampling import Clusters, PixelSample


@dataclass(frozen=True, eq=False)
class ClusterParts:
    """Parts of clusters, and connected pieces of noise, each with the same nearest cluster throughout.

    `table` of the parts; `cluster_of` (n,) the cluster 0..n_clusters - 1 of label i + 1, -1 = a piece of noise.
    """

    table: SegmentTable
    cluster_of: NDArray[np.intp]
    n_clusters: int


def find_parts(sample: PixelSample, clusters: Clusters, split: bool) -> ClusterParts:
    """Divide clusters into objects to be.

    Parameters
    ----------
    sample
        The pixels.
    clusters
        Of its pixels.
    split
        Whether parts that are not connected through pixel faces are apart. Pieces of noise always are.
    """
    whole = sample.paint(clusters.of_pixels)  # (*spatial), 0 = noise and outside
    parts = split_disconnected(whole) if split else remove_small(whole, 0)
    n_parts = int(parts.max(initial=0))
    if not clusters.is_inside.all() and clusters.n_clusters:
        pieces = split_disconnected(sample.paint(np.where(clusters.is_inside, -1, clusters.nearest)))
        parts = np.where(pieces > 0, pieces + np.uint32(n_parts), parts)
    cluster_of = np.full(int(parts.max(initial=0)) + 1, -1)
    is_part = whole > 0
    cluster_of[parts[is_part]] = whole[is_part].astype(np.intp) - 1
    return ClusterParts(SegmentTable(parts, sample.embeddings), cluster_of[1:], clusters.n_clusters)


def background_clusters(
    parts: ClusterParts, background: BackgroundMode, radius: float, shown: ShownBackground | None
) -> NDArray[np.bool_]:
    """Tell which clusters are background, (K,); the modes are those of `remove_background`."""
    graph = parts.table.graph
    clusters = graph._replace(pairs=graph.pairs[:0]).joined(parts.cluster_of, parts.n_clusters)
    is_background = np.zeros(parts.n_clusters, dtype=np.bool_)
    if background == "largest" and clusters.sizes.any():
        is_background[clusters.sizes.argmax()] = True
    elif background == "mode" and clusters.sizes.any():
        known = parts.table.mode if shown is None else find_background(parts.table.embeddings, shown)
        means = clusters.sums / np.maximum(clusters.sizes, 1.0)[:, None]  # a cluster may have no pixel
        is_background = distance_to_background(means.T, known) <= radius
    return is_background


def grow_parts(
    parts: ClusterParts, is_background: NDArray[np.bool_], is_kept: NDArray[np.bool_] | None, fragment_size: int
) -> tuple[GrownSegments, NDArray[np.bool_]]:
    """Grow fragments, and tell which of the segments are objects.

    The background is one segment, which fragments may grow into. Pieces of noise that are smaller than a fragment
    grow too, such as the seams between touching objects; what consists of noise for the most part is no object.

    Parameters
    ----------
    parts
        From `find_parts`.
    is_background
        (K,) from `background_clusters`.
    is_kept
        (K,) which other clusters may become objects; None = all. The rest is noise.
    fragment_size
        In pixels, as for `grow_fragments`.

    Returns
    -------
    tuple
        The segments, and (m,) bool.
    """
    graph, cluster_of = parts.table.graph, parts.cluster_of
    is_backdrop = np.append(is_background, False)[cluster_of]  # -1 finds the last
    is_noise = cluster_of < 0
    if is_kept is not None:
        is_noise |= ~np.append(is_kept, False)[cluster_of] & ~is_backdrop
    is_dropped = is_noise & (graph.sizes >= fragment_size)
    has_backdrop = bool(is_backdrop.any())  # it becomes segment 0, and stays the first
    others = np.cumsum(~is_dropped & ~is_backdrop) - 1 + has_backdrop
    entry = np.where(is_backdrop, 0, np.where(is_dropped, -1, others))
    entered = graph.joined(entry, int(entry.max(initial=-1)) + 1)
    merged = merge_fragments(entered, fragment_size)
    n_segments = int(merged.max(initial=-1)) + 1
    segment_of = np.append(merged, -1)[entry]
    grown = GrownSegments(parts.table, segment_of, entered.joined(merged, n_segments))
    noise = np.bincount(segment_of[segment_of >= 0], (graph.sizes * is_noise)[segment_of >= 0], n_segments)
    is_object = 2 * noise < grown.graph.sizes
    is_object[:has_backdrop] = False
    return grown, is_object
