"""In which other image the window advises to paint the next object."""

from __future__ import annotations

import numpy as np
import pytest
from tests.qt.conftest import make_image, paint

from napari_spoco._qt.annotate import spreading


@pytest.fixture
def three(spoco, viewer):
    """Return the widget with three images, of which the last one is chosen, and none is annotated."""
    for name in ("first", "second", "third"):
        viewer.add_image(make_image(), name=name)
    return spoco


def begin(spoco, viewer, name: str, n_objects: int = 1) -> None:
    """Go to an image, and paint objects in it."""
    spoco.images.bring_up(viewer.layers[name])
    if spoco.annotate.annotations.layer() is None:
        spoco.annotate.press("new_object")
    paint(viewer.layers[f"{name} annotations"], n_objects)
    spoco.annotate.count()


def advice(spoco) -> str:
    return spoco.annotate._advice.text()


def test_the_next_object_is_wanted_where_there_is_none(three, viewer) -> None:
    begin(three, viewer, "third")
    assert "Paint the next one in “first”" in advice(three)
    begin(three, viewer, "first")
    assert "Paint the next one in “second”" in advice(three)
    begin(three, viewer, "second")
    assert advice(three).endswith("Five or six objects are a good start.")
    begin(three, viewer, "second", 4)
    assert "strokes of background" in advice(three)


def test_what_was_not_painted_in_is_still_wanted(three, viewer) -> None:
    begin(three, viewer, "first", 0)
    begin(three, viewer, "third")
    assert "Paint the next one in “first”" in advice(three)


def test_images_that_come_and_go_are_followed(three, viewer) -> None:
    begin(three, viewer, "first")
    viewer.layers["second"].name = "renamed"
    assert "“renamed”" in advice(three)
    viewer.layers.remove("renamed")
    assert "“third”" in advice(three)
    viewer.layers.remove("third")
    assert advice(three).endswith("Five or six objects are a good start.")
    viewer.add_image(make_image(), name="new")
    three.images.bring_up(viewer.layers["first"])
    assert "“new”" in advice(three)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param({"data": np.zeros((3, 64, 64)), "name": "channels"}, id="channels"),
        pytest.param({"data": np.zeros((9, 64, 64)), "name": "stack"}, id="stack"),
        pytest.param({"data": np.zeros((2, 2, 9, 64, 64)), "name": "series"}, id="series"),
        pytest.param({"data": np.zeros((64, 64)), "name": "seen through", "opacity": 0.5}, id="looked at together"),
    ],
)
def test_what_cannot_be_trained_on_together_is_not_advised(ready, viewer, image) -> None:
    viewer.add_image(**image)
    ready.images.bring_up(viewer.layers["cells"])
    assert advice(ready).endswith("Five or six objects are a good start.")


def test_after_as_many_images_as_were_tried_no_other_is_wanted(three, viewer, monkeypatch) -> None:
    monkeypatch.setattr(spreading, "_ENOUGH_IMAGES", 2)
    begin(three, viewer, "first")
    assert "“second”" in advice(three)
    begin(three, viewer, "second")
    assert "“third”" not in advice(three)


def test_who_has_spread_objects_is_told_to_train_on_all_images(three, viewer) -> None:
    for name in ("first", "second", "third"):
        begin(three, viewer, name)
    three.tabs.reveal(three.train.train_button)
    assert "choose all of them in Train on" in three.footer.hint.text()
    three.train.train_on.choose_all(True)
    assert "choose all of them" not in three.footer.hint.text()
