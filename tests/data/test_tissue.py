from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.tissue import OVULE_SCALE, nuclei_stack, tissue_stack
from napari_spoco.data.tissue_geometry import TissueGeometry
from napari_spoco.data.tissue_rendering import HARD


@pytest.mark.parametrize("make", [tissue_stack, nuclei_stack])
@pytest.mark.parametrize("shape", [(60, 70), (16, 40, 48)], ids=["2D", "3D"])
def test_equal_generators_make_equal_stacks(make, shape: tuple[int, ...]) -> None:
    stacks = [make(shape, rng=np.random.default_rng(seed)) for seed in (5, 5, 6)]
    first, same, other = stacks
    assert first.image.shape == first.labels.shape == shape
    assert (first.image.dtype, first.labels.dtype) == (np.uint8, np.uint32)
    assert first.scale == OVULE_SCALE[-len(shape) :]
    ids = np.unique(first.labels)
    np.testing.assert_array_equal(ids[ids > 0], np.arange(1, first.labels.max() + 1))
    np.testing.assert_array_equal(first.image, same.image)
    np.testing.assert_array_equal(first.labels, same.labels)
    assert (first.image != other.image).any()


def test_geometry_and_appearance_are_passed_on(rng: np.random.Generator) -> None:
    stack = tissue_stack(
        (24, 48, 48), rng=rng, scale=(0.6, 0.6, 0.6), geometry=TissueGeometry(outside=0.5), appearance=HARD
    )
    assert stack.scale == (0.6, 0.6, 0.6)
    assert 0.2 < (stack.labels == 0).mean() < 0.8


@pytest.mark.parametrize("make", [tissue_stack, nuclei_stack])
def test_bad_grids_are_refused(make, rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match=r"^shape: expected 2 or 3 numbers"):
        make((5,), rng=rng)
    with pytest.raises(ValueError, match=r"^scale: expected 2 positive numbers"):
        make((5, 5), rng=rng, scale=(1, 1, 1))
