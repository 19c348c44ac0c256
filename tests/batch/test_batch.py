"""Many images: which, what becomes of each, and what stays as it was."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import zarr

from napari_spoco.batch.batch import (
    IN_PIXELS,
    SETTINGS_NAME,
    ImageDone,
    ImageStarted,
    plan_batch,
    read_batch_config,
    run_batch,
)
from napari_spoco.batch.images import IMAGE_SUFFIXES, find_images, holds_labels
from napari_spoco.batch.report import REPORT_NAME
from napari_spoco.config import BatchConfig, NetworkConfig, SegmentationConfig
from napari_spoco.config_files import read_config, write_yaml
from napari_spoco.data.images import read_image, read_labels
from napari_spoco.data.writers import write_labels
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

SETTINGS = SegmentationConfig(foreground="intensity", method="components", min_size=4)


@pytest.fixture
def model(tmp_path: Path) -> str:
    """An untrained model; the settings above look at the intensities alone."""
    torch.manual_seed(0)
    network = NetworkConfig(feature_maps=(2, 4), embedding_dim=2)
    return str(save_model(EmbeddingModel.create(ModelCard(network=network)), tmp_path / "model.safetensors"))


def write_image(path: Path, n_objects: int = 2) -> Path:
    """Write bright squares on dark ground, pixels of 0.5 um."""
    image = np.random.default_rng(0).integers(0, 10, (40, 60)).astype(np.uint8)
    for index in range(n_objects):
        image[10:20, 5 + 18 * index : 15 + 18 * index] += 200
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, image, imagej=True, resolution=(2.0, 2.0), metadata={"unit": "um"})
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of images, one of which is broken, and another file."""
    folder = tmp_path / "images"
    write_image(folder / "a.tif", 1)
    (folder / "b.tif").write_bytes(b"no image")
    write_image(folder / "c.tiff", 3)
    (folder / "notes.txt").touch()
    return folder


