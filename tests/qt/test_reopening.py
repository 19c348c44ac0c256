"""A reopened project shows what was there before: the order and the scores of a review, and the model in use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.qt.test_project_window import begin_review, leave, press, project_of

from napari_spoco._qt import paths
from napari_spoco._qt.project import projects
from napari_spoco._qt.session import SessionState
from napari_spoco._qt.widget import SpocoWidget
from napari_spoco.config import NetworkConfig
from napari_spoco.project.file import ProjectWork

BY_SHAPE = "shape and size alone"


@pytest.fixture(autouse=True)
def _fast(monkeypatch) -> None:
    monkeypatch.setattr(projects, "_MILLISECONDS", 20)


@pytest.fixture
def rest(until):
    """Return a function that waits until a widget does nothing."""
    return lambda widget: until(lambda: not widget.session.state.is_busy)


def save_a_model(path: Path, *, has_teacher: bool = True, seed: int = 0, **card) -> str:
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model
    from napari_spoco.models.network import make_teacher

    network = NetworkConfig(embedding_dim=4, feature_maps=(4, 8), norm="group", groups=1)
    model = EmbeddingModel.create(ModelCard(network=network, **card), seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    teacher = make_teacher(EmbeddingModel.create(model.card, seed=seed + 1).network) if has_teacher else None
    save_model(EmbeddingModel(model.network, model.card, teacher), path)
    return str(path)


def use(widget, path: str, monkeypatch, until) -> None:
    """Load a model, as a person does."""
    monkeypatch.setattr(paths, "ask_model_to_load", lambda *_: path)
    widget.segment.load_button.click()
    until(lambda: widget.session.model_path == path and not widget.session.state.is_busy)


def reopen(start, folder: Path, until) -> SpocoWidget:
    again = start()
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: again.projects.folder == folder and not again.session.state.is_busy)
    return again


# The review


@pytest.fixture
def reviewed(named, viewer, tmp_path, monkeypatch, until, rest) -> SpocoWidget:
    """Return the widget in a review of sixteen objects, ordered by the embeddings of both networks."""
    use(named, save_a_model(tmp_path / "mine.safetensors", delta_var=0.8), monkeypatch, until)
    named.segment.quick.editor("method").set_value("consistency")
    named.segment.changed.emit()
    named.segment.segment_button.click()
    until(lambda: named.session.embedded_image is not None)
    rest(named)
    found = np.kron(np.arange(1, 17, dtype=np.uint32).reshape(4, 4), np.ones((16, 16), np.uint32))
    found[:16, :24] = np.where(np.arange(24) < 20, 1, 2)
    found[::16] = 0
    named._results.show_objects(viewer.layers["cells"].__wrapped__, found)
    named.projects._watch.follow()
    begin_review(named, viewer, until)
    return named


def scores(widget) -> list[tuple]:
    return [(one.instance_id, one.score, one.reasons, one.measures.anchor) for one in widget.reviewing.queue.scores]


def test_the_order_of_a_review_is_the_same_after_reopening(reviewed, viewer, tmp_path, until, start) -> None:
    assert not reviewed.review.order.text()
    assert all(one.measures.agreement is not None for one in reviewed.reviewing.queue.scores)
    for name in ("grow", "next", "accept"):
        press(reviewed, name, until)
    before, current = scores(reviewed), reviewed.reviewing.chosen
    leave(reviewed, tmp_path / "my project", until)

    again = reopen(start, tmp_path / "my project", until)
    begin_review(again, viewer, until)
    assert scores(again) == before
    assert again.reviewing.chosen == current
    assert not again.review.order.text()
    # What is corrected from now on is measured as it would have been before.
    press(again, "grow", until)
    assert all(one.measures.agreement is not None for one in again.reviewing.queue.scores)
    press(again, "undo", until)
    press(again, "undo", until)
    press(again, "redo", until)
    assert scores(again) == before


def test_without_its_embeddings_a_review_goes_on_by_shape(reviewed, viewer, tmp_path, until, start) -> None:
    press(reviewed, "accept", until)
    (accepted,) = reviewed.reviewing.queue.accepted
    leave(reviewed, tmp_path / "my project", until)
    for file in (tmp_path / "embeddings").glob("*-teacher.npy"):
        file.unlink()
    again = reopen(start, tmp_path / "my project", until)
    begin_review(again, viewer, until)
    assert again.reviewing.queue.accepted == {accepted}
    assert {one.measures.fit for one in again.reviewing.queue.scores} == {None}
    assert BY_SHAPE in again.review.order.text()


def test_a_model_with_another_pixel_size_orders_a_review(
    named, viewer, tmp_path, monkeypatch, until, rest, start
) -> None:
    """The objects are looked at on its grid, again after a correction and after reopening."""
    for layer in viewer.layers:
        layer.units, layer.scale = ("um", "um"), (0.25, 0.5)
    model = save_a_model(tmp_path / "mine.safetensors", delta_var=0.8, voxel_size=(0.5, 0.5), units=("um", "um"))
    use(named, model, monkeypatch, until)
    named.segment.quick.editor("method").set_value("consistency")
    named.segment.changed.emit()
    named.segment.segment_button.click()
    until(lambda: named.session.embedded_image is not None)
    rest(named)
    assert named.session.embedded_image.embeddings.shape[1:] == (32, 64)
    found = np.kron(np.arange(1, 17, dtype=np.uint32).reshape(4, 4), np.ones((16, 16), np.uint32))
    found[0, 0] = 99  # too small to be seen there
    named._results.show_objects(viewer.layers["cells"].__wrapped__, found)
    named.projects._watch.follow()
    begin_review(named, viewer, until)
    assert not named.review.order.text()
    measures = named.reviewing.queue.measures
    assert [one for one in measures if measures[one].agreement is None] == [99]
    press(named, "grow", until)
    press(named, "accept", until)
    before = scores(named)
    leave(named, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    begin_review(again, viewer, until)
    assert scores(again) == before
    assert not again.review.order.text()


# The model in use


def begin(widget, processes, until) -> None:
    n_made = len(processes.made)
    widget.train.train_button.click()
    until(lambda: len(processes.made) > n_made and processes.last.is_started)
    processes.last.step(1)
    until(lambda: widget.session._has_stepped)


def keep(process, name: str = "last") -> str:
    """Keep a state and a model in the run's folder, as an autosave or the end of a training does."""
    process.save()
    return save_a_model(Path(process.request.folder) / f"{name}.safetensors", seed=5)


