"""Fine-tune `ovules-small` on a tenth of the cells of a real root, and score it on the other cells, before and after.

    OMP_NUM_THREADS=1 python benchmarks/fine_tuning.py DATA [--seeds 0 1 2] [--steps 150]

DATA holds `plant3d_membrane`. 150 steps take two to three minutes of one thread. The painted cells are drawn among
those of more than 2,000 voxels; replay and everything else are the defaults of a run that starts from a shipped model.
The last weights are scored, whatever the cells left out say of them. One look at the root moves by as much as two
merged cells (.05): it is seen with three sizes of its pixels, as it is and turned round, and the mean and standard
deviation of the six are told. The voxel size is that of `membranes.py`, whose classical watersheds are scored on the
same cells: with the setting that the painted cells choose, which is all that a training knows, too, and with the one
that is best for the cells that are scored, which nobody could know.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from membranes import contestants

from napari_spoco import SegmentationConfig, TrainingConfig, evaluate_segmentation, load_model, train
from napari_spoco.data.images import read_image, read_labels
from napari_spoco.data.resampling import plan_resampling
from napari_spoco.whole_image import segment_source

if TYPE_CHECKING:
    from membranes import Setting
    from numpy.typing import NDArray

    from napari_spoco import EmbeddingModel
    from napari_spoco.data.images import SourceImage

    Array = NDArray[Any]

VOXEL_SIZE, UNITS = (0.124 * 1.54, 0.124, 0.124), ("micrometer",) * 3
LEAST_VOXELS = 2000
SIZES, TURNS = (0.9, 1.0, 1.1), (slice(None), slice(None, None, -1))
CLASSICAL = ("h-minima", "distance")


def main() -> None:
    """Print a line per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=150)
    options = parser.parse_args()
    folder = options.data / "plant3d_membrane" / "train"
    source = replace(read_image(folder / "images" / "sample_patch.tif", ndim=3), scale=VOXEL_SIZE, units=UNITS)
    labels = read_labels(folder / "labels" / "sample_patch.tif")
    model = load_model("ovules-small")
    looks = list(product(SIZES, TURNS))
    classical = [[by_classical(setting, source, model, *way) for way in looks] for setting in classical_settings()]
    print("| seed | before | after | difference | by the cells left out | classical by the painted | best classical |")
    print("|---|---|---|---|---|---|---|")
    for seed in options.seeds:
        painted = np.where(np.isin(labels, choose_cells(labels, np.random.default_rng(seed))), labels, 0)
        result = train(
            [source.data],
            [painted],
            start_from=model,
            config=TrainingConfig(max_steps=options.steps, max_minutes=None, preview_seconds=1e9, threads=1, seed=seed),
            voxel_size=VOXEL_SIZE,
            units=UNITS,
        )
        others = np.where(painted > 0, 0, labels)
        before, after = (errors([by_model(m, source, *way) for way in looks], others) for m in (model, result.last))
        chosen = min(classical, key=lambda found: errors(found, painted).mean())
        best = min((errors(found, others) for found in classical), key=np.mean)
        kept = "refused" if result.best_step == 0 else "kept"
        ours = f"{told(before)} | {told(after)} | {told(after - before)} | {kept}"
        print(f"| {seed} | {ours} | {told(errors(chosen, others))} | {told(best)} |", flush=True)


def choose_cells(labels: Array, rng: np.random.Generator) -> Array:
    """Return the ids of a tenth of all cells, drawn among the large ones."""
    ids, sizes = np.unique(labels[labels > 0], return_counts=True)
    return rng.choice(ids[sizes > LEAST_VOXELS], size=round(len(ids) / 10), replace=False)


def look(source: SourceImage, size: float, turn: slice) -> SourceImage:
    """Return the stack with pixels of another size, its rows in this order."""
    scale = tuple(size * length for length in VOXEL_SIZE)
    return replace(source, data=np.ascontiguousarray(source.data[..., turn, :]), scale=scale)


def by_model(model: EmbeddingModel, source: SourceImage, size: float, turn: slice) -> Array:
    """Segment a look between edges; the rows of the labels are in the order of the source."""
    config = SegmentationConfig(method="edges", background="none")
    return segment_source(model, look(source, size, turn), config).labels[..., turn, :]


def classical_settings() -> list[Setting]:
    """Return those of both watersheds; what depends on the size of a cell is not among them."""
    return [setting for name in CLASSICAL for setting in contestants(1.0)[name]]


def by_classical(setting: Setting, source: SourceImage, model: EmbeddingModel, size: float, turn: slice) -> Array:
    """Segment a look by a watershed at the voxel size of the model; the rows are in the order of the source."""
    seen = look(source, size, turn)
    target = model.card.voxel_size
    resampling = plan_resampling(seen.data.shape[1:], seen.scale, UNITS, target, UNITS)
    found = setting.segment(resampling.image(seen.data)[0], np.empty(0))
    return resampling.labels(found)[..., turn, :]


def errors(found: list[Array], cells: Array) -> Array:
    """Return the adapted Rand error of the pixels of these cells, one per look."""
    return np.array([evaluate_segmentation(np.where(cells > 0, f, 0), cells)["arand_error"] for f in found])


def told(values: Array) -> str:
    """Return mean and standard deviation."""
    return f"{values.mean():.3f} ± {values.std():.3f}"


if __name__ == "__main__":
    main()
