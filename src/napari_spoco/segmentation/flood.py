"""Compiled loops behind `instance`: distances to one vector, and the flood from an anchor that computes them lazily.

The flood goes from word to word: 64 pixels of a row are the bits of one integer, so that it costs little beside the
distances even where the object fills the image. Without parallel=True: its threads would go on spinning and starve a
training. Importing this module needs numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORD = 64
_LOOK = 8
"""Words of a row, counted from its start, that are looked at together: fewer are read slowly where the flood runs
against the order of the memory, more are read in vain where objects are small."""
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_ONE, _LAST = np.uint64(1), np.uint64(WORD - 1)
_DOUBLINGS = tuple(np.uint64(1 << power) for power in range(6))


@njit(cache=True, nogil=True)
def sum_squares(
    flat: NDArray[np.float32], vector: NDArray[np.float32], start: int, stop: int, squared: NDArray[np.float32]
) -> None:
    """Write |e - vector|^2 of pixels start..stop - 1 to the front of `squared`; flat (E, N), vector (E,).

    Four channels at once: reading several streams of memory side by side takes half of the time.
    """
    squared[: stop - start] = 0
    n_by_four = len(vector) - len(vector) % 4
    for channel in range(0, n_by_four, 4):
        row_0, row_1 = flat[channel, start:stop], flat[channel + 1, start:stop]
        row_2, row_3 = flat[channel + 2, start:stop], flat[channel + 3, start:stop]
        at_0, at_1, at_2, at_3 = vector[channel], vector[channel + 1], vector[channel + 2], vector[channel + 3]
        for i in range(stop - start):
            by_0, by_1, by_2, by_3 = row_0[i] - at_0, row_1[i] - at_1, row_2[i] - at_2, row_3[i] - at_3
            squared[i] += (by_0 * by_0 + by_1 * by_1) + (by_2 * by_2 + by_3 * by_3)
    for channel in range(n_by_four, len(vector)):
        row, at = flat[channel, start:stop], vector[channel]
        for i in range(stop - start):
            by = row[i] - at
            squared[i] += by * by


@njit(cache=True, nogil=True)
def squared_distances(flat: NDArray[np.float32], vector: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Return |e - vector|^2 (N,) of flat (E, N), summed in blocks that stay in the cache."""
    squared = np.empty(flat.shape[1], dtype=np.float32)
    for start in range(0, len(squared), block):
        stop = min(start + block, len(squared))
        sum_squares(flat, vector, start, stop, squared[start:stop])
    return squared


@njit(cache=True, nogil=True)
def _look(
    word: int,
    width: int,
    flat: NDArray[np.float32],
    vector: NDArray[np.float32],
    most_squared: float,
    near: NDArray[np.uint64],
    is_seen: NDArray[np.bool_],
) -> int:
    """Compare the words around an unseen one with the threshold; returns how many distances are not finite."""
    n_columns = (width + WORD - 1) // WORD
    row, column = word // n_columns, word % n_columns
    column -= column % _LOOK
    start = row * width + column * WORD
    squared = np.empty(min(_LOOK * WORD, (row + 1) * width - start), dtype=np.float32)
    sum_squares(flat, vector, start, start + len(squared), squared)
    n_bad = 0
    for i in range(len(squared)):
        n_bad += not squared[i] < np.inf
    for i in range(0, len(squared), WORD):
        seen = row * n_columns + column + i // WORD
        near[seen] = _pack(squared[i : i + WORD], most_squared)
        is_seen[seen] = True
    return n_bad


@njit(cache=True, nogil=True)
def _pack(squared: NDArray[np.float32], most_squared: float) -> np.uint64:
    """Return which distances are near, the first in the lowest bit."""
    n_near = 0
    for value in squared:
        n_near += value <= most_squared
    if n_near in (0, WORD):
        return _ALL if n_near else ~_ALL
    near = ~_ALL
    for i in range(len(squared)):
        near |= np.uint64(squared[i] <= most_squared) << np.uint64(i)
    return near


@njit(cache=True, nogil=True)
def _spread(part: np.uint64, near: np.uint64) -> np.uint64:
    """Extend the bits of `part` over the runs of `near` that they lie in."""
    up = down = near
    for distance in _DOUBLINGS:
        part |= (up & (part << distance)) | (down & (part >> distance))
        up &= up << distance
        down &= down >> distance
    return part


@njit(cache=True, nogil=True)
def flood(
    flat: NDArray[np.float32],
    vector: NDArray[np.float32],
    most_squared: float,
    shape: tuple[int, int, int],
    anchor: tuple[int, int, int],
) -> tuple[NDArray[np.uint64], int]:
    """Mark the pixels within `most_squared` that are connected to the anchor through faces.

    A word is looked at when the object comes to its border, and open when its neighbours are yet to be told of what it
    has won. Neighbours of the same row are gone to first, as memory runs along rows.

    Parameters
    ----------
    flat
        (E, Z * Y * X).
    vector
        (E,) embedding of the anchor.
    most_squared
        Largest |e - vector|^2 inside of the object.
    shape
        (Z, Y, X).
    anchor
        The pixel, ZYX.

    Returns
    -------
    part
        (Z * Y, words of a row): one bit per pixel, set inside of the object; the first pixel is the lowest bit.
    n_bad
        How many of the distances that were looked at are not finite.
    """
    n_planes, n_rows, width = shape
    n_columns = (width + WORD - 1) // WORD
    plane_words = n_rows * n_columns
    n_words = n_planes * plane_words
    near, part = np.empty(n_words, dtype=np.uint64), np.zeros(n_words, dtype=np.uint64)
    is_seen, is_open = np.zeros(n_words, dtype=np.bool_), np.zeros(n_words, dtype=np.bool_)
    stack = np.empty(n_words, dtype=np.int64)
    word = anchor[0] * plane_words + anchor[1] * n_columns + anchor[2] // WORD
    n_bad = _look(word, width, flat, vector, most_squared, near, is_seen)
    part[word] = _spread(near[word] & (_ONE << np.uint64(anchor[2] % WORD)), near[word])
    is_open[word] = True
    stack[0] = word
    n_open = 1
    while n_open:
        n_open -= 1
        word = stack[n_open]
        is_open[word] = False
        plane, row, column = word // plane_words, word // n_columns % n_rows, word % n_columns
        for beside, is_inside, coming in (
            (word - plane_words, plane > 0, part[word]),
            (word + plane_words, plane < n_planes - 1, part[word]),
            (word - n_columns, row > 0, part[word]),
            (word + n_columns, row < n_rows - 1, part[word]),
            (word - 1, column > 0, part[word] << _LAST),
            (word + 1, column < n_columns - 1, part[word] >> _LAST),
        ):
            if not (is_inside and coming):
                continue
            if not is_seen[beside]:
                n_bad += _look(beside, width, flat, vector, most_squared, near, is_seen)
            won = coming & near[beside] & ~part[beside]
            if won:
                part[beside] |= _spread(won, near[beside])
                if not is_open[beside]:
                    is_open[beside] = True
                    stack[n_open] = beside
                    n_open += 1
    return part.reshape(n_planes * n_rows, n_columns), n_bad
