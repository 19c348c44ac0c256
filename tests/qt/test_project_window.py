"""The project of the window: saved as it changes, restored when it is opened, and nothing is lost without one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from superqt.utils import GeneratorWorker

from napari_spoco._qt.project import project_job, projects
from napari_spoco._qt.project.project_folders import ProjectFolders
from napari_spoco._qt.project.project_writer import ProjectWriter
from napari_spoco._qt.project.projects import Projects
from napari_spoco._qt.session import SessionState
from napari_spoco._qt.widget import SpocoWidget
from napari_spoco.config import AnnotationConfig
from napari_spoco.project.lock import is_locked
from napari_spoco.project.project import Project


@pytest.fixture(autouse=True)
def _fast(monkeypatch) -> None:
    monkeypatch.setattr(projects, "_MILLISECONDS", 20)


def project_of(tmp_path) -> Project:
    return Project.open(tmp_path / "my project")


def untitled(tmp_path) -> list[Path]:
    return sorted((tmp_path / "recovery").glob("2*"))


def kept(folder, name="cells"):
    """Return what a project has of an image, zeros where it has nothing yet."""
    project = Project.open(folder) if Project.is_at(folder) else None
    is_there = project is not None and name in [image.name for image in project.images]
    return project.annotations(name) if is_there else np.zeros(1)


def leave(widget, folder: Path, until) -> None:
    """Close the dock and wait until its last thread has let the project go."""
    widget.release()
    until(lambda: not is_locked(folder))


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0.001, 2000), (1.0, 10_000), (30.0, 60_000)])
def test_saves_that_take_long_are_further_apart(seconds, milliseconds, monkeypatch) -> None:
    monkeypatch.undo()
    assert projects._pause(seconds) == milliseconds


# A project that the user has named


def test_a_new_project_has_what_is_open(named, viewer, tmp_path, until) -> None:
    project = project_of(tmp_path)
    np.testing.assert_array_equal(project.annotations("cells"), viewer.layers["cells annotations"].data)
    np.testing.assert_array_equal(project.read_image("cells").data[0], viewer.layers["cells"].data)
    assert named.projects.bar.status.text().startswith("saved ")
    assert not untitled(tmp_path)


def test_what_changes_is_saved(named, viewer, tmp_path, until) -> None:
    folder = tmp_path / "my project"
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: (kept(folder) == 9).any())
    viewer.layers["cells annotations"].undo()
    until(lambda: not (kept(folder) == 9).any())
    viewer.layers["cells"].name = "renamed"
    until(lambda: project_of(tmp_path).image("cells").title == "renamed")
    viewer.add_shapes([[[0, 0], [0, 9], [9, 9], [9, 0]]], name="boxes")
    named.annotate.boxes.choose(viewer.layers["boxes"].__wrapped__)
    until(lambda: project_of(tmp_path).image("cells").boxes == (((0, 10), (0, 10)),))
    group = named.train.settings.advanced.group("annotations")
    group.set_values(AnnotationConfig(background_label=3))
    group.changed.emit()
    until(lambda: project_of(tmp_path).image("cells").meaning.background_label == 3)


def test_only_what_has_changed_is_written(named, viewer, tmp_path, until, qtbot) -> None:
    file = tmp_path / "my project" / "annotations" / "cells.tif"
    before = file.stat().st_mtime_ns
    viewer.layers["cells annotations"].refresh()
    named.projects.touch()
    qtbot.wait(300)
    assert file.stat().st_mtime_ns == before


def test_an_image_of_a_file_stays_there(named, viewer, tmp_path, until) -> None:
    file = tmp_path / "from file.tif"
    tifffile.imwrite(file, np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    viewer.open(str(file), plugin="napari")
    named.images.choose(viewer.layers["from file"].__wrapped__)
    named.annotate.new_button.click()
    until(lambda: len(project_of(tmp_path).images) == 2)
    assert project_of(tmp_path).image("from file").file == str(file)


def test_everything_comes_back(named, viewer, processes, tmp_path, until, start) -> None:
    folder = tmp_path / "my project"
    viewer.layers["cells"].scale = (2, 3)
    colours = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    viewer.add_image(colours, name="colours [1]", rgb=True, scale=(0.5, 0.5), translate=(3, 4))
    named.images.choose(viewer.layers["colours [1]"].__wrapped__)
    named.annotate.new_button.click()
    viewer.layers["colours [1] annotations"].paint((10, 10), 4)
    viewer.add_shapes([[[0, 0], [0, 4], [4, 4], [4, 0]]], name="boxes", scale=(0.5, 0.5), translate=(3, 4))
    named.annotate.boxes.choose(viewer.layers["boxes"].__wrapped__)
    found = np.zeros((64, 64), np.uint32)
    found[5:9, 5:9] = 70_000
    named._results.show_objects(viewer.layers["cells"].__wrapped__, found)
    named.projects._watch.follow()
    named.train.settings.quick.editor("max_steps").set_value(17)
    named.train.settings.quick.changed.emit()
    named.segment.quick.editor("min_size").set_value(33)
    named.segment.changed.emit()
    painted = {name: viewer.layers[name].data.copy() for name in ("cells annotations", "colours [1] annotations")}
    leave(named, folder, until)

    again = start()
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: "2 images restored" in again.footer.text)
    for name, labels in painted.items():
        np.testing.assert_array_equal(viewer.layers[name].data, labels)
    np.testing.assert_array_equal(viewer.layers["colours [1]"].data, colours)
    assert viewer.layers["colours [1]"].rgb
    np.testing.assert_array_equal(viewer.layers["colours [1]"].translate, (3, 4))
    np.testing.assert_array_equal(viewer.layers["cells"].scale, (2, 3))
    np.testing.assert_array_equal(viewer.layers["cells objects"].data, found)
    assert again.annotate.image.layer().name == "colours [1]"
    assert again.annotate.annotations.layer().name == "colours [1] annotations"
    assert again.annotate.read_boxes() == ((slice(0, 5), slice(0, 5)),)
    assert again.train.settings.config().max_steps == 17
    assert again.segment.config().min_size == 33
    viewer.layers["cells annotations"].paint((60, 60), 8)
    until(lambda: (kept(folder) == 8).any())
    assert len(project_of(tmp_path).images) == 2


def review_objects(spoco, viewer, until) -> np.ndarray:
    """Find eight objects, of which two are accepted, one is rejected and two are made one; return what is left."""
    found = np.zeros((64, 64), np.uint32)
    found[:16] = np.arange(1, 9).repeat(8)
    layer = spoco._results.show_objects(viewer.layers["cells"].__wrapped__, found.copy())
    spoco.projects._watch.follow()
    spoco.review.labels.choose(layer)
    spoco.review.start_button.click()
    until(lambda: spoco.reviewing.queue is not None and not spoco.reviewing.is_busy)

    def press(name: str, first: int, *others: int) -> None:
        row = [one.instance_id for one in spoco.reviewing.queue.scores].index(first)
        spoco.review.objects.clicked.emit(spoco.review.objects.model().index(row, 0))
        for other in others:
            spoco.reviewing._review.view.clicked.emit(other, True)
        spoco.review.action_buttons[name].click()
        until(lambda: not spoco.reviewing.is_busy)

    press("accept", 2)
    press("accept", 5)
    press("reject", 7)
    press("merge", 3, 4)
    expected = found.copy()
    expected[found == 7] = 0
    expected[found == 4] = 3
    np.testing.assert_array_equal(layer.data, expected)
    return expected


def test_a_review_is_saved_as_it_happens_and_goes_on(named, viewer, tmp_path, until, start) -> None:
    folder = tmp_path / "my project"
    expected = review_objects(named, viewer, until)
    until(lambda: project_of(tmp_path).image("cells").review.current == 3)
    until(lambda: np.array_equal(project_of(tmp_path).result("cells"), expected))
    review = project_of(tmp_path).image("cells").review
    assert (review.accepted, review.rejected) == ((2, 5), (7,))
    leave(named, folder, until)

    again = start()
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: "restored" in again.footer.text)
    np.testing.assert_array_equal(viewer.layers["cells objects"].data, expected)
    again.review.labels.choose(viewer.layers["cells objects"].__wrapped__)
    again.review.start_button.click()
    until(lambda: again.reviewing.queue is not None and not again.reviewing.is_busy)
    assert again.reviewing.queue.accepted == {2, 5}
    assert again.reviewing.queue.rejected == {7}
    assert again.reviewing.chosen == (3,)
    assert again.review.summary.text() == "6 objects: 2 accepted, 1 rejected, 4 to look at."
    again.review.start_button.click()
    again.review.start_button.click()  # An ended review goes on, too.
    until(lambda: again.reviewing.queue is not None and not again.reviewing.is_busy)
    assert again.reviewing.queue.accepted == {2, 5}


def begin_review(spoco, viewer, until) -> None:
    spoco.review.labels.choose(viewer.layers["cells objects"].__wrapped__)
    spoco.review.start_button.click()
    until(lambda: spoco.reviewing.queue is not None and not spoco.reviewing.is_busy)


def press(spoco, name: str, until) -> None:
    assert spoco.review.action_buttons[name].isEnabled()
    spoco.review.action_buttons[name].click()
    until(lambda: not spoco.reviewing.is_busy)


def test_corrections_are_undone_after_reopening(named, viewer, tmp_path, until, start) -> None:
    folder = tmp_path / "my project"
    expected = review_objects(named, viewer, until)
    press(named, "undo", until)
    leave(named, folder, until)

    again = start()
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: "restored" in again.footer.text)
    begin_review(again, viewer, until)
    press(again, "redo", until)
    labels = viewer.layers["cells objects"].data
    np.testing.assert_array_equal(labels, expected)
    assert again.reviewing.queue.rejected == {7}
    press(again, "undo", until)
    press(again, "undo", until)
    assert sorted(np.unique(labels)) == list(range(9))
    assert again.reviewing.queue.accepted == {2, 5}
    assert not again.reviewing.queue.rejected
    assert again.review.action_buttons["undo"].isEnabled()  # takes back what was accepted
    until(lambda: np.array_equal(project_of(tmp_path).result("cells"), labels))
    until(lambda: len(project_of(tmp_path).steps("cells").undone) == 2)


def test_what_was_painted_over_cannot_be_undone_after_reopening(named, viewer, tmp_path, until, start) -> None:
    folder = tmp_path / "my project"
    review_objects(named, viewer, until)
    viewer.layers["cells objects"].data_setitem((np.array([0]), np.array([49])), 9)  # Where object 7 was.
    leave(named, folder, until)
    assert project_of(tmp_path).steps("cells").n_done == 4  # Two of them accept.

    again = start()
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: "restored" in again.footer.text)
    begin_review(again, viewer, until)
    press(again, "undo", until)
    labels = viewer.layers["cells objects"].data
    assert (labels == 4).any()
    assert not (labels == 7).any()
    assert again.reviewing.queue.accepted == {2, 5}
    assert not again.review.action_buttons["undo"].isEnabled()


def test_a_list_of_steps_that_cannot_be_read_is_said(named, viewer, tmp_path, until, start) -> None:
    folder = tmp_path / "my project"
    expected = review_objects(named, viewer, until)
    leave(named, folder, until)
    (folder / "reviews" / "cells" / "steps.json").write_text('{"format_version": 99}')
    again = start()
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: "restored" in again.footer.text)
    assert "update napari-spoco" in again.footer.text
    np.testing.assert_array_equal(viewer.layers["cells objects"].data, expected)
    begin_review(again, viewer, until)
    assert again.reviewing.queue.accepted == {2, 5}
    assert not again.review.action_buttons["undo"].isEnabled()


def test_other_objects_are_not_decided(named, viewer, tmp_path, until) -> None:
    expected = review_objects(named, viewer, until)
    until(lambda: project_of(tmp_path).image("cells").review.accepted)
    assert project_of(tmp_path).steps("cells").done
    viewer.layers["cells objects"].data = expected[::-1].copy()
    until(lambda: np.array_equal(project_of(tmp_path).result("cells"), expected[::-1]))
    until(lambda: not project_of(tmp_path).image("cells").review.accepted)
    assert not project_of(tmp_path).steps("cells").every
    named.review.start_button.click()
    until(lambda: named.reviewing.queue is not None and not named.reviewing.is_busy)
    assert not named.reviewing.queue.decisions


def test_what_is_undone_is_saved_as_undone(named, viewer, tmp_path, until) -> None:
    review_objects(named, viewer, until)
    for _ in range(2):
        named.review.action_buttons["undo"].click()
        until(lambda: not named.reviewing.is_busy)
    before = viewer.layers["cells objects"].data.copy()
    assert {3, 4, 7} <= {*np.unique(before)}
    until(lambda: not project_of(tmp_path).image("cells").review.rejected)
    until(lambda: np.array_equal(project_of(tmp_path).result("cells"), before))


def test_trainings_are_part_of_it_and_resumed(named, viewer, processes, tmp_path, until, start, monkeypatch) -> None:
    folder = tmp_path / "my project"
    named.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    assert Path(processes.last.request.folder).parent == folder / "runs"
    processes.last.step(1)
    named.train.stop_button.click()
    processes.last.finish(stopped=True)
    until(lambda: not named.session.state.is_busy)
    until(lambda: project_of(tmp_path).work.run == Path(processes.last.request.folder))
    assert 'run = "runs/' in (folder / "project.toml").read_text()
    leave(named, folder, until)

    loaded = []
    again = start()
    monkeypatch.setattr(again.session, "restore", lambda model, run: loaded.append((model, run.folder)))
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: loaded)
    run = processes.last.request.folder
    assert loaded == [(f"{run}/last.safetensors", run)]


def test_another_window_is_told(named, viewer, tmp_path, until, processes) -> None:
    other = SpocoWidget(viewer, make_process=processes, models_folder=tmp_path / "other" / "models")
    viewer.window.add_dock_widget(other, name="SPOCO 2")
    other.projects.bar.open_requested.emit(str(tmp_path / "my project"))
    until(lambda: f"open in another window (process {os.getpid()}" in other.footer.text)
    assert other.projects.folder is None
    other.release()


def test_a_project_is_not_opened_while_something_runs(training, tmp_path) -> None:
    Project.create(tmp_path / "other")
    training.projects.bar.open_requested.emit(str(tmp_path / "other"))
    assert "stop the training first" in training.footer.text


def test_a_project_is_not_closed_while_something_runs(named, viewer, processes, until) -> None:
    named.train.train_button.click()
    until(lambda: "Training on" in named.footer.text)
    named.projects.bar.close_requested.emit()
    assert "stop the training first" in named.footer.text
    processes.last.finish()
    until(lambda: named.session.state is SessionState.IDLE and not named.projects._jobs.is_running)
    assert named.projects.folder is not None
    assert len(viewer.layers) == 2


# From one project to another


@pytest.fixture
def second(named, tmp_path, until) -> SpocoWidget:
    """Return the widget with its layers in a second project, "other"."""
    named.projects.bar.new_requested.emit(str(tmp_path / "other"))
    until(lambda: named.projects.folder == tmp_path / "other")
    until(lambda: not named.projects._jobs.is_running and not named.projects._timer.isActive())
    return named


@pytest.fixture
def held(monkeypatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Hold the next save when it has written: return what tells that it has, and what lets it go on."""
    has_written, may_go_on = threading.Event(), threading.Event()
    write = ProjectWriter.write

    def hold(*args):
        saved = write(*args)
        has_written.set()
        assert may_go_on.wait(20)
        return saved

    monkeypatch.setattr(ProjectWriter, "write", hold)
    yield has_written, may_go_on
    may_go_on.set()


