"""Where patches are cut, and that the two views never confuse padding, unlabeled and objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_spoco.config import AugmentationConfig
from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED, SparseAnnotations
from napari_spoco.training.augment import Augmentation, crop_shape
from napari_spoco.training.inputs import TrainingImage
from napari_spoco.training.patches import PatchSampler


def training_image(shape: tuple[int, ...], *, dense: bool = False) -> TrainingImage:
    labels = np.zeros(shape, dtype=np.int32)
    labels[tuple(slice(2, 6) for _ in shape)] = 7
    labels[tuple(slice(n - 4, n - 1) for n in shape)] = 70000
    image = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    return TrainingImage(image, SparseAnnotations.from_labels(labels, dense=dense))


@pytest.mark.parametrize("shape", [(20, 30), (12, 20, 18)], ids=["2d", "3d"])
def test_crops_are_centred_on_objects_and_padded_with_ignore(shape: tuple[int, ...]) -> None:
    crop = (8,) * len(shape)
    sampler = PatchSampler([training_image(shape)], crop, jitter=(0,) * len(shape))
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(30):
        image, labels = sampler.draw(rng)
        assert image.shape == (2, *crop)
        assert labels.shape == (1, *crop)
        centre = int(labels[(0, *(4,) * len(shape))])
        seen.add(centre)
        values = set(labels.unique().int().tolist())
        assert values <= {IGNORE, UNLABELED, 7, 70000}
        assert torch.isfinite(image).all()
    assert seen == {7, 70000}


def test_crop_always_meets_the_image() -> None:
    sampler = PatchSampler([training_image((20, 20))], (4, 4), jitter=(30, 30))
    rng = np.random.default_rng(0)
    for _ in range(50):
        _, labels = sampler.draw(rng)
        assert (labels != IGNORE).any()


def test_image_smaller_than_the_crop_is_reflected() -> None:
    sampler = PatchSampler([training_image((9, 9))], (40, 40), jitter=(3, 3))
    image, labels = sampler.draw(np.random.default_rng(0))
    assert image.shape == (2, 40, 40)
    assert (labels == IGNORE).sum() == 40 * 40 - 81


@pytest.mark.parametrize("patch", [(16, 16), (8, 16, 16)], ids=["2d", "3d"])
@pytest.mark.parametrize("dense", [False, True])
def test_augmentation_keeps_ids_and_knows_the_outside(patch: tuple[int, ...], dense: bool) -> None:
    config = AugmentationConfig()
    shape = (40,) * len(patch)
    rng = np.random.default_rng(2)
    sampler = PatchSampler(
        [training_image(shape, dense=dense)], crop_shape(config, patch), tuple(n // 2 for n in patch)
    )
    augment = Augmentation(config, patch, rng)
    allowed = {IGNORE, BACKGROUND if dense else UNLABELED, 7, 70000}
    found: set[int] = set()
    for _ in range(20):
        views = augment(*sampler.draw(rng))
        assert views.student.shape == views.teacher.shape == (2, *patch)
        assert views.labels.dtype == torch.int64
        assert not torch.equal(views.student, views.teacher)
        found |= set(views.labels.unique().tolist())
    assert found == allowed


def test_views_share_geometry() -> None:
    config = AugmentationConfig(noise=0, blur=0, contrast=0)
    rng = np.random.default_rng(1)
    labels = np.zeros((60, 60), dtype=np.int32)
    labels[20:40, 15:45] = 3
    image = TrainingImage((labels[None] * 10.0).astype(np.float32), SparseAnnotations.from_labels(labels))
    sampler = PatchSampler([image], crop_shape(config, (24, 24)), (12, 12))
    augment = Augmentation(config, (24, 24), rng)
    for _ in range(10):
        views = augment(*sampler.draw(rng))
        torch.testing.assert_close(views.student, views.teacher)
        inside = views.labels != IGNORE
        agreement = ((views.student[0] > 15) == (views.labels == 3))[inside].float().mean()
        assert agreement > 0.95


def test_same_seed_gives_the_same_patches() -> None:
    def draw() -> torch.Tensor:
        rng = np.random.default_rng(5)
        sampler = PatchSampler([training_image((40, 40))], crop_shape(AugmentationConfig(), (16, 16)), (8, 8))
        augment = Augmentation(AugmentationConfig(), (16, 16), rng)
        return torch.stack([augment(*sampler.draw(rng)).student for _ in range(4)])

    torch.testing.assert_close(draw(), draw(), rtol=0, atol=0)
