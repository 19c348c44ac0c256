"""Channels that napari opened as layers of their own: offered, combined, trained on, segmented, kept, taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from napari.layers import Image
from qtpy.QtCore import QPoint, Qt

from napari_spoco._qt.annotate.channel_layers import likely_channels
from napari_spoco._qt.annotate.channel_looks import looks_of, split
from napari_spoco._qt.annotate.combining import combined
from napari_spoco._qt.annotate.image_layers import parts_of
from napari_spoco._qt.layers import image_axes, layers
from napari_spoco._qt.session import SessionState
from napari_spoco.config import NetworkConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

NAMES = ("DAPI", "GFP", "Cy5")
COLOURS = ("cyan", "magenta", "yellow")


def make_image(shape: tuple[int, ...] = (64, 64), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8)


def open_channels(viewer, names=NAMES, shape=(64, 64), **options) -> list[Image]:
    """Add layers as napari does for a file of several channels."""
    looks = [
        {"colormap": COLOURS[i], "blending": "additive" if i else "translucent_no_depth"} for i in range(len(names))
    ]
    return [viewer.add_image(make_image(shape, i), name=name, **looks[i], **options) for i, name in enumerate(names)]


def click(qtbot, button) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton, pos=QPoint(8, button.height() // 2))


def form(spoco):
    return spoco.annotate.image_form


def is_offered(spoco) -> bool:
    return form(spoco).combine_button.isVisibleTo(form(spoco))


def boxes(spoco) -> list:
    return [box for box in form(spoco).boxes if not box.isHidden()]


def paint(layer) -> None:
    for label in (1, 2, 3):
        layer.data[..., 10 * label : 10 * label + 5, 2:7] = label
    layer.refresh()


# What is offered


def test_one_press_makes_an_image_of_all(spoco, viewer, qtbot) -> None:
    channels = open_channels(viewer, scale=(0.5, 0.25), translate=(3, 4), units=("um", "um"))
    assert form(spoco).combine_button.text() == "Combine 3 layers"
    assert "DAPI, GFP, Cy5" in form(spoco).combine_button.toolTip()
    click(qtbot, form(spoco).combine_button)
    image = spoco.annotate.image.layer()
    assert image.name == "DAPI + GFP + Cy5"
    assert [box.text() for box in boxes(spoco)] == list(NAMES)
    assert all(box.isChecked() for box in boxes(spoco))
    assert "channels 3, Y 64, X 64; pixels of 0.5" in form(spoco).about.text()
    assert "one image of 3 channels" in spoco.footer.text
    assert not is_offered(spoco)
    assert not image.visible
    assert all(channel.visible for channel in channels)
    np.testing.assert_array_equal(layers.read_image(image).data, [channel.data for channel in channels])
    for channel in channels:
        np.testing.assert_allclose(image.data_to_world((0, 5, 7))[1:], channel.data_to_world((5, 7)))
    assert image.units == ("pixel", *channels[0].units)
    assert image.axis_labels == ("c", "y", "x")


def test_deleting_it_takes_it_back(spoco, viewer, qtbot) -> None:
    channels = open_channels(viewer)
    click(qtbot, form(spoco).combine_button)
    viewer.layers.remove("DAPI + GFP + Cy5")
    assert list(viewer.layers) == channels
    assert spoco.annotate.image.layer() in channels
    assert is_offered(spoco)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        pytest.param((64, 32), {}, id="shape"),
        pytest.param((64, 64), {"scale": (2, 1)}, id="scale"),
        pytest.param((64, 64), {"translate": (0, 1)}, id="place"),
        pytest.param((64, 64), {"rotate": 10}, id="turned"),
        pytest.param((64, 64), {"units": ("nm", "nm")}, id="units"),
        pytest.param((64, 64, 3), {"rgb": True}, id="colours"),
        pytest.param((2, 64, 64), {}, id="channels"),
        pytest.param((5, 64, 64), {}, id="stack"),
    ],
)
def test_only_layers_alike_are_offered(spoco, viewer, shape, options) -> None:
    open_channels(viewer, ("DAPI", "GFP"))
    viewer.add_image(make_image(shape), name="other", **options)
    spoco.annotate.image.choose(viewer.layers["DAPI"])
    assert form(spoco).combine_button.text() == "Combine 2 layers"
    viewer.layers.remove("GFP")
    assert not is_offered(spoco)


def test_the_selected_ones_go_first(spoco, viewer) -> None:
    channels = open_channels(viewer)
    viewer.layers.selection = {channels[0], channels[2]}
    assert form(spoco).combine_button.text() == "Combine 2 layers"
    channels[2].name = "far red"
    assert "DAPI, far red." in form(spoco).combine_button.toolTip()
    viewer.layers.selection = {channels[1]}
    assert form(spoco).combine_button.text() == "Combine 3 layers"


def test_channels_of_one_file_belong_together(viewer) -> None:
    from napari.layers._source import layer_source

    found = []
    for path in ("a.tif", "b.tif"):
        with layer_source(path=path):
            found += [Image(make_image(), name=f"{path} {name}") for name in NAMES[:2]]
    for layer in found:
        viewer.add_layer(layer)
    assert likely_channels(viewer, found[2]) == found[2:]
    other = viewer.add_image(make_image(), name="of no file", colormap="red").__wrapped__
    assert likely_channels(viewer, other) == []
    viewer.layers.selection = {other, found[0]}
    assert likely_channels(viewer, other) == [found[0], other]


@pytest.mark.parametrize("origin", [{}, {"sample": ("spoco", "nuclei")}], ids=["no file", "sample"])
def test_slides_are_no_channels(spoco, viewer, origin) -> None:
    from napari.layers._source import layer_source

    with layer_source(**origin):
        slides = [Image(make_image(), name=name) for name in ("nuclei", "nuclei", "slide_B")]
    for layer in slides:
        viewer.add_layer(layer)
    assert not is_offered(spoco)


def test_lazy_pyramids_are_combined_unread() -> None:
    class Unread:
        dtype, ndim = np.dtype("uint16"), 3

        def __init__(self, *shape: int) -> None:
            self.shape, self.size = shape, int(np.prod(shape))

        def __getitem__(self, key: object) -> None:
            raise AssertionError("It was read.")

    levels = [Unread(8, 64, 64), Unread(8, 32, 32)]
    channels = [Image(levels, multiscale=True, contrast_limits=limits, visible=False) for limits in ((5, 90), (0, 70))]
    layer = combined(channels)
    assert [level.shape for level in layer.data] == [(2, 8, 64, 64), (2, 8, 32, 32)]
    assert layer.contrast_limits == [0, 90]


# What is done with it


@pytest.mark.parametrize("is_visible", [True, False])
def test_its_channels_are_made_anew_as_they_looked(viewer, is_visible) -> None:
    channels = open_channels(viewer, shape=(8, 32, 32), scale=(2, 0.5, 0.5), translate=(4, 1, 1))
    channels[1].colormap = "#ff8000"
    channels[2].contrast_limits = (10, 90)
    image = viewer.add_layer(combined(channels))
    looks = looks_of(image, parts_of(viewer, image))
    assert [look.colormap for look in looks] == ["cyan", "#ff8000", "yellow"]
    for channel in channels:
        viewer.layers.remove(channel)
    assert looks_of(image, parts_of(viewer, image)) == ()
    image.visible = is_visible
    parts = [viewer.add_layer(part) for part in split(image, looks)]
    assert not image.visible
    assert parts_of(viewer, image) == parts
    assert looks_of(image, parts_of(viewer, image)) == looks
    for part, channel in zip(parts, channels, strict=True):
        assert (part.visible, part.name, part.blending) == (is_visible, channel.name, channel.blending)
        np.testing.assert_array_equal(part.data, channel.data)
        np.testing.assert_allclose(part.extent.world, channel.extent.world)
        np.testing.assert_allclose(part.colormap.colors, channel.colormap.colors)


@pytest.fixture
def combine(spoco, viewer, qtbot) -> Callable[..., Image]:
    """Return a function that opens channels and combines them with the button."""

    def do(**options: object) -> Image:
        open_channels(viewer, **options)
        click(qtbot, form(spoco).combine_button)
        return spoco.annotate.image.layer()

    return do


def test_what_was_painted_on_one_channel_stays(spoco, viewer, qtbot) -> None:
    open_channels(viewer)
    spoco.annotate.new_button.click()
    annotations = spoco.annotate.annotations.layer()
    click(qtbot, form(spoco).combine_button)
    assert spoco.annotate.annotations.layer() is annotations
    assert layers.linked_image(annotations) == layers.identity(viewer.layers["DAPI + GFP + Cy5"])
    viewer.layers.remove("DAPI + GFP + Cy5")
    spoco.annotate.image.choose(viewer.layers["DAPI"])
    assert spoco.annotate.annotations.layer() is annotations
    assert len(spoco.images.every()) == 1


def test_a_training_gets_the_channels_that_are_ticked(spoco, combine, processes, until, qtbot) -> None:
    image = combine()
    spoco.annotate.new_button.click()
    paint(spoco.annotate.annotations.layer())
    spoco.annotate.count()
    click(qtbot, boxes(spoco)[1])
    spoco.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    request = processes.last.request
    assert request.config.channels == (0, 2)
    np.testing.assert_array_equal(request.images[0], image.data)


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Return the file of an untrained model of three channels of stacks."""
    torch.manual_seed(0)
    network = NetworkConfig(ndim=3, in_channels=3, embedding_dim=4, feature_maps=(4, 8))
    return str(save_model(EmbeddingModel.create(ModelCard(network=network)), tmp_path / "model.safetensors"))