def close_it(widget, _tmp_path) -> None:
    widget.projects.bar.close_requested.emit()


def open_first(widget, tmp_path) -> None:
    widget.projects.bar.open_requested.emit(str(tmp_path / "my project"))


@pytest.mark.parametrize("leave_it", [close_it, open_first])
def test_what_is_painted_while_a_project_is_left_is_saved(second, viewer, tmp_path, until, held, leave_it) -> None:
    has_written, may_go_on = held
    leave_it(second, tmp_path)
    until(has_written.is_set)
    viewer.layers["cells annotations"].paint((50, 50), 77)
    may_go_on.set()
    until(lambda: second.projects.folder != tmp_path / "other" and not second.projects.is_switching)
    assert (kept(tmp_path / "other") == 77).any()
    assert not (kept(tmp_path / "my project") == 77).any()
    assert not is_locked(tmp_path / "other")
    assert len(viewer.layers) == (0 if leave_it is close_it else 2)


def test_a_project_is_read_once(second, tmp_path, until, monkeypatch) -> None:
    """Nothing but the user touches what is open."""
    read = []
    open_project = project_job.open_project

    def count(*args):
        read.append(args)
        return (yield from open_project(*args))

    monkeypatch.setattr(project_job, "open_project", count)
    open_first(second, tmp_path)
    until(lambda: "restored" in second.footer.text and not second.projects.is_switching)
    assert len(read) == 1


