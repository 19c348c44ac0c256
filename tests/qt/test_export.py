"""Exported files, read back; what the tab hands over; and File > Save."""

from __future__ import annotations

import csv
import zipfile

import numpy as np
import pytest
import tifffile
import zarr
from napari._app_model import get_app_model
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_spoco._qt import paths
from napari_spoco._qt.export_tab import ExportTab
from napari_spoco._qt.jobs.files_job import LabelsToWrite, save_package, write_labels_layer
from napari_spoco._qt.jobs.worker import JobContext
from napari_spoco._qt.layers.image_axes import set_axes
from napari_spoco._qt.layers.layers import MAKER, identity
from napari_spoco.config import BatchConfig, NetworkConfig
from napari_spoco.data.images import read_image, read_labels

CONTEXT = JobContext(lambda _: None, lambda: False)
SCALE = (2.0, 0.5, 0.25)


def finish(body):
    """Exhaust a job's body; return what it returns."""
    while True:
        try:
            next(body)
        except StopIteration as end:
            return end.value


def stack() -> np.ndarray:
    labels = np.zeros((3, 8, 10), np.int32)
    labels[1, 2:4, 2:6] = 7
    return labels


def to_write(labels, image=None) -> LabelsToWrite:
    attributes = {"scale": SCALE, "translate": (10, 0, 5), "units": ("micrometer",) * 3, "axis_labels": ("-3",) * 3}
    return LabelsToWrite(labels, attributes, image)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_labels_as_tiff(tmp_path, name) -> None:
    path = finish(write_labels_layer(CONTEXT, to_write(stack()), str(tmp_path / name)))
    np.testing.assert_array_equal(read_labels(path), stack())
    assert read_image(path).scale == pytest.approx(SCALE)
    with tifffile.TiffFile(path) as file:
        assert file.is_ome == name.endswith(".ome.tif")
        assert file.is_imagej != file.is_ome


def test_labels_as_ome_zarr_keep_their_place(tmp_path) -> None:
    path = finish(write_labels_layer(CONTEXT, to_write(stack()), str(tmp_path / "a.ome.zarr")))
    group = zarr.open_group(path, mode="r")
    np.testing.assert_array_equal(group["0"][:], stack())
    scale, translation = group.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert (scale["scale"], translation["translation"]) == (list(SCALE), [10, 0, 5])


def test_objects_in_physical_units_with_intensities(tmp_path) -> None:
    image = np.random.default_rng(0).random((3, 8, 10))
    path = finish(write_labels_layer(CONTEXT, to_write(stack(), image), str(tmp_path / "a.csv")))
    with path.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["volume_um3"]) == pytest.approx(8 * np.prod(SCALE))
    assert float(row["intensity_mean_0"]) == pytest.approx(image[stack() == 7].mean())


def test_ids_that_do_not_fit_are_refused(tmp_path) -> None:
    labels = np.full((4, 4), 2**40)
    order = LabelsToWrite(labels, {"scale": (1, 1), "units": ("pixel",) * 2, "axis_labels": ("y", "x")})
    with pytest.raises(ValueError, match="expected ids up to 4294967295 for OME-TIFF"):
        finish(write_labels_layer(CONTEXT, order, str(tmp_path / "a.ome.tif")))
    assert not list(tmp_path.iterdir())


class Painted:
    """Labels on which somebody paints as soon as they have been read."""

    def __init__(self, labels) -> None:
        self.labels, self.n_reads = labels, 0

    def __array__(self, dtype=None, copy=None):
        self.n_reads += 1
        return np.array(self.labels, dtype)


def test_labels_are_read_once_and_not_on_the_event_loop(tmp_path) -> None:
    labels = Painted(stack())
    body = write_labels_layer(CONTEXT, to_write(labels), str(tmp_path / "a.tif"))
    assert labels.n_reads == 0
    finish(body)
    assert labels.n_reads == 1


