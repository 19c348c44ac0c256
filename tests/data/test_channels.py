"""Which axis holds the channels, and which channels are taken."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.channels import ChannelStack, describe_axes, guess_axes, guess_series, take_channels
from napari_spoco.data.images import as_channels_first


@pytest.mark.parametrize(
    ("shape", "known", "axes"),
    [
        pytest.param((64, 64), {}, "YX", id="plane"),
        pytest.param((8, 64, 64), {}, "ZYX", id="stack"),
        pytest.param((3, 64, 64), {}, "CYX", id="few planes are channels"),
        pytest.param((3, 64, 64), {"scale": (2.0, 0.5, 0.5)}, "ZYX", id="few planes at a distance"),
        pytest.param((3, 64, 64), {"names": ("z", "y", "x")}, "ZYX", id="few planes by name"),
        pytest.param((40, 64, 64), {"names": ("c", "y", "x")}, "CYX", id="many channels by name"),
        pytest.param((64, 64, 2), {}, "YXC", id="channels last"),
        pytest.param((3, 40, 64, 64), {}, "CZYX", id="channels of a stack"),
        pytest.param((40, 3, 64, 64), {}, "ZCYX", id="channels within planes"),
        pytest.param((40, 64, 64, 2), {}, "ZYXC", id="channels of a stack last"),
        pytest.param((8, 12, 64, 64), {"scale": (2.0, 1.0, 0.5, 0.5)}, "ZCYX", id="the longer one without distance"),
        pytest.param((8, 12, 64, 64), {"names": ("Z", "Channel", "Y", "X")}, "ZCYX", id="the longer one by name"),
        pytest.param((8, 3, 64, 64), {"scale": (2.0,) * 4}, "ZCYX", id="all at a distance"),
        pytest.param((8, 64, 64), {"names": ("t", "y", "x")}, "", id="time series"),
        pytest.param((2, 8, 3, 64, 64), {}, "", id="five axes"),
        pytest.param((64,), {}, "", id="one axis"),
    ],
)
def test_axes_are_guessed(shape, known, axes) -> None:
    assert guess_axes(shape, **known) == axes


@pytest.mark.parametrize(
    ("shape", "known", "axes"),
    [
        pytest.param((32, 64, 64), {}, "", id="nothing tells"),
        pytest.param((32, 64, 64), {"names": ("T", "y", "x")}, "TYX", id="planes"),
        pytest.param((8, 64, 64, 32), {"names": ("z", "y", "x", "frame")}, "ZYXT", id="time last"),
        pytest.param((2, 9, 64, 64), {"names": ("time", "z", "y", "x")}, "TZYX", id="stacks"),
        pytest.param((9, 2, 64, 64), {"names": ("t", "", "", "")}, "TCYX", id="channels by size"),
        pytest.param((9, 2, 64, 64), {"names": ("t", "", "", ""), "scale": (1, 2, 1, 1)}, "TZYX", id="planes by scale"),
        pytest.param((9, 2, 8, 64, 64), {}, "TCZYX", id="five axes"),
        pytest.param((9, 8, 2, 64, 64), {}, "TZCYX", id="five axes, planes first"),
        pytest.param((9, 2, 8, 8, 64, 64), {"names": ("t", *"abcde")}, "", id="too much is left"),
        pytest.param((9, 64), {"names": ("t", "x")}, "", id="too little is left"),
    ],
)
def test_a_series_is_guessed(shape, known, axes) -> None:
    assert guess_series(shape, **known) == axes


def test_axes_are_described() -> None:
    assert describe_axes("ZCYX", (40, 3, 1024, 512)) == "Z 40, channels 3, Y 1024, X 512"


@pytest.mark.parametrize(
    ("n", "channels", "taken"),
    [
        pytest.param(3, None, [0, 1, 2], id="all"),
        pytest.param(3, (1,), [1], id="one"),
        pytest.param(3, (2, 0), [2, 0], id="in order"),
        pytest.param(2, (1, 0), [1, 0], id="all, turned round"),
        pytest.param(1, (1,), [0], id="split off already"),
        pytest.param(2, (0, 2), [0, 1], id="two split off already"),
    ],
)
def test_channels_are_taken(n, channels, taken) -> None:
    image = np.arange(n)[:, None, None] * np.ones((4, 4), int)
    assert take_channels(image, channels)[:, 0, 0].tolist() == taken


def test_neighbours_are_not_copied() -> None:
    image = np.zeros((4, 8, 8))
    assert np.shares_memory(take_channels(image, (1, 2)), image)


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        pytest.param((3,), "stack.tif: expected an image with channel 3 .* got one of 3 channels", id="not there"),
        pytest.param((1, 5), "with channels 1, 5 ", id="one of them not there"),
        pytest.param((1, 1), "each once, got 1, 1", id="twice"),
        pytest.param((-1,), "numbers from 0", id="negative"),
        pytest.param((), "got none", id="none"),
    ],
)
def test_channels_that_cannot_be_taken(channels, message) -> None:
    with pytest.raises(ValueError, match=message):
        take_channels(np.zeros((3, 8, 8)), channels, name="stack.tif")


def test_channels_that_are_not_taken_may_be_what_they_like() -> None:
    image = np.random.default_rng(0).random((3, 8, 8), np.float32)
    image[0], image[2] = np.nan, 0
    assert as_channels_first(image, ndim=2, channels=(1,)).shape == (1, 8, 8)
    with pytest.raises(ValueError, match="contrast"):
        as_channels_first(image, ndim=2, channels=(2,))


# Arrays as channels of one image


class Noted:
    """An array that notes what is read of it."""

    def __init__(self, values: np.ndarray) -> None:
        self._values, self.read = values, []
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, key: tuple) -> np.ndarray:
        self.read.append(key)
        return self._values[key]


def stacked() -> tuple[ChannelStack, np.ndarray]:
    values, kinds = np.random.default_rng(0).integers(0, 99, (3, 5, 6, 7)), (np.uint16, np.uint8, np.float64)
    arrays = [channel.astype(kind) for channel, kind in zip(values, kinds, strict=True)]
    return ChannelStack(arrays), np.stack(arrays)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(1, id="channel"),
        pytest.param(-1, id="last channel"),
        pytest.param((np.int64(2), 3), id="plane"),
        pytest.param((slice(None), 3, slice(1, 4)), id="plane of all"),
        pytest.param((slice(2, 0, -1), slice(None, None, 2)), id="some, turned round"),
        pytest.param((..., 3), id="ellipsis"),
        pytest.param(([0, 2], slice(1)), id="list"),
        pytest.param((0, slice(None), [1, 2]), id="number and list"),
        pytest.param((), id="nothing"),
    ],
)
def test_a_stack_is_indexed_as_an_array(key) -> None:
    stack, array = stacked()
    assert (stack.shape, stack.ndim, stack.size, stack.dtype) == (array.shape, 4, array.size, array.dtype)
    found = stack[key]
    np.testing.assert_array_equal(found, array[key])
    assert found.dtype == array.dtype


def test_a_stack_becomes_an_array() -> None:
    stack, array = stacked()
    np.testing.assert_array_equal(np.asarray(stack), array)
    assert np.asarray(stack, np.float32).dtype == np.float32


def test_no_more_is_read_than_is_wanted() -> None:
    channels = [Noted(np.zeros((5, 6, 7), np.uint8)) for _ in range(3)]
    stack = ChannelStack(channels)
    assert not any(channel.read for channel in channels)
    assert stack[1, 4].shape == (6, 7)
    assert [channel.read for channel in channels] == [[], [(4,)], []]


@pytest.mark.parametrize("shapes", [[(4, 4), (4, 5)], []], ids=["several shapes", "none"])
def test_other_arrays_are_no_stack(shapes) -> None:
    with pytest.raises(ValueError, match="channels: expected arrays of one shape"):
        ChannelStack([np.zeros(shape) for shape in shapes])
