"""How fast our mutex watershed is and how much memory it takes, against bioimage-cpp and mwatershed.

Embeddings of touching cells, 16 channels, means about 7 apart, blurred by a pixel, noise of 0.14 per channel; direct
neighbours attract, offsets 3, 9 and 27 along every axis repel, at every pixel. Each contestant goes from the embeddings
to labels on one thread; the peers get their affinities from bioimage-cpp, the same numbers in each one's convention.

- Time: in turn in this process, compiled before; medians of wall-clock seconds, and ratios of the
  medians of processor time, which other programs on the machine disturb less.
- Agreement: adapted Rand error of ours against each peer, and of all against the truth.
- Memory: by how much a call raises the peak of the process, which is forgotten before (Linux); the embeddings are not
  counted, affinities and labels are. Only the large size tells: small ones find room in the heap.
- Growth: nanoseconds of processor time per pixel, ours, from small images to large ones.

- Bound: what this machine needs to copy memory and to wait for one random access, and the time per pixel of ours in
  multiples of both: of reading the embeddings once, and of one cache miss.

    OMP_NUM_THREADS=1 python benchmarks/clustering.py             # some minutes
    OMP_NUM_THREADS=1 python benchmarks/clustering.py --large     # 64x256x256, 4096x4096 and 256x256x256; half an hour
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import ndimage

from napari_spoco.segmentation.affinities import default_offsets, embedding_affinities
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.mutex_engine import compile_kernel, segment_by_kernel, segment_by_library

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

N_CHANNELS, NOISE = 16, 0.14
DIAMETER = {2: 50, 3: 24}
SIZES = [((530, 500), 5), ((40, 64, 64), 5), ((1024, 1024), 3)]
LARGE_SIZES = [((64, 256, 256), 1)]
GROWTH = [(256,) * 2, (512,) * 2, (1024,) * 2, (2048,) * 2, (32,) * 3, (64,) * 3, (128,) * 3]
LARGE_GROWTH = [(4096,) * 2, (256,) * 3]


class Result(NamedTuple):
    """Labels, medians of the wall-clock and processor time in seconds, and the extra memory in MB."""

    labels: Array
    wall: float
    processor: float
    memory: float


def make_cells(shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return embeddings (E, *shape) float32 and the true labels (*shape)."""
    rng = np.random.default_rng(0)
    n_cells = max(2, round(np.prod(shape) / DIAMETER[len(shape)] ** len(shape)))
    seeds = np.zeros(shape, dtype=np.int32)
    seeds.flat[rng.choice(seeds.size, n_cells, replace=False)] = np.arange(1, n_cells + 1)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    labels = seeds[tuple(nearest)]
    means = rng.normal(0, 1.3, (N_CHANNELS, n_cells)).astype(np.float32)
    embeddings = np.empty((N_CHANNELS, *shape), dtype=np.float32)
    for mean, channel in zip(means, embeddings, strict=True):
        ndimage.gaussian_filter(mean[labels - 1], 1.0, output=channel)
        channel += NOISE * rng.standard_normal(shape, dtype=np.float32)
    return embeddings, labels


def edges(embeddings: Array) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    """Return the attractive offsets and those of the mutex edges that the image has room for."""
    shape = embeddings.shape[1:]
    inside = [o for o in default_offsets(len(shape)) if all(step < size for step, size in zip(o, shape, strict=True))]
    return tuple(o for o in inside if max(o) == 1), tuple(o for o in inside if max(o) > 1)


def ours(embeddings: Array, n_threads: int = 1) -> Array:
    """Run the compiled kernel."""
    return segment_by_kernel(embeddings, *edges(embeddings), n_threads=n_threads)


def bioimage_cpp(embeddings: Array) -> Array:
    """Run bioimage-cpp's grid version."""
    return segment_by_library(embeddings, *edges(embeddings))


def mwatershed(embeddings: Array) -> Array:
    """Run mwatershed, which takes mutex edges as negative numbers."""
    from mwatershed import agglom

    attractive, mutex = edges(embeddings)
    affinities = embedding_affinities(embeddings, attractive + mutex).astype(np.float64)
    affinities[len(attractive) :] -= 1.0
    return agglom(affinities, [list(offset) for offset in attractive + mutex])


def contestants() -> dict[str, Callable[[Array], Array]]:
    """Return who is there, ours first."""
    found = {"ours": ours, "bioimage-cpp": bioimage_cpp}
    if importlib.util.find_spec("mwatershed"):
        return {**found, "mwatershed": mwatershed}
    print("mwatershed is not installed (pip install mwatershed): left out")
    return found


