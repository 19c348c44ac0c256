"""Models of others are opened where a model is chosen: packages that a window has exported, and checkpoints."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_spoco._qt import paths
from napari_spoco._qt.session import SessionState
from napari_spoco.config import BatchConfig, NetworkConfig, SegmentationConfig


@pytest.fixture
def load(monkeypatch, until):
    """Return a function that loads the model of a file in a window, by its dialog, and returns what is said."""

    def do(widget, path) -> str:
        monkeypatch.setattr(paths, "ask_model_to_load", lambda *_: str(path))
        widget.segment.load_button.click()
        assert widget.session.state is SessionState.LOADING
        until(lambda: not widget.session.state.is_busy)
        return widget.footer.text

    return do


@pytest.fixture
def package(ready, load, tmp_path, monkeypatch, until) -> Path:
    """A package that the tab Export has written."""
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

    size = {"voxel_size": (0.5, 0.5), "units": ("micrometer", "micrometer")}
    card = ModelCard(network=NetworkConfig(embedding_dim=4, feature_maps=(4, 8)), median_object_size=30.0, **size)
    assert load(ready, save_model(EmbeddingModel.create(card), tmp_path / "tiny.safetensors")) == "The model is loaded."
    path = tmp_path / "colleague" / "her cells.zip"
    path.parent.mkdir()
    monkeypatch.setattr(paths, "ask_package_to_save", lambda *_: str(path))
    ready.export.package_button.click()
    until(path.is_file)
    until(lambda: not ready.session.is_saving)
    return path


def test_a_package_is_chosen_in_another_window_and_segments(
    ready, package, start, viewer, load, tmp_path, until
) -> None:
    original = Path(ready.session.model_path).read_bytes()
    ready.release()
    widget = start()
    viewer.add_image(np.random.default_rng(0).random((48, 48)).astype(np.float32), name="cells")
    assert load(widget, package) == "The model is loaded."
    path = Path(widget.session.model_path)
    assert path.is_relative_to(tmp_path / "models" / "imported")
    assert path.read_bytes() == original
    assert widget.segment.about_model.text().startswith("Model: her cells: 2D, 0.5 ")
    package.unlink()  # What the colleague sent may go.
    widget.segment.segment_button.click()
    until(lambda: not widget.session.state.is_busy)
    assert widget.footer.text.startswith("Found ")
    assert "cells objects" in [layer.name for layer in viewer.layers]


def test_what_is_opened_again_is_one_file_and_others_of_its_name_are_not(ready, package, load, tmp_path) -> None:
    load(ready, package)
    first = ready.session.model_path
    load(ready, package)
    assert ready.session.model_path == first
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr("note.txt", "changed")
    load(ready, package)
    assert ready.session.model_path != first
    assert Path(first).is_file()


@pytest.mark.parametrize("name", ["spoco_unet2d_bcr"])
def test_a_released_checkpoint_is_chosen_and_what_it_does_not_tell_is_said(
    ready, viewer, load, until, name, shared
) -> None:
    said = load(ready, shared / "golden" / "checkpoints" / f"{name}.pytorch")
    assert said.startswith("The model is loaded. Its file does not tell the voxel size that it was trained at")
    assert ready.session.model_name == name
    image = viewer.add_image(np.random.default_rng(0).random((64, 64, 3)), name="colours", rgb=True)
    ready.annotate.image.choose(image)
    ready.embeddings.embed_button.click()
    until(lambda: not ready.session.state.is_busy)
    assert ready.session.embedded_image is not None


def test_another_zip_is_refused_and_the_model_in_use_kept(trained, load, tmp_path) -> None:
    before = trained.session.model_path
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.jpg", b"")
    said = load(trained, tmp_path / "photos.zip")
    assert said.startswith("path: expected a package with rdf.yaml")
    assert trained.session.model_path == before
    assert not (tmp_path / "models" / "imported").exists()


def test_a_batch_takes_a_package(ready, package, tmp_path, monkeypatch, until) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.random.default_rng(0).integers(0, 99, (40, 40)).astype(np.uint8))
    settings = SegmentationConfig(foreground="intensity", method="components")
    config = BatchConfig(model="x", inputs=(str(tmp_path / "a.tif"),), out=str(tmp_path / "out"), segmentation=settings)
    ready.batch.show_config(config)
    monkeypatch.setattr(paths, "ask_model_to_load", lambda *_: str(package))
    ready.batch.model_button.click()
    ready.batch.run_button.click()
    until(lambda: not ready.batching.is_running)
    assert (tmp_path / "out" / "a_labels.tif").is_file()


def test_the_dialog_shows_files_of_all_kinds(ready, monkeypatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(paths.QFileDialog, "getOpenFileName", lambda *options: asked.append(options[-1]) or ("", ""))
    ready.segment.load_button.click()
    first = asked[0].split(";;")[0]
    assert all(kind in first for kind in ("*.safetensors", "state.pt", "*.zip", "*.pytorch"))