def test_no_project_is_opened_before_the_last_one_is_saved(second, viewer, tmp_path, until, monkeypatch) -> None:
    def no_space(*_) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(ProjectWriter, "_write_annotations", no_space)
    viewer.layers["cells annotations"].paint((50, 50), 77)
    open_first(second, tmp_path)
    until(lambda: not second.projects.is_switching)
    assert second.projects.folder == tmp_path / "other"
    assert second.projects.bar.status.text() == "not saved"
    assert "No space left" in second.footer.text
    assert (viewer.layers["cells annotations"].data == 77).any()
    monkeypatch.undo()
    open_first(second, tmp_path)
    until(lambda: second.projects.folder == tmp_path / "my project")
    assert (kept(tmp_path / "other") == 77).any()


def test_nothing_is_begun_while_a_project_is_opened(second, tmp_path, until, held) -> None:
    has_written, may_go_on = held
    open_first(second, tmp_path)
    until(has_written.is_set)
    button = second.train.train_button
    assert not button.isEnabled()
    assert button.toolTip() == "A project is being opened or closed: one moment."
    may_go_on.set()
    until(lambda: second.projects.folder == tmp_path / "my project")
    until(button.isEnabled)


def test_closing_takes_its_layers_away(named, viewer, tmp_path, until) -> None:
    viewer.add_points(np.zeros((1, 2)), name="mine")
    viewer.layers["cells annotations"].paint((50, 50), 9)
    named.projects.bar.close_requested.emit()
    until(lambda: named.projects.folder is None)
    assert [layer.name for layer in viewer.layers] == ["mine"]
    assert (kept(tmp_path / "my project") == 9).any()
    assert not is_locked(tmp_path / "my project")
    named.projects.bar.menu_opened.emit()
    assert "my project" in [action.text() for action in named.projects.bar.menu.actions()]


