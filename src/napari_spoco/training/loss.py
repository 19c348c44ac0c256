"""The SPOCO loss: six terms that learn embeddings from masks of a few objects.

Each term is a small function of one image; `spoco_loss` weights them and averages over the batch. Source: Wolny et
al., CVPR 2022, equations named at each term; where the released code differs, `LossConfig` has the option and
docs/method.md says why. Labels: instances > 0, `UNLABELED` = 0, `BACKGROUND` = -1 is one more cluster that is pulled
together and pushed from the others but is no object (no Dice, no unlabeled push), `IGNORE` = -2 takes no part at all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import relu

from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED

if TYPE_CHECKING:
    from napari_spoco.config import LossConfig

_EPSILON = 1e-6
_TINY = 1e-24
"""Squared distances below this count as zero."""
_N_CANDIDATES = 256
"""Unlabeled pixels among which the anchors of the consistency term are drawn."""


def spoco_loss(
    student: torch.Tensor,
    teacher: torch.Tensor | None,
    labels: torch.Tensor,
    config: LossConfig,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Compute the weighted terms of the loss; their sum is the loss.

    Parameters
    ----------
    student
        Embeddings (B, E, *spatial) of the student, with gradient.
    teacher
        Embeddings of the teacher for the second view, same shape; None leaves the consistency term out.
    labels
        (B, *spatial), integers.
    config
        Weights, margins and options.
    generator
        Source of the random anchors, on the CPU.

    Returns
    -------
    dict of str to torch.Tensor
        Scalar per term: pull, push, regularizer, instance, unlabeled_push, consistency; each weighted and averaged over
        the batch.
    """
    weights = {
        "pull": config.pull_weight,
        "push": config.push_weight,
        "regularizer": config.regularizer_weight,
        "instance": config.instance_weight,
        "unlabeled_push": config.unlabeled_push_weight,
        "consistency": config.consistency_weight,
    }
    sums = {name: student.new_zeros(()) for name in weights}
    for index, image_labels in enumerate(labels.flatten(1)):  # (N,)
        used = (image_labels != IGNORE).nonzero()[:, 0]
        embeddings, image_labels = student[index].flatten(1)[:, used], image_labels[used]  # (E, N), (N,)
        terms = annotated_terms(embeddings, image_labels, config, generator)
        if teacher is not None and config.consistency_weight > 0:
            other = teacher[index].flatten(1)[:, used].detach()
            anchors = draw_anchors(embeddings.detach(), other, image_labels == UNLABELED, config, generator)
            if len(anchors):
                terms["consistency"] = consistency(embeddings, other, anchors, config)
        for name, value in terms.items():
            if weights[name]:
                sums[name] = sums[name] + value
    return {name: total * (weights[name] / len(labels)) for name, total in sums.items()}


