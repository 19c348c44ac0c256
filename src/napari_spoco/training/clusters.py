"""The annotated pixels of one image, grouped: which clusters there are, how large, and where each is known.

This module alone knows the order of the clusters: objects by rising id, then the background, if it is painted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED

if TYPE_CHECKING:
    from collections.abc import Mapping

_RUN = 4096
"""Pixels that are added up one by one; longer sums are sums of sums, to round less."""


class PaintedPixels(NamedTuple):
    """Pixels of the painted masks: `pixels` (M,), rising, and the cluster of each, `rows` (M,)."""

    pixels: torch.Tensor
    rows: torch.Tensor

    def within(self, block: slice) -> PaintedPixels:
        """Return the painted pixels in a block, counted from its start."""
        ends = torch.tensor([block.start, block.stop], device=self.pixels.device)
        first, last = torch.searchsorted(self.pixels, ends).tolist()
        return PaintedPixels(self.pixels[first:last] - block.start, self.rows[first:last])

    def of_first(self, n_clusters: int) -> PaintedPixels:
        """Return the painted pixels of the first clusters."""
        chosen = self.rows < n_clusters
        return PaintedPixels(self.pixels[chosen], self.rows[chosen])


@dataclass(frozen=True, eq=False)
class Clusters:
    """The K clusters of one image of N pixels.

    Attributes
    ----------
    labels : torch.Tensor
        (N,), as painted.
    painted : PaintedPixels
        The M annotated pixels.
    counts : torch.Tensor
        Pixels per cluster, (K,).
    n_objects : int
        Clusters that are objects; the background, if there, is one more.
    n_unlabeled, n_used : int
        Pixels that are unlabeled, and that are not `IGNORE`.
    unknown : torch.Tensor or None
        (n_objects, N), True where nothing is known about the object; None where all is known about all.
    """

    labels: torch.Tensor
    painted: PaintedPixels
    counts: torch.Tensor
    n_objects: int
    n_unlabeled: int
    n_used: int
    unknown: torch.Tensor | None

    @classmethod
    def find(cls, labels: torch.Tensor, known: Mapping[int, torch.Tensor]) -> Clusters:
        """Group labels (N,); `known` has a bool mask (*spatial) for each object that is known in a part only."""
        pixels = ((labels > 0) | (labels == BACKGROUND)).nonzero()[:, 0]
        values = labels[pixels]
        ids = values.unique_consecutive().unique()
        sizes = torch.stack(((labels == UNLABELED).sum(), (labels != IGNORE).sum()))
        n_unlabeled, n_used, *listed = torch.cat((sizes, ids)).tolist()
        objects = [instance_id for instance_id in listed if instance_id > 0]
        rows = torch.searchsorted(ids, values)
        if len(objects) < len(listed):
            rows = (rows - 1) % len(listed)  # The background has the lowest id and comes last.
        counts = rows.bincount(minlength=len(listed))
        unknown = _unknown(labels, objects, known)
        return cls(labels, PaintedPixels(pixels, rows), counts, len(objects), n_unlabeled, n_used, unknown)

    @property
    def has_background(self) -> bool:
        """Whether background is painted."""
        return len(self.counts) > self.n_objects

    def count_known(self, among: torch.Tensor, n_rows: int) -> torch.Tensor:
        """Return how many of the pixels of a mask (N,) are known, for each of the first clusters, (n_rows,)."""
        counts = among.sum().repeat(n_rows)
        if self.unknown is not None:
            counts[: self.n_objects] -= (self.unknown & among).sum(1)
        return counts

    def means(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return the mean of each cluster, (K, E), of the embeddings (E, M) of the painted pixels."""
        rows, n_clusters = self.painted.rows, len(self.counts)
        runs = torch.arange(len(rows), device=rows.device) // _RUN
        n_runs = -(-len(rows) // _RUN)
        sums = embeddings.new_zeros((len(embeddings), n_runs * n_clusters))
        sums = sums.index_add(1, runs * n_clusters + rows, embeddings)
        means: torch.Tensor = sums.view(len(embeddings), n_runs, n_clusters).sum(1) / self.counts
        return means.T

    def draw_members(self, generator: torch.Generator) -> torch.Tensor:
        """Draw a pixel of each cluster, as positions (K,) among the painted pixels."""
        drawn = torch.rand(len(self.counts), generator=generator).to(self.counts.device)
        ranks = torch.minimum((drawn * self.counts).long(), self.counts - 1)
        starts = self.counts.cumsum(0) - self.counts
        return self.painted.rows.argsort(stable=True)[starts + ranks]


def _unknown(labels: torch.Tensor, objects: list[int], known: Mapping[int, torch.Tensor]) -> torch.Tensor | None:
    """Return where nothing is known about each object, (C, N); its painted pixels are always known."""
    if known.keys().isdisjoint(objects):
        return None
    unknown = torch.zeros((len(objects), len(labels)), dtype=torch.bool, device=labels.device)
    for row, instance_id in enumerate(objects):
        if instance_id in known:
            unknown[row] = ~(known[instance_id].flatten().to(labels.device) | (labels == instance_id))
    return unknown
