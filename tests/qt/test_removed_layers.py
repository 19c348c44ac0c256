"""A layer that is taken out of the layer list is kept: that is said at once, and it comes back whenever wanted."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.qt.test_project_window import begin_review, find_objects, leave, untitled

from napari_spoco._qt.project import project_job, projects
from napari_spoco._qt.project.project_folders import ProjectFolders
from napari_spoco._qt.project.project_writer import ProjectWriter
from napari_spoco._qt.segment.segmentation_job import SegmentationResult
from napari_spoco._qt.session import SessionState
from napari_spoco.project.project import Project

HOURS = 10_000_000
"""Milliseconds: no save comes of itself."""


@pytest.fixture(autouse=True)
def _slow(monkeypatch) -> None:
    """Let nothing be saved unless it is asked for."""
    monkeypatch.setattr(projects, "_MILLISECONDS", HOURS)


def entries(widget) -> list[str]:
    """Return the menu's entries of what was removed."""
    widget.projects.bar.menu_opened.emit()
    actions = widget.projects.bar.menu.actions()
    names = [action.text() for action in actions]
    start = names.index("Removed from the layer list") + 1 if "Removed from the layer list" in names else len(names)
    stop = next((i for i in range(start, len(names)) if actions[i].isSeparator()), len(names))
    return names[start:stop]


def choose(widget, text: str) -> None:
    entries(widget)
    next(action for action in widget.projects.bar.menu.actions() if action.text() == text).trigger()


def names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers]


@pytest.mark.parametrize("by", ["button", "menu"])
@pytest.mark.parametrize("project", ["named", "ready"])
def test_it_is_said_at_once_and_comes_back(request, viewer, until, by, project) -> None:
    """With a project of that name and without; only what was painted last is not on the disk."""
    widget = request.getfixturevalue(project)
    viewer.layers["cells annotations"].paint((50, 50), 9)
    painted = viewer.layers["cells annotations"].data.copy()
    viewer.layers.remove("cells annotations")
    assert entries(widget) == ["cells annotations"]
    where = " in the project" if project == "named" else ""
    until(lambda: f"Removed, but kept{where}: “cells annotations”. The menu on top" in widget.footer.text)
    assert not widget.footer.back_button.isHidden()
    if by == "menu":
        choose(widget, "cells annotations")
    else:
        widget.footer.back_button.click()
    assert "Bringing back “cells annotations”" in widget.footer.text
    until(lambda: widget.footer.text == "“cells annotations” is back.")
    assert widget.footer.back_button.isHidden()
    np.testing.assert_array_equal(viewer.layers["cells annotations"].data, painted)
    assert names(viewer) == ["cells", "cells annotations"]
    assert entries(widget) == []


def test_it_comes_back_in_a_training(named, viewer, processes, until) -> None:
    named.train.train_button.click()
    until(lambda: "Training on" in named.footer.text)
    viewer.layers.remove("cells annotations")
    assert entries(named) == ["cells annotations"]
    until(lambda: "The training goes on with what was painted." in named.footer.text)
    named.footer.back_button.click()
    until(lambda: "“cells annotations” is back" in named.footer.text)
    assert named.session.state is SessionState.TRAINING
    processes.last.finish()
    until(lambda: named.session.state is SessionState.IDLE)


def test_it_comes_back_after_a_save_that_is_running(named, viewer, monkeypatch, until) -> None:
    is_saving, may_go_on = threading.Event(), threading.Event()
    save = project_job.save

    def wait(*args):
        saved = yield from save(*args)
        is_saving.set()
        assert may_go_on.wait(20)
        return saved

    monkeypatch.setattr(project_job, "save", wait)
    named.projects._save()
    until(is_saving.is_set)
    viewer.layers["cells annotations"].paint((50, 50), 9)
    painted = viewer.layers["cells annotations"].data.copy()
    viewer.layers.remove("cells annotations")
    assert entries(named) == ["cells annotations"]
    choose(named, "cells annotations")
    choose(named, "cells annotations")  # once more, out of impatience
    may_go_on.set()
    until(lambda: "is back" in named.footer.text)
    np.testing.assert_array_equal(viewer.layers["cells annotations"].data, painted)
    until(lambda: not named.projects._jobs.is_running and not named.projects._showing.is_running)
    assert names(viewer) == ["cells", "cells annotations"]