def test_a_package_is_named_as_its_file(tmp_path) -> None:
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model
    from napari_spoco.models.package_import import import_package

    card = ModelCard(network=NetworkConfig(feature_maps=(2, 4), embedding_dim=2))
    model = save_model(EmbeddingModel.create(card), tmp_path / "model.safetensors")
    path = finish(save_package(CONTEXT, str(model), str(tmp_path / "cells 10.15.zip")))
    assert b"name: cells 10-15" in zipfile.ZipFile(path).read("rdf.yaml")
    assert import_package(path).card.network == card.network
    with pytest.raises(ValueError, match="name: expected 5 to 128"):
        finish(save_package(CONTEXT, str(model), str(tmp_path / "a.zip")))


def test_every_format_of_a_batch_can_be_exported() -> None:
    BatchConfig(model="m", inputs=("a",), out="o", formats=tuple(paths.LABEL_FILES))


@pytest.mark.parametrize(
    ("kind", "answer", "path"),
    [
        ("tiff", "a", "a.tif"),
        ("tiff", "a.TIFF", "a.TIFF"),
        ("ome_tiff", "a", "a.ome.tif"),
        ("ome_tiff", "a.tif", "a.ome.tif"),
        ("ome_zarr", "a.zarr", "a.zarr"),
        ("ome_zarr", "a.b", "a.b.ome.zarr"),
        ("objects", "a.csv", "a.csv"),
        ("objects", "a.tif", "a.tif"),
        ("tiff", "a.csv", "a.csv"),
        ("tiff", "a.ome.tif", "a.ome.tif"),
        ("tiff", "a.ome.zarr", "a.ome.zarr"),
        ("ome_tiff", "a.csv", "a.csv"),
        ("objects", "", ""),
    ],
)
def test_names_end_as_the_format_asks(monkeypatch, kind, answer, path) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (answer, ""))
    assert paths.ask_labels_to_save(None, "cells", kind) == path


@pytest.mark.parametrize("answer", [QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No])
def test_a_file_that_only_the_ending_meets_is_not_replaced_unasked(tmp_path, monkeypatch, answer) -> None:
    (tmp_path / "a.csv").touch()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "a"), ""))
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answer)
    is_yes = answer == QMessageBox.StandardButton.Yes
    assert paths.ask_labels_to_save(None, "a", "objects") == (str(tmp_path / "a.csv") if is_yes else "")


def test_the_tab_hands_over_the_layer_and_its_image(viewer, qtbot) -> None:
    viewer.add_image(np.zeros((3, 8, 10, 3), np.uint8), rgb=True, name="colours")
    tab = ExportTab(viewer)
    qtbot.addWidget(tab)
    assert tab.labels_to_write() is None
    labels = viewer.add_labels(stack(), name="found", scale=SCALE, translate=(1, 2, 3), units="um")
    tab.labels.choose(labels)
    handed = tab.labels_to_write()
    assert handed.pixels is labels.data
    assert handed.image.shape == (3, 3, 8, 10)
    assert tuple(handed.attributes["translate"]) == (1, 2, 3)
    tab.format.set_value("objects")
    tab.format.edited.emit()
    assert "Intensities are those of “colours”." in tab.about_format.text()
    tab.release()


def test_the_dock_writes_what_is_chosen(trained, viewer, tmp_path, monkeypatch, until, qtbot) -> None:
    asked = []
    target = tmp_path / "objects.csv"
    monkeypatch.setattr(paths, "ask_labels_to_save", lambda _parent, *what: asked.append(what) or str(target))
    tab = trained.export
    tab.labels.choose(viewer.layers["cells annotations"])
    tab.format.set_value("objects")
    qtbot.mouseClick(tab.save_button, Qt.MouseButton.LeftButton)
    until(lambda: not trained.session.is_saving)
    assert asked == [("cells annotations", "objects")]
    assert trained.footer.text == f"Saved in {target}."
    assert len(target.read_text().splitlines()) == 1 + 3
    monkeypatch.setattr(paths, "ask_package_to_save", lambda *_: str(tmp_path / "package.zip"))
    qtbot.mouseClick(tab.package_button, Qt.MouseButton.LeftButton)
    until(lambda: not trained.session.is_saving)
    assert "is truncated or not a model file" in trained.footer.text  # the fake process has written no real one
    monkeypatch.setattr(paths, "ask_model_to_save", lambda *_: str(tmp_path / "copy.safetensors"))
    qtbot.mouseClick(tab.model_button, Qt.MouseButton.LeftButton)
    until(lambda: not trained.session.is_saving)
    assert (tmp_path / "copy.safetensors").read_bytes() == b"model"