def measure(calls: dict[str, Callable[[], Array]], n_rounds: int) -> dict[str, Result]:
    """Run all calls in turn, several times."""
    labels: dict[str, Array] = {}
    spent: dict[str, list[tuple[float, float, float]]] = {name: [] for name in calls}
    for _ in range(n_rounds):
        for name, call in calls.items():
            before = forget_peak()
            begin = time.perf_counter(), time.process_time()
            labels[name] = call()
            seconds = time.perf_counter() - begin[0], time.process_time() - begin[1]
            spent[name].append((*seconds, resident_peak() - before))
    results = {}
    for name, rows in spent.items():
        wall, processor, memory = zip(*rows, strict=True)
        results[name] = Result(labels[name], statistics.median(wall), statistics.median(processor), max(memory))
    return results


def forget_peak() -> float:
    """Make the peak of this process its present size, and return that in MB; NaN where there is no such thing."""
    forget = Path("/proc/self/clear_refs")
    if not forget.exists():
        return float("nan")
    forget.write_text("5")
    return resident_peak()


def resident_peak() -> float:
    """Return the largest resident size of this process since its peak was forgotten, in MB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return float(lines["VmHWM"].split()[0]) / 1024


def rand_error(found: Array, expected: Array) -> float:
    """Return the adapted Rand error."""
    return float(evaluate_segmentation(found.astype(np.int64), expected.astype(np.int64))["arand_error"])


def compare(shape: tuple[int, ...], n_rounds: int) -> None:
    """Print time, memory and agreement of all contestants for one size."""
    embeddings, truth = make_cells(shape)
    calls = {name: partial(call, embeddings) for name, call in contestants().items()}
    results = measure(calls, n_rounds)
    first = results["ours"]
    print(f"{'x'.join(map(str, shape))}, {truth.max()} cells, {n_rounds} rounds")
    for name, result in results.items():
        print(
            f"  {name:13} {result.wall:8.3f} s  {result.processor / first.processor:6.1f} x ours  "
            f"{result.memory:6.0f} MB  ours differs by "
            f"{rand_error(first.labels, result.labels):.1e}, error {rand_error(result.labels, truth):.4f}",
            flush=True,
        )


def show_growth(shapes: list[tuple[int, ...]], per_byte: float, per_access: float) -> None:
    """Print the time per pixel of ours, in ns and in multiples of the bounds, and what a second thread brings."""
    print("growth, ours: ns of processor time per pixel; over reading the embeddings; over one random access;")
    print("        wall-clock of one thread over that of two")
    for shape in shapes:
        embeddings, _ = make_cells(shape)
        calls = {str(n): partial(ours, embeddings, n) for n in (1, 2)}
        one, two = measure(calls, 3).values()
        per_pixel = one.processor / np.prod(shape) * 1e9
        reading = per_byte * N_CHANNELS * embeddings.itemsize
        print(
            f"  {'x'.join(map(str, shape)):12} {per_pixel:6.0f}  {per_pixel / reading:5.0f} x  "
            f"{per_pixel / per_access:5.1f} x  {one.wall / two.wall:5.2f}",
            flush=True,
        )


def show_bounds() -> tuple[float, float]:
    """Print and return the nanoseconds that a byte takes to be copied and that a random access takes, in 256 MB."""
    from numba import njit

    @njit
    def follow(successors: Array, n_steps: int) -> int:
        place = 0
        for _ in range(n_steps):
            place = successors[place]
        return place

    source = np.zeros(2**25, dtype=np.int64)
    target = np.ones_like(source)
    order = np.random.default_rng(0).permutation(len(source))
    source[order] = np.roll(order, 1)  # one cycle through all places
    n_steps = 2**21
    follow(source, 1)
    begin = time.process_time()
    np.copyto(target, source)
    copied = time.process_time()
    follow(source, n_steps)
    per_byte, per_access = (copied - begin) / source.nbytes * 1e9, (time.process_time() - copied) / n_steps * 1e9
    print(f"bounds: copying {1 / per_byte:.1f} GB/s, a random access {per_access:.0f} ns")
    return per_byte, per_access


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="the sizes that take minutes each, instead of the others")
    options = parser.parse_args()
    begin = time.perf_counter()
    if not compile_kernel():
        sys.exit("The kernel cannot be compiled here: is numba installed?")
    print(f"compiled or loaded in {time.perf_counter() - begin:.1f} s")
    peers = [
        name for name in ("numba", "bioimage-cpp", "mwatershed") if importlib.util.find_spec(name.replace("-", "_"))
    ]
    print("versions:", ", ".join(f"{name} {version(name)}" for name in ("numpy", *peers)))
    for shape, n_rounds in LARGE_SIZES if options.large else SIZES:
        compare(shape, n_rounds)
    show_growth(LARGE_GROWTH if options.large else GROWTH, *show_bounds())


if __name__ == "__main__":
    main()
