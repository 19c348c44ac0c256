"""The estimate of the memory: against what was measured, and against what torch makes of the same settings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_spoco.config import TrainingConfig
from napari_spoco.training.defaults import choose_network
from napari_spoco.training.footprint import estimate_memory

MEASURED = [
    ((520, 696), {}, "bfloat16", 991),
    ((520, 696), {"precision": "float32"}, "float32", 997),
    ((256, 256), {"patch_shape": (64, 64), "batch_size": 2}, "bfloat16", 685),
    ((520, 696), {"patch_shape": (256, 256), "batch_size": 4}, "bfloat16", 1105),
    ((520, 696), {"patch_shape": (256, 256), "batch_size": 4, "precision": "float32"}, "float32", 1335),
    ((520, 696), {"feature_maps": (32, 64, 128, 256), "batch_size": 2, "patch_shape": (256, 256)}, "bfloat16", 1345),
    ((520, 696), {"embedding_dim": 32, "batch_size": 8}, "bfloat16", 956),
    ((520, 696), {"norm": "group", "patch_shape": (256, 256)}, "bfloat16", 1072),
    ((32, 128, 128), {}, "bfloat16", 999),
    ((32, 128, 128), {"precision": "float32"}, "float32", 1083),
    ((40, 160, 160), {"patch_shape": (32, 96, 96), "batch_size": 2}, "bfloat16", 1494),
    ((40, 160, 160), {"patch_shape": (32, 96, 96), "batch_size": 2, "precision": "float32"}, "float32", 1946),
]
"""Spatial shape, settings, what precision it ran in, and the peak of the resident memory, in MB, of a process that
trained six steps, with a score, a picture and the final model, on one thread of a CPU (torch 2.13)."""


@pytest.mark.parametrize(("shape", "settings", "precision", "peak"), MEASURED)
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "auto"])
def test_the_estimate_is_right_within_a_factor_of_1_5(shape, settings, precision, peak, is_known) -> None:
    config = TrainingConfig(**settings)
    network = choose_network(config, len(shape), 1)
    estimate = estimate_memory(network, config, shape, precision=precision if is_known else "auto")
    assert 1 / 1.5 < estimate / (peak * 1e6) < 1.5


def test_more_of_anything_takes_more_memory() -> None:
    shape = (64, 64)

    def estimate(**settings) -> float:
        config = TrainingConfig(**settings)
        return estimate_memory(choose_network(config, 2, 1), config, shape)

    least = estimate()
    for more in ({"batch_size": 8}, {"patch_shape": (256, 256)}, {"embedding_dim": 32}, {"feature_maps": (32, 64)}):
        assert estimate(**more) > least
    assert estimate(precision="bfloat16") < estimate(precision="float32")
    assert estimate(patch_shape=(8, 8, 8)) == least  # of another number of axes: Train refuses it


def test_no_torch_is_needed() -> None:
    code = (
        "import sys\n"
        "from napari_spoco.config import TrainingConfig\n"
        "from napari_spoco.models.header import read_header\n"
        "from napari_spoco.models.registry import shipped_path\n"
        "from napari_spoco.training.footprint import estimate_memory\n"
        "estimate_memory(read_header(shipped_path('nuclei-small')).network, TrainingConfig(), (64, 64))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
