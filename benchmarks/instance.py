"""What a click costs: the object around an anchor and its soft mask, against the obvious way; and the metrics.

The obvious way computes all distances in one NumPy expression and labels the whole image with scipy.ndimage. Both get
the same embeddings and anchors, on one thread, in turn in this process; the ratio is the median over the pairs. Times
are the process's own, so that a busy machine shows less in them; it still slows the memory down, which is what both
wait for. The first call compiles or loads the loops and is not counted.
"""

from __future__ import annotations

import math
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_spoco.segmentation.instance import InstancePicker
from napari_spoco.segmentation.metrics import evaluate_segmentation, match_objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

EMBEDDING_DIM = 16
DELTA_VAR, KERNEL_THRESHOLD = 0.5, 0.9
WIDTH = DELTA_VAR**2 / -math.log(KERNEL_THRESHOLD)
N_PAIRS = 25


def voronoi(shape: tuple[int, ...], n_cells: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return labels 1..n of touching cells."""
    seeds = np.zeros(shape, dtype=np.int32)
    seeds.flat[rng.choice(seeds.size, n_cells, replace=False)] = np.arange(1, n_cells + 1)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    labels: NDArray[np.int32] = seeds[tuple(nearest)]
    return labels


def embed(labels: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return embeddings (E, *spatial): a centre per label, about 5.7 apart, with noise of .14."""
    centres = rng.standard_normal((labels.max() + 1, EMBEDDING_DIM), dtype=np.float32)
    embeddings = np.ascontiguousarray(np.moveaxis(centres[labels], -1, 0))
    embeddings += 0.14 * rng.standard_normal(embeddings.shape, dtype=np.float32)
    return embeddings


def obvious_mask(embeddings: NDArray[np.float32], anchor: tuple[int, ...]) -> NDArray[np.float32]:
    """Write Eq. 3 down as it reads."""
    vector = embeddings[(slice(None), *anchor)].reshape(-1, *(1,) * len(anchor))
    mask: NDArray[np.float32] = np.exp(-np.square(embeddings - vector).sum(axis=0) / np.float32(WIDTH))
    return mask


def obvious_object(embeddings: NDArray[np.float32], anchor: tuple[int, ...]) -> NDArray[np.bool_]:
    """Label all of the mask and take the anchor's component."""
    components, _ = ndimage.label(obvious_mask(embeddings, anchor) >= 0.5)
    found: NDArray[np.bool_] = components == components[anchor]
    return found


def milliseconds(function: Callable[[], object]) -> float:
    """Return what one call takes of the processor."""
    begin = time.process_time()
    function()
    return (time.process_time() - begin) * 1e3


def compare(name: str, embeddings: NDArray[np.float32], anchors: list[tuple[int, ...]]) -> None:
    """Run the ways in turn and print their medians, least times and ratios."""
    picker = InstancePicker(embeddings, delta_var=DELTA_VAR, kernel_threshold=KERNEL_THRESHOLD)
    for what, ours, theirs in (
        ("object", picker.around, partial(obvious_object, embeddings)),
        ("soft mask", picker.soft, partial(obvious_mask, embeddings)),
    ):
        size = np.mean([int((ours(anchor) > 0.5).sum()) for anchor in anchors])
        times = [[milliseconds(partial(way, anchor)) for way in (ours, theirs)] for anchor in anchors]
        mine, obvious = zip(*times, strict=True)
        ratio = statistics.median(b / a for a, b in times)
        print(
            f"{name}, {what} ({size:.0f} pixels): ours {statistics.median(mine):.2f} ms (least {min(mine):.2f}), "
            f"obvious {statistics.median(obvious):.1f} ms (least {min(obvious):.1f}), {ratio:.1f} times as fast",
            flush=True,
        )


def time_metrics(rng: np.random.Generator) -> None:
    """Print what scoring an image of 2048x2048 with 5,000 objects takes."""
    truth = voronoi((2048, 2048), 5_000, rng)
    labels = np.roll(truth, (2, 3), axis=(0, 1))
    for function in (evaluate_segmentation, match_objects):
        times = [milliseconds(lambda function=function: function(labels, truth)) for _ in range(7)]
        print(
            f"2048x2048, 5000 objects, {function.__name__}: {statistics.median(times):.0f} ms (least {min(times):.0f})"
        )


def main() -> None:
    """Print the costs in a plane and in a volume, among cells, in one large object and in noise."""
    rng = np.random.default_rng(0)
    for shape, n_cells in (((1024, 1024), 400), ((64, 256, 256), 200)):
        name = "x".join(map(str, shape))
        labels = voronoi(shape, n_cells, rng)
        embeddings = embed(labels, rng)
        anchors = [tuple(int(rng.integers(size)) for size in shape) for _ in range(N_PAIRS)]
        compare(f"{name}, cells", embeddings, anchors)
        # Half of the cells become one winding background, which is what the mouse passes over most.
        background = embed(np.where(labels % 2 == 0, 0, labels), rng)
        inside = np.argwhere(labels % 2 == 0)
        anchors = [tuple(map(int, pixel)) for pixel in rng.choice(inside, N_PAIRS)]
        compare(f"{name}, half of it one object", background, anchors)
        compare(f"{name}, all of it one object", embed(np.zeros_like(labels), rng), anchors)
        # Most pixels are near enough to most others: an object with holes everywhere.
        noise = 0.21 * rng.standard_normal((EMBEDDING_DIM, *shape), dtype=np.float32)
        compare(f"{name}, noise", noise, anchors)
    time_metrics(rng)


if __name__ == "__main__":
    main()
