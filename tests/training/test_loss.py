"""The loss against numbers of the released code and closed forms (tests/golden/spoco_losses.npz), in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import LossConfig
from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED
from napari_spoco.training import loss

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "spoco_losses.npz")
CASES = ["case2d", "edge_one_object", "edge_sample0_unlabeled_only"]
THRESHOLDS = {"t50": 0.5, "t90": 0.9}


def golden(*parts: str) -> torch.Tensor:
    return torch.from_numpy(GOLDEN["__".join(parts)])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def terms_of(case: str, index: int, config: LossConfig, *, dense: bool = False) -> dict[str, torch.Tensor]:
    labels = golden(case, "target")[index].flatten()
    if dense:
        labels = torch.where(labels == 0, BACKGROUND, labels)
    return loss.annotated_terms(golden(case, "emb_f")[index].flatten(1), labels, config, generator())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("mode", ["sparse", "dense"])
@pytest.mark.parametrize("pooled", [False, True])
def test_terms_agree_with_the_released_code(case: str, threshold: str, mode: str, pooled: bool) -> None:
    config = LossConfig(
        kernel_threshold=THRESHOLDS[threshold],
        instance_anchor="mean",
        instance_dice="pooled" if pooled else "per_object",
    )
    names = {
        "pull": "pull",
        "push": "push",
        "unlabeled_push": "upush",
        "regularizer": "alt_reg_selected_only" if mode == "sparse" else "reg",
        "instance": "dice" if pooled else "alt_dice_perinst",
    }
    for index in (0, 1):
        terms = terms_of(case, index, config, dense=mode == "dense")
        for ours, theirs in names.items():
            expected = golden(case, threshold, mode, theirs)[index]
            torch.testing.assert_close(terms.get(ours, torch.zeros_like(expected)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_consistency_agrees_for_given_anchors(case: str, threshold: str) -> None:
    config = LossConfig(kernel_threshold=THRESHOLDS[threshold])
    student, teacher = golden(case, "emb_f"), golden(case, "emb_g")
    for index in (0, 1):
        coordinates = golden(case, threshold, "sparse", f"anchors_{index}")
        anchors = coordinates[:, 0] * student.shape[-1] + coordinates[:, 1]
        value = loss.consistency(student[index].flatten(1), teacher[index].flatten(1), anchors, config)
        expected = golden(case, threshold, "sparse", f"cons_per_anchor_{index}").mean()
        torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_total_and_gradient_agree_with_the_paper_form(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = LossConfig(kernel_threshold=0.5, instance_anchor="mean", regularizer_weight=0.0)
    student, labels = golden(case, "emb_f").requires_grad_(), golden(case, "target")
    fixed = iter([golden(case, "t50", "sparse", f"anchors_{index}") for index in (0, 1)])
    width = student.shape[-1]
    monkeypatch.setattr(loss, "draw_anchors", lambda *_: (lambda yx: yx[:, 0] * width + yx[:, 1])(next(fixed)))
    terms = loss.spoco_loss(student, golden(case, "emb_g"), labels, config, generator())
    total = sum(terms.values()) + 0.001 * sum(_length_of_all_means(student[i], labels[i]) for i in (0, 1)) / 2
    total.backward()
    torch.testing.assert_close(total.detach(), golden(case, "t50", "sparse", "alt_paper_total"), rtol=1e-9, atol=1e-9)
    expected = golden(case, "t50", "sparse", "alt_paper_grad_emb_f")
    torch.testing.assert_close(student.grad.float(), expected, rtol=1e-5, atol=1e-7)


def _length_of_all_means(embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The reference regularises the mean of the unlabeled pixels too."""
    return torch.stack([embeddings[:, labels == k].mean(1).norm() for k in labels.unique()]).mean()


def test_kernel_width_agrees() -> None:
    for threshold in (0.25, 0.5, 0.75, 0.9):
        expected = golden(f"kernel__two_sigma_sq_t{round(threshold * 100)}")
        assert loss.two_sigma_squared(LossConfig(kernel_threshold=threshold)) == pytest.approx(
            float(expected), rel=1e-12
        )


def slow_terms(embeddings: torch.Tensor, labels: torch.Tensor, config: LossConfig) -> dict[str, float]:
    """Follow the formulas literally: a distance map per object, loops over objects and pairs."""
    ids = [int(k) for k in labels.unique() if k > 0]
    used = labels != IGNORE
    means = [embeddings[:, labels == k].mean(1) for k in ids]
    maps = [(embeddings - mean.reshape(-1, *[1] * labels.ndim)).norm(dim=0) for mean in means]
    n, width = len(ids), loss.two_sigma_squared(config)
    dice = []
    for distance, k in zip(maps, ids, strict=True):
        soft, mask = torch.exp(-(distance**2) / width)[used], (labels == k)[used].double()
        dice.append(1 - 2 * (soft * mask).sum() / (soft.square().sum() + mask.square().sum()))
    hinge = [
        (2 * config.delta_dist - (means[i] - means[j]).norm()).relu() ** 2 for i in range(n) for j in range(n) if i != j
    ]
    return {
        "pull": float(
            sum((d[labels == k] - config.delta_var).relu().square().mean() for d, k in zip(maps, ids, strict=True)) / n
        ),
        "push": float(sum(hinge) / (n * (n - 1))),
        "regularizer": float(sum(mean.norm() for mean in means) / n),
        "instance": float(sum(dice) / n),
        "unlabeled_push": float(sum((config.delta_dist - d[labels == 0]).relu().square().mean() for d in maps) / n),
    }


