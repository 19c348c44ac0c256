"""The made images are measured and held against the figures of real stacks, which stand in `MembraneAppearance`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from napari_spoco.data.images import read_labels
from napari_spoco.data.tissue_geometry import TissueGeometry, grow_cells
from napari_spoco.data.tissue_rendering import CLEAN, HARD, MembraneAppearance, render_membranes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SCALE = (0.235, 0.15, 0.15)
QUIET = {"noise": 0.0, "photons": 1e9, "attenuation": 0.0, "axial_blur": 0.15}
EVEN = MembraneAppearance(
    **QUIET, face_variation=0, patch_variation=0, gaps=0, cell_variation=0, bright_cells=0, nucleoli=0, texture=0
)


@pytest.fixture(scope="module")
def labels() -> NDArray[np.uint32]:
    """Some tens of cells at full resolution."""
    return grow_cells((64, 128, 128), scale=SCALE, rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def distance(labels: NDArray[Any]) -> NDArray[Any]:
    """Micrometers from each pixel to the nearest pixel at a wall."""
    return ndimage.distance_transform_edt(~walls_of(labels), sampling=SCALE)


def walls_of(labels: NDArray[Any]) -> NDArray[np.bool_]:
    cross = ndimage.generate_binary_structure(labels.ndim, 1)
    return ndimage.maximum_filter(labels, footprint=cross) != ndimage.minimum_filter(labels, footprint=cross)


def render(labels: NDArray[Any], look: MembraneAppearance, seed: int = 1, scale: Any = SCALE) -> NDArray[np.uint8]:
    return render_membranes(labels, scale=scale, rng=np.random.default_rng(seed), appearance=look)


def mean_per_cell(image: NDArray[Any], labels: NDArray[Any], inside: NDArray[Any]) -> NDArray[Any]:
    """Return the mean inside of each cell of which enough is seen."""
    cells = labels[inside]
    n_pixels = np.bincount(cells)
    return (np.bincount(cells, image[inside]) / np.maximum(n_pixels, 1))[n_pixels > 300]


def test_grey_levels_of_a_clean_stack(labels: NDArray[Any], distance: NDArray[Any]) -> None:
    image = render(labels, CLEAN).astype(float)
    walls, inside = distance == 0, distance > 1.2
    assert image[walls].mean() == pytest.approx(201, abs=12)
    assert image[walls].std() == pytest.approx(34, abs=10)
    assert image[inside].mean() == pytest.approx(41, abs=8)
    assert image[inside].std() == pytest.approx(29, abs=8)


def test_cells_of_a_hard_stack_differ(labels: NDArray[Any], distance: NDArray[Any]) -> None:
    cells = mean_per_cell(render(labels, HARD), labels, distance > 1.2)
    assert cells.mean() == pytest.approx(74, abs=12)
    assert cells.std() == pytest.approx(30, abs=10)


@pytest.mark.parametrize("width", [1.0, 1.15, 1.3])
def test_membranes_are_as_wide_as_they_are_asked_to_be(width: float) -> None:
    labels = np.ones((200, 200), dtype=np.uint32)
    labels[:, 100:] = 2
    look = EVEN.model_copy(update={"membrane_width": width, "interior": 0.0})
    profile = render(labels, look, scale=(0.05, 0.05))[100].astype(float)
    assert np.sum(profile >= profile.max() / 2) * 0.05 == pytest.approx(width, abs=0.12)


def test_faces_differ_and_vary(labels: NDArray[Any], distance: NDArray[Any]) -> None:
    walls = distance == 0
    for changes, between, within in (
        ({}, (0, 0.06), (0, 0.1)),
        ({"face_variation": 0.12}, (0.07, 0.14), (0, 0.1)),
        ({"patch_variation": 0.08}, (0, 0.07), (0.04, 0.12)),
    ):
        look = EVEN.model_copy(update={"membrane": 150.0, **changes})  # nothing is saturated
        found_between, found_within = variation_of_faces(render(labels, look), labels, walls)
        assert between[0] <= found_between <= between[1]
        assert within[0] <= found_within <= within[1]


def variation_of_faces(image: NDArray[Any], labels: NDArray[Any], walls: NDArray[Any]) -> tuple[float, float]:
    """Return the coefficients of variation of the faces' means, and within faces (median), of large faces.

    A face is the pixels that see the same two labels, and no third one, among their neighbours.
    """
    cross = ndimage.generate_binary_structure(3, 3)
    high, low = (f(labels, footprint=cross).astype(int) for f in (ndimage.maximum_filter, ndimage.minimum_filter))
    is_face = walls & (high != low) & ((labels == high) | (labels == low))
    keys, index = np.unique(low[is_face] * 10_000 + high[is_face], return_inverse=True)
    levels = [image[is_face][index == face].astype(float) for face in range(len(keys))]
    large = [values for values in levels if len(values) > 400]
    assert len(large) > 30
    means = np.array([values.mean() for values in large])
    return means.std() / means.mean(), float(np.median([values.std() / values.mean() for values in large]))


def test_gaps_take_their_share_of_the_membranes(labels: NDArray[Any], distance: NDArray[Any]) -> None:
    walls = distance == 0
    even, gappy = (render(labels, EVEN.model_copy(update={"gaps": share})) for share in (0.0, 0.2))
    faded = gappy[walls] < 0.6 * even[walls]
    assert 0.1 < faded.mean() < 0.3


def test_depth_takes_light() -> None:
    labels = np.ones((41, 16, 16), dtype=np.uint32)
    labels[:, 8:] = 2
    image = render(labels, EVEN.model_copy(update={"attenuation": 0.5}), scale=(0.5, 0.15, 0.15)).astype(float)
    planes = image[:, 7:9].mean(axis=(1, 2))
    assert planes[20] / planes[0] == pytest.approx(0.5, abs=0.03)
    assert planes[40] / planes[0] == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    "changes",
    [
        {"bright_cells": 0.2},
        {"nucleoli": 80.0},
        {"aggregates": 20.0},
        {"texture": 30.0},
        {"noise": 20.0},
        {"photons": 10},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_effect_is_seen_inside_of_cells(
    labels: NDArray[Any], distance: NDArray[Any], changes: dict[str, float]
) -> None:
    inside = distance > 1.2
    even, changed = (render(labels, look)[inside].astype(float) for look in (EVEN, EVEN.model_copy(update=changes)))
    assert changed.std() > even.std() + 2


def test_the_outside_is_dark_and_has_a_membrane() -> None:
    labels = grow_cells(
        (40, 80, 80), scale=(0.3,) * 3, rng=np.random.default_rng(0), geometry=TissueGeometry(outside=0.4)
    )
    image = render(labels, CLEAN, scale=(0.3,) * 3)
    outside = labels == 0
    deep = ndimage.binary_erosion(outside, iterations=5)
    rim = outside & ~ndimage.binary_erosion(outside, border_value=1)
    assert image[deep].mean() < 25
    assert image[rim].mean() > 120


def test_labels_of_a_real_tissue_are_rendered(shared: Path) -> None:
    cells = read_labels(shared / "data" / "plant3d_labels_only" / "geometry" / "labels" / "sample_cells.tif")
    labels = cells[50:90, 100:228, 100:228]
    image = render(labels, CLEAN)
    walls = walls_of(labels)
    inside = (ndimage.distance_transform_edt(~walls, sampling=SCALE) > 1.2) & (labels > 0)
    assert image[walls].mean() > 3 * image[inside].mean()


@pytest.mark.parametrize("shape", [(90, 100), (20, 40, 50)], ids=["2D", "3D"])
def test_equal_generators_make_equal_images(shape: tuple[int, ...]) -> None:
    scale = SCALE[-len(shape) :]
    labels = grow_cells(shape, scale=scale, rng=np.random.default_rng(0))
    images = [render(labels, HARD, seed, scale) for seed in (1, 1, 2)]
    assert images[0].shape == shape
    assert images[0].dtype == np.uint8
    np.testing.assert_array_equal(images[0], images[1])
    assert (images[0] != images[2]).mean() > 0.5


@pytest.mark.parametrize("labels", [np.ones((6, 7), np.uint8), np.zeros((3, 6, 7), np.int32)], ids=["one", "none"])
def test_tissue_without_walls_has_no_membranes(labels: NDArray[Any]) -> None:
    assert render(labels, EVEN, scale=SCALE[-labels.ndim :]).max() < 60


@pytest.mark.parametrize(
    ("labels", "scale", "message"),
    [
        (np.zeros((4, 4)), (1, 1), r"labels: expected integers from 0 .*, got float64"),
        (np.zeros(4, int), (1,), r"labels: expected integers from 0 .* of shape \(4,\)"),
        (np.full((4, 4), -1), (1, 1), "labels: expected integers from 0"),
        (np.zeros((4, 4), int), (1, 1, 1), "scale: expected 2 positive numbers"),
        (np.zeros((4, 4), int), (1, 0), "scale: expected 2 positive numbers"),
    ],
)
def test_bad_arguments_are_refused(labels: NDArray[Any], scale: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        render(labels, CLEAN, scale=scale)


def test_impossible_looks_are_refused() -> None:
    with pytest.raises(ValidationError, match="gaps"):
        MembraneAppearance(gaps=2.0)
