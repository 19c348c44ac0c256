"""The picture of the embeddings that a training shows while it runs: one box of one image, as RGB.

It is of what is on show in the window, as far as that is known (`Previewer.look_at`), and of the annotated objects
before. Of a stack, one plane is shown; its neighbours are embedded with it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_spoco.segmentation.projection import PcaProjection
from napari_spoco.training.reports import Preview

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_spoco.config import NetworkConfig
    from napari_spoco.data.resampling import Resampling
    from napari_spoco.training.inputs import TrainingImage

    Box = tuple[slice, ...]

_LONGEST_SIDE = {2: 512, 3: 160}
"""Pixels; a longer box may be as much narrower."""
_DEPTH = 16
_LEAST_SIDE = 64
"""A smaller part of the image is embedded with its surroundings: by itself, the network would judge it otherwise."""
_SHARE = 0.05
"""Most of the training time that may go into previews."""


@dataclass(frozen=True)
class _Sight:
    """What is to be shown: a box of an image in the pixels of the run, and along which axis one plane of it."""

    index: int
    box: Box
    plane_axis: int | None


class Previewer:
    """Decide when a preview is due and make it; colours stay steady from one to the next.

    Parameters
    ----------
    images
        The training images; until it is said what is on show, the box lies around the annotated objects of the first
        image that has any.
    config
        Architecture.
    least_seconds
        Least time between two previews, and before the first one.
    """

    def __init__(self, images: Sequence[TrainingImage], config: NetworkConfig, least_seconds: float) -> None:
        index = next(i for i, image in enumerate(images) if image.annotations.n_objects)
        self._images, self._config = images, config
        self._sight = self._see(index, annotated_box(images[index].annotations.labels, config))
        self._projection = PcaProjection()
        self._clock = PreviewClock(least_seconds)

    def look_at(self, image_index: int, box: Box) -> None:
        """Show another part of an image from the next preview on; any thread may say so.

        Parameters
        ----------
        image_index
            Which of the training images.
        box
            What is on show of it, in the user's pixels; a plane of a stack is one pixel thick. The middle of it is
            shown where it is too large.

        Raises
        ------
        ValueError
            There is no such image, or the box is not inside of it.
        """
        if not 0 <= image_index < len(self._images):
            raise ValueError(f"image_index: expected one of {len(self._images)} images, got {image_index}")
        image = self._images[image_index]
        shape = image.image.shape[1:] if image.resampling is None else image.resampling.shape
        if len(box) != len(shape) or not all(0 <= p.start < p.stop <= n for p, n in zip(box, shape, strict=True)):
            raise ValueError(f"box: expected slices inside of {shape}, got {box}")
        self._sight = self._see(image_index, box, image.resampling)

    def is_due(self) -> bool:
        """Say whether enough time has passed since the last preview."""
        return self._clock.is_due()

    def make(self, network: nn.Module, step: int) -> Preview:
        """Embed what is on show and project it to a picture in the user's pixels."""
        begin = time.monotonic()
        sight = self._sight
        image = self._images[sight.index]
        box, shown = frame(sight.box, sight.plane_axis, image.image.shape[1:], self._config.stride)
        embeddings = embed_box(network, image.image[(slice(None), *box)])
        rgb = self._projection.fit_transform(embeddings[(slice(self._config.embedding_dim), *shown)])
        first = tuple(outer.start + inner.start for outer, inner in zip(box, shown, strict=True))
        if image.resampling is not None:
            rgb, first = image.resampling.picture(rgb, first)
        self._clock.note(time.monotonic() - begin)
        return Preview(step, sight.index, first, rgb)

    def _see(self, index: int, box: Box, resampling: Resampling | None = None) -> _Sight:
        plane_axis = None
        if self._config.ndim == 3:
            plane_axis = next((axis for axis, part in enumerate(box) if part.stop - part.start == 1), 0)
        return _Sight(index, box if resampling is None else _in_run(box, resampling), plane_axis)