@pytest.mark.parametrize("shape", [(14, 17), (5, 8, 9)], ids=["2d", "3d"])
def test_terms_equal_the_literal_formulas(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    labels = torch.from_numpy(rng.choice([IGNORE, UNLABELED, 4, 7, 9], size=shape, p=[0.1, 0.4, 0.2, 0.2, 0.1]))
    embeddings = torch.from_numpy(rng.normal(size=(8, *shape)))
    config = LossConfig(instance_anchor="mean", regularizer_weight=1.0)
    terms = loss.spoco_loss(embeddings[None], None, labels[None], config, generator())
    for name, expected in slow_terms(embeddings, labels, config).items():
        assert float(terms[name]) == pytest.approx(expected, rel=1e-9), name
    assert float(terms["consistency"]) == 0.0


def test_random_anchor_is_a_pixel_of_its_object() -> None:
    counts = torch.tensor([3.0, 1.0, 6.0])
    drawn = torch.stack([loss.random_member(counts, generator(seed)) for seed in range(300)])
    assert [set(column.tolist()) for column in drawn.T] == [{0, 1, 2}, {3}, {4, 5, 6, 7, 8, 9}]


def test_background_is_pulled_and_pushed_but_is_no_object() -> None:
    rng = np.random.default_rng(0)
    embeddings = torch.from_numpy(rng.normal(size=(1, 4, 12, 12)))
    labels = torch.zeros((1, 12, 12), dtype=torch.long)
    labels[0, :4], labels[0, 8:] = 1, BACKGROUND
    with_background = loss.annotated_terms(embeddings[0].flatten(1), labels.flatten(), LossConfig(), generator())
    without = loss.annotated_terms(embeddings[0].flatten(1), labels.flatten().clamp(min=0), LossConfig(), generator())
    assert without["push"] == 0
    assert with_background["push"] > 0
    assert with_background["instance"] == without["instance"]


def test_ignored_pixels_change_nothing() -> None:
    rng = np.random.default_rng(1)
    embeddings = torch.from_numpy(rng.normal(size=(1, 4, 10, 10)))
    labels = torch.zeros((1, 10, 10), dtype=torch.long)
    labels[0, 2:5, 2:5], labels[0, :, 7:] = 1, IGNORE
    other = embeddings.clone()
    other[..., 7:] += 100.0
    config = LossConfig()
    first = loss.spoco_loss(embeddings, embeddings + 0.1, labels, config, generator(5))
    second = loss.spoco_loss(other, other + 0.1, labels, config, generator(5))
    assert {name: float(value) for name, value in first.items()} == {
        name: float(value) for name, value in second.items()
    }


def test_fully_annotated_crop_has_no_unlabeled_push_and_no_consistency() -> None:
    embeddings = torch.rand((1, 4, 8, 8), generator=generator())
    labels = torch.ones((1, 8, 8), dtype=torch.long)
    labels[0, 4:] = 2
    terms = loss.spoco_loss(embeddings, embeddings + 1, labels, LossConfig(), generator())
    assert terms["unlabeled_push"] == 0
    assert terms["consistency"] == 0
    assert terms["push"] > 0


def test_anchors_cover_the_unlabeled_region_and_stop() -> None:
    embeddings = torch.zeros((2, 900))
    embeddings[0, 300:600], embeddings[0, 600:] = 5.0, 10.0
    unlabeled = torch.ones(900, dtype=torch.bool)
    unlabeled[600:] = False
    anchors = loss.draw_anchors(embeddings, embeddings, unlabeled, LossConfig(), generator())
    assert sorted((anchors // 300).tolist()) == [0, 1]
    spread = torch.arange(1800.0).reshape(2, 900)
    assert len(loss.draw_anchors(spread, spread, unlabeled, LossConfig(), generator())) == 20
    unlabeled[40:] = False
    assert len(loss.draw_anchors(embeddings, embeddings, unlabeled, LossConfig(), generator())) == 0


def test_ball_counts_only_the_pixels_that_are_pushed() -> None:
    distances = torch.tensor([[0.0, 1.0, 5.0, 9.0, 0.5]])
    unlabeled = torch.tensor([True, True, True, True, False])
    assert loss.unlabeled_push(distances, unlabeled, 2.0, "all") == pytest.approx((4 + 1) / 4)
    assert loss.unlabeled_push(distances, unlabeled, 2.0, "ball") == pytest.approx((4 + 1) / 2)


def test_gradient_is_finite_where_distances_are_zero() -> None:
    embeddings = torch.zeros((1, 4, 6, 6), requires_grad=True)
    labels = torch.zeros((1, 6, 6), dtype=torch.long)
    labels[0, :2], labels[0, 4:] = 1, 2
    sum(loss.spoco_loss(embeddings, embeddings.detach(), labels, LossConfig(), generator()).values()).backward()
    assert torch.isfinite(embeddings.grad).all()
