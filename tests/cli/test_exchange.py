"""Models from and for other programs, on the command line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
import yaml

from napari_spoco.config import NetworkConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, load_model, save_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    card = ModelCard(network=NetworkConfig(feature_maps=(4, 8)))
    return save_model(EmbeddingModel.create(card), tmp_path / "model.safetensors")


def description(path: Path) -> dict[str, object]:
    with zipfile.ZipFile(path) as archive:
        return yaml.safe_load(archive.read("rdf.yaml"))


def test_a_package_goes_out_and_comes_back(run, model: Path, tmp_path: Path) -> None:
    package, back = tmp_path / "my-cells.zip", tmp_path / "back.safetensors"
    said = run("export", model, package)
    assert "Written to" in said
    assert "--author and a --licence" in said
    assert description(package)["name"] == "my-cells"
    assert "4, 8" in run("import", package, "--out", back)
    read, given = load_model(back), load_model(model)
    assert read.card == given.card
    torch.testing.assert_close(read.network.state_dict(), given.network.state_dict(), rtol=0, atol=0)


def test_options_stand_in_the_description(run, model: Path, tmp_path: Path) -> None:
    package = tmp_path / "p.zip"
    options = ("--name", "Cells (2D)", "--description", "Finds cells.", "--author", "A", "--author", "B")
    said = run("export", model, package, *options, "--licence", "CC0-1.0", "--torchscript")
    assert "wants an" not in said
    written = description(package)
    assert written["name"] == "Cells (2D)"
    assert written["description"] == "Finds cells."
    assert written["authors"] == [{"name": "A"}, {"name": "B"}]
    assert written["license"] == "CC0-1.0"
    assert "torchscript" in written["weights"]


def test_a_shipped_model_brings_its_card(run, tmp_path: Path) -> None:
    package = tmp_path / "nuclei-small.zip"
    assert "wants an" not in run("export", "nuclei-small", package)
    written = description(package)
    assert written["license"] == "MIT"
    assert written["authors"] == [{"name": "The napari-spoco developers"}]
    with zipfile.ZipFile(package) as archive:
        assert "2018 Data Science Bowl" in archive.read("README.md").decode()


def test_export_mistakes(run, model: Path, tmp_path: Path) -> None:
    assert "path: expected a file ending in .zip" in run("export", model, tmp_path / "package.tar", code=1)
    assert "name: expected 5 to 128" in run("export", model, tmp_path / "p.zip", code=1)
    assert "there is no model file" in run("export", "none", tmp_path / "package.zip", code=1)
    assert list(tmp_path.iterdir()) == [model]


def test_packages_and_checkpoints_stand_where_a_model_may(run, model: Path, files, tiny: Path, tmp_path: Path) -> None:
    package, checkpoint = tmp_path / "my-cells.zip", tmp_path / "theirs.pytorch"
    run("export", model, package)
    torch.save(load_model(model).network.state_dict(), checkpoint)
    settings = ("--set", "method=components", "--set", "foreground=intensity", "--device", "cpu")
    said = run("segment", package, files[0], "--out", tmp_path / "found", *settings)
    assert "my-cells.zip: Its file does not tell the voxel size" in said
    assert (tmp_path / "found" / "cells_labels.tif").is_file()
    batch = ("--model", package, "--image", files[0], "--out", tmp_path / "batch", "--device", "cpu")
    run("batch", *batch, "--set", "segmentation.method=components", "--set", "segmentation.foreground=intensity")
    assert (tmp_path / "batch" / "cells_labels.tif").is_file()
    options = ("--config", tiny, "--start-from", checkpoint, "--steps", 2, "--out", tmp_path / "run")
    said = run("train", files[0], "-a", files[1], *options)
    assert "theirs.pytorch: Its file does not tell the voxel size" in said
    assert "napari-spoco import" in said
    assert load_model(tmp_path / "run").config.feature_maps == (4, 8)
