"""`napari-spoco …` from files to files, and its sentences where something is wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_spoco.cli import app
from napari_spoco.data.samples import load_nuclei
from napari_spoco.models.checkpoint import load_model

runner = CliRunner()


def run(*arguments: object, code: int = 0) -> str:
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    sample = load_nuclei("train")[0]
    image, labels = tmp_path / "cells.tif", tmp_path / "painted.tif"
    options = {"imagej": True, "resolution": (4.0, 4.0), "metadata": {"axes": "YX", "unit": "um"}}
    tifffile.imwrite(image, sample.image, **options)
    tifffile.imwrite(labels, np.where(sample.labels < 8, sample.labels, 0).astype(np.uint16))
    return image, labels


def test_train_segment_evaluate(files: tuple[Path, Path], tmp_path: Path) -> None:
    image, labels = files
    model = tmp_path / "model.safetensors"
    said = run("train", image, "-a", labels, "--out", model, "--steps", 2)
    assert "2 steps" in said
    card = load_model(model).card
    assert card.voxel_size == (0.25, 0.25)
    assert card.history.n_objects == 7
    said = run("segment", model, image, "--out", tmp_path / "found", "--foreground", "intensity", "--fragment-size", 30)
    assert "cells.tif" in said
    found = tifffile.imread(tmp_path / "found" / "cells_labels.tif")
    assert found.shape == (256, 256)
    rows = read_rows(tmp_path / "found" / "cells_objects.csv")
    assert [int(row["label"]) for row in rows] == list(range(1, found.max() + 1))
    said = run("evaluate", tmp_path / "found" / "cells_labels.tif", labels)
    assert "sbd" in said
    run("train", image, "-a", labels, "--start-from", model, "--out", tmp_path / "more.safetensors", "--steps", 1)
    assert load_model(tmp_path / "more.safetensors").card.history.steps == 3


def test_mistakes_get_a_sentence_and_leave_nothing(files: tuple[Path, Path], tmp_path: Path) -> None:
    image, labels = files
    before = sorted(tmp_path.iterdir())
    out = tmp_path / "model.safetensors"
    assert "expected one annotation per image" in run("train", image, image, "-a", labels, "--out", out, code=1)
    assert "Error:" in run("train", tmp_path / "none.tif", "-a", labels, "--out", out, code=1)
    assert "Error:" in run("train", image, "-a", labels, "--out", tmp_path / "no" / "model.safetensors", code=1)
    assert "Error: path: there is no model file" in run("segment", out, image, code=1)
    assert "max_steps" in run("train", image, "-a", labels, "--out", out, "--steps", 0, code=1)
    assert sorted(tmp_path.iterdir()) == before


def test_info_names_versions_and_device() -> None:
    said = run("info")
    for word in ("napari-spoco", "torch", "device", "precision"):
        assert word in said


@pytest.mark.slow
def test_demo_writes_everything(tmp_path: Path) -> None:
    said = run("demo", "--out", tmp_path, "--steps", 3)
    assert "foreground by intensity" in said
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"model.safetensors", "scores.csv", "loss.png", "overlay.png"} <= names
    for sample in load_nuclei("val"):
        assert tifffile.imread(tmp_path / "labels" / f"{sample.name}.tif").shape == sample.labels.shape
        assert {f"objects/{sample.name}.csv", f"embeddings/{sample.name}.png"} <= names
    rows = read_rows(tmp_path / "scores.csv")
    classical = [float(row["sbd"]) for row in rows if row["method"].startswith("Otsu")]
    assert 0.6 < classical[0] < 0.9
    assert len(rows) == 5
    assert load_model(tmp_path / "model.safetensors").card.foreground_radius > 0
    assert len(names) == 4 + 3 * 8
