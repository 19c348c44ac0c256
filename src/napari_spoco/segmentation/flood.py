"""Compiled loops behind `instance`: distances to one vector, and the flood from an anchor that computes them lazily.

Without parallel=True: its threads would go on spinning and starve a training. Importing this module needs numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK = 64
"""Pixels whose distances are computed together: vector instructions pay, small objects stay cheap."""
_UNSEEN, _NEAR, _FAR, PART = range(4)


@njit(cache=True, nogil=True)
def sum_squares(
    flat: NDArray[np.float32], vector: NDArray[np.float32], start: int, stop: int, squared: NDArray[np.float32]
) -> None:
    """Write |e - vector|^2 of pixels start..stop - 1 to the front of `squared`; flat (E, N), vector (E,)."""
    squared[: stop - start] = 0
    for channel in range(len(vector)):
        row, coordinate = flat[channel, start:stop], vector[channel]
        for i in range(stop - start):
            difference = row[i] - coordinate
            squared[i] += difference * difference


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
    pixel: int,
    flat: NDArray[np.float32],
    vector: NDArray[np.float32],
    most_squared: float,
    state: NDArray[np.uint8],
    squared: NDArray[np.float32],
) -> int:
    """Compare the chunk around an unseen pixel with the threshold; returns how many distances are not finite."""
    start = pixel - pixel % _CHUNK
    stop = min(start + _CHUNK, len(state))
    sum_squares(flat, vector, start, stop, squared)
    n_bad = 0
    for i in range(stop - start):
        state[start + i] = _NEAR if squared[i] <= most_squared else _FAR
        n_bad += not squared[i] < np.inf
    return n_bad


@njit(cache=True, nogil=True)
def flood(
    flat: NDArray[np.float32],
    vector: NDArray[np.float32],
    most_squared: float,
    shape: tuple[int, int, int],
    anchor: int,
) -> tuple[NDArray[np.uint8], int]:
    """Mark the pixels within `most_squared` that are connected to the anchor through faces.

    Row by row: a pixel taken from the stack is extended to both sides, then the four rows beside the run are searched
    for pixels to go on from. A pixel is marked when it is put on the stack, so that it is put there only once.

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
        Index of the pixel in Z * Y * X.

    Returns
    -------
    state
        (Z * Y * X), `PART` in the object.
    n_bad
        How many of the distances that were looked at are not finite.
    """
    _, n_rows, width = shape
    plane = n_rows * width
    state = np.zeros(flat.shape[1], dtype=np.uint8)
    squared = np.empty(_CHUNK, dtype=np.float32)
    n_bad = _look(anchor, flat, vector, most_squared, state, squared)
    state[anchor] = PART
    stack = np.empty(len(state), dtype=np.int64)
    stack[0] = anchor
    n_open = 1
    while n_open:
        n_open -= 1
        pixel = stack[n_open]
        row_start = pixel - pixel % width
        first = last = pixel
        for step in (-1, 1):
            end = pixel + step
            while row_start <= end < row_start + width:
                if state[end] == _UNSEEN:
                    n_bad += _look(end, flat, vector, most_squared, state, squared)
                if state[end] != _NEAR:
                    break
                state[end] = PART
                end += step
            first, last = (end + 1, last) if step < 0 else (first, end - 1)
        row = row_start % plane // width
        for shift, is_inside in (
            (-width, row > 0),
            (width, row < n_rows - 1),
            (-plane, row_start >= plane),
            (plane, row_start + plane < len(state)),
        ):
            if not is_inside:
                continue
            was_near = False
            for beside in range(first + shift, last + shift + 1):
                if state[beside] == _UNSEEN:
                    n_bad += _look(beside, flat, vector, most_squared, state, squared)
                is_near = state[beside] == _NEAR
                if is_near and not was_near:
                    state[beside] = PART
                    stack[n_open] = beside
                    n_open += 1
                was_near = is_near
    return state, n_bad
