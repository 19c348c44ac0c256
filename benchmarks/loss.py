"""How fast the loss is and how much memory it takes, against a reference that follows the formulas literally.

The reference computes a distance map per object and per anchor, as the formulas read and as the released code does.
Both get the same embeddings, labels and anchors; the loss also has to choose anchors, the reference has not.

- Time: forward and backward on one thread, in turn in this process; the ratio is the median over the pairs.
- Memory: a fresh process per measurement holds the inputs, reads its largest resident size so far (VmHWM, Linux), goes
  forward and backward once, and reports by how much that size has grown: gradient included, inputs not. What a first
  run sets up (some MB) counts for both.
- Agreement: relative difference of the values, and largest difference of the gradients over the largest gradient.
"""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_spoco.config import LossConfig
from napari_spoco.training import loss

if TYPE_CHECKING:
    from collections.abc import Callable

EMBEDDING_DIM, N_ANCHORS = 16, 20
CONFIG = LossConfig(instance_anchor="mean", max_anchors=N_ANCHORS)


class Case(NamedTuple):
    """Embeddings (B, E, *spatial) of student and teacher, labels (B, *spatial), anchors (B, K)."""

    student: torch.Tensor
    teacher: torch.Tensor
    labels: torch.Tensor
    anchors: torch.Tensor


def make_case(batch: int, shape: tuple[int, ...], n_objects: int) -> Case:
    """Make embeddings around a centre per object; a tenth of the image is annotated."""
    rng = np.random.default_rng(0)
    labels = np.zeros((batch, int(np.prod(shape))), dtype=np.int64)
    per_object = labels.shape[1] // (10 * n_objects)
    for k in range(1, n_objects + 1):
        labels[:, k * per_object : (k + 1) * per_object] = k
    # Near enough to each other that no term is zero.
    centres = rng.normal(0, 0.4, (n_objects + 1, EMBEDDING_DIM)).astype(np.float32)
    student = np.ascontiguousarray(centres[labels].transpose(0, 2, 1))
    student += 0.3 * rng.standard_normal(student.shape, dtype=np.float32)
    teacher = student + 0.1 * rng.standard_normal(student.shape, dtype=np.float32)
    anchors = rng.choice(np.flatnonzero(labels[0] == 0), (batch, N_ANCHORS), replace=False)
    images = (torch.from_numpy(x).reshape(batch, EMBEDDING_DIM, *shape) for x in (student, teacher))
    return Case(*images, torch.from_numpy(labels).reshape(batch, *shape), torch.from_numpy(anchors))


def reference(case: Case) -> torch.Tensor:
    """Follow the formulas object by object and anchor by anchor."""
    total = case.student.new_zeros(())
    width = loss.two_sigma_squared(CONFIG)
    for f, g, target, points in zip(*case, strict=True):
        ids = [int(k) for k in target.unique() if k > 0]
        unlabeled = target == 0
        means = [f[:, target == k].mean(1) for k in ids]
        column = (-1, *[1] * target.ndim)
        for k, mean in zip(ids, means, strict=True):
            distance = (f - mean.view(column)).norm(dim=0)
            mask = (target == k).float()
            pull = (distance[target == k] - CONFIG.delta_var).relu().square().mean()
            soft = torch.exp(-distance.square() / width)
            dice = 1 - 2 * (soft * mask).sum() / (soft.square().sum() + mask.square().sum())
            push = (CONFIG.delta_dist - distance[unlabeled]).relu().square().mean()
            total = total + (pull + dice + push + CONFIG.regularizer_weight * mean.norm()) / len(ids)
        for i, first in enumerate(means):
            for j, second in enumerate(means):
                if i != j:
                    hinge = (2 * CONFIG.delta_dist - (first - second).norm()).relu().square()
                    total = total + hinge / (len(ids) * (len(ids) - 1))
        for point in points:
            masks = [torch.exp(-(e - e.flatten(1)[:, point].view(column)).norm(dim=0).square() / width) for e in (f, g)]
            overlap = 2 * (masks[0] * masks[1]).sum() / (masks[0].square().sum() + masks[1].square().sum())
            total = total + (1 - overlap) / len(points)
    return total / len(case.student)


