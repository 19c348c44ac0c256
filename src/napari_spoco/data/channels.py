"""Channels: which axis of an array is theirs, and which of them are taken.

Axes are told by letters, "CZYX" for channels, planes, rows and columns. What a file says of its axes is known to
`images`; here is what can be told of an array that comes without, as the layers of a viewer do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

MOST_CHANNELS = 4
"""A third axis as short as this is taken for channels: too few planes for a network that halves a stack."""

POSSIBLE_AXES: dict[int, tuple[str, ...]] = {
    2: ("YX",),
    3: ("ZYX", "CYX", "YXC"),
    4: ("CZYX", "ZCYX", "ZYXC"),
}
"""By the number of axes: how an array may be read."""

SERIES_AXES = {ndim + 1: tuple(f"T{axes}" for axes in possible) for ndim, possible in POSSIBLE_AXES.items()}
"""By the number of axes: what an array may be instead, of which one time point can be read."""

_NAMES = {"Z": "Z", "C": "channels", "Y": "Y", "X": "X"}
_CHANNEL_NAMES = {"c", "ch", "channel", "channels"}
_TIME_NAMES = {"t", "time", "frame"}


def guess_axes(shape: Sequence[int], *, names: Sequence[str] = (), scale: Sequence[float] = ()) -> str:
    """Guess how an array is to be read.

    Parameters
    ----------
    shape
        Of the array.
    names
        Of its axes, one each, in case they tell: "c" or "channel", "z", "t".
    scale
        Pixel distance per axis. An axis whose distance is not 1 is a length and holds no channels.

    Returns
    -------
    str
        One of `POSSIBLE_AXES`: by the names; else the shortest axis that may be that of channels is. Of three axes it
        is only if it is no longer than `MOST_CHANNELS`. Empty for a time series, and for other numbers of axes.
    """
    possible = POSSIBLE_AXES.get(len(shape), ())
    known = [name.strip().lower() for name in names]
    if not possible or _TIME_NAMES & set(known):
        return ""
    by_place = {axes.find("C"): axes for axes in possible}
    named = next((place for place, name in enumerate(known) if name in _CHANNEL_NAMES), None)
    if named in by_place:
        return by_place[named]
    without = by_place.pop(-1, None)
    if not by_place or (without is not None and "z" in known):
        return without or possible[0]
    places = [place for place in by_place if not len(scale) or scale[place] == 1]
    if without is not None:
        places = [place for place in places if shape[place] <= MOST_CHANNELS]
        if not places:
            return without
    return by_place[min(places or by_place, key=lambda place: shape[place])]


def guess_series(shape: Sequence[int], *, names: Sequence[str] = (), scale: Sequence[float] = ()) -> str:
    """Guess the axes of a time series.

    Parameters
    ----------
    shape, names, scale
        As of `guess_axes`.

    Returns
    -------
    str
        A "T" among axes that `guess_axes` returns for the rest: where the names say so; or first, of five axes. Empty
        for all else, and where too much is left besides time.
    """
    known = [name.strip().lower() for name in names]
    named = next((place for place, name in enumerate(known) if name in _TIME_NAMES), None)
    place = 0 if named is None and len(shape) == max(POSSIBLE_AXES) + 1 else named
    if place is None:
        return ""
    rest = guess_axes(_without(shape, place), names=_without(names, place), scale=_without(scale, place))
    return rest and f"{rest[:place]}T{rest[place:]}"


def _without(values: Sequence[Any], place: int) -> Sequence[Any]:
    return [*values[:place], *values[place + 1 :]]


def describe_axes(axes: str, shape: Sequence[int]) -> str:
    """Say how long each axis is: "Z 40, channels 3, Y 1024, X 1024"."""
    return ", ".join(f"{_NAMES[axis]} {size}" for axis, size in zip(axes, shape, strict=True))


def take_channels(image: NDArray[Any], channels: Sequence[int] | None, *, name: str = "image") -> NDArray[Any]:
    """Return the chosen channels of an image, in the order of the choice.

    Parameters
    ----------
    image : ndarray
        (C, *spatial).
    channels : sequence of int, optional
        Counted from 0, each once; all if None.
    name : str
        Name of the argument in error messages.

    Returns
    -------
    ndarray
        (len(channels), *spatial), a view where the channels are neighbours. An image that lacks some of the channels,
        but has just as many, is taken for these channels alone and comes back as it is.

    Raises
    ------
    ValueError
        The image has no such channels, or one is chosen twice.
    """
    if channels is None:
        return image
    wanted, n = list(channels), len(image)
    if len(set(wanted)) != len(wanted) or not wanted or min(wanted) < 0:
        raise ValueError(f"channels: expected numbers from 0, each once, got {_listed(wanted)}")
    if max(wanted) >= n:
        if len(wanted) == n:
            return image
        raise ValueError(
            f"{name}: expected an image with channel{'s' if len(wanted) > 1 else ''} {_listed(wanted)} (counted from "
            f"0), as is chosen, got one of {count_channels(n)}"
        )
    if wanted == [*range(wanted[0], wanted[0] + len(wanted))]:
        return image[wanted[0] : wanted[0] + len(wanted)]
    return np.take(image, wanted, axis=0)


class ChannelStack:
    """Arrays of one shape (*spatial), seen as one image (C, *spatial) with each as a channel.

    Nothing is copied, and nothing of a lazy array is read before it is asked for: `stack[1, 5]` reads a plane of one
    channel. Integers and slices read no more than is wanted; other indices mean the same as for an array of all.

    Attributes
    ----------
    shape : tuple of int
        (C, *spatial).
    dtype : dtype
        Holds the values of every channel.

    Raises
    ------
    ValueError
        There is no array, or they are of several shapes.
    """

    def __init__(self, channels: Sequence[Any]) -> None:
        shapes = {tuple(channel.shape) for channel in channels}
        if len(shapes) != 1:
            raise ValueError(f"channels: expected arrays of one shape, got {sorted(shapes)}")
        self._channels = tuple(channels)
        self.shape: tuple[int, ...] = (len(channels), *shapes.pop())
        self.dtype = np.result_type(*(channel.dtype for channel in channels))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read what an array of all channels has there."""
        key = key if isinstance(key, tuple) else (key,)
        if not key or not all(isinstance(part, int | np.integer | slice) for part in key):
            found: NDArray[Any] = np.asarray(self)[key]
            return found
        first, rest = key[0], key[1:]
        if isinstance(first, slice):
            return np.stack([self._read(channel, rest) for channel in self._channels[first]])
        return self._read(self._channels[first], rest)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything."""
        return self[:].astype(dtype or self.dtype, copy=False)

    def _read(self, channel: Any, key: tuple[int | slice, ...]) -> NDArray[Any]:
        return np.asarray(channel[key]).astype(self.dtype, copy=False)


def count_channels(n: int) -> str:
    """Say "1 channel" or "3 channels"."""
    return f"{n} channel{'' if n == 1 else 's'}"


def _listed(channels: Sequence[int]) -> str:
    return ", ".join(map(str, channels)) or "none"
