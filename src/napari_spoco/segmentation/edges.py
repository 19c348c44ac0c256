"""Objects between the edges of the embeddings: for tissue without background, while embeddings are not yet far apart.

Training keeps the pixels of an instance within delta_var of their mean, so that two of them are at most 2 delta_var
apart; between instances the embedding jumps by more. Where a network has learned the jumps before it has learned to
give every pair of neighbours means that are far apart, the shape between the edges tells more than the means do.
Smoothing lowers the edges, and keeps gaps in them closed: 1.2 pixels and 1.6 delta_var were the best of a grid on three
stacks of poorly stained synthetic tissue (docs/benchmarks.md).

Where boundaries are stained, the image says more sharply than the embeddings where they are. What it lets expect of the
edges, by linear regression, is added to them: nothing where both have nothing in common, and where boundaries are dark
the sign turns. Half of it was the best of 0, 1/2, 1 and 2 on poorly stained synthetic tissue, and of nearly the same
use as 1 and 2 on well stained one and on real membranes (docs/benchmarks.md).

All lengths are in pixels, whatever their sizes along the axes: an edge is what changes from pixel to pixel. Splitting
what lies between edges by the voxel size of 0.235 x 0.3 x 0.3 um made it worse, ARand .058 for .051 on real membranes
and .171 for .153 on poorly stained tissue (benchmarks/membranes.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bioimage_cpp.segmentation import watershed
from scipy import ndimage

from napari_spoco.segmentation.arguments import check_embeddings, check_number
from napari_spoco.segmentation.cleanup import clean_up
from napari_spoco.segmentation.foreground import split_foreground
from napari_spoco.segmentation.segments import SegmentTable
from napari_spoco.segmentation.smoothing import local_contrast, smooth_embeddings

if TYPE_CHECKING:
    from numpy.typing import NDArray

AROUND = 8.0
"""Standard deviation of what a pixel of the image is compared with, in pixels."""


def embedding_edges(embeddings: NDArray[Any], *, smoothing: float = 0.5) -> NDArray[np.float32]:
    """Measure how much the embedding changes around each pixel.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    smoothing
        Standard deviation of the Gaussian over the embeddings before, in pixels.

    Returns
    -------
    numpy.ndarray
        (*spatial) float32: the largest, over the axes, of the distances between the embeddings of the two pixels on
        either side; at the border of the image, between the pixel and its one neighbour.

    Raises
    ------
    TypeError, ValueError
        `embeddings` is no finite floating-point array of these axes, or `smoothing` is negative.
    """
    smooth = smooth_embeddings(check_embeddings(embeddings), smoothing)
    squared = np.zeros(smooth.shape[1:], dtype=np.float32)
    for axis in range(smooth.ndim - 1):
        along = np.zeros_like(squared)
        for channel in smooth:
            padded = np.pad(channel, [(1, 1) if a == axis else (0, 0) for a in range(channel.ndim)], mode="edge")
            rows = np.moveaxis(padded, axis, 0)
            along += np.square(np.moveaxis(rows[2:] - rows[:-2], 0, axis))
        np.maximum(squared, along, out=squared)
    return np.sqrt(squared)


def segment_between_edges(
    embeddings: NDArray[Any],
    *,
    image: NDArray[Any] | None = None,
    image_share: float = 0.5,
    edge_threshold: float = 0.8,
    smoothing: float = 0.5,
    edge_smoothing: float = 1.2,
    min_distance: int = 3,
    fragment_size: int = 0,
    min_size: int = 0,
) -> NDArray[np.uint32]:
    """Segment embeddings into instances that fill the image, by the shape of what lies between edges.

    Where smoothed `embedding_edges` are below a threshold is the inside of instances; it is split by the watershed of
    the distance to the edges, the parts grow over the edges, and fragments into their neighbours.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    image
        (*spatial), real numbers; None = by the embeddings alone.
    image_share
        How much of what the image lets expect of the edges is added to them (`add_expected`).
    edge_threshold
        Higher edges part instances.
    smoothing, edge_smoothing
        Standard deviations of the Gaussians over the embeddings and over their edges, in pixels of each axis.
    min_distance
        Least distance between the middles of two instances, in pixels of each axis.
    fragment_size
        Segments of fewer pixels grow into the touching segment of the nearest mean embedding.
    min_size
        Objects of fewer pixels become label 0.

    Returns
    -------
    numpy.ndarray
        (*spatial) uint32 labels 1..n without gaps; 0 where objects were removed.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or range; the message names it.
    """
    check_number(image_share, name="image_share", at_least=0)
    check_number(edge_threshold, name="edge_threshold", above=0)
    check_number(edge_smoothing, name="edge_smoothing", at_least=0)
    check_number(fragment_size, name="fragment_size", at_least=0)
    check_number(min_size, name="min_size", at_least=0)
    smooth = smooth_embeddings(check_embeddings(embeddings), smoothing)
    edges = smooth_edges(smooth, edge_smoothing)
    if image is not None:
        if image.shape != edges.shape:
            raise ValueError(f"image: expected shape {edges.shape}, got {image.shape}.")
        edges = add_expected(edges, local_contrast(image[None], AROUND)[0], image_share)
    parts = parts_between_edges(edges, smooth, None, edge_threshold, min_distance)
    return clean_up(parts, fragment_size=fragment_size, min_size=min_size)


def smooth_edges(embeddings: NDArray[np.float32], edge_smoothing: float) -> NDArray[np.float32]:
    """Return smoothed `embedding_edges` of embeddings that are smooth already."""
    edges: NDArray[np.float32] = ndimage.gaussian_filter(embedding_edges(embeddings, smoothing=0.0), edge_smoothing)
    return edges


def add_expected(edges: NDArray[np.float32], contrast: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Add to edges what another signal lets expect of them: edges + share * slope * (contrast - its mean), at least 0.

    `slope` is that of the linear regression of the edges on the contrast, both (*spatial).
    """
    centred = contrast - contrast.mean()
    power = float(np.vdot(centred, centred))
    slope = float(np.vdot(centred, edges)) / power if power else 0.0
    higher: NDArray[np.float32] = np.maximum(edges + np.float32(share * slope) * centred, 0)
    return higher


def parts_between_edges(
    edges: NDArray[np.float32],
    embeddings: NDArray[np.float32],
    foreground: NDArray[np.bool_] | None,
    threshold: float,
    min_distance: int,
) -> SegmentTable:
    """Split what lies below a threshold of the edges, and let the parts grow over the edges of the foreground."""
    inside = edges < threshold if foreground is None else (edges < threshold) & foreground
    parts = split_foreground(inside, min_distance=min_distance)
    grown = watershed(edges, parts) if parts.any() else parts
    return SegmentTable(grown if foreground is None else np.where(foreground, grown, 0).astype(np.uint32), embeddings)
