"""How much of a training step is not the network: sampling, augmentation, loss, optimizer, teacher, reports.

Whole steps, as a run makes them, alternate in this process with the work of the network alone: the student's pass
forward and backward and the teacher's pass forward, on views of the same shape in the same precision. The share is
1 - network / step, of medians. The parts are timed one by one afterwards.

    python benchmarks/training_step.py             # the default settings in 2D and 3D, on the CPU
    python benchmarks/training_step.py --paper     # the paper's settings, on a GPU: its share of the time
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_spoco.config import LossConfig, TrainingConfig
from napari_spoco.data.samples import load_nuclei
from napari_spoco.data.synthetic import membrane_stack
from napari_spoco.training.devices import limit_threads
from napari_spoco.training.loss import spoco_loss
from napari_spoco.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET = {"preview_seconds": 1e9, "autosave_seconds": 1e9, "max_minutes": None, "max_steps": 10**6}
PAPER = {
    2: {"patch_shape": (448, 448), "batch_size": 4, "feature_maps": (16, 32, 64, 128, 256, 512), "norm": "batch"},
    3: {"patch_shape": (40, 64, 64), "batch_size": 8, "feature_maps": (64, 128, 256, 512), "norm": "group"},
}


def make_trainer(ndim: int, changes: dict[str, object]) -> Trainer:
    """Train on a tenth of real nuclei (2D), or on nine cells of synthetic tissue (3D)."""
    if ndim == 2:
        images = [sample.image for sample in load_nuclei("train")]
        labels = [np.where(sample.labels % 10 == 1, sample.labels, 0) for sample in load_nuclei("train")]
        if "patch_shape" in changes:  # patches of the paper are larger than these images
            images, labels = [np.tile(image, (2, 2)) for image in images], [np.tile(array, (2, 2)) for array in labels]
    else:
        stack = membrane_stack((64, 128, 128), rng=np.random.default_rng(0), cell_diameter=20.0)
        images, labels = [stack.image], [np.where(stack.labels <= 9, stack.labels, 0).astype(np.int32)]
    return Trainer(images, labels, config=TrainingConfig(**QUIET, **changes))


def network_alone(trainer: Trainer) -> Callable[[], None]:
    """Return what the networks do in a step, and nothing else."""
    learner, fabric = trainer._learner, trainer._fabric
    batch = draw_batch(trainer, 1)
    views = [view.contiguous(memory_format=learner._layout) for view in (batch.student, batch.teacher)]
    gradient = torch.randn_like(learner._module(views[0]).float()) * 1e-6

    def run() -> None:
        embeddings = learner._module(views[0]).float()
        with fabric.autocast(), torch.no_grad():
            learner._teacher.network(views[1])
        fabric.backward(embeddings, gradient)
        learner.student.zero_grad(set_to_none=True)

    return run


def draw_batch(trainer: Trainer, step: int) -> object:
    """Sample and augment as the trainer does."""
    rng = np.random.default_rng((trainer.config.seed, step, 0))
    crops = [trainer._sampler.draw(rng) for _ in range(trainer.batch_size)]
    return trainer._augment(crops, rng, trainer._fabric.device)


def loss_alone(trainer: Trainer) -> Callable[[], None]:
    """Return the loss of a batch, forward and backward to the embeddings."""
    batch = draw_batch(trainer, 1)
    with torch.no_grad():
        student = trainer._learner.student(batch.student).float()
    config = trainer.config.loss

    def run() -> None:
        embeddings = student.clone().requires_grad_()
        generator = torch.Generator().manual_seed(0)
        terms = spoco_loss(embeddings, student, batch.labels, config, generator, batch.known)
        torch.stack(list(terms.values())).sum().backward()

    return run


def cpu_seconds(function: Callable[[], object]) -> float:
    """Return the CPU time of one call: other jobs on the machine count less in it."""
    begin = time.process_time()
    function()
    return time.process_time() - begin


def gpu_seconds(function: Callable[[], object]) -> float:
    """Return the time of one call, until the device is done."""
    torch.cuda.synchronize()
    begin = time.perf_counter()
    function()
    torch.cuda.synchronize()
    return time.perf_counter() - begin


def measure_share(ndim: int, n_pairs: int) -> None:
    """Print the share of a default step that is not the network, and its parts."""
    trainer = make_trainer(ndim, {"device": "cpu", "loss": LossConfig()})
    steps = trainer.run()
    network = network_alone(trainer)
    for _ in range(5):
        next(steps)
        network()
    pairs = np.array([(cpu_seconds(lambda: next(steps)), cpu_seconds(network)) for _ in range(n_pairs)])
    whole, alone = np.median(pairs, axis=0)
    parts = {
        "sampling and augmentation": lambda: draw_batch(trainer, 2),
        "loss": loss_alone(trainer),
    }
    medians = {name: np.median([cpu_seconds(part) for _ in range(n_pairs)]) for name, part in parts.items()}
    medians["optimizer, teacher, report"] = whole - alone - sum(medians.values())
    shape = " x ".join(map(str, trainer.patch_shape))
    print(f"{ndim}D, {trainer.batch_size} patches of {shape}, {trainer._fabric._precision.precision}, one thread:")
    print(f"  step {whole * 1e3:.0f} ms, network {alone * 1e3:.0f} ms: {1 - alone / whole:.1%} is not the network")
    print("  " + ", ".join(f"{name} {value * 1e3:.1f} ms" for name, value in medians.items()), flush=True)


def measure_gpu(ndim: int, n_steps: int) -> None:
    """Print how long kernels run per second of a training at the paper's settings, and the steps per second."""
    trainer = make_trainer(ndim, PAPER[ndim] | {"device": "cuda", "loss": LossConfig()})
    steps = trainer.run()
    for _ in range(10):
        next(steps)
    whole = gpu_seconds(lambda: [next(steps) for _ in range(n_steps)])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        profiled = gpu_seconds(lambda: [next(steps) for _ in range(n_steps)])
    busy = sum(event.self_device_time_total for event in profile.key_averages()) / 1e6
    shape = " x ".join(map(str, trainer.patch_shape))
    print(f"{ndim}D, {trainer.batch_size} patches of {shape}, {torch.cuda.get_device_name()}:")
    print(f"  {n_steps / whole:.2f} steps per second, the GPU is at work {busy / profiled:.0%} of the time", flush=True)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paper", action="store_true")
    parser.add_argument("--pairs", type=int, default=25)
    options = parser.parse_args()
    limit_threads(1)
    for ndim in (2, 3):
        if options.paper:
            measure_gpu(ndim, n_steps=2 * options.pairs)
        else:
            measure_share(ndim, n_pairs=options.pairs if ndim == 2 else max(options.pairs // 2, 5))


if __name__ == "__main__":
    main()
