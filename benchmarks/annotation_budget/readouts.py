"""From embeddings to objects: four ways, with the settings that the training images choose among."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.annotation_budget.contestants import Readout, Setting
from benchmarks.annotation_budget.summary import AS_TRAINED

from napari_spoco.config import SegmentationConfig
from napari_spoco.segmentation.agreement import CLASS_THRESHOLDS
from napari_spoco.segmentation.background import distance_to_background, find_background
from napari_spoco.segmentation.cleanup import clean_up, measure_segments
from napari_spoco.segmentation.foreground import split_foreground
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
from napari_spoco.segmentation.readout import ReadoutContext, read_out
from napari_spoco.segmentation.smoothing import smooth_embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import Method
    from napari_spoco.models.checkpoint import ModelCard
    from napari_spoco.segmentation.segments import SegmentTable

_QUANTILES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7)
"""Shares of the annotated pixels that lie within the radius around the background's embedding."""
_MERGE_DISTANCES = (1.0, 1.5, 2.0)
_SMOOTHING = 1.0
_FRAGMENT_SHARE = 1 / 3
_SMALLEST_SHARES = (1 / 3, 2 / 3)
"""Of the median annotated object."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """Embeddings (E, *spatial) of one image, and what read-outs share.

    `image` (*spatial) is what was embedded, `scores` (3, *spatial) are those of the pixel classes, `shown` the
    embeddings (n, E) of strokes over the background, each if there are any.
    """

    image: NDArray[Any]
    embeddings: NDArray[np.float32]
    scores: NDArray[np.float32] | None
    shown: NDArray[np.float32] | None

    @cached_property
    def smooth(self) -> NDArray[np.float32]:
        """Smoothed embeddings (E, *spatial)."""
        return smooth_embeddings(self.embeddings, _SMOOTHING)

    @cached_property
    def background(self) -> NDArray[np.float32]:
        """Embeddings (n, E) of the background: of the strokes, else the dominant mode of the image."""
        return find_background(self.smooth) if self.shown is None else self.shown

    @cached_property
    def distance(self) -> NDArray[np.float32]:
        """Distance (*spatial) from the background's embedding."""
        return distance_to_background(self.smooth, self.background)

    @cached_property
    def segments(self) -> SegmentTable:
        """Mutex watershed before any cleaning up."""
        return measure_segments(segment_mutex_watershed(self.smooth), self.smooth)


def modes(strokes: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the modes (n, E) of the embeddings (E, n) under all strokes; None without strokes."""
    return find_background(strokes[:, None], np.ones((1, strokes.shape[1]), dtype=bool)) if strokes.size else None


def radii(predictions: Sequence[Embedded], masks: Sequence[NDArray[np.bool_]]) -> dict[float, float]:
    """Return by share of the annotated pixels the radius around the background within which they lie."""
    pooled = np.concatenate([p.distance[mask] for p, mask in zip(predictions, masks, strict=True) if mask.any()])
    return {q: max(float(np.quantile(pooled, q)), 1e-3) for q in _QUANTILES}


def tissue_readouts(card: ModelCard) -> dict[str, Readout]:
    """Return the read-outs where there is no background; their settings take an `Embedded` and nothing else."""
    settings = {
        "between edges": SegmentationConfig(method="edges", background="none"),
        "supervoxels": SegmentationConfig(method="supervoxels", background="none"),
        "mutex watershed": SegmentationConfig(background="none"),
        "HDBSCAN": SegmentationConfig(method="hdbscan", background="none"),
    }
    return {
        name: Readout([Setting("default", partial(_by_settings, card, chosen))], is_slow=name == "HDBSCAN")
        for name, chosen in settings.items()
    } | _class_readouts(card)


def object_readouts(card: ModelCard, by_share: dict[float, float]) -> dict[str, Readout]:
    """Return the read-outs where objects lie in a background; `by_share` is what `radii` returned.

    Their settings take an `Embedded` and nothing else.
    """
    size = card.median_object_size or 1.0
    mutex = [
        Setting(f"radius of {share:.0%}, smallest {least:.2f}", partial(_by_mutex, size, radius, least))
        for share, radius in by_share.items()
        for least in _SMALLEST_SHARES
    ]
    distance = [
        Setting(f"{method}, radius of {share:.0%}", partial(_by_distance, size, radius, method))
        for method in ("watershed", "components")
        for share, radius in by_share.items()
    ]
    supervoxels = [
        Setting(
            f"merged below {below:g}",
            partial(
                _by_settings,
                card,
                SegmentationConfig(
                    method="supervoxels", boundaries="gradient", merge_distance=below, foreground="none"
                ),
            ),
        )
        for below in _MERGE_DISTANCES
    ]
    clusters = Setting("default", partial(_by_settings, card, SegmentationConfig(method="hdbscan", foreground="none")))
    return {
        "mutex watershed": Readout(mutex),
        "foreground by distance": Readout(distance),
        "supervoxels": Readout(supervoxels),
        "HDBSCAN": Readout([clusters], is_slow=True),
    } | _class_readouts(card)


def _class_readouts(card: ModelCard) -> dict[str, Readout]:
    """Return the read-outs by pixel classes, and what the training chose; none where no classes are told apart."""
    methods: dict[str, Method] = {"pixel classes": "pixel_classes"}
    if card.knows_outside:
        methods["pixel classes, mutex watershed"] = "mutex_watershed"
    if not card.network.pixel_classes:
        return {}
    as_trained = Readout([Setting("default", partial(_by_settings, card, SegmentationConfig()))])
    return {AS_TRAINED: as_trained} | {
        name: Readout(
            [
                Setting(
                    f"threshold {t}", partial(_by_settings, card, SegmentationConfig(method=method, class_threshold=t))
                )
                for t in CLASS_THRESHOLDS
            ],
            ascending=True,
        )
        for name, method in methods.items()
    }


def _by_settings(card: ModelCard, settings: SegmentationConfig, embedded: Embedded) -> NDArray[np.uint32]:
    context = ReadoutContext(image=embedded.image[None], class_scores=embedded.scores)
    return read_out(embedded.embeddings, card, settings, context).labels


def _by_mutex(size: float, radius: float, least: float, embedded: Embedded) -> NDArray[np.uint32]:
    """Take away the segments whose mean is within the radius around the background's embedding."""
    return clean_up(
        embedded.segments,
        fragment_size=int(size * _FRAGMENT_SHARE),
        background="mode",
        background_radius=radius,
        shown_background=embedded.background,
        min_size=int(size * least),
    )


def _by_distance(size: float, radius: float, method: Any, embedded: Embedded) -> NDArray[np.uint32]:
    """Divide the pixels outside of the radius by their shape."""
    min_distance = max(1, round(size ** (1 / embedded.image.ndim) / 3))
    mask = embedded.distance > radius
    return split_foreground(mask, method=method, min_distance=min_distance, min_size=int(size / 4))
