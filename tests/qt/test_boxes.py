"""Fully annotated boxes: from rectangles in the world to pixels of the annotations, and into the request."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels, Shapes

from napari_spoco._qt.layers.layers import read_boxes


def rectangle(*corners: tuple[float, ...]) -> np.ndarray:
    """Return the corners of a rectangle; in 3D all in the plane of the first one."""
    (*plane, y0, x0), (*_, y1, x1) = corners
    return np.array([(*plane, y, x) for y, x in ((y0, x0), (y0, x1), (y1, x1), (y1, x0))])


def labels(shape: tuple[int, ...] = (40, 30), **geometry) -> Labels:
    return Labels(np.zeros(shape, np.int32), **geometry)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        pytest.param(((2, 3), (10, 20)), (slice(2, 11), slice(3, 21)), id="on centres"),
        pytest.param(((1.6, 2.6), (10.4, 20.4)), (slice(2, 11), slice(3, 21)), id="between centres"),
        pytest.param(((-9, -9), (99, 99)), (slice(0, 40), slice(0, 30)), id="cut off at the border"),
        pytest.param(((5.3, 3), (5.4, 20)), (slice(5, 6), slice(3, 21)), id="thinner than a pixel"),
    ],
)
def test_pixels_whose_centres_are_inside(drawn, expected) -> None:
    assert read_boxes(Shapes([rectangle(*drawn)]), labels()) == (expected,)


def test_in_a_stack_a_rectangle_covers_its_plane() -> None:
    shapes = Shapes([rectangle((plane, 2, 3), (plane, 10, 20)) for plane in (1, 1.4, 6)])
    rows_and_columns = slice(2, 11), slice(3, 21)
    expected = tuple((slice(z, z + 1), *rows_and_columns) for z in (1, 1, 6))
    assert read_boxes(shapes, labels((8, 40, 30))) == expected


def test_a_rectangle_drawn_from_the_side_covers_its_planes() -> None:
    side = np.array([(1, 5, 2), (1, 5, 9), (4, 5, 9), (4, 5, 2)])  # in the plane of z and x
    assert read_boxes(Shapes([side]), labels((8, 40, 30))) == ((slice(1, 5), slice(5, 6), slice(2, 10)),)


@pytest.mark.parametrize(
    ("of_shapes", "of_labels"),
    [
        pytest.param({"scale": (2.0, 2.0)}, {"scale": (0.5, 0.25)}, id="scale"),
        pytest.param({"translate": (7.0, -3.0)}, {"scale": (0.5, 0.25), "translate": (1.0, 2.0)}, id="translation"),
        pytest.param({"scale": (0.5, 0.5), "rotate": 90}, {"scale": (0.5, 0.5)}, id="quarter turn"),
        pytest.param({"rotate": 30.0, "scale": (2, 1)}, {"rotate": 30.0, "scale": (0.5, 0.25)}, id="turned together"),
        pytest.param({"affine": np.diag([2.0, 3.0, 1.0])}, {"shear": [0.0]}, id="affine"),
        pytest.param(
            {"units": ("nanometer",) * 2, "scale": (500, 500)}, {"units": ("micrometer",) * 2}, id="other units"
        ),
        pytest.param({}, {"units": ("micrometer",) * 2}, id="a unit and none"),
    ],
)
def test_boxes_lie_where_the_rectangles_do_in_the_world(of_shapes, of_labels) -> None:
    target, shapes = labels(**of_labels), Shapes(ndim=2, **of_shapes)
    wanted = np.array([(3.7, 4.7), (3.7, 12.3), (20.3, 12.3), (20.3, 4.7)])
    ratio = 1000 if "nanometer" in str(shapes.units[0]) else 1
    corners = [shapes.world_to_data(np.array(target.data_to_world(corner)) * ratio) for corner in wanted]
    shapes.add_rectangles([np.array(corners)])
    assert read_boxes(shapes, target) == ((slice(4, 21), slice(5, 13)),)


@pytest.mark.parametrize(
    ("shapes", "target", "sentence"),
    [
        pytest.param(
            lambda: Shapes([rectangle((2, 3), (10, 20))], shape_type="ellipse"), labels(), "got a ellipse", id="ellipse"
        ),
        pytest.param(
            lambda: Shapes([[(0, 10), (10, 20), (20, 10), (10, 0)]]), labels(), "which is turned", id="turned"
        ),
        pytest.param(lambda: Shapes([rectangle((50, 3), (60, 9))]), labels(), "which is outside", id="outside"),
        pytest.param(
            lambda: Shapes([rectangle((2, 3), (10, 20))], name="odd"),
            labels((8, 40, 30)),
            "3 axes of the annotations, got 2 in the layer “odd”",
            id="other axes",
        ),
    ],
)
def test_other_shapes_are_refused(shapes, target, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_boxes(shapes(), target)


def test_boxes_reach_the_request(ready, viewer, processes, until) -> None:
    viewer.add_shapes([rectangle((2, 3), (10, 20))], name="complete")
    ready.annotate.boxes.choose(viewer.layers["complete"])
    ready.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    assert processes.last.request.boxes == (((slice(2, 11), slice(3, 21)),),)


def test_without_a_choice_there_are_none(ready, viewer, processes, until) -> None:
    viewer.add_shapes([rectangle((2, 3), (10, 20))])
    ready.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    assert processes.last.request.boxes == ((),)


def test_an_odd_shape_is_a_sentence(ready, viewer, processes) -> None:
    viewer.add_shapes([rectangle((50, 70), (60, 90))], name="beside")
    ready.annotate.boxes.choose(viewer.layers["beside"])
    ready.train.train_button.click()
    assert "boxes: expected rectangles inside" in ready.footer.text
    assert not processes.made


# Strokes that are no objects


def annotations_group(widget):
    return widget.train.settings.advanced.group("annotations")


def about(widget) -> str:
    return widget.annotate._about_annotations.text()


def test_a_background_label_is_no_object(ready, processes, until) -> None:
    assert about(ready) == "3 objects painted, median size 25 pixels"
    annotations_group(ready).editor("background_label").setValue(3)
    assert about(ready) == "2 objects painted, median size 25 pixels; label 3 counts as background (25 pixels)"
    annotations_group(ready).editor("ignore_label").setValue(2)
    assert about(ready).endswith("label 3 counts as background (25 pixels); label 2 is ignored")
    ready.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    meaning = processes.last.request.config.annotations
    assert (meaning.background_label, meaning.ignore_label) == (3, 2)


def test_background_alone_is_not_enough(ready, viewer, processes, until) -> None:
    layer = viewer.layers["cells annotations"]
    layer.data[layer.data > 1] = 0
    annotations_group(ready).editor("background_label").setValue(1)
    ready.train.train_button.click()
    until(lambda: not ready.session.state.is_busy)
    assert "at least one annotated object" in ready.footer.text
    assert not processes.made