def annotated_terms(
    embeddings: torch.Tensor, labels: torch.Tensor, config: LossConfig, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Compute the terms that need annotations, unweighted; embeddings (E, N), labels (N,). Empty if there are none."""
    clusters = labels.unique()
    objects = clusters[clusters > 0]
    clusters = torch.cat((objects, clusters[clusters == BACKGROUND]))
    if not len(clusters):
        return {}
    masks = labels == clusters[:, None]  # (K, N)
    indicators = masks.to(embeddings.dtype)
    counts = indicators.sum(1)  # (K,)
    means = indicators @ embeddings.T / counts[:, None]  # (K, E)
    lengths = embeddings.square().sum(0)  # (N,)
    to_means = safe_sqrt(squared_distances(means, embeddings, lengths))  # (K, N)
    cluster_of, pixel = masks.nonzero(as_tuple=True)
    to_own_mean = to_means.flatten().index_select(0, cluster_of * len(labels) + pixel)
    terms = {
        "pull": pull(to_own_mean, cluster_of, counts, config.delta_var),
        "push": push(means, config.delta_dist),
        "regularizer": safe_sqrt(means.square().sum(1)).mean(),
    }
    if not len(objects):
        return terms
    n_objects = len(objects)
    points = means[:n_objects]
    if config.instance_anchor == "pixel":
        points = embeddings.T[pixel[random_member(counts[:n_objects], generator)]]
    masks_of_objects = soft_masks(points, embeddings, lengths, config)
    pooled = config.instance_dice == "pooled"
    terms["instance"] = dice_distance(masks_of_objects, indicators[:n_objects], pooled=pooled)
    unlabeled = labels == UNLABELED
    if unlabeled.any():
        terms["unlabeled_push"] = unlabeled_push(
            to_means[:n_objects], unlabeled, config.delta_dist, config.unlabeled_push_over
        )
    return terms


def pull(distances: torch.Tensor, cluster_of: torch.Tensor, counts: torch.Tensor, delta_var: float) -> torch.Tensor:
    """Pull pixels to their cluster's mean (Eq. 1): distances (M,) of labelled pixels to their own mean."""
    weight = 1.0 / (counts * len(counts))
    return (relu(distances - delta_var).square() * weight[cluster_of]).sum()


def push(means: torch.Tensor, delta_dist: float) -> torch.Tensor:
    """Push the means (K, E) apart (Eq. 2), averaged over the ordered pairs of different clusters; 0 for one cluster."""
    n_clusters = len(means)
    if n_clusters < 2:
        return means.sum() * 0.0
    first, second = torch.triu_indices(n_clusters, n_clusters, offset=1, device=means.device)
    distances = safe_sqrt((means[first] - means[second]).square().sum(1))
    return relu(2 * delta_dist - distances).square().mean()


def unlabeled_push(
    distances: torch.Tensor, unlabeled: torch.Tensor, delta_dist: float, over: str = "all"
) -> torch.Tensor:
    """Push unlabeled pixels from the means (Eq. 6): distances (C, N) of all pixels to the objects' means, mask (N,).

    `over="ball"` divides by the number of unlabeled pixels closer than `delta_dist` to the mean instead of all.
    """
    weight = unlabeled.to(distances.dtype)
    per_object = relu(delta_dist - distances).square() @ weight
    if over == "ball":
        return (per_object / ((distances < delta_dist) & unlabeled).sum(1).clamp(min=1)).mean()
    return per_object.mean() / weight.sum()


def consistency(
    student: torch.Tensor, teacher: torch.Tensor, anchors: torch.Tensor, config: LossConfig
) -> torch.Tensor:
    """Compare the soft masks that student and teacher grow from the same anchors (Eq. 7).

    Student and teacher embeddings (E, N), anchors (K,) pixel indices; gradient flows through the student alone.
    """
    soft_student = soft_masks(student.T[anchors], student, student.square().sum(0), config)
    with torch.no_grad():
        soft_teacher = soft_masks(teacher.T[anchors], teacher, teacher.square().sum(0), config)
    return dice_distance(soft_student, soft_teacher)


@torch.no_grad()
def draw_anchors(
    student: torch.Tensor,
    teacher: torch.Tensor,
    unlabeled: torch.Tensor,
    config: LossConfig,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draw unlabeled pixels until their balls cover the unlabeled region (Section 3.3); returns pixel indices (K,).

    A pixel is covered when student or teacher embeds it within `delta_var` of a drawn anchor. Taking uniformly drawn
    candidates in order and skipping covered ones equals drawing from the uncovered pixels one by one; the covered
    share is estimated on the candidates.
    """
    pixels = unlabeled.nonzero()[:, 0]
    share = len(pixels) / max(len(unlabeled), 1)
    if share < config.min_unlabeled or not len(pixels):
        return pixels[:0]
    drawn = torch.randint(len(pixels), (_N_CANDIDATES,), generator=generator)
    candidates = pixels[drawn.to(pixels.device)]
    covers = torch.zeros((), dtype=torch.bool, device=pixels.device)
    for embeddings in (student, teacher):
        points = embeddings[:, candidates]
        lengths = points.square().sum(0)
        covers = covers | (squared_distances(points.T, points, lengths) < config.delta_var**2)
    covers = covers.cpu()  # (candidates, candidates)
    uncovered = torch.ones(_N_CANDIDATES, dtype=torch.bool)
    chosen: list[int] = []
    while len(chosen) < config.max_anchors and uncovered.any():
        if uncovered.float().mean().item() * share < config.min_unlabeled:
            break
        chosen.append(int(uncovered.int().argmax()))
        uncovered &= ~covers[chosen[-1]]
        uncovered[chosen[-1]] = False
    return candidates[torch.tensor(chosen, dtype=torch.long, device=candidates.device)]


def dice_distance(masks: torch.Tensor, others: torch.Tensor, *, pooled: bool = False) -> torch.Tensor:
    """Return 1 - 2 sum(S T) / max(sum S^2 + sum T^2, 1e-6), per row of (K, N) and averaged, or pooled over rows."""
    overlap = (masks * others).sum(1)
    sizes = masks.square().sum(1) + others.square().sum(1)
    if pooled:
        overlap, sizes = overlap.sum(), sizes.sum()
    return (1.0 - 2.0 * overlap / sizes.clamp(min=_EPSILON)).mean()


def soft_masks(
    points: torch.Tensor, embeddings: torch.Tensor, lengths: torch.Tensor, config: LossConfig
) -> torch.Tensor:
    """Return exp(-|p - e|^2 / 2 sigma^2) for points (K, E) and embeddings (E, N) of squared `lengths` (N,) as (K, N).

    The exponent comes from one matrix product; no distance is ever computed.
    """
    scale = -1.0 / two_sigma_squared(config)
    exponents = torch.addmm((points.square().sum(1)[:, None] + lengths) * scale, points * (-2.0 * scale), embeddings)
    return exponents.exp()


def two_sigma_squared(config: LossConfig) -> float:
    """Return 2 sigma^2 of the Gaussian kernel that has the value `kernel_threshold` at distance `delta_var` (Eq. 3)."""
    return config.delta_var**2 / -math.log(config.kernel_threshold)


def squared_distances(points: torch.Tensor, embeddings: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return |p - e|^2 for points (K, E) and embeddings (E, N) of squared `lengths` (N,) as (K, N), by one product."""
    return torch.addmm(points.square().sum(1)[:, None] + lengths, points * -2.0, embeddings)


def safe_sqrt(squares: torch.Tensor) -> torch.Tensor:
    """Take the root, with gradient zero at zero; what rounding made negative counts as zero."""
    return squares.clamp(min=_TINY).sqrt()


def random_member(counts: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw one position per group out of groups of `counts` (K,) that lie one behind the other."""
    ends = counts.cumsum(0)
    drawn = torch.rand(len(counts), generator=generator, dtype=torch.float64).to(counts.device)
    return (ends - counts + torch.minimum((drawn * counts).floor(), counts - 1)).long()
