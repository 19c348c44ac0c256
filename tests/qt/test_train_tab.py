"""What Train says beside its settings: memory, curves and score, the log of the run; and where files went."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication

from napari_spoco._qt import notices
from napari_spoco._qt.session import SessionState, Start
from napari_spoco._qt.train import loss_plot, memory_view
from napari_spoco._qt.train.start_choice import advise_start
from napari_spoco.config import NetworkConfig, TrainingConfig
from napari_spoco.training.default_device import DefaultDevice
from napari_spoco.training.reports import LossTerms, ScoreReport, StepReport, TrainingFailed, TrainingNotice


def score(step: int, value: float) -> ScoreReport:
    return ScoreReport(step, value, value, value, 3, value, True)


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Return the folders that were shown to the user."""
    folders: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: folders.append(url.toLocalFile()))
    return folders


def test_memory_is_told_before_the_training(ready, monkeypatch) -> None:
    line = ready.train.memory
    assert re.match(r"Trains on a graphics card \(GPU\) if there is one: about [67]\d\d MB of memory; ", line.text())
    assert line.text().endswith("are free.")
    before = line.text()
    settings = ready.train.settings
    settings.show_config(settings.config().model_copy(update={"patch_shape": (512, 512), "batch_size": 16}))
    assert line.text() != before
    assert "GB of memory" in line.text()
    monkeypatch.setattr(memory_view, "_free_memory", lambda: 10**9)
    ready.training.memory.refresh()
    assert line.text().endswith("but 1.0 GB are free: choose a smaller patch or batch (Advanced).")
    assert line.property("tone") == "bad"


def test_no_memory_is_told_without_an_image(spoco) -> None:
    assert spoco.train.memory.isHidden()


def test_auto_is_a_device_once_a_training_has_said_so(trained) -> None:
    assert trained.train.start.start.name == "FINE_TUNE"
    assert trained.train.memory.isHidden()  # the fake process has written no real model
    trained.session.choose_start(type(trained.train.start.start).NEW)
    assert trained.train.memory.text().startswith("Trains on the processor (CPU): about ")


def test_a_model_that_is_started_from_brings_its_network(trained, tmp_path, choose_start) -> None:
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

    network = NetworkConfig(feature_maps=(64, 128, 256), embedding_dim=32)
    save_model(EmbeddingModel.create(ModelCard(network=network)), trained.session.model_path)
    trained.training.memory.refresh()
    of_model = trained.train.memory.text()
    choose_start("a new model")
    assert "" != of_model != trained.train.memory.text()


def test_the_memory_of_a_gpu_is_its_own() -> None:
    expected = "Trains on the graphics card (GPU): about 2.0 GB of memory of the device."
    assert notices.memory_line("cuda", 2e9, 1e9).text == expected


def test_the_device_is_told_as_soon_as_it_is_known(ready) -> None:
    line = ready.train.memory
    ready.preparation.device_found.emit(DefaultDevice("cuda", "NVIDIA H100 80GB HBM3"))
    assert line.text().startswith("Trains on the graphics card NVIDIA H100 80GB HBM3: about ")
    assert line.text().endswith(" of memory of the device.")
    ready.train.settings.quick.editor("device").set_value("cpu")
    ready.train.settings.changed.emit()
    assert line.text().startswith("Trains on the processor (CPU): about ")
    ready.train.settings.quick.editor("device").set_value("auto")
    ready.preparation.device_found.emit(DefaultDevice("cpu"))
    assert line.text().startswith("Trains on the processor (CPU): about ")


def test_the_score_has_a_curve_at_the_steps_where_it_was_taken(training, processes, until) -> None:
    for step in range(1, 6):
        processes.last.step(step)
        if step % 2 == 0:
            processes.last.say(score(step, step / 10))
    plot = training.train.plot
    until(lambda: len(plot.totals) == 5)
    assert plot.scores == {2: 0.2, 4: 0.4}
    until(lambda: "score on left-out objects" in plot._legend.text())
    plot.go_on_from(4)
    assert plot.scores == {2: 0.2}
    plot.clear()
    assert plot.scores == {}
    assert "score" not in plot._legend.text()


