"""Geometry is checked with images of coordinates: they tell where each pixel of a patch comes from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_spoco.config import AnnotationConfig, AugmentationConfig
from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED, SparseAnnotations
from napari_spoco.training.augment import Augmentation, Batch, crop_shape
from napari_spoco.training.inputs import TrainingImage
from napari_spoco.training.patches import OUTSIDE, Crop, PatchSampler

SAME_LOOKS = {"noise": 0, "blur": 0, "gamma": 0, "contrast": 0, "colour": 0, "grayscale": 0}
GEOMETRY = AugmentationConfig(scaling=0.3, elastic=3, elastic_spacing=8, **SAME_LOOKS)
NOTHING = AugmentationConfig(flip=False, rotate=False, scaling=0, elastic=0, **SAME_LOOKS)
PATCHES = pytest.mark.parametrize("patch", [(24, 32), (8, 24, 16)], ids=["2d", "3d"])
VOXELS = pytest.mark.parametrize(
    ("patch", "voxel_size"),
    [
        pytest.param((24, 32), None, id="2d"),
        pytest.param((24, 32), (0.5, 0.2), id="2d, oblong pixels"),
        pytest.param((8, 24, 16), None, id="3d"),
        pytest.param((8, 24, 16), (4.0, 1.0, 1.0), id="3d, thick planes"),
        pytest.param((16, 20, 16), (0.5, 1.0, 1.5), id="3d, all different"),
    ],
)


def coordinate_crop(shape: tuple[int, ...], *, n_objects: int = 9, margin: int = 3, in_planes: bool = False) -> Crop:
    """Make a crop whose channels are its coordinates, with labels of all kinds and a border outside of the image."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(IGNORE, n_objects + 1, [-(-n // 3) for n in shape]).astype(np.int32)
    for axis, n in enumerate(shape):
        coarse = coarse.repeat(3, axis).take(range(n), axis)
    inside = tuple(slice(margin, n - margin) for n in shape)
    labels = np.full(shape, IGNORE, np.int32)
    labels[inside] = coarse[inside]
    planes = np.full(shape[0], OUTSIDE, np.int32)
    planes[inside[0]] = np.arange(20, 20 + shape[0] - 2 * margin)
    painted = {1: (23, 26), 2: (25,), 4: (1, 24, 27, 1000)} if in_planes else {}
    spread = np.broadcast_to(planes.reshape(-1, *[1] * (len(shape) - 1)), shape) if in_planes else None
    return Crop(np.indices(shape).astype(np.float32), labels, spread, painted)


