"""The critic: formulas against literal ones, and that it learns, speaks to the network and goes on from its state."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import torch
from torch import nn

from napari_spoco.config import AdversarialConfig, LossConfig
from napari_spoco.data.annotations import IGNORE
from napari_spoco.training import adversarial
from napari_spoco.training.adversarial import AdversarialTerm, Critic, critic_loss, generator_loss, gradient_penalty

PATCHES = [pytest.param((16, 24), id="2D"), pytest.param((8, 16, 16), id="3D")]
CPU = torch.device("cpu")


class LinearCritic(nn.Module):
    """D(x) = <w, x>, whose gradient is w everywhere."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, masks: torch.Tensor) -> torch.Tensor:
        return masks.flatten(1) @ self.weight


class QuadraticCritic(nn.Module):
    """D(x) = |x|^2 / 2, whose gradient is x."""

    def forward(self, masks: torch.Tensor) -> torch.Tensor:
        return masks.flatten(1).square().sum(1) / 2


def random_masks(shape: tuple[int, ...], seed: int, n_masks: int = 5) -> torch.Tensor:
    return torch.rand((n_masks, 1, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def make_term() -> Callable[..., AdversarialTerm]:
    """Return a small critic's term."""

    def make(patch_shape: tuple[int, ...], *, anchor: str = "pixel", **options: float) -> AdversarialTerm:
        config = AdversarialConfig(enabled=True, **{"feature_maps": (4, 8), "critic_steps": 2, **options})
        loss_config = LossConfig(instance_anchor=anchor)
        return AdversarialTerm(config, loss_config, len(patch_shape), patch_shape, CPU, seed=0)

    return make


def batch(patch_shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return embeddings (2, 3, *patch) and labels (2, *patch) of two objects and of one, with some pixels ignored."""
    embeddings = torch.randn((2, 3, *patch_shape), generator=torch.Generator().manual_seed(1))
    labels = torch.zeros((2, *patch_shape), dtype=torch.long)
    labels[0, ..., :4], labels[0, ..., 6:9], labels[1, ..., 2:5] = 1, 7, 3
    labels[..., -2:] = IGNORE
    return embeddings, labels


def weights(term: AdversarialTerm) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in term.critic.parameters()])


@pytest.mark.parametrize("patch_shape", PATCHES)
def test_the_critic_gives_one_number_per_mask(patch_shape: tuple[int, ...]) -> None:
    critic = Critic(len(patch_shape), (8, 16, 32), patch_shape)
    assert critic(random_masks(patch_shape, 0).float()).shape == (5,)


def test_the_critic_has_the_layers_of_table_9() -> None:
    critic = Critic(3, (64, 128, 256, 512), (40, 64, 64))
    convolutions = [layer for layer in critic.modules() if isinstance(layer, nn.Conv3d)]
    widths = [(layer.in_channels, layer.out_channels) for layer in convolutions]
    assert widths == [(1, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512)]
    assert sum(isinstance(layer, nn.MaxPool3d) for layer in critic.modules()) == 3
    assert critic.dense.in_features == 512 * 5 * 8 * 8


@pytest.mark.parametrize("patch_shape", [(3, 16), (16, 16, 16)])
def test_a_patch_that_does_not_fit_is_refused(patch_shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"patch_shape: expected 2 axes of at least 4 pixels .*, got \("):
        Critic(2, (4, 4, 4), patch_shape)


@pytest.mark.parametrize("patch_shape", PATCHES)
def test_a_linear_critic_has_the_known_penalty_and_loss(patch_shape: tuple[int, ...]) -> None:
    soft, target = random_masks(patch_shape, 0), random_masks(patch_shape, 1)
    weight = random_masks(patch_shape, 2, n_masks=1).flatten()
    penalty = (weight.square().sum().sqrt() - 1) ** 2
    expected = (soft.flatten(1) @ weight).sum() / 5 - (target.flatten(1) @ weight).sum() / 5 + 10 * penalty
    critic = LinearCritic(weight)
    torch.testing.assert_close(gradient_penalty(critic, soft), penalty)
    torch.testing.assert_close(critic_loss(critic, soft, target, torch.rand(5).double(), 10.0), expected)


@pytest.mark.parametrize("patch_shape", PATCHES)
def test_the_penalty_is_taken_between_soft_and_painted_masks(patch_shape: tuple[int, ...]) -> None:
    soft, target = random_masks(patch_shape, 0), random_masks(patch_shape, 1)
    factors = torch.linspace(0, 1, 5, dtype=torch.float64)
    penalties = []
    for k in range(5):
        between = factors[k] * target[k] + (1 - factors[k]) * soft[k]
        penalties.append((between.square().sum().sqrt() - 1) ** 2)
    verdicts = (soft.square().sum() - target.square().sum()) / 2 / 5
    expected = verdicts + 3.0 * sum(penalties) / 5
    torch.testing.assert_close(critic_loss(QuadraticCritic(), soft, target, factors, 3.0), expected)


def test_the_gradient_of_the_penalty_reaches_the_critic() -> None:
    critic = LinearCritic(torch.full((4,), 0.25, dtype=torch.float64))
    gradient_penalty(critic, random_masks((2, 2), 0)).backward()
    # |w| = 1/2, and d (|w| - 1)^2 / dw = 2 (|w| - 1) w / |w|
    torch.testing.assert_close(critic.weight.grad, torch.full((4,), -0.5, dtype=torch.float64))


def test_the_generator_loss_is_minus_the_mean_verdict() -> None:
    torch.testing.assert_close(generator_loss(torch.tensor([1.0, -2.0, 4.0])), torch.tensor(-1.0))


def discs(patch_shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Return eight discs (or balls) at random places, flattened."""
    axes = [torch.arange(size, dtype=torch.float32) for size in patch_shape]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    centres = torch.rand((8, len(patch_shape)), generator=generator) * torch.tensor(patch_shape)
    distances = (grid - centres.view(*centres.shape, *(1,) * len(patch_shape))).square().sum(1).sqrt()
    return (distances < 5).float().flatten(1)


@pytest.mark.parametrize("patch_shape", PATCHES)
def test_the_critic_learns_to_tell_noise_from_discs(
    patch_shape: tuple[int, ...], make_term: Callable[..., AdversarialTerm], monkeypatch: pytest.MonkeyPatch
) -> None:
    def masks(
        embeddings: torch.Tensor, labels: torch.Tensor, config: LossConfig, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.rand((8, len(labels)), generator=generator), discs(patch_shape, generator)

    monkeypatch.setattr(adversarial, "instance_masks", masks)
    term = make_term(patch_shape, learning_rate=1e-3, critic_steps=40, feature_maps=(8, 16))
    labels = torch.ones((1, *patch_shape), dtype=torch.long)
    term.train_critic(torch.zeros((1, 3, *patch_shape)), labels, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    noise, painted = (
        flat.view(8, 1, *patch_shape) for flat in masks(torch.empty(0), labels.flatten(), term._loss_config, generator)
    )
    assert (term.critic(painted) > term.critic(noise).max()).all()
    assert critic_loss(term.critic, noise, painted, torch.rand(8, generator=generator), 10.0) < 0


@pytest.mark.parametrize("anchor", ["pixel", "mean"])
@pytest.mark.parametrize("patch_shape", PATCHES)
def test_the_gradient_reaches_the_embeddings_and_not_the_critic(
    patch_shape: tuple[int, ...], anchor: str, make_term: Callable[..., AdversarialTerm]
) -> None:
    term = make_term(patch_shape, anchor=anchor)
    student, labels = batch(patch_shape)
    student.requires_grad_()
    loss = term.loss(student, labels, torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.shape == ()
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert student.grad.abs().sum() > 0
    assert (student.grad[..., -2:] == 0).all()  # ignored
    assert all(parameter.grad is None for parameter in term.critic.parameters())


def test_the_loss_is_the_weighted_mean_over_all_objects(make_term: Callable[..., AdversarialTerm]) -> None:
    student, labels = batch((16, 24))
    term = make_term((16, 24), anchor="mean", weight=0.5)
    soft, target = term._masks(student, labels, torch.Generator(), None)
    assert soft.shape == target.shape == (3, 1, 16, 24)
    assert ((target[:, 0].sum((1, 2)) - 16 * torch.tensor([4.0, 3.0, 3.0])).abs() < 1e-6).all()
    assert (soft[..., -2:] == 0).all()
    expected = -0.5 * term.critic(soft).sum() / 3
    torch.testing.assert_close(term.loss(student, labels, torch.Generator()), expected)


def test_objects_painted_in_planes_are_compared_in_them_alone(make_term: Callable[..., AdversarialTerm]) -> None:
    student, labels = batch((8, 16, 16))
    labels[0, :3][labels[0, :3] == 7] = 0
    planes = torch.zeros((8, 16, 16), dtype=torch.bool)
    planes[3:] = True
    term = make_term((8, 16, 16), anchor="mean")
    whole, painted = term._masks(student, labels, torch.Generator(), None)
    soft, target = term._masks(student, labels, torch.Generator(), [{7: planes}, {}])
    assert (soft[1, 0, :3] == 0).all()
    whole[1, 0, :3] = 0
    assert torch.equal(soft, whole)
    assert torch.equal(target, painted)
    loss = term.loss(student, labels, torch.Generator(), [{7: planes}, {}])
    torch.testing.assert_close(loss, -0.1 * term.critic(soft).mean())


@pytest.mark.parametrize("n_at_once", [1, 2])
def test_masks_in_parts_give_the_same(
    n_at_once: int, make_term: Callable[..., AdversarialTerm], monkeypatch: pytest.MonkeyPatch
) -> None:
    student, labels = batch((16, 24))
    losses, gradients = [], []
    for n in (3, n_at_once):
        monkeypatch.setattr(adversarial, "_PIXELS_AT_ONCE", n * 16 * 24)
        term, seen = make_term((16, 24), critic_steps=1), []
        losses.append(term.loss(student, labels, torch.Generator().manual_seed(0)))
        term.train_critic(
            student, labels, torch.Generator().manual_seed(0), lambda g, seen=seen: seen.append(g.clone())
        )
        gradients.append(torch.cat([gradient.flatten() for gradient in seen]))
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)


def test_a_batch_without_an_object_says_nothing(make_term: Callable[..., AdversarialTerm]) -> None:
    term = make_term((16, 24))
    before = weights(term)
    student, labels = torch.randn(1, 3, 16, 24), torch.zeros((1, 16, 24), dtype=torch.long)
    assert term.loss(student, labels, torch.Generator()) == 0
    n_reduced: list[int] = []
    term.train_critic(student, labels, torch.Generator(), lambda gradient: n_reduced.append(gradient.numel()))
    assert torch.equal(weights(term), before)
    assert sum(n_reduced) == 2 * len(before)  # other processes wait for it, whatever this one was given


@pytest.mark.parametrize("patch_shape", PATCHES)
def test_training_is_deterministic_and_reduces_gradients(
    patch_shape: tuple[int, ...], make_term: Callable[..., AdversarialTerm]
) -> None:
    terms = [make_term(patch_shape) for _ in range(3)]
    assert torch.equal(weights(terms[0]), weights(terms[1]))
    before = weights(terms[0])
    for term, reduce in zip(terms, (None, lambda gradient: None, lambda gradient: gradient.neg_()), strict=True):
        term.train_critic(*batch(patch_shape), torch.Generator().manual_seed(3), reduce)
    assert not torch.equal(weights(terms[0]), before)
    assert torch.equal(weights(terms[0]), weights(terms[1]))
    assert not torch.equal(weights(terms[0]), weights(terms[2]))


def test_the_seed_decides_the_weights_and_leaves_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    config = AdversarialConfig(feature_maps=(4,))
    terms = [AdversarialTerm(config, LossConfig(), 2, (8, 8), CPU, seed) for seed in (0, 0, 1)]
    assert torch.equal(weights(terms[0]), weights(terms[1]))
    assert not torch.equal(weights(terms[0]), weights(terms[2]))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_state_goes_on_bit_equal(make_term: Callable[..., AdversarialTerm]) -> None:
    student, labels = batch((16, 24))
    term, other = make_term((16, 24)), make_term((16, 24))
    term.train_critic(student, labels, torch.Generator().manual_seed(0))
    file = io.BytesIO()
    torch.save(term.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for each in (term, other):
        each.train_critic(student, labels, torch.Generator().manual_seed(1))
    assert torch.equal(weights(term), weights(other))


@pytest.mark.parametrize(
    ("warm_up", "step", "trains", "speaks"),
    [(50_000, 49_000, False, False), (50_000, 49_001, True, False), (50_000, 50_001, True, True), (0, 1, True, True)],
)
def test_the_critic_is_trained_before_it_speaks(
    warm_up: int, step: int, trains: bool, speaks: bool, make_term: Callable[..., AdversarialTerm]
) -> None:
    term = make_term((8, 8), warm_up=warm_up)
    assert (term.trains_at(step), term.speaks_at(step)) == (trains, speaks)
