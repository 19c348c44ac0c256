"""The plugin as napari finds it: manifest, dock by name, samples, and what opening it loads."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points

import numpy as np
import pytest
from npe2 import PluginManifest
from npe2.cli import app
from typer.testing import CliRunner

from napari_spoco._qt.samples import open_membranes, open_nuclei, open_ovule


@pytest.fixture
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("napari-spoco")


def test_the_manifest_is_valid(manifest) -> None:
    result = CliRunner().invoke(app, ["validate", "napari-spoco"])
    assert result.exit_code == 0, result.output
    assert "valid" in result.output


def test_the_entry_point_names_the_manifest() -> None:
    (entry,) = entry_points(group="napari.manifest", name="napari-spoco")
    assert entry.value == "napari_spoco:napari.yaml"


def test_the_manifest_says_what_is_there(manifest) -> None:
    assert {"Annotation", "Segmentation"} <= {str(category) for category in manifest.categories}
    assert [widget.display_name for widget in manifest.contributions.widgets] == ["SPOCO"]
    assert [sample.display_name for sample in manifest.contributions.sample_data] == [
        "Nuclei (2D)",
        "Membranes (3D, synthetic)",
        "Ovule (3D, synthetic)",
    ]
    assert {"napari/layers/segment", "napari/layers/annotate"} <= set(manifest.contributions.menus)
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(import_module(module), name))


def test_the_dock_opens_by_its_name_and_gets_the_viewer(make_napari_viewer, qtbot) -> None:
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("napari-spoco", "SPOCO")
    viewer.add_image(np.zeros((10, 10)), name="cells")
    assert widget.annotate.image.layer() is viewer.layers["cells"]
    widget.release()


@pytest.mark.parametrize(
    ("provide", "ndim", "scale", "unit"),
    [
        pytest.param(open_nuclei, 2, (1.0, 1.0), "pixel", id="nuclei"),
        pytest.param(open_membranes, 3, (1.0, 0.5, 0.5), "micrometer", id="membranes"),
        pytest.param(open_ovule, 3, (0.235, 0.3, 0.3), "micrometer", id="ovule"),
    ],
)
def test_a_sample_is_an_image_and_its_hidden_truth(provide, ndim, scale, unit) -> None:
    (image, image_options, image_type), (truth, truth_options, truth_type) = provide()
    assert (image_type, truth_type) == ("image", "labels")
    assert image.shape == truth.shape
    assert image.ndim == ndim
    assert truth_options["visible"] is False
    assert truth.max() > 10
    for options in (image_options, truth_options):
        assert tuple(options.get("scale", (1.0,) * ndim)) == scale
        assert set(options.get("units", ("pixel",) * ndim)) == {unit}


@pytest.mark.parametrize("key", ["nuclei", "membranes", "ovule"])
def test_samples_open_from_the_menu(make_napari_viewer, key) -> None:
    viewer = make_napari_viewer()
    viewer.open_sample("napari-spoco", key)
    assert [layer.name for layer in viewer.layers] == [key, f"{key} truth"]
    assert [layer.visible for layer in viewer.layers] == [True, False]


def test_opening_the_dock_loads_nothing_that_takes_long() -> None:
    code = """
import os, sys
import napari_spoco._qt.widget
heavy = {"torch", "monai", "bioimage_cpp", "safetensors", "scipy.ndimage", "skimage.io"} & set(sys.modules)
if heavy:
    sys.exit(f"loaded: {sorted(heavy)}")
import napari
napari.Viewer(show=False).window.add_plugin_dock_widget("napari-spoco")
if "torch" in sys.modules:
    sys.exit("loaded: torch")
os._exit(0)  # The viewer is not closed: nothing is left to be looked at.
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