def ours(case: Case) -> torch.Tensor:
    """Compute the loss with the given anchors, after it has chosen its own."""
    anchors = iter(case.anchors)
    choose = loss.draw_anchors

    def draw(*arguments: object) -> torch.Tensor:
        choose(*arguments)
        return next(anchors)

    loss.draw_anchors = draw
    try:
        generator = torch.Generator().manual_seed(0)
        terms = loss.spoco_loss(case.student, case.teacher, case.labels, CONFIG, generator)
    finally:
        loss.draw_anchors = choose
    return torch.stack(list(terms.values())).sum()


FUNCTIONS: dict[str, Callable[[Case], torch.Tensor]] = {"ours": ours, "reference": reference}


def run(name: str, case: Case) -> tuple[float, float, torch.Tensor]:
    """Go forward and backward; returns seconds, value and gradient."""
    case.student.grad = None
    begin = time.perf_counter()
    value = FUNCTIONS[name](case)
    value.backward()
    return time.perf_counter() - begin, value.item(), case.student.grad


def measure_growth(name: str, arguments: tuple[int, tuple[int, ...], int], queue: multiprocessing.Queue[float]) -> None:
    """Put into the queue by how many MB forward and backward raise the peak of this process."""
    torch.set_num_threads(1)
    case = make_case(*arguments)
    case.student.requires_grad_()
    before = resident_peak()
    run(name, case)
    queue.put(resident_peak() - before)


def resident_peak() -> float:
    """Return the largest resident size of this process so far, in MB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return float(status["VmHWM"].split()[0]) / 1024


def peak_memory(name: str, arguments: tuple[int, tuple[int, ...], int]) -> float:
    """Return the peak above the inputs, in MB, of a run in a fresh process."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measure_growth, args=(name, arguments, queue))
    process.start()
    growth = queue.get()
    process.join()
    return growth


def compare(batch: int, shape: tuple[int, ...], n_objects: int, n_pairs: int) -> None:
    """Run both in turn and print what came out."""
    case = make_case(batch, shape, n_objects)
    case.student.requires_grad_()
    results = [{name: run(name, case) for name in FUNCTIONS} for _ in range(n_pairs + 1)]
    (_, value, gradient), (_, expected, expected_gradient) = results[0].values()
    gradient_error = ((gradient - expected_gradient).abs().max() / expected_gradient.abs().max()).item()
    seconds = np.array([[pair[name][0] for name in FUNCTIONS] for pair in results[1:]])
    mine, theirs = np.median(seconds, axis=0) * 1e3
    ratios = seconds[:, 1] / seconds[:, 0]
    print(
        f"{n_objects:4} objects: ours {mine:.0f} ms, reference {theirs:.0f} ms, "
        f"{np.median(ratios):.1f} times as fast ({ratios.min():.1f}-{ratios.max():.1f})"
    )
    print(f"     agreement: value to {abs(value / expected - 1):.0e}, gradient to {gradient_error:.0e}", flush=True)
    mine, theirs = (peak_memory(name, (batch, shape, n_objects)) for name in FUNCTIONS)
    print(
        f"     peak memory: ours {mine:.0f} MB, reference {theirs:.0f} MB, a share of {mine / theirs:.2f}", flush=True
    )


def main() -> None:
    """Print time, memory and agreement at the sizes of training, and the growth with the number of objects."""
    torch.set_num_threads(1)
    print("2D 448x448, batch 2")
    compare(2, (448, 448), 10, n_pairs=7)
    print("3D 40x64x64, batch 1")
    compare(1, (40, 64, 64), 10, n_pairs=7)
    print("2D 256x256, batch 1: growth with the number of objects")
    for n_objects in (2, 10, 50, 200):
        compare(1, (256, 256), n_objects, n_pairs=3)


if __name__ == "__main__":
    main()
