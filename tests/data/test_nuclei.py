from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_spoco.data.nuclei import place_nuclei, render_nuclei
from napari_spoco.data.tissue_geometry import grow_cells

SCALES = {2: (0.3, 0.3), 3: (0.4, 0.3, 0.3)}
SHAPES = {2: (100, 120), 3: (32, 60, 60)}


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("share", [0.15, 0.6])
def test_each_cell_has_a_nucleus_of_its_own(ndim: int, share: float) -> None:
    rng = np.random.default_rng(0)
    cells = grow_cells(SHAPES[ndim], scale=SCALES[ndim], rng=rng)
    nuclei = place_nuclei(cells, scale=SCALES[ndim], rng=rng, share=share)
    assert nuclei.dtype == np.uint32
    assert nuclei.max() == cells.max()
    for nucleus in range(1, nuclei.max() + 1):
        assert len(np.unique(cells[nuclei == nucleus])) == 1
    sizes = np.bincount(nuclei.ravel())[1:] / np.bincount(cells.ravel())[1:]
    assert np.median(sizes) == pytest.approx(share, rel=0.15)


@pytest.mark.parametrize("ndim", [2, 3])
def test_nuclei_are_bright(ndim: int) -> None:
    rng = np.random.default_rng(0)
    cells = grow_cells(SHAPES[ndim], scale=SCALES[ndim], rng=rng)
    nuclei = place_nuclei(cells, scale=SCALES[ndim], rng=rng)
    image = render_nuclei(nuclei, scale=SCALES[ndim], rng=rng)
    assert image.dtype == np.uint8
    far = ~ndimage.binary_dilation(nuclei > 0, iterations=3)
    assert image[nuclei > 0].mean() > 3 * image[far].mean()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"share": 0.0}, "share: expected a number above 0"), ({"scale": (1,)}, "scale: expected 2 positive numbers")],
)
def test_bad_arguments_are_refused(rng: np.random.Generator, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        place_nuclei(np.ones((4, 4), int), **{"scale": (1, 1), "rng": rng} | changes)
