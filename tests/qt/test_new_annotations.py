"""Annotations that are no brush strokes: an empty layer, a picked object, accepted objects."""

from __future__ import annotations

from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
from napari_spoco._qt.annotate.new_annotations import NewAnnotations
from napari_spoco._qt.embeddings.picking_job import Picked
from napari_spoco._qt.layers.layers import LINK, MAKER, identity
from napari_spoco._qt.review.review_job import AcceptedObjects

PICKED = Picked(np.ones((2, 3), bool), (4, 5))


@pytest.fixture
def made(qtbot, until):
    viewer = ViewerModel()
    tab = AnnotateTab(viewer)
    qtbot.addWidget(tab)
    new = NewAnnotations(viewer, tab)
    said: list[str] = []
    new.noticed.connect(lambda notice: said.append(notice.text))
    new.failed.connect(lambda error: said.append(str(error)))

    def hear() -> str:
        """Wait for the next sentence."""
        n_before = made.n_heard
        until(lambda: len(said) > n_before)
        made.n_heard = len(said)
        return said[-1]

    made = SimpleNamespace(viewer=viewer, tab=tab, new=new, said=said, n_heard=0, hear=hear)
    yield made
    tab.release()


def test_without_an_image_nothing_begins(made) -> None:
    made.new.begin()
    assert not made.viewer.layers
    assert not made.said


def test_an_image_with_too_many_axes_is_refused(made) -> None:
    made.viewer.add_image(np.zeros((2, 2, 3, 4, 5)))
    made.new.begin()
    assert len(made.viewer.layers) == 1
    assert "2 or 3 axes" in made.said[-1]


def test_annotations_that_are_not_in_memory_are_refused_and_the_next_pick_is_painted(made) -> None:
    made.viewer.add_image(np.zeros((20, 30)), name="cells")
    made.tab.annotations.choose(made.viewer.add_labels(da.zeros((20, 30), dtype=np.int32), name="lazy"))
    made.new.add_picked(PICKED)
    assert "expected pixels in memory" in made.hear()
    made.new.begin()
    made.new.add_picked(PICKED)
    assert "Annotated as object 1" in made.hear()


def test_a_picked_object_begins_annotations_and_is_painted_once(made) -> None:
    made.viewer.add_image(np.zeros((20, 30)), name="cells")
    made.new.add_picked(PICKED)
    assert "Annotated as object 1" in made.hear()
    layer = made.tab.annotations.layer()
    assert layer.name == "cells annotations"
    assert (layer.data[4:6, 5:8] == 1).all()
    assert layer.data.sum() == PICKED.mask.size
    made.new.add_picked(PICKED)
    assert "annotated already" in made.hear()
    assert layer.data.max() == 1
    layer.undo()
    assert not layer.data.any()


def test_a_picked_object_belongs_to_the_chosen_image_whatever_its_shape(made) -> None:
    small, large = (made.viewer.add_image(np.zeros(shape)) for shape in ((20, 30), (40, 50)))
    for image in (large, small):
        made.tab.image.choose(image)
        made.new.begin()
    made.new.add_picked(PICKED)
    made.hear()
    assert made.tab.annotations.layer().data.max() == 1
    made.tab.image.choose(large)
    made.new.add_picked(PICKED)
    assert made.said[-1] == "annotations: expected a Labels layer of the image's shape."


def test_accepted_objects_lie_where_those_do_that_were_reviewed(made) -> None:
    made.viewer.add_image(np.zeros((20, 30)))
    reviewed = made.viewer.add_labels(np.eye(20, 30, dtype=np.uint32), name="found", scale=(2, 3), translate=(1, 0))
    made.new.add_accepted(reviewed, AcceptedObjects(reviewed.data, {1: (slice(0, 20), slice(0, 30))}))
    layer = made.tab.annotations.layer()
    assert layer.name == "found accepted"
    assert layer.data.dtype == np.int32
    np.testing.assert_array_equal(layer.data, reviewed.data)
    np.testing.assert_array_equal(layer.data_to_world((3, 4)), reviewed.data_to_world((3, 4)))
    assert made.said == ["1 accepted object is now the annotations, in “found accepted”."]


@pytest.mark.parametrize("ndim", [2, 3])
def test_accepted_objects_are_added_to_what_is_painted(made, ndim) -> None:
    """A stroke and an object are painted; one of three accepted objects is on the latter."""
    shape = (3, 20, 30)[-ndim:]
    image = made.viewer.add_image(np.zeros(shape), name="cells")
    painted = np.zeros(shape, np.int32)
    painted[..., :2, :2], painted[..., 18:, :] = 6, 100
    annotations = made.viewer.add_labels(painted.copy(), name="mine", metadata={LINK: identity(image)})
    found = np.zeros(shape, np.uint32)
    found[..., 1:4, 1:4], found[..., 6:9, 6:9], found[..., 10:12, 10:20] = 1, 2, 9
    reviewed = made.viewer.add_labels(found, name="found", metadata={MAKER: identity(image)})
    ahead = (slice(0, 3),) * (ndim - 2)
    boxes = {1: np.s_[1:4, 1:4], 2: np.s_[6:9, 6:9], 9: np.s_[10:12, 10:20]}
    accepted = AcceptedObjects(found, {one: (*ahead, *box) for one, box in boxes.items()})
    made.new.add_accepted(reviewed, accepted)
    made.hear()
    assert made.tab.annotations.layer() is annotations
    assert len(made.viewer.layers) == 3
    expected = painted.copy()
    expected[found == 2], expected[found == 9] = 101, 102
    np.testing.assert_array_equal(annotations.data, expected)
    assert made.said[-1] == (
        "2 accepted objects are added to “mine”; undo there takes that back. 1 accepted object is painted on already, "
        "and left as painted."
    )
    made.new.add_accepted(reviewed, accepted)  # Once more, out of impatience.
    assert "3 accepted objects are painted on already" in made.hear()
    np.testing.assert_array_equal(annotations.data, expected)
    annotations.undo()
    np.testing.assert_array_equal(annotations.data, painted)
