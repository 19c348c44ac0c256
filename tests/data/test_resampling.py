"""To the voxel size of a model and back: grids that match, strokes that stay, masks that keep their size."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.annotations import BACKGROUND, IGNORE
from napari_spoco.data.resampling import Resampling, plan_resampling
from napari_spoco.data.samples import load_nuclei

UM2, UM3 = ("micrometer",) * 2, ("micrometer",) * 3


def discs(shape: tuple[int, ...], radius: float) -> np.ndarray:
    """Four discs (or balls) in the quarters of the plane, labels 1 to 4."""
    labels = np.zeros(shape, dtype=np.int32)
    grid = np.indices(shape)
    quarters = [(a, b) for a in (0.25, 0.75) for b in (0.25, 0.75)]
    for label, fractions in enumerate(quarters, start=1):
        centre = [*([0.5] * (len(shape) - 2)), *fractions]
        distance = sum((axis - n * f) ** 2 for axis, n, f in zip(grid, shape, centre, strict=True))
        labels[distance < radius**2] = label
    return labels


def mean_iou(found: np.ndarray, truth: np.ndarray) -> float:
    ids = np.unique(truth[truth > 0])
    return float(np.mean([((found == i) & (truth == i)).sum() / ((found == i) | (truth == i)).sum() for i in ids]))


def nearest(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return labels[np.ix_(*((2 * np.arange(n) + 1) * m // (2 * n) for n, m in zip(shape, labels.shape, strict=True)))]


@pytest.mark.parametrize(
    ("shape", "scale", "units", "model_scale", "model_units", "expected"),
    [
        pytest.param((40, 60), (0.1, 0.1), UM2, (0.2, 0.2), UM2, (20, 30), id="2d half"),
        pytest.param((40, 60), (100, 100), ("nm", "nm"), (0.2, 0.2), ("um", "µm"), (20, 30), id="units"),
        pytest.param((40, 60), (1e-4, 1e-4), ("mm", "mm"), (0.05, 0.05), UM2, (80, 120), id="finer"),
        pytest.param((10, 40, 61), (0.5, 0.1, 0.1), UM3, (0.25, 0.2, 0.2), UM3, (20, 20, 30), id="3d"),
        pytest.param((10, 40, 60), (0.25, 0.15, 0.15), UM3, (0.235, 0.3, 0.3), UM3, (10, 20, 30), id="close in z"),
        pytest.param((1, 40, 60), (0.1, 0.2, 0.2), UM3, (0.4, 0.2, 0.2), UM3, (1, 40, 60), id="one plane"),
    ],
)
def test_shape_at_the_voxel_size_of_the_model(shape, scale, units, model_scale, model_units, expected) -> None:
    resampling = plan_resampling(shape, scale, units, model_scale, model_units)
    assert resampling.model_shape == expected
    assert resampling.is_identity == (expected == shape)
    assert bool(resampling.notice) != resampling.is_identity


@pytest.mark.parametrize(
    ("scale", "units", "model_scale", "model_units", "notice"),
    [
        pytest.param((0.1, 0.1), UM2, None, None, "", id="model without"),
        pytest.param((0.1, 0.1), UM2, (1.0, 1.0), ("pixel", "pixel"), "", id="model in pixels"),
        pytest.param((0.1, 0.1), UM2, (0.107, 0.094), UM2, "", id="within 10 %"),
        pytest.param(None, None, (0.1, 0.1), UM2, "has no voxel size", id="image without"),
        pytest.param((1.0, 1.0), ("pixel", "pixel"), (0.1, 0.1), UM2, "0.1 x 0.1 micrometer", id="image in pixels"),
        pytest.param((1.0, 1.0), ("pixel", "um"), (0.1, 0.1), UM2, "has no voxel size", id="an axis in pixels"),
        pytest.param((1.0, 1.0), UM2, (0.1, 0.1), UM2, "too far from the model's", id="factor 10"),
        pytest.param((1.0, 1.0), UM2, (1.0, 10.0), UM2, "too far from the model's", id="factor 10 along one"),
    ],
)
def test_nothing_is_resampled(scale, units, model_scale, model_units, notice: str) -> None:
    resampling = plan_resampling((8, 9), scale, units, model_scale, model_units)
    assert resampling.is_identity
    assert notice in resampling.notice
    assert bool(notice) == bool(resampling.notice)
    image, labels = np.ones((1, 8, 9), np.uint8), np.ones((8, 9), np.int32)
    assert resampling.image(image) is image
    assert resampling.annotations(labels) is labels
    assert resampling.labels(labels).dtype == np.uint32
    picture = np.zeros((4, 4, 3), np.uint8)
    assert resampling.picture(picture, (2, 3)) == (picture, (2, 3))


@pytest.mark.parametrize(
    ("scale", "units", "message"),
    [
        ((1.0, 1.0), ("second", "um"), r"scale, units: expected units of length .*, got 'second'"),
        ((1.0,), ("um", "um"), "scale, units: expected 2 positive numbers"),
        ((1.0, 0.0), ("um", "um"), "scale, units: expected 2 positive numbers"),
        ((1.0, 1.0, 1.0), UM3, "scale, units: expected 2 positive numbers"),
    ],
)
def test_what_is_no_voxel_size_is_named(scale, units, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_resampling((8, 8), scale, units, (1.0, 1.0), UM2)


@pytest.mark.parametrize("shape", [(24, 24), (31, 40), (17, 50), (9, 24, 31)], ids=str)
@pytest.mark.parametrize("factor", [0.3, 0.5, 1.7, 3.0])
def test_grids_cover_the_same_box(shape: tuple[int, ...], factor: float) -> None:
    resampling = Resampling(shape, tuple(round(n * factor) for n in shape))
    ramps = np.stack([(grid + 0.5) / n for grid, n in zip(np.indices(shape), shape, strict=True)])
    after = resampling.model_shape
    expected = [(grid + 0.5) / n for grid, n in zip(np.indices(after), after, strict=True)]
    inside = (slice(None), *(slice(n // 4, -(n // 4)) for n in after))
    resampled = resampling.image(ramps)
    assert resampled.dtype == np.float32
    np.testing.assert_allclose(resampled[inside], np.stack(expected)[inside], atol=1e-3)


def test_shrinking_does_not_alias(rng: np.random.Generator) -> None:
    noise = rng.normal(0, 1, (1, 128, 128))
    assert Resampling((128, 128), (32, 32)).image(noise).std() < 0.35


@pytest.mark.parametrize("factor", [0.37, 0.5, 0.8, 1.6, 2.5])
def test_nuclei_there_and_back(factor: float) -> None:
    of_ours, of_nearest, sizes = [], [], []
    for sample in load_nuclei("val")[:3]:
        truth = sample.labels.astype(np.int32)
        resampling = Resampling(truth.shape, tuple(round(n * factor) for n in truth.shape))
        there = resampling.annotations(truth)
        assert set(np.unique(there)) == set(np.unique(truth))
        back = resampling.labels(there)
        assert (back.dtype, back.shape) == (np.uint32, truth.shape)
        of_ours.append(mean_iou(back, truth))
        of_nearest.append(mean_iou(nearest(there, truth.shape), truth))
        sizes.append((there > 0).sum() / factor**2 / (truth > 0).sum())
    assert np.mean(of_ours) > 0.88
    assert np.mean(of_ours) >= np.mean(of_nearest) - 1e-3
    assert np.mean(sizes) == pytest.approx(1, abs=0.05)


def test_balls_there_and_back() -> None:
    truth = discs((20, 60, 60), 10)
    resampling = Resampling(truth.shape, (20, 30, 30))
    assert mean_iou(resampling.labels(resampling.annotations(truth)), truth) > 0.89


@pytest.mark.parametrize("factor", [2, 3, 5])
@pytest.mark.parametrize("label", [7, BACKGROUND, IGNORE])
def test_thin_strokes_stay_connected(factor: int, label: int) -> None:
    from scipy import ndimage

    painted = np.zeros((60, 60), dtype=np.int32)
    painted[np.arange(5, 50), np.arange(5, 50)] = label
    painted[31, 5:20] = label
    there = Resampling((60, 60), (60 // factor,) * 2).annotations(painted)
    rows = np.arange(10, 50) // factor  # Ends may be rounded off.
    assert (there[rows, rows] == label).all()
    assert (there[31 // factor, 5 // factor + 1 : 20 // factor] == label).all()
    assert ndimage.label(there != 0, np.ones((3, 3)))[1] == 2
    assert (there != 0).mean() < 2 * factor * (painted != 0).mean()


def test_a_border_is_where_the_half_is() -> None:
    painted = np.zeros((4, 30), dtype=np.int32)
    painted[:, 5:13] = 3  # up to a third of the pixel of columns 12 to 14
    there = Resampling((4, 30), (4, 10)).annotations(painted)
    np.testing.assert_array_equal(there[0], [0, 0, 3, 3, 0, 0, 0, 0, 0, 0])


def test_complete_annotations_stay_complete(rng: np.random.Generator) -> None:
    painted = rng.integers(1, 5, (30, 30)).astype(np.int32)
    painted[:, :7] = BACKGROUND
    assert (Resampling((30, 30), (11, 13)).annotations(painted) != 0).all()
    assert (Resampling((30, 30), (50, 47)).annotations(painted) != 0).all()


def test_large_ids_survive() -> None:
    painted = np.zeros((20, 20), dtype=np.int32)
    painted[4:12, 4:12] = 2**31 - 1
    assert set(np.unique(Resampling((20, 20), (10, 10)).annotations(painted))) == {0, 2**31 - 1}


def test_masks() -> None:
    mask = np.zeros((20, 20), dtype=np.uint8)
    mask[4:12, 5:12] = 9
    expected = np.zeros((10, 10), dtype=bool)
    expected[2:6, 2:6] = True
    found = Resampling((20, 20), (10, 10)).mask(mask)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("shape", "model_shape", "start", "size", "expected_start", "expected_shape"),
    [
        pytest.param((40, 60), (20, 30), (4, 6), (5, 8), (8, 12), (10, 16), id="coarser model"),
        pytest.param((20, 30), (40, 60), (4, 6), (10, 8), (2, 3), (5, 4), id="finer model"),
        pytest.param((5, 20, 20), (20, 20, 20), (9, 0, 0), (1, 20, 20), (2, 0, 0), (1, 20, 20), id="a fine plane"),
        pytest.param((20, 20, 20), (5, 20, 20), (2, 0, 0), (1, 20, 20), (8, 0, 0), (4, 20, 20), id="a coarse plane"),
    ],
)
def test_pictures_lie_where_their_box_is(shape, model_shape, start, size, expected_start, expected_shape) -> None:
    picture = np.zeros((*size, 3), dtype=np.uint8)
    picture[..., 0] = np.indices(size)[-1]
    found, first = Resampling(shape, model_shape).picture(picture, start)
    assert first == expected_start
    assert found.shape == (*expected_shape, 3)
    columns = (2 * (first[-1] + np.arange(expected_shape[-1])) + 1) * model_shape[-1] // (2 * shape[-1]) - start[-1]
    np.testing.assert_array_equal(found[..., 0], np.broadcast_to(columns, expected_shape))


@pytest.mark.parametrize("shape", [(20, 20), (5, 20, 20)], ids=str)
@pytest.mark.parametrize("factor", [0.25, 2])
def test_a_picture_of_the_whole_image_fills_it(shape: tuple[int, ...], factor: float) -> None:
    resampling = Resampling(shape, tuple(max(1, round(n * factor)) for n in shape))
    picture, start = resampling.picture(np.zeros((*resampling.model_shape, 3), np.uint8))
    assert (picture.shape, start) == ((*shape, 3), (0,) * len(shape))


@pytest.mark.parametrize(("pixel", "expected"), [((0, 0), (0, 0)), ((3, 9), (1, 14)), ((2, 5), (1, 8))])
def test_the_pixel_of_the_model_that_holds_a_centre(pixel, expected) -> None:
    assert Resampling((4, 10), (2, 15)).model_pixel(pixel) == expected


def test_a_pixel_needs_an_index_per_axis() -> None:
    with pytest.raises(ValueError, match=r"pixel: expected 2 indices, got \(1,\)"):
        Resampling((4, 10), (2, 15)).model_pixel((1,))


def test_nothing_found_stays_nothing() -> None:
    resampling = Resampling((9, 9), (4, 5))
    assert not resampling.labels(np.zeros((4, 5), np.uint32)).any()
    assert not resampling.annotations(np.zeros((9, 9), np.int32)).any()