@pytest.mark.parametrize("kind", ["none", "broken", "taken"])
def test_what_cannot_be_opened_changes_nothing(ready, viewer, tmp_path, until, kind) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    if kind == "broken":
        (folder / "project.toml").write_text("name = ")
    (folder / "file").touch()
    bar = ready.projects.bar
    (bar.new_requested if kind == "taken" else bar.open_requested).emit(str(folder))
    if kind != "taken":
        assert f"Bringing back “{folder.name}”" in ready.footer.text
        assert bar.status.text() == "restoring …"
    until(lambda: str(folder) in ready.footer.text)
    until(lambda: bar.status.text() != "restoring …")
    assert ready.projects.folder is None
    assert len(viewer.layers) == 2
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: untitled(tmp_path) and (kept(untitled(tmp_path)[0]) == 9).any())


def test_it_says_what_cannot_be_saved(named, viewer, tmp_path, until) -> None:
    viewer.layers["cells annotations"].data[30, 30] = -7
    viewer.layers["cells annotations"].refresh()
    until(lambda: named.projects.bar.status.text() == "not saved")
    assert "-7" in named.footer.text
    viewer.layers["cells annotations"].data[30, 30] = 7
    viewer.layers["cells annotations"].refresh()
    until(lambda: (kept(tmp_path / "my project") == 7).any())
    until(lambda: named.projects.bar.status.text().startswith("saved"))


