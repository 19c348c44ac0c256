"""Annotations whose image is not there are kept in the entry that they are of, and nothing else of it changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.qt.test_project_window import annotate_another, find_objects, kept, leave
from tests.qt.test_removed_layers import choose, entries

from napari_spoco._qt.layers.image_axes import set_axes
from napari_spoco._qt.project import projects
from napari_spoco._qt.widget import SpocoWidget
from napari_spoco.config import AnnotationConfig
from napari_spoco.project.file import ProjectImage
from napari_spoco.project.project import Project


@pytest.fixture(autouse=True)
def _fast(monkeypatch) -> None:
    monkeypatch.setattr(projects, "_MILLISECONDS", 20)


@pytest.fixture
def left(named, viewer, tmp_path, until) -> Path:
    """Return a project of “cells”, with a box and objects, whose image has gone, and of “others”."""
    viewer.add_shapes([[[0, 0], [0, 9], [9, 9], [9, 0]]], name="boxes")
    named.annotate.boxes.choose(viewer.layers["boxes"].__wrapped__)
    find_objects(named, viewer)
    annotate_another(named, viewer, until)
    folder = tmp_path / "my project"
    leave(named, folder, until)
    (folder / "images" / "cells.tif").rename(tmp_path / "away.tif")
    return folder


@pytest.fixture
def alone(left, until, start) -> SpocoWidget:
    """Return the widget in which the project was opened."""
    return open_project(left, until, start)


def open_project(folder: Path, until, start) -> SpocoWidget:
    again = start()
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: "restored" in again.footer.text and not again.projects.is_switching)
    return again


def entry_of(folder: Path, name: str = "cells") -> ProjectImage:
    return Project.open(folder).image(name)


def test_strokes_come_back_with_the_image(left, viewer, tmp_path, until, start) -> None:
    before, found = entry_of(left), Project.open(left).result("cells")
    assert before.boxes
    assert before.painted == ("annotations", "objects")
    again = open_project(left, until, start)
    assert "What was painted in it is shown by itself, and saved." in again.footer.text
    assert "cells" not in viewer.layers
    assert entries(again) == ["cells objects"]
    group = again.train.settings.advanced.group("annotations")
    group.set_values(AnnotationConfig(background_label=3))
    group.changed.emit()
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: (kept(left) == 9).any())
    until(lambda: entry_of(left, "others").meaning.background_label == 3)
    until(lambda: again.projects.bar.status.text().startswith("saved"))
    assert entry_of(left) == before.model_copy(update={"n_painted": before.n_painted + 1})
    np.testing.assert_array_equal(Project.open(left).result("cells"), found)
    leave(again, left, until)
    assert entry_of(left).closed == ()
    (tmp_path / "away.tif").rename(left / "images" / "cells.tif")
    open_project(left, until, start)
    assert (viewer.layers["cells annotations"].data == 9).any()
    np.testing.assert_array_equal(viewer.layers["cells objects"].data, found)
    assert {"cells", "cells boxes"} < {layer.name for layer in viewer.layers}


@pytest.mark.parametrize("is_in_use", [False, True])
def test_an_image_that_is_found_again_is_of_the_same_entry(alone, left, viewer, until, is_in_use) -> None:
    """Also where the project has it already, since it was in use."""
    before = entry_of(left)
    image = viewer.add_image(np.random.default_rng(0).random((64, 64), np.float32), name="found again")
    if is_in_use:
        set_axes(image.__wrapped__, "YX")
        alone.projects._watch.follow()
        until(lambda: len(Project.open(left).images) == 3)
    alone.images.choose(image.__wrapped__)
    alone.annotate.annotations.choose(viewer.layers["cells annotations"].__wrapped__)
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: entry_of(left).title == "found again" and (kept(left) == 9).any())
    project = Project.open(left)
    assert [entry.name for entry in project.images if entry.painted] == ["cells", "others"]
    np.testing.assert_array_equal(project.read_image("cells").data[0], image.data)
    assert entry_of(left).boxes == before.boxes
    assert (project.result("cells") == 7).any()
    choose(alone, "found again objects")
    until(lambda: "“found again objects” is back" in alone.footer.text)
    assert (viewer.layers["found again objects"].data == 7).any()


def test_another_image_of_the_project_is_not_the_one_that_was_not_there(alone, left, viewer, until) -> None:
    before, painted = entry_of(left), kept(left)
    assert alone.annotate.image.layer().name == "others"
    alone.annotate.annotations.choose(viewer.layers["cells annotations"].__wrapped__)
    until(lambda: entry_of(left).closed == ("annotations",))  # What is saved are the pixels of this moment.
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: (kept(left, "others 2") == 9).any())
    assert entry_of(left) == before.model_copy(update={"closed": ("annotations",)})
    np.testing.assert_array_equal(kept(left), painted)
    assert entry_of(left, "others 2").file == entry_of(left, "others").file


def test_an_image_that_nobody_has_chosen_for_them_is_another_one(alone, left, viewer, until) -> None:
    before = entry_of(left)
    for name in ("others annotations", "others"):
        viewer.layers.remove(name)
    alone.annotate.annotations.choose(viewer.layers["cells annotations"].__wrapped__)
    viewer.add_image(np.random.default_rng(0).random((64, 64)), name="third")
    assert alone.annotate.image.layer().name == "third"
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: (kept(left) == 9).any())
    assert entry_of(left).file == before.file


def test_they_are_kept_when_they_are_removed(alone, left, viewer, until) -> None:
    viewer.layers["cells annotations"].paint((50, 50), 9)
    viewer.layers.remove("cells annotations")
    until(lambda: "Removed, but kept in the project: “cells annotations”" in alone.footer.text)
    until(lambda: (kept(left) == 9).any() and entry_of(left).closed == ("annotations",))
    alone.footer.back_button.click()
    until(lambda: alone.footer.text.startswith("“cells annotations” is back. “cells” cannot be shown:"))
    assert (viewer.layers["cells annotations"].data == 9).any()
    viewer.layers["cells annotations"].paint((50, 50), 10)
    until(lambda: (kept(left) == 10).any() and not entry_of(left).closed)
    choose(alone, "cells objects")
    until(lambda: alone.footer.text.startswith("“cells” cannot be shown:"))
    assert (Project.open(left).result("cells") == 7).any()


def test_a_new_project_has_them(alone, left, viewer, tmp_path, until) -> None:
    before, folder = entry_of(left), tmp_path / "another"
    alone.projects.bar.new_requested.emit(str(folder))
    until(lambda: alone.projects.folder == folder)
    known = entry_of(folder)
    assert (known.file, known.boxes) == (str(left / "images" / "cells.tif"), before.boxes)
    np.testing.assert_array_equal(kept(folder), kept(left))
    assert known.painted == ("annotations",)
    viewer.layers["cells annotations"].paint((50, 50), 9)
    until(lambda: (kept(folder) == 9).any())
    assert entry_of(left) == before


def test_closing_the_project_takes_them_away(alone, viewer, until) -> None:
    alone.projects.bar.close_requested.emit()
    until(lambda: alone.projects.folder is None)
    assert not viewer.layers
