"""TIFF files of other programs: axes, colours, scale and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_spoco.data.images import read_image, read_labels, read_voxel_size

PLANE = np.arange(30, dtype=np.uint8).reshape(5, 6)
STACK = np.arange(8 * 30, dtype=np.uint16).reshape(8, 5, 6)


def save(folder: Path, array: np.ndarray, **options: Any) -> Path:
    path = folder / "file.tif"
    tifffile.imwrite(path, array, **({"photometric": "minisblack"} | options))
    return path


@pytest.mark.parametrize(
    ("array", "options", "ndim", "shape"),
    [
        pytest.param(PLANE, {}, None, (1, 5, 6), id="plane"),
        pytest.param(STACK, {}, None, (1, 8, 5, 6), id="unnamed axis is Z"),
        pytest.param(STACK, {}, 2, (8, 5, 6), id="unnamed axis is C where a plane is wanted"),
        pytest.param(STACK.reshape(2, 4, 5, 6), {}, None, (2, 4, 5, 6), id="two unnamed axes are C and Z"),
        pytest.param(STACK, {"imagej": True, "metadata": {"axes": "ZYX"}}, 3, (1, 8, 5, 6), id="ImageJ stack"),
        pytest.param(STACK, {"imagej": True, "metadata": {"axes": "CYX"}}, None, (8, 5, 6), id="ImageJ channels"),
        pytest.param(
            STACK.reshape(4, 2, 5, 6), {"imagej": True, "metadata": {"axes": "ZCYX"}}, 3, (2, 4, 5, 6), id="ImageJ ZCYX"
        ),
        pytest.param(
            STACK.reshape(2, 4, 5, 6),
            {"ome": True, "metadata": {"axes": "CZYX"}},
            None,
            (2, 4, 5, 6),
            id="OME",
        ),
        pytest.param(STACK[:1], {"metadata": {"axes": "ZYX"}}, None, (1, 5, 6), id="one plane"),
        pytest.param(STACK[:1], {"metadata": {"axes": "ZYX"}}, 3, (1, 1, 5, 6), id="one plane as a stack"),
        pytest.param(STACK[:1], {"metadata": {"axes": "TYX"}}, 2, (1, 5, 6), id="one time point"),
    ],
)
def test_axes(tmp_path: Path, array: np.ndarray, options: dict, ndim: int | None, shape: tuple[int, ...]) -> None:
    image = read_image(save(tmp_path, array, **options), ndim=ndim)
    assert image.data.shape == shape
    assert image.axis_labels == ("z", "y", "x")[4 - len(shape) :]
    assert image.name == "file"
    assert image.data.sum() == array.sum()


@pytest.mark.parametrize("n_samples", [3, 4])
def test_colours_become_channels_and_alpha_is_dropped(tmp_path: Path, n_samples: int) -> None:
    colours = np.stack([PLANE, PLANE + 1, PLANE + 2, np.full_like(PLANE, 255)][:n_samples], axis=-1)
    image = read_image(save(tmp_path, colours, photometric="rgb"))
    np.testing.assert_array_equal(image.data, [PLANE, PLANE + 1, PLANE + 2])


@pytest.mark.parametrize(
    ("array", "options", "scale", "units"),
    [
        pytest.param(PLANE, {}, (1, 1), "pixel", id="nothing"),
        pytest.param(PLANE, {"resolution": (300, 300), "resolutionunit": "INCH"}, (1, 1), "pixel", id="print"),
        pytest.param(
            PLANE, {"resolution": (40_000, 20_000), "resolutionunit": "CENTIMETER"}, (0.5, 0.25), "micrometer", id="cm"
        ),
        pytest.param(
            STACK,
            {"imagej": True, "resolution": (4, 2), "metadata": {"axes": "ZYX", "spacing": 2.5, "unit": "um"}},
            (2.5, 0.5, 0.25),
            "micrometer",
            id="ImageJ",
        ),
        pytest.param(
            PLANE,
            {"imagej": True, "resolution": (4, 2), "metadata": {"unit": "furlong"}},
            (0.5, 0.25),
            "pixel",
            id="ImageJ, unknown unit",
        ),
        pytest.param(
            STACK,
            {
                "ome": True,
                "metadata": {
                    "axes": "ZYX",
                    "PhysicalSizeX": 250,
                    "PhysicalSizeY": 500,
                    "PhysicalSizeZ": 2000,
                    "PhysicalSizeXUnit": "nm",
                    "PhysicalSizeYUnit": "nm",
                    "PhysicalSizeZUnit": "nm",
                },
            },
            (2000, 500, 250),
            "nanometer",
            id="OME",
        ),
        pytest.param(
            PLANE,
            {"ome": True, "metadata": {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}},
            (0.5, 0.25),
            "micrometer",
            id="OME, unit by default",
        ),
    ],
)
def test_scale_and_units(tmp_path: Path, array: np.ndarray, options: dict, scale: tuple, units: str) -> None:
    path = save(tmp_path, array, **options)
    image, said = read_image(path), read_voxel_size(path)
    assert image.scale == pytest.approx(scale)
    assert image.units == (units,) * len(scale)
    if units == "pixel":
        assert said == {}
    else:
        sizes = [said[axis] for axis in "ZYX"[-array.ndim :]]
        assert sizes == [(pytest.approx(size), units) for size in scale]


@pytest.mark.parametrize(
    ("unit", "scale", "units"),
    [("nm", (0.5, 0.2, 0.1), ("micrometer",) * 3), ("pixel", (500, 0.2, 0.1), ("pixel", "micrometer", "micrometer"))],
)
def test_units_that_differ_between_axes(tmp_path: Path, unit: str, scale: tuple, units: tuple) -> None:
    sizes = {"PhysicalSizeZ": 500, "PhysicalSizeY": 0.2, "PhysicalSizeX": 0.1}
    metadata = {"axes": "ZYX", **sizes, "PhysicalSizeZUnit": unit}
    path = save(tmp_path, STACK, ome=True, metadata=metadata)
    image = read_image(path)
    assert (image.scale, image.units) == (pytest.approx(scale), units)
    assert read_voxel_size(path).get("Z") == ((500, "nanometer") if unit == "nm" else None)


@pytest.mark.parametrize(
    ("array", "options", "ndim", "message"),
    [
        pytest.param(STACK, {"metadata": {"axes": "TYX"}}, None, "got axes TYX", id="time series"),
        pytest.param(
            STACK, {"metadata": {"axes": "ZYX"}}, 2, "expected axes YX, .* got axes ZYX", id="stack for plane"
        ),
        pytest.param(PLANE, {}, 3, "expected axes ZYX, .* got axes YX", id="plane for stack"),
        pytest.param(PLANE * 0, {}, None, "got the value 0 everywhere", id="constant"),
        pytest.param(np.full((4, 5), np.nan, np.float32), {}, None, "NaN", id="NaN"),
    ],
)
def test_other_images_are_refused(
    tmp_path: Path, array: np.ndarray, options: dict, ndim: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=rf"^file\.tif: .*{message}"):
        read_image(save(tmp_path, array, **options), ndim=ndim)


@pytest.mark.parametrize("read", [read_image, read_labels, read_voxel_size])
def test_a_missing_file_is_an_os_error(tmp_path: Path, read: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.tif"):
        read(tmp_path / "nowhere.tif")


@pytest.mark.parametrize("read", [read_image, read_labels, read_voxel_size])
@pytest.mark.parametrize("content", [b"", b"no picture", b"II*\x00\x08\x00"], ids=["empty", "text", "header only"])
def test_a_broken_file_is_refused(tmp_path: Path, read: Any, content: bytes) -> None:
    path = tmp_path / "broken.tif"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^broken\.tif: expected a readable TIFF file"):
        read(path)


def test_a_truncated_file_is_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    path = save(tmp_path, rng.integers(0, 255, (64, 64), dtype=np.uint8), compression="zlib")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"^file\.tif: expected a readable TIFF file"):
        read_image(path)


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        pytest.param(PLANE.astype(np.float32), {}, "expected integer labels, got float32", id="floats"),
        pytest.param(np.stack([PLANE] * 3, axis=-1), {"photometric": "rgb"}, "got axes YXS", id="colours"),
        pytest.param(STACK.reshape(2, 4, 5, 6), {}, "got axes QQYX", id="four axes"),
    ],
)
def test_other_labels_are_refused(tmp_path: Path, array: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^file\.tif: .*{message}"):
        read_labels(save(tmp_path, array, **options))
