"""The command line as a function, and files for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_spoco.cli import app
from napari_spoco.data.samples import load_nuclei


@pytest.fixture
def invoke() -> Callable[..., Result]:
    """Run a command in this process."""
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def run(invoke: Callable[..., Result]) -> Callable[..., str]:
    """Run a command; returns what it says, on one line."""

    def run_command(*arguments: object, code: int = 0) -> str:
        result = invoke(*arguments)
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    return run_command


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A nuclei image with a pixel size of 0.25 um, and the masks of seven of its objects."""
    sample = load_nuclei("train")[0]
    image, labels = tmp_path / "cells.tif", tmp_path / "painted.tif"
    options = {"imagej": True, "resolution": (4.0, 4.0), "metadata": {"axes": "YX", "unit": "um"}}
    tifffile.imwrite(image, sample.image, **options)
    tifffile.imwrite(labels, np.where(sample.labels < 8, sample.labels, 0).astype(np.uint16))
    return image, labels


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Settings with which a step takes milliseconds, and no clock has a say."""
    path = tmp_path / "tiny.yaml"
    path.write_text(
        "max_steps: 6\nmax_minutes:\nfeature_maps: [4, 8]\npatch_shape: [32, 32]\nbatch_size: 2\nthreads: 1\n"
        "device: cpu\npreview_seconds: 1e9\nvalidation:\n  every: 2\n  fraction: 0.3\n"
    )
    return path