class PreviewClock:
    """Says when the next preview may be made.

    Never sooner than `least_seconds` after the last one, nor than 20 times as long as that took; nor so soon that
    all previews since the start, with the next one, would be more than their share of the time.

    Parameters
    ----------
    least_seconds
        Least time between two, and before the first one.
    now
        Tells the time in seconds.
    """

    def __init__(self, least_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._least_seconds, self._now = least_seconds, now
        self._began: float | None = None
        self._last = self._cost = self._spent = 0.0

    def is_due(self) -> bool:
        """Say whether it is time; the clock starts when it is asked for the first time."""
        now = self._now()
        if self._began is None:
            self._began = self._last = now
        by_last = self._last + max(self._least_seconds, self._cost / _SHARE)
        by_all = self._began + (self._spent + self._cost) / _SHARE
        return now >= max(by_last, by_all)

    def note(self, seconds: float) -> None:
        """Note that a preview has just been made, and how long it took."""
        self._last, self._cost = self._now(), seconds
        self._spent += seconds


def frame(asked: Box, plane_axis: int | None, shape: Sequence[int], stride: int) -> tuple[Box, Box]:
    """Return the box to embed for what is on show, and which part of that box is shown.

    The box is limited in size (the middle of what is asked for) and has surroundings where it is small. Across
    `plane_axis`, planes before and behind are embedded, and the middle one of those that are asked for is shown.

    Parameters
    ----------
    asked
        What is on show, inside of the image.
    plane_axis
        Axis along which one plane is shown; None where all is.
    shape
        (*spatial) of the image.
    stride
        Least size that the network takes along each axis.
    """
    longest, least = _LONGEST_SIDE[len(shape)], max(_LEAST_SIDE, stride)
    middle = [(part.start + part.stop) // 2 for part in asked]
    sizes = [min(max(part.stop - part.start, least), n) for part, n in zip(asked, shape, strict=True)]
    in_plane = [axis for axis in range(len(shape)) if axis != plane_axis]
    excess = max(1.0, math.sqrt(math.prod(sizes[axis] for axis in in_plane) / longest**2))
    for axis in in_plane:
        sizes[axis] = max(int(sizes[axis] / excess), stride)
    if plane_axis is not None:
        sizes[plane_axis] = max(_DEPTH, stride)
    box = _box_around(middle, sizes, shape)
    shown = [slice(0, part.stop - part.start) for part in box]
    if plane_axis is not None:
        plane = middle[plane_axis] - box[plane_axis].start
        shown[plane_axis] = slice(plane, plane + 1)
    return box, tuple(shown)


@torch.no_grad()
def embed_box(network: nn.Module, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pass a normalised box (C, *spatial) through a network in one piece; returns its outputs (E, *spatial)."""
    device = next(network.parameters()).device
    mode = network.training
    network.eval()
    try:
        embeddings = network(torch.from_numpy(image)[None].to(device))[0]
    finally:
        network.train(mode)
    # A loss that explodes is reported by the next step; its picture must not be the error.
    array: NDArray[np.float32] = np.nan_to_num(embeddings.float().cpu().numpy())
    return array


def annotated_box(labels: NDArray[np.int32], config: NetworkConfig) -> Box:
    """Return a box of limited size around the median annotated pixel."""
    centre = np.median(np.argwhere(labels > 0), axis=0).astype(int)
    longest = [_LONGEST_SIDE[config.ndim]] * config.ndim
    if config.ndim == 3:
        longest[0] = max(_DEPTH, config.stride)
    return _box_around(centre.tolist(), longest, labels.shape)


def _box_around(middle: Sequence[int], sizes: Sequence[int], shape: Sequence[int]) -> Box:
    """Return a box of these sizes, or of the image's, that lies around a pixel and inside of the image."""
    box = []
    for centre, wanted, n in zip(middle, sizes, shape, strict=True):
        size = min(wanted, n)
        start = min(max(centre - size // 2, 0), n - size)
        box.append(slice(start, start + size))
    return tuple(box)


def _in_run(box: Box, resampling: Resampling) -> Box:
    """Return the pixels of the run that hold the centres of the user's pixels in a box."""
    first = resampling.model_pixel([part.start for part in box])
    last = resampling.model_pixel([part.stop - 1 for part in box])
    return tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))
