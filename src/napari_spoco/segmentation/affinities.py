"""From embeddings to affinities on the pixel grid: how likely two pixels some offset apart are one instance.

This module alone knows the formula and the default neighbourhood; which edges attract or repel is the business
of the mutex watershed.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from bioimage_cpp.affinities import compute_embedding_distances

from napari_spoco.segmentation.arguments import check_embeddings, check_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Offset = tuple[int, ...]

LONG_RANGE = (3, 9, 27)
"""Distances in pixels of the mutex edges along every axis (appendix of the paper, "affinity graph")."""


def default_offsets(ndim: int) -> tuple[Offset, ...]:
    """Return the direct neighbours, then the pixels 3, 9 and 27 away along every axis.

    Parameters
    ----------
    ndim
        Number of spatial axes; the first `ndim` offsets are the direct neighbours.
    """
    steps = (1, *LONG_RANGE)
    return tuple(tuple(step if axis == along else 0 for axis in range(ndim)) for step in steps for along in range(ndim))


def check_offsets(offsets: Sequence[Sequence[int]], ndim: int) -> tuple[Offset, ...]:
    """Return offsets as tuples of `ndim` integers.

    Raises
    ------
    TypeError
        An offset holds something that is not an integer.
    ValueError
        There is no offset, or one has another length or is zero along every axis.
    """
    try:
        checked = tuple(tuple(operator.index(step) for step in offset) for offset in offsets)
    except TypeError as error:
        raise TypeError(f"offsets: expected sequences of integers, got {offsets!r}.") from error
    if not checked:
        raise ValueError("offsets: expected at least one offset, got none.")
    for offset in checked:
        if len(offset) != ndim or not any(offset):
            raise ValueError(f"offsets: expected {ndim} integers that are not all zero, got {offset}.")
    return checked


def embedding_affinities(
    embeddings: NDArray[Any], offsets: Sequence[Sequence[int]], *, delta_dist: float = 2.0
) -> NDArray[np.float32]:
    """Compute how similar the embeddings of pixels and their neighbours are.

    a_ij = max((2 delta_dist - |e_i - e_j|) / (2 delta_dist), 0)^2, that is 1 - w_ij of equation 12 of the paper.

    Parameters
    ----------
    embeddings
        (E, *spatial), 2D or 3D, floating point.
    offsets
        Displacements in pixels from pixel i to pixel j, (Z)YX.
    delta_dist
        Push margin of the training; at twice this distance the affinity is 0.

    Returns
    -------
    numpy.ndarray
        (len(offsets), *spatial) float32 in [0, 1], 1 = same instance. Pixels whose neighbour lies outside the image
        have no edge: their value is 0 and must be masked by whoever reads low affinities as "different instances".

    Raises
    ------
    TypeError, ValueError
        `embeddings` is no finite floating-point array of these axes, an offset does not fit, or `delta_dist` is
        not positive.
    """
    embeddings = check_embeddings(embeddings)
    shape = embeddings.shape[1:]
    offsets = check_offsets(offsets, len(shape))
    reach = 2.0 * check_number(delta_dist, name="delta_dist", above=0)
    affinities: NDArray[np.float32] = compute_embedding_distances(embeddings, offsets)
    affinities *= np.float32(-1.0 / reach)
    affinities += np.float32(1.0)
    np.maximum(affinities, 0.0, out=affinities)
    np.square(affinities, out=affinities)
    for channel, offset in zip(affinities, offsets, strict=True):
        _clear_border(channel, offset)
    return affinities


def _clear_border(channel: NDArray[np.float32], offset: Offset) -> None:
    """Set the pixels whose neighbour at `offset` lies outside to 0; the library leaves distance 0 there."""
    for axis, step in enumerate(offset):
        outside = slice(max(0, channel.shape[axis] - step), None) if step > 0 else slice(0, -step)
        channel[(slice(None),) * axis + (outside,)] = 0.0
