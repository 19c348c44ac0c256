"""What napari hands to a writer, written and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_spoco.data.images import read_image, read_labels
from napari_spoco.data.layer_files import save_ome_zarr, save_tiff

STACK = np.arange(3 * 4 * 5, dtype=np.uint32).reshape(3, 4, 5)


class Unit:
    """Stands for pint's, of which napari hands over one per axis."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name


def handed_over(ndim: int, unit: str = "pixel", **values: Any) -> dict[str, Any]:
    """Return what `as_layer_data_tuple` of napari 0.9 holds of a Labels layer."""
    return {
        "scale": [np.float64(1)] * ndim,
        "translate": [np.float64(0)] * ndim,
        "units": (Unit(unit),) * ndim,
        "axis_labels": ("-3", "-2", "-1")[-ndim:],
        "multiscale": False,
        "name": "Labels",
        **values,
    }


@pytest.mark.parametrize("name", ["labels.tif", "labels.ome.tif"])
def test_a_layer_as_tiff(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    assert save_tiff(path, STACK, handed_over(3, "micrometer", scale=[2, 0.5, 0.25])) == [path]
    np.testing.assert_array_equal(read_labels(path), STACK)
    assert read_image(path).scale == pytest.approx((2, 0.5, 0.25))
    assert read_image(path).units == ("micrometer",) * 3


def test_a_layer_as_ome_zarr(tmp_path: Path) -> None:
    path = str(tmp_path / "labels.ome.zarr")
    attributes = handed_over(2, "nanometer", scale=[2, 3], translate=[5, 7], axis_labels=("v", "u"))
    assert save_ome_zarr(path, STACK[0], attributes) == [path]
    multiscale = zarr.open_group(path, mode="r").attrs["ome"]["multiscales"][0]
    assert [(axis["name"], axis["unit"]) for axis in multiscale["axes"]] == [("v", "nanometer"), ("u", "nanometer")]
    assert multiscale["datasets"][0]["coordinateTransformations"] == [
        {"type": "scale", "scale": [2, 3]},
        {"type": "translation", "translation": [5, 7]},
    ]


def test_of_a_pyramid_the_finest_level_is_written(tmp_path: Path) -> None:
    levels = [np.arange(64).reshape(8, 8), np.zeros((4, 4), int)]
    (path,) = save_ome_zarr(str(tmp_path / "labels.zarr"), levels, handed_over(2, multiscale=True))
    np.testing.assert_array_equal(zarr.open_array(f"{path}/0", mode="r")[:], levels[0])
    assert [axis["name"] for axis in zarr.open_group(path, mode="r").attrs["ome"]["multiscales"][0]["axes"]] == [
        "y",
        "x",
    ]


def test_a_writer_may_be_handed_little(tmp_path: Path) -> None:
    (path,) = save_tiff(str(tmp_path / "labels.tif"), STACK, {})
    assert read_image(path).units == ("pixel",) * 3
    with pytest.raises(ValueError, match="labels: expected a non-empty array"):
        save_tiff(path, STACK[None], {})


@pytest.mark.parametrize(("save", "ending"), [(save_tiff, ".tif"), (save_ome_zarr, ".zarr")])
def test_a_name_without_an_ending_gets_one(tmp_path: Path, save: Any, ending: str) -> None:
    path = str(tmp_path / "cells 0.5um")
    assert save(path, STACK, handed_over(3)) == [path + ending]
    with pytest.raises(FileExistsError, match=r"cells 0\.5um.* exists already"):
        save(path, STACK, handed_over(3))
    assert save(path + ending, STACK + 1, handed_over(3)) == [path + ending]


def test_a_name_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a file ending in \.tif"):
        save_tiff(str(tmp_path / "a.zarr"), STACK, handed_over(3))
    with pytest.raises(ValueError, match=r"expected a folder ending in \.zarr"):
        save_ome_zarr(str(tmp_path / "a.tif"), STACK, handed_over(3))
