"""How well `ovules-small`, as it is, segments membranes, beside a classical watershed.

Adapted Rand error (0 is perfect) on stacks that the model has not seen: synthetic tissue of other seeds, clean and
hard; a hard rendering of the part of a real ovule that is not trained on; a real stack of a lateral root, of which the
first half along x is there to tune on and the other to be scored. Everyone works at the voxel size of the model, and
chooses its settings by the error on the tuning stack of the set.

The voxel size of the root is not known. Its planes are taken to be 1.54 times as far apart as its pixels, and its cells
as large as those the model was trained on: the factor follows from the half to tune on, by the size that the cells of
half of the volume exceed (the median of the sizes is that of fragments there). A half holds a few dozen cells, and
whether two of them are merged moves the error by .05: so everyone sees it nine times, with pixels a tenth smaller and
larger, too, and mirrored; the spread is that of these nine.

While `segment_between_edges` was made, its results on stacks of other seeds (9000 to 9005), on both halves of the root
and, once, on the first two hard stacks were looked at: the other synthetic stacks here are new to it.

- h-minima: watershed of the smoothed image from its minima that are deeper than a share of its range.
- distance: watershed of the distance to what is brighter than Otsu's threshold or than around it, grown over the walls.
- mutex watershed, supervoxels and embedding edges: the read-outs for tissue of this package, fragments grown.

    OMP_NUM_THREADS=1 python benchmarks/membranes.py DATA [--model FILE] [--sets hard root] [--contestants supervoxels]

DATA holds `plant3d_labels_only` and `plant3d_membrane`. About ten minutes of one thread.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from bioimage_cpp.segmentation import watershed
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import h_minima

from napari_spoco import EmbeddingModel, evaluate_segmentation, load_model, predict_embeddings, read_image, read_labels
from napari_spoco.data.resampling import Resampling, plan_resampling
from napari_spoco.data.tissue import OVULE_SCALE, tissue_stack
from napari_spoco.data.tissue_geometry import TissueGeometry
from napari_spoco.data.tissue_rendering import CLEAN, HARD, MembraneAppearance, render_membranes
from napari_spoco.segmentation.edges import segment_between_edges
from napari_spoco.segmentation.foreground import split_foreground
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
from napari_spoco.segmentation.supervoxels import segment_supervoxels
from napari_spoco.training.devices import limit_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

SHAPE, N_STACKS, FIRST_SEED = (48, 128, 128), 3, 9100
UNSEEN_COLUMNS = 190
"""Of the real ovule at the voxel size of the model, `pretraining/tissue_pool.py` takes those before."""
ROOT_ANISOTROPY = 0.25 / 0.1625
CELL_VOLUME = 37_000 * float(np.prod(OVULE_SCALE)) * float(np.exp(TissueGeometry().size_spread ** 2))
"""Half of the volume of the tissue that the model was trained on is in larger cells."""
ROOT_SIZES = (0.9, 1.0, 1.1)
UNITS = ("micrometer",) * 3


class Sample(NamedTuple):
    """An image on the model's grid, the truth on its own, and the way between them."""

    image: Array
    truth: Array
    resampling: Resampling


class Setting(NamedTuple):
    """A way to objects: `segment(image, embeddings)` returns labels (*spatial)."""

    name: str
    segment: Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Embedded:
    """A sample with its embeddings (E, *spatial)."""

    sample: Sample
    embeddings: Array

    def error(self, setting: Setting) -> float:
        """Return the adapted Rand error of a setting."""
        found = self.sample.resampling.labels(setting.segment(self.sample.image, self.embeddings))
        return float(evaluate_segmentation(found.astype(np.int64), self.sample.truth.astype(np.int64))["arand_error"])


