"""Every layer of found objects is kept for itself: pressing Segment again takes nothing from a review."""

from __future__ import annotations

import numpy as np
import pytest
from tests.qt.test_project_window import begin_review, leave, press, project_of, review_objects
from tests.qt.test_reopening import reopen, save_a_model, use

from napari_spoco._qt.project import projects
from napari_spoco._qt.session import SessionState


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
    assert [layer.name for layer in viewer.layers if "objects" in layer.name] == ["cells objects", "cells objects [1]"]
    np.testing.assert_array_equal(viewer.layers["cells objects"].data, expected)
    other = viewer.layers["cells objects [1]"].data.copy()
    until(lambda: len(project_of(tmp_path).images) == 2)
    leave(named, tmp_path / "my project", until)

    again = reopen(start, tmp_path / "my project", until)
    np.testing.assert_array_equal(viewer.layers["cells objects"].data, expected)
    np.testing.assert_array_equal(viewer.layers["cells objects [1]"].data, other)
    assert not viewer.layers["cells objects"].visible
    assert viewer.layers["cells objects [1]"].visible
    assert viewer.layers[-1].name == "cells annotations"
    assert len([layer for layer in viewer.layers if layer.name.startswith("cells")]) == 4
    begin_review(again, viewer, until)
    assert again.reviewing.queue.accepted == {2, 5}
    assert again.reviewing.queue.rejected == {7}
    press(again, "undo", until)
    assert (viewer.layers["cells objects"].data == 4).any()


def test_accepting_alone_keeps_a_result(named, viewer, tmp_path, until) -> None:
    """Nothing is painted or corrected then."""
    first = show(named, viewer, np.eye(64, dtype=np.uint32))
    begin_review(named, viewer, until)
    press(named, "accept", until)
    assert show(named, viewer, np.full((64, 64), 2, np.uint32)) is not first
    assert show(named, viewer, np.full((64, 64), 3, np.uint32)) is viewer.layers["cells objects [1]"].__wrapped__
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
    named.review.labels.choose(viewer.layers["cells objects [1]"].__wrapped__)
    assert "“cells objects” keeps its decisions" in named.review.summary.text()
    named.review.labels.choose(viewer.layers["cells objects"].__wrapped__)
    assert named.review.summary.text() == "2 accepted, 1 rejected so far; Start review goes on from there."
