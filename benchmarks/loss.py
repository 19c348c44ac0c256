"""How fast the loss is, against a reference that follows the formulas literally.

The reference computes a distance map per object and per anchor, as the formulas read. Both get the same embeddings,
labels and anchors, run in turn in this process on one thread, forward and backward; the ratio is the median over the
pairs. Values and gradients are compared first.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from napari_spoco.config import LossConfig
from napari_spoco.training import loss

CASES = {"2D 448x448, batch 2": (2, (448, 448)), "3D 40x64x64, batch 1": (1, (40, 64, 64))}
N_OBJECTS, N_ANCHORS, EMBEDDING_DIM, N_PAIRS = 10, 20, 16, 5
CONFIG = LossConfig(instance_anchor="mean", max_anchors=N_ANCHORS)


def reference_loss(
    student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, anchors: list[torch.Tensor]
) -> torch.Tensor:
    """Follow the formulas object by object and anchor by anchor."""
    total = student.new_zeros(())
    width = loss.two_sigma_squared(CONFIG)
    for f, g, target, points in zip(student, teacher, labels, anchors, strict=True):
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
    return total / len(labels)


def make_case(batch: int, shape: tuple[int, ...], n_objects: int) -> tuple[torch.Tensor, ...]:
    """Make embeddings around a centre per object, labels (a tenth of the image is annotated) and anchors."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n_objects + 1, EMBEDDING_DIM)) * 2
    labels = np.zeros((batch, int(np.prod(shape))), dtype=np.int64)
    per_object = labels.shape[1] // (10 * n_objects)
    for k in range(1, n_objects + 1):
        labels[:, k * per_object : (k + 1) * per_object] = k
    embeddings = centres[labels].transpose(0, 2, 1) + rng.normal(0, 0.3, (batch, EMBEDDING_DIM, labels.shape[1]))
    student = torch.from_numpy(embeddings.astype(np.float32)).reshape(batch, EMBEDDING_DIM, *shape)
    teacher = student + 0.05
    unlabeled = np.flatnonzero(labels[0] == 0)
    anchors = torch.from_numpy(rng.choice(unlabeled, (batch, N_ANCHORS), replace=False))
    return student, teacher, torch.from_numpy(labels).reshape(batch, *shape), anchors


def main() -> None:
    """Print agreement and ratio per case, and the growth with the number of objects."""
    torch.set_num_threads(1)
    for name, (batch, shape) in CASES.items():
        print(name)
        for n_objects in (2, N_OBJECTS, 50, 200):
            compare(batch, shape, n_objects, n_pairs=N_PAIRS if n_objects == N_OBJECTS else 1)


def compare(batch: int, shape: tuple[int, ...], n_objects: int, n_pairs: int) -> None:
    """Run both in turn and print a row."""
    student, teacher, labels, anchors = make_case(batch, shape, n_objects)

    def ours(embeddings: torch.Tensor) -> torch.Tensor:
        queue = list(anchors)
        chosen = loss.draw_anchors

        def draw(*arguments: object) -> torch.Tensor:
            chosen(*arguments)  # The choice is part of what is timed; the reference is given its anchors.
            return queue.pop(0)

        loss.draw_anchors = draw
        try:
            terms = loss.spoco_loss(embeddings, teacher, labels, CONFIG, torch.Generator().manual_seed(0))
        finally:
            loss.draw_anchors = chosen
        return torch.stack(list(terms.values())).sum()

    def reference(embeddings: torch.Tensor) -> torch.Tensor:
        return reference_loss(embeddings, teacher, labels, list(anchors))

    seconds: dict[str, list[float]] = {"ours": [], "reference": []}
    values, gradients = {}, {}
    for _ in range(n_pairs + 1):
        for name, function in (("ours", ours), ("reference", reference)):
            embeddings = student.clone().requires_grad_()
            begin = time.perf_counter()
            value = function(embeddings)
            value.backward()
            seconds[name].append(time.perf_counter() - begin)
            values[name], gradients[name] = value.item(), embeddings.grad
    value_error = abs(values["ours"] / values["reference"] - 1)
    largest = gradients["reference"].abs().max()
    gradient_error = ((gradients["ours"] - gradients["reference"]).abs().max() / largest).item()
    ratio = np.median(np.array(seconds["reference"][1:]) / np.array(seconds["ours"][1:]))
    print(
        f"  {n_objects:4} objects: ours {np.median(seconds['ours'][1:]) * 1e3:7.0f} ms, "
        f"{ratio:5.1f} times as fast, value to {value_error:.0e}, gradient to {gradient_error:.0e}",
        flush=True,
    )


if __name__ == "__main__":
    main()