def main() -> None:
    """Print a row per set and contestant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="ovules-small", help="model file, or name of a shipped model")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--contestants", nargs="+", default=list(contestants(1.0)), choices=list(contestants(1.0)))
    options = parser.parse_args()
    limit_threads(None)
    model = load_model(options.model)
    print(f"{options.model}: {model.card.history.steps} steps\n\n| set | contestant | ARand | spread | setting |")
    print("|---|---|---|---|---|")
    for name in options.sets:
        tuning, scored = SETS[name](options.data, model.card.voxel_size or OVULE_SCALE)
        embedded = [[embed(model, sample) for sample in samples] for samples in (tuning, scored)]
        compare(name, *embedded, options.contestants)


def embed(model: EmbeddingModel, sample: Sample) -> Embedded:
    """Predict with the averaged weights, which alone are shipped."""
    return Embedded(sample, predict_embeddings(model, sample.image, teacher=model.teacher is not None))


def compare(name: str, tuning: Sequence[Embedded], scored: Sequence[Embedded], chosen: Sequence[str]) -> None:
    """Let each contestant choose on the tuning stacks, and print what it reaches on the others."""
    size = float(np.median([s for e in tuning for s in np.unique(on_grid(e.sample), return_counts=True)[1]]))
    for contestant, settings in ((key, contestants(size)[key]) for key in chosen):
        best = min(settings, key=lambda setting: np.mean([embedded.error(setting) for embedded in tuning]))
        errors = [embedded.error(best) for embedded in scored]
        spread = f"{np.std(errors):.3f}" if len(errors) > 1 else ""
        print(f"| {name} | {contestant} | {np.mean(errors):.3f} | {spread} | {best.name} |", flush=True)


def on_grid(sample: Sample) -> Array:
    """Return the cells of the truth on the model's grid."""
    labels = sample.resampling.annotations(sample.truth.astype(np.int32))
    return labels[labels > 0]


def contestants(cell_size: float) -> dict[str, list[Setting]]:
    """Return who takes part, and what each may choose from; `cell_size` is the median cell in voxels."""
    fragment, shard = int(cell_size / 3), int(cell_size / 8)
    return {
        "h-minima": [
            Setting(f"smoothing {s}, height {h}", partial(by_minima, s, h))
            for s, h in product((1.0, 1.5, 2.0), (0.01, 0.02, 0.04, 0.06, 0.1))
        ],
        "distance": [
            Setting(f"smoothing {s}, walls by {n or 'Otsu'}, seeds {d}", partial(by_distance, s, n, d))
            for s, n, d in product((1.0, 1.5, 2.0), (0.0, 6.0, 10.0), (3, 5))
        ],
        "mutex watershed": [Setting(f"smoothing {s}", partial(by_mutex, s, fragment)) for s in (0.5, 1.0, 1.5)],
        "supervoxels": [
            Setting(f"smoothing {s}, merge {m}", partial(by_supervoxels, s, m, fragment))
            for s, m in product((1.0, 2.0), (0.5, 0.75, 1.0, 1.5, 2.0))
        ],
        "embedding edges": [
            Setting(f"threshold {t}, smoothing {s}, seeds {d}", partial(by_edges, t, s, d, 0.5, shard))
            for t, s, d in product((0.8, 1.0, 1.2), (0.7, 1.2), (3, 5))
        ],
        "edges, embedding alone": [
            Setting(f"threshold {t}, smoothing {s}, seeds {d}", partial(by_edges, t, s, d, 0.0, shard))
            for t, s, d in product((0.8, 1.0, 1.2), (0.7, 1.2), (3, 5))
        ],
        "edges, all defaults": [Setting("", partial(by_edges, 0.8, 1.2, 3, 0.5, shard))],
    }