def test_a_stack_is_segmented_and_reviewed_in_place(spoco, viewer, combine, model, until) -> None:
    image = combine(shape=(8, 32, 32), scale=(2, 0.5, 0.5), translate=(4, 1, 1))
    spoco.session.load_model(model)
    until(lambda: spoco.session.state is SessionState.IDLE and spoco.session.model_path)
    spoco.segment.segment_button.click()
    until(lambda: not spoco.session.state.is_busy)
    assert spoco.session.state is SessionState.IDLE, spoco.footer.text
    for name in (f"{image.name} objects", f"{image.name} embeddings"):
        layer = viewer.layers[name]
        assert layer.data.shape[:3] == (8, 32, 32)
        assert layer.scale.tolist() == [2, 0.5, 0.5]
        assert layer.translate.tolist() == [4, 1, 1]
    assert spoco.review.labels.layer().name == f"{image.name} objects"


def test_a_work_box_of_it_stays_hidden(spoco, viewer, combine, until) -> None:
    image = combine(shape=(6, 64, 64))
    spoco.annotate.new_button.click()
    annotations = spoco.annotate.annotations.layer()
    annotations.corner_pixels = np.array([[0, 10, 20], [5, 29, 49]])  # As napari notes it when it draws.
    spoco.annotate.action_buttons["crop_here"].click()
    until(lambda: f"{image.name} box" in viewer.layers)
    part = viewer.layers[f"{image.name} box"]
    assert part.data.shape == (3, 6, 20, 30)
    assert not part.visible
    assert [box.text() for box in boxes(spoco)] == list(NAMES)


def test_a_project_keeps_the_image_and_the_names_of_its_channels(spoco, viewer, combine, tmp_path, until) -> None:
    pixels = np.array(combine().data)
    spoco.annotate.new_button.click()
    paint(spoco.annotate.annotations.layer())
    spoco.projects.make(str(tmp_path / "kept"))
    until(lambda: spoco.projects.folder == tmp_path / "kept")
    spoco.projects.close()
    until(lambda: not viewer.layers)  # The project has the channels, too.
    spoco.projects.open(tmp_path / "kept")
    until(lambda: spoco.annotate.annotations.layer() is not None)
    assert [box.text() for box in boxes(spoco)] == list(NAMES)
    image = spoco.annotate.image.layer()
    assert image.name == "DAPI + GFP + Cy5"
    np.testing.assert_array_equal(image.data, pixels)
    assert image_axes.axes_of(image) == "CYX"
    assert image.axis_labels == ("c", "y", "x")
    assert spoco.annotate.annotations.layer().data.max() == 3