def test_objects_under_review_come_back_with_it(spoco, viewer, tmp_path, until) -> None:
    """Nothing is painted, and there is no project yet."""
    viewer.add_image(np.random.default_rng(0).random((64, 64)), name="cells")
    find_objects(spoco, viewer)
    begin_review(spoco, viewer, until)
    spoco.review.action_buttons["accept"].click()
    until(lambda: spoco.reviewing.queue.accepted)
    viewer.layers.remove("cells objects")
    assert spoco.review.summary.text() == (
        "The review has ended: its layer was removed. It is kept, and the review with it; the menu on top brings it "
        "back."
    )
    assert entries(spoco) == ["cells objects"]
    until(lambda: "Removed, but kept: “cells objects”" in spoco.footer.text)
    spoco.footer.back_button.click()
    until(lambda: spoco.footer.text == "“cells objects” is back.")
    begin_review(spoco, viewer, until)
    assert spoco.reviewing.queue.accepted == {7}


def test_a_review_of_another_image_goes_on(named, viewer, until, qtbot) -> None:
    viewer.add_image(np.random.default_rng(1).random((64, 64)), name="others")
    named.images.choose(viewer.layers["others"].__wrapped__)
    find_objects(named, viewer, "others")
    named.review.labels.choose(viewer.layers["others objects"].__wrapped__)
    named.tabs.reveal(named.review.start_button)
    named.review.start_button.click()
    until(lambda: named.reviewing.queue is not None and not named.reviewing.is_busy)
    viewer.layers.remove("cells annotations")
    until(lambda: not named.footer.back_button.isHidden())
    reviewed, active = named.reviewing.layer, viewer.layers.selection.active
    qtbot.mouseClick(named.footer.back_button, Qt.MouseButton.LeftButton)
    until(lambda: named.footer.text == "“cells annotations” is back, hidden: “others” is on show.")
    assert named.annotate.image.layer().name == "others"
    assert named.reviewing.layer is reviewed
    assert viewer.layers.selection.active == active
    assert not viewer.layers["cells annotations"].visible
    assert viewer.layers["others"].visible
    assert named.tabs.current_title == "Review"
    named.annotate.image.choose(viewer.layers["cells"].__wrapped__)
    assert named.annotate.annotations.layer().name == "cells annotations"


def test_objects_that_nobody_has_looked_at_come_back(spoco, viewer, tmp_path, until) -> None:
    viewer.add_image(np.random.default_rng(0).random((64, 64)), name="cells")
    find_objects(spoco, viewer)
    spoco.projects._save()  # There is nothing to keep yet.
    until(lambda: not spoco.projects._jobs.is_running)
    assert not untitled(tmp_path)
    viewer.layers.remove("cells objects")
    until(lambda: not spoco.footer.back_button.isHidden())
    spoco.footer.back_button.click()
    until(lambda: spoco.footer.text == "“cells objects” is back.")
    assert (viewer.layers["cells objects"].data == 7).any()


def test_all_that_was_removed_comes_back(named, viewer, until) -> None:
    find_objects(named, viewer)
    viewer.layers.clear()
    until(lambda: "“cells annotations”" in named.footer.text and "“cells objects”" in named.footer.text)
    named.footer.back_button.click()
    until(lambda: {"cells", "cells annotations", "cells objects"} == set(names(viewer)))
    until(lambda: not named.projects._jobs.is_running and not named.projects._showing.is_running)
    assert entries(named) == []
    assert len(viewer.layers) == 3


def test_every_result_comes_back(ready, viewer, tmp_path, until) -> None:
    """Without a project of a name, and before anything was saved."""
    find_objects(ready, viewer)
    viewer.layers["cells objects"].paint((50, 50), 8)
    find_objects(ready, viewer)
    viewer.layers.remove("cells objects")
    assert entries(ready) == ["cells objects"]
    until(lambda: "Removed, but kept: “cells objects”" in ready.footer.text)
    ready.footer.back_button.click()
    until(lambda: ready.footer.text == "“cells objects” is back.")
    assert (viewer.layers["cells objects"].data == 8).any()
    viewer.layers.remove("cells objects 2")
    assert entries(ready) == ["cells objects 2"]
    choose(ready, "cells objects 2")
    until(lambda: ready.footer.text == "“cells objects 2” is back.")
    assert not (viewer.layers["cells objects 2"].data == 8).any()
    assert entries(ready) == []


def test_objects_that_were_changed_by_hand_keep_their_place(named, viewer, until) -> None:
    find_objects(named, viewer)
    viewer.layers["cells objects"].paint((50, 50), 8)
    viewer.layers.remove("cells objects")
    save(named, until)
    find_objects(named, viewer)
    save(named, until)
    choose(named, "cells objects")
    until(lambda: "“cells objects” is back" in named.footer.text)
    assert (viewer.layers["cells objects 2"].data == 8).any()
    assert not (viewer.layers["cells objects"].data == 8).any()


def save(widget, until) -> None:
    widget.projects._save()
    until(lambda: not widget.projects._jobs.is_running)


def test_objects_whose_image_was_deleted_are_not_listed(named, viewer, tmp_path, until) -> None:
    find_objects(named, viewer)
    viewer.layers.remove("cells")
    assert entries(named) == []
    named.projects._save()
    until(lambda: not named.projects._jobs.is_running)
    assert entries(named) == []
    assert not Project.open(tmp_path / "my project").image("cells").closed


