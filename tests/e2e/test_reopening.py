"""A project is closed and opened again: a review goes on as if the window had stayed open, undone to its start, too."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def reviewed(person):
    """Find nuclei with a shipped model, keep them in a project, and begin a review; return the layer."""
    widget = person.widget
    person.viewer.open_sample("napari-spoco", "nuclei")
    start = widget.train.start
    index = start.findText("nuclei-small")
    start.setCurrentIndex(index)
    start.activated.emit(index)
    person.rest()
    person.segment()
    widget.projects.bar.new_requested.emit(str(person.folder / "nuclei project"))
    person.wait(lambda: widget.projects.folder is not None)
    return begin_review(person)


def begin_review(person):
    review = person.widget.review
    layer = person.viewer.layers["nuclei objects"]
    review.labels.choose(layer)
    person.press(review.start_button)
    person.wait(lambda: person.widget.reviewing.queue is not None and not person.widget.reviewing.is_busy)
    return layer


def act(person, name: str) -> None:
    button = person.widget.review.action_buttons[name]
    assert button.isEnabled(), name
    person.press(button)
    person.wait(lambda: not person.widget.reviewing.is_busy)


@pytest.mark.slow
def test_corrections_are_undone_after_the_project_was_opened_again(person, reviewed) -> None:
    viewer, folder = person.viewer, person.folder / "nuclei project"
    states = [reviewed.data.copy()]
    for name in ("reject", "grow", "reject", "grow"):
        act(person, name)
        states.append(reviewed.data.copy())
    act(person, "undo")
    act(person, "accept")
    n_rejected, accepted = len(person.widget.reviewing.queue.rejected), person.widget.reviewing.queue.accepted
    viewer.window.remove_dock_widget(person.widget)
    viewer.layers.clear()

    _, person.widget = viewer.window.add_plugin_dock_widget("napari-spoco", "SPOCO")
    person.widget.projects.bar.open_requested.emit(str(folder))
    person.wait(lambda: "restored" in person.widget.footer.text)
    layer = begin_review(person)
    np.testing.assert_array_equal(layer.data, states[3])
    assert (len(person.widget.reviewing.queue.rejected), person.widget.reviewing.queue.accepted) == (2, accepted)
    assert n_rejected == 2
    act(person, "undo")  # Accept
    for state in reversed(states[:3]):
        act(person, "undo")
        np.testing.assert_array_equal(layer.data, state)
    assert not person.widget.review.action_buttons["undo"].isEnabled()
    assert not person.widget.reviewing.queue.rejected
    for state in states[1:4]:
        act(person, "redo")
        np.testing.assert_array_equal(layer.data, state)
    assert len(person.widget.reviewing.queue.rejected) == 2
