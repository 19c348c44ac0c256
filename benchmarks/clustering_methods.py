"""How fast HDBSCAN, mean-shift and consistency clustering are on a sample, and what the sample costs in accuracy.

Embeddings of touching cells, 16 channels, blurred boundaries and noise, 530x500 pixels and 64x256x256 voxels.

- Time: all in turn in this process on one thread, several rounds; the median of the wall-clock time and of the
  processor time of this thread (what counts where other programs run as well), and the ratio of the latter to that of
  our HDBSCAN. scikit-learn's mean-shift and the `hdbscan` package, if it is installed, get the same sampled pixels.
- Agreement: symmetric best Dice and adapted Rand error against the truth; in the latter all that became noise (label 0)
  is one more object. With --all also against HDBSCAN on all pixels of 265x250 (a minute or two), and with --all-large
  of 530x500 (a quarter of an hour or more).

Run with OMP_NUM_THREADS=1: `OMP_NUM_THREADS=1 python benchmarks/clustering_methods.py [--all | --all-large]`.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from sklearn.cluster import HDBSCAN, MeanShift

from napari_spoco.segmentation.clustering import segment_consistency, segment_hdbscan, segment_mean_shift
from napari_spoco.segmentation.mean_shift import find_modes
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.sampling import sample_pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

N_CHANNELS, N_ROUNDS = 16, 3


def make_cells(shape: tuple[int, ...], n_cells: int, noise: float) -> tuple[Array, Array]:
    """Return embeddings (E, *shape) with means at least 4 apart, blurred by a pixel, and the true labels (*shape)."""
    rng = np.random.default_rng(0)
    seeds = np.zeros(shape, dtype=np.uint32)
    seeds.flat[rng.choice(seeds.size, n_cells, replace=False)] = np.arange(1, n_cells + 1)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    labels = seeds[tuple(nearest)]
    means: list[Array] = []
    while len(means) < n_cells:
        mean = rng.normal(0, 1.3, N_CHANNELS).astype(np.float32)
        if all(np.linalg.norm(mean - other) > 4 for other in means):
            means.append(mean)
    embeddings = np.stack([ndimage.gaussian_filter(channel[labels - 1], 1.0) for channel in np.array(means).T])
    return embeddings + noise * rng.standard_normal(embeddings.shape, dtype=np.float32), labels


def measure(calls: dict[str, Callable[[], Any]], n_rounds: int) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Return the result of each call and its medians of wall-clock and processor time, in seconds."""
    results: dict[str, Any] = {}
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(n_rounds):
        for name, call in calls.items():
            wall, processor = time.perf_counter(), time.thread_time()
            results[name] = call()
            spent[name].append((time.perf_counter() - wall, time.thread_time() - processor))
    return results, {name: [statistics.median(t) for t in zip(*times, strict=True)] for name, times in spent.items()}


def our_methods(embeddings: Array, min_size: int, smoothing: float = 0.0) -> dict[str, Callable[[], Array]]:
    """Return the three methods with usual settings; the first is what the others are compared with."""
    teacher = embeddings + 0.03 * np.random.default_rng(1).standard_normal(embeddings.shape, dtype=np.float32)
    usual: dict[str, Any] = {"min_size": min_size, "fragment_size": min_size, "smoothing": smoothing}
    return {
        "HDBSCAN": lambda: segment_hdbscan(embeddings, **usual),
        "mean-shift": lambda: segment_mean_shift(embeddings, **usual),
        "mean-shift, merged": lambda: segment_mean_shift(embeddings, merge_distance=2.0, **usual),
        "consistency": lambda: segment_consistency(embeddings, teacher, **usual),
    }


