"""Fine-tune `ovules-small` on a tenth of the cells of a real root, and score it on the other cells, before and after.

    OMP_NUM_THREADS=1 python benchmarks/fine_tuning.py DATA [--seeds 0 1 2] [--steps 150]

DATA holds `plant3d_membrane`. 150 steps take two to three minutes of one thread. The painted cells are drawn among
those of more than 2,000 voxels; replay and everything else are the defaults of a run that starts from a shipped model.
The voxel size is that of `membranes.py`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco import SegmentationConfig, TrainingConfig, evaluate_segmentation, load_model, train
from napari_spoco.data.images import read_image, read_labels
from napari_spoco.whole_image import segment_source

if TYPE_CHECKING:
    from napari_spoco import EmbeddingModel
    from napari_spoco.data.images import SourceImage

VOXEL_SIZE, UNITS = (0.124 * 1.54, 0.124, 0.124), ("micrometer",) * 3
LEAST_VOXELS = 2000


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
    print("| seed | read-out | before | after | best step |\n|---|---|---|---|---|")
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
        for method in ("edges", "mutex_watershed"):
            before, after = (score(m, source, others, method) for m in (load_model("ovules-small"), result.model))
            print(f"| {seed} | {method} | {before:.3f} | {after:.3f} | {result.best_step} |", flush=True)


def choose_cells(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the ids of a tenth of all cells, drawn among the large ones."""
    ids, sizes = np.unique(labels[labels > 0], return_counts=True)
    return rng.choice(ids[sizes > LEAST_VOXELS], size=round(len(ids) / 10), replace=False)


def score(model: EmbeddingModel, source: SourceImage, others: np.ndarray, method: Any) -> float:
    """Return the adapted Rand error of the pixels of the cells that were not painted."""
    found = segment_source(model, source, SegmentationConfig(method=method, background="none")).labels
    return evaluate_segmentation(np.where(others > 0, found, 0), others)["arand_error"]


if __name__ == "__main__":
    main()
