"""Each step alone, against the transform of one image that SciPy or MONAI has, or against the formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import AdjustContrast
from scipy.ndimage import gaussian_filter

from napari_spoco.config import AugmentationConfig
from napari_spoco.training.appearance import Appearance, apply_gamma, blur

NOTHING = AugmentationConfig(noise=0, blur=0, gamma=0, contrast=0, colour=0, grayscale=0)


def change(
    views: torch.Tensor, *, seed: int = 0, steps: tuple[float, ...] = (1, 1), **strengths: float
) -> torch.Tensor:
    appearance = Appearance(NOTHING.model_copy(update=strengths), steps)
    return appearance(views, np.random.default_rng(seed))


def random_views(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 3 - 1


@pytest.mark.parametrize("spatial", [(40, 50), (30, 40, 20)], ids=["2d", "3d"])
def test_blur_is_a_gaussian_of_its_own_sigma_for_each_view(spatial: tuple[int, ...]) -> None:
    views = random_views(3, 2, *spatial)
    sigmas = [torch.tensor([0.0, 0.7, 2.0]) / (axis + 1) for axis in range(len(spatial))]
    blurred = blur(views, sigmas)
    assert torch.equal(blurred[0], views[0])
    inner = (slice(None), *(slice(8, -8) for _ in spatial))
    for view, result, sigma in zip(views[1:], blurred[1:], torch.stack(sigmas, 1)[1:], strict=True):
        reference = gaussian_filter(view.numpy(), sigma.tolist(), axes=range(1, view.ndim), truncate=6)
        np.testing.assert_allclose(result[inner], reference[inner], atol=5e-4)


def test_blur_does_not_darken_the_border() -> None:
    ones = torch.ones(2, 1, 12, 12)
    torch.testing.assert_close(change(ones, blur=3), ones)


def test_blur_is_smaller_along_long_steps() -> None:
    impulse = torch.zeros(20, 1, 21, 21, 21)
    impulse[:, :, 10, 10, 10] = 1
    position = torch.arange(21.0) - 10
    blurred = change(impulse, blur=2, steps=(4, 1, 1))
    spread = [(blurred.sum((1, *({2, 3, 4} - {axis}))) * position.square()).sum(1).sqrt() for axis in (2, 3, 4)]
    is_blurred = spread[2] > 1
    assert is_blurred.any()
    torch.testing.assert_close(spread[1], spread[2])
    assert (spread[0] < spread[2] / 2)[is_blurred].all()


def test_gamma_is_that_of_monai() -> None:
    views, gamma = random_views(3, 2, 8, 9), torch.tensor([0.5, 1.0, 2.0]).view(3, 1, 1, 1)
    for view, exponent, result in zip(views, gamma, apply_gamma(views, gamma), strict=True):
        torch.testing.assert_close(result, AdjustContrast(float(exponent))(view), atol=1e-5, rtol=1e-4)
    flat = torch.full((1, 1, 4, 4), 2.0)
    assert torch.equal(apply_gamma(flat, torch.full((1, 1, 1, 1), 3.0)), flat)


def test_contrast_is_the_same_for_all_channels() -> None:
    views = random_views(16, 3, 6, 6)
    changed = change(views, contrast=0.5)
    factor = (changed[:, :, 0, 0] - changed[:, :, 1, 1]) / (views[:, :, 0, 0] - views[:, :, 1, 1])
    torch.testing.assert_close(factor, factor[:, :1].expand(-1, 3), atol=1e-3, rtol=1e-3)
    assert 0.5 <= factor.min() < 0.8 < 1.2 < factor.max() <= 1.5
    assert (changed - factor[:, :1, None, None] * views).abs().max() <= 0.25 + 1e-3


def test_colour_and_grayscale_are_for_several_channels() -> None:
    single = random_views(4, 1, 6, 6)
    assert torch.equal(change(single, colour=0.5, grayscale=1.0), single)
    views = random_views(4, 3, 6, 6)
    changed = change(views, colour=0.5)
    factor = (changed[:, :, 0, 0] - changed[:, :, 1, 1]) / (views[:, :, 0, 0] - views[:, :, 1, 1])
    assert (factor.std(1) > 0.01).all()
    gray = change(views, grayscale=1.0)
    torch.testing.assert_close(gray, views.mean(1, keepdim=True).expand_as(views))


def test_a_share_of_the_views_becomes_gray() -> None:
    views = random_views(400, 2, 2, 2)
    gray = change(views, grayscale=0.25)
    is_gray = (gray[:, 0] == gray[:, 1]).flatten(1).all(1)
    assert 0.15 < is_gray.float().mean() < 0.35
    assert torch.equal(gray[~is_gray], views[~is_gray])


def test_noise_is_of_random_strength() -> None:
    deviation = change(torch.zeros(50, 1, 64, 64), noise=0.2).flatten(1).std(1)
    assert 0 < deviation.min() < 0.05 < 0.15 < deviation.max() < 0.21


@pytest.mark.parametrize("strength", [{"noise": 0.1}, {"blur": 1}, {"gamma": 1}, {"contrast": 0.2}, {"colour": 0.2}])
def test_views_differ_and_repeat_with_the_generator(strength: dict[str, float]) -> None:
    views = random_views(1, 2, 8, 8).expand(8, -1, -1, -1)
    first, again, other = (change(views, seed=seed, **strength) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1]) or not torch.equal(first[0], first[2])
    assert torch.equal(change(views), views)
