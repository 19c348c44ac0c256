"""The dock with a process that says what the test tells it to: from painting to the model, and what may go wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_spoco._qt import paths
from napari_spoco._qt.model import model_job
from napari_spoco._qt.session import SessionState
from napari_spoco.training.reports import TrainingFailed


def names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_the_image_opened_last_is_chosen(spoco, viewer) -> None:
    assert "Open an image" in spoco.footer.hint.text()
    assert not spoco.annotate.new_button.isEnabled()
    viewer.add_image(np.zeros((20, 30)), name="first")
    viewer.add_image(np.zeros((5, 20, 30)), name="second")
    assert spoco.annotate.image.layer().name == "second"
    assert spoco.annotate.new_button.isEnabled()
    viewer.layers["second"].name = "renamed"
    assert spoco.annotate.image.currentText() == "renamed"
    viewer.layers.remove("renamed")
    assert spoco.annotate.image.layer().name == "first"
    viewer.layers.clear()
    assert spoco.annotate.image.layer() is None


def test_existing_labels_are_not_taken_for_annotations(spoco, viewer) -> None:
    viewer.add_image(np.zeros((20, 30)))
    viewer.add_labels(np.ones((20, 30), int), name="truth")
    assert spoco.annotate.annotations.layer() is None
    spoco.annotate.annotations.choose(viewer.layers["truth"])
    assert spoco.annotate.summary.n_objects == 1


@pytest.mark.parametrize("shape", [(64, 64), (600, 600)], ids=["at once", "in a thread"])
def test_painted_objects_are_counted_while_one_paints(spoco, viewer, until, shape) -> None:
    viewer.add_image(np.zeros(shape), name="cells")
    spoco.annotate.new_button.click()
    layer = viewer.layers["cells annotations"]
    for label in (1, 2):
        layer.paint((20 * label, 20), label)
        until(lambda n=label: spoco.annotate.summary.n_objects == n)
    assert spoco.annotate.summary.median_size == np.count_nonzero(layer.data == 1)
    layer.undo()
    until(lambda: spoco.annotate.summary.n_objects == 1)
    assert "a few more" in spoco.footer.hint.text()


def test_negative_labels_are_explained(spoco, viewer) -> None:
    viewer.add_image(np.zeros((20, 30)))
    viewer.add_labels(np.full((20, 30), -7), name="odd")
    spoco.annotate.annotations.choose(viewer.layers["odd"])
    assert any("-7" in label.text() for label in spoco.annotate.findChildren(type(spoco.footer.hint)))
    assert spoco.annotate.summary.n_objects == 0


def test_a_training_from_press_to_model(ready, viewer, processes, until) -> None:
    ready.train.settings.quick.editor("max_steps").set_value(12)
    ready.train.train_button.click()
    assert ready.session.state is SessionState.TRAINING
    assert not ready.train.train_button.isEnabled()
    assert ready.train.stop_button.isEnabled()
    until(lambda: processes.made and processes.last.is_started)
    process = processes.last
    assert process.request.config.max_steps == 12
    assert process.request.start_from is None
    assert process.request.images[0].shape == (1, 64, 64)
    for step in range(1, 6):
        process.step(step, loss=10.0 / step)
    process.show(5, start=(4, 8))
    until(lambda: "cells embeddings" in names(viewer))
    assert ready.train.plot.totals == [10.0 / step for step in range(1, 6)]
    assert "step 5" in ready.footer.bar.format()
    assert ready.footer.bar.value() == 50  # of 1000: 5 of 100 seconds
    assert tuple(viewer.layers["cells embeddings"].translate) == (4.0, 8.0)
    process.finish()
    until(lambda: ready.session.state is SessionState.IDLE)
    assert Path(ready.session.model_path).parent == Path(process.request.folder)
    assert ready.footer.text == "Done after 400 steps."
    assert ready.train.train_button.text() == "Fine-tune"
    assert ready.segment.segment_button.isEnabled()
    assert not ready.footer.bar.isVisibleTo(ready)


def test_the_process_gets_a_copy_of_the_annotations(training, viewer, processes) -> None:
    sent = processes.last.request.annotations[0]
    viewer.layers["cells annotations"].paint((60, 60), 9)
    assert 9 not in sent


def test_annotations_can_be_painted_while_training(training, viewer, until) -> None:
    viewer.layers["cells annotations"].paint((60, 60), 9)
    until(lambda: training.annotate.summary.n_objects == 4)


def test_pictures_follow_each_other_in_place(training, viewer, processes, until) -> None:
    for step in (1, 2, 3):
        processes.last.show(step)
        until(lambda n=step: "cells embeddings" in names(viewer) and viewer.layers["cells embeddings"].data.max() == n)
    assert names(viewer).count("cells embeddings") == 1


def test_stop_asks_and_a_second_stop_kills(training, processes, until) -> None:
    before = training.session.model_path
    training.train.stop_button.click()
    assert training.session.state is SessionState.STOPPING
    assert training.train.stop_button.text() == "Stop now"
    assert processes.last.is_stopping
    assert not processes.last.is_killed
    training.train.stop_button.click()
    assert processes.last.is_killed
    until(lambda: training.session.state is SessionState.IDLE)
    assert training.session.model_path is before
    assert "nothing of it is kept" in training.footer.text
    assert training.footer.details == ""


def test_a_stopped_training_leaves_a_model(training, processes, until) -> None:
    training.train.stop_button.click()
    processes.last.finish(stopped=True)
    until(lambda: training.session.state is SessionState.IDLE)
    assert Path(training.session.model_path).parent == Path(processes.last.request.folder)
    assert training.footer.text == "Stopped after 400 steps."


def test_stop_before_the_process_is_up_is_not_lost(ready, processes, until) -> None:
    ready.train.train_button.click()
    ready.train.stop_button.click()
    until(lambda: processes.made and processes.last.is_stopping)
    processes.last.finish(stopped=True)
    until(lambda: ready.session.state is SessionState.IDLE)


def test_two_stops_before_the_process_is_up_start_nothing_that_lasts(ready, processes, until) -> None:
    ready.train.train_button.click()
    ready.train.stop_button.click()
    ready.train.stop_button.click()
    until(lambda: ready.session.state is SessionState.IDLE)
    assert all(process.is_killed or not process.is_started for process in processes.made)


def test_a_failure_is_a_sentence_with_details(training, processes, until) -> None:
    processes.last.say(TrainingFailed("The device ran out of memory.", "Traceback: here"))
    until(lambda: training.session.state is SessionState.FAILED)
    assert training.footer.text == "The device ran out of memory."
    assert training.footer.details == "Traceback: here"
    assert training.train.train_button.isEnabled()
    training.train.train_button.click()
    assert training.session.state is SessionState.TRAINING
    assert training.footer.details == ""


def test_what_was_said_before_a_shutdown_is_dropped(training, viewer, processes, qtbot) -> None:
    processes.last.show(1)
    processes.last.finish()
    training.session.shutdown()
    qtbot.wait(100)
    assert training.session.model_path is None
    assert "cells embeddings" not in names(viewer)


def test_the_next_training_is_fine_tuning_unless_told_otherwise(trained, processes, until, choose_start) -> None:
    first, folder = trained.session.model_path, processes.last.request.folder
    trained.train.train_button.click()
    until(lambda: len(processes.made) == 2)
    assert processes.last.request.start_from == first
    assert not processes.last.request.resume
    assert processes.last.request.folder != folder
    processes.last.finish()
    until(lambda: trained.session.state is SessionState.IDLE)
    choose_start("a new model")
    assert trained.train.train_button.text() == "Train"
    trained.train.train_button.click()
    until(lambda: len(processes.made) == 3)
    assert processes.last.request.start_from is None


@pytest.mark.parametrize("name", ["cells", "cells annotations", "cells embeddings"])
def test_layers_deleted_while_training(training, viewer, processes, until, name) -> None:
    processes.last.show(1)
    until(lambda: "cells embeddings" in names(viewer))
    viewer.layers.remove(name)
    processes.last.show(2)
    processes.last.step(2)
    until(lambda: len(training.train.plot.totals) == 1)
    processes.last.finish()
    until(lambda: training.session.state is SessionState.IDLE)
    assert training.session.model_path is not None


def test_new_annotations_while_training_change_nothing_in_it(training, viewer, processes, until) -> None:
    training.annotate.new_button.click()
    processes.last.finish()
    until(lambda: training.session.state is SessionState.IDLE)
    assert training.annotate.annotations.layer().name == "cells annotations [1]"


# Bad input: a sentence, and nothing changes.


def with_image(pixels):
    return lambda viewer, widget: viewer.add_image(pixels, name="odd")


def with_labels(labels):
    def change(viewer, widget) -> None:
        viewer.add_labels(labels, name="odd")
        widget.annotate.annotations.choose(viewer.layers["odd"])

    return change


def pixels(value=None, shape=(64, 64)):
    image = np.random.default_rng(0).random(shape)
    if value is not None:
        image[3, 3] = value
    return image


def one_pixel():
    labels = np.zeros((64, 64), int)
    labels[5, 5] = 1
    return labels


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(with_labels(np.zeros((64, 64), int)), "at least one annotated object", id="nothing painted"),
        pytest.param(with_labels(np.ones((32, 64), int)), "expected the image's shape", id="another shape"),
        pytest.param(with_labels(np.ones((3, 64, 64), int)), "expected the image's shape", id="another dimension"),
        pytest.param(with_labels(one_pixel()), "at least 4 pixels", id="one pixel"),
        pytest.param(with_labels(np.full((64, 64), -7)), "-7", id="odd ids"),
        pytest.param(with_image(np.zeros((64, 64))), "with contrast", id="constant image"),
        pytest.param(with_image(pixels(np.nan)), "finite values", id="NaN"),
        pytest.param(with_image(pixels(np.inf)), "finite values", id="infinity"),
        pytest.param(with_image(np.zeros((2, 2, 3, 64, 64))), "2 or 3 axes", id="five axes"),
        pytest.param(with_image(np.zeros((64, 64), bool)), "integers or floats", id="boolean image"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(ready, viewer, processes, until, change, sentence) -> None:
    change(viewer, ready)
    if "odd" in [layer.name for layer in viewer.layers if layer._type_string == "image"]:
        odd, annotations = (
            next(item for item in viewer.layers if item.name == name) for name in ("odd", "cells annotations")
        )
        ready.annotate.image.choose(odd)
        ready.annotate.annotations.choose(annotations)  # it is of the other image
    before = names(viewer)
    ready.train.train_button.click()
    until(lambda: not ready.session.state.is_busy)
    assert sentence in ready.footer.text
    assert ready.session.state is SessionState.IDLE
    assert names(viewer) == before
    assert not any(process.is_started for process in processes.made)
    assert ready.session.model_path is None
    assert ready.train.train_button.isEnabled()


@pytest.mark.parametrize("error", ["ValueError", "OSError"])
def test_an_error_in_a_job_comes_with_its_traceback(ready, monkeypatch, until, error) -> None:
    def load(*_arguments):
        yield
        if error == "OSError":
            raise OSError("The disk is full.")
        return np.zeros(3) + np.zeros(4)

    monkeypatch.setattr(model_job, "load", load)
    ready.session.load_model("any")
    until(lambda: not ready.session.state.is_busy)
    sentence = "The disk is full." if error == "OSError" else "operands could not be broadcast together"
    assert ready.footer.text.startswith(sentence)
    assert "Traceback" in ready.footer.details
    assert "in load" in ready.footer.details
    assert f"{error}: {sentence}" in ready.footer.details
    assert ready.session.state is SessionState.IDLE


def test_what_nobody_expected_comes_with_its_traceback(ready) -> None:
    ready.batching.failed.emit(ValueError("inputs: expected files, got none"))
    assert (ready.footer.text, ready.footer.details) == ("inputs: expected files, got none", "")
    ready.batching.failed.emit(ZeroDivisionError("division by zero"))
    assert ready.footer.text == "ZeroDivisionError: division by zero"
    assert "ZeroDivisionError: division by zero" in ready.footer.details


def test_a_wrong_setting_is_refused_with_a_sentence(ready, processes) -> None:
    ready.train.settings.advanced.editor("patch_shape").setText("many")
    ready.train.train_button.click()
    assert ready.footer.text.startswith("Patch: expected whole numbers")
    ready.train.settings.advanced.editor("patch_shape").setText("")
    ready.train.settings.advanced.group("loss").editor("kernel_threshold").set_value(1.0)
    ready.train.train_button.click()
    assert ready.footer.text == "Loss > Kernel threshold: should be less than 1, got 1.0."
    assert ready.session.state is SessionState.IDLE
    assert not processes.made


def test_a_models_folder_that_cannot_be_made_is_found_before_the_training(ready, processes, tmp_path, until) -> None:
    (tmp_path / "models").write_text("a file, no folder")
    ready.train.train_button.click()
    until(lambda: not ready.session.state.is_busy)
    assert "Models cannot be saved" in ready.footer.text
    assert not processes.made


def test_a_truncated_model_is_refused_and_the_one_in_use_kept(trained, tmp_path, monkeypatch, until) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x40\x00\x00\x00\x00\x00\x00\x00{")
    before = trained.session.model_path
    monkeypatch.setattr(paths, "ask_model_to_load", lambda *_: str(broken))
    trained.segment.load_button.click()
    assert trained.session.state is SessionState.LOADING
    until(lambda: not trained.session.state.is_busy)
    assert "truncated or not a model" in trained.footer.text
    assert trained.session.state is SessionState.IDLE
    assert trained.session.model_path == before


def test_a_dialog_that_is_cancelled_changes_nothing(trained, monkeypatch) -> None:
    for name in ("ask_model_to_load", "ask_model_to_save", "ask_labels_to_save"):
        monkeypatch.setattr(paths, name, lambda *_: "")
    trained.segment.load_button.click()
    trained.segment.save_button.click()
    assert trained.session.state is SessionState.IDLE
    assert not trained.session.is_saving


def test_the_model_is_copied(trained, tmp_path, monkeypatch, until) -> None:
    target = tmp_path / "copy.safetensors"
    monkeypatch.setattr(paths, "ask_model_to_save", lambda *_: str(target))
    trained.segment.save_button.click()
    until(lambda: not trained.session.is_saving)
    assert target.read_bytes() == b"model"
    assert trained.footer.text == f"Saved in {target}."


@pytest.mark.parametrize("what", ["labels", "model"])
def test_a_folder_that_cannot_be_written_is_named(trained, viewer, tmp_path, monkeypatch, until, what) -> None:
    target = str(tmp_path / "nowhere" / "file.tif")
    monkeypatch.setattr(paths, f"ask_{what}_to_save", lambda *_: target)
    trained.export.labels.choose(viewer.layers["cells annotations"])
    (trained.export if what == "labels" else trained.segment).save_button.click()
    until(lambda: not trained.session.is_saving)
    assert "its folder does not exist" in trained.footer.text
    assert trained.session.state is SessionState.IDLE
    assert not (tmp_path / "nowhere").exists()


def test_labels_may_be_saved_while_training(training, viewer, tmp_path, monkeypatch, until) -> None:
    target = tmp_path / "labels.tif"
    monkeypatch.setattr(paths, "ask_labels_to_save", lambda *_: str(target))
    training.export.labels.choose(viewer.layers["cells annotations"])
    training.export.save_button.click()
    until(target.exists)
    until(lambda: not training.session.is_saving)
    assert training.session.state is SessionState.TRAINING


def test_the_curve_follows_the_theme(spoco, viewer) -> None:
    for theme in ("light", "dark"):
        viewer.theme = theme
        colour = spoco.train.plot._plot.backgroundBrush().color()
        assert (colour.lightness() > 128) == (theme == "light")
