"""Where crops are cut, and that padding, unlabeled, background and objects are never confused there."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED, SparseAnnotations
from napari_spoco.training.inputs import TrainingImage
from napari_spoco.training.patches import OUTSIDE, Crop, PatchSampler

LARGE = 2**31 - 1
"""An id that float32 does not hold."""


def as_image(labels: np.ndarray, **statements: object) -> TrainingImage:
    """Make an image whose first channel is the label itself."""
    annotations = SparseAnnotations.from_labels(labels, **statements)
    image = np.stack([labels, np.random.default_rng(0).normal(size=labels.shape)])
    return TrainingImage(image.astype(np.float32), annotations)


def two_objects(shape: tuple[int, ...]) -> np.ndarray:
    labels = np.zeros(shape, dtype=np.int32)
    labels[tuple(slice(2, 6) for _ in shape)] = 7
    labels[tuple(slice(n - 4, n - 1) for n in shape)] = LARGE
    return labels


def draw(images: list[TrainingImage], crop_shape: tuple[int, ...], n: int, jitter: int = 0) -> list[Crop]:
    sampler = PatchSampler(images, crop_shape, jitter=(jitter,) * len(crop_shape))
    rng = np.random.default_rng(0)
    return [sampler.draw(rng) for _ in range(n)]


@pytest.mark.parametrize("shape", [(20, 30), (12, 20, 18)], ids=["2d", "3d"])
def test_crops_are_centred_on_objects_and_padded_with_ignore(shape: tuple[int, ...]) -> None:
    size = (8,) * len(shape)
    seen = set()
    for crop in draw([as_image(two_objects(shape))], size, 30):
        assert (crop.image.shape, crop.image.dtype) == ((2, *size), np.float32)
        assert (crop.labels.shape, crop.labels.dtype) == (size, np.int32)
        assert (crop.planes, crop.painted_planes) == (None, {})
        assert crop.labels[(4,) * len(shape)] > 0
        assert set(np.unique(crop.labels)) <= {IGNORE, UNLABELED, 1, 2}
        inside = crop.labels != IGNORE
        np.testing.assert_array_equal(crop.labels[inside] > 0, crop.image[0][inside] > 0)
        seen.add(float(crop.image[(0, *(4,) * len(shape))]))
    assert seen == {7, float(np.float32(LARGE))}


def test_ids_are_compact_in_each_crop() -> None:
    labels = np.zeros((4, 40), dtype=np.int32)
    labels[:, 0:3], labels[:, 4:8], labels[:, 30:35] = LARGE, 2**24 + 1, 2**24
    expected = {(1, 2): [2, 1], (1,): [1]}
    found = Counter()
    for crop in draw([as_image(labels)], (4, 24), 50):
        ids = tuple(np.unique(crop.labels[crop.labels > 0]).tolist())
        assert list(dict.fromkeys(crop.labels[2][crop.labels[2] > 0].tolist())) == expected[ids]
        found[ids] += 1
    assert set(found) == set(expected)


def test_objects_of_all_images_and_backgrounds_are_equally_likely() -> None:
    large = np.zeros((40, 40), dtype=np.int32)
    large[:30] = 7
    small = np.zeros((40, 40), dtype=np.int32)
    small[:2, :2], small[20:22, 20:22], small[39] = 7, 9, BACKGROUND
    crops = draw([as_image(large), as_image(small), as_image(0 * large)], (1, 1), 4000)
    found = Counter((float(crop.image[0, 0, 0]), int(crop.labels[0, 0])) for crop in crops)
    assert set(found) == {(7, 1), (9, 1), (-1, BACKGROUND)}
    np.testing.assert_allclose([found[7, 1] / 2, found[9, 1], found[-1, BACKGROUND]], 1000, rtol=0.1)


def test_every_pixel_of_an_object_is_drawn() -> None:
    labels = np.zeros((6, 6), dtype=np.int32)
    labels[1, 1:5] = labels[3:5, 2] = 1
    image = TrainingImage(np.arange(36, dtype=np.float32).reshape(1, 6, 6), SparseAnnotations.from_labels(labels))
    found = {int(crop.image[0, 0, 0]) for crop in draw([image], (1, 1), 200)}
    assert found == set(np.flatnonzero(labels).tolist())


def test_an_object_that_the_crop_cuts_in_two_stays_one() -> None:
    labels = np.zeros((20, 40), dtype=np.int32)
    labels[:, 8], labels[:, 12], labels[19, 8:13] = 5, 5, 5  # a U, whose bottom is not in the crop
    crops = [crop for crop in draw([as_image(labels)], (6, 10), 200) if (crop.labels > 0).any(axis=0).sum() == 2]
    assert crops
    assert all(crop.labels.max() == 1 for crop in crops)


def test_crop_always_meets_the_image() -> None:
    for crop in draw([as_image(two_objects((20, 20)))], (4, 4), 50, jitter=30):
        assert (crop.labels != IGNORE).any()


def test_image_smaller_than_the_crop_is_reflected() -> None:
    (crop,) = draw([as_image(two_objects((9, 9)), dense=True)], (40, 40), 1, jitter=3)
    assert (crop.labels == IGNORE).sum() == 40 * 40 - 81
    assert (crop.labels == BACKGROUND).sum() == (two_objects((9, 9)) == 0).sum()
    assert np.isfinite(crop.image).all()


def test_crops_know_the_planes_of_objects_painted_in_planes() -> None:
    labels = np.zeros((10, 12, 12), dtype=np.int32)
    labels[[2, 5], 3:6, 3:6] = 8
    labels[2, 9, 9] = LARGE
    crops = draw([as_image(labels, config=AnnotationConfig(painted_in_planes=True))], (8, 8, 8), 20)
    assert {tuple(crop.painted_planes.items()) for crop in crops} >= {((1, (2, 5)), (2, (2,)))}
    for crop in crops:
        assert list(crop.painted_planes) == np.unique(crop.labels[crop.labels > 0]).tolist()
        assert crop.planes is not None
        assert crop.planes.shape == crop.labels.shape
        inside = crop.labels != IGNORE
        assert set(np.unique(crop.planes[crop.labels > 0])) <= {2, 5}
        assert ((crop.planes == OUTSIDE).all(axis=(1, 2)) == ~inside.any(axis=(1, 2))).all()


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^images: expected at least one annotated object or some background"):
        PatchSampler([as_image(np.zeros((8, 8), int))], (4, 4), (0, 0))
