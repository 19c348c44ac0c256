"""Labels of files of every kind, as other programs and our own writers write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_spoco.data.label_files import read_label_file
from napari_spoco.data.ome_zarr import add_ome_zarr_labels, write_ome_zarr_labels

LABELS = np.zeros((3, 20, 24), np.uint16)
LABELS[1, 2:8, 3:9] = 7
LABELS[2, 10:15, 12:20] = 300


def save_png(path: Path, labels: np.ndarray, mode: str | None = None) -> Path:
    picture = Image.fromarray(labels)
    (picture if mode is None else picture.convert(mode)).save(path)
    return path


def save_image(path: Path, version: int, *names: str) -> Path:
    """Write an OME-Zarr image with time and channels, and labels in it."""
    group = zarr.open_group(path, mode="w", zarr_format={4: 2, 5: 3}[version])
    group.create_array("0", data=np.zeros((1, 2, *LABELS.shape), np.uint16))
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space"} for name in "zyx"]
    transforms = [{"type": "scale", "scale": [1.0] * 5}]
    datasets = [{"path": "0", "coordinateTransformations": transforms}]
    image = {"multiscales": [{"axes": axes, "datasets": datasets, "version": f"0.{version}"}]}
    group.attrs.update(image if version == 4 else {"ome": {"version": "0.5", **image}})
    for name in names:
        add_ome_zarr_labels(path, name, LABELS)
    return path


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.ZARR/zarr.json", "a.zarr"])
def test_every_kind_of_file(tmp_path, name, ndim) -> None:
    labels = LABELS if ndim == 3 else LABELS[2]
    path = tmp_path / name
    if name.startswith("a.tif"):
        tifffile.imwrite(path, labels, photometric="minisblack")
    elif name.endswith(".npy"):
        np.save(path, labels)
    else:
        write_ome_zarr_labels(tmp_path / name.partition("/")[0], labels)
    read = read_label_file(path)
    np.testing.assert_array_equal(read, labels)
    assert read.dtype == labels.dtype


def test_png_of_8_and_16_bits_and_with_a_palette(tmp_path) -> None:
    small = (LABELS[1] // 7).astype(np.uint8)
    np.testing.assert_array_equal(read_label_file(save_png(tmp_path / "a.png", LABELS[2])), LABELS[2])
    np.testing.assert_array_equal(read_label_file(save_png(tmp_path / "b.png", small)), small)
    picture = Image.fromarray(small)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.save(tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as saved:
        assert saved.mode == "P"
    np.testing.assert_array_equal(read_label_file(tmp_path / "c.png"), small)


@pytest.mark.parametrize("version", [4, 5])
def test_the_labels_of_an_image(tmp_path, version) -> None:
    path = save_image(tmp_path / "image.zarr", version, "cells")
    for place in ("", "labels", "labels/cells"):
        np.testing.assert_array_equal(read_label_file(path / place), LABELS)


def test_one_of_several_sets_has_to_be_chosen(tmp_path) -> None:
    path = save_image(tmp_path / "image.zarr", 5, "cells", "nuclei")
    with pytest.raises(ValueError, match=r"^image.zarr: expected one set .*image.zarr/labels/nuclei"):
        read_label_file(path)
    with pytest.raises(ValueError, match=r"^labels: expected one set .* got 2: .* labels/cells, labels/nuclei"):
        read_label_file(path / "labels")
    np.testing.assert_array_equal(read_label_file(path / "labels" / "nuclei"), LABELS)


@pytest.mark.parametrize("labels", [LABELS, LABELS[2]], ids=["3D", "2D"])
def test_a_plain_zarr_array(tmp_path, labels) -> None:
    zarr.save_array(tmp_path / "a.zarr", labels)
    np.testing.assert_array_equal(read_label_file(tmp_path / "a.zarr"), labels)


def test_time_and_channels_of_length_1_are_left_out(tmp_path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=LABELS[np.newaxis, np.newaxis])
    group.attrs["multiscales"] = [{"datasets": [{"path": "0"}], "version": "0.2"}]
    np.testing.assert_array_equal(read_label_file(tmp_path / "a.zarr"), LABELS)


def write_text(path: Path) -> None:
    path.write_text("nothing of the kind")


def write_objects(path: Path) -> None:
    np.save(path, np.array([{}]), allow_pickle=True)


@pytest.mark.parametrize(
    ("name", "write", "sentence"),
    [
        ("a.csv", write_text, "expected a file of labels: .tif, .tiff, .png, .npy or .zarr"),
        ("a.png", write_text, "expected a PNG file"),
        ("a.npy", write_text, "expected a NumPy array of numbers"),
        ("a.npy", write_objects, "expected a NumPy array of numbers"),
        ("a.npy", lambda path: np.save(path, np.zeros((4, 4))), "expected integer labels, got float64"),
        ("a.npy", lambda path: np.save(path, np.zeros(4, int)), r"got shape \(4,\)"),
        ("a.png", lambda path: save_png(path, LABELS[0].astype(np.uint8), "RGB"), r"got colours \(RGB\)"),
        ("a.zarr", lambda path: path.mkdir(), "expected a zarr folder with labels, got none"),
        ("a.zarr", lambda path: zarr.open_group(path, mode="w"), "got a folder without any"),
        ("a.zarr", lambda path: save_image(path, 5), r"got \['t', 'c', 'z', 'y', 'x'\] of shape \(1, 2, 3, 20, 24\)"),
    ],
)
def test_what_is_wrong_is_said_with_the_name(tmp_path, name, write, sentence) -> None:
    write(tmp_path / name)
    with pytest.raises(ValueError, match=f"^{name}: .*{sentence}"):
        read_label_file(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.npy"])
def test_a_file_that_is_not_there(tmp_path, name) -> None:
    with pytest.raises(OSError, match=name):
        read_label_file(tmp_path / name)
