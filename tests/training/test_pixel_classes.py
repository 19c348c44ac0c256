"""The classes of painted pixels and their loss, against definitions written out with SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED
from napari_spoco.training.pixel_classes import BORDER, INSIDE, OUTSIDE, pixel_class_loss, pixel_classes

SHAPES = [(40, 44), (14, 40, 44)]


def painted(shape, rng):
    """Some boxes, two of which touch, a stroke of background and an ignored corner."""
    labels = np.zeros(shape, dtype=np.int64)
    labels[..., 4:14, 4:14] = 1
    labels[..., 4:14, 14:22] = 2
    labels[..., 20:33, 10:30] = 3
    if labels.ndim == 3:
        labels[:3], labels[-2:] = 0, 0
    labels[..., 36:38, :] = BACKGROUND
    labels[..., :3, -6:] = IGNORE
    labels[..., 24, 15] = BACKGROUND if rng.random() < 0.5 else 0
    return labels


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("in_planes", [False, True])
@pytest.mark.parametrize("rim", [0, 1, 3])
def test_classes_equal_their_definition(shape, in_planes, rim):
    labels = painted(shape, np.random.default_rng(0))
    got = pixel_classes(torch.from_numpy(labels), rim=rim, in_planes=in_planes).numpy()
    ids = np.maximum(labels, 0)
    flat = (1,) * (len(shape) - 2)
    edge = (1, 3, 3)[-len(shape) :] if in_planes else (3,) * len(shape)
    is_edge = ndimage.minimum_filter(ids, edge, mode="nearest") != ndimage.maximum_filter(ids, edge, mode="nearest")
    width = 2 * rim + 1 if rim else 5
    around = (*flat, width, width) if rim or in_planes else (width,) * len(shape)
    is_near = ndimage.maximum_filter(ids, around, mode="nearest") > 0
    is_cut = ndimage.maximum_filter((labels == IGNORE).astype(int), (*flat, 3, 3), mode="nearest") > 0
    expected = np.full(shape, -1)
    expected[(labels == UNLABELED) & is_near] = OUTSIDE if rim else BORDER
    expected[labels == BACKGROUND] = OUTSIDE
    expected[(labels > 0) & is_edge] = BORDER
    expected[(labels > 0) & ~is_edge] = INSIDE
    expected[is_cut & (expected == BORDER)] = -1
    assert np.array_equal(got, expected)
    assert set(np.unique(got)) == {-1, OUTSIDE, INSIDE, BORDER}


def test_objects_that_end_with_the_image_have_no_border_there():
    labels = torch.full((20, 20), IGNORE)
    labels[:, 5:] = 1
    assert (pixel_classes(labels, rim=2)[:, 5] == -1).all()
    assert (pixel_classes(labels[:, 5:], rim=2) == INSIDE).all()


def test_objects_painted_in_one_plane_are_not_all_border():
    labels = torch.zeros((5, 20, 20), dtype=torch.long)
    labels[2, 5:15, 5:15] = 4
    assert (pixel_classes(labels, rim=0, in_planes=True)[2, 6:14, 6:14] == INSIDE).all()
    assert (pixel_classes(labels, rim=0)[2, 5:15, 5:15] == BORDER).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rim", [0, 2])
def test_loss_is_the_mean_over_known_pixels_of_the_batch_and_a_little_of_the_others(shape, rim):
    rng = np.random.default_rng(1)
    labels = torch.from_numpy(np.stack([painted(shape, rng), np.zeros(shape, dtype=np.int64), painted(shape, rng)]))
    known = [{}, {}, {1: torch.ones(shape, dtype=torch.bool)}]
    scores = torch.from_numpy(rng.standard_normal((3, 3, *shape))).float()
    targets = torch.stack(
        [pixel_classes(image, rim=rim, in_planes=bool(of_image)) for image, of_image in zip(labels, known, strict=True)]
    )
    is_known = targets >= 0
    logs = functional.log_softmax(scores, 1).movedim(1, -1)
    expected = -logs[is_known].gather(1, targets[is_known][:, None]).mean().item()
    if rim:
        expected -= 0.05 * logs[..., OUTSIDE][~is_known & (labels == UNLABELED)].mean().item()
    assert pixel_class_loss(scores, labels, rim=rim, known=known).item() == pytest.approx(expected, rel=1e-5)


def test_where_nothing_is_annotated_tissue_has_no_loss_and_a_background_a_small_one():
    scores = torch.zeros((2, 3, 16, 16), requires_grad=True)
    labels = torch.zeros((2, 16, 16), dtype=torch.long)
    loss = pixel_class_loss(scores, labels, rim=0)
    loss.backward()
    assert loss.item() == 0.0
    assert not scores.grad.any()
    assert pixel_class_loss(scores, labels, rim=2).item() == pytest.approx(0.05 * np.log(3))
    assert pixel_class_loss(scores, torch.full_like(labels, IGNORE), rim=2).item() == 0.0
