"""What a training starts from: stopped, killed and earlier runs are resumed in their folder, with their settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from tests.qt.conftest import make_image, paint

from napari_spoco._qt import controller, notices, paths
from napari_spoco._qt.session import SessionState
from napari_spoco.config import TRAINING_PRESETS, TrainingConfig
from napari_spoco.models.registry import shipped_models
from napari_spoco.training.reports import (
    LossTerms,
    ScoreReport,
    StepReport,
    TrainingFailed,
    TrainingFinished,
    TrainingStarted,
)


@pytest.fixture
def rest(spoco, until):
    return lambda: until(lambda: not spoco.session.state.is_busy)


@pytest.fixture
def stopped(training, processes, rest):
    """Return the widget after a Stop at step 3."""
    for step in (1, 2, 3):
        processes.last.step(step)
    training.train.stop_button.click()
    processes.last.finish(stopped=True)
    rest()
    return training


def offers(widget) -> list[str]:
    return [widget.train.start.itemText(index) for index in range(widget.train.start.count())]


def resume(widget, processes, until):
    n_made = len(processes.made)
    widget.train.train_button.click()
    until(lambda: len(processes.made) > n_made and processes.last.is_started)
    return processes.last.request


def test_at_first_there_is_nothing_but_a_new_model(ready) -> None:
    assert offers(ready) == ["a new model", *shipped_models(), "another run …"]
    assert ready.train.train_button.text() == "Train"


def test_a_stopped_run_is_resumed_in_its_folder(stopped, processes, until) -> None:
    first = processes.last.request
    assert stopped.train.train_button.text() == "Resume"
    name = f"in use: {stopped.session.model_name}"
    assert stopped.session.model_name.startswith("cells ")
    assert offers(stopped) == ["a new model", name, "the last run", *shipped_models(), "another run …"]
    request = resume(stopped, processes, until)
    assert request.resume
    assert (request.folder, request.config, request.start_from) == (first.folder, first.config, None)
    assert not first.resume


def test_a_run_of_another_image_is_refused_in_words(stopped, viewer, processes) -> None:
    n_made = len(processes.made)
    viewer.add_image(make_image()[:40], name="other")
    stopped.annotate.image.choose(viewer.layers["other"])
    stopped.annotate.new_button.click()
    paint(viewer.layers["other annotations"], 2)
    stopped.train.train_button.click()
    assert stopped.footer.text.startswith("This training is of “cells” (64 \u00d7 64 pixels), and the image on show is")
    assert "choose “cells” under Annotate" in stopped.footer.text
    assert len(processes.made) == n_made
    assert not stopped.session.state.is_busy


def test_a_run_of_an_image_with_another_voxel_size_is_refused_in_words(ready, viewer, processes, until, rest) -> None:
    image = viewer.layers["cells"]
    image.units = ("micrometer", "micrometer")
    image.scale = (0.2, 0.2)
    ready.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    processes.last.step(1)
    ready.train.stop_button.click()
    processes.last.save()  # The folder is there when the job hears of the next message.
    processes.last.step(2)
    processes.last.finish(stopped=True)
    rest()
    image.scale = (0.2, 0.35)
    ready.train.train_button.click()
    assert ready.footer.text == (
        "This training is of “cells” at a voxel size of 0.2 \u00d7 0.2 µm, and that of “cells” is 0.2 \u00d7 0.35 µm "
        "now: set it as it was under Annotate, or start from something else."
    )
    assert len(processes.made) == 1
    image.scale = (0.2, 0.2)
    assert resume(ready, processes, until).resume


def test_the_curve_goes_on_where_the_run_does(stopped, processes, until) -> None:
    assert len(stopped.train.plot.totals) == 3
    resume(stopped, processes, until)
    processes.last.step(3, loss=9.0)
    until(lambda: stopped.train.plot.totals == [1.0, 1.0, 9.0])
    assert "from step 3 on" in stopped.footer.text


def test_another_start_may_be_chosen(stopped, processes, until, choose_start) -> None:
    model, folder = stopped.session.model_path, processes.last.request.folder
    choose_start(f"in use: {stopped.session.model_name}")
    assert stopped.train.train_button.text() == "Fine-tune"
    request = resume(stopped, processes, until)
    assert (request.resume, request.start_from) == (False, model)
    assert request.folder != folder


def test_choosing_the_last_run_brings_its_settings_back(stopped, processes, until, choose_start) -> None:
    first = processes.last.request.config
    choose_start("a new model")
    stopped.train.settings.show_config(TRAINING_PRESETS["paper"])
    choose_start("the last run")
    assert resume(stopped, processes, until).config == first


def test_a_run_that_came_to_its_end_may_go_on_for_the_minutes_of_the_field(
    stopped, processes, until, rest, choose_start
) -> None:
    folder = resume(stopped, processes, until).folder
    processes.last.finish()
    rest()
    assert stopped.train.train_button.text() == "Fine-tune"
    choose_start("the last run")
    assert stopped.train.train_button.text() == "Resume"
    stopped.train.settings.quick.editor("max_minutes").set_value(7.0)
    request = resume(stopped, processes, until)
    assert (request.resume, request.folder, request.config.max_minutes) == (True, folder, 7.0)


def test_a_new_model_of_too_few_steps_is_said_and_its_run_resumed(training, processes, until, rest) -> None:
    for step in range(1, 6):
        processes.last.step(step)  # a second each
    processes.last.finish(n_steps=96)
    rest()
    assert training.footer.text == (
        "Done after 96 steps. That is too few for a new model, which may take the pieces of an object for objects: "
        "press Resume (tab Train) for 3 more minutes."
    )
    assert training.train.train_button.text() == "Resume"
    assert resume(training, processes, until).folder == processes.made[0].request.folder
    processes.last.finish(n_steps=250)
    rest()
    assert training.footer.text == "Done after 250 steps."
    assert training.train.train_button.text() == "Fine-tune"


def test_nothing_is_promised_of_a_run_that_is_gone(training, processes, rest, monkeypatch) -> None:
    monkeypatch.setattr(controller, "can_be_resumed", lambda _folder: False)
    processes.last.finish(n_steps=96)
    rest()
    assert training.footer.text.endswith("for objects: train one for longer.")
    assert training.train.train_button.text() == "Fine-tune"
    assert "the last run" not in offers(training)


def test_a_run_of_another_day_that_began_with_a_model_is_no_new_one(training, processes, until, rest) -> None:
    processes.last.say(TrainingStarted("cpu", "float32", (32, 32), 2, 6, 1000, 1e-3, is_fine_tuning=True))
    processes.last.finish(n_steps=96)
    rest()
    assert training.footer.text == "Done after 96 steps."
    assert training.train.train_button.text() == "Fine-tune"


@pytest.mark.parametrize(
    ("is_fine_tuning", "remaining", "expected"),
    [
        pytest.param(False, 80.0, "About 84 steps by the end of the 4 min: too few for a new model. 250 ", id="new"),
        pytest.param(False, 300.0, "Training on 6 objects", id="new, long enough"),
        pytest.param(True, 80.0, "About 84 steps by the end of the 4 min: too few to tell whether", id="fine-tuned"),
        pytest.param(True, 120.0, "Training on 6 objects", id="fine-tuned, long enough"),
    ],
)
def test_minutes_that_are_too_few_are_said_at_once(
    training, processes, until, is_fine_tuning, remaining, expected
) -> None:
    start = TrainingStarted("cpu", "float32", (32, 32), 2, 6, 1000, 1e-3, is_fine_tuning=is_fine_tuning)
    processes.last.say(start)
    terms = LossTerms(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for step in range(1, 5):
        processes.last.say(StepReport(step, 1500, terms, 1e-3, float(step), remaining))
    until(lambda: len(training.train.plot.totals) == 4)
    assert training.footer.text.startswith(expected)


def kill(widget) -> None:
    widget.train.stop_button.click()
    widget.train.stop_button.click()


def test_a_killed_run_is_resumed_from_its_last_autosave(training, processes, until, rest) -> None:
    processes.last.save()
    folder = processes.last.request.folder
    kill(training)
    rest()
    assert training.footer.text == "The training was ended at once. It can be resumed from its last autosave."
    assert training.train.train_button.text() == "Resume"
    assert training.session.model_path is None
    assert resume(training, processes, until).folder == folder


def test_nothing_is_left_of_a_run_killed_before_its_first_autosave(training, processes, rest) -> None:
    folder = Path(processes.last.request.folder)
    folder.mkdir(parents=True)
    (folder / "log.csv").touch()
    kill(training)
    rest()
    assert "nothing of it is kept" in training.footer.text
    assert training.train.train_button.text() == "Train"
    assert not folder.exists()


def test_a_run_that_is_killed_again_is_still_there(stopped, processes, until, rest) -> None:
    folder = resume(stopped, processes, until).folder
    kill(stopped)
    rest()
    assert stopped.train.train_button.text() == "Resume"
    assert Path(folder, "state.pt").exists()


def test_a_crash_can_be_resumed_too(training, processes, rest) -> None:
    processes.last.save()
    processes.last.say(TrainingFailed("The training process ended unexpectedly.", "exit code -9"))
    rest()
    assert training.session.state is SessionState.FAILED
    assert training.train.train_button.text() == "Resume"


def test_a_refused_wish_is_not_forgotten(trained, rest, choose_start, viewer) -> None:
    choose_start("a new model")
    viewer.layers["cells annotations"].data[...] = 0
    trained.train.train_button.click()
    rest()
    assert "at least one annotated object" in trained.footer.text
    assert trained.train.train_button.text() == "Train"


# Runs of earlier days


@pytest.fixture
def earlier(tmp_path):
    """Return the folder of an earlier run, with a model, and its settings."""
    from napari_spoco.config import NetworkConfig
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

    folder = tmp_path / "an earlier run"
    folder.mkdir()
    config = TRAINING_PRESETS["thorough"]
    card = ModelCard(network=NetworkConfig(embedding_dim=4, feature_maps=(4, 8)))
    save_model(EmbeddingModel.create(card), folder / "last.safetensors")
    (folder / "state.pt").write_bytes(b"state")
    (folder / "config.json").write_text(config.model_dump_json())
    return folder


def open_run(widget, folder, monkeypatch, choose_start) -> None:
    monkeypatch.setattr(paths, "ask_run_to_resume", lambda *_: str(folder))
    choose_start("another run …")


def test_another_run_is_resumed_with_its_settings(
    ready, earlier, processes, until, rest, monkeypatch, choose_start
) -> None:
    open_run(ready, earlier, monkeypatch, choose_start)
    rest()
    assert ready.footer.text == "The training can be resumed."
    assert ready.train.settings.preset.value() == "thorough"
    assert Path(ready.session.model_path) == earlier / "last.safetensors"
    request = resume(ready, processes, until)
    assert (request.resume, request.folder) == (True, str(earlier))
    assert request.config == TRAINING_PRESETS["thorough"]


@pytest.mark.parametrize("name", ["last.safetensors", "state.pt"])
def test_a_model_of_a_run_is_loaded_to_be_used_and_may_be_resumed(
    ready, earlier, rest, monkeypatch, choose_start, name
) -> None:
    monkeypatch.setattr(paths, "ask_model_to_load", lambda *_: str(earlier / name))
    ready.segment.load_button.click()
    rest()
    assert ready.footer.text == "The model is loaded."
    assert ready.train.train_button.text() == "Fine-tune"
    assert ready.train.settings.config() == TrainingConfig()
    choose_start("the last run")
    assert ready.train.settings.preset.value() == "thorough"


def test_a_folder_without_a_run_is_refused(ready, earlier, rest, monkeypatch, choose_start) -> None:
    (earlier / "state.pt").unlink()
    open_run(ready, earlier, monkeypatch, choose_start)
    rest()
    assert "no training that can be resumed" in ready.footer.text
    assert ready.session.model_path is None
    assert ready.train.train_button.text() == "Train"


def test_a_run_whose_settings_cannot_be_read_is_refused(ready, earlier, rest, monkeypatch, choose_start) -> None:
    (earlier / "config.json").write_text("{")
    open_run(ready, earlier, monkeypatch, choose_start)
    rest()
    assert "settings of the training" in ready.footer.text
    assert ready.session.state is SessionState.IDLE


def test_a_dialog_that_is_cancelled_leaves_the_choice(stopped, monkeypatch, choose_start) -> None:
    open_run(stopped, "", monkeypatch, choose_start)
    assert stopped.train.start.currentText() == "the last run"
    assert stopped.session.state is SessionState.IDLE


def test_a_copy_of_a_runs_model_is_called_as_the_run(stopped, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(paths, "ask_model_to_save", lambda _parent, name: asked.append(name) or "")
    stopped.segment.save_button.click()
    assert asked == [Path(stopped.session.model_path).parent.name]


# Which model is in use


@pytest.mark.parametrize(
    ("best_step", "sentence", "summary"),
    [
        pytest.param(None, "the new model is in use", "10 steps of training", id="last"),
        pytest.param(8, "the new model is in use", "10 steps of training, the best model from step 8", id="best"),
        pytest.param(10, "the new model is in use", "10 steps of training", id="the last is the best"),
    ],
)
def test_the_user_is_told_which_model_is_in_use(trained, processes, until, rest, best_step, sentence, summary) -> None:
    before = trained.session.model_name
    resume(trained, processes, until)
    processes.last.say(ScoreReport(8, 0.5, 1.0, 0.7, 2, 0.75, is_best=False))
    processes.last.finish(best_step=best_step, n_steps=10)
    rest()
    assert sentence in trained.footer.text
    assert trained.footer.text.endswith(f"To go back, load {before} again.")
    assert trained.segment.about_model.text() == f"Model: {trained.session.model_name}: {summary}"
    assert trained.session.model_path == f"{processes.last.request.folder}/last.safetensors"


@pytest.mark.parametrize("ends", ["at once", "stopped and resumed"])
def test_a_model_that_stays_in_use_stays_as_it_was(trained, processes, until, rest, ends) -> None:
    path, summary = trained.session.model_path, trained.session.model_summary
    resume(trained, processes, until)
    if ends == "stopped and resumed":
        processes.last.step(1)
        trained.train.stop_button.click()
        processes.last.finish(stopped=True, best_step=0)
        rest()
        assert trained.train.train_button.text() == "Resume"
        resume(trained, processes, until)
    processes.last.finish(best_step=0)
    rest()
    assert (trained.session.model_path, trained.session.model_summary) == (path, summary)
    assert f"{trained.session.model_name} stays in use" in trained.footer.text
    assert trained.footer.folder_button.isVisible() or not trained.footer.folder_button.isHidden()


@pytest.mark.parametrize(
    ("n_steps", "best_step", "score", "start", "expected"),
    [
        pytest.param(400, None, None, None, "Done after 400 steps.", id="a new model, no score"),
        pytest.param(
            400, 300, 4, None, "Done after 400 steps. Best model from step 300 (highest score 0.75).", id="new"
        ),
        pytest.param(
            400,
            300,
            4,
            "mine",
            "Done after 400 steps. Best model from step 300 (highest score 0.75). To go back, load mine again.",
            id="better",
        ),
        pytest.param(
            400,
            0,
            4,
            "mine",
            "Done after 400 steps. Still better, mine stays in use. The new model is last.safetensors in the folder of "
            "the training (Load model…).",
            id="worse",
        ),
        pytest.param(
            400,
            0,
            1,
            "mine",
            "Done after 400 steps. One left-out object tells too little of whether the model got better; mine stays in "
            "use. Paint 15 objects or more. The new model is last.safetensors in the folder of the training "
            "(Load model…).",
            id="worse by one object",
        ),
        pytest.param(
            15,
            8,
            4,
            "mine",
            "Done after 15 steps. That is too few to tell whether the model got better; the new model is in use. Give "
            "it 5 minutes or more. To go back, load mine again.",
            id="too few steps",
        ),
        pytest.param(0, 0, 4, "mine", "Stopped before the first step. mine stays in use.", id="no step"),
    ],
)
def test_what_is_said_at_the_end(n_steps, best_step, score, start, expected) -> None:
    message = TrainingFinished("run/best.safetensors", n_steps, n_steps == 0, best_step)
    report = None if score is None else ScoreReport(n_steps, 0.5, 1.0, 0.7, score, 0.75, is_best=False)
    assert notices.finished(message, report, start).text == expected


@pytest.mark.parametrize(
    ("best_step", "change", "expected"),
    [
        (300, (0.42, 0.47), "Best model from step 300 (score 0.42 before, 0.47 after). To go back, load mine again."),
        (0, (0.42, 0.38), "Still better, mine stays in use (score 0.42 before, 0.38 after). The new model is"),
    ],
)
def test_the_scores_before_and_after_are_told_at_the_end(best_step, change, expected) -> None:
    message = TrainingFinished("run/best.safetensors", 400, False, best_step, change)
    report = ScoreReport(400, 0.5, 1.0, 0.7, 4, 0.75, is_best=False)
    assert notices.finished(message, report, "mine").text.startswith(f"Done after 400 steps. {expected}")


def test_the_model_that_is_being_loaded_is_shown_at_once(ready, viewer, rest, choose_start, qtbot) -> None:
    choose_start("nuclei-small")
    assert ready.session.state is SessionState.LOADING
    assert ready.train.start.currentText() == "nuclei-small"
    assert not ready.train.start.isEnabled()
    minutes = ready.train.settings.quick.editor("max_minutes")
    assert minutes.isEnabled()
    rest()
    assert ready.train.start.currentText() == "in use: nuclei-small"


def test_what_is_typed_into_a_greyed_field_stays_there(training, viewer, qtbot) -> None:
    training.tabs.reveal(training.train.settings)
    window = training.window()
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    qtbot.waitUntil(lambda: window.isActiveWindow(), timeout=60_000)
    layer = viewer.layers["cells annotations"]
    viewer.layers.selection.active, layer.mode = layer, "paint"
    minutes = training.train.settings.quick.editor("max_minutes")
    assert not minutes.isEnabled()
    qtbot.mouseClick(minutes, Qt.MouseButton.LeftButton)
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_1)
    assert layer.mode == "paint"


def test_stopping_before_the_first_step_is_said_so(training, processes, until) -> None:
    training.train.stop_button.click()
    assert training.footer.text == "Stopping, once it has started …"


def test_a_run_is_called_after_the_image_on_show(ready, viewer, processes, until) -> None:
    viewer.add_image(make_image(), name="others")
    ready.annotate.image.choose(viewer.layers["others"])
    ready.annotate.new_button.click()
    paint(viewer.layers["others annotations"], 2)
    ready.annotate.count()
    ready.train.train_on.choose_all(True)
    ready.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    assert Path(processes.last.request.folder).name.startswith("others-and-1-more ")


def test_a_score_is_shown_and_explained(training, processes, until) -> None:
    assert training.train.score.isHidden()
    processes.last.say(ScoreReport(100, 0.5, 0.75, 0.625, 2, 0.625, is_best=True))
    until(lambda: not training.train.score.isHidden())
    assert training.train.score.text() == "Score on 2 left-out objects: 0.62 (the best)"
    tooltip = training.train.score.toolTip()
    assert all(part in tooltip for part in ("not shown", "IoU", "Step 100", "0.50", "0.75"))


def test_the_score_line_ends_with_before_and_after(training, processes, until, rest) -> None:
    processes.last.say(ScoreReport(100, 0.5, 0.75, 0.625, 2, 0.625, is_best=True))
    processes.last.save()
    path = Path(processes.last.request.folder) / "last.safetensors"
    path.write_bytes(b"model")
    processes.last.say(TrainingFinished(str(path), 400, False, 100, (0.42, 0.625)))
    rest()
    assert training.train.score.text() == "Score on left-out objects: 0.42 before, 0.62 after"
    assert "(score 0.42 before, 0.62 after)" in training.footer.text


def test_a_shipped_model_is_fine_tuned(ready, processes, until, rest, choose_start) -> None:
    choose_start("nuclei-small")
    rest()
    assert ready.footer.text == "The model is loaded."
    assert ready.train.start.currentText() == "in use: nuclei-small"
    assert offers(ready) == ["a new model", "in use: nuclei-small", "ovules-small", "another run …"]
    assert Path(ready.session.model_path).stem == "nuclei-small"
    ready.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    assert Path(processes.last.request.start_from).stem == "nuclei-small"


def test_a_shipped_model_is_taken_to_segment(ready, rest) -> None:
    index = ready.segment.shipped.findText("nuclei-small")
    ready.segment.shipped.setCurrentIndex(index)
    ready.segment.shipped.activated.emit(index)
    rest()
    assert "2D, 1 channel" in ready.segment.about_model.text()
    assert ready.segment.shipped.currentIndex() == 0
