"""Fine-tune `ovules-small` on a tenth of the cells of a real root, and score it on the other cells, before and after.

    OMP_NUM_THREADS=1 python benchmarks/fine_tuning.py DATA [--seeds 0 1 2] [--steps 150]

DATA holds `plant3d_membrane`. 150 steps take two to three minutes of one thread. The painted cells are drawn among
those of more than 2,000 voxels; replay and everything else are the defaults of a run that starts from a shipped model.
The last weights are scored, whatever the cells left out say of them. One look at the root moves by as much as two
merged cells (.05): it is seen with three sizes of its pixels, as it is and turned round, and the mean and standard
deviation of the six are told. The voxel size is that of `membranes.py`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_spoco import SegmentationConfig, TrainingConfig, evaluate_segmentation, load_model, train
from napari_spoco.data.images import read_image, read_labels
from napari_spoco.whole_image import segment_source

if TYPE_CHECKING:
    from napari_spoco import EmbeddingModel
    from napari_spoco.data.images import SourceImage

VOXEL_SIZE, UNITS = (0.124 * 1.54, 0.124, 0.124), ("micrometer",) * 3
LEAST_VOXELS = 2000
SIZES, TURNS = (0.9, 1.0, 1.1), (slice(None), slice(None, None, -1))


def main() -> None:
    """Print a line per seed and read-out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=150)
    options = parser.parse_args()
    folder = options.data / "plant3d_membrane" / "train"
    source = replace(read_image(folder / "images" / "sample_patch.tif", ndim=3), scale=VOXEL_SIZE, units=UNITS)
    labels = read_labels(folder / "labels" / "sample_patch.tif")
    print("| seed | before | after | difference | by the cells left out |\n|---|---|---|---|---|")
    for seed in options.seeds:
        chosen = choose_cells(labels, np.random.default_rng(seed))
        others = np.where(np.isin(labels, chosen), 0, labels)
        model = load_model("ovules-small")
        result = train(
            [source.data],
            [np.where(others == 0, labels, 0)],
            start_from=model,
            config=TrainingConfig(max_steps=options.steps, max_minutes=None, preview_seconds=1e9, threads=1, seed=seed),
            voxel_size=VOXEL_SIZE,
            units=UNITS,
        )
        looks = [look(source, others, *way) for way in product(SIZES, TURNS)]
        before, after = (np.array([score(m, *each) for each in looks]) for m in (model, result.last))
        kept = "refused" if result.best_step == 0 else "kept"
        print(f"| {seed} | {told(before)} | {told(after)} | {told(after - before)} | {kept} |", flush=True)


def choose_cells(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the ids of a tenth of all cells, drawn among the large ones."""
    ids, sizes = np.unique(labels[labels > 0], return_counts=True)
    return rng.choice(ids[sizes > LEAST_VOXELS], size=round(len(ids) / 10), replace=False)


def look(source: SourceImage, others: np.ndarray, size: float, turn: slice) -> tuple[SourceImage, np.ndarray]:
    """Return the stack with pixels of another size, its rows in this order, and the cells in it."""
    scale = tuple(size * length for length in VOXEL_SIZE)
    data, cells = (np.ascontiguousarray(array[..., turn, :]) for array in (source.data, others))
    return replace(source, data=data, scale=scale), cells


def score(model: EmbeddingModel, source: SourceImage, others: np.ndarray) -> float:
    """Return the adapted Rand error of the pixels of the cells that were not painted."""
    found = segment_source(model, source, SegmentationConfig(method="edges", background="none")).labels
    return evaluate_segmentation(np.where(others > 0, found, 0), others)["arand_error"]


def told(values: np.ndarray) -> str:
    """Return mean and standard deviation."""
    return f"{values.mean():.3f} ± {values.std():.3f}"


if __name__ == "__main__":
    main()
