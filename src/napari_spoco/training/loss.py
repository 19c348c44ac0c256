"""The SPOCO loss: six terms that learn embeddings from masks of a few objects.

Each term is a small function of one image; `spoco_loss` weights them and averages over the batch. Source: Wolny et
al., CVPR 2022, equations named at each term; where the released code differs, `LossConfig` has the option and
docs/method.md says why. What a term needs of every pixel comes as sums from one pass over the image
(`pixel_sums.py`): `<term>_request` says which, `<term>` is the formula over them. Labels: instances > 0,
`UNLABELED` = 0, `BACKGROUND` = -1 is one more cluster that is pulled together and pushed from the others (around its
mean, or around zero, so that it is one cluster in all patches and images), `IGNORE` = -2 takes no part at all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import relu

from napari_spoco.data.annotations import IGNORE, UNLABELED
from napari_spoco.training.clusters import Clusters
from napari_spoco.training.pixel_sums import Request, pixel_sums, take_pixels
from napari_spoco.training.summands import PaintedCrossEntropy, PaintedDice, UnlabeledHinge, ViewsDice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import LossConfig

TERMS = ("pull", "push", "regularizer", "instance", "unlabeled_push", "consistency")
_EPSILON = 1e-6
_TINY = 1e-24
"""Squared distances below this count as zero."""
_N_CANDIDATES = 256
"""Pixels among which the anchors of the consistency term are drawn."""


def spoco_loss(
    student: torch.Tensor,
    teacher: torch.Tensor | None,
    labels: torch.Tensor,
    config: LossConfig,
    generator: torch.Generator,
    known: Sequence[Mapping[int, torch.Tensor]] | None = None,
) -> dict[str, torch.Tensor]:
    """Compute the weighted terms of the loss (Eq. 8); their sum is the loss.

    Parameters
    ----------
    student
        Embeddings (B, E, *spatial) of the student, with gradient.
    teacher
        Embeddings of the teacher for the second view, same shape; None leaves the consistency term out. Gradient flows
        into them if they require it.
    labels
        (B, *spatial), integers.
    config
        Weights, margins and options. A term of weight 0 is not computed.
    generator
        Source of the random anchors, on the CPU.
    known
        Per image the objects that are known in a part of it only: bool (*spatial) by instance id. Elsewhere nothing is
        known about that object: its instance term is summed over its known pixels, and it pushes unlabeled pixels
        where it is known. Its own painted pixels are always known.

    Returns
    -------
    dict of str to torch.Tensor
        Scalar per term: pull, push, regularizer, instance, unlabeled_push, consistency; each weighted and averaged over
        the batch.
    """
    # In the layout of a channels-last network every pass over the pixels would take a quarter longer.
    labels, student = labels.flatten(1), student.flatten(2).contiguous()  # (B, N), (B, E, N)
    images = [Clusters.find(*image) for image in zip(labels, known or [{}] * len(labels), strict=True)]
    student, painted = take_pixels(student, [clusters.painted.pixels for clusters in images])
    terms: list[dict[str, torch.Tensor]] = []
    requests: list[dict[str, Request]] = []
    at_origin = config.background_embedding == "origin" and any(clusters.has_background for clusters in images)
    for embeddings, clusters in zip(painted, images, strict=True):
        means = clusters.means(embeddings)
        if at_origin and clusters.has_background:
            means = torch.cat((means[:-1], torch.zeros_like(means[-1:])))
        terms.append(mean_terms(embeddings, means, clusters, config, at_origin=at_origin))
        requests.append(object_requests(embeddings, means, clusters, config, generator))
    if teacher is not None and config.consistency_weight and config.supervision != "dense":
        teacher = teacher.flatten(2).contiguous()
        anchors = [
            draw_anchors(*views, config, generator)
            for views in zip(student.detach(), teacher.detach(), images, strict=True)
        ]
        student, student_points = take_pixels(student, anchors)
        teacher, teacher_points = take_pixels(teacher, anchors)
        for of_image, f, g in zip(requests, student_points, teacher_points, strict=True):
            if f.shape[1]:
                of_image["consistency"] = consistency_request(f, g, config)
    all_sums = pixel_sums(student, teacher, requests, labels == IGNORE)
    for found, sums, clusters in zip(terms, all_sums, images, strict=True):
        found |= summed_terms(sums, clusters, config)
    return {name: average(terms, name, getattr(config, f"{name}_weight"), student.new_zeros(())) for name in TERMS}


def average(terms: list[dict[str, torch.Tensor]], name: str, weight: float, zero: torch.Tensor) -> torch.Tensor:
    """Return the weighted mean of a term over the images; it counts as zero where it does not apply."""
    return sum((of_image[name] for of_image in terms if name in of_image), zero) * (weight / len(terms))


def mean_terms(
    embeddings: torch.Tensor, means: torch.Tensor, clusters: Clusters, config: LossConfig, *, at_origin: bool
) -> dict[str, torch.Tensor]:
    """Compute the terms of one image, unweighted, that need the painted pixels (E, M) and their means (K, E) only.

    `at_origin` says that the embedding of the background is zero, whether or not some is painted in this image.
    """
    terms: dict[str, torch.Tensor] = {}
    if config.pull_weight and len(means):
        terms["pull"] = pull(embeddings, means, clusters, config)
    if config.push_weight and len(means):
        is_missing = at_origin and not clusters.has_background
        terms["push"] = push(torch.cat((means, torch.zeros_like(means[:1]))) if is_missing else means, config)
    if config.regularizer_weight and len(means):
        terms["regularizer"] = regularizer(means)
    return terms


def object_requests(
    embeddings: torch.Tensor, means: torch.Tensor, clusters: Clusters, config: LossConfig, generator: torch.Generator
) -> dict[str, Request]:
    """Ask for the sums over all pixels of one image that its instance term and its unlabeled push need."""
    requests: dict[str, Request] = {}
    if config.instance_weight and count_instances(clusters, config):
        points = instance_points(embeddings, means, clusters, config, generator)
        requests["instance"] = instance_request(points, clusters, config)
    if config.unlabeled_push_weight and clusters.n_objects and clusters.n_unlabeled:
        requests["unlabeled_push"] = unlabeled_push_request(means, clusters, config)
    return requests


def summed_terms(sums: dict[str, torch.Tensor], clusters: Clusters, config: LossConfig) -> dict[str, torch.Tensor]:
    """Compute the terms of one image, unweighted, from the sums that were asked for."""
    terms: dict[str, torch.Tensor] = {}
    if "instance" in sums:
        terms["instance"] = instance(sums["instance"], clusters, config)
    if "unlabeled_push" in sums:
        terms["unlabeled_push"] = unlabeled_push(sums["unlabeled_push"], clusters, config)
    if "consistency" in sums:
        terms["consistency"] = consistency(sums["consistency"])
    return terms


def pull(embeddings: torch.Tensor, means: torch.Tensor, clusters: Clusters, config: LossConfig) -> torch.Tensor:
    """Pull the painted pixels, embeddings (E, M), to the mean (K, E) of their cluster (Eq. 1)."""
    rows = clusters.painted.rows
    distances = safe_sqrt((embeddings - means.T.index_select(1, rows)).square().sum(0))
    weights = 1.0 / (clusters.counts.to(means.dtype) * len(means))
    return (relu(distances - config.delta_var).square() * weights[rows]).sum()


def push(means: torch.Tensor, config: LossConfig) -> torch.Tensor:
    """Push the means (K, E) apart (Eq. 2), averaged over the ordered pairs of different clusters; 0 for one cluster."""
    n_clusters = len(means)
    if n_clusters < 2:
        return means.new_zeros(())
    first, second = torch.triu_indices(n_clusters, n_clusters, offset=1, device=means.device)
    distances = safe_sqrt((means[first] - means[second]).square().sum(1))
    return relu(2 * config.delta_dist - distances).square().mean()


def regularizer(means: torch.Tensor) -> torch.Tensor:
    """Return the mean length of the means (K, E) of the labels in use."""
    return safe_sqrt(means.square().sum(1)).mean()


def count_instances(clusters: Clusters, config: LossConfig) -> int:
    """Return how many clusters have an instance term: the objects, and the background where nothing is unlabeled."""
    with_background = config.background_instance and clusters.has_background and not clusters.n_unlabeled
    return clusters.n_objects + int(with_background)


def instance_points(
    embeddings: torch.Tensor, means: torch.Tensor, clusters: Clusters, config: LossConfig, generator: torch.Generator
) -> torch.Tensor:
    """Return what stands for each object (a_k in Eq. 3), (C, E): a random pixel of it, or its mean."""
    n_instances = count_instances(clusters, config)
    if config.instance_anchor == "mean":
        return means[:n_instances]
    return embeddings.index_select(1, clusters.draw_members(generator)[:n_instances]).T


def instance_request(points: torch.Tensor, clusters: Clusters, config: LossConfig) -> Request:
    """Ask for the sums over the soft masks around the points (C, E) that `instance` needs."""
    summand = PaintedDice if config.instance_loss == "dice" else PaintedCrossEntropy
    painted = clusters.painted.of_first(len(points))
    return Request(summand(painted, clusters.unknown), points, binary_exponent(config))


def instance(sums: torch.Tensor, clusters: Clusters, config: LossConfig) -> torch.Tensor:
    """Compare soft masks with painted ones (Eq. 4): sums (C, 2) of the Dice, or (C, 1) of the binary cross-entropy."""
    n_instances, is_pooled = len(sums), config.instance_dice == "pooled"
    if config.instance_loss == "dice":
        overlaps, sizes = sums.unbind(1)
        return dice_distance(overlaps, sizes + clusters.counts[:n_instances], pooled=is_pooled)
    n_pixels = clusters.count_known(clusters.labels != IGNORE, n_instances)
    return sums.sum() / n_pixels.sum() if is_pooled else (sums[:, 0] / n_pixels).mean()


def unlabeled_push_request(means: torch.Tensor, clusters: Clusters, config: LossConfig) -> Request:
    """Ask for the sums over the unlabeled pixels around the means of the objects that `unlabeled_push` needs."""
    weights = (clusters.labels == UNLABELED).to(means.dtype)
    summand = UnlabeledHinge(weights, config.delta_dist, clusters.unknown, counts=config.unlabeled_push_over == "ball")
    return Request(summand, means[: clusters.n_objects])


def unlabeled_push(sums: torch.Tensor, clusters: Clusters, config: LossConfig) -> torch.Tensor:
    """Push unlabeled pixels from the means (Eq. 6): sums (C, 2) of squared hinges, and of pixels inside the margin.

    `unlabeled_push_over="ball"` divides by the number of unlabeled pixels inside the margin instead of all.
    """
    hinges, n_inside = sums.unbind(1)
    n_pixels = clusters.count_known(clusters.labels == UNLABELED, len(sums))
    return (hinges / (n_inside if config.unlabeled_push_over == "ball" else n_pixels).clamp(min=1)).mean()


def consistency_request(points: torch.Tensor, teacher_points: torch.Tensor, config: LossConfig) -> Request:
    """Ask for the sums over the soft masks of both views around their anchors (E, K) that `consistency` needs."""
    return Request(ViewsDice(teacher_points.requires_grad), points.T, binary_exponent(config), teacher_points.T)


def consistency(sums: torch.Tensor) -> torch.Tensor:
    """Compare the soft masks of student and teacher (Eq. 7): sums (K, 3) of their Dice."""
    overlaps, sizes, teacher_sizes = sums.unbind(1)
    return dice_distance(overlaps, sizes + teacher_sizes)


@torch.no_grad()
def draw_anchors(
    student: torch.Tensor, teacher: torch.Tensor, clusters: Clusters, config: LossConfig, generator: torch.Generator
) -> torch.Tensor:
    """Draw pixels until their balls cover the unlabeled region (Section 3.2); returns pixel indices (K,).

    A pixel is covered when student or teacher, embeddings (E, N), have it within `delta_var` of a drawn anchor. Taking
    uniformly drawn candidates in order and skipping covered ones equals drawing from the uncovered pixels one by one;
    the covered share of the image is estimated on the candidates. With dense supervision the region is the image.
    """
    is_sparse = config.supervision == "sparse"
    region = clusters.labels == UNLABELED if is_sparse else clusters.labels != IGNORE
    pixels = region.nonzero()[:, 0]
    share = len(pixels) / max(clusters.n_used, 1)
    if share < config.min_unlabeled or not len(pixels):
        return pixels[:0]
    drawn = torch.randint(len(pixels), (_N_CANDIDATES,), generator=generator)
    candidates = pixels[drawn.to(pixels.device)]
    covers = torch.zeros((), dtype=torch.bool, device=pixels.device)
    for embeddings in (student, teacher):
        points = embeddings.index_select(1, candidates)
        covers = covers | (squared_distances(points.T, points) < config.delta_var**2)
    chosen = _first_uncovered(covers.cpu().numpy(), config.min_unlabeled / share, config.max_anchors)
    return candidates[torch.tensor(chosen, dtype=torch.long, device=candidates.device)]


def _first_uncovered(covers: NDArray[np.bool_], least_share: float, most: int) -> list[int]:
    """Take candidates in order that none before has covered, until few are left; `covers` (K, K), row covers column."""
    uncovered = np.ones(len(covers), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < most and uncovered.any() and uncovered.mean() >= least_share:
        chosen.append(int(uncovered.argmax()))
        uncovered &= ~covers[chosen[-1]]
        uncovered[chosen[-1]] = False
    return chosen


def instance_masks(
    embeddings: torch.Tensor, labels: torch.Tensor, config: LossConfig, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return soft and painted masks, both (K, N), of the objects of one image: what a critic is to tell apart.

    Embeddings (E, N), labels (N,). Soft masks are differentiable and 0 where labels are `IGNORE`; K may be 0.
    """
    clusters = Clusters.find(labels, {})
    painted = embeddings.index_select(1, clusters.painted.pixels)
    points = instance_points(painted, clusters.means(painted), clusters, config, generator)[: clusters.n_objects]
    pixels, rows = clusters.painted.of_first(len(points))
    targets = torch.zeros((len(points), len(labels)), dtype=embeddings.dtype, device=embeddings.device)
    targets[rows, pixels] = 1.0
    return soft_masks(points, embeddings, config) * (labels != IGNORE), targets