# Without a project


def test_nothing_is_kept_of_an_empty_layer(spoco, viewer, tmp_path, qtbot) -> None:
    viewer.add_image(np.random.default_rng(0).random((32, 32)), name="cells")
    spoco.annotate.new_button.click()
    qtbot.wait(200)
    assert not untitled(tmp_path)


def test_what_is_painted_is_offered_at_the_next_start(ready, viewer, tmp_path, until, start, monkeypatch) -> None:
    until(lambda: untitled(tmp_path) and kept(untitled(tmp_path)[0]).any())
    labels = viewer.layers["cells annotations"].data.copy()
    (folder,) = untitled(tmp_path)
    leave(ready, folder, until)
    (folder / ".holder.json").write_text('{"pid": 1, "host": "here"}')
    again = start()
    bar = again.projects.bar
    until(lambda: bar.is_offering)
    assert bar.about_offer.text().startswith("Restore 1 image, 3 painted objects and the settings of ")
    bar.restore_button.click()
    until(lambda: "restored" in again.footer.text)
    assert not bar.is_offering
    np.testing.assert_array_equal(viewer.layers["cells annotations"].data, labels)
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: (kept(folder) == 9).any())
    assert untitled(tmp_path) == [folder]


def test_a_review_without_painting_is_kept(spoco, viewer, tmp_path, until) -> None:
    viewer.add_image(np.random.default_rng(0).random((64, 64)), name="cells")
    expected = review_objects(spoco, viewer, until)
    until(lambda: untitled(tmp_path) and Project.is_at(untitled(tmp_path)[0]))
    (folder,) = untitled(tmp_path)
    until(lambda: [image.review.accepted for image in Project.open(folder).images] == [(2, 5)])
    leave(spoco, folder, until)
    np.testing.assert_array_equal(Project.open(folder).result("cells"), expected)
    assert [item.n_images for item in ProjectFolders(tmp_path).untitled()] == [1]


def test_it_is_offered_once_and_stays_in_the_menu(ready, tmp_path, until, start) -> None:
    until(lambda: untitled(tmp_path) and kept(untitled(tmp_path)[0]).any())
    (folder,) = untitled(tmp_path)
    leave(ready, folder, until)
    (folder / ".holder.json").write_text('{"pid": 1, "host": "here"}')
    folders = ProjectFolders(tmp_path)
    assert folders.untitled()[0].is_news
    again = start()
    until(lambda: again.projects.bar.is_offering)
    again.projects.bar.dismiss_button.click()
    assert not again.projects.bar.is_offering
    assert not folders.untitled()[0].is_news
    again.projects.bar.menu_opened.emit()
    assert folders.untitled()[0].title in [action.text() for action in again.projects.bar.menu.actions()]


@pytest.fixture
def left(ready, tmp_path, until) -> Path:
    """Return the folder of what an earlier window left, which is on offer at the next start."""
    until(lambda: untitled(tmp_path) and kept(untitled(tmp_path)[0]).any())
    (folder,) = untitled(tmp_path)
    leave(ready, folder, until)
    is_of_another_window(folder)
    return folder


def is_of_another_window(folder: Path) -> None:
    (folder / ".holder.json").write_text('{"pid": 1, "host": "here"}')


def paint_anew(widget, viewer, tmp_path, until) -> Path:
    """Paint label 7 into a new image while something is on offer, and return where it is kept."""
    until(lambda: widget.projects.bar.is_offering)
    before = set(untitled(tmp_path))
    viewer.add_image(np.random.default_rng(1).random((40, 40)), name="others")
    widget.annotate.image.choose(viewer.layers["others"])
    widget.annotate.new_button.click()
    viewer.layers["others annotations"].data_setitem(tuple(np.mgrid[5:9, 5:9].reshape(2, -1)), 7)
    until(lambda: set(untitled(tmp_path)) - before)
    (folder,) = set(untitled(tmp_path)) - before
    until(lambda: (kept(folder, "others") == 7).any())
    return folder


def test_an_offer_stays_until_it_is_answered(left, viewer, tmp_path, until, start) -> None:
    again = start()
    newer = paint_anew(again, viewer, tmp_path, until)
    assert again.projects.bar.is_offering
    leave(again, newer, until)
    is_of_another_window(newer)
    assert [item.is_news for item in ProjectFolders(tmp_path).untitled()] == [True, True]
    third = start()
    until(lambda: third.projects.bar.is_offering)
    third.projects.bar.dismiss_button.click()
    assert {item.folder: item.is_news for item in ProjectFolders(tmp_path).untitled()} == {newer: False, left: True}


def test_who_paints_and_restores_has_both(left, viewer, tmp_path, until, start) -> None:
    again = start()
    newer = paint_anew(again, viewer, tmp_path, until)
    again.projects.bar.restore_button.click()
    until(lambda: "restored" in again.footer.text)
    assert {"cells annotations", "others annotations"} <= {layer.name for layer in viewer.layers}
    assert (viewer.layers["others annotations"].data == 7).any()
    # Without a further stroke: a crash would lose neither.
    until(lambda: (kept(left, "others") == 7).any())
    assert (kept(left, "cells") == 3).any()
    until((newer / ".answered").exists)
    assert (kept(newer, "others") == 7).any()
    leave(again, left, until)
    is_of_another_window(left)
    assert [item.folder for item in ProjectFolders(tmp_path).untitled() if item.is_news] == [left]