def test_what_is_removed_is_kept_until_it_could_be_saved(named, viewer, tmp_path, until, monkeypatch) -> None:
    viewer.layers["cells annotations"].paint((50, 50), 9)
    viewer.layers.remove("cells annotations")
    monkeypatch.setattr(ProjectWriter, "_write_annotations", no_space)
    named.projects._save()
    until(lambda: named.projects.bar.status.text() == "not saved")
    monkeypatch.undo()
    named.projects._save()
    until(lambda: named.projects.bar.status.text() != "not saved")
    assert (Project.open(tmp_path / "my project").annotations("cells") == 9).any()


def no_space(*_) -> None:
    raise OSError("No space left on device")


def test_objects_of_an_image_that_was_deleted_meanwhile_are_refused(named, viewer) -> None:
    """They belong to no image, so that they could not be saved."""
    image = viewer.layers["cells"].__wrapped__
    named.segmenting._image = image
    viewer.layers.remove("cells")
    named.session.segmented.emit(SegmentationResult(np.ones((64, 64), np.uint32), 1))
    assert names(viewer) == ["cells annotations"]
    assert "expected “cells” in the layer list; it was removed meanwhile" in named.footer.text


def test_what_is_empty_is_not_spoken_of(spoco, viewer, until, qtbot) -> None:
    viewer.add_image(np.random.default_rng(0).random((64, 64)), name="cells")
    spoco.annotate.new_button.click()
    viewer.layers.remove("cells annotations")
    qtbot.wait(50)
    assert entries(spoco) == []
    assert "Removed" not in spoco.footer.text


def test_the_menu_has_what_another_session_removed(named, viewer, tmp_path, until, start) -> None:
    find_objects(named, viewer)
    viewer.layers.remove("cells annotations")
    leave(named, tmp_path / "my project", until)
    assert Project.open(tmp_path / "my project").image("cells").closed == ("annotations",)
    again = start()
    again.projects.bar.open_requested.emit(str(tmp_path / "my project"))
    until(lambda: "restored" in again.footer.text)
    assert entries(again) == ["cells annotations"]
    choose(again, "cells annotations")
    until(lambda: "“cells annotations” is back" in again.footer.text)
    assert entries(again) == []


def test_a_new_project_leaves_what_was_removed_before_it(ready, viewer, tmp_path, until) -> None:
    """That is in the project without a name, which the menu offers as well."""
    find_objects(ready, viewer)
    viewer.layers.remove("cells annotations")
    until(lambda: not ready.footer.back_button.isHidden())
    ready.projects._save()
    until(lambda: untitled(tmp_path) and not ready.projects._jobs.is_running)
    (folder,) = untitled(tmp_path)
    ready.projects.bar.new_requested.emit(str(tmp_path / "my project"))
    until(lambda: ready.projects.folder is not None and not ready.projects._jobs.is_running)
    assert Project.open(folder).annotations("cells").any()
    assert entries(ready) == []
    texts = [action.text() for action in ready.projects.bar.menu.actions()]
    assert "Painted without a project" in texts


def test_a_part_of_an_image_counts_once(tmp_path) -> None:
    project = Project.create(tmp_path / "recovery" / "2026-01-01 10.00.00 1")
    for name, is_copy in (("whole", False), ("part", True)):
        project.add_image(np.arange(64, dtype=np.uint8).reshape(8, 8), name, ndim=2)
        project.set_annotations(name, np.eye(8, dtype=np.int32))
        project.change_image(name, is_copy=is_copy)
    (left,) = ProjectFolders(tmp_path).untitled()
    assert left.n_painted == 1
    assert left.offer.startswith("Restore 2 images, 1 painted object and the settings")


def test_a_cropped_part_is_known_as_one(named, viewer, tmp_path, until) -> None:
    named.annotating.crop_here()
    until(lambda: len(viewer.layers) == 4)
    named.projects._save()
    until(lambda: [image.is_copy for image in Project.open(tmp_path / "my project").images] == [False, True])


def test_export_has_what_was_found_after_reopening(named, viewer, tmp_path, until, start) -> None:
    find_objects(named, viewer)
    leave(named, tmp_path / "my project", until)
    again = start()
    assert again.export.labels.key() == "none"
    again.projects.bar.open_requested.emit(str(tmp_path / "my project"))
    until(lambda: "restored" in again.footer.text)
    assert again.export.labels.layer().name == "cells objects"
    assert again.export.save_button.isEnabled()
    again.export.labels.choose(viewer.layers["cells annotations"].__wrapped__)
    viewer.layers.selection.active = viewer.layers["cells"]
    assert again.export.labels.layer().name == "cells annotations"