def soft_masks(points: torch.Tensor, embeddings: torch.Tensor, config: LossConfig) -> torch.Tensor:
    """Return exp(-|p - e|^2 / 2 sigma^2) (Eq. 3) for points (K, E) and embeddings (E, N) as (K, N)."""
    return torch.exp2(squared_distances(points, embeddings) * binary_exponent(config))


def dice_distance(overlaps: torch.Tensor, sizes: torch.Tensor, *, pooled: bool = False) -> torch.Tensor:
    """Return 1 - 2 overlap / max(size, 1e-6) from the overlaps sum(S T) and sizes sum(S^2) + sum(T^2), both (K,).

    Averaged over the K pairs of masks, or with the sums pooled over them.
    """
    if pooled:
        overlaps, sizes = overlaps.sum(), sizes.sum()
    return (1.0 - 2.0 * overlaps / sizes.clamp(min=_EPSILON)).mean()


def two_sigma_squared(config: LossConfig) -> float:
    """Return 2 sigma^2 of the Gaussian kernel that has the value `kernel_threshold` at distance `delta_var` (Eq. 3)."""
    return config.delta_var**2 / -math.log(config.kernel_threshold)


def binary_exponent(config: LossConfig) -> float:
    """Return the factor of the squared distance in the soft mask (Eq. 3) written as a power of 2."""
    return -1.0 / (two_sigma_squared(config) * math.log(2.0))


def squared_distances(points: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
    """Return |p - e|^2 for points (K, E) and embeddings (E, N) as (K, N), by one product."""
    lengths = points.square().sum(1)[:, None] + embeddings.square().sum(0)
    return torch.addmm(lengths, points, embeddings, alpha=-2.0)


def safe_sqrt(squares: torch.Tensor) -> torch.Tensor:
    """Take the root, with gradient zero at zero; what rounding made negative counts as zero."""
    return squares.clamp(min=_TINY).sqrt()