def test_a_name_decides_and_the_folder_is_kept(trained, viewer, tmp_path, monkeypatch, until, qtbot) -> None:
    """The dialog begins where the image lies, then where something was saved last; no name has a number in brackets."""
    folder, other = tmp_path / "planes", tmp_path / "other"
    for one in (folder, other):
        one.mkdir()
    tifffile.imwrite(folder / "z03.tif", np.arange(80, dtype=np.uint8).reshape(8, 10))
    (image,) = viewer.open(folder / "z03.tif", plugin="napari")
    labels = viewer.add_labels(stack()[1], name="z03 a/b objects [1]", metadata={MAKER: identity(image)})
    answers, asked = [str(other / "mito.csv"), ""], []

    def answer(_parent, _title, name, _kinds):
        asked.append(name)
        return answers.pop(0), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    tab = trained.export
    trained.tabs.reveal(tab.save_button)
    tab.labels.choose(labels)
    assert tab.format.value() == "tiff"
    qtbot.mouseClick(tab.save_button, Qt.MouseButton.LeftButton)
    until(lambda: not trained.session.is_saving)
    with (other / "mito.csv").open(newline="", encoding="utf-8") as file:
        assert "intensity_mean_0" in next(csv.reader(file))
    qtbot.mouseClick(tab.save_button, Qt.MouseButton.LeftButton)
    assert asked == [str(place / "z03 a-b objects.tif") for place in (folder, other)]


def test_file_save_writes_what_the_ending_asks_for(viewer, tmp_path) -> None:
    labels = viewer.add_labels(stack(), name="found", scale=SCALE, translate=(10, 0, 5), units="um")
    viewer.layers.selection = {labels}
    (zarr_path,) = viewer.layers.save(str(tmp_path / "a.zarr"), selected=True, plugin="napari-spoco")
    np.testing.assert_array_equal(zarr.open_array(f"{zarr_path}/0", mode="r")[:], stack())
    (tiff_path,) = viewer.layers.save(str(tmp_path / "a.tif"), selected=True, plugin="napari-spoco")
    assert read_image(tiff_path).scale == pytest.approx(SCALE)
    assert read_image(tiff_path).units == ("micrometer",) * 3


def choose_in_dialog(monkeypatch, path: str, *, kind: str) -> str:
    """Save by napari's dialog: enter a name, and choose a type of file; "" leaves the one that is offered first."""
    offered = []

    def answer(*_arguments, filter, **_options):  # noqa: A002
        offered.extend(filter.split(";;"))
        return path, next(one for one in offered if kind in one)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    get_app_model().commands.execute_command("napari.window.file.save_layers_dialog.selected").result()
    return offered[0]


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "cells 0.5um"])
def test_in_the_dialog_the_type_of_the_file_decides(viewer, tmp_path, monkeypatch, name) -> None:
    labels = viewer.add_labels(stack(), name="found", scale=SCALE, units="um")
    viewer.layers.selection = {labels}
    first = choose_in_dialog(monkeypatch, str(tmp_path / name), kind="SPOCO Labels as TIFF")
    assert not first.startswith("SPOCO")  # napari's own; the tooltip and the tutorial say so.
    (written,) = tmp_path.iterdir()
    assert written.name == (name if name.endswith(".tif") else f"{name}.tif")
    assert read_image(written).scale == pytest.approx(SCALE)


def test_what_napari_offers_first_drops_the_pixel_size(spoco, viewer, tmp_path, monkeypatch) -> None:
    """Once this fails, tooltip and tutorial need not warn of it any longer."""
    viewer.layers.selection = {viewer.add_labels(stack()[1], name="found", scale=SCALE[1:], units="um")}
    choose_in_dialog(monkeypatch, str(tmp_path / "a.tif"), kind="")
    assert read_image(tmp_path / "a.tif").scale == (1, 1)
    with pytest.raises(UserWarning, match="did not return any written paths"):  # An error message, for a person.
        choose_in_dialog(monkeypatch, str(tmp_path / "a.zarr"), kind="")
    assert "SPOCO Labels as TIFF" in spoco.export.labels.toolTip()
    choose_in_dialog(monkeypatch, str(tmp_path / "a"), kind="SPOCO Labels as OME-Zarr")
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.zarr" / "0", mode="r")[:], stack()[1])


