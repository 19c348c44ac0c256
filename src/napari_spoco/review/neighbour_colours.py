"""Colours by which objects can be told from those next to them; each keeps the one it has as far as that goes.

A viewer gives colours by turns: an id has that of its place in the round, and so have ids that are a round further.
Hence places are told apart here, not ids; with as many places as there are ids that is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_STEPS = (1, 3)
"""From a pixel to others of its plane that are looked at: objects that touch, and that have a thin gap between them."""
REACH = max(_STEPS)
"""Pixels around an object within which all those lie that it is told apart from."""


def place_of(ids: NDArray[Any], n_places: int) -> NDArray[np.uint32]:
    """Return the places of ids of any shape, 1 to `n_places`, below 2**16; 0 for 0 and below."""
    wide = ids.astype(np.int64, copy=False)
    places: NDArray[np.uint32] = np.where(wide > 0, (wide - 1) % n_places + 1, 0).astype(np.uint32)
    return places


def find_neighbours(labels: NDArray[Any], n_places: int) -> NDArray[np.intp]:
    """Find which objects lie next to each other.

    Parameters
    ----------
    labels
        (Y, X) or (Z, Y, X) integers, 0 = no object; looked at plane by plane, so that no other thread waits long.
    n_places
        Of the round of colours, see `place_of`.

    Returns
    -------
    ndarray
        (N, 2) places, the lower one first, each pair once, ascending.
    """
    found = _each_once(np.concatenate([np.empty(0, np.uint32), *_pairs(labels, n_places)]))
    return np.stack([found >> 16, found & 0xFFFF], axis=1).astype(np.intp)


def tell_apart(
    pairs: NDArray[np.intp],
    choice: NDArray[np.intp],
    colours: NDArray[np.floating[Any]],
    *,
    distance: float,
    movable: NDArray[np.integer[Any]] | None = None,
) -> NDArray[np.intp]:
    """Give another colour to objects that are coloured much like one next to them.

    Parameters
    ----------
    pairs
        (N, 2) places of `find_neighbours`.
    choice
        (1 + n_places,) the colour of each place, an index of `colours`; the first entry counts for nothing.
    colours
        (K, 3), red, green and blue up to 1.
    distance
        In CIE Lab, at least between neighbours. Where no colour is so far from those of all neighbours, the farthest.
    movable
        Places whose colours may change; None = all.

    Returns
    -------
    ndarray
        As `choice`; the colour of a place is the next one of the round that is far enough.
    """
    from skimage.color import rgb2lab

    lab = rgb2lab(np.asarray(colours, float)[np.newaxis])[0]
    between = np.linalg.norm(lab[:, np.newaxis] - lab, axis=-1)
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    ends = ends[np.argsort(ends[:, 0], kind="stable")]
    alike = between[choice[ends[:, 0]], choice[ends[:, 1]]] < distance
    to_change = np.unique(ends[alike, 0])
    if movable is not None:
        to_change = np.intersect1d(to_change, movable)
    first, last = (np.searchsorted(ends[:, 0], to_change, side) for side in ("left", "right"))
    choice = choice.copy()
    for place, start, stop in zip(to_change, first, last, strict=True):
        nearest = between[:, choice[ends[start:stop, 1]]].min(axis=1)  # (K,)
        if nearest[choice[place]] < distance:  # Else a neighbour has changed.
            in_turn = np.roll(nearest, -choice[place])
            far = np.flatnonzero(in_turn >= distance)
            best = far[0] if len(far) else in_turn.argmax()
            choice[place] = (choice[place] + best) % len(colours)
    return choice


def _pairs(labels: NDArray[Any], n_places: int) -> Iterator[NDArray[np.uint32]]:
    """Yield pairs of places, the lower one in the upper 16 bits, each once a plane and axis."""
    planes = labels if labels.ndim == 3 else labels[np.newaxis]
    before: NDArray[np.uint32] | None = None
    for plane in planes:
        places = place_of(plane, n_places)
        for step in _STEPS:
            yield _pairs_between(places[:-step], places[step:])
            yield _pairs_between(places[:, :-step], places[:, step:])
        if before is not None:
            yield _pairs_between(before, places)
        before = places


def _pairs_between(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> NDArray[np.uint32]:
    differ = (first != second) & (first > 0) & (second > 0)
    first, second = first[differ], second[differ]
    return _each_once(np.minimum(first, second) << np.uint32(16) | np.maximum(first, second))


def _each_once(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the values in ascending order; other threads go on meanwhile, which `numpy.unique` keeps waiting."""
    in_order = np.sort(values)
    is_new = np.ones(len(in_order), bool)
    is_new[1:] = in_order[1:] != in_order[:-1]
    return in_order[is_new]
