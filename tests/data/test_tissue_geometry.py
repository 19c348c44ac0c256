"""The made cells are measured and held against those of a real ovule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.measure import regionprops

from napari_spoco.data.images import read_labels
from napari_spoco.data.tissue_geometry import TissueGeometry, _pack, _power_cells, grow_cells

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COARSE = (0.6, 0.6, 0.6)


@pytest.fixture(scope="module")
def cells() -> NDArray[np.uint32]:
    """Hundreds of cells with the defaults."""
    return grow_cells((90, 90, 90), scale=COARSE, rng=np.random.default_rng(0))


def whole_cells(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the ids of the cells that touch no border of the image and not the outside of the tissue."""
    framed = np.pad(labels, 1)
    touching = framed[ndimage.binary_dilation(framed == 0, ndimage.generate_binary_structure(labels.ndim, 1))]
    return np.setdiff1d(labels, touching)


def count_neighbours(labels: NDArray[Any]) -> NDArray[Any]:
    """Return for each label how many other labels it shares a face with."""
    pairs = []
    for axis in range(labels.ndim):
        low, high = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        pairs.append(np.sort(np.stack([low[low != high], high[low != high]], axis=1), axis=1))
    return np.bincount(np.unique(np.concatenate(pairs), axis=0).ravel())


def elongation(labels: NDArray[Any], ids: NDArray[Any], scale: tuple[float, ...]) -> float:
    """Return the median ratio of the longest to the middle axis of inertia."""
    ratios = []
    for region in regionprops(labels.astype(np.int32), spacing=scale):
        if region.label in ids:
            spread = np.linalg.eigvalsh(np.cov((region.coords * scale).T))
            ratios.append(np.sqrt(spread[-1] / spread[-2]))
    return float(np.median(ratios))


def test_volumes_are_those_of_an_ovule(cells: NDArray[Any]) -> None:
    volumes = np.bincount(cells.ravel())[whole_cells(cells)] * np.prod(COARSE)
    assert len(volumes) > 200
    assert np.median(volumes) == pytest.approx(37_000 * 0.235 * 0.15 * 0.15, rel=0.1)
    assert np.log(volumes).std() == pytest.approx(0.46, abs=0.06)
    assert (6 / np.pi * np.median(volumes)) ** (1 / 3) == pytest.approx(7.2, rel=0.05)


def test_shapes_are_those_of_an_ovule(cells: NDArray[Any]) -> None:
    whole = whole_cells(cells)
    assert 12 <= count_neighbours(cells)[whole].mean() <= 15
    assert elongation(cells, whole, COARSE) == pytest.approx(1.35, abs=0.08)


def test_a_real_ovule_measures_the_same(shared: Path, cells: NDArray[Any]) -> None:
    real = read_labels(shared / "data" / "plant3d_labels_only" / "geometry" / "labels" / "sample_cells.tif")
    scale = (0.235, 0.6, 0.6)
    real = real[:, ::4, ::4]
    whole, made = whole_cells(real), whole_cells(cells)
    volumes, made_volumes = (np.bincount(x.ravel())[ids] for x, ids in ((real, whole), (cells, made)))
    assert np.median(volumes) * np.prod(scale) == pytest.approx(np.median(made_volumes) * np.prod(COARSE), rel=0.15)
    assert np.log(volumes).std() == pytest.approx(np.log(made_volumes).std(), abs=0.1)
    assert count_neighbours(real)[whole].mean() == pytest.approx(count_neighbours(cells)[made].mean(), abs=2)
    assert elongation(real, whole, scale) == pytest.approx(elongation(cells, made, COARSE), abs=0.1)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_cells_are_those_of_the_power_diagram(ndim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    seeds, radii, weights = _pack(np.full(ndim, 25.0), TissueGeometry(), rng)
    grid = np.meshgrid(*[np.arange(0, 25, 0.8, dtype=np.float32)] * ndim, indexing="ij")
    boxes = seeds / 0.8, np.repeat(2.2 * radii[:, None] / 0.8, ndim, axis=1)
    found = _power_cells(grid, seeds, weights, *boxes)
    # The nearest seed in one dimension more, in which seeds are at sqrt(max w - w) and pixels at 0.
    lifted = cKDTree(np.column_stack([seeds, np.sqrt(weights.max() - weights)]))
    _, expected = lifted.query(np.stack([*grid, np.zeros_like(grid[0])], axis=-1))
    assert (found != expected).mean() < 1e-3


@pytest.mark.parametrize(("shape", "scale"), [((120, 150), (0.3, 0.3)), ((40, 64, 64), (0.5, 0.3, 0.3))])
def test_every_cell_is_one_piece_with_an_id_of_its_own(shape: tuple[int, ...], scale: tuple[float, ...]) -> None:
    labels = grow_cells(shape, scale=scale, rng=np.random.default_rng(1))
    assert labels.shape == shape
    assert labels.dtype == np.uint32
    np.testing.assert_array_equal(np.unique(labels), np.arange(1, labels.max() + 1))
    pieces = [ndimage.label(labels == cell, np.ones((3,) * len(shape)))[1] for cell in range(1, labels.max() + 1)]
    assert np.mean(np.array(pieces) == 1) > 0.98  # stretched tips may come back into the image


def test_2d_cells_have_the_diameter_that_was_asked_for() -> None:
    labels = grow_cells((400, 400), scale=(0.5, 0.5), rng=np.random.default_rng(0))
    areas = np.bincount(labels.ravel())[whole_cells(labels)] * 0.25
    assert 2 * np.sqrt(np.median(areas) / np.pi) == pytest.approx(7.2, rel=0.1)


def test_the_size_of_voxels_leaves_the_size_of_cells_alone() -> None:
    sizes = []
    for shape, scale in (((30, 60, 60), (1.2, 0.6, 0.6)), ((60, 60, 60), (0.6, 0.6, 0.6))):
        labels = grow_cells(shape, scale=scale, rng=np.random.default_rng(0))
        sizes.append(np.median(np.bincount(labels.ravel())[whole_cells(labels)]) * np.prod(scale))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.15)


def test_the_outside_has_about_the_share_that_was_asked_for() -> None:
    geometry = TissueGeometry(outside=0.3)
    for seed in range(3):
        labels = grow_cells((40, 50, 50), scale=COARSE, rng=np.random.default_rng(seed), geometry=geometry)
        outside = labels == 0
        assert outside.mean() == pytest.approx(0.3, abs=0.1)
        assert np.bincount(ndimage.label(outside)[0][outside]).max() > 0.95 * outside.sum()  # one side of the image


def test_without_stretch_and_bending_cells_are_rounder() -> None:
    geometry = TissueGeometry(stretch=1.0, bending=0.0)
    labels = grow_cells((60, 60, 60), scale=COARSE, rng=np.random.default_rng(0), geometry=geometry)
    assert elongation(labels, whole_cells(labels), COARSE) < 1.25


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (1, 40, 40), (3, 200)])
def test_odd_shapes(shape: tuple[int, ...]) -> None:
    labels = grow_cells(shape, scale=(1.0,) * len(shape), rng=np.random.default_rng(0))
    assert labels.shape == shape
    assert labels.min() == 1


@pytest.mark.parametrize(
    "changes", [{"cell_diameter": 0}, {"size_spread": -1}, {"stretch": 0.5}, {"outside": 2}, {"bending": float("nan")}]
)
def test_impossible_cells_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        TissueGeometry(**changes)