def test_what_is_restored_from_the_menu_is_offered_again(left, tmp_path, until, start) -> None:
    again = start()
    until(lambda: again.projects.bar.is_offering)
    again.projects.bar.dismiss_button.click()
    again.projects.bar.restore_requested.emit(left)
    until(lambda: "restored" in again.footer.text)
    leave(again, left, until)
    is_of_another_window(left)
    assert ProjectFolders(tmp_path).untitled()[0].is_news


def test_an_offer_comes_back_when_it_cannot_be_followed(left, viewer, processes, tmp_path, until, start) -> None:
    again = start()
    paint_anew(again, viewer, tmp_path, until)
    bar = again.projects.bar
    again.annotate.count()
    again.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    bar.restore_button.click()
    assert "stop the training first" in again.footer.text
    assert bar.is_offering
    processes.last.finish()
    until(lambda: again.session.state is SessionState.IDLE)
    whole = (left / "project.toml").read_text()
    (left / "project.toml").write_text("nonsense")
    bar.restore_button.click()
    assert not bar.is_offering
    until(lambda: bar.is_offering)
    (left / "project.toml").write_text(whole)
    bar.restore_button.click()
    until(lambda: "restored" in again.footer.text)


def test_a_named_project_is_offered_at_the_next_start(named, viewer, tmp_path, until, start, qtbot) -> None:
    folder, labels = tmp_path / "my project", viewer.layers["cells annotations"].data.copy()
    leave(named, folder, until)
    is_of_another_window(folder)
    viewer.layers.clear()
    again = start()
    bar = again.projects.bar
    until(lambda: bar.is_offering)
    assert bar.about_offer.text().startswith("Restore the project “my project” of ")
    assert ": 1 image, 3 painted objects and the settings?" in bar.about_offer.text()
    qtbot.mouseClick(bar.restore_button, Qt.MouseButton.LeftButton)
    until(lambda: "restored" in again.footer.text)
    assert again.projects.folder == folder
    assert not bar.is_offering
    np.testing.assert_array_equal(viewer.layers["cells annotations"].data, labels)


def decline(widget, qtbot) -> None:
    qtbot.mouseClick(widget.projects.bar.dismiss_button, Qt.MouseButton.LeftButton)


def close(widget, _qtbot) -> None:
    widget.projects.bar.restore_button.click()
    widget.projects.bar.close_requested.emit()


@pytest.mark.parametrize("answer", [decline, close])
def test_a_named_project_that_was_put_by_is_offered_when_it_was_open_again(
    named, tmp_path, until, start, qtbot, answer
) -> None:
    folder = tmp_path / "my project"
    leave(named, folder, until)
    is_of_another_window(folder)
    again = start()
    until(lambda: again.projects.bar.is_offering)
    answer(again, qtbot)
    until(lambda: again.projects.folder is None and not is_news(tmp_path))
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: again.projects.folder == folder)
    leave(again, folder, until)
    is_of_another_window(folder)
    assert is_news(tmp_path)


def is_news(tmp_path) -> bool:
    last = ProjectFolders(tmp_path).last_named()
    return last is not None and last.is_news


def open_again(named, viewer, tmp_path, until, start) -> SpocoWidget:
    leave(named, tmp_path / "my project", until)
    again = start()
    again.projects.bar.open_requested.emit(str(tmp_path / "my project"))
    assert "Bringing back" in again.footer.text
    until(lambda: "restored" in again.footer.text)
    return again


def annotate_another(spoco, viewer, until, **options) -> None:
    """Open and annotate “others”, with a stroke of background."""
    viewer.add_image(np.random.default_rng(1).random((64, 64)), name="others", **options)
    spoco.images.choose(viewer.layers["others"].__wrapped__)
    spoco.annotate.new_button.click()
    spoco.annotating.paint_background()
    viewer.layers["others annotations"].paint((20, 20), 100)


def find_objects(spoco, viewer, name: str = "cells") -> None:
    found = np.zeros((64, 64), np.uint32)
    found[5:9, 5:9] = 7
    spoco._results.show_objects(viewer.layers[name].__wrapped__, found)
    spoco.projects._watch.follow()


def visible(viewer) -> set[str]:
    return {layer.name for layer in viewer.layers if layer.visible}


def test_only_the_last_image_is_on_show(named, viewer, tmp_path, until, start) -> None:
    find_objects(named, viewer)
    annotate_another(named, viewer, until)
    named.images.choose(viewer.layers["cells"].__wrapped__)
    for layer in viewer.layers:
        layer.visible = layer.name != "cells objects"
    again = open_again(named, viewer, tmp_path, until, start)
    assert "2 images restored" in again.footer.text
    assert {layer.name for layer in viewer.layers} > {"cells objects", "others", "others annotations"}
    assert visible(viewer) == {"cells", "cells annotations"}
    assert viewer.layers.selection.active.name == "cells annotations"


