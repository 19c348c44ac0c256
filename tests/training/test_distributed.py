"""Several processes learn what one process with all their patches would learn."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import LossConfig, TrainingConfig
from napari_spoco.training.augment import Batch
from napari_spoco.training.trainer import Trainer

WORKER = """
import sys
import numpy as np
import torch
from napari_spoco.config import TrainingConfig
from napari_spoco.training.devices import leave_group, make_fabric
from napari_spoco.training.trainer import Trainer

folder = sys.argv[1]
torch.set_num_threads(1)
config = TrainingConfig.model_validate_json(open(f"{folder}/config.json").read())
fabric = make_fabric(config)
fabric.launch()
assert fabric.world_size == 2
image, labels = np.load(f"{folder}/image.npy"), np.load(f"{folder}/labels.npy")
trainer = Trainer([image], [labels], config=config, fabric=fabric, folder=f"{folder}/run")
reports = list(trainer.run())
gradients = {name: p.grad for name, p in trainer._model.network.named_parameters()}
torch.save(gradients, f"{folder}/gradients{fabric.global_rank}.pt")
torch.save(trainer._model.network.state_dict(), f"{folder}/weights{fabric.global_rank}.pt")
leave_group()
"""


def run_two_processes(folder: Path) -> None:
    """Start both processes as a cluster's scheduler would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(folder)],
            env=common | {"LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors


def joined(first: Batch, second: Batch) -> Batch:
    pairs = [(first.student, second.student), (first.teacher, second.teacher), (first.labels, second.labels)]
    return Batch(*(torch.cat(pair) for pair in pairs), known=(*first.known, *second.known))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(32, 32), (8, 16, 16)], ids=["2d", "3d"])
def test_averaged_gradient_is_that_of_both_batches(
    shape: tuple[int, ...], discs: tuple[np.ndarray, np.ndarray], tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    image, labels = discs
    if len(shape) == 3:
        image, labels = np.stack([image[::2, ::2]] * 12), np.stack([labels[::2, ::2]] * 12)
    # Batch statistics are of each process's own patches, and anchors are drawn by each.
    config = tiny_config.model_copy(
        update={
            "norm": "group",
            "patch_shape": shape,
            "precision": "float32",
            "max_steps": 1,
            "loss": LossConfig(instance_anchor="mean", consistency_weight=0.0),
        }
    )
    np.save(tmp_path / "image.npy", image)
    np.save(tmp_path / "labels.npy", labels)
    (tmp_path / "config.json").write_text(config.model_copy(update={"devices": 2}).model_dump_json())
    run_two_processes(tmp_path)

    trainer = Trainer([image], [labels], config=config)
    batches = []
    for rank in range(2):
        rng = np.random.default_rng((config.seed, 1, rank))
        rng.integers(2**31)
        batches.append(trainer._batches.draw(rng, "cpu"))
    trainer._learner.step(joined(*batches), 1, torch.Generator())
    expected = {name: p.grad for name, p in trainer._model.network.named_parameters()}
    for rank in range(2):
        found = torch.load(tmp_path / f"gradients{rank}.pt", weights_only=True)
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)
    first, second = (torch.load(tmp_path / f"weights{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (tmp_path / "run" / "last.safetensors").is_file()
