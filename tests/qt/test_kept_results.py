"""Every layer of found objects is kept for itself: pressing Segment again takes nothing from a review."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer
from tests.qt.test_project_window import begin_review, leave, press, project_of, review_objects
from tests.qt.test_reopening import reopen, save_a_model, use

from napari_spoco._qt.project import projects
from napari_spoco._qt.segment.earlier_result import ModelInUse
from napari_spoco._qt.session import SessionState
from napari_spoco._qt.widget import SpocoWidget
from napari_spoco.config import SegmentationConfig


@pytest.fixture(autouse=True)
def _fast(monkeypatch) -> None:
    monkeypatch.setattr(projects, "_MILLISECONDS", 20)


def segment(spoco, until) -> None:
    """Press Segment, as a person does."""
    spoco.segment.quick.editor("method").set_value("consistency")
    spoco.segment.changed.emit()
    spoco.segment.segment_button.click()
    until(lambda: spoco.session.state is SessionState.SEGMENTING or spoco.session.embedded_image is not None)
    until(lambda: not spoco.session.state.is_busy)


def show(spoco, viewer, labels: np.ndarray) -> object:
    layer = spoco._results.show_objects(viewer.layers["cells"].__wrapped__, labels)
    spoco.projects._watch.follow()
    return layer


def test_a_review_outlives_the_next_segmentation(named, viewer, tmp_path, monkeypatch, until, start) -> None:
    use(named, save_a_model(tmp_path / "mine.safetensors"), monkeypatch, until)
    expected = review_objects(named, viewer, until)
    segment(named, until)
    assert [layer.name for layer in viewer.layers if "objects" in layer.name] == ["cells objects", "cells objects 2"]
    np.testing.assert_array_equal(viewer.layers["cells objects"].data, expected)
    other = viewer.layers["cells objects 2"].data.copy()
    until(lambda: len(project_of(tmp_path).images) == 2)
    leave(named, tmp_path / "my project", until)

    again = reopen(start, tmp_path / "my project", until)
    np.testing.assert_array_equal(viewer.layers["cells objects"].data, expected)
    np.testing.assert_array_equal(viewer.layers["cells objects 2"].data, other)
    assert not viewer.layers["cells objects"].visible
    assert viewer.layers["cells objects 2"].visible
    assert viewer.layers[-1].name == "cells annotations"
    assert len([layer for layer in viewer.layers if layer.name.startswith("cells")]) == 4
    begin_review(again, viewer, until)
    assert again.reviewing.queue.accepted == {2, 5}
    assert again.reviewing.queue.rejected == {7}
    press(again, "undo", until)
    assert (viewer.layers["cells objects"].data == 4).any()


def find(spoco, viewer, monkeypatch, model: str, label: int, **settings) -> None:
    """Show what a model has found, as a press of Segment does: one object."""
    used = ModelInUse(f"/models/{model}.safetensors", model, SegmentationConfig(**settings))
    monkeypatch.setattr(spoco.comparing, "_find_model", lambda: used)
    spoco.segmenting.segmented.emit(show(spoco, viewer, np.full((64, 64), label, np.uint32)))


def found(viewer) -> dict[str, int]:
    """Return which object is in which layer of objects."""
    return {layer.name: int(layer.data[9, 9]) for layer in viewer.layers if "objects" in layer.name}


@pytest.fixture
def restored(named, viewer, tmp_path, monkeypatch, until, start) -> SpocoWidget:
    """Return the widget after a restart, with what two models have found, the later one by two settings."""
    find(named, viewer, monkeypatch, "first", 1)
    find(named, viewer, monkeypatch, "second", 2)
    find(named, viewer, monkeypatch, "second", 3, min_size=3)
    leave(named, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    assert found(viewer) == {
        "cells objects": 3,
        "cells objects by first": 1,
        "cells objects with Smallest object auto": 2,
    }
    return again


def test_after_a_restart_results_go_where_they_went_before(restored, viewer, tmp_path, monkeypatch, until) -> None:
    find(restored, viewer, monkeypatch, "second", 4, min_size=3)
    find(restored, viewer, monkeypatch, "second", 5, min_size=6)
    assert found(viewer) == {
        "cells objects": 5,
        "cells objects by first": 1,
        "cells objects with Smallest object 3": 4,
    }
    find(restored, viewer, monkeypatch, "third", 6)
    assert found(viewer) == {
        "cells objects": 6,
        "cells objects by second": 5,
        "cells objects with Smallest object 3": 4,
    }
    until(lambda: {project_of(tmp_path).result(entry.name)[9, 9] for entry in project_of(tmp_path).images} == {4, 5, 6})
    assert len(project_of(tmp_path).images) == 3


@pytest.mark.parametrize(
    ("model", "min_size", "kept_as"),
    [("third", 3, "cells objects by second"), ("second", 7, "cells objects with Smallest object 3")],
)
def test_the_first_result_after_a_restart_is_compared_with_the_last_before(
    restored, viewer, monkeypatch, model, min_size, kept_as
) -> None:
    find(restored, viewer, monkeypatch, model, 4, min_size=min_size)
    assert found(viewer)[kept_as] == 3
    assert restored.segment.comparison.truth.currentText() == kept_as
    assert restored.segment.comparison.objects.currentText() == "cells objects"


def test_segmenting_after_a_restart_adds_no_layer_of_objects(
    named, viewer, tmp_path, monkeypatch, until, start
) -> None:
    use(named, save_a_model(tmp_path / "mine.safetensors"), monkeypatch, until)
    segment(named, until)
    leave(named, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    segment(again, until)
    assert sorted(found(viewer)) == ["cells objects"]


@pytest.mark.parametrize("is_before", [True, False], ids=["before the restart", "after it"])
def test_a_result_that_was_painted_on_is_the_users_after_a_restart(
    named, viewer, tmp_path, until, start, is_before
) -> None:
    show(named, viewer, np.eye(64, dtype=np.uint32))
    if is_before:
        viewer.layers["cells objects"].paint((40, 8), 5)
    leave(named, tmp_path / "my project", until)
    again = reopen(start, tmp_path / "my project", until)
    if not is_before:
        viewer.layers["cells objects"].paint((40, 8), 5)
    kept_pixels = viewer.layers["cells objects"].data.copy()
    for label in (2, 3):
        show(again, viewer, np.full((64, 64), label, np.uint32))
    assert sorted(found(viewer)) == ["cells objects", "cells objects 2"]
    np.testing.assert_array_equal(viewer.layers["cells objects"].data, kept_pixels)
    assert (viewer.layers["cells objects 2"].data == 3).all()


def test_a_result_of_an_older_project_is_the_users(named, viewer, tmp_path, until, start) -> None:
    """It does not say whether it was painted on."""
    show(named, viewer, np.eye(64, dtype=np.uint32))
    leave(named, tmp_path / "my project", until)
    project_of(tmp_path).change_image("cells", found_as="", found_by="")
    again = reopen(start, tmp_path / "my project", until)
    show(again, viewer, np.full((64, 64), 2, np.uint32))
    assert sorted(found(viewer)) == ["cells objects", "cells objects 2"]


def test_an_earlier_result_that_is_reviewed_gives_its_place_to_none(restored, viewer, monkeypatch, until) -> None:
    restored.review.labels.choose(viewer.layers["cells objects by first"].__wrapped__)
    restored.review.start_button.click()
    until(lambda: restored.reviewing.queue is not None)
    press(restored, "accept", until)
    restored.review.start_button.click()
    find(restored, viewer, monkeypatch, "third", 4)
    assert found(viewer)["cells objects by first"] == 1
    assert found(viewer)["cells objects by second"] == 3


def test_accepting_alone_keeps_a_result(named, viewer, tmp_path, until) -> None:
    """Nothing is painted or corrected then."""
    first = show(named, viewer, np.eye(64, dtype=np.uint32))
    begin_review(named, viewer, until)
    press(named, "accept", until)
    assert show(named, viewer, np.full((64, 64), 2, np.uint32)) is not first
    assert show(named, viewer, np.full((64, 64), 3, np.uint32)) is viewer.layers["cells objects 2"].__wrapped__
    until(lambda: [entry.n_found for entry in project_of(tmp_path).images] == [1, 1])
    assert [entry.review.accepted for entry in project_of(tmp_path).images] == [(1,), ()]
    np.testing.assert_array_equal(project_of(tmp_path).result("cells 2"), 3)


def test_a_reviewed_result_that_was_removed_gives_its_place_to_none(named, viewer, tmp_path, until) -> None:
    first = show(named, viewer, np.eye(64, dtype=np.uint32))
    begin_review(named, viewer, until)
    press(named, "accept", until)
    until(lambda: project_of(tmp_path).image("cells").review.accepted)
    viewer.layers.remove(first)
    show(named, viewer, np.full((64, 64), 2, np.uint32))
    until(lambda: len(project_of(tmp_path).images) == 2)
    until(lambda: project_of(tmp_path).image("cells").closed == ("objects",))
    np.testing.assert_array_equal(project_of(tmp_path).result("cells"), np.eye(64))


def test_a_removed_result_that_nobody_reviewed_gives_its_place_to_the_next(named, viewer, tmp_path, until) -> None:
    viewer.layers.remove(show(named, viewer, np.eye(64, dtype=np.uint32)))
    until(lambda: project_of(tmp_path).image("cells").result_file is not None)
    show(named, viewer, np.full((64, 64), 2, np.uint32))
    until(lambda: (project_of(tmp_path).result("cells") == 2).all())
    assert len(project_of(tmp_path).images) == 1


def test_the_tab_says_which_objects_were_reviewed(named, viewer, until) -> None:
    review_objects(named, viewer, until)
    show(named, viewer, np.eye(64, dtype=np.uint32))
    assert named.reviewing.layer is None
    named.review.labels.choose(viewer.layers["cells objects 2"].__wrapped__)
    assert "“cells objects” keeps its decisions" in named.review.summary.text()
    named.review.labels.choose(viewer.layers["cells objects"].__wrapped__)
    assert named.review.summary.text() == "2 accepted, 1 rejected so far; Start review goes on from there."


def duplicate(viewer, name: str):
    """Duplicate a layer as napari's list of layers does: the metadata goes with it."""
    layer = viewer.layers[name]
    pixels, state, kind = layer.as_layer_data_tuple()
    copy = Layer.create(pixels.copy(), {**state, "name": f"{name} copy"}, kind)
    viewer.layers.insert(viewer.layers.index(layer) + 1, copy)
    return copy


