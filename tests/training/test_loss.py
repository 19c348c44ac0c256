"""The loss against numbers of the released code, closed forms, and a slow reference that follows the formulas.

`tests/golden/spoco_losses.npz` has the numbers of the released code and of the paper's forms. Everything is compared in
float64, values and gradients.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import relu

from napari_spoco.config import DISCRIMINATIVE_LOSS, LossConfig
from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED
from napari_spoco.training import loss, pixel_sums
from napari_spoco.training.clusters import Clusters

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "spoco_losses.npz")
CASES = ["case2d", "edge_one_object", "edge_sample0_unlabeled_only"]
THRESHOLDS = {"t50": 0.5, "t90": 0.9}
MEAN_ANCHOR = LossConfig(instance_anchor="mean")
RELEASED = LossConfig(instance_anchor="mean", instance_dice="pooled", background_instance=False)


def golden(*parts: str) -> torch.Tensor:
    return torch.from_numpy(GOLDEN["__".join(parts)])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed(config: LossConfig, **changes: object) -> LossConfig:
    return config.model_validate(config.model_dump() | changes)


@pytest.fixture
def fix_anchors(monkeypatch: pytest.MonkeyPatch):
    """Make the loss use given anchors, one tensor of pixel indices per image, instead of drawing them."""

    def fix(anchors: list[torch.Tensor]) -> None:
        queue = iter(anchors)
        monkeypatch.setattr(loss, "draw_anchors", lambda *_: next(queue))

    return fix


def golden_labels(case: str, mode: str) -> torch.Tensor:
    labels = golden(case, "target")
    return labels if mode == "sparse" else torch.where(labels == 0, BACKGROUND, labels)


def golden_anchors(case: str, threshold: str) -> list[torch.Tensor]:
    width = golden(case, "target").shape[-1]
    coordinates = [golden(case, threshold, "sparse", f"anchors_{index}") for index in (0, 1)]
    return [yx[:, 0] * width + yx[:, 1] for yx in coordinates]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("mode", ["sparse", "dense"])
@pytest.mark.parametrize("pooled", [False, True])
def test_terms_agree_with_the_released_code(case: str, threshold: str, mode: str, pooled: bool) -> None:
    dice = "pooled" if pooled else "per_object"
    config = changed(RELEASED, kernel_threshold=THRESHOLDS[threshold], instance_dice=dice, regularizer_weight=1.0)
    names = {
        "pull": "pull",
        "push": "push",
        "unlabeled_push": "upush",
        "regularizer": "alt_reg_selected_only" if mode == "sparse" else "reg",
        "instance": "dice" if pooled else "alt_dice_perinst",
    }
    student, labels = golden(case, "emb_f"), golden_labels(case, mode)
    for index in (0, 1):
        terms = loss.spoco_loss(student[index, None], None, labels[index, None], config, generator())
        for ours, theirs in names.items():
            expected = golden(case, threshold, mode, theirs)[index]
            torch.testing.assert_close(terms[ours], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_consistency_agrees_for_given_anchors(case: str, threshold: str, fix_anchors) -> None:
    config = LossConfig(kernel_threshold=THRESHOLDS[threshold])
    student, teacher, labels = golden(case, "emb_f"), golden(case, "emb_g"), golden(case, "target")
    for index, anchors in enumerate(golden_anchors(case, threshold)):
        expected = golden(case, threshold, "sparse", f"cons_per_anchor_{index}")
        for chosen, value in ((anchors, expected.mean()), (anchors[:1], expected[0])):
            fix_anchors([chosen])
            terms = loss.spoco_loss(*(x[index, None] for x in (student, teacher, labels)), config, generator())
            torch.testing.assert_close(terms["consistency"], value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("mode", ["sparse", "dense"])
def test_total_and_gradient_agree_with_the_paper_form(case: str, threshold: str, mode: str, fix_anchors) -> None:
    config = changed(
        MEAN_ANCHOR, kernel_threshold=THRESHOLDS[threshold], background_instance=False, regularizer_weight=0.0
    )
    labels = golden(case, "target")
    student = golden(case, "emb_f").requires_grad_()
    fix_anchors(golden_anchors(case, threshold))
    teacher = golden(case, "emb_g") if mode == "sparse" else None
    terms = loss.spoco_loss(student, teacher, golden_labels(case, mode), config, generator())
    reference_labels = labels if mode == "dense" else labels.clamp(min=0)
    total = sum(terms.values()) + 0.001 * sum(map(_length_of_all_means, student, reference_labels)) / 2
    total.backward()
    expected = golden(case, threshold, mode, "alt_paper_total")
    torch.testing.assert_close(total.detach(), expected, rtol=1e-9, atol=1e-9)
    if (name := f"{case}__{threshold}__{mode}__alt_paper_grad_emb_f") in GOLDEN:
        torch.testing.assert_close(student.grad.float(), golden(name), rtol=1e-5, atol=1e-7)


def _length_of_all_means(embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The reference regularises the mean of the unlabeled pixels too."""
    return torch.stack([embeddings[:, labels == k].mean(1).norm() for k in labels.unique()]).mean()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_gradient_of_the_released_dense_form_agrees(case: str, threshold: str, shared: Path) -> None:
    with np.load(shared / "golden" / "spoco_losses.npz") as arrays:
        key = f"{case}__{threshold}__dense__"
        if f"{key}grad_emb_f" not in arrays:
            pytest.skip("the released code was not differentiated here")
        expected, total = torch.from_numpy(arrays[f"{key}grad_emb_f"]), float(arrays[f"{key}total"])
    student = golden(case, "emb_f").requires_grad_()
    config = changed(RELEASED, kernel_threshold=THRESHOLDS[threshold], supervision="dense")
    terms = loss.spoco_loss(student, golden(case, "emb_g"), golden_labels(case, "dense"), config, generator())
    value = torch.stack(list(terms.values())).sum()
    value.backward()
    assert value.item() == pytest.approx(total, rel=1e-9)
    torch.testing.assert_close(student.grad, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.75, 0.9])
