"""The picture of the embeddings that a training shows while it runs: one box of one image, as RGB."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_spoco.segmentation.projection import PcaProjection
from napari_spoco.training.reports import Preview

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from napari_spoco.config import NetworkConfig
    from napari_spoco.training.inputs import TrainingImage

_LONGEST_SIDE = {2: 512, 3: 160}
_DEPTH = 16
_SHARE = 0.05
"""Most of the training time that may go into previews."""


class Previewer:
    """Decide when a preview is due and make it; colours stay steady from one to the next.

    Parameters
    ----------
    images
        The training images; the box lies around the annotated objects of the first image that has any.
    config
        Architecture.
    least_seconds
        Least time between two previews.
    """

    def __init__(self, images: list[TrainingImage], config: NetworkConfig, least_seconds: float) -> None:
        self._index = next(i for i, image in enumerate(images) if image.annotations.n_objects)
        self._image = images[self._index]
        self._config = config
        self._box = annotated_box(self._image.annotations.labels, config)
        self._projection = PcaProjection()
        self._least_seconds = least_seconds
        self._last, self._cost = -np.inf, 0.0

    def is_due(self) -> bool:
        """Say whether enough time has passed since the last preview."""
        return time.monotonic() - self._last >= max(self._least_seconds, self._cost / _SHARE)

    def make(self, network: nn.Module, step: int) -> Preview:
        """Embed the box and project it to a picture in the user's pixels; in 3D the middle plane is shown."""
        begin = time.monotonic()
        embeddings = embed_box(network, self._image.image[(slice(None), *self._box)])
        start = [axis.start for axis in self._box]
        if self._config.ndim == 3:
            middle = embeddings.shape[1] // 2
            embeddings = embeddings[:, middle : middle + 1]
            start[0] += middle
        rgb = self._projection.fit_transform(embeddings)
        first = tuple(start)
        if self._image.resampling is not None:
            rgb, first = self._image.resampling.picture(rgb, first)
        self._last = time.monotonic()
        self._cost = self._last - begin
        return Preview(step, self._index, first, rgb)


@torch.no_grad()
def embed_box(network: nn.Module, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embed a normalised box (C, *spatial) in one piece; returns (E, *spatial)."""
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


def annotated_box(labels: NDArray[np.int32], config: NetworkConfig) -> tuple[slice, ...]:
    """Return a box of limited size around the median annotated pixel."""
    centre = np.median(np.argwhere(labels > 0), axis=0).astype(int)
    longest = [_LONGEST_SIDE[config.ndim]] * config.ndim
    if config.ndim == 3:
        longest[0] = max(_DEPTH, config.stride)
    sizes = np.minimum(labels.shape, longest)
    starts = np.clip(centre - sizes // 2, 0, np.array(labels.shape) - sizes)
    return tuple(slice(int(a), int(a + n)) for a, n in zip(starts, sizes, strict=True))
