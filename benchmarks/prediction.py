"""How long the shipped models take to embed an image, beside the plain network in single precision.

    OMP_NUM_THREADS=1 python benchmarks/prediction.py [--rounds 7]

Processor time of one thread; the ways are alternated, and ratios are medians over the rounds. "Plain" is
`network(image)` as PyTorch does it by itself; `predict_outputs` normalises and pads the image besides. On hardware that
does not compute in bfloat16 "auto" is float32. The last column is the largest difference of an embedding from float32.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_spoco import load_model, predict_outputs

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = {"nuclei-small": (512, 512), "ovules-small": (48, 96, 96)}


def main() -> None:
    """Print a row per model and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| model | pixels | way | seconds | plain / way | largest difference |\n|---|---|---|---|---|---|")
    for name, shape in SHAPES.items():
        compare(name, shape, options.rounds)


def compare(name: str, shape: tuple[int, ...], n_rounds: int) -> None:
    """Time the ways of one model in turn."""
    model = load_model(name)
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: plain(model.network, image),
        "float32": lambda: predict_outputs(model, image, precision="float32"),
        "auto": lambda: predict_outputs(model, image),
    }
    found = {way: predict() for way, predict in ways.items()}
    rounds = [{way: seconds(predict) for way, predict in ways.items()} for _ in range(n_rounds)]
    for way in ways:
        ratio = statistics.median(one["plain"] / one[way] for one in rounds)
        difference = "" if way == "plain" else f"{np.abs(found[way] - found['float32']).max():.3f}"
        taken = statistics.median(one[way] for one in rounds)
        print(
            f"| {name} | {'x'.join(map(str, shape))} | {way} | {taken:.2f} | {ratio:.2f} | {difference} |", flush=True
        )


def plain(network: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    """Embed an image that is taken as it is."""
    with torch.inference_mode():
        outputs: np.ndarray = network.eval()(torch.from_numpy(image)[None, None])[0].numpy()
    return outputs


def seconds(predict: Callable[[], Any]) -> float:
    """Return the processor time of a call."""
    began = time.process_time()
    predict()
    return time.process_time() - began


if __name__ == "__main__":
    main()
