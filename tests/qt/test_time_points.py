"""Time series: what the form says of them, and one time point as an image of its own."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import zarr
from qtpy.QtCore import Qt
from tests.qt.conftest import make_image

from napari_spoco._qt.layers.image_axes import axes_of, is_readable, series_axes

GEOMETRY = {"scale": (30.0, 2.0, 0.5, 0.25), "translate": (0.0, 7.0, 5.0, 3.0)}


def form(spoco):
    return spoco.annotate.image_form


def listed(spoco) -> list[str]:
    return [form(spoco).axes.itemText(index) for index in range(form(spoco).axes.count())]


def choose_axes(spoco, text: str) -> None:
    form(spoco).axes.setCurrentIndex(listed(spoco).index(text))
    form(spoco).axes.activated.emit(form(spoco).axes.currentIndex())


def take(spoco, qtbot) -> None:
    spoco.tabs.reveal(form(spoco).time_button)
    assert not form(spoco).time_button.parentWidget().isHidden()
    qtbot.mouseClick(form(spoco).time_button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize(
    ("shape", "names", "axes"),
    [
        pytest.param((6, 64, 64), ("t", "y", "x"), "TYX", id="plane"),
        pytest.param((6, 9, 64, 64), ("time", "z", "y", "x"), "TZYX", id="stack"),
        pytest.param((6, 2, 64, 64), ("t", "c", "y", "x"), "TCYX", id="channels"),
        pytest.param((6, 2, 9, 64, 64), ("t", "c", "z", "y", "x"), "TCZYX", id="channels of a stack"),
        pytest.param((6, 2, 9, 64, 64), (), "TCZYX", id="5 axes without names"),
        pytest.param((6, 9, 2, 64, 64), ("t", "z", "c", "y", "x"), "TZCYX", id="planes before channels"),
    ],
)
def test_a_series_is_recognized_and_its_time_point_can_be_read(spoco, viewer, qtbot, shape, names, axes) -> None:
    series = viewer.add_image(make_image(shape), name="film", **({"axis_labels": names} if names else {}))
    assert series_axes(series) == axes
    assert form(spoco).axes.currentText() == ", ".join(axes)
    assert "go to a time point, and press Take this time point" in form(spoco).about.text()
    assert "says what to do" in spoco.annotate.action_buttons["crop_here"].toolTip()
    viewer.dims.set_current_step(0, 4)
    take(spoco, qtbot)
    image = spoco.annotate.image.layer()
    assert image.name == "film t4"
    assert axes_of(image) == axes[1:]
    np.testing.assert_array_equal(image.data, series.data[4])
    assert not series.visible
    assert form(spoco).time_button.parentWidget().isHidden()
    if is_readable(image):
        spoco.annotate.press("new_object")
        assert viewer.layers["film t4 annotations"].data.shape == tuple(
            shape[axes.index(a)] for a in axes if a in "ZYX"
        )
    else:
        assert "Press Put channels first" in form(spoco).about.text()


def test_an_array_without_names_is_a_series_if_the_user_says_so(spoco, viewer, qtbot) -> None:
    series = viewer.add_image(make_image((32, 64, 64)), name="film")
    assert axes_of(series) == "ZYX"
    choose_axes(spoco, "T, Y, X")
    assert not is_readable(series)
    viewer.dims.set_current_step(0, 31)
    take(spoco, qtbot)
    assert spoco.annotate.image.layer().data.shape == (64, 64)
    spoco.images.bring_up(series)
    choose_axes(spoco, "Z, Y, X")
    assert is_readable(series)
    assert form(spoco).time_button.parentWidget().isHidden()


def test_a_time_point_lies_where_it_lay_in_the_series(spoco, viewer, qtbot) -> None:
    units = ("second", "micrometer", "micrometer", "micrometer")
    series = viewer.add_image(make_image((4, 5, 20, 30)), name="film", units=units, **GEOMETRY)
    choose_axes(spoco, "T, Z, Y, X")
    viewer.dims.set_current_step(0, 2)
    take(spoco, qtbot)
    image = spoco.annotate.image.layer()
    np.testing.assert_allclose(image.data_to_world((1, 2, 3)), series.data_to_world((2, 1, 2, 3))[1:])
    assert tuple(map(str, image.units)) == units[1:]
    np.testing.assert_array_equal(image.data, series.data[2])
    assert image.contrast_limits == series.contrast_limits


@pytest.mark.parametrize("kind", ["dask", "zarr", "pyramid"])
def test_nothing_of_a_lazy_series_is_copied(spoco, viewer, qtbot, kind) -> None:
    pixels = make_image((3, 5, 32, 32))
    lazy = {"dask": dask.array.from_array(pixels), "zarr": zarr.array(pixels)}
    data = lazy.get(kind, [pixels, pixels[..., ::2, ::2]])
    viewer.add_image(data, name="film", multiscale=kind == "pyramid", contrast_limits=(0, 255))
    choose_axes(spoco, "T, Z, Y, X")
    viewer.dims.set_current_step(0, 0)
    take(spoco, qtbot)
    image = spoco.annotate.image.layer()
    level = image.data[0] if kind == "pyramid" else image.data
    assert isinstance(level, dask.array.Array) == (kind != "pyramid")
    np.testing.assert_array_equal(level, pixels[0])


def test_colours_and_labels_are_no_series(viewer) -> None:
    assert not series_axes(viewer.add_image(np.zeros((2, 2, 9, 9, 3), np.uint8), rgb=True, name="colours"))
    assert not series_axes(viewer.add_labels(np.zeros((2, 2, 2, 9, 9), int), name="labels"))