def peers(embeddings: Array) -> dict[str, Callable[[], Any]]:
    """Return what clusters 5,000 sampled pixels, without the way back to an image."""
    sample = sample_pixels(embeddings, None, 5_000, seed=0)
    points = sample.chosen_points
    calls: dict[str, Callable[[], Any]] = {
        "5,000 points: find_modes": lambda: find_modes(points, 0.5),
        "5,000 points: scikit-learn HDBSCAN": lambda: HDBSCAN(
            min_cluster_size=8, algorithm="kd_tree", copy=True
        ).fit_predict(points),
    }
    if importlib.util.find_spec("hdbscan"):
        import hdbscan

        calls["5,000 points: hdbscan package"] = lambda: hdbscan.HDBSCAN(
            min_cluster_size=8, core_dist_n_jobs=1
        ).fit_predict(points)
    return calls


def report(title: str, calls: dict[str, Callable[[], Any]], truth: Array, n_rounds: int = N_ROUNDS) -> dict[str, Any]:
    """Print one line per call; labels of an image are scored. Return the results."""
    results, times = measure(calls, n_rounds)
    unit = next(iter(times.values()))[1]
    print(f"\n{title}\n{'':36} wall s  processor s  ratio  objects    SBD   ARand  label 0")
    for name, (wall, processor) in times.items():
        score = ""
        if np.shape(results[name]) == truth.shape:
            found = results[name]
            scores = evaluate_segmentation(found, truth)
            score = f"{found.max():8d}  {scores['sbd']:.3f}  {scores['arand_error']:.4f}  {(found == 0).mean():7.3f}"
        print(f"{name:36} {wall:6.2f}  {processor:11.2f}  {processor / unit:5.1f} {score}")
    return results


def compare_with_all_pixels(shape: tuple[int, ...], n_cells: int, noise: float, min_size: int) -> None:
    """Print how the sample's segmentation differs from that of all pixels."""
    embeddings, truth = make_cells(shape, n_cells, noise)
    calls = {
        "sample": lambda: segment_hdbscan(embeddings, min_size=min_size),
        "all pixels": lambda: segment_hdbscan(embeddings, min_size=min_size, n_samples=truth.size),
    }
    results = report(f"HDBSCAN, {shape}, noise {noise}, min_size {min_size}", calls, truth, n_rounds=1)
    error = evaluate_segmentation(results["sample"], results["all pixels"])["arand_error"]
    print(f"ARand of the sample against all pixels: {error:.4f}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="HDBSCAN on all pixels of 265x250 as well")
    parser.add_argument("--all-large", action="store_true", help="HDBSCAN on all pixels of 530x500 as well")
    chosen = parser.parse_args()
    print(", ".join(f"{name} {version(name)}" for name in ("numpy", "scikit-learn")))
    # At 0.14 a pixel is 0.56 from its cell's mean, outside of mean-shift's bandwidth, unless it is smoothed.
    for noise, smoothing in ((0.06, 0.0), (0.14, 0.0), (0.14, 1.0)):
        embeddings, truth = make_cells((530, 500), 30, noise)
        title = f"530x500, 30 cells, noise {noise}, smoothing {smoothing}"
        report(title, our_methods(embeddings, 200, smoothing), truth)
    report("530x500, 30 cells, noise 0.14: the clustering itself", peers(embeddings), truth)
    embeddings, _ = make_cells((530, 500), 30, 0.06)
    points = sample_pixels(embeddings, None, 1_000, seed=0).chosen_points
    slow = {
        "1,000 points: find_modes": lambda: find_modes(points, 0.5),
        "1,000 points: scikit-learn MeanShift": lambda: MeanShift(bandwidth=0.5, bin_seeding=True).fit(points),
    }
    report("mean-shift, noise 0.06", slow, truth, n_rounds=3)
    embeddings, truth = make_cells((64, 256, 256), 150, 0.06)
    report("64x256x256, 150 cells, noise 0.06", our_methods(embeddings, 2_000), truth, n_rounds=1)
    for shape, is_wanted in (((265, 250), chosen.all or chosen.all_large), ((530, 500), chosen.all_large)):
        if is_wanted:
            compare_with_all_pixels(shape, 30, 0.14, 100 * shape[0] // 265)


if __name__ == "__main__":
    main()