@pytest.mark.parametrize("name", ["a.zarr", "a.ome.tif"])
def test_a_name_that_only_we_write_reaches_us_from_a_script(viewer, tmp_path, name) -> None:
    viewer.layers.selection = {viewer.add_labels(stack(), name="found", scale=SCALE, units="um")}
    viewer.layers.save(str(tmp_path / name), selected=True)
    if name.endswith(".zarr"):
        np.testing.assert_array_equal(zarr.open_array(tmp_path / name / "0", mode="r")[:], stack())
    else:
        assert read_image(tmp_path / name).scale == pytest.approx(SCALE)


def test_an_image_that_cannot_be_read_gives_no_intensities(spoco, viewer, tmp_path, monkeypatch, until, qtbot) -> None:
    tab, target = spoco.export, tmp_path / "a.csv"
    labels = viewer.add_labels(stack(), name="found")
    set_axes(viewer.add_image(np.zeros((3, 2, 8, 10)), name="planes first"), "ZCYX")
    tab.labels.choose(labels)
    tab.format.set_value("objects")
    tab.format.edited.emit()
    assert "No image of this shape can be read" in tab.about_format.text()
    assert tab.labels_to_write().image is None
    readable = viewer.add_image(np.arange(240.0).reshape(3, 8, 10), name="readable")
    set_axes(readable, "ZYX")
    viewer.layers.move(viewer.layers.index(readable), 0)
    tab.labels.chosen.emit()
    assert "those of “readable”" in tab.about_format.text()
    monkeypatch.setattr(paths, "ask_labels_to_save", lambda *_: str(target))
    qtbot.mouseClick(tab.save_button, Qt.MouseButton.LeftButton)
    until(lambda: target.exists() and not spoco.session.is_saving)
    with target.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["intensity_mean_0"]) == pytest.approx(np.arange(240).reshape(3, 8, 10)[stack() == 7].mean())


@pytest.mark.parametrize("by", ["another layer", "other contents"])
def test_what_is_written_is_what_the_dialog_was_opened_for(
    trained, viewer, tmp_path, monkeypatch, until, qtbot, by
) -> None:
    """A segmentation that ends while the dialog is open chooses its result, or puts it into the same layer."""
    tab = trained.export
    old = viewer.add_labels(np.full((64, 64), 1, np.int32), name="old")
    tab.labels.choose(old)

    def answer(_parent, name, _kind):
        if by == "another layer":
            tab.labels.choose(viewer.add_labels(np.full((64, 64), 2, np.int32), name="new"))
        else:
            old.data = np.full((64, 64), 2, np.int32)
        return str(tmp_path / f"{name}.tif")

    monkeypatch.setattr(paths, "ask_labels_to_save", answer)
    qtbot.mouseClick(tab.save_button, Qt.MouseButton.LeftButton)
    until(lambda: not trained.session.is_saving)
    assert np.unique(read_labels(tmp_path / "old.tif")).tolist() == [1]


@pytest.mark.parametrize("kind", ["model", "package"])
def test_the_model_that_is_saved_is_the_one_that_was_asked_for(
    trained, processes, tmp_path, monkeypatch, until, qtbot, kind
) -> None:
    """A training that ends while the dialog is open brings another model."""
    saved, old = [], trained.session.model_path
    trained.train.train_button.click()
    until(lambda: len(processes.made) == 2 and processes.last.is_started)

    def answer(*_):
        processes.last.finish()
        until(lambda: trained.session.model_path != old)
        return str(tmp_path / "saved")

    monkeypatch.setattr(paths, f"ask_{kind}_to_save", answer)
    monkeypatch.setattr(trained.session, f"save_{kind}", lambda *what: saved.append(what))
    getattr(trained.export, f"{kind}_button").click()
    assert saved == [(str(tmp_path / "saved"), old)]
