"""The colours of the layer under review: neighbours differ, and keep their colours afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from skimage.color import rgb2lab

from napari_spoco._qt.review import colouring
from napari_spoco._qt.review.colouring import Colouring

ROUND = 49
"""Colours of napari: ids so far apart are alike."""
LEFT, RIGHT, APART = 1, 1 + ROUND, 1 + 2 * ROUND
"""Two that touch, and one that does not."""


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def layer(request, viewer):
    plane = np.zeros((32, 48), np.uint32)
    plane[4:20, 4:12], plane[4:20, 12:20], plane[4:20, 30:40] = LEFT, RIGHT, APART
    pixels = np.stack([plane] * 3) if request.param == 3 else plane
    return viewer.add_labels(pixels, name="found").__wrapped__  # Else nothing of it is the same twice.


def distance(layer, first: int, second: int) -> float:
    colours = np.array([[layer.get_color(one)[:3] for one in (first, second)]], float)
    return float(np.linalg.norm(np.diff(rgb2lab(colours)[0], axis=0)))


def box_of(layer, label: int) -> tuple[slice, ...]:
    return tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in np.nonzero(layer.data == label))


def test_neighbours_differ_also_after_the_end(layer, until: Callable) -> None:
    colour = layer.get_color(APART).tolist()
    assert distance(layer, LEFT, RIGHT) == 0
    painted = layer.data.copy()
    colours = Colouring(layer)
    until(lambda: distance(layer, LEFT, RIGHT) > 30)
    assert layer.get_color(APART).tolist() == colour
    layer.show_selected_label, layer.selected_label = True, RIGHT
    colours.end()
    assert distance(layer, LEFT, RIGHT) > 30
    assert (layer.colormap.use_selection, layer.colormap.selection) == (True, RIGHT)
    np.testing.assert_array_equal(layer.data, painted)


def test_a_new_object_differs_from_what_it_touches(layer, until: Callable) -> None:
    colours = Colouring(layer)
    until(lambda: distance(layer, LEFT, RIGHT) > 30)
    new = RIGHT + 100 * ROUND
    layer.data[..., 20:26, 4:20] = new
    assert distance(layer, RIGHT, new) == 0
    others = [layer.get_color(one).tolist() for one in (LEFT, RIGHT, APART)]
    colours.follow({new: box_of(layer, new)})
    until(lambda: min(distance(layer, one, new) for one in (LEFT, RIGHT)) > 30)
    assert [layer.get_color(one).tolist() for one in (LEFT, RIGHT, APART)] == others


def test_what_changes_during_a_job_is_looked_at_after_it(layer, until: Callable, monkeypatch) -> None:
    may_go, run = threading.Event(), colouring.run_telling_apart

    def wait_first(*args):
        may_go.wait(10)
        return (yield from run(*args))

    monkeypatch.setattr(colouring, "run_telling_apart", wait_first)
    colours = Colouring(layer)
    new = APART + 100 * ROUND
    layer.data[..., 20:26, 30:40] = new
    colours.follow({})
    colours.follow({new: box_of(layer, new), LEFT: box_of(layer, LEFT)})
    may_go.set()
    until(lambda: distance(layer, LEFT, RIGHT) > 30 and distance(layer, APART, new) > 30)


def test_colours_of_the_user_stay(layer, until: Callable, qtbot) -> None:
    colours = Colouring(layer)
    until(lambda: distance(layer, LEFT, RIGHT) > 30)
    layer.new_colormap(3)  # As napari's own button does.
    chosen = layer.colormap
    colours.follow({LEFT: box_of(layer, LEFT)})
    qtbot.wait(100)
    colours.end()
    assert layer.colormap is chosen


@pytest.mark.parametrize(
    "colormap",
    [
        DirectLabelColormap(color_dict={None: "red", LEFT: "blue"}),
        CyclicLabelColormap(colors=[[0, 0, 0, 0], [1, 0, 0, 1]]),
    ],
    ids=["one each", "one for all"],
)
def test_where_there_is_no_round_of_colours_nothing_is_done(layer, colormap, qtbot) -> None:
    layer.colormap = colormap
    chosen = layer.colormap
    colours = Colouring(layer)
    colours.follow({LEFT: box_of(layer, LEFT)})
    qtbot.wait(100)
    colours.end()
    assert layer.colormap is chosen


def test_what_goes_wrong_leaves_the_colours(layer, until: Callable, monkeypatch, caplog) -> None:
    def fail(*_args):
        yield
        raise MemoryError

    monkeypatch.setattr(colouring, "run_telling_apart", fail)
    before = layer.colormap
    colours = Colouring(layer)
    until(lambda: "keep their colours" in caplog.text)
    colours.end()
    assert layer.colormap is before
