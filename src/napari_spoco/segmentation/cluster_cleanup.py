"""From clusters of embeddings to objects: whole clusters are background, what is left falls into connected parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_spoco.segmentation.arguments import check_choice, check_number
from napari_spoco.segmentation.cleanup import (
    BACKGROUND_MODES,
    grow_fragments,
    remove_background,
    remove_small,
    split_disconnected,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.segmentation.cleanup import BackgroundMode


@dataclass(frozen=True)
class ClusterCleanUp:
    """Settings of the way from clusters to objects, checked; the fields are arguments of `segment_hdbscan`."""

    split_disconnected: bool
    fragment_size: int
    background: BackgroundMode
    background_radius: float
    min_size: int

    def __post_init__(self) -> None:
        """Refuse settings of the wrong type or range with TypeError or ValueError."""
        check_number(self.fragment_size, name="fragment_size", at_least=0)
        check_choice(self.background, BACKGROUND_MODES, name="background")
        check_number(self.background_radius, name="background_radius", above=0)
        check_number(self.min_size, name="min_size", at_least=0)

    def finish(
        self, clusters: NDArray[np.uint32], embeddings: NDArray[np.float32], is_kept: NDArray[np.bool_] | None = None
    ) -> NDArray[np.uint32]:
        """Make objects of clusters.

        Parameters
        ----------
        clusters
            (*spatial) labels 1..K, 0 = noise.
        embeddings
            (E, *spatial).
        is_kept
            (K,) which clusters may become objects; None = all. The background is found among all of them.

        Returns
        -------
        numpy.ndarray
            (*spatial) uint32 labels 1..n without gaps, 0 = background and noise.
        """
        foreground = remove_background(clusters, embeddings, self.background, self.background_radius)
        is_background = (clusters > 0) & (foreground == 0)
        if is_kept is not None:
            clusters = np.where(np.append(False, is_kept)[clusters], clusters, 0)
        clusters = np.where(is_background, 0, clusters)
        segments = split_disconnected(clusters) if self.split_disconnected else clusters
        # The background stays a segment until fragments have grown, so that they may grow into it.
        segments = np.where(is_background, segments.max() + 1, segments)
        segments = grow_fragments(segments, embeddings, self.fragment_size)
        if is_background.any():
            segments[segments == segments[is_background][0]] = 0
        return remove_small(segments, self.min_size)
