"""An image with channels in the window: how it is read, which channels are chosen, and where the choice goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from napari.layers import Image, Labels
from qtpy.QtCore import QPoint, Qt

from napari_spoco._qt.annotate.image_form import MOST_BOXES, ImageForm, ShownImage
from napari_spoco._qt.layers import image_axes, layers
from napari_spoco._qt.layers.layer_view import pixel_under, visible_box
from napari_spoco._qt.session import SessionState
from napari_spoco.config import NetworkConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model
from napari_spoco.project.project import Project


def make_image(shape: tuple[int, ...] = (64, 64)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def paint(annotations: object) -> None:
    """Paint three squares into the first plane."""
    plane = np.zeros((64, 64), int)
    for label in (1, 2, 3):
        plane[10 * label : 10 * label + 5, 2:7] = label
    where = np.nonzero(plane)
    ahead = (np.zeros_like(where[0]),) * (annotations.ndim - 2)
    annotations.data_setitem((*ahead, *where), plane[where])


def add_channels(viewer: object, shape: tuple[int, ...] = (3, 64, 64), **options: object) -> Image:
    return viewer.add_image(make_image(shape), name="cells", **options)


def boxes(spoco: object) -> list:
    return [box for box in spoco.annotate.image_form.boxes if not box.isHidden()]


def click(qtbot: object, button: object) -> None:
    """Click at the left, where a check box has its mark."""
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton, pos=QPoint(8, button.height() // 2))


@pytest.fixture
def annotated(spoco, viewer):
    """Return the widget with an image of three channels and three painted objects."""
    add_channels(viewer)
    spoco.annotate.new_button.click()
    paint(viewer.layers["cells annotations"])
    spoco.annotate.count()
    return spoco


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    """Return a function that saves an untrained model of so many channels."""

    def save_untrained(n_channels: int, channels: tuple[int, ...] | None = None, *, ndim: int = 2) -> str:
        torch.manual_seed(0)
        network = NetworkConfig(ndim=ndim, in_channels=n_channels, embedding_dim=4, feature_maps=(4, 8))
        card = ModelCard(network=network, channels=channels)
        return str(save_model(EmbeddingModel.create(card), tmp_path / f"model-{n_channels}-{channels}.safetensors"))

    return save_untrained


# Axes of a layer


def test_channels_are_no_space() -> None:
    layer = Image(
        np.zeros((2, 8, 40, 30)), scale=(1, 2, 0.5, 0.25), translate=(0, 3, 4, 5), units=("pixel", *["um"] * 3)
    )
    assert layers.spatial_shape(layer) == (8, 40, 30)
    assert image_axes.n_channels(layer) == 2
    source = layers.read_image(layer)
    assert source.ndim == 3
    assert source.geometry.scale == (2, 0.5, 0.25)
    assert np.shares_memory(source.data, layer.data)
    placed = Labels(np.zeros((8, 40, 30), int), **layers.transforms(layer, (1, 0, 0)))
    np.testing.assert_allclose(placed.translate, (5, 4, 5))
    np.testing.assert_allclose(placed.data_to_world((1, 2, 3)), layer.data_to_world((0, 2, 2, 3))[1:])


def test_a_turned_image_keeps_its_place() -> None:
    turned = np.eye(3)
    turned[1:, 1:] = [[0.6, -0.8], [0.8, 0.6]]
    layer = Image(np.zeros((2, 40, 30)), rotate=turned, scale=(1, 2, 2), affine=np.diag([1, 3, 3, 1]))
    placed = Labels(np.zeros((40, 30), int), **layers.transforms(layer))
    np.testing.assert_allclose(placed.data_to_world((5, 7)), layer.data_to_world((0, 5, 7))[1:])


@pytest.mark.parametrize("shape", [(40, 30, 2), (8, 2, 40, 30), (8, 40, 30, 2)])
def test_channels_are_put_first(shape) -> None:
    ndim, axes = len(shape), image_axes.axes_of(Image(np.zeros(shape)))
    scale, place = np.where(np.array(list(axes)) == "C", 1, 0.5), axes.find("C")
    layer = Image(make_image(shape), scale=scale, translate=np.arange(ndim))
    before, axis = np.array(layer.data), list(range(ndim))
    axis.insert(0, axis.pop(place))
    with pytest.raises(ValueError, match="press “Put channels first” in Annotate"):
        layers.read_image(layer)
    image_axes.put_channels_first(layer)
    np.testing.assert_array_equal(layer.data, np.moveaxis(before, place, 0))
    assert image_axes.axes_of(layer) == "C" + axes.replace("C", "")
    assert layer.scale.tolist() == [1, *[0.5] * (ndim - 1)]
    assert layer.translate.tolist() == axis
    assert layer.axis_labels == ("c", *"zyx"[-(ndim - 1) :])
    assert layers.read_image(layer).data.shape == layer.data.shape


def test_a_pyramid_is_put_in_order() -> None:
    layer = Image([np.zeros((8, 2, 40, 32)), np.zeros((8, 2, 20, 16))], multiscale=True)
    image_axes.put_channels_first(layer)
    assert [level.shape for level in layer.data] == [(2, 8, 40, 32), (2, 8, 20, 16)]


def test_zarr_arrays_are_put_in_order_unread() -> None:
    import zarr

    layer = Image(zarr.create_array({}, shape=(8, 2, 40, 32), dtype="uint8"))
    image_axes.put_channels_first(layer)
    assert layer.data.shape == (2, 8, 40, 32)
    assert not isinstance(layer.data, np.ndarray)


def test_a_sheared_layer_is_left_alone() -> None:
    layer = Image(np.zeros((8, 2, 40, 32)), shear=[0, 0, 0, 0, 0, 1])
    with pytest.raises(ValueError, match="without shear"):
        image_axes.put_channels_first(layer)
    assert layer.data.shape == (8, 2, 40, 32)


def test_the_view_knows_pixels_without_channels(viewer) -> None:
    image = add_channels(viewer, (3, 12, 64, 64), scale=(1, 2, 0.5, 0.5))
    viewer.dims.set_point(1, 10)
    assert pixel_under(image, (1, 10, 4, 6)) == (5, 8, 12)
    box = visible_box(viewer, image, n_pixels=10**9, n_planes=1)
    assert box[0] == slice(5, 6)
    assert len(box) == 3


# The form


def test_an_image_of_one_channel_asks_nothing(spoco, viewer) -> None:
    viewer.add_image(make_image())
    form = spoco.annotate.image_form
    assert form.about.text() == "Y 64, X 64"
    assert not boxes(spoco)
    assert form._axes_row.isHidden()


def test_the_guess_is_shown_and_corrected(spoco, viewer) -> None:
    image, form = add_channels(viewer), spoco.annotate.image_form
    assert form.about.text() == "channels 3, Y 64, X 64"
    assert form.axes.currentText() == "C, Y, X"
    form.axes.setCurrentIndex(form.axes.findText("Z, Y, X"))
    form.axes.activated.emit(form.axes.currentIndex())
    assert form.about.text() == "Z 3, Y 64, X 64"
    assert layers.spatial_shape(image) == (3, 64, 64)
    assert not boxes(spoco)


def test_channels_are_put_first_with_a_button(spoco, viewer, qtbot) -> None:
    image, form = add_channels(viewer, (8, 3, 64, 64)), spoco.annotate.image_form
    spoco.annotate.new_button.click()
    assert "press “Put channels first”" in spoco.footer.text
    click(qtbot, form.first_button)
    assert image.data.shape == (3, 8, 64, 64)
    assert form.first_button.isHidden()
    assert "come first now" in spoco.footer.text
    spoco.annotate.new_button.click()
    assert viewer.layers["cells annotations"].data.shape == (8, 64, 64)


def test_channels_are_chosen_with_the_mouse(spoco, viewer, qtbot) -> None:
    add_channels(viewer)
    first, second, third = boxes(spoco)
    assert spoco.train.settings.config().channels is None
    preset = spoco.train.settings.preset.value()
    click(qtbot, first)
    assert spoco.train.settings.config().channels == (1, 2)
    click(qtbot, third)
    assert spoco.train.settings.config().channels == (1,)
    click(qtbot, second)  # One stays.
    assert second.isChecked()
    assert spoco.train.settings.config().channels == (1,)
    assert spoco.train.settings.preset.value() == preset
    click(qtbot, first)
    click(qtbot, third)
    assert spoco.train.settings.config().channels is None


def test_settings_and_boxes_agree(spoco, viewer) -> None:
    add_channels(viewer)
    settings = spoco.train.settings
    settings.choose_channels((2, 0))
    assert [box.isChecked() for box in boxes(spoco)] == [True, False, True]
    settings._on_preset_chosen()
    assert settings.channels == (2, 0)
    settings.choose_channels((4,))
    assert "Channel 4 is chosen, but this image has 3 channels" in spoco.annotate.image_form.about.text()


def test_colours_have_names(spoco, viewer) -> None:
    viewer.add_image(np.zeros((64, 64, 3), np.uint8), rgb=True)
    assert [box.text() for box in boxes(spoco)] == ["red", "green", "blue"]


def test_many_channels_are_chosen_by_number(qtbot) -> None:
    form = ImageForm()
    qtbot.addWidget(form)
    names = tuple(map(str, range(MOST_BOXES + 1)))
    form.show_image(ShownImage("many", "CYX", ("ZYX", "CYX"), names, None))
    assert not form.boxes


# Where the choice goes


def test_a_training_gets_the_choice(annotated, processes, until, qtbot) -> None:
    click(qtbot, boxes(annotated)[1])
    annotated.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    request = processes.last.request
    assert request.config.channels == (0, 2)
    assert request.images[0].shape == (3, 64, 64)
    assert request.annotations[0].shape == (64, 64)
    assert request.voxel_size == ((1.0, 1.0),)
    assert not boxes(annotated)[0].isEnabled()


def test_a_channel_that_is_not_there_is_refused(annotated, processes, until) -> None:
    annotated.train.settings.choose_channels((1, 7))
    annotated.train.train_button.click()
    until(lambda: not annotated.session.state.is_busy)
    assert "image “cells”: expected an image with channels 1, 7 (counted from 0)" in annotated.footer.text
    assert not processes.made


def segment(spoco, model: str, until) -> None:
    spoco.session.load_model(model)
    until(lambda: spoco.session.state is SessionState.IDLE and spoco.session.model_path)
    spoco.segment.segment_button.click()
    until(lambda: not spoco.session.state.is_busy)


def test_the_model_takes_its_channels(annotated, viewer, save, until) -> None:
    segment(annotated, save(1, (1,)), until)
    assert annotated.session.state is SessionState.IDLE, annotated.footer.text
    assert "1 channel (1 of its images)" in annotated.session.model_summary
    assert viewer.layers["cells objects"].data.shape == (64, 64)
    np.testing.assert_array_equal(annotated.session._embedder.last.context.image[0], viewer.layers["cells"].data[1])


def test_a_stack_with_channels_is_segmented_in_place(spoco, viewer, save, until, qtbot) -> None:
    add_channels(viewer, (8, 2, 32, 32), scale=(2, 1, 0.5, 0.5), translate=(4, 0, 1, 1))
    click(qtbot, spoco.annotate.image_form.first_button)
    segment(spoco, save(1, (1,), ndim=3), until)
    assert spoco.session.state is SessionState.IDLE, spoco.footer.text
    for name, ndim in (("cells objects", 3), ("cells embeddings", 3)):
        layer = viewer.layers[name]
        assert layer.data.shape[:ndim] == (8, 32, 32)
        assert layer.scale.tolist() == [2, 0.5, 0.5]
        assert layer.translate.tolist() == [4, 1, 1]
    context = spoco.session._embedder.last.context
    np.testing.assert_array_equal(context.image, viewer.layers["cells"].data[1:])


def test_the_choice_goes_before(annotated, viewer, save, until) -> None:
    annotated.train.settings.choose_channels((2,))
    segment(annotated, save(1, (1,)), until)
    np.testing.assert_array_equal(annotated.session._embedder.last.context.image[0], viewer.layers["cells"].data[2])
    assert "trained on channel 1, and is given channel 2" in annotated.footer.text


def test_a_model_that_does_not_suit_says_both(annotated, save, until, qtbot) -> None:
    segment(annotated, save(1), until)
    assert not annotated.segment.segment_button.isEnabled()
    assert "takes 1 channel, and “cells” has 3: choose 1 of its channels" in annotated.footer.hint.text()
    click(qtbot, boxes(annotated)[0])
    assert "takes 1 channel, and 2 of “cells” are chosen" in annotated.footer.hint.text()
    click(qtbot, boxes(annotated)[2])
    assert annotated.segment.segment_button.isEnabled()


def test_a_project_restores_axes_and_choice(annotated, viewer, tmp_path, until, qtbot) -> None:
    click(qtbot, boxes(annotated)[0])
    folder = tmp_path / "kept"
    annotated.projects.make(str(folder))
    until(lambda: annotated.projects.folder == folder)
    assert Project.open(folder).image("cells").shape == (64, 64)
    annotated.projects.close()
    until(lambda: not len(viewer.layers))
    annotated.train.settings.choose_channels(None)
    annotated.projects.open(folder)
    until(lambda: annotated.annotate.annotations.layer() is not None)
    image = viewer.layers["cells"]
    np.testing.assert_array_equal(image.data, make_image((3, 64, 64)))
    assert image_axes.axes_of(image) == "CYX"
    assert annotated.train.settings.channels == (1, 2)
    assert [box.isChecked() for box in boxes(annotated)] == [False, True, True]
    assert viewer.layers["cells annotations"].data.max() == 3


def test_a_stack_of_three_planes_stays_one(spoco, viewer, tmp_path, until) -> None:
    image = add_channels(viewer)
    image_axes.set_axes(image, "ZYX")
    spoco.annotate.new_button.click()
    paint(viewer.layers["cells annotations"])
    spoco.projects.make(str(tmp_path / "kept"))
    until(lambda: spoco.projects.folder is not None)
    spoco.projects.close()
    until(lambda: not len(viewer.layers))
    spoco.projects.open(tmp_path / "kept")
    until(lambda: spoco.annotate.annotations.layer() is not None)
    assert image_axes.axes_of(viewer.layers["cells"]) == "ZYX"
    assert spoco.annotate.image_form.about.text() == "Z 3, Y 64, X 64"


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_work_box_has_all_channels(spoco, viewer, until, ndim) -> None:
    shape = (3, *(6, 64, 80)[-ndim:])
    names = ("DAPI", "GFP", "Cy5")
    image = add_channels(viewer, shape, scale=(1, *(2, 0.5, 0.5)[-ndim:]), translate=(0, *(4, -3, 9)[-ndim:]))
    image_axes.set_axes(image, "C" + "ZYX"[-ndim:])
    image_axes.name_channels(image, names)
    spoco.annotate.new_button.click()
    annotations = viewer.layers["cells annotations"]
    annotations.data[..., 5:60, 5:60] = 4
    before = annotations.data.copy()
    annotations.corner_pixels = np.array([[0, 10, 20], [5, 29, 49]])[:, -ndim:]  # As napari notes it when it draws.
    spoco.annotate.count()
    until(lambda: spoco.annotate.summary.n_objects == 1)
    spoco.annotate.action_buttons["crop_here"].click()
    until(lambda: "cells annotations box" in viewer.layers)
    part, painted = viewer.layers["cells box"], viewer.layers["cells annotations box"]
    assert spoco.annotate.image.layer().name == "cells box"
    np.testing.assert_array_equal(part.data, image.data[..., 10:30, 20:50])
    assert painted.data.shape == part.data.shape[1:]
    assert image_axes.axes_of(part) == image_axes.axes_of(image)
    assert [box.text() for box in boxes(spoco)] == list(names)
    corner = (0,) * (ndim - 2)
    np.testing.assert_allclose(part.data_to_world((0, *corner, 0, 0))[1:], painted.data_to_world((*corner, 0, 0)))
    np.testing.assert_allclose(part.data_to_world((2, *corner, 0, 0)), image.data_to_world((2, *corner, 10, 20)))
    painted.data_setitem(tuple(np.array([place]) for place in (*corner, 3, 4)), 7)
    spoco.annotate.action_buttons["write_back"].click()
    until(lambda: "written back" in spoco.footer.text)
    before[(*corner, 13, 24)] = 7
    np.testing.assert_array_equal(annotations.data, before)
    assert spoco.annotate.image.layer().name == "cells"
    assert [layer.name for layer in viewer.layers] == ["cells", "cells annotations"]


def test_a_work_box_needs_channels_in_front(spoco, viewer) -> None:
    add_channels(viewer, (64, 64, 2))
    viewer.add_labels(np.zeros((64, 64), np.int32), name="annotations")
    spoco.annotate.annotations.choose(viewer.layers["annotations"])
    assert not spoco.annotate.action_buttons["crop_here"].isEnabled()
