"""Written files are read back by other readers: tifffile, scikit-image and the csv module."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.io
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_spoco.data import writers
from napari_spoco.data.images import read_image, read_labels
from napari_spoco.data.writers import WriteError, atomic_path, write_labels, write_objects_csv, write_rgb

LABELS = np.arange(24, dtype=np.uint32).reshape(4, 6)
STACK = np.arange(5 * 24, dtype=np.uint32).reshape(5, 4, 6)


def scale_of(path: Path) -> tuple[float, ...]:
    """Return the scale as ImageJ finds it: spacing of the planes and pixels per unit."""
    with tifffile.TiffFile(path) as tif:
        tags = tif.pages.first.tags
        y, x = (tags[name].value[1] / tags[name].value[0] for name in ("YResolution", "XResolution"))
        spacing = (tif.imagej_metadata or {}).get("spacing")
    return (y, x) if spacing is None else (spacing, y, x)


@pytest.mark.parametrize(
    ("labels", "scale"),
    [(LABELS, (0.3, 0.2)), (STACK, (2.0, 0.31, 0.17)), (STACK[:, :1], (2.0, 0.3, 0.2))],
    ids=["2D", "3D", "one row"],
)
def test_imagej_reads_labels_scale_and_unit(tmp_path: Path, labels: np.ndarray, scale: tuple[float, ...]) -> None:
    path = write_labels(tmp_path / "labels.tif", labels, scale=scale, units="micrometer")
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej
        assert tif.imagej_metadata["unit"] == "micron"
        assert tif.series[0].axes == ("ZYX" if len(scale) == 3 else "YX")
        assert tif.asarray().dtype == np.uint16
        np.testing.assert_array_equal(tif.asarray(), labels)
    assert scale_of(path) == pytest.approx(scale, rel=1e-6)
    np.testing.assert_array_equal(skimage.io.imread(path), labels)
    np.testing.assert_array_equal(read_labels(path), labels)


@pytest.mark.parametrize(
    ("labels", "scale", "units"),
    [
        (LABELS, (0.3, 0.2), "micrometer"),
        (STACK, (2.0, 0.31, 0.17), ("nanometer", "micrometer", "micrometer")),
        (STACK[:1], (1e-9, 3e7, 1.0), "pixel"),
        (LABELS + np.uint32(2**32 - 24), (1.0, 1.0), "angstrom"),
        (LABELS.astype(np.int64) - 2, (1.0, 1.0), "inch"),
    ],
    ids=["2D", "units of axes", "one plane", "greatest id", "negative"],
)
def test_ome_tiff_keeps_labels_scale_and_units(tmp_path: Path, labels: np.ndarray, scale: tuple, units: Any) -> None:
    path = write_labels(tmp_path / "labels.ome.tif", labels, scale=scale, units=units)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome
        assert tif.series[0].axes == "ZYX"[-labels.ndim :] or labels.shape[0] == 1
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
        np.testing.assert_array_equal(tif.asarray().reshape(labels.shape), labels)
    assert [pixels[f"PhysicalSize{axis}"] for axis in "ZYX"[-labels.ndim :]] == pytest.approx(scale, rel=1e-9)
    np.testing.assert_array_equal(read_labels(path).reshape(labels.shape), labels)
    image = read_image(path)
    expected = units if isinstance(units, str) else "micrometer"
    assert image.units == (expected,) * len(image.units)
    if not isinstance(units, str):
        assert image.scale == pytest.approx((0.002, 0.31, 0.17))


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (
            np.array([[0, 2**32]]),
            {},
            r"labels: expected ids up to 4294967295 for OME-TIFF, got 4294967296; write a .tif",
        ),
        (LABELS, {"units": "furlong"}, "units: expected one of micrometer, .* for OME-TIFF, got 'furlong'"),
    ],
)
def test_what_ome_tiff_cannot_hold_is_refused(tmp_path: Path, labels: Any, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_labels(tmp_path / "labels.ome.tiff", labels, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scale", [(0.3, 0.2), (1e-9, 3e7)], ids=["common", "extreme"])
@pytest.mark.parametrize("greatest", [100, 70_000], ids=["uint16", "uint32"])
@pytest.mark.parametrize("units", ["nanometer", ("millimeter", "nanometer"), "furlong"], ids=str)
def test_our_own_reader_finds_the_same_geometry(tmp_path: Path, scale: tuple, greatest: int, units: Any) -> None:
    labels = LABELS.copy()
    labels[0, 0] = greatest
    image = read_image(write_labels(tmp_path / "labels.tif", labels, scale=scale, units=units))
    if not isinstance(units, str):
        scale, units = (1e3 * scale[0], 1e-3 * scale[1]), "micrometer"
    assert image.scale == pytest.approx(scale, rel=1e-6)
    assert image.units == (units, units)


@pytest.mark.parametrize("unit", ["um", "\u00b5m", "micron", "Micrometer"])
def test_units_may_be_abbreviated(tmp_path: Path, unit: str) -> None:
    path = write_labels(tmp_path / "labels.tif", LABELS, scale=(2, 3), units=unit)
    assert read_image(path).units == ("micrometer", "micrometer")


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([0, 65_535], id="uint16"),
        pytest.param([0, 65_536], id="one more than uint16"),
        pytest.param([0, 2**32 - 1], id="uint32"),
        pytest.param([0, 2**32], id="one more than uint32"),
        pytest.param([0, 2**64 - 1], id="uint64"),
        pytest.param([-2, -1, 0, 5], id="background strokes"),
        pytest.param([-2, 2**32], id="int64"),
        pytest.param([0], id="one pixel"),
    ],
)
@pytest.mark.parametrize("ndim", [2, 3])
def test_no_id_is_ever_changed(tmp_path: Path, values: list[int], ndim: int) -> None:
    dtype = np.uint64 if max(values) > 2**63 else np.int64
    labels = np.array(values, dtype).reshape((1,) * (ndim - 1) + (-1,))
    path = write_labels(tmp_path / "labels.tif", labels)
    for read in (tifffile.imread, read_labels):
        assert read(path).shape == labels.shape
        assert read(path).ravel().tolist() == values
    assert skimage.io.imread(path).ravel().tolist() == values


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=hnp.arrays(
        st.sampled_from([np.uint8, np.int32, np.uint32, np.dtype(">u2"), np.int64]),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=6),
    ),
    size=st.floats(1e-3, 1e3),
)
def test_any_labels_come_back(tmp_path: Path, labels: np.ndarray, size: float) -> None:
    path = write_labels(tmp_path / "labels.tif", labels, scale=(size,) * labels.ndim, units="pixel")
    np.testing.assert_array_equal(tifffile.imread(path).reshape(labels.shape), labels)
    np.testing.assert_array_equal(read_labels(path), labels)
    with tifffile.TiffFile(path) as tif:
        resolution = tif.pages.first.tags["XResolution"].value
    assert resolution[1] / resolution[0] == pytest.approx(size, rel=1e-6)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        pytest.param(LABELS * 1.0, {}, "labels: expected integers, got float64", id="floats"),
        pytest.param(LABELS > 3, {}, "labels: expected integers, got bool", id="boolean"),
        pytest.param(LABELS[0], {}, r"labels: .* got shape \(6,\)", id="one axis"),
        pytest.param(STACK[None], {}, r"labels: .* got shape \(1, 5, 4, 6\)", id="four axes"),
        pytest.param(LABELS[:0], {}, r"labels: .* got shape \(0, 6\)", id="empty"),
        pytest.param(LABELS, {"scale": (1, 1, 1)}, "scale: expected 2 positive numbers", id="scale of another length"),
        pytest.param(LABELS, {"scale": (1, 0)}, "scale: expected 2 positive numbers", id="scale of zero"),
        pytest.param(LABELS, {"scale": (1, np.nan)}, "scale: expected 2 positive numbers", id="scale of NaN"),
        pytest.param(LABELS, {"units": ("nm",)}, "units: expected 2 names", id="units of another length"),
        pytest.param(LABELS, {"axis_labels": "zyx"}, "axis_labels: expected 2 names", id="names of another length"),
    ],
)
def test_bad_arguments_are_refused_before_a_file_appears(
    tmp_path: Path, labels: np.ndarray, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        write_labels(tmp_path / "labels.tif", labels, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("write", "content", "name"),
    [
        pytest.param(write_labels, LABELS, "labels.png", id="labels"),
        pytest.param(write_objects_csv, LABELS, "objects.xlsx", id="objects"),
        pytest.param(write_rgb, np.zeros((4, 4, 3), np.uint8), "picture.jpg", id="picture"),
    ],
)
def test_another_file_type_is_refused(tmp_path: Path, write: Any, content: np.ndarray, name: str) -> None:
    with pytest.raises(ValueError, match=r"^path: expected a file ending in"):
        write(tmp_path / name, content)


def no_folder(folder: Path) -> Path:
    return folder / "nowhere" / "labels.tif"


def file_as_folder(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "labels.tif"


def folder_as_file(folder: Path) -> Path:
    (folder / "labels.tif").mkdir()
    return folder / "labels.tif"


def locked_folder(folder: Path) -> Path:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("nothing is locked for this user")
    (folder / "locked").mkdir(mode=0o500)
    return folder / "locked" / "labels.tif"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_folder, "its folder does not exist"),
        (file_as_folder, ""),
        (folder_as_file, "a folder of that name exists"),
        (locked_folder, "Permission denied"),
    ],
)
def test_a_place_that_cannot_be_written(tmp_path: Path, make: Any, reason: str) -> None:
    path = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(WriteError, match=f"^cannot write .*labels.tif: {reason}"):
        write_labels(path, LABELS)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_refused_folder_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WriteError, match=r"^cannot write .*labels\.tif: Permission denied$"):
        write_labels(tmp_path / "labels.tif", LABELS)


@pytest.mark.parametrize(
    ("error", "raised"),
    [(OSError(28, "No space left on device"), WriteError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_an_interrupted_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, raised: type[BaseException]
) -> None:
    path = write_labels(tmp_path / "labels.tif", LABELS)

    def fail(temporary: Path, *_: Any, **__: Any) -> None:
        temporary.write_bytes(b"half")
        raise error

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(raised):
        write_labels(path, LABELS + 1)
    assert list(tmp_path.iterdir()) == [path]
    np.testing.assert_array_equal(read_labels(path), LABELS)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_the_file_is_as_readable_as_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    written = write_labels(tmp_path / "labels.tif", LABELS)
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


def test_an_atomic_path_keeps_the_suffix_and_stays_in_its_folder(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "model.safetensors") as temporary:
        temporary.write_bytes(b"x")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".safetensors"
        assert not (tmp_path / "model.safetensors").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("size", "flush", "expected"),
    [
        pytest.param(100, True, ["fsync", "replace"], id="small"),
        pytest.param(101, True, ["replace"], id="large: it can be made again"),
        pytest.param(100, False, ["replace"], id="not wanted"),
    ],
)
def test_a_small_file_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, flush: bool, expected: list[str]
) -> None:
    calls = []
    for name in ("fsync", "replace"):
        call = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, call=call, name=name: (calls.append(name), call(*args)))
    monkeypatch.setattr(writers, "_FLUSH_LIMIT", 100)
    with atomic_path(tmp_path / "file", flush=flush) as temporary:
        temporary.write_bytes(b"x" * size)
    assert calls == expected
    assert (tmp_path / "file").stat().st_size == size


def test_a_disk_that_does_not_take_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match="No space left on device"), atomic_path(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_an_object_has_a_row_in_physical_units(tmp_path: Path) -> None:
    labels = np.zeros((6, 8), np.uint32)
    labels[1:3, 2:6] = 4_000_000_000
    labels[5, 7] = 3
    labels[0] = np.uint32(0)
    image = np.stack([labels % 7, np.arange(48).reshape(6, 8)])
    path = write_objects_csv(tmp_path / "objects.csv", labels, scale=(0.5, 0.25), units="micrometer", image=image)
    small, large = rows_of(path)
    assert small["label"] == "3"
    assert float(small["area_um2"]) == pytest.approx(0.125)
    assert large["label"] == "4000000000"
    assert large["n_pixels"] == "8"
    assert float(large["area_um2"]) == pytest.approx(8 * 0.125)
    assert float(large["equivalent_diameter_um"]) == pytest.approx(2 * np.sqrt(1 / np.pi))
    assert (float(large["centroid_y_um"]), float(large["centroid_x_um"])) == pytest.approx((1.5 * 0.5, 3.5 * 0.25))
    assert [large[f"{end}_{axis}"] for end in ("start", "stop") for axis in "yx"] == ["1", "2", "3", "6"]
    assert float(large["intensity_mean_1"]) == pytest.approx(np.arange(48).reshape(6, 8)[1:3, 2:6].mean())
    assert (float(large["intensity_min_1"]), float(large["intensity_max_1"])) == (10, 21)


def test_axes_of_an_ellipse_are_in_physical_units(tmp_path: Path) -> None:
    y, x = np.indices((80, 120))
    labels = (((y - 40) / 20) ** 2 + ((x - 60) / 50) ** 2 <= 1).astype(np.uint16)
    (row,) = rows_of(write_objects_csv(tmp_path / "objects.csv", labels, scale=(0.5, 0.1), units="um"))
    assert float(row["major_axis_um"]) == pytest.approx(20, rel=0.02)
    assert float(row["minor_axis_um"]) == pytest.approx(10, rel=0.02)


def test_axes_of_a_ball_are_its_diameter(tmp_path: Path) -> None:
    z, y, x = np.indices((15, 31, 31))
    labels = ((2 * (z - 7)) ** 2 + (y - 15) ** 2 + (x - 15) ** 2 <= 144).astype(np.uint16)
    (row,) = rows_of(write_objects_csv(tmp_path / "objects.csv", labels, scale=(2, 1, 1)))
    assert [float(row[f"{name}_px"]) for name in ("major_axis", "minor_axis", "equivalent_diameter")] == pytest.approx(
        [24, 24, 24], rel=0.03
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (1, 1, 1), (1, 1, 4), (1, 3, 3)])
def test_flat_objects_have_axes_of_no_length(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (row,) = rows_of(write_objects_csv(tmp_path / "objects.csv", np.ones(shape, np.uint8)))
    assert float(row["minor_axis_px"]) == 0


def test_different_units_are_converted_to_the_last(tmp_path: Path) -> None:
    path = write_objects_csv(
        tmp_path / "objects.csv", np.ones((3, 2, 2), int), scale=(500, 0.2, 0.2), units=("nm", "micron", "um")
    )
    (row,) = rows_of(path)
    assert float(row["volume_um3"]) == pytest.approx(12 * 0.5 * 0.2 * 0.2)
    with pytest.raises(ValueError, match="units: expected lengths or the same unit for all axes, got 'pixel'"):
        write_objects_csv(tmp_path / "objects.csv", np.ones((2, 2), int), units=("pixel", "um"))


def test_scores_are_a_column(tmp_path: Path) -> None:
    path = write_objects_csv(tmp_path / "objects.csv", np.array([[1, 0, 5]]), scores={5: 0.25, 9: 1.0})
    assert [row["score"] for row in rows_of(path)] == ["", "0.25"]


def test_objects_in_3d(tmp_path: Path) -> None:
    path = write_objects_csv(tmp_path / "objects.csv", STACK, scale=(2, 1, 1))
    rows = rows_of(path)
    assert len(rows) == STACK.max()
    assert {row["volume_px3"] for row in rows} == {"2.0"}
    assert rows[-1]["centroid_z_px"] == "8.0"


@pytest.mark.parametrize("value", [0, -1])
def test_without_objects_there_is_a_header_only(tmp_path: Path, value: int) -> None:
    path = write_objects_csv(tmp_path / "objects.csv", np.full((4, 6), value), image=LABELS)
    assert rows_of(path) == []
    assert path.read_text().startswith("label,n_pixels,area_px2,")


@pytest.mark.parametrize(
    ("unit", "column"), [("um", "area_um2"), ("nm", "area_nm2"), ("pixel", "area_px2"), ("furlong", "area_furlong2")]
)
def test_columns_are_named_after_their_unit(tmp_path: Path, unit: str, column: str) -> None:
    (row,) = rows_of(write_objects_csv(tmp_path / "o.csv", np.ones((2, 2), int), units=unit))
    assert row[column] == "4.0"
    assert "unit" not in row


@pytest.mark.parametrize(
    ("shape", "touching"),
    [
        pytest.param((8, 8), {"1": "True", "2": "False", "3": "True"}, id="2D"),
        pytest.param((5, 8, 8), {"1": "True", "2": "False", "3": "True"}, id="3D"),
        pytest.param((1, 8, 8), {"1": "True", "2": "False", "3": "True"}, id="a single plane"),
    ],
)
def test_objects_at_the_border_are_marked(tmp_path: Path, shape: tuple[int, ...], touching: dict[str, str]) -> None:
    labels = np.zeros(shape, int)
    plane = labels[len(labels) // 2] if labels.ndim == 3 else labels
    plane[0, 2:4], plane[3:5, 3:5], plane[6, 7] = 1, 2, 3
    rows = rows_of(write_objects_csv(tmp_path / "o.csv", labels))
    assert {row["label"]: row["touches_border"] for row in rows} == touching


def test_strokes_of_background_are_no_objects(tmp_path: Path) -> None:
    assert [row["label"] for row in rows_of(write_objects_csv(tmp_path / "o.csv", np.array([[-2, -1, 0, 7]])))] == ["7"]


def test_an_image_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^image: expected the shape of the labels \(4, 6\), got \(6, 4\)"):
        write_objects_csv(tmp_path / "objects.csv", LABELS, image=LABELS.T)


@pytest.mark.parametrize(
    ("shape", "suffix"), [((4, 5, 3), ".png"), ((4, 5, 3), ".tif"), ((2, 4, 5, 3), ".tiff"), ((1, 1, 3), ".png")]
)
def test_pictures_come_back(tmp_path: Path, rng: np.random.Generator, shape: tuple[int, ...], suffix: str) -> None:
    rgb = rng.integers(0, 255, shape, dtype=np.uint8)
    path = write_rgb(tmp_path / f"picture{suffix}", rgb)
    np.testing.assert_array_equal(skimage.io.imread(path).reshape(shape), rgb)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("rgb", "message"),
    [
        pytest.param(np.zeros((4, 5, 3)), "rgb: expected uint8", id="floats"),
        pytest.param(np.zeros((4, 5, 4), np.uint8), r"got uint8 \(4, 5, 4\)", id="alpha"),
        pytest.param(np.zeros((4, 5), np.uint8), r"got uint8 \(4, 5\)", id="grey"),
        pytest.param(np.zeros((2, 4, 5, 3), np.uint8), "expected one plane for .png", id="stack"),
    ],
)
def test_other_pictures_are_refused(tmp_path: Path, rgb: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_rgb(tmp_path / "picture.png", rgb)
    assert not list(tmp_path.iterdir())
