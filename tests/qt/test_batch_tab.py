"""The Batch tab: what it asks for, what it says of each image, and the file it shares with the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from typer.testing import CliRunner

from napari_spoco._qt import paths
from napari_spoco._qt.batch.batch_job import BatchPlanned, TileDone, run
from napari_spoco._qt.batch.batch_tab import BatchTab
from napari_spoco._qt.batch.batch_table import BatchTable
from napari_spoco._qt.batch.batching import Batching, advise, describe, summarize
from napari_spoco._qt.jobs.worker import JobContext
from napari_spoco._qt.notices import Notice
from napari_spoco._qt.segment.segment_tab import SegmentTab
from napari_spoco._qt.session import SessionState
from napari_spoco.batch.batch import IN_PIXELS, ImageDone, ImageStarted, read_batch_config
from napari_spoco.batch.report import REPORT_NAME
from napari_spoco.cli import app
from napari_spoco.config import BatchConfig, NetworkConfig, SegmentationConfig
from napari_spoco.config_files import write_yaml
from napari_spoco.segmentation import prediction

SETTINGS = SegmentationConfig(foreground="intensity", method="components", min_size=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A tiny untrained model; the settings above look at the intensities alone."""
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

    card = ModelCard(network=NetworkConfig(feature_maps=(2, 4), embedding_dim=2))
    return str(save_model(EmbeddingModel.create(card), tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture
def images(tmp_path) -> Path:
    """A folder of three images, the second of which is broken."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, n_objects in (("a.tif", 1), ("c.tif", 3)):
        image = np.random.default_rng(0).integers(0, 10, (40, 60)).astype(np.uint8)
        for index in range(n_objects):
            image[10:20, 5 + 18 * index : 15 + 18 * index] += 200
        tifffile.imwrite(folder / name, image)
    (folder / "b.tif").write_bytes(b"no image")
    return folder


class Window:
    """The two tabs and what runs the batch, without a dock; a model in use if the test says so."""

    def __init__(self, viewer, qtbot, folder: Path) -> None:
        self.model_in_use: str | None = None
        self.tab, self.segment = BatchTab(), SegmentTab(viewer)
        self.qtbot = qtbot
        self.batching = Batching(viewer, self.tab, self.segment, lambda: self.model_in_use, folder, parent=self.tab)
        self.said: list[str] = []
        self.notices: list[Notice] = []
        self.batching.noticed.connect(self.notices.append)
        self.batching.noticed.connect(lambda notice: self.said.append(notice.text))
        self.batching.failed.connect(lambda error: self.said.append(str(error)))

    def close(self) -> None:
        self.batching.end()
        self.segment.release()
        for widget in (self.tab, self.segment):
            widget.deleteLater()
        self.qtbot.waitUntil(lambda: not isalive(self.tab) and not isalive(self.segment))

    def press(self, button) -> None:
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def choose(self, config: BatchConfig) -> None:
        """Show a batch and the settings above."""
        self.tab.show_config(config)
        self.segment.foreground.choose(SETTINGS.foreground)
        for form in (self.segment.quick, self.segment.advanced):
            form.set_values(SETTINGS)


@pytest.fixture
def window(viewer, qtbot, tmp_path, until) -> Window:
    window = Window(viewer, qtbot, tmp_path)
    yield window
    window.close()


@pytest.fixture
def batch(model, images, tmp_path) -> BatchConfig:
    return BatchConfig(model=model, inputs=(str(images),), out=str(tmp_path / "results"), segmentation=SETTINGS)


def test_a_batch_is_chosen_run_and_reported(window, model, images, tmp_path, monkeypatch, until) -> None:
    tab, out = window.tab, tmp_path / "results"
    folders = iter((str(images), str(out)))
    monkeypatch.setattr(paths, "ask_folder", lambda *_: next(folders))
    assert tab.run_button.toolTip() == "Add images first."
    window.press(tab.folder_button)
    assert tab.run_button.toolTip() == "Train, load or choose a model first."
    window.model_in_use = model
    window.batching.follow()
    assert tab.run_button.toolTip() == "Choose a folder for the results first."
    window.press(tab.out_button)
    window.segment.foreground.choose("intensity")
    window.segment.quick.set_values(SETTINGS)
    window.press(tab.run_button)
    assert not tab.run_button.isEnabled()
    assert tab.stop_button.isEnabled()
    until(lambda: not window.batching.is_running)
    first, second, third = tab.table.states.texts
    in_pixels = "Its pixel size is not known, so sizes are in pixels."
    assert (first, third) == (f"done, 1 object: {in_pixels}", f"done, 3 objects: {in_pixels}")
    assert second.startswith("failed: b.tif: expected a readable TIFF file")
    assert tab.report.text() == "2 done, 1 failed; batch_report.csv lies with the results."
    assert window.said[-1].startswith(f"{tab.report.text()} The first: b.tif: expected")
    assert "Sizes of 2 are in pixels: enter the pixel size" in window.said[-1]
    assert (window.notices[-1].tone, window.notices[-1].folder) == ("bad", str(out))
    written = {path.name for path in out.iterdir()}
    assert {REPORT_NAME, "a_labels.tif", "a_objects.csv", "c_labels.tif"} <= written
    assert tab.inputs.item(0).text() == f"3 images in {images}"
    window.press(tab.clear_button)
    monkeypatch.setattr(paths, "ask_images", lambda *_: [str(images / "a.tif")])
    window.press(tab.files_button)
    assert tab.inputs.item(0).text() == str(images / "a.tif")
    window.press(tab.run_button)
    until(lambda: not window.batching.is_running)
    assert tab.table.states.texts == ("skipped, 1 object: its results are there already",)
    assert (window.notices[-1].text, window.notices[-1].tone) == (
        "1 skipped; batch_report.csv lies with the results.",
        "plain",
    )


def test_the_pixel_size_of_the_open_images_is_offered(
    window, model, images, viewer, tmp_path, monkeypatch, until
) -> None:
    tab, field = window.tab, window.tab.form.editor("voxel_size")
    monkeypatch.setattr(paths, "ask_images", lambda *_: [str(images / "a.tif")])
    window.press(tab.files_button)
    assert field.text() == ""
    assert field.placeholderText() == "as the files say, else pixels"
    viewer.add_image(np.zeros((9, 9)), name="none")
    for name in ("z01", "z02"):
        viewer.add_image(np.zeros((9, 9)), name=name, scale=(4.6, 4.6), units=("nm", "nm"))
    window.press(tab.files_button)
    assert field.text() == "0.0046, 0.0046"
    field.setText("0.5")
    window.press(tab.files_button)
    assert field.text() == "0.5"
    window.choose(
        BatchConfig(model=model, inputs=(str(images / "a.tif"),), out=str(tmp_path / "results"), voxel_size=(0.5,))
    )
    window.press(tab.run_button)
    until(lambda: not window.batching.is_running)
    assert window.notices[-1].tone == "good"
    assert "area_um2" in (tmp_path / "results" / "a_objects.csv").read_text()
    field.clear()
    viewer.add_image(np.zeros((9, 9)), name="other", scale=(0.1, 0.1), units=("um", "um"))
    window.press(tab.files_button)
    assert field.text() == ""  # Which one it would be is not known.


def test_the_settings_that_are_used_are_told(window) -> None:
    """As soon as they are changed in the tab Segment, and in the words of its form."""
    about = window.tab.about_settings
    assert about.text() == "Settings of the tab Segment: the defaults."
    window.segment.threshold.set_values(SegmentationConfig(class_threshold=0.77))
    window.segment.threshold.changed.emit()
    assert about.text() == "Settings of the tab Segment: Certainty 0.77."
    assert "tab Segment" in about.toolTip()


def test_the_foot_follows_the_batch(trained, batch, monkeypatch, qtbot, until) -> None:
    """While it runs nothing asks for files, nor is anything of before told; its end tells how to go on."""
    going = []

    def predict(_model, _image, *, stop, **_kwargs):
        while not stop():
            going.append(True)
        raise prediction.PredictionStopped("stopped")

    monkeypatch.setattr("napari_spoco.whole_image.predict_outputs", predict)
    trained.tabs.reveal(trained.batch.run_button)
    trained.batch.show_config(batch)
    trained.footer.show_notice(Notice("Saved in z03.csv.", "good"))
    assert trained.footer.hint.text().startswith("Add files")
    qtbot.mouseClick(trained.batch.run_button, Qt.MouseButton.LeftButton)
    until(lambda: going)
    assert trained.footer.hint.text().startswith("The batch runs by itself")
    assert trained.footer.text == ""
    qtbot.mouseClick(trained.batch.stop_button, Qt.MouseButton.LeftButton)
    until(lambda: not trained.batching.is_running)
    assert trained.footer.hint.text() == "0 of 3 images segmented. Run goes on with the others."
    assert not trained.footer.folder_button.isHidden()
    assert trained.footer.folder_button.folder == batch.out
    qtbot.mouseClick(trained.batch.clear_button, Qt.MouseButton.LeftButton)
    assert trained.footer.hint.text().startswith("Add files")


def test_what_went_wrong_is_said_in_the_foot_until_one_moves_on(trained, batch, qtbot, until) -> None:
    """The tab goes on saying it."""
    footer, tabs = trained.footer, trained.tabs
    trained.batch.show_config(batch)
    tabs.reveal(trained.batch.run_button)
    qtbot.mouseClick(trained.batch.run_button, Qt.MouseButton.LeftButton)
    tabs.setCurrentIndex(0)
    until(lambda: not trained.batching.is_running)
    tabs.reveal(trained.batch.run_button)
    assert footer.text.startswith(f"{trained.batch.report.text()} The first: b.tif: expected")
    assert footer.hint.text().startswith("2 of 3 images segmented. The table says what is wrong with the others")
    tabs.setCurrentIndex(0)
    assert footer.text == ""
    assert footer.folder_button.isHidden()
    footer.show_notice(Notice("Saved in z03.csv.", "good"))
    tabs.reveal(trained.batch.run_button)
    tabs.setCurrentIndex(0)
    assert footer.text == "Saved in z03.csv."
    assert trained.batch.table.states.texts[1].startswith("failed: b.tif: expected")


@pytest.mark.parametrize(
    ("done", "text"),
    [
        ((), "0 of 3 images segmented. Run goes on with the others."),
        (
            [ImageDone(Path("a.tif"), "skipped", outputs=(Path("a.csv"),))] * 3,
            "3 of 3 images segmented. They are in the folder Results; or add other files.",
        ),
        (
            [ImageDone(Path("a.tif"), "done", 1, outputs=(Path("a.csv"),), notices=(IN_PIXELS,))] * 2
            + [ImageDone(Path("b.tif"), "failed")],
            "2 of 3 images segmented. The table says what is wrong with the others: mend that, and press Run again. "
            "For sizes in micrometers enter the pixel size, tick Overwrite, and press Run.",
        ),
        ([ImageDone(Path("a.tif"), "stopped")] * 3, "0 of 3 images segmented. Run goes on with the others."),
    ],
    ids=["not begun", "there", "failed", "stopped"],
)
def test_how_to_go_on_after_a_batch(done, text: str) -> None:
    assert advise(done, n_images=3) == text


def test_all_that_is_said_of_an_image_can_be_read(qtbot, until) -> None:
    """In its row, as soon as that is in sight, however narrow the dock is; and in lines in the tooltip."""
    table, images = BatchTable(), [Path(f"{index}.tif") for index in range(500)]
    qtbot.addWidget(table)
    table.resize(340, 200)
    table.show()
    table.states.begin(images, "waiting")
    text = "done, 12 objects: Its pixel size is not known, so sizes are in pixels. At <0.5 none is seen."
    for image in (images[0], images[-1]):
        table.states.say(image, text)
    short, wide = table.rowHeight(1), table.rowHeight(0)
    assert wide == table.sizeHintForRow(0) > 2 * short
    table.resize(260, 200)
    until(lambda: table.rowHeight(0) > wide)
    assert table.rowHeight(0) == table.sizeHintForRow(0)
    table.reveal(images[-1])
    assert table.rowHeight(499) == table.sizeHintForRow(499) > wide
    tooltip = table.states.data(table.states.index(0, 1), Qt.ItemDataRole.ToolTipRole)
    assert Qt.mightBeRichText(tooltip)  # Else it is one line, which may be wider than the screen.
    assert "At &lt;0.5 none" in tooltip


def test_stop_ends_it_after_the_tile(window, batch, monkeypatch, until) -> None:
    def predict(_model, _image, *, stop, on_progress, **_kwargs):
        on_progress(3, 9)
        while not stop():
            pass
        raise prediction.PredictionStopped("stopped by the user")

    monkeypatch.setattr("napari_spoco.whole_image.predict_outputs", predict)
    window.choose(batch)
    window.press(window.tab.run_button)
    until(lambda: "tile 3 of 9" in window.tab.table.states.texts)
    window.press(window.tab.stop_button)
    until(lambda: not window.batching.is_running)
    assert window.tab.table.states.texts == ("stopped: stopped by the user", "waiting", "waiting")
    assert window.said[-1] == "1 stopped, 2 not begun; batch_report.csv lies with the results."
    assert window.tab.run_button.isEnabled()


def test_what_cannot_be_run_is_said(window, batch, viewer, until) -> None:
    window.choose(batch.model_copy(update={"model": "nowhere.safetensors"}))
    window.press(window.tab.run_button)
    until(lambda: not window.batching.is_running)
    assert "there is no model file at nowhere.safetensors" in window.said[-1]
    assert window.tab.report.text() == f"The batch could not be run: {window.said[-1]}"
    assert window.batching.advice.startswith("The batch could not be run: below the table is why.")
    window.segment.foreground.choose(viewer.add_labels(np.ones((4, 4), int), name="mask"))
    window.press(window.tab.run_button)
    assert window.said[-1].startswith("foreground: expected one that suits all images")


def test_the_file_is_that_of_the_command_line(window, batch, tmp_path, monkeypatch) -> None:
    window.model_in_use = batch.model
    window.choose(batch.model_copy(update={"formats": ("ome_zarr",), "overwrite": True, "device": "cpu"}))
    window.tab.choose_model("")
    path = tmp_path / "batch.yaml"
    monkeypatch.setattr(paths, "ask_batch_to_save", lambda *_: str(path))
    window.press(window.tab.save_button)
    assert window.said == [f"Saved in {path}."]
    saved = read_batch_config(path)
    assert saved == batch.model_copy(update={"formats": ("ome_zarr",), "overwrite": True, "device": "cpu"})
    changed = saved.model_copy(update={"segmentation": SegmentationConfig(foreground="embedding", seed=7)})
    path.write_text(write_yaml(changed), encoding="utf-8")
    monkeypatch.setattr(paths, "ask_batch_to_load", lambda *_: str(path))
    window.press(window.tab.load_button)
    assert window.tab.config(None, window.segment.config()) == changed
    path.write_text("modell: none", encoding="utf-8")
    window.press(window.tab.load_button)
    assert "modell" in window.said[-1]
    assert window.tab.config(None, window.segment.config()) == changed


def test_defaults_and_tooltips_are_those_of_the_model(qapp, qtbot) -> None:
    tab = BatchTab()
    qtbot.addWidget(tab)
    chosen = {"model": "tiny", "inputs": ("a.tif",), "out": "results"}
    tab.show_config(BatchConfig(**chosen).model_copy(update={"formats": tab.formats.value()}))
    assert tab.config(None, SegmentationConfig()) == BatchConfig(**chosen)
    for name, widget in {"inputs": tab.inputs, "model": tab.model, "out": tab.out, "formats": tab.formats}.items():
        assert widget.toolTip() == BatchConfig.model_fields[name].description


def test_the_job_plans_and_reports(batch) -> None:
    reported: list[object] = []
    messages = list(run(JobContext(reported.append, lambda: False), batch))
    assert [path.name for path in messages[0].images] == ["a.tif", "b.tif", "c.tif"]
    assert isinstance(messages[0], BatchPlanned)
    assert [type(message) for message in messages[1:]] == [ImageStarted, ImageDone] * 3
    assert TileDone(1, 1) in reported


@pytest.mark.parametrize(
    ("done", "text"),
    [
        (ImageDone(Path("a.tif"), "done", 1), "done, 1 object"),
        (ImageDone(Path("a.tif"), "done", 0, notices=("Nothing was found.",)), "done, 0 objects: Nothing was found."),
        (ImageDone(Path("a.tif"), "failed", message="no image"), "failed: no image"),
    ],
)
def test_an_image_in_a_line(done: ImageDone, text: str) -> None:
    assert describe(done) == text


def test_a_batch_that_was_stopped_at_once() -> None:
    assert summarize((), n_images=2) == "2 not begun."
    assert summarize((), n_images=0) == "Stopped before the images were listed."
    assert advise((), n_images=0) == "Stopped before the images were listed. Run begins again."
    assert advise((), n_images=2) == "0 of 2 images segmented. Run goes on with the others."


def test_the_dock_takes_its_batch_along_when_it_closes(trained, batch, monkeypatch, until) -> None:
    asked = []

    def predict(_model, _image, *, stop, **_kwargs):
        asked.append(True)
        while not stop():
            pass
        raise prediction.PredictionStopped("stopped")

    monkeypatch.setattr("napari_spoco.whole_image.predict_outputs", predict)
    trained.batch.show_config(batch)
    trained.batch.run_button.click()
    until(lambda: asked)
    assert trained.session.state is SessionState.IDLE  # it runs beside the session's jobs
    trained.release()
    until(lambda: (Path(batch.out) / REPORT_NAME).exists())


def test_the_command_line_runs_the_file_that_the_window_saved(window, batch, images, tmp_path, monkeypatch) -> None:
    (images / "b.tif").unlink()
    path = tmp_path / "elsewhere" / "batch.yaml"
    path.parent.mkdir()
    monkeypatch.setattr(paths, "ask_batch_to_save", lambda *_: str(path))
    window.choose(batch.model_copy(update={"formats": ("tiff",)}))
    window.press(window.tab.save_button)
    result = CliRunner().invoke(app, ["batch", str(path)])
    assert result.exit_code == 0, result.output
    assert "2 done" in result.output
    out = Path(batch.out)
    found = {file.name: len(np.unique(tifffile.imread(file))) - 1 for file in out.glob("*_labels.tif")}
    assert found == {"a_labels.tif": 1, "c_labels.tif": 3}
    assert [file.name for file in out.glob("*.csv")] == [REPORT_NAME]