def test_a_duplicate_is_the_users(named, viewer, tmp_path, monkeypatch, until) -> None:
    find(named, viewer, monkeypatch, "first", 1)
    copy = duplicate(viewer, "cells objects")
    copy.data_setitem((np.array([9]), np.array([9])), 99)
    find(named, viewer, monkeypatch, "first", 2)
    assert found(viewer) == {"cells objects": 2, "cells objects copy": 99}
    find(named, viewer, monkeypatch, "second", 3)
    assert found(viewer) == {"cells objects": 3, "cells objects copy": 99, "cells objects by first": 2}

    def kept() -> set[int]:
        results = (project_of(tmp_path).result(entry.name) for entry in project_of(tmp_path).images)
        return {int(result[9, 9]) for result in results if result is not None}

    until(lambda: kept() == {2, 3, 99})


def test_a_duplicate_preview_is_offered_and_kept(named, viewer, tmp_path, until) -> None:
    named._results.show_preview(viewer.layers["cells"].__wrapped__, np.full((64, 64), 7, np.uint32), (0, 0))
    duplicate(viewer, "cells preview")
    offered = [named.export.labels.itemText(row) for row in range(named.export.labels.count())]
    assert "cells preview copy" in offered
    assert "cells preview" not in offered
    until(lambda: [entry for entry in project_of(tmp_path).images if entry.result_file is not None])
    (entry,) = [entry for entry in project_of(tmp_path).images if entry.result_file is not None]
    assert (project_of(tmp_path).result(entry.name) == 7).all()
