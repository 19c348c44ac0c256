"""How fast a view is read out anew after one setting has changed, against a read-out from the start.

A 512x512 image of touching cells as `clustering_methods.py` makes them, 16 channels, noise 0.06 or 0.14 per channel,
a pixel of smoothing, embeddings held as float16; one cell in thirty is taken for the background. Each change goes to
and fro between two values, alternated with a read-out from the start in one run: medians of the processor time of this
thread, which other programs disturb less than the clock, and the stages that were run again. The compiled mutex
watershed is warm. The aim is 150 ms; HDBSCAN clusters its sample anew when the smallest object changes, since to it
that is the size of a cluster.

    OMP_NUM_THREADS=1 python benchmarks/reclustering.py
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from clustering_methods import make_cells

from napari_spoco.config import NetworkConfig, SegmentationConfig
from napari_spoco.models.checkpoint import ModelCard
from napari_spoco.segmentation.mutex_engine import compile_kernel
from napari_spoco.segmentation.readout import read_out
from napari_spoco.segmentation.reclustering import Reclustering, half_precision

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

N_ROUNDS, AIM = 7, 0.150
CARD = ModelCard(network=NetworkConfig(embedding_dim=16), median_object_size=8000.0)
CHANGES: tuple[tuple[str, str, tuple[Any, Any]], ...] = (
    ("mutex_watershed", "delta_dist", (2.0, 2.5)),
    ("mutex_watershed", "min_size", (100, 1000)),
    ("mutex_watershed", "fragment_size", (200, 2000)),
    ("mutex_watershed", "background_radius", (2.0, 3.0)),
    ("mutex_watershed", "smoothing", (1.0, 1.2)),
    ("mean_shift", "bandwidth", (0.5, 0.7)),
    ("mean_shift", "min_size", (500, 1000)),
    ("mean_shift", "fragment_size", (200, 2000)),
    ("hdbscan", "merge_distance", (0.5, 1.0)),
    ("hdbscan", "min_size", (500, 1000)),
    ("hdbscan", "fragment_size", (200, 2000)),
)


def seconds(call: Callable[[], Any]) -> float:
    """Return the processor time of a call."""
    begin = time.thread_time()
    call()
    return time.thread_time() - begin


def measure(embeddings: np.ndarray, method: str, name: str, values: tuple[Any, Any]) -> None:
    """Print a row: a read-out from the start, and one after the change."""
    settings = [SegmentationConfig(**{"method": method, name: value}) for value in values]
    reclustering = Reclustering(embeddings, CARD)
    reclustering.read_out(settings[1])
    before = reclustering.n_runs
    fresh, again = [], []
    for index in range(N_ROUNDS):
        chosen = settings[index % 2]
        fresh.append(seconds(lambda chosen=chosen: read_out(embeddings, CARD, chosen)))
        again.append(seconds(lambda chosen=chosen: reclustering.read_out(chosen)))
    whole, change = statistics.median(fresh), statistics.median(again)
    stages = ", ".join(reclustering.n_runs - before)
    print(
        f"{method:16} {name:18} {1e3 * whole:8.0f} ms {1e3 * change:8.0f} ms {whole / change:7.1f} x  "
        f"{'' if change < AIM else 'OVER '}{stages or 'sizes alone'}",
        flush=True,
    )


def main() -> None:
    """Print a table per noise."""
    compile_kernel()
    for noise in (0.06, 0.14):
        made, _ = make_cells((512, 512), 30, noise)
        embeddings = half_precision(made.shape)
        embeddings[:] = made
        print(f"noise {noise}")
        print(f"{'method':16} {'changed':18} {'fresh':>11} {'again':>11} {'ratio':>9}  stages run again")
        for method, name, values in CHANGES:
            measure(embeddings, method, name, values)


if __name__ == "__main__":
    main()