def run(config: BatchConfig, **options: Any) -> dict[str, ImageDone]:
    return {one.image.name: one for one in run_batch(config, **options) if isinstance(one, ImageDone)}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_one_failure_does_not_stop_the_rest(
    tmp_path: Path, images: Path, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "made" / "results"
    config = BatchConfig(model=model, inputs=(str(images),), out=str(out), segmentation=SETTINGS)
    with caplog.at_level(logging.ERROR, logger="napari_spoco.batch.batch"):
        messages = list(run_batch(config))
    started = [(one.image.name, one.index, one.n_images) for one in messages if isinstance(one, ImageStarted)]
    assert started == [("a.tif", 1, 3), ("b.tif", 2, 3), ("c.tiff", 3, 3)]
    done = [one for one in messages if isinstance(one, ImageDone)]
    assert [(one.state, one.n_objects) for one in done] == [("done", 1), ("failed", None), ("done", 3)]
    assert "b.tif: expected a readable TIFF file" in done[1].message
    assert "Traceback" in caplog.text
    assert read_labels(out / "c_labels.tif").max() == 3
    assert read_image(out / "c_labels.tif").scale == pytest.approx((0.5, 0.5))
    table = rows(out / "c_objects.csv")
    assert [float(row["area_um2"]) for row in table] == [int(row["n_pixels"]) * 0.25 for row in table]
    assert all(0 <= float(row["score"]) <= 1 for row in table)
    report = rows(out / REPORT_NAME)
    assert [(row["state"], row["n_objects"]) for row in report] == [("done", "1"), ("failed", ""), ("done", "3")]
    assert report[0]["outputs"].split(";") == [str(out / "a_labels.tif"), str(out / "a_objects.csv")]
    assert read_config(out / SETTINGS_NAME, BatchConfig()) == config


def test_a_damaged_image_fails_alone(tmp_path: Path, model: str) -> None:
    folder = tmp_path / "images"
    for name in ("a.tif", "b.tif", "c.tif"):
        folder.mkdir(exist_ok=True)
        tifffile.imwrite(folder / name, np.arange(2400, dtype=np.uint16).reshape(40, 60), compression="zlib")
    with tifffile.TiffFile(folder / "b.tif") as file:
        start, length = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
    with (folder / "b.tif").open("r+b") as raw:
        raw.seek(start)
        raw.write(bytes(length))
    done = run(BatchConfig(model=model, inputs=(str(folder),), out=str(tmp_path / "out"), segmentation=SETTINGS))
    assert [done[name].state for name in ("a.tif", "b.tif", "c.tif")] == ["done", "failed", "done"]
    assert "b.tif: expected a readable TIFF file" in done["b.tif"].message


@pytest.mark.parametrize("pattern", ["", "*.tif"])
def test_hidden_files_are_no_images(tmp_path: Path, model: str, pattern: str) -> None:
    image = write_image(tmp_path / "images" / "cells.tif")
    (image.parent / "._cells.tif").write_bytes(b"what macOS keeps")
    config = BatchConfig(model=model, inputs=(str(image.parent / pattern),), out=str(tmp_path / "out"))
    assert [item.image for item in plan_batch(config)] == [image]


def test_a_report_that_cannot_be_written_stops_no_image(tmp_path: Path, images: Path, model: str) -> None:
    out = tmp_path / "out"
    (out / REPORT_NAME).mkdir(parents=True)
    config = BatchConfig(model=model, inputs=(str(images),), out=str(out), segmentation=SETTINGS)
    with pytest.raises(OSError, match=REPORT_NAME):
        run(config)
    assert (out / "c_labels.tif").exists()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("1 GB asked"), "out of memory (1 GB asked)"),
        (RuntimeError("CUDA out of memory"), "out of memory (CUDA out of memory)"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_failure_is_a_sentence(
    tmp_path: Path, images: Path, model: str, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("napari_spoco.whole_image.read_out", fail)
    config = BatchConfig(model=model, inputs=(str(images / "a.tif"),), out=str(tmp_path / "results"))
    assert run(config)["a.tif"].message == message


def test_every_format_holds_the_same_labels(tmp_path: Path, images: Path, model: str) -> None:
    out = tmp_path / "results"
    formats = ("tiff", "ome_tiff", "ome_zarr", "objects")
    config = BatchConfig(
        model=model, inputs=(str(images / "a.tif"),), out=str(out), formats=formats, segmentation=SETTINGS
    )
    assert run(config)["a.tif"].state == "done"
    labels = read_labels(out / "a_labels.tif")
    np.testing.assert_array_equal(read_labels(out / "a_labels.ome.tif"), labels)
    np.testing.assert_array_equal(zarr.open_array(out / "a_labels.ome.zarr" / "0", mode="r")[:], labels)
    assert len(rows(out / "a_objects.csv")) == labels.max()


def test_results_that_are_there_stay_unless_asked(tmp_path: Path, images: Path, model: str) -> None:
    out = tmp_path / "results"
    config = BatchConfig(model=model, inputs=(str(images / "*.tiff"),), out=str(out), segmentation=SETTINGS)
    run(config)
    write_image(images / "c.tiff", 2)
    before = snapshot(out)
    again = run(config)["c.tiff"]
    assert (again.state, again.message) == ("skipped", "its results are there already")
    before.pop(str(out / REPORT_NAME))
    after = snapshot(out)
    assert {path: after[path] for path in before} == before
    (out / "c_objects.csv").unlink()
    part = run(config)["c.tiff"]
    assert part.state == "failed"
    assert "only a part of its results is there (c_labels.tif)" in part.message
    assert run(config.model_copy(update={"overwrite": True}))["c.tiff"].n_objects == 2
    assert len(rows(out / "c_objects.csv")) == 2


def test_a_second_run_keeps_the_counts_of_the_first(tmp_path: Path, images: Path, model: str) -> None:
    """Also of images that are not in it, and of those that a stopped one has not come to."""
    out = tmp_path / "results"
    config = BatchConfig(model=model, inputs=(str(images),), out=str(out), segmentation=SETTINGS)
    run(config)
    first = rows(out / REPORT_NAME)
    again = run(config)
    assert (again["a.tif"].state, again["a.tif"].n_objects, again["c.tiff"].n_objects) == ("skipped", 1, 3)
    second = rows(out / REPORT_NAME)
    assert [row["state"] for row in second] == ["skipped", "failed", "skipped"]
    for name in ("image", "n_objects", "outputs"):
        assert [row[name] for row in second] == [row[name] for row in first]
    assert second[0]["seconds"] == first[0]["seconds"]
    run(config.model_copy(update={"inputs": (str(images / "c.tiff"),)}))
    assert [(Path(row["image"]).name, row["n_objects"]) for row in rows(out / REPORT_NAME)] == [
        ("c.tiff", "3"),
        ("a.tif", "1"),
        ("b.tif", ""),
    ]


@pytest.mark.parametrize("content", [b"name,size\nx,1\n", b"\xff\xfe", b""])
def test_another_file_of_that_name_is_no_report(tmp_path: Path, images: Path, model: str, content: bytes) -> None:
    out = tmp_path / "results"
    out.mkdir()
    (out / REPORT_NAME).write_bytes(content)
    run(BatchConfig(model=model, inputs=(str(images / "a.tif"),), out=str(out), segmentation=SETTINGS))
    assert [row["n_objects"] for row in rows(out / REPORT_NAME)] == ["1"]


@pytest.mark.parametrize("size", [None, (0.25,), (0.25, 0.25)])
def test_the_pixel_size_is_that_of_the_file_or_else_of_the_batch(
    tmp_path: Path, images: Path, model: str, size: tuple[float, ...] | None
) -> None:
    tifffile.imwrite(images / "plain.tif", tifffile.imread(images / "a.tif"))
    inputs = (str(images / "a.tif"), str(images / "plain.tif"))
    out = tmp_path / "results"
    done = run(BatchConfig(model=model, inputs=inputs, out=str(out), segmentation=SETTINGS, voxel_size=size))
    assert "area_um2" in rows(out / "a_objects.csv")[0]
    assert read_image(out / "a_labels.tif").scale == pytest.approx((0.5, 0.5))
    assert done["a.tif"].notices == ()
    assert done["plain.tif"].notices == ((IN_PIXELS,) if size is None else ())
    row = rows(out / "plain_objects.csv")[0]
    if size is None:
        assert "area_px2" in row
    else:
        assert float(row["area_um2"]) == int(row["n_pixels"]) * 0.0625
        assert read_image(out / "plain_labels.tif").scale == pytest.approx((0.25, 0.25))


def test_a_pixel_size_of_other_axes_is_refused(tmp_path: Path, images: Path, model: str) -> None:
    out = tmp_path / "results"
    config = BatchConfig(model=model, inputs=(str(images),), out=str(out), voxel_size=(1.0, 0.2, 0.2))
    with pytest.raises(ValueError, match="voxel_size: expected 1 or 2 numbers, got"):
        next(run_batch(config))
    assert not out.exists()


def test_stop_ends_between_tiles_and_the_batch_goes_on_later(tmp_path: Path, images: Path, model: str) -> None:
    config = BatchConfig(
        model=model,
        inputs=(str(images / "a.tif"), str(images / "c.tiff")),
        out=str(tmp_path / "results"),
        segmentation=SETTINGS,
    )
    tiles: list[tuple[int, int]] = []

    def stop() -> bool:  # as soon as the second image is begun
        return tiles.count((0, 1)) == 2

    found = run(config, stop=stop, on_tile=lambda *counts: tiles.append(counts))
    assert {name: one.state for name, one in found.items()} == {"a.tif": "done", "c.tiff": "stopped"}
    assert not (tmp_path / "results" / "c_labels.tif").exists()
    assert {name: one.state for name, one in run(config).items()} == {"a.tif": "skipped", "c.tiff": "done"}
    assert run(config, stop=lambda: True) == {}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        pytest.param(["one"], {"one/a.tif": "a", "one/b.TIFF": "b"}, id="folder"),
        pytest.param(["one/*.tif", "one/a.tif"], {"one/a.tif": "a"}, id="each once"),
        pytest.param(
            ["**/*.tif"], {"one/a.tif": "one/a", "two/a.tif": "two/a", "two/deep/d.ome.tif": "two/deep/d"}, id="folders"
        ),
        pytest.param(["two", "one/a.tif"], {"two/a.tif": "two/a", "one/a.tif": "one/a"}, id="order"),
        pytest.param(["nowhere.tif"], {"nowhere.tif": "nowhere"}, id="missing file"),
    ],
)
def test_images_are_found_and_results_named(tmp_path: Path, inputs: list[str], expected: dict[str, str]) -> None:
    for name in ("one/a.tif", "one/b.TIFF", "one/c.png", "two/a.tif", "two/deep/d.ome.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    config = BatchConfig(model="m", inputs=tuple(str(tmp_path / text) for text in inputs), out="out")
    items = plan_batch(config)
    found = {item.image.relative_to(tmp_path).as_posix(): item.outputs["tiff"].as_posix() for item in items}
    assert found == {name: f"out/{stem}_labels.tif" for name, stem in expected.items()}


@pytest.mark.parametrize("pattern", ["", "*.*"])
def test_a_folder_holds_every_kind_of_image_in_the_order_of_their_numbers(tmp_path: Path, pattern: str) -> None:
    names = ["a2.tif", "a10.lsm", "A11.STK", "b9.ome.tif", "b010.tiff", "c.btf"]
    for name in (*names, "._a1.lsm", *(["notes.txt"] if not pattern else [])):
        (tmp_path / name).touch()
    config = BatchConfig(model="m", inputs=(str(tmp_path / pattern),), out="out")
    assert [item.image.name for item in plan_batch(config)] == names


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_every_kind_of_image_is_read_whatever_it_is_called(tmp_path: Path, suffix: str) -> None:
    image = write_image(tmp_path / "a.tif").rename(tmp_path / f"a{suffix}")
    assert read_image(image).data.shape == (1, 40, 60)
    assert list(find_images(str(tmp_path))) == [image]


def test_results_beside_the_images_are_no_images(tmp_path: Path, images: Path, model: str) -> None:
    config = BatchConfig(model=model, inputs=(str(images),), out=str(images), segmentation=SETTINGS)
    first = run(config)
    assert first.keys() == run(config).keys() == {"a.tif", "b.tif", "c.tiff"}


def test_labels_among_the_images_are_left_out_with_a_word(tmp_path: Path, images: Path, model: str) -> None:
    labels = np.zeros((40, 60), np.uint16)
    labels[5:20, 5:20], labels[20:35, 30:50] = 1, 2
    for name, kind in (("five.tif", np.uint16), ("a_mask.tif", np.uint8), ("alone.tif", np.uint8)):
        tifffile.imwrite(images / name, labels.astype(kind))
    config = BatchConfig(model=model, inputs=(str(images),), out=str(tmp_path / "results"), segmentation=SETTINGS)
    done = run(config)
    assert {name for name, one in done.items() if one.message.startswith("holds labels")} == {"five.tif", "a_mask.tif"}
    assert {one.state for name, one in done.items() if name in ("five.tif", "a_mask.tif")} == {"skipped"}
    assert (done["a.tif"].state, done["alone.tif"].state) == ("done", "done")
    named = config.model_copy(update={"inputs": (str(images / "five.tif"),)})
    assert run(named)["five.tif"].state == "done"


@pytest.mark.parametrize("kind", ["noise", "photons", "stack", "broken"])
def test_images_are_no_labels(tmp_path: Path, kind: str) -> None:
    generator = np.random.default_rng(0)
    image = generator.poisson(0.05 if kind == "photons" else 300, (5, 40, 60)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image if kind == "stack" else image[0])
    if kind == "broken":
        (tmp_path / "a.tif").write_bytes(b"no image")
    assert not holds_labels(tmp_path / "a.tif", (tmp_path / "a.tif",))


def test_a_stack_of_labels_holds_labels(tmp_path: Path) -> None:
    labels = np.zeros((9, 40, 60), np.uint16)
    labels[3:6, 5:30, 5:30] = 4
    write_labels(tmp_path / "a.tif", labels)
    assert holds_labels(tmp_path / "a.tif", ())


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["empty"], "inputs: expected images at .*empty, found none"),
        (["*.png"], r"inputs: expected images at .*\*.png, found none"),
        (["a.tif", "a.tiff"], r"inputs: .*a.tif(f?) and .*a.tif(f?) would both become .*a_labels.tif"),
    ],
)
def test_what_cannot_be_planned(tmp_path: Path, inputs: list[str], message: str) -> None:
    (tmp_path / "empty").mkdir()
    config = BatchConfig(model="m", inputs=tuple(str(tmp_path / text) for text in inputs), out="out")
    with pytest.raises(ValueError, match=f"^{message}"):
        plan_batch(config)


