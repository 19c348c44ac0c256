"""Labels as OME-Zarr, read back by zarr and checked by yaozarrs' validator of whole stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaozarrs
import zarr

from napari_spoco.data.ome_zarr import add_ome_zarr_labels, write_ome_zarr_labels
from napari_spoco.data.writers import WriteError

STACK = np.arange(5 * 24, dtype=np.uint32).reshape(5, 4, 6)


def multiscale_of(path: Path) -> dict[str, Any]:
    attributes = zarr.open_group(path, mode="r").attrs.asdict()
    return attributes.get("ome", attributes)["multiscales"][0]


def transforms_of(path: Path) -> list[tuple]:
    """Return scale and translation of every level."""
    found = []
    for dataset in multiscale_of(path)["datasets"]:
        by_type = {transform["type"]: transform for transform in dataset["coordinateTransformations"]}
        translation = by_type.get("translation", {}).get("translation")
        found.append((by_type["scale"]["scale"], translation))
    return found


def make_image(folder: Path, version: str, shape: tuple[int, ...] = (2, 5, 40, 60)) -> Path:
    """Write an OME-Zarr image (C, Z, Y, X) of two levels, whose second is of the means of 2 x 2 pixels."""
    path = folder / f"image-{version}.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    half = (*shape[:2], shape[2] // 2, shape[3] // 2)
    names = ["c", "z", "y", "x"]
    for index, size in enumerate((shape, half)):
        separator = {"name": "default" if version == "0.5" else "v2", "separator": "/"}
        options = {"dimension_names": names} if version == "0.5" else {}
        group.create_array(str(index), data=np.zeros(size, np.uint8), chunk_key_encoding=separator, **options)
    scales = [[1.0, 2.0, 0.5, 0.5], [1.0, 2.0, 1.0, 1.0]]
    translations = [[0.0, 10.0, 20.0, 30.0], [0.0, 10.0, 20.25, 30.25]]
    multiscale = {
        "axes": [{"name": "c", "type": "channel"}]
        + [{"name": name, "type": "space", "unit": "micrometer"} for name in names[1:]],
        "datasets": [
            {
                "path": str(index),
                "coordinateTransformations": [
                    {"type": "scale", "scale": scales[index]},
                    {"type": "translation", "translation": translations[index]},
                ],
            }
            for index in range(2)
        ],
    }
    if version == "0.5":
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    else:
        group.attrs["multiscales"] = [{**multiscale, "version": "0.4"}]
    return path


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 65_535], np.uint16),
        ([0, 65_536], np.uint32),
        ([0, 2**32 - 1], np.uint32),
        ([0, 2**32], np.uint64),
        ([-2, 5], np.int32),
    ],
)
def test_no_id_is_ever_changed(tmp_path: Path, values: list[int], dtype: type) -> None:
    path = write_ome_zarr_labels(tmp_path / "labels.ome.zarr", np.array([values]))
    array = zarr.open_array(path / "0", mode="r")
    assert array.dtype == dtype
    assert array[:].tolist() == [values]
    yaozarrs.validate_zarr_store(path)


def test_axes_units_scale_and_place(tmp_path: Path) -> None:
    path = write_ome_zarr_labels(
        tmp_path / "cells.ome.zarr", STACK, scale=(2, 0.5, 0.25), units="um", translate=(1, 2, 3), axis_labels="abc"
    )
    multiscale = multiscale_of(path)
    assert multiscale["axes"] == [{"name": name, "type": "space", "unit": "micrometer"} for name in "abc"]
    assert multiscale["name"] == "cells"
    assert transforms_of(path) == [([2.0, 0.5, 0.25], [1.0, 2.0, 3.0])]
    assert zarr.open_array(path / "0", mode="r").metadata.dimension_names == ("a", "b", "c")
    assert [entry.name for entry in tmp_path.iterdir()] == ["cells.ome.zarr"]


@pytest.mark.parametrize("unit", ["pixel", "furlong"])
def test_what_is_no_length_is_no_unit(tmp_path: Path, unit: str) -> None:
    path = write_ome_zarr_labels(tmp_path / "cells.zarr", STACK, units=unit)
    assert multiscale_of(path)["axes"][0] == {"name": "z", "type": "space"}


@pytest.mark.parametrize(
    ("shape", "scale", "expected"),
    [
        pytest.param((300, 600), (1, 1), [(300, 600), (150, 300), (75, 150)], id="2D"),
        pytest.param((40, 520, 520), (4, 1, 1), [(40, 520, 520), (40, 260, 260), (40, 130, 130)], id="coarse planes"),
        pytest.param((9, 257, 5), (1, 1, 1), [(9, 257, 5), (5, 129, 3)], id="cubes"),
        pytest.param((1, 257, 257), (0.1, 1, 1), [(1, 257, 257), (1, 129, 129)], id="one plane"),
        pytest.param((256, 256), (1, 1), [(256, 256)], id="small"),
    ],
)
def test_levels_hold_every_second_pixel(tmp_path: Path, shape: tuple, scale: tuple, expected: list) -> None:
    labels = np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)
    path = write_ome_zarr_labels(tmp_path / "labels.zarr", labels, scale=scale)
    levels = [zarr.open_array(path / str(index), mode="r")[:] for index in range(len(expected))]
    assert [level.shape for level in levels] == expected
    for level, (size, _) in zip(levels, transforms_of(path), strict=True):
        steps = [round(coarse / fine) for coarse, fine in zip(size, scale, strict=True)]
        np.testing.assert_array_equal(level, labels[tuple(slice(None, None, step) for step in steps)])
    yaozarrs.validate_zarr_store(path)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_labels_inside_of_an_image_have_its_grid_and_levels(tmp_path: Path, version: str) -> None:
    image = make_image(tmp_path, version)
    labels = np.arange(5 * 40 * 60, dtype=np.uint32).reshape(5, 40, 60)
    for name in ("cells", "nuclei", "cells"):
        path = add_ome_zarr_labels(image, name, labels)
    yaozarrs.validate_zarr_store(image)
    assert path == image / "labels" / "cells"
    assert transforms_of(path) == [([2, 0.5, 0.5], [10, 20, 30]), ([2, 1, 1], [10, 20.25, 30.25])]
    np.testing.assert_array_equal(zarr.open_array(path / "0", mode="r")[:], labels)
    coarse = zarr.open_array(path / "1", mode="r")[:]
    assert coarse.shape == (5, 20, 30)
    assert np.isin(coarse, labels).all()
    assert [axis["name"] for axis in multiscale_of(path)["axes"]] == ["z", "y", "x"]
    attributes = zarr.open_group(image / "labels", mode="r").attrs.asdict()
    assert attributes.get("ome", attributes)["labels"] == ["cells", "nuclei"]
    assert sorted(entry.name for entry in (image / "labels").iterdir() if entry.is_dir()) == ["cells", "nuclei"]


def test_labels_are_replaced_and_an_image_is_not(tmp_path: Path) -> None:
    path = write_ome_zarr_labels(tmp_path / "labels.zarr", STACK)
    write_ome_zarr_labels(path, STACK[0])
    assert zarr.open_array(path / "0", mode="r").shape == (4, 6)
    image = make_image(tmp_path, "0.5")
    with pytest.raises(WriteError, match=r"cannot write .*image-0.5.ome.zarr: something else of that name exists"):
        write_ome_zarr_labels(image, STACK)
    (tmp_path / "notes.zarr").mkdir()
    with pytest.raises(WriteError, match="something else of that name exists"):
        write_ome_zarr_labels(tmp_path / "notes.zarr", STACK)
    assert zarr.open_array(image / "0", mode="r").shape == (2, 5, 40, 60)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_keeps_the_old_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = write_ome_zarr_labels(tmp_path / "labels.zarr", STACK)
    image = make_image(tmp_path, "0.5")

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(zarr.Group, "create_array", fail)
    expected = WriteError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_ome_zarr_labels(path, STACK + 1)
    with pytest.raises(expected):
        add_ome_zarr_labels(image, "cells", np.zeros((5, 40, 60), int))
    np.testing.assert_array_equal(zarr.open_array(path / "0", mode="r")[:], STACK)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["image-0.5.ome.zarr", "labels.zarr"]
    assert not (image / "labels").exists()


def test_the_old_labels_come_back_if_the_new_ones_cannot_take_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_ome_zarr_labels(tmp_path / "labels.zarr", STACK)
    rename = Path.rename

    def refuse_the_new(self: Path, target: Path) -> Path:
        if target == path and not self.name.endswith("-old"):
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new)
    with pytest.raises(WriteError, match=r"cannot write .*labels\.zarr: Permission denied"):
        write_ome_zarr_labels(path, STACK + 1)
    np.testing.assert_array_equal(zarr.open_array(path / "0", mode="r")[:], STACK)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (STACK * 1.0, {}, "labels: expected integers"),
        (STACK, {"scale": (1, 1)}, "scale: expected 3 positive numbers"),
        (STACK, {"translate": (1, 1)}, "translate: expected 3 numbers"),
        (STACK, {"translate": (1, 1, np.nan)}, "translate: expected 3 numbers"),
        (STACK, {"units": ("um",)}, "units: expected 3 names"),
    ],
)
def test_mistakes(tmp_path: Path, labels: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        write_ome_zarr_labels(tmp_path / "labels.zarr", labels, **options)
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path: expected a folder ending in .zarr, got 'labels.tif'"):
        write_ome_zarr_labels(tmp_path / "labels.tif", STACK)
    with pytest.raises(WriteError, match="its folder does not exist"):
        write_ome_zarr_labels(tmp_path / "nowhere" / "labels.zarr", STACK)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a\\b"])
def test_names_of_labels_are_names_of_folders(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name: expected a name without slashes"):
        add_ome_zarr_labels(make_image(tmp_path, "0.5"), name, STACK)


def test_labels_that_do_not_fit_the_image(tmp_path: Path) -> None:
    image = make_image(tmp_path, "0.4")
    with pytest.raises(ValueError, match=r"labels: expected the shape of the image \(5, 40, 60\), got \(5, 4, 6\)"):
        add_ome_zarr_labels(image, "cells", STACK)
    assert not (image / "labels").exists()


def test_what_is_no_image(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "plain.zarr", mode="w")
    for path in (tmp_path / "plain.zarr", tmp_path / "nowhere.zarr"):
        with pytest.raises(ValueError, match=r"image: expected an OME-Zarr image of version 0.5 or 0.4, got"):
            add_ome_zarr_labels(path, "cells", STACK)