def test_the_log_keeps_what_was_said(ready, processes, until, qtbot, opened) -> None:
    settings = ready.train.settings
    loss = settings.config().loss.model_copy(update={"consistency_weight": 2.5})
    settings.show_config(settings.config().model_copy(update={"max_steps": 70, "loss": loss}))
    log = ready.train.log
    assert log.text == ""
    assert not log.folder_button.isEnabled()
    ready.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    for step in (1, 20, 40):  # the fake process needs a second for each
        processes.last.step(step)
    processes.last.say(score(40, 0.75))
    processes.last.say(TrainingNotice("Something was made smaller."))
    processes.last.finish()
    until(lambda: ready.session.state is SessionState.IDLE)
    folder = processes.last.request.folder
    lines = [line.split("  ", 1)[1] for line in log.text.splitlines()]
    assert lines[0] == f"New run in {folder}"
    assert lines[1] == "Settings: Steps 70, Loss > Consistency 2.5."
    assert [line for line in lines if line.startswith("Step ")] == [
        "Step 1: loss 1.000 (pull 1.000); 2 min left",
        "Step 40: loss 1.000 (pull 1.000); 60 s left",
        "Step 40: Score on 3 left-out objects: 0.75 (the best)",
    ]
    assert "Something was made smaller." in lines
    assert lines[-1] == f"The model is {folder}/last.safetensors"
    ready.session.refuse(ValueError("Of no interest."))
    assert "Of no interest" not in log.text
    ready.tabs.reveal(log)
    log.group.expand(animate=False)
    qtbot.mouseClick(log.copy_button, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == log.text
    qtbot.mouseClick(log.folder_button, Qt.MouseButton.LeftButton)
    assert opened == [folder]


def test_the_next_run_goes_below(trained, processes, until) -> None:
    first = trained.train.log.text
    trained.train.train_button.click()
    until(lambda: len(processes.made) == 2 and processes.last.is_started)
    processes.last.say(TrainingFailed("It broke.", "Traceback\n  here"))
    until(lambda: trained.session.state is SessionState.FAILED)
    assert trained.train.log.text.startswith(first)
    assert trained.train.log.text.endswith("It broke.\n    Traceback\n      here")
    assert trained.footer.text == "It broke."
    assert trained.footer.details == "Traceback\n  here"
    assert not trained.footer._folded.isHidden()


def on_disk(folder: str) -> str:
    """Return the log in the folder of a run without its dates, as the drawer has it."""
    path = Path(folder) / "log.txt"
    return re.sub(r"^\d{4}-\d\d-\d\d ", "", path.read_text(), flags=re.MULTILINE) if path.exists() else ""


def test_the_log_is_on_disk_as_it_happens(training, processes, until) -> None:
    folder, log = processes.last.request.folder, training.train.log
    assert not Path(folder).exists()  # The training makes it.
    processes.last.save()
    processes.last.say(TrainingNotice("Something was made smaller."))
    until(lambda: "Something was made smaller." in on_disk(folder))
    assert on_disk(folder) == log.text + "\n"
    assert log._folder.text() == f"Kept in {Path(folder) / 'log.txt'}"
    processes.last.finish()
    until(lambda: "The model is" in on_disk(folder))
    until(lambda: on_disk(folder) == log.text + "\n")


@pytest.mark.parametrize("has_folder", [True, False], ids=["after a while", "before there is a folder"])
def test_why_a_training_broke_is_on_disk(training, processes, until, has_folder) -> None:
    folder = processes.last.request.folder
    if has_folder:
        processes.last.save()
    processes.last.say(TrainingFailed("It broke.", "Traceback\n  here"))
    until(lambda: on_disk(folder).endswith("It broke.\n    Traceback\n      here\n"))
    assert on_disk(folder).splitlines()[0].endswith(f"New run in {folder}")


def test_of_a_training_that_kept_nothing_no_log_is_left(training, processes, until) -> None:
    folder = Path(processes.last.request.folder)
    folder.mkdir(parents=True)
    processes.last.say(TrainingNotice("Something was made smaller."))
    until((folder / "log.txt").exists)
    training.train.stop_button.click()
    training.train.stop_button.click()
    until(lambda: training.session.state is SessionState.IDLE)
    until(lambda: not folder.exists())


def save_tiny_model(folder: str) -> None:
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

    card = ModelCard(network=NetworkConfig(feature_maps=(2, 4)))
    save_model(EmbeddingModel.create(card), f"{folder}/last.safetensors")


def test_an_earlier_run_shows_its_log_and_goes_on_with_it(trained, processes, until, tmp_path) -> None:
    folder = processes.last.request.folder
    save_tiny_model(folder)
    until(lambda: "The model is" in on_disk(folder))
    before, log = (Path(folder) / "log.txt").read_text(), trained.train.log
    trained.session.load_model(folder, to_resume=True)
    until(lambda: log.text == before.rstrip())
    assert log._folder.text() == f"Kept in {Path(folder) / 'log.txt'}"
    trained.train.train_button.click()
    until(lambda: len(processes.made) == 2 and f"Resumed run in {folder}" in on_disk(folder))
    assert (Path(folder) / "log.txt").read_text().startswith(before)


def test_an_earlier_run_may_have_no_log(trained, processes, until) -> None:
    folder = processes.last.request.folder
    save_tiny_model(folder)
    until(lambda: "The model is" in on_disk(folder))
    (Path(folder) / "log.txt").unlink()
    trained.session.load_model(folder, to_resume=True)
    until(lambda: trained.train.log.text == "This run has no log.")


def test_a_log_that_cannot_be_written_ends_no_training(training, processes, until, caplog) -> None:
    folder = Path(processes.last.request.folder)
    (folder / "log.txt").mkdir(parents=True)
    processes.last.say(TrainingNotice("Something was made smaller."))
    until(lambda: "cannot be written" in caplog.text)
    assert training.session.state is SessionState.TRAINING


def test_defaults_are_said_in_a_word() -> None:
    assert notices.settings_line(TrainingConfig()) == "Settings: the defaults."


def test_a_written_file_can_be_looked_up(trained, tmp_path, until, qtbot, opened) -> None:
    assert trained.footer.folder_button.isHidden()
    trained.session.save_model(str(tmp_path / "copy.safetensors"), trained.session.model_path)
    until(lambda: not trained.session.is_saving)
    assert trained.footer.text == f"Saved in {tmp_path / 'copy.safetensors'}."
    qtbot.mouseClick(trained.footer.folder_button, Qt.MouseButton.LeftButton)
    assert [Path(folder) for folder in opened] == [tmp_path]
    trained.session.refuse(ValueError("No."))
    assert trained.footer.folder_button.isHidden()


@pytest.mark.parametrize(
    ("start", "ndim", "expected"),
    [
        pytest.param(Start.NEW, 2, "nuclei-small (2D fluorescent nuclei", id="a new model, a plane"),
        pytest.param(Start.NEW, 3, "ovules-small (3D stacks of plant tissue", id="a new model, a stack"),
        pytest.param(Start.NEW, None, "", id="no image that a shipped model may know"),
        pytest.param(Start.FINE_TUNE, 2, "The model in use: mine.", id="the model in use"),
        pytest.param(Start.RESUME, 2, "", id="the last run"),
    ],
)
def test_what_a_training_starts_from_is_said(start, ndim, expected) -> None:
    advice = advise_start(start, "mine", ndim)
    assert expected in advice
    assert bool(expected) == bool(advice)


def test_the_advice_follows_image_and_model(ready, viewer, until, choose_start) -> None:
    look = viewer.layers["cells"].metadata
    until(lambda: "napari-spoco median" in look)
    look["napari-spoco median"] = 0.1  # As in fluorescence.
    ready._show_state()
    assert "nuclei-small" in ready.train.about_start.text()
    choose_start("nuclei-small")
    until(lambda: ready.session.model_path is not None and not ready.session.state.is_busy)
    assert ready.train.about_start.text().startswith("The model in use: nuclei-small: 2D, 1 channel")


def test_every_term_of_the_loss_has_a_curve() -> None:
    from dataclasses import fields

    from napari_spoco.training.reports import LossTerms

    assert set(loss_plot._TERM_COLOURS) == {field.name for field in fields(LossTerms)}
    colours = [*loss_plot._TERM_COLOURS.values(), loss_plot._SCORE_COLOUR]
    assert len(set(colours)) == len(colours)


def test_of_a_long_training_few_points_are_drawn(spoco) -> None:
    plot = spoco.train.plot
    for step in range(1, 5002):
        terms = LossTerms(
            pull=1.0, push=99.0 * (step == 1234), regularizer=0.0, instance=0.0, unlabeled_push=0.0, consistency=0.0
        )
        plot.add(StepReport(step, 10_000, terms, 1e-3, 1.0, 1.0))
    plot._redraw()
    for curve in plot._curves.values():
        assert len(curve.xData) == len(curve.yData) <= 2000
        assert curve.xData[-1] == 5001
    assert len(plot._dots.xData) <= 2000
    assert plot._dots.yData[plot._dots.xData == 1234] == 100
    assert (plot._curves["pull"].yData == 1).all()
    plot.go_on_from(3)
    assert plot._dots.xData.tolist() == plot._curves["total"].xData.tolist() == [1, 2]
    plot.clear()
    assert plot._dots.xData is None


@pytest.mark.parametrize(("n_values", "width"), [(1, 1), (100, 21), (2000, 30), (2001, 30), (90_001, 46)])
def test_a_curve_is_the_mean_of_the_last_steps(n_values, width) -> None:
    values = np.random.default_rng(0).random(n_values)
    ends = loss_plot._ends(n_values)
    means = loss_plot.smooth(values, ends)
    assert ends[-1] == n_values
    assert len(ends) <= 2000
    assert set(np.diff(ends)) <= {-(-n_values // 2000)}
    np.testing.assert_allclose(means, [values[max(0, end - width) : end].mean() for end in ends])


@pytest.mark.parametrize("n_values", [0, 1, 2000, 2001, 90_001])
def test_dots_keep_the_extremes(n_values) -> None:
    values = np.random.default_rng(0).random(n_values)
    kept = loss_plot.find_extremes(values)
    assert len(kept) == n_values if n_values <= 2000 else len(kept) <= 2000
    assert (np.diff(kept) > 0).all()
    size = -(-n_values // 1000) if n_values > 2000 else 1
    for first in range(0, n_values, size):
        within = values[kept[(kept >= first) & (kept < first + size)]]
        assert (within.min(), within.max()) == (values[first : first + size].min(), values[first : first + size].max())


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0.001, 150), (0.4, 4000)])
def test_a_redraw_that_takes_long_comes_less_often(spoco, monkeypatch, seconds, milliseconds) -> None:
    times = iter((0.0, seconds))
    monkeypatch.setattr(loss_plot, "perf_counter", lambda: next(times))
    spoco.train.plot._redraw()
    assert spoco.train.plot._timer.interval() == milliseconds