def sources_of(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Return where the pixels come from (B, ndim, *patch), and where rounding that leaves no doubt (B, *patch)."""
    sources = batch.student.numpy()
    return sources, (np.abs(sources - np.floor(sources) - 0.5) > 1e-3).all(axis=1)


def uniform_crop(config: AugmentationConfig, patch: tuple[int, ...], voxel_size: tuple[float, ...] | None) -> Crop:
    shape = crop_shape(config, patch, voxel_size)
    return Crop(np.indices(shape).astype(np.float32), np.ones(shape, np.int32), None, {})


@PATCHES
def test_without_strengths_the_patch_is_the_crop(patch: tuple[int, ...]) -> None:
    assert crop_shape(NOTHING, patch) == patch
    crop = coordinate_crop(patch, margin=1)
    batch = Augmentation(NOTHING, patch)([crop, crop], np.random.default_rng(0))
    np.testing.assert_array_equal(batch.labels, [crop.labels] * 2)
    np.testing.assert_allclose(batch.student, [crop.image] * 2, atol=1e-4)
    assert torch.equal(batch.student, batch.teacher)
    assert batch.known == ({}, {})


@VOXELS
def test_all_labels_come_from_where_the_image_comes_from(
    patch: tuple[int, ...], voxel_size: tuple[float, ...] | None
) -> None:
    crop = coordinate_crop(crop_shape(GEOMETRY, patch, voxel_size))
    batch = Augmentation(GEOMETRY, patch, voxel_size)([crop] * 6, np.random.default_rng(1))
    sources, is_certain = sources_of(batch)
    expected = crop.labels[tuple(np.moveaxis(np.rint(sources).astype(int), 1, 0))]
    assert is_certain.mean() > 0.95
    np.testing.assert_array_equal(batch.labels.numpy()[is_certain], expected[is_certain])
    assert torch.equal(batch.student, batch.teacher)
    assert (batch.labels.dtype, batch.student.dtype) == (torch.int64, torch.float32)
    assert set(batch.labels.unique().tolist()) == set(range(IGNORE, 10))


@pytest.mark.parametrize("elastic", [0.0, 3.0])
def test_known_voxels_come_from_the_planes_of_the_object(elastic: float) -> None:
    config = GEOMETRY.model_copy(update={"elastic": elastic})
    patch = (8, 24, 16)
    crop = coordinate_crop(crop_shape(config, patch), in_planes=True)
    plain = coordinate_crop(crop_shape(config, patch))
    batch = Augmentation(config, patch)([crop, plain, crop, crop, crop], np.random.default_rng(1))
    assert crop.planes is not None
    sources, is_certain = sources_of(batch)
    planes = crop.planes[:, 0, 0][np.rint(sources[:, 0]).astype(int)]  # (B, *patch)
    assert [set(known) for known in batch.known] == [{1, 2, 4}, set(), {1, 2, 4}, {1, 2, 4}, {1, 2, 4}]
    for known, patch_planes, is_sure in zip(batch.known, planes, is_certain, strict=True):
        for instance_id, is_known in known.items():
            assert is_known.dtype == torch.bool
            expected = np.isin(patch_planes, crop.painted_planes[instance_id])
            np.testing.assert_array_equal(is_known.numpy()[is_sure], expected[is_sure])
            assert 0 < expected.mean() < 1


@VOXELS
def test_the_crop_covers_the_patch(patch: tuple[int, ...], voxel_size: tuple[float, ...] | None) -> None:
    rng = np.random.default_rng(2)
    crop = uniform_crop(GEOMETRY, patch, voxel_size)
    augment = Augmentation(GEOMETRY, patch, voxel_size)
    assert all((augment([crop] * 8, rng).labels == 1).all() for _ in range(40))
    assert all((n - m) % 2 == 0 for n, m in zip(crop.labels.shape, patch, strict=True))


@VOXELS
def test_shapes_are_kept_in_physical_units(patch: tuple[int, ...], voxel_size: tuple[float, ...] | None) -> None:
    config = GEOMETRY.model_copy(update={"elastic": 0.0})
    ndim = len(patch)
    batch = Augmentation(config, patch, voxel_size)(
        [uniform_crop(config, patch, voxel_size)] * 8, np.random.default_rng(4)
    )
    voxel = torch.tensor(voxel_size or (1.0,) * ndim, dtype=torch.float64)
    gradients = [batch.student.double().diff(dim=axis).flatten(2).mean(-1) for axis in range(2, 2 + ndim)]
    jacobian = voxel[:, None] * torch.stack(gradients, dim=-1) / voxel  # (B, ndim, ndim)
    factor = jacobian.det().abs() ** (1 / ndim)
    assert (factor > 1 / 1.31).all()
    assert (factor < 1.31).all()
    assert factor.std() > 0.01
    products = jacobian.mT @ jacobian / factor.square()[:, None, None]
    torch.testing.assert_close(products, torch.eye(ndim, dtype=torch.float64).expand(8, -1, -1), atol=1e-3, rtol=0)
    if ndim == 3:
        torch.testing.assert_close(jacobian[:, 0, 0].abs(), factor, atol=1e-3, rtol=0)


@VOXELS
def test_deformations_are_smooth_and_of_one_length_in_physical_units(
    patch: tuple[int, ...], voxel_size: tuple[float, ...] | None
) -> None:
    config = NOTHING.model_copy(update={"elastic": 3.0, "elastic_spacing": 16})
    crop = uniform_crop(config, patch, voxel_size)
    batch = Augmentation(config, patch, voxel_size)([crop] * 40, np.random.default_rng(3))
    start = (np.array(crop.labels.shape) - patch) // 2
    at_rest = np.indices(patch) + start.reshape(-1, *[1] * len(patch))
    voxel = np.array(voxel_size or (1.0,) * len(patch)).reshape(-1, *[1] * len(patch))
    moved = (batch.student.numpy() - at_rest) * voxel / voxel.ravel()[-2:].min()  # (B, ndim, *patch)
    longest = np.linalg.norm(moved, axis=1).reshape(40, -1).max(1)
    assert 0 < longest.min() < 1 < 2 < longest.max() < 3.001
    per_axis = np.abs(moved).max(axis=(0, *range(2, moved.ndim)))
    assert per_axis.min() > 0.5 * per_axis.max()
    assert np.abs(np.diff(moved, axis=-1)).max() < 1.5


def test_every_axis_is_flipped_half_of_the_time() -> None:
    config = NOTHING.model_copy(update={"flip": True})
    crop = coordinate_crop((4, 6, 8), margin=1)
    batch = Augmentation(config, (4, 6, 8))([crop] * 200, np.random.default_rng(0))
    is_flipped = torch.stack([batch.student[:, axis].diff(dim=axis + 1).flatten(1)[:, 0] < 0 for axis in range(3)], 1)
    assert ((is_flipped.float().mean(0) - 0.5).abs() < 0.15).all()
    assert len(is_flipped.unique(dim=0)) == 8
    for labels, flips in zip(batch.labels, is_flipped, strict=True):
        np.testing.assert_array_equal(labels, np.flip(crop.labels, np.flatnonzero(flips)))


@PATCHES
@pytest.mark.parametrize("dense", [False, True])
def test_the_four_kinds_survive_from_image_to_batch(patch: tuple[int, ...], dense: bool) -> None:
    config = AugmentationConfig()
    labels = np.zeros((40,) * len(patch), dtype=np.int32)
    labels[(slice(2, 8),) * len(patch)] = 7
    labels[(slice(10, 16),) * len(patch)] = 2**31 - 1
    image = np.random.default_rng(0).normal(size=(2, *labels.shape)).astype(np.float32)
    sampler = PatchSampler(
        [TrainingImage(image, SparseAnnotations.from_labels(labels, dense=dense))],
        crop_shape(config, patch),
        tuple(n // 2 for n in patch),
    )
    rng = np.random.default_rng(2)
    batch = Augmentation(config, patch)([sampler.draw(rng) for _ in range(40)], rng)
    assert set(batch.labels.unique().tolist()) == {IGNORE, BACKGROUND if dense else UNLABELED, 1, 2}
    assert torch.isfinite(batch.student).all()
    assert all(not torch.equal(*views) for views in zip(batch.student, batch.teacher, strict=True))


@pytest.mark.parametrize("in_planes", [False, True])
def test_an_object_keeps_its_id_on_the_way_to_the_batch(in_planes: bool) -> None:
    labels = np.zeros((12, 40, 40), dtype=np.int32)
    labels[::4, 10:30, 10:14] = labels[::4, 10:30, 20:24] = 2**25 + 1  # two pieces wherever the crop shows both
    annotations = SparseAnnotations.from_labels(labels, config=AnnotationConfig(painted_in_planes=in_planes))
    image = (labels[None] > 0).astype(np.float32)
    sampler = PatchSampler([TrainingImage(image, annotations)], crop_shape(GEOMETRY, (8, 24, 24)), (4, 8, 8))
    rng = np.random.default_rng(2)
    batch = Augmentation(GEOMETRY, (8, 24, 24))([sampler.draw(rng) for _ in range(8)], rng)
    assert set(batch.labels.unique().tolist()) <= {IGNORE, UNLABELED, 1}
    for patch_labels, known in zip(batch.labels, batch.known, strict=True):
        assert (patch_labels == 1).any()
        assert set(known) == ({1} if in_planes else set())
        assert not in_planes or known[1][patch_labels == 1].all()


@PATCHES
def test_the_same_generator_makes_the_same_bits(patch: tuple[int, ...]) -> None:
    config = AugmentationConfig(gamma=0.2, grayscale=0.3)
    crops = [coordinate_crop(crop_shape(config, patch), in_planes=True)] * 3
    augment = Augmentation(config, patch)
    first, other, again = (augment(crops, np.random.default_rng(seed)) for seed in (5, 6, 5))
    fresh = Augmentation(config, patch)(crops, np.random.default_rng(5))
    for batch in (again, fresh):
        assert torch.equal(first.student, batch.student)
        assert torch.equal(first.teacher, batch.teacher)
        assert torch.equal(first.labels, batch.labels)
        assert all(torch.equal(first.known[0][key], batch.known[0][key]) for key in first.known[0])
    assert not torch.equal(first.student, other.student)
    assert not torch.equal(first.labels, other.labels)


@pytest.mark.parametrize("voxel_size", [(1.0,), (1.0, 0.0), (1.0, float("nan"))])
def test_a_bad_voxel_size_is_refused(voxel_size: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"^voxel_size: expected 2 positive numbers, got \(1.0"):
        Augmentation(NOTHING, (8, 8), voxel_size)


@pytest.mark.gpu
def test_a_gpu_makes_the_same_geometry() -> None:
    crops = [coordinate_crop(crop_shape(GEOMETRY, (24, 32)))] * 3
    here, there = (Augmentation(GEOMETRY, (24, 32))(crops, np.random.default_rng(5), on) for on in ("cpu", "cuda"))
    assert there.student.device.type == "cuda"
    torch.testing.assert_close(there.student.cpu(), here.student, atol=1e-3, rtol=0)
    assert (there.labels.cpu() == here.labels).float().mean() > 0.99
