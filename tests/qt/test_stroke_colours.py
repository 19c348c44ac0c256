"""Strokes have colours of their own, in the image, in the list and on the buttons; painting stays as quick."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from qtpy.QtCore import Qt
from skimage.color import rgb2lab

from napari_spoco._qt.annotate.stroke_colours import COLOURS, StrokeColours
from napari_spoco._qt.layers.label_colours import keep_apart, with_own_colours

WHITE, MAGENTA = (255, 255, 255, 255), (255, 0, 255, 255)
BOTH = {"background_label": 100, "ignore_label": 200}


def make_layer(dtype: type = np.int32) -> Labels:
    return Labels(np.zeros((8, 8), dtype))


def colour(layer, label: int) -> tuple[int, ...]:
    return tuple((255 * np.asarray(layer.get_color(label))).round().astype(int).tolist())


def shown(layer, label: int) -> tuple[int, ...]:
    """Return the colour that the window draws: a pixel's value on the GPU, in napari's table of it."""
    value = layer.colormap._data_to_texture(np.array([label], layer.data.dtype))
    return tuple((255 * layer.colormap.map(value)[0]).round().astype(int).tolist())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.int64])
def test_strokes_have_their_colours_whatever_the_type(dtype) -> None:
    layer = make_layer(dtype)
    StrokeColours().show(layer, BOTH)
    assert [colour(layer, label) for label in (100, 200)] == [WHITE, MAGENTA]
    assert [shown(layer, label) for label in (100, 200)] == [WHITE, MAGENTA]
    assert layer.get_color(0) is None or not layer.get_color(0)[3]


def test_no_object_looks_like_a_stroke() -> None:
    layer = make_layer()
    StrokeColours().show(layer, BOTH)
    objects = [label for label in range(1, 346) if label not in BOTH.values() and label != 345]
    objects = np.array([layer.get_color(label)[:3] for label in objects])
    strokes = np.array([layer.get_color(label)[:3] for label in BOTH.values()])
    objects, strokes = (rgb2lab(some[np.newaxis].astype(float))[0] for some in (objects, strokes))
    assert np.linalg.norm(objects[:, np.newaxis] - strokes, axis=-1).min() >= 35
    assert np.linalg.norm(strokes[0] - strokes[1]) > 35
    assert colour(layer, 345) == WHITE  # 245 above the stroke, as is written there


def test_neighbouring_ids_differ() -> None:
    layer = make_layer()
    StrokeColours().show(layer, BOTH)
    drawn = [colour(layer, label) for label in range(1, 246)]
    assert all(one not in drawn[index + 1 : index + 7] for index, one in enumerate(drawn))


def test_objects_keep_the_colours_that_they_had() -> None:
    layer = make_layer()
    before = [colour(layer, label) for label in range(1, 300)]
    StrokeColours().show(layer, {"background_label": None, "ignore_label": None})
    after = [colour(layer, label) for label in range(1, 300)]
    assert 0.8 < np.mean([one == other for one, other in zip(before, after, strict=True)]) < 1


def test_a_stroke_that_is_none_any_more_looks_like_an_object() -> None:
    layer, colours = make_layer(), StrokeColours()
    colours.show(layer, {"background_label": None, "ignore_label": None})
    before = colour(layer, 100)
    colours.show(layer, BOTH)
    colours.show(layer, {"background_label": 7, "ignore_label": None})
    assert (colour(layer, 100), colour(layer, 7)) == (before, WHITE)


def test_only_news_is_drawn(qtbot) -> None:
    layer, colours, news = make_layer(), StrokeColours(), []
    layer.events.colormap.connect(news.append)
    for _ in range(3):
        colours.show(layer, BOTH)
    assert len(news) == 1


def test_colours_that_the_user_has_given_are_left_alone() -> None:
    layer = make_layer()
    layer.colormap = theirs = DirectLabelColormap(color_dict={100: "red", None: "blue"})
    StrokeColours().show(layer, BOTH)
    assert layer.colormap is theirs


def test_showing_only_the_selected_label_goes_on() -> None:
    layer = make_layer()
    layer.selected_label, layer.show_selected_label = 3, True
    StrokeColours().show(layer, BOTH)
    assert (layer.colormap.use_selection, layer.colormap.selection) == (True, 3)


def test_a_byte_a_pixel_is_enough() -> None:
    layer = make_layer()
    StrokeColours().show(layer, BOTH)
    assert isinstance(layer.colormap, CyclicLabelColormap)
    assert layer.colormap._data_to_texture(layer.data).dtype == np.uint8


def test_a_round_of_colours() -> None:
    base = np.array([[0, 0, 0, 0], [1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]], float)
    colormap = with_own_colours(base, {5: (1.0, 1.0, 1.0, 1.0)}, n_most=8)
    assert len(colormap.colors) == 7
    drawn = colormap.map(np.arange(12))
    np.testing.assert_array_equal(drawn[[1, 2, 3, 4, 6, 7]], base[[1, 2, 3, 1, 3, 1]])
    assert (drawn[[5, 11]] == 1).all()
    np.testing.assert_array_equal(keep_apart(base, [(1, 0, 0, 1)], distance=20), base[[0, 3, 2, 3]])
    np.testing.assert_array_equal(keep_apart(base, [(1, 0, 0, 1)], distance=1000), base)


# In the window


def button(spoco, name: str):
    return spoco.annotate.action_buttons[name]


def test_the_window_paints_lists_and_names_strokes_in_one_colour(ready, viewer, until) -> None:
    layer = viewer.layers["cells annotations"]
    for name, label, stroke in (("paint_background", 100, "background_label"), ("paint_ignore", 200, "ignore_label")):
        button(ready, name).click()
        assert layer.selected_label == label
        layer.paint((60, label // 5), label)
        assert f"#{bytes(colour(layer, label)[:3]).hex()}" == COLOURS[stroke]
        assert COLOURS[stroke] in button(ready, name).styleSheet()
    until(lambda: ready.annotate.summary.n_background)
    rows = ready.annotate.objects.rows
    until(lambda: rows.rowCount() == 5)
    icons = [rows.data(rows.index(row, 0), Qt.ItemDataRole.DecorationRole).pixmap(12, 12) for row in (0, 1)]
    assert {icon.toImage().pixelColor(6, 6).name() for icon in icons} == {*COLOURS.values()}


def test_settings_and_shuffled_colours_are_followed(ready, viewer) -> None:
    layer = viewer.layers["cells annotations"]
    ready.train.settings.advanced.group("annotations").editor("background_label").setValue(77)
    assert colour(layer, 77) == WHITE
    layer.new_colormap(seed=3)
    assert colour(layer, 77) == WHITE
    other = viewer.add_labels(np.eye(64, dtype=np.int32), name="theirs")
    before = colour(other, 77)
    ready.annotate.annotations.choose(other)
    assert (before == WHITE, colour(other, 77)) == (False, WHITE)
    ready.annotate.annotations.choose(layer)
    assert colour(layer, 77) == WHITE
