"""What a network with group normalisation should be shown at once: the whole image, tiles, or blended windows.

    OMP_NUM_THREADS=1 python benchmarks/windows.py [--seeds 9200 9201]

Synthetic tissue of 40 x 256 x 256 voxels at the voxel size of `ovules-small`, its objects between edges with all
settings left alone. Windows of other lengths are those of a card that tells of other patches. About five minutes.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np

from napari_spoco import SegmentationConfig, evaluate_segmentation, load_model, predict_embeddings, tissue_stack
from napari_spoco.segmentation.readout import ReadoutContext, read_out
from napari_spoco.segmentation.tiling import PATCHES

SHAPE = (40, 256, 256)


def main() -> None:
    """Print a row per stack and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[9200, 9201])
    options = parser.parse_args()
    model = load_model("ovules-small")
    ways: dict[str, tuple[float, dict[str, Any]]] = {
        "whole": (1, {"tile_shape": SHAPE}),
        "tiles of 128, halo 32": (1, {"tile_shape": (40, 128, 128), "halo": (32, 32, 32)}),
        "tiles of 128, halo of the reach": (1, {"tile_shape": (40, 128, 128)}),
        **{f"windows of {n:g} patches": (n / PATCHES, {}) for n in (1, 1.5, 2, 3)},
    }
    print("| stack | shown | ARand | SBD | objects (true) | CPU seconds |\n|---|---|---|---|---|---|")
    for seed in options.seeds:
        stack = tissue_stack(SHAPE, rng=np.random.default_rng(seed), scale=model.card.voxel_size)
        for name, (factor, how) in ways.items():
            patch = tuple(round(factor * length) for length in model.card.patch_shape)
            other = replace(model, card=model.card.model_copy(update={"patch_shape": patch}))
            began = time.process_time()
            embeddings = predict_embeddings(other, stack.image, teacher=model.teacher is not None, **how)
            seconds = time.process_time() - began
            context = ReadoutContext(image=stack.image[None])
            found = read_out(embeddings, model.card, SegmentationConfig(), context).labels
            scores = evaluate_segmentation(found, stack.labels)
            objects = f"{found.max()} ({len(np.unique(stack.labels[stack.labels > 0]))})"
            errors = f"{scores['arand_error']:.3f} | {scores['sbd']:.3f}"
            print(f"| {seed} | {name} | {errors} | {objects} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
