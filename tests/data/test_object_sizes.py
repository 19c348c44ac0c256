"""How large objects are of which only some planes were painted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.annotations import SparseAnnotations
from napari_spoco.data.object_sizes import median_object_size, object_sizes


def ellipsoid(radii: tuple[float, float, float], step: float = 1.0, n_planes: int = 41) -> np.ndarray:
    """Return an ellipsoid of these radii in pixels, in the middle of a stack whose planes lie `step` pixels apart."""
    z, y, x = np.ogrid[:n_planes, -40:41, -40:41]
    rz, ry, rx = radii
    return (((z - n_planes // 2) * step / rz) ** 2 + (y / ry) ** 2 + (x / rx) ** 2 <= 1).astype(np.int32)


def in_planes(labels: np.ndarray, planes: list[int]) -> SparseAnnotations:
    painted = np.zeros_like(labels)
    painted[planes] = labels[planes]
    return SparseAnnotations.from_labels(painted, config=AnnotationConfig(painted_in_planes=True))


@pytest.mark.parametrize("step", [1, 2, 4])
@pytest.mark.parametrize("unit", [1.0, 0.2])
def test_one_section_through_the_middle_gives_the_ball(step: float, unit: float) -> None:
    ball = ellipsoid((18, 18, 18), step)
    painted = in_planes(ball, [20])
    size = object_sizes(painted, (step * unit, unit, unit))[1]
    assert size == pytest.approx(4 / (3 * math.sqrt(math.pi)) * ball[20].sum() ** 1.5 / step)
    assert size == pytest.approx(ball.sum(), rel=0.03)


@pytest.mark.parametrize("voxel_size", [None, (3.0, 3.0, 3.0)])
def test_without_a_voxel_size_pixels_are_cubes(voxel_size: tuple[float, ...] | None) -> None:
    ball = ellipsoid((18, 18, 18))
    assert object_sizes(in_planes(ball, [20]), voxel_size)[1] == pytest.approx(ball.sum(), rel=0.03)


@pytest.mark.parametrize(
    ("radii", "planes", "error"),
    [
        pytest.param((18, 18, 18), range(41), 0.01, id="ball, all planes"),
        pytest.param((18, 18, 18), range(0, 41, 4), 0.05, id="ball, every fourth plane"),
        pytest.param((18, 18, 18), [11, 29], 0.1, id="ball, two planes"),
        pytest.param((18, 9, 9), range(0, 41, 4), 0.05, id="long along the planes' normal"),
        pytest.param((9, 9, 30), range(0, 41, 4), 0.15, id="long in the planes"),
        pytest.param((9, 18, 18), range(41), 0.01, id="flat, all planes"),
    ],
)
def test_several_planes_tell_the_shape(radii: tuple[float, float, float], planes: list[int], error: float) -> None:
    whole = ellipsoid(radii)
    assert object_sizes(in_planes(whole, list(planes)))[1] == pytest.approx(whole.sum(), rel=error)


def test_an_object_ends_at_the_border_of_the_image() -> None:
    """The ball around a section of 2000 pixels would have 67,000; the stack has 3 planes."""
    disc = ellipsoid((1e9, 25, 25), n_planes=3)
    assert disc[1].sum() < object_sizes(in_planes(disc, [1]))[1] <= 3 * disc[1].sum()


def test_no_less_than_what_was_painted() -> None:
    slab = np.zeros((5, 10, 10), np.int32)
    slab[:, 2:8, 2:8] = 1
    assert object_sizes(in_planes(slab, list(range(5))))[1] == slab.sum()


@pytest.mark.parametrize("shape", [(20, 30), (6, 20, 30)], ids=["2D", "3D"])
def test_what_is_painted_as_a_whole_is_counted(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    labels = rng.integers(-1, 5, shape)
    expected = {i: int((labels == i).sum()) for i in range(1, 5)}
    assert object_sizes(SparseAnnotations.from_labels(labels), (3.0, 1.0, 1.0)[-len(shape) :]) == expected


def test_only_the_objects_of_planes_are_estimated() -> None:
    labels = ellipsoid((9, 9, 9))
    labels[20, :4, :4] = 2
    painted = SparseAnnotations(np.where(np.arange(41)[:, None, None] == 20, labels, 0), in_planes=frozenset({1}))
    sizes = object_sizes(painted)
    assert sizes[1] == pytest.approx((labels == 1).sum(), rel=0.05)
    assert sizes[2] == 16


def test_the_median_is_over_the_objects_of_all_images() -> None:
    ball = ellipsoid((9, 9, 9), 2)
    small = np.zeros((4, 8, 8), np.int32)
    small[0, :2, :2], small[1, :3, :3] = 1, 2
    images = [(in_planes(ball, [20]), (2.0, 1.0, 1.0)), (SparseAnnotations.from_labels(small), None)]
    assert median_object_size(images) == 9
    assert median_object_size(images[:1]) == pytest.approx(ball.sum(), rel=0.05)
    assert median_object_size([]) == 0