def test_strokes_have_their_colours_in_all_images(named, viewer, tmp_path, until, start) -> None:
    viewer.layers["cells annotations"].paint((60, 60), 100)
    annotate_another(named, viewer, until)
    open_again(named, viewer, tmp_path, until, start)
    for name in ("cells annotations", "others annotations"):
        np.testing.assert_allclose(viewer.layers[name].get_color(100), 1)


def test_deleted_annotations_come_back_when_they_are_asked_for(named, viewer, tmp_path, until, start) -> None:
    folder = tmp_path / "my project"
    painted = viewer.layers["cells annotations"].data.copy()
    find_objects(named, viewer)
    until(lambda: project_of(tmp_path).result("cells") is not None)
    viewer.layers.remove("cells annotations")
    until(lambda: "Removed, but kept in the project: “cells annotations”" in named.footer.text)
    until(lambda: project_of(tmp_path).image("cells").closed == ("annotations",))
    assert len(project_of(tmp_path).images) == 1
    again = open_again(named, viewer, tmp_path, until, start)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells objects"]
    again.projects.bar.menu_opened.emit()
    (action,) = [one for one in again.projects.bar.menu.actions() if one.text() == "cells annotations"]
    action.trigger()
    until(lambda: "“cells annotations” is back" in again.footer.text)
    np.testing.assert_array_equal(viewer.layers["cells annotations"].data, painted)
    assert again.annotate.annotations.layer().name == "cells annotations"
    assert [layer.name for layer in viewer.layers].count("cells") == 1
    until(lambda: not project_of(tmp_path).image("cells").closed)
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: (kept(folder) == 9).any())
    assert len(project_of(tmp_path).images) == 1


def test_a_closed_image_does_not_come_back(named, viewer, tmp_path, until, start) -> None:
    annotate_another(named, viewer, until)
    until(lambda: len(project_of(tmp_path).images) == 2)
    for name in ("cells annotations", "cells"):
        viewer.layers.remove(name)
    again = open_again(named, viewer, tmp_path, until, start)
    assert "1 image restored. More of it is in the menu above" in again.footer.text
    assert [layer.name for layer in viewer.layers] == ["others", "others annotations"]


def test_when_all_was_removed_it_comes_back(named, viewer, tmp_path, until, start) -> None:
    annotate_another(named, viewer, until)
    until(lambda: len(project_of(tmp_path).images) == 2)
    viewer.layers.clear()
    again = open_again(named, viewer, tmp_path, until, start)
    assert "2 images restored" in again.footer.text


@pytest.mark.filterwarnings("error:Inconsistent units")
def test_pixels_and_lengths_are_not_shown_together(named, viewer, tmp_path, until, start) -> None:
    annotate_another(named, viewer, until, units=("um", "um"))
    until(lambda: len(project_of(tmp_path).images) == 2)
    again = open_again(named, viewer, tmp_path, until, start)
    assert [layer.name for layer in viewer.layers] == ["others", "others annotations"]
    until(lambda: project_of(tmp_path).image("cells").closed == ("annotations",))
    assert "More of it" in again.footer.text


def test_deleting_annotations_in_a_training_is_said(named, viewer, processes, until) -> None:
    named.train.train_button.click()
    until(lambda: "Training on" in named.footer.text)
    viewer.layers.remove("cells annotations")
    until(lambda: "The training goes on with what was painted." in named.footer.text)
    processes.last.finish()
    until(lambda: named.session.state is SessionState.IDLE)


def test_a_window_that_closes_while_it_restores_loses_nothing(left, viewer, tmp_path, until, start) -> None:
    before = kept(left)
    again = start()
    until(lambda: again.projects.bar.is_offering)
    again.projects.bar.restore_button.click()
    until(lambda: again.projects._showing.is_running)
    again.release()
    until(lambda: not is_locked(left))
    np.testing.assert_array_equal(kept(left), before)
    assert ProjectFolders(tmp_path).untitled()[0].n_painted == 3


# Whatever happens to layers and window


def delete_annotations(viewer, _widget) -> None:
    viewer.layers.remove("cells annotations")


def delete_image(viewer, _widget) -> None:
    viewer.layers.remove("cells")


def clear(viewer, _widget) -> None:
    viewer.layers.clear()


def replace_image(viewer, _widget) -> None:
    viewer.layers["cells"].data = np.random.default_rng(1).random((30, 30))


def close_viewer(viewer, _widget) -> None:
    viewer.close()


def remove_dock(viewer, widget) -> None:
    viewer.window.remove_dock_widget(widget)


def quit_application(_viewer, widget) -> None:
    widget.release()


LEAVING = [delete_annotations, delete_image, clear, replace_image, close_viewer, remove_dock, quit_application]