def test_nothing_is_made_for_a_batch_that_cannot_begin(tmp_path: Path, images: Path, model: str) -> None:
    out = tmp_path / "results"
    config = BatchConfig(model=str(tmp_path / "none"), inputs=(str(images),), out=str(out))
    with pytest.raises(FileNotFoundError, match="there is no model file"):
        next(run_batch(config))
    consistency = SegmentationConfig(method="consistency")
    config = BatchConfig(model=model, inputs=(str(images),), out=str(out), segmentation=consistency)
    with pytest.raises(ValueError, match="method: consistency compares student and teacher"):
        next(run_batch(config))
    assert not out.exists()


def write(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a [b]"
    folder.mkdir()
    (folder / "run").mkdir()
    write_image(folder / "x.tif")
    monkeypatch.chdir(tmp_path)
    lines = ["model: run", 'inputs: ["*.tif"]', "out: results", "segmentation:", "  min_size: 7"]
    config = read_batch_config(write(folder / "batch.yaml", lines))
    assert config.model == str(folder / "run")
    assert config.out == str(folder / "results")
    assert config.segmentation.min_size == 7
    assert [item.image for item in plan_batch(config)] == [folder / "x.tif"]
    elsewhere = os.path.abspath("elsewhere")
    toml = [f"inputs = ['{elsewhere}/x.tif']", "model = 'nuclei-small'", f"out = '{elsewhere}'"]
    config = read_batch_config(write(folder / "batch.toml", toml))
    assert (config.model, config.out) == ("nuclei-small", elsewhere)
    assert [item.image for item in plan_batch(config)] == [Path(elsewhere) / "x.tif"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "model: expected at least 1 character"),
        (["model: m", "inputs: [a.tif]", "out: o", "formats: [png]"], "formats.0: expected 'tiff', 'ome_tiff'"),
        (["model: m", "inputs: []", "out: o"], "inputs: expected at least 1 item"),
        (["model: m", "input: [a.tif]"], "input: there is no such name; did you mean inputs?"),
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_batch_config(write(tmp_path / "batch.yaml", lines))
    assert message in str(caught.value)


def test_a_batch_is_written_as_it_is_read(tmp_path: Path) -> None:
    config = BatchConfig(model="m", inputs=("a", "b*.tif"), out="o", formats=("ome_zarr",), segmentation=SETTINGS)
    assert read_config(write(tmp_path / "batch.yaml", [write_yaml(config)]), BatchConfig()) == config
