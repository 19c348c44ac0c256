"""A warning before mutex watershed shatters objects: embeddings too noisy for the two kinds of edges.

An edge of embedding distance d attracts with (1 - d / 2 delta_dist)^2 and repels with 1 minus that (equation 12 of the
paper). Both are 1/2 at one distance, the crossing. While neighbours inside of objects are well below it, every object
is merged before the first mutex falls inside of it; near it, mutexes come first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.segmentation.arguments import check_labels, check_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEAR = 0.75
"""Share of the crossing from which mutex watershed leaves splinters: with white noise on 8, 16 or 32 channels, 2D and
3D, the adapted Rand error was below .01 at .7 of the crossing, up to .5 at .8, up to .9 at .9."""
_N_PAIRS = 5_000
_CURE = 1.0


def crossing_distance(delta_dist: float) -> float:
    """Return the embedding distance at which attraction and repulsion are equal: 2 delta_dist (1 - sqrt(1/2)).

    Raises
    ------
    TypeError, ValueError
        `delta_dist` is no positive number.
    """
    return 2.0 * check_number(delta_dist, name="delta_dist", above=0) * (1.0 - math.sqrt(0.5))


def neighbour_distance(
    embeddings: NDArray[Any], *, labels: NDArray[Any] | None = None, rng: np.random.Generator | None = None
) -> float | None:
    """Estimate the median embedding distance of direct neighbours inside of objects.

    Parameters
    ----------
    embeddings
        (E, *spatial), floating point.
    labels
        (*spatial) integers, annotations or segments: pairs of one label above 0 count. None = all pairs; so few of
        them cross a border that the median hardly knows.
    rng
        Source of the sample of 5,000 pairs; None = a generator of seed 0.

    Returns
    -------
    float or None
        None if no sampled pair is inside of an object.

    Raises
    ------
    TypeError, ValueError
        `embeddings` has other axes or holds NaN or infinity, `labels` has another shape or type.
    """
    embeddings = np.asarray(embeddings)
    if embeddings.ndim not in (3, 4) or not np.issubdtype(embeddings.dtype, np.floating):
        raise ValueError(
            "embeddings: expected floating-point axes (E, Y, X) or (E, Z, Y, X), got "
            f"{embeddings.dtype} of shape {embeddings.shape}."
        )
    shape = embeddings.shape[1:]
    rng = rng if rng is not None else np.random.default_rng(0)
    inside = None if labels is None else check_labels(np.maximum(labels, 0), shape=shape)
    first, second = _neighbours(inside, shape, rng)
    if first.size == 0:
        return None
    flat = embeddings.reshape(len(embeddings), -1)
    steps = flat[:, first].astype(np.float32) - flat[:, second].astype(np.float32)
    median = float(np.median(np.sqrt(np.square(steps).sum(axis=0))))
    if not math.isfinite(median):
        raise ValueError("embeddings: expected finite numbers, got NaN or infinity.")
    return median


def _neighbours(
    labels: NDArray[np.integer[Any]] | None, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return flat indices of sampled pairs of direct neighbours, of one label above 0 if there are labels."""
    size = math.prod(shape)
    pixels = np.arange(size) if labels is None else np.flatnonzero(labels)
    axes = [axis for axis, length in enumerate(shape) if length > 1]
    if not axes or pixels.size == 0:
        return pixels[:0], pixels[:0]
    first = pixels[rng.integers(pixels.size, size=_N_PAIRS)]
    along = np.array(axes)[rng.integers(len(axes), size=_N_PAIRS)]
    position = np.stack(np.unravel_index(first, shape))
    position[along, np.arange(_N_PAIRS)] += 1
    is_pair = position[along, np.arange(_N_PAIRS)] < np.array(shape)[along]
    first, second = first[is_pair], np.ravel_multi_index(tuple(position[:, is_pair]), shape)
    if labels is not None:
        is_inside = labels.ravel()[first] == labels.ravel()[second]
        first, second = first[is_inside], second[is_inside]
    return first, second


def crossing_warning(
    embeddings: NDArray[Any],
    *,
    labels: NDArray[Any] | None = None,
    delta_dist: float = 2.0,
    smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
) -> str | None:
    """Say in a sentence for the user that mutex watershed will shatter objects, and the cure; None if it will not.

    Parameters
    ----------
    embeddings
        (E, *spatial), floating point, as they go into mutex watershed (smoothed, if they are).
    labels, rng
        As for `neighbour_distance`.
    delta_dist
        Push margin of the training.
    smoothing
        Standard deviation in pixels of the smoothing that the embeddings have had.

    Raises
    ------
    TypeError, ValueError
        As `neighbour_distance`, and for `delta_dist` and `smoothing`.
    """
    crossing = crossing_distance(delta_dist)
    smoothing = check_number(smoothing, name="smoothing", at_least=0)
    distance = neighbour_distance(embeddings, labels=labels, rng=rng)
    if distance is None or distance < _NEAR * crossing:
        return None
    return (
        f"Neighbouring pixels inside of objects are {distance:.2f} apart (median) in embedding space, near the "
        f"{crossing:.2f} at which mutex watershed attracts and repels alike: it will shatter objects. "
        f"Set the smoothing to {smoothing + _CURE:g} pixel{'s' if smoothing else ''}."
    )