@pytest.mark.parametrize("leave_by", LEAVING)
@pytest.mark.parametrize("is_training", [False, True], ids=["at rest", "training"])
def test_what_was_painted_last_is_on_disk(
    named, viewer, processes, tmp_path, until, qtbot, monkeypatch, leave_by, is_training
) -> None:
    if is_training:
        named.train.train_button.click()
        until(lambda: processes.made and processes.last.is_started)
        processes.last.show(1)
    monkeypatch.setattr(Projects, "touch", lambda self: None)  # The timer is not to come first.
    viewer.layers["cells annotations"].paint((50, 50), 9)
    monkeypatch.undo()
    leave_by(viewer, named)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    until(lambda: (kept(tmp_path / "my project") == 9).any())
    if is_training and leave_by in (close_viewer, remove_dock, quit_application):
        until(lambda: processes.last.is_killed)
    elif is_training:
        processes.last.finish()
        until(lambda: named.session.state is SessionState.IDLE)
    until(lambda: not GeneratorWorker._worker_set)


def test_annotations_are_kept_when_their_image_is_deleted(named, viewer, tmp_path, until) -> None:
    viewer.layers.remove("cells")
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: (kept(tmp_path / "my project") == 9).any())


def test_objects_are_kept_when_their_image_is_deleted(named, viewer, tmp_path, until) -> None:
    find_objects(named, viewer)
    viewer.layers.remove("cells")
    until(lambda: not named.projects._timer.isActive() and not named.projects._jobs.is_running)
    viewer.layers["cells objects"].paint((50, 50), 9)
    until(lambda: np.any(project_of(tmp_path).result("cells") == 9))
    assert not project_of(tmp_path).image("cells").closed


def test_annotations_of_another_shape_are_said_not_to_be_saved(named, viewer, until) -> None:
    viewer.add_image(np.random.default_rng(1).random((8, 64, 64)), name="stack")
    flat = viewer.add_labels(np.zeros((64, 64), np.int32), name="flat")
    named.images.choose(viewer.layers["stack"].__wrapped__)
    named.annotate.annotations.choose(flat.__wrapped__)
    assert "not have the shape of the image" in named.annotate._advice.text()
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: named.projects.bar.status.text() == "not saved")
    assert "“flat” is not saved: “stack”" in named.projects.bar.status.toolTip()
    named.images.choose(viewer.layers["cells"].__wrapped__)
    until(lambda: named.projects.bar.status.text().startswith("saved"))
    assert "shape" not in named.annotate._advice.text()


def test_another_image_in_a_layer_is_another_image(named, viewer, tmp_path, until) -> None:
    before = viewer.layers["cells"].data.copy()
    viewer.layers["cells"].data = np.random.default_rng(1).random((64, 64))
    until(lambda: len(project_of(tmp_path).images) == 2 and kept(tmp_path / "my project", "cells 2").any())
    np.testing.assert_array_equal(project_of(tmp_path).read_image("cells").data[0], before)


SCRIPT = """
import sys, numpy as np, napari
from pathlib import Path
from qtpy.QtWidgets import QApplication
from napari_spoco._qt.widget import SpocoWidget
viewer = napari.Viewer(show=False)
widget = SpocoWidget(viewer, models_folder=Path(sys.argv[1]) / "models", warm_up=lambda on_end: None)
viewer.window.add_dock_widget(widget)
viewer.add_image(np.random.default_rng(0).random((32, 32)), name="cells")
widget.annotate.new_button.click()
viewer.layers["cells annotations"].paint((10, 10), 3)
found = np.arange(1, 5).repeat(8) * np.ones((32, 1), np.uint32)
widget.review.labels.choose(widget._results.show_objects(viewer.layers["cells"], found.astype(np.uint32)))
widget.projects._watch.follow()
widget.review.start_button.click()
while widget.reviewing.queue is None or widget.reviewing.is_busy:
    QApplication.processEvents()
widget.reviewing.act("accept")
widget.reviewing.act("reject")
while widget.reviewing.is_busy:
    QApplication.processEvents()
accepted, rejected = min(widget.reviewing.queue.accepted), min(widget.reviewing.queue.rejected)
decided = f"accepted = [{accepted}], rejected = [{rejected}]"
file = Path(widget.projects._writer.folder) / "project.toml"
while not (file.exists() and decided in file.read_text()):
    QApplication.processEvents()
print("saved", accepted, rejected, flush=True)
while True:
    QApplication.processEvents()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
def test_a_crash_loses_nothing_that_was_saved(tmp_path, spoco, viewer, until, start) -> None:
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        said, accepted, rejected = child.stdout.readline().split()
        assert said == "saved"
        (folder,) = untitled(tmp_path)
        assert is_locked(folder)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert not is_locked(folder)
    again = start()
    until(lambda: again.projects.bar.is_offering)
    again.projects.bar.restore_button.click()
    until(lambda: "restored" in again.footer.text)
    assert (viewer.layers["cells annotations"].data == 3).any()
    begin_review(again, viewer, until)
    assert again.reviewing.queue.accepted == {int(accepted)}
    assert not (viewer.layers["cells objects"].data == int(rejected)).any()
    press(again, "undo", until)
    assert sorted(np.unique(viewer.layers["cells objects"].data)) == [1, 2, 3, 4]
    assert not again.reviewing.queue.rejected