def test_kernel_agrees(threshold: float) -> None:
    config, name = LossConfig(kernel_threshold=threshold), f"t{round(threshold * 100)}"
    assert loss.two_sigma_squared(config) == pytest.approx(float(golden(f"kernel__two_sigma_sq_{name}")), rel=1e-12)
    distances = golden("kernel__d")
    masks = loss.soft_masks(torch.zeros((1, 1), dtype=torch.float64), distances[None], config)
    torch.testing.assert_close(masks[0], golden(f"kernel__{name}"), rtol=1e-12, atol=1e-12)


# The slow reference: every formula as it is written, by autograd alone.


def slow_terms(
    student: torch.Tensor,
    teacher: torch.Tensor,
    labels: torch.Tensor,
    anchors: torch.Tensor,
    config: LossConfig,
    known: dict[int, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """One image, weighted: embeddings (E, *spatial), labels (*spatial), anchors (K, ndim)."""
    objects = [int(k) for k in labels.unique() if k > 0]
    clusters = objects + [BACKGROUND] * bool((labels == BACKGROUND).any())
    used, unlabeled = labels != IGNORE, labels == UNLABELED
    means = {k: student[:, labels == k].mean(1) for k in clusters}
    zero = torch.zeros((), dtype=student.dtype)
    seen = {k: used & known.get(k, torch.ones_like(used)) for k in clusters}

    def squares(embeddings: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
        return sum((value - at) ** 2 for value, at in zip(embeddings, point, strict=True))

    def soft(embeddings: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
        return torch.exp(-squares(embeddings, point) / loss.two_sigma_squared(config))

    pull, unlabeled_push = [], []
    for k in clusters:
        lengths = squares(student, means[k])
        distances = torch.where(lengths > 0, lengths, 1.0).sqrt() * (lengths > 0)  # Gradient 0 at 0.
        pull.append((distances[labels == k] - config.delta_var).relu().square().mean())
        pushed = distances[unlabeled & seen[k]]
        if k in objects and len(pushed):
            hinges = (config.delta_dist - pushed).relu().square()
            over_ball = config.unlabeled_push_over == "ball"
            unlabeled_push.append(hinges.sum() / max(int((hinges > 0).sum()) if over_ball else len(pushed), 1))
    push = [
        (2 * config.delta_dist - (means[k] - means[m]).norm()).relu().square()
        for k in clusters
        for m in clusters
        if k != m
    ]
    with_background = config.background_instance and not unlabeled.any()
    compared = []
    for k in clusters if with_background else objects:
        last_pixel = (labels == k).nonzero()[-1]
        point = means[k] if config.instance_anchor == "mean" else student[:, *last_pixel]
        compared.append((soft(student, point)[seen[k]], (labels == k)[seen[k]].double()))
    consistent = [
        _dice([(soft(student, student[:, *at])[used], soft(teacher, teacher[:, *at])[used])]) for at in anchors
    ]
    compare = _dice if config.instance_loss == "dice" else _cross_entropy
    instance = [compare(compared)] if config.instance_dice == "pooled" else [compare([pair]) for pair in compared]
    terms = {
        "pull": pull,
        "push": push,
        "regularizer": [means[k].norm() for k in clusters],
        "instance": instance if compared else [],
        "unlabeled_push": unlabeled_push,
        "consistency": consistent if config.supervision != "dense" else [],
    }
    return {
        name: torch.stack(values or [zero]).mean() * getattr(config, f"{name}_weight") for name, values in terms.items()
    }


def _dice(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    return 1 - 2 * sum((s * t).sum() for s, t in pairs) / sum((s**2).sum() + (t**2).sum() for s, t in pairs)


def _cross_entropy(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    values = [-torch.cat((s[t == 1].log(), (1 - s[t == 0]).log())) for s, t in pairs]
    return torch.cat(values).mean()


def make_image(kind: str, shape: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    """Student, teacher, labels, anchors, and what is known."""
    rng = np.random.default_rng(3)
    labels = rng.choice([IGNORE, UNLABELED, BACKGROUND, 4, 7, 90_000], size=shape, p=[0.1, 0.3, 0.1, 0.2, 0.2, 0.1])
    known = {}
    if kind == "dense":
        labels[labels == UNLABELED] = BACKGROUND
    if kind == "planes":
        labels = np.where(labels == BACKGROUND, UNLABELED, labels)
        labels[::2][labels[::2] == 7] = UNLABELED
        labels[1:][labels[1:] == 90_000] = IGNORE
        known = {7: np.zeros(shape, bool), 90_000: np.zeros(shape, bool), 12: np.zeros(shape, bool)}
        known[7][1::2], known[90_000][:1] = True, True
    student = rng.normal(size=(5, *shape)) * 0.6
    student += rng.normal(size=(len(np.unique(labels)), 5))[np.unique(labels, return_inverse=True)[1]].transpose(
        -1, *range(len(shape))
    )
    teacher = student + rng.normal(size=student.shape) * 0.3
    anchors = np.argwhere(labels != IGNORE)[[3, 30, 60, 100]]
    return (
        *map(torch.from_numpy, (student, teacher, labels, anchors)),
        {k: torch.from_numpy(v) for k, v in known.items()},
    )


CONFIGS = {
    "paper": LossConfig(),
    "mean": MEAN_ANCHOR,
    "pooled": LossConfig(instance_dice="pooled"),
    "released": RELEASED,
    "bce": LossConfig(instance_loss="bce"),
    "bce_mean": LossConfig(instance_loss="bce", instance_anchor="mean"),
    "bce_pooled": LossConfig(instance_loss="bce", instance_dice="pooled"),
    "ball": LossConfig(unlabeled_push_over="ball"),
    "threshold": LossConfig(kernel_threshold=0.4),
    "margins": LossConfig(delta_var=0.8, delta_dist=1.1),
    "weights": LossConfig(
        pull_weight=0.3,
        push_weight=0.7,
        regularizer_weight=1.5,
        instance_weight=2.0,
        unlabeled_push_weight=0.4,
        consistency_weight=3.0,
    ),
    "dense": LossConfig(supervision="dense"),
    "dense_consistency": LossConfig(supervision="dense_consistency"),
    "discriminative": DISCRIMINATIVE_LOSS,
    **{f"no_{name}": LossConfig(**{f"{name}_weight": 0.0}) for name in loss.TERMS},
}


@pytest.mark.parametrize("shape", [(14, 17), (5, 8, 9)], ids=["2d", "3d"])
@pytest.mark.parametrize("kind", ["strokes", "dense", "planes"])
@pytest.mark.parametrize("name", CONFIGS)
def test_values_and_gradients_equal_the_slow_reference(
    name: str, kind: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, fix_anchors
) -> None:
    config = CONFIGS[name]
    student, teacher, labels, anchors, known = make_image(kind, shape)
    painted = labels.flatten()[torch.isin(labels.flatten(), ids_of(labels))]
    last = torch.stack([(painted == k).nonzero()[-1, 0] for k in ids_of(labels)])
    monkeypatch.setattr(Clusters, "draw_members", lambda *_: last)
    monkeypatch.setattr(pixel_sums, "_CPU_BLOCK", 1)  # The smallest blocks: several even here.
    fix_anchors([torch.from_numpy(np.ravel_multi_index(tuple(anchors.T.numpy()), shape))])

    inputs = [x.clone().requires_grad_() for x in (student, teacher)]
    terms = loss.spoco_loss(inputs[0][None], inputs[1][None], labels[None], config, generator(), [known])
    slow_inputs = [x.clone().requires_grad_() for x in (student, teacher)]
    expected = slow_terms(*slow_inputs, labels, anchors, config, known)
    torch.testing.assert_close(terms, expected, rtol=1e-9, atol=1e-12)
    torch.stack(list(terms.values())).sum().backward()
    torch.stack(list(expected.values())).sum().backward()
    for ours, slow in zip(inputs, slow_inputs, strict=True):
        gradient = torch.zeros_like(student) if slow.grad is None else slow.grad
        torch.testing.assert_close(
            torch.zeros_like(student) if ours.grad is None else ours.grad, gradient, rtol=1e-7, atol=1e-10
        )


def ids_of(labels: torch.Tensor) -> torch.Tensor:
    """Clusters in the order of the loss: objects, then the background."""
    ids = labels.unique()
    return torch.cat((ids[ids > 0], ids[ids == BACKGROUND]))


@pytest.mark.parametrize("name", ["paper", "mean", "bce", "ball"])
@pytest.mark.parametrize("kind", ["strokes", "dense", "planes"])
def test_derivatives_by_finite_differences(name: str, kind: str) -> None:
    student, teacher, labels, _, known = make_image(kind, (11, 11))

    def total(f: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        terms = loss.spoco_loss(f[None], g[None], labels[None], CONFIGS[name], generator(), [known])
        return torch.stack(list(terms.values()))

    inputs = [x[:2].clone().requires_grad_() for x in (student, teacher)]
    assert torch.autograd.gradcheck(total, inputs, fast_mode=True)


def test_images_of_a_batch_are_averaged(fix_anchors) -> None:
    images = [make_image(kind, (14, 17)) for kind in ("strokes", "dense", "planes")]
    unpainted = torch.full((14, 17), UNLABELED)
    images.append((*images[0][:2], unpainted, images[0][3], {}))
    images.append((*images[0][:2], torch.full_like(unpainted, IGNORE), images[0][3][:0], {}))
    student, teacher, labels = (torch.stack(x) for x in list(zip(*images, strict=True))[:3])
    known = [image[4] for image in images]
    anchors = [image[3][:, 0] * 17 + image[3][:, 1] for image in images]
    fix_anchors([*anchors, *anchors])
    student.requires_grad_()
    together = loss.spoco_loss(student, teacher, labels, MEAN_ANCHOR, generator(), known)
    alone = [
        loss.spoco_loss(student[i, None], teacher[i, None], labels[i, None], MEAN_ANCHOR, generator(), [known[i]])
        for i in range(len(images))
    ]
    averaged = {name: torch.stack([terms[name] for terms in alone]).mean() for name in together}
    torch.testing.assert_close(together, averaged, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(sum(terms.values()), student)[0] for terms in (together, averaged)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-14)
    assert gradients[0][-1].abs().sum() == 0


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_float32_is_close_to_float64(layout: torch.memory_format) -> None:
    """Also far from the origin, where the squares of long vectors would cancel."""
    student, teacher, labels, _, _ = make_image("strokes", (40, 50))
    results = {}
    for dtype in (torch.float32, torch.float64):
        f, g = ((x[None] + 50.0).float().to(dtype).contiguous(memory_format=layout) for x in (student, teacher))
        terms = loss.spoco_loss(f.requires_grad_(), g, labels[None], changed(MEAN_ANCHOR, **CUT_OFF), generator())
        sum(terms.values()).backward()
        results[dtype] = (torch.stack(list(terms.values())).double().detach(), f.grad.double())
    (values, gradient), (expected, expected_gradient) = results.values()
    torch.testing.assert_close(values, expected, rtol=1e-4, atol=1e-6)
    assert (gradient - expected_gradient).abs().max() < 1e-4 * expected_gradient.abs().max()


CUT_OFF = {"delta_var": 1e-3, "kernel_threshold": 0.999999}
"""Anchors are drawn alike in both precisions, since their balls hold no other pixel; masks are as wide as usual."""


def test_random_anchor_is_a_pixel_of_its_object() -> None:
    labels = torch.tensor([9, 4, IGNORE, 9, BACKGROUND, UNLABELED, 9, 7, 9, 4])
    clusters = Clusters.find(labels, {})
    drawn = torch.stack([clusters.draw_members(generator(seed)) for seed in range(200)])
    pixels = clusters.painted.pixels[drawn]
    assert [set(column.tolist()) for column in pixels.T] == [{1, 9}, {7}, {0, 3, 6, 8}, {4}]


def test_means_of_large_clusters_do_not_round() -> None:
    values = torch.rand((1, 1_000_000), generator=generator()) + 10
    clusters = Clusters.find(torch.ones(1_000_000, dtype=torch.long), {})
    assert clusters.means(values).item() == pytest.approx(values.double().mean().item(), rel=1e-6)


def test_background_is_pulled_and_pushed_but_is_no_object_beside_unlabeled_pixels() -> None:
    student, _, labels, _, _ = make_image("strokes", (12, 12))
    arguments = (MEAN_ANCHOR, generator())
    with_background = loss.spoco_loss(student[None], None, labels[None].clamp(max=4), *arguments)
    without = loss.spoco_loss(student[None], None, labels[None].clamp(min=IGNORE, max=4) * (labels > 0), *arguments)
    assert without["push"] == 0
    assert with_background["push"] > 0


def test_background_at_the_origin_is_one_cluster_in_all_images(rng) -> None:
    """Its pixels are pulled to zero, and objects are pushed from zero, in images without painted background too."""
    student = torch.from_numpy(rng.normal(size=(2, 3, 60)).astype(np.float32))
    labels = torch.zeros((2, 60), dtype=torch.long)
    labels[:, :20] = 1
    labels[0, 40:] = BACKGROUND
    config = LossConfig(background_embedding="origin", regularizer_weight=0.0, instance_weight=0.0)
    found = loss.spoco_loss(student, None, labels, config, torch.Generator())
    lengths = student[0, :, 40:].norm(dim=0)
    of_object = [(e[:, :20] - e[:, :20].mean(1, keepdim=True)).norm(dim=0) for e in student]
    pulled = [(relu(d - config.delta_var) ** 2).mean() for d in (*of_object, lengths)]
    torch.testing.assert_close(found["pull"], ((pulled[0] + pulled[2]) / 2 + pulled[1]) / 2)
    pushed = [relu(2 * config.delta_dist - e[:, :20].mean(1).norm()) ** 2 for e in student]
    torch.testing.assert_close(found["push"], sum(pushed) / 2)


def test_without_painted_background_nothing_is_pushed_from_the_origin(rng) -> None:
    student = torch.from_numpy(rng.normal(size=(1, 3, 60)).astype(np.float32))
    labels = (torch.arange(60)[None] // 20) % 3
    at_origin, at_mean = (
        loss.spoco_loss(student, None, labels, LossConfig(background_embedding=where), torch.Generator().manual_seed(0))
        for where in ("origin", "mean")
    )
    for name, value in at_origin.items():
        torch.testing.assert_close(value, at_mean[name])


def test_background_alone_is_an_object_where_nothing_is_unlabeled() -> None:
    embeddings = torch.rand((1, 4, 8, 8), generator=generator())
    labels = torch.full((1, 8, 8), BACKGROUND)
    assert loss.spoco_loss(embeddings, None, labels, LossConfig(), generator())["instance"] > 0
    config = LossConfig(background_instance=False)
    assert loss.spoco_loss(embeddings, None, labels, config, generator())["instance"] == 0


def test_ignored_pixels_change_nothing() -> None:
    student, teacher, labels, _, known = make_image("strokes", (14, 17))
    others = [torch.where(labels == IGNORE, x + 100.0, x) for x in (student, teacher)]
    results = []
    for f, g in ((student, teacher), others):
        f.requires_grad_()
        terms = loss.spoco_loss(f[None], g[None], labels[None], LossConfig(), generator(5), [known])
        (gradient,) = torch.autograd.grad(sum(terms.values()), f)
        assert gradient[:, labels == IGNORE].abs().max() == 0
        results.append((terms, gradient))
    torch.testing.assert_close(*results, rtol=0, atol=0)


def test_fully_annotated_crop_has_no_unlabeled_push_and_no_consistency() -> None:
    embeddings = torch.rand((1, 4, 8, 8), generator=generator())
    labels = torch.ones((1, 8, 8), dtype=torch.long)
    labels[0, 4:] = 2
    terms = loss.spoco_loss(embeddings, embeddings + 1, labels, LossConfig(), generator())
    assert terms["unlabeled_push"] == 0
    assert terms["consistency"] == 0
    assert terms["push"] > 0


def test_only_dense_consistency_compares_the_views_of_a_fully_annotated_crop() -> None:
    student, teacher, labels, _, _ = make_image("dense", (14, 17))
    values = {
        mode: loss.spoco_loss(student[None], teacher[None], labels[None], LossConfig(supervision=mode), generator())[
            "consistency"
        ].item()
        for mode in ("sparse", "dense", "dense_consistency")
    }
    assert values["sparse"] == values["dense"] == 0
    assert values["dense_consistency"] > 0


def test_discriminative_loss_is_pull_push_and_regularizer() -> None:
    student, teacher, labels, _, _ = make_image("strokes", (14, 17))
    full, baseline = (
        loss.spoco_loss(student[None], teacher[None], labels[None], config, generator())
        for config in (LossConfig(), DISCRIMINATIVE_LOSS)
    )
    for name in ("pull", "push", "regularizer"):
        assert baseline[name] == full[name] > 0
    for name in ("instance", "unlabeled_push", "consistency"):
        assert baseline[name] == 0 < full[name]


def test_anchors_cover_the_unlabeled_region_and_stop() -> None:
    embeddings = torch.zeros((2, 900))
    embeddings[0, 300:600], embeddings[0, 600:] = 5.0, 10.0
    labels = torch.full((900,), UNLABELED)
    labels[600:] = 1

    def draw(values: torch.Tensor, config: LossConfig = MEAN_ANCHOR) -> torch.Tensor:
        return loss.draw_anchors(values, values, Clusters.find(labels, {}), config, generator())

    assert sorted((draw(embeddings) // 300).tolist()) == [0, 1]
    assert sorted((draw(embeddings, LossConfig(supervision="dense_consistency")) // 300).tolist()) == [0, 1, 2]
    spread = torch.arange(1800.0).reshape(2, 900)
    assert len(draw(spread)) == 20
    labels[40:] = 1
    assert len(draw(embeddings)) == 0
    labels[100:] = IGNORE
    assert len(draw(embeddings)) == 1


@pytest.mark.parametrize("value", [0.0, 3.7], ids=["origin", "elsewhere"])
@pytest.mark.parametrize("name", CONFIGS)
def test_gradient_is_finite_where_distances_are_zero(name: str, value: float) -> None:
    embeddings = torch.full((1, 4, 6, 6), value, requires_grad=True)
    labels = torch.zeros((1, 6, 6), dtype=torch.long)
    labels[0, :2], labels[0, 4:] = 1, 2
    terms = loss.spoco_loss(embeddings, embeddings.detach(), labels, CONFIGS[name], generator())
    sum(terms.values()).backward()
    assert torch.isfinite(torch.stack(list(terms.values()))).all()
    assert torch.isfinite(embeddings.grad).all()
    assert embeddings.grad.abs().max() < 0.1


@pytest.mark.parametrize("kind", ["strokes", "dense"])
@pytest.mark.parametrize("shape", [(14, 17), (5, 8, 9)], ids=["2d", "3d"])
def test_masks_of_the_objects_give_the_instance_term(kind: str, shape: tuple[int, ...]) -> None:
    student, _, labels, _, _ = make_image(kind, shape)
    config = changed(MEAN_ANCHOR, background_instance=False)
    embeddings = student.flatten(1).requires_grad_()
    soft, target = loss.instance_masks(embeddings, labels.flatten(), config, generator())
    torch.testing.assert_close(target, (labels.flatten() == torch.tensor([[4], [7], [90_000]])).double())
    assert soft[:, labels.flatten() == IGNORE].abs().max() == 0
    dice = torch.stack([_dice([pair]) for pair in zip(soft, target, strict=True)]).mean()
    terms = loss.spoco_loss(embeddings[None], None, labels.flatten()[None], config, generator())
    torch.testing.assert_close(dice, terms["instance"], rtol=1e-9, atol=1e-12)
    gradients = [torch.autograd.grad(value, embeddings)[0] for value in (dice, terms["instance"])]
    torch.testing.assert_close(*gradients, rtol=1e-7, atol=1e-12)


def test_masks_of_an_image_without_objects_are_none() -> None:
    soft, target = loss.instance_masks(
        torch.rand((4, 9), generator=generator()), torch.full((9,), BACKGROUND), LossConfig(), generator()
    )
    assert soft.shape == target.shape == (0, 9)


def test_one_known_mapping_per_image() -> None:
    with pytest.raises(ValueError, match="zip"):
        loss.spoco_loss(
            torch.zeros((2, 3, 4, 4)), None, torch.ones((2, 4, 4), dtype=torch.long), LossConfig(), generator(), [{}]
        )
