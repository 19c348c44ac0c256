"""The training at the paper's size goes from the cells of an ovule to a release file; here with a tiny network."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import ovules
import ovules_small
import pytest
from tissue_pool import VOXEL_SIZE, PoolSize, read_pool

from napari_spoco import load_model, write_labels
from napari_spoco.data.tissue_geometry import grow_cells

TINY = PoolSize(2, (16, 32, 32))
SMALL = {"feature_maps": (8, 16), "patch_shape": (8, 16, 16), "batch_size": 1}


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Labels at the resolution of the real ovule."""
    labels = grow_cells((24, 72, 80), scale=(0.235, 0.15, 0.15), rng=np.random.default_rng(0))
    return write_labels(tmp_path / "cells.tif", labels)


def test_a_run_is_resumed_and_leaves_a_release_file_with_its_checksum(cells: Path, tmp_path: Path, monkeypatch) -> None:
    run, folder, log = tmp_path / "run", tmp_path / "release", tmp_path / "ovules.csv"
    monkeypatch.setattr(ovules, "POOL", TINY)
    monkeypatch.setattr(ovules, "LOG", log)

    def train(n_steps: int, *options: str) -> None:
        monkeypatch.setattr(ovules, "CONFIG", ovules.CONFIG.model_copy(update=SMALL | {"max_steps": n_steps}))
        monkeypatch.setattr(sys, "argv", ["ovules.py", str(cells), "--out", str(run), "--minutes", "9", *options])
        ovules.main()

    train(2)
    pool = (run / "pool.npz").read_bytes()
    assert not log.exists()
    train(50, "--resume", "--release", str(folder))
    assert (run / "pool.npz").read_bytes() == pool

    file = folder / "ovules.safetensors"
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.with_name("ovules.safetensors.sha256").read_text() == f"{checksum}  ovules.safetensors\n"
    assert log.read_text().splitlines()[1].startswith("50,")
    model = load_model(file)
    assert (model.card.history.steps, model.card.voxel_size, model.card.method) == (50, VOXEL_SIZE, "edges")
    assert model.card.replay is not None
    assert model.teacher is None  # its weights are the averaged ones
    kept = load_model(run)
    for name, value in model.network.state_dict().items():
        np.testing.assert_array_equal(value, kept.teacher.state_dict()[name])


def test_stacks_follow_from_the_seed(cells: Path, tmp_path: Path) -> None:
    pools = [
        read_pool(tmp_path / f"{index}.npz", cells, seed, TINY._replace(n_stacks=n_stacks))
        for index, (seed, n_stacks) in enumerate([(5, 3), (5, 2), (6, 2)])
    ]
    (first, annotations), (same, _), (other, _) = pools
    assert [image.shape for image in first] == [TINY.shape] * 3
    assert all(dense.n_objects > 1 for dense in annotations)
    np.testing.assert_array_equal(first[:2], same)
    assert np.not_equal(same, other).any(axis=(1, 2, 3)).all()


def test_the_network_is_the_papers_and_all_else_that_matters_is_that_of_the_small_one() -> None:
    config, small = ovules.CONFIG, ovules_small.CONFIG
    assert (config.feature_maps, config.norm) == ((64, 128, 256, 512), "group")
    assert (config.patch_shape, config.batch_size) == ((40, 64, 64), 8)
    assert (config.loss, config.augmentation) == (small.loss, small.augmentation)
    assert (config.device, config.precision) == ("auto", "auto")
