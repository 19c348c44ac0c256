"""A choice of channels on the command line: made for the training, remembered by the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from napari_spoco.models.checkpoint import load_model
from napari_spoco.project.project import Project


@pytest.fixture
def many(files: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """An image with two channels, of which the second shows the cells; and what is painted."""
    cells = tifffile.imread(files[0])
    noise = np.random.default_rng(0).integers(0, 255, cells.shape).astype(cells.dtype)
    tifffile.imwrite(tmp_path / "many.tif", np.stack([noise, cells]), imagej=True, metadata={"axes": "CYX"})
    return tmp_path / "many.tif", files[1]


def test_the_model_remembers_them(run, many, tiny: Path, tmp_path: Path) -> None:
    image, labels = many
    out = tmp_path / "run"
    run("train", image, "-a", labels, "--config", tiny, "--out", out, "--channels", "1")
    assert load_model(out).card.channels == (1,)
    assert load_model(out).config.in_channels == 1
    bright = ("--foreground", "intensity", "--fragment-size", 0, "--min-size", 0)
    run("segment", out, image, "--out", tmp_path / "found", *bright)
    run("segment", out, tmp_path / "cells.tif", "--out", tmp_path / "found", *bright)  # that channel alone
    found = [tifffile.imread(tmp_path / "found" / f"{name}_labels.tif") for name in ("many", "cells")]
    np.testing.assert_array_equal(*found)
    assert found[0].any()
    run("segment", out, image, "--out", tmp_path / "other", "--channels", "0", *bright)
    assert (tifffile.imread(tmp_path / "other" / "many_labels.tif") != found[0]).any()


def test_a_batch_takes_others_if_told(run, many, tmp_path: Path) -> None:
    options = ("--model", "nuclei-small", "--image", many[0], "--image", tmp_path / "cells.tif", "--format", "tiff")
    said = run("batch", *options, "--out", tmp_path / "without", code=1)
    assert "many.tif: failed: image: expected 1 channel, as the model takes, got an image of 2 channels" in said
    run("batch", *options, "--out", tmp_path / "with", "--channels", "1")
    found = [tifffile.imread(tmp_path / "with" / f"{name}_labels.tif") for name in ("many", "cells")]
    np.testing.assert_array_equal(*found)
    assert found[0].any()
    settings = yaml.safe_load((tmp_path / "with" / "batch_settings.yaml").read_text())
    assert settings["channels"] == [1]


def test_a_project_is_trained_on_them(run, many, tiny: Path, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.add_image(many[0], ndim=2)
    project.set_annotations("many", tifffile.imread(many[1]))
    run("train", project.path, "--config", tiny, "--channels", "0,1")
    assert load_model(project.newest_run).card.channels == (0, 1)


@pytest.mark.parametrize("text", ["1,", "a", "-1", "0 2"])
def test_what_is_no_channel_gets_a_sentence(run, many, tmp_path: Path, text: str) -> None:
    said = run("train", many[0], "-a", many[1], "--out", tmp_path / "run", f"--channels={text}", code=1)
    assert f"--channels: expected numbers from 0 with commas between them, such as 0,2, got '{text}'" in said