def stop(widget, processes, rest, model: str, best_step: int | None = None) -> None:
    from napari_spoco.training.reports import TrainingFinished

    widget.train.stop_button.click()
    processes.last.say(TrainingFinished(model, 10, True, best_step))
    rest(widget)


def in_use(widget) -> tuple[str | None, str]:
    return widget.session.model_path, widget.session.model_name


def test_a_model_that_was_stopped_and_taken_comes_back(named, processes, tmp_path, until, rest, start) -> None:
    begin(named, processes, until)
    keep(processes.last)
    stop(named, processes, rest, keep(processes.last, "best"))
    before = in_use(named)
    leave(named, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    assert in_use(again) == before
    assert again.train.train_button.text() == "Resume"
    assert again.session.resumable.folder == processes.last.request.folder


def test_a_training_that_came_to_its_end_is_not_resumed(named, processes, tmp_path, until, rest, start) -> None:
    from napari_spoco.training.reports import TrainingFinished

    begin(named, processes, until)
    processes.last.say(TrainingFinished(keep(processes.last), 400, False, None))
    rest(named)
    before = in_use(named)
    leave(named, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    assert in_use(again) == before
    assert again.train.train_button.text() == "Fine-tune"
    assert again.session.resumable is None


def test_a_training_that_made_too_few_steps_is_still_offered(named, processes, tmp_path, until, rest, start) -> None:
    from napari_spoco.training.reports import TrainingFinished

    begin(named, processes, until)
    processes.last.say(TrainingFinished(keep(processes.last), 96, False, None))
    rest(named)
    leave(named, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    assert again.train.train_button.text() == "Resume"
    assert again.session.resumable.folder == processes.last.request.folder


@pytest.fixture
def tuning(named, processes, tmp_path, monkeypatch, until) -> SpocoWidget:
    """Return the widget while “mine” is being fine-tuned, with an autosave."""
    use(named, save_a_model(tmp_path / "mine.safetensors"), monkeypatch, until)
    begin(named, processes, until)
    keep(processes.last)
    return named


def end_refused(widget, processes, rest) -> None:
    stop(widget, processes, rest, keep(processes.last, "best"), best_step=0)


def kill(widget, _processes, rest) -> None:
    widget.train.stop_button.click()
    widget.train.stop_button.click()
    rest(widget)


def do_nothing(*_) -> None:
    """Close in the middle of the training."""


@pytest.mark.parametrize("end", [end_refused, kill, do_nothing])
def test_a_model_that_stayed_in_use_comes_back(tuning, processes, tmp_path, until, rest, start, end) -> None:
    run, mine = Path(processes.last.request.folder), Path(tuning.session.model_path)
    # A crash in the middle of the training leaves this.
    until(lambda: project_of(tmp_path).work == ProjectWork(mine, run, "cells", mine, is_training=True))
    end(tuning, processes, rest)
    before = in_use(tuning)
    assert before[1] == "mine"
    leave(tuning, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    assert in_use(again) == before
    assert again.segment.about_model.text().startswith("Model: mine: ")
    assert again.train.train_button.text() == "Resume"
    assert again.session.resumable.folder == processes.last.request.folder


def test_a_training_that_is_refused_after_reopening_leaves_the_model(
    tuning, processes, tmp_path, until, rest, start
) -> None:
    end_refused(tuning, processes, rest)
    before = in_use(tuning)
    leave(tuning, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    begin(again, processes, until)
    assert processes.last.request.resume
    end_refused(again, processes, rest)
    assert in_use(again) == before
    assert "mine stays in use" in again.footer.text


def test_closing_while_the_model_is_on_its_way_loses_neither_it_nor_the_run(
    tuning, processes, tmp_path, until, rest, start
) -> None:
    end_refused(tuning, processes, rest)
    before, folder = in_use(tuning), tmp_path / "my project"
    leave(tuning, folder, until)
    again = start()
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: again.session.state is SessionState.LOADING)
    until(lambda: again.projects.folder is not None)
    leave(again, folder, until)
    third = reopen(start, folder, until)
    assert in_use(third) == before
    assert third.session.kept_run.folder == processes.last.request.folder


def test_the_model_waits_for_what_runs(tuning, processes, tmp_path, until, rest, start) -> None:
    """A preview computes embeddings that nobody has pressed a button for."""
    end_refused(tuning, processes, rest)
    before, folder = in_use(tuning), tmp_path / "my project"
    leave(tuning, folder, until)
    work = project_of(tmp_path).work
    again, turns = start(), []
    again.projects._showing._timer.timeout.connect(lambda: turns.append(len(again._viewer.layers)))
    again.projects.bar.open_requested.emit(str(folder))
    again.session._set_state(SessionState.PREDICTING)
    until(lambda: turns.count(2) > 3 or again.projects.folder is not None)  # Both layers have been there for a while.
    assert again.projects.folder is None
    assert project_of(tmp_path).work == work
    again.session._set_state(SessionState.IDLE)
    until(lambda: again.projects.folder == folder and not again.session.state.is_busy)
    assert in_use(again) == before
    assert again.session.kept_run.folder == processes.last.request.folder


def test_an_interrupted_training_is_said(tuning, processes, tmp_path, until, start) -> None:
    (Path(processes.last.request.folder) / "log.csv").write_text("step,seconds\n3,1.5\n4,2.0\n")
    until(lambda: project_of(tmp_path).work.is_training)
    leave(tuning, tmp_path / "my project", until)
    assert project_of(tmp_path).work.is_training
    again = reopen(start, tmp_path / "my project", until)
    text = "The training was interrupted at step 4; Resume goes on with it."
    until(lambda: again.footer.text == text)
    assert again.train.train_button.text() == "Resume"
    until(lambda: not project_of(tmp_path).work.is_training)


def test_a_training_of_which_nothing_is_kept_is_said(named, processes, tmp_path, until, start) -> None:
    begin(named, processes, until)
    until(lambda: project_of(tmp_path).work.is_training)
    leave(named, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    assert "1 image restored. A training was interrupted before its first autosave" in again.footer.text
    assert again.train.train_button.text() == "Train"


@pytest.mark.parametrize("end", [kill, do_nothing])
def test_a_new_model_that_was_not_taken_is_only_offered(named, processes, tmp_path, until, rest, start, end) -> None:
    begin(named, processes, until)
    keep(processes.last)
    end(named, processes, rest)
    leave(named, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    assert in_use(again) == (None, "")
    assert again.train.train_button.text() == "Resume"
    begin(again, processes, until)
    assert processes.last.request.resume
