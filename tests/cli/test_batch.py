"""`napari-spoco batch` from a file to a report."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile
import yaml

from napari_spoco.batch import batch
from napari_spoco.data.samples import load_nuclei


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A batch of one nuclei image and a broken file."""
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", load_nuclei("val")[0].image)
    (tmp_path / "images" / "b.tif").write_bytes(b"no image")
    path = tmp_path / "batch.yaml"
    path.write_text("model: nuclei-small\ninputs: [images/*.tif]\nout: results\ndevice: cpu\n")
    return path


def test_a_file_is_a_batch(run, file: Path) -> None:
    said = run("batch", file, code=1)
    assert "a.tif: " in said
    assert "b.tif: failed: b.tif: expected a readable TIFF file" in said
    assert "1 done, 1 failed; report: " in said
    results = file.parent / "results"
    assert tifffile.imread(results / "a_labels.tif").max() > 5
    assert {path.name for path in results.iterdir()} == {
        "a_labels.tif",
        "a_objects.csv",
        batch.REPORT_NAME,
        batch.SETTINGS_NAME,
    }
    (file.parent / "images" / "b.tif").unlink()
    assert "a.tif: skipped: its results are there already 1 skipped; report" in run("batch", file)


def test_options_go_before_the_file(run, file: Path, tmp_path: Path) -> None:
    options = ("--image", tmp_path / "images" / "a.tif", "--out", tmp_path / "other", "--format", "ome_zarr")
    said = run("batch", file, *options, "--set", "segmentation.min_size=100000", "--overwrite")
    assert "a.tif: 0 objects" in said
    assert (tmp_path / "other" / "a_labels.ome.zarr" / "zarr.json").is_file()
    settings = yaml.safe_load((tmp_path / "other" / batch.SETTINGS_NAME).read_text())
    assert settings["segmentation"]["min_size"] == 100_000
    assert settings["overwrite"] is True


def test_show_prints_a_file(invoke, file: Path) -> None:
    empty = yaml.safe_load(invoke("batch", "--show").stdout)
    assert empty["inputs"] == []
    shown = yaml.safe_load(invoke("batch", file, "--show", "--keep").stdout)
    assert shown["out"] == str(file.parent / "results")
    assert not (file.parent / "results").exists()


def test_mistakes(run, tmp_path: Path) -> None:
    assert "Error: model: expected at least 1 character" in run("batch", code=1)
    said = run("batch", "--model", "nuclei-small", "--image", tmp_path, "--out", tmp_path / "out", code=1)
    assert "Error: inputs: expected images at" in said
    assert not (tmp_path / "out").exists()


def test_an_interrupted_batch_says_so(run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_spoco.cli.interruption.Interruption.is_asked", lambda self: True)
    assert run("batch", file, code=128).endswith("nothing done")