def by_minima(smoothing: float, height: float, image: Array, _: Array) -> Array:
    """Flood the image from its deep minima."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), smoothing)
    low, high = np.percentile(smooth, (1, 99.8))
    relative = (smooth - low) / max(float(high - low), 1e-6)
    seeds, _n = ndimage.label(h_minima(relative, height))
    return watershed(relative, seeds.astype(np.uint32))


def by_distance(smoothing: float, neighbourhood: float, min_distance: int, image: Array, _: Array) -> Array:
    """Split what is darker than the walls by its distance to them, and let the parts grow over the walls.

    Walls are brighter than the mean around them, or, where there is no neighbourhood, than Otsu's threshold.
    """
    smooth = ndimage.gaussian_filter(image.astype(np.float32), smoothing)
    level = ndimage.gaussian_filter(smooth, neighbourhood) if neighbourhood else threshold_otsu(smooth)
    return watershed(smooth, split_foreground(smooth < level, min_distance=min_distance, smoothing=1.0, min_size=20))


def by_mutex(smoothing: float, fragment: int, _: Array, embeddings: Array) -> Array:
    """Segment by mutex watershed."""
    return segment_mutex_watershed(embeddings, smoothing=smoothing, fragment_size=fragment)


def by_supervoxels(smoothing: float, merge: float, fragment: int, image: Array, embeddings: Array) -> Array:
    """Merge supervoxels of the image by embedding."""
    return segment_supervoxels(
        embeddings, image, merge_distance=merge, boundary_smoothing=smoothing, fragment_size=fragment
    )


def by_edges(
    threshold: float, smoothing: float, distance: int, share: float, fragment: int, image: Array, embeddings: Array
) -> Array:
    """Segment by the shape of what lies between edges of the embeddings."""
    return segment_between_edges(
        embeddings,
        image=image,
        image_share=share,
        edge_threshold=threshold,
        edge_smoothing=smoothing,
        min_distance=distance,
        fragment_size=fragment,
    )


def synthetic(
    appearance: MembraneAppearance, _: Path, voxel_size: tuple[float, ...]
) -> tuple[list[Sample], list[Sample]]:
    """Make stacks of synthetic cells, one to tune on."""
    samples = []
    for seed in range(FIRST_SEED, FIRST_SEED + N_STACKS + 1):
        stack = tissue_stack(SHAPE, rng=np.random.default_rng(seed), scale=voxel_size, appearance=appearance)
        samples.append(as_sample(stack.image, stack.labels))
    return samples[:1], samples[1:]


def ovule(data: Path, voxel_size: tuple[float, ...]) -> tuple[list[Sample], list[Sample]]:
    """Render real cells that the model has not seen; tuned on synthetic ones."""
    cells = read_labels(data / "plant3d_labels_only" / "geometry" / "labels" / "sample_cells.tif")
    cells = np.ascontiguousarray(cells[:, ::2, 2 * UNSEEN_COLUMNS :: 2])
    image = render_membranes(cells, scale=voxel_size, rng=np.random.default_rng(FIRST_SEED), appearance=HARD)
    return synthetic(HARD, data, voxel_size)[0], [as_sample(image, cells)]


def root(data: Path, voxel_size: tuple[float, ...]) -> tuple[list[Sample], list[Sample]]:
    """Read the real stack, and bring its cells to the size of those that the model was trained on."""
    image = read_image(data / "plant3d_membrane" / "train" / "images" / "sample_patch.tif", ndim=3).data
    labels = read_labels(data / "plant3d_membrane" / "train" / "labels" / "sample_patch.tif")
    middle = labels.shape[2] // 2
    sizes = np.bincount(labels[..., :middle].ravel())
    sizes[0] = 0
    ordered = np.sort(sizes)
    usual = ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)]
    pixel = (CELL_VOLUME / (usual * ROOT_ANISOTROPY)) ** (1 / 3)
    print(f"| root | pixel taken to be {pixel:.3f} um | | | |")
    halves = []
    for part in (slice(middle), slice(middle, None)):
        ways = product(ROOT_SIZES, ((1, 1), (-1, 1), (1, -1)))
        halves.append(
            [_seen(image[..., part], labels[..., part], pixel * factor, how, voxel_size) for factor, how in ways]
        )
    return halves[0], halves[1]


def _seen(image: Array, truth: Array, pixel: float, how: tuple[int, int], voxel_size: tuple[float, ...]) -> Sample:
    """See a part of the root turned round along the last axes, or not, and with another size of its pixels."""
    turned = (..., *(slice(None, None, step) for step in how))
    image, truth = np.ascontiguousarray(image[turned]), np.ascontiguousarray(truth[turned])
    resampling = plan_resampling(truth.shape, (pixel * ROOT_ANISOTROPY, pixel, pixel), UNITS, voxel_size, UNITS)
    return Sample(resampling.image(image)[0], truth, resampling)


def as_sample(image: Array, truth: Array) -> Sample:
    """Make a sample of what is at the voxel size of the model."""
    return Sample(image, truth, Resampling(truth.shape, truth.shape))


SETS = {"clean": partial(synthetic, CLEAN), "hard": partial(synthetic, HARD), "ovule": ovule, "root": root}


if __name__ == "__main__":
    main()
