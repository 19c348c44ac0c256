"""What follows mouse and view: the preview, picking an object, and the click on the background.

The embeddings stand for those of a good network: the intensity of the image, ten times as far apart.
"""

from __future__ import annotations

import os
import threading
import types
from pathlib import Path

import napari
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from tests.qt.mouse import click_at, point_at

from napari_spoco._qt import paths
from napari_spoco._qt.embeddings import picking
from napari_spoco._qt.embeddings.picking_job import Picked
from napari_spoco._qt.embeddings.pointing import Pointing
from napari_spoco._qt.layers import layers
from napari_spoco.config import NetworkConfig
from napari_spoco.segmentation import prediction

OBJECTS = {2: (slice(8, 24), slice(10, 30)), 5: (slice(40, 56), slice(36, 60))}


def make_image(ndim: int) -> np.ndarray:
    plane = np.zeros((64, 64), np.float32)
    for value, box in OBJECTS.items():
        plane[box] = value
    if ndim == 2:
        return plane
    image = np.zeros((7, 64, 64), np.float32)
    image[2:6] = plane
    return image


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def widget(request, spoco, viewer, tmp_path, monkeypatch, until):
    """Return the dock with an image of two objects and a model that tells them apart."""
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

    def embed(_model, image, *, out, **_options) -> None:
        out[:] = 0
        out[0] = 10 * image[0]

    config = NetworkConfig(ndim=request.param, embedding_dim=2, feature_maps=(2, 2), norm="group", groups=1)
    path = save_model(EmbeddingModel.create(ModelCard(network=config)), tmp_path / "model.safetensors")
    monkeypatch.setattr(prediction, "predict_outputs", embed)
    monkeypatch.setattr(paths, "ask_model_to_load", lambda *_: str(path))
    viewer.add_image(make_image(request.param), name="two", scale=(2.0, 0.5, 0.5)[-request.param :])
    spoco.segment.load_button.click()
    until(lambda: spoco.session.model_path is not None and not spoco.session.state.is_busy)
    spoco.segment.advanced.editor("smoothing").set_value(0.0)
    spoco.segment.advanced.editor("background").set_value("none")
    return spoco


def names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers]


def move_mouse(widget, viewer, pixel) -> None:
    """Tell the viewer of the mouse at a pixel of the image, as its canvas does."""
    position = viewer.layers["two"].data_to_world(pixel)
    for callback in list(viewer.mouse_move_callbacks):
        callback(viewer, types.SimpleNamespace(position=position))


def click(viewer, pixel, *, moved: int = 0) -> object:
    event = types.SimpleNamespace(
        position=viewer.layers["two"].data_to_world(pixel), button=1, pos=(5, 5), type="mouse_press", handled=False
    )
    ours = [callback for callback in viewer.mouse_drag_callbacks if callback.__name__ == "_on_mouse_pressed"]
    assert len(ours) <= 1
    pressed = [callback(viewer, event) for callback in ours]
    for generator in pressed:
        next(generator, None)
    event.type, event.pos = "mouse_move", (5 + moved, 5)
    for generator in pressed:
        next(generator, None)
    event.type = "mouse_release"
    for generator in pressed:
        assert next(generator, None) is None
    return event


def pick(widget, until) -> None:
    """Ask for picking, as one does in the tab."""
    widget.tabs.reveal(widget.embeddings.pick)
    widget.embeddings.pick.click()
    until(lambda: widget.views.picking.is_following)


def at(widget, *pixel: int) -> tuple[int, ...]:
    """Return the pixel in the plane on show."""
    return (3, *pixel) if widget.session.embedded_image.embeddings.ndim == 4 else pixel


def light_up(widget, viewer, until, *pixel: int) -> tuple[int, ...]:
    """Pick, and point at a pixel of the plane; return its place when its object is lit."""
    pick(widget, until)
    place = at(widget, *pixel)
    if len(place) == 3:
        viewer.dims.set_current_step(0, place[0])
    move_mouse(widget, viewer, place)
    until(lambda: "two pick" in names(viewer))
    return place


def test_the_preview_follows_settings_and_view(widget, viewer, until) -> None:
    widget.segment.preview.click()
    until(lambda: "two preview" in names(viewer))
    preview = viewer.layers["two preview"]
    assert preview not in layers.labels_layers(viewer)
    assert preview.data.max() == 3  # what is around the objects is one of its own here
    assert tuple(preview.scale) == tuple(viewer.layers["two"].scale)
    assert widget.session.embedded_image.reclustering.n_runs["embeddings"] == 1
    size = 16 * 20
    n_planes = preview.data.shape[0] if preview.ndim == 3 else 1
    widget.segment.quick.editor("min_size").set_value(0)
    widget.segment.quick.editor("min_size").spin.setValue(min(n_planes, 4) * size + 1)  # as a person turns it
    until(lambda: viewer.layers["two preview"].data.max() == 2)
    assert widget.session.embedded_image.reclustering.n_runs["segments"] == 1
    widget.segment.preview.click()
    assert "two preview" not in names(viewer)
    assert not widget.views.preview.is_following


def test_the_preview_follows_what_is_typed_and_the_slider(widget, viewer, until, qtbot) -> None:
    tab, editor = widget.segment, widget.segment.quick.editor("min_size")
    widget.tabs.reveal(editor)
    qtbot.mouseClick(tab.preview, Qt.MouseButton.LeftButton, pos=QPoint(8, tab.preview.height() // 2))
    until(lambda: "two preview" in names(viewer) and viewer.layers["two preview"].data.max() == 3)
    n_planes = min(viewer.layers["two preview"].data.shape[0], 4) if viewer.layers["two"].ndim == 3 else 1
    editor.spin.selectAll()
    qtbot.keyClicks(editor.spin, str(n_planes * 16 * 20))
    qtbot.keyClick(editor.spin, Qt.Key.Key_Return)
    assert viewer.layers["two preview"].data.max() == 3
    qtbot.keyClick(editor.spin, Qt.Key.Key_Up)  # One step, and the smaller object is too small.
    until(lambda: viewer.layers["two preview"].data.max() == 2)
    qtbot.keyClick(editor.slider, Qt.Key.Key_Home)
    until(lambda: viewer.layers["two preview"].data.max() == 3)
    assert editor.value() == 0


def test_the_preview_is_the_result(widget, viewer, until) -> None:
    widget.segment.preview.click()
    until(lambda: "two preview" in names(viewer))
    shown = viewer.layers["two preview"]
    start = np.rint(viewer.layers["two"].world_to_data(shown.data_to_world([0] * shown.ndim))).astype(int)
    pixels = np.array(shown.data)
    widget.segment.segment_button.click()
    until(lambda: "two objects" in names(viewer) and not widget.session.state.is_busy)
    found = viewer.layers["two objects"].data
    box = tuple(slice(first, first + n) for first, n in zip(start, pixels.shape, strict=True))
    assert ((found[box] > 0) == (pixels > 0)).all()
    pairs = set(zip(found[box].ravel().tolist(), pixels.ravel().tolist(), strict=True))
    assert len(pairs) == len(np.unique(pixels)) == 3


def test_a_preview_of_another_model_embeds_anew(widget, viewer, until, monkeypatch) -> None:
    widget.segment.preview.click()
    until(lambda: "two preview" in names(viewer))
    first = widget.session.embedded_image
    widget.session._embedder._last = None
    other = make_image(viewer.layers["two"].ndim)[..., ::-1].copy()
    viewer.add_image(other, name="other")
    widget.annotate.image.choose(viewer.layers["other"])
    until(lambda: "other preview" in names(viewer))
    assert widget.session.embedded_image is not first
    assert "two preview" not in names(viewer)


def test_another_voxel_size_embeds_anew(widget, viewer, until) -> None:
    from napari_spoco._qt.annotate.voxel_scaling import set_voxel_size

    widget.segment.preview.click()
    until(lambda: widget.views.preview.is_following)
    embedded = widget.session.embedded_image
    ndim = viewer.layers["two"].ndim
    set_voxel_size(viewer, viewer.layers["two"], (3.0, 0.25, 0.25)[-ndim:])
    until(lambda: widget.session.embedded_image is not embedded and widget.views.preview.is_following)


def write_model_anew(widget) -> None:
    """Give the model's file another time, as a training does that is resumed: its path stays."""
    path = Path(widget.session.model_path)
    time = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(time, time))
    widget.session.state_changed.emit()


def replace_pixels(widget) -> None:
    image = widget.annotate.image.layer()
    image.data = image.data[..., ::-1].copy()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(write_model_anew, id="other weights in the file"),
        pytest.param(replace_pixels, id="other pixels in the layer"),
        pytest.param(lambda widget: widget.train.settings.choose_channels((0,)), id="other channels"),
    ],
)
def test_what_is_embedded_of_before_a_change_is_not_current(widget, viewer, until, change) -> None:
    widget.segment.preview.click()
    until(lambda: "two preview" in names(viewer) and not widget.session.state.is_busy)
    embedded = widget.session.embedded_image
    assert widget.views.is_embedded
    change(widget)
    assert not widget.views.is_embedded
    until(lambda: widget.session.embedded_image is not embedded and widget.views.preview.is_following)
    assert widget.views.is_embedded


def test_pixels_that_come_while_it_is_embedded_are_not_taken_for_embedded(widget, until) -> None:
    widget.embeddings.embed_button.click()
    replace_pixels(widget)
    until(lambda: widget.session.embedded_image is not None and not widget.session.state.is_busy)
    assert not widget.views.is_embedded


def test_weights_are_others_once_the_training_that_writes_them_has_ended(widget, viewer, processes, until) -> None:
    widget.embeddings.embed_button.click()
    until(lambda: widget.views.is_embedded and not widget.session.state.is_busy)
    begin_training(widget, viewer, processes, until)
    write_model_anew(widget)  # An autosave.
    assert widget.views.is_embedded
    processes.last.kill()
    until(lambda: not widget.session.state.is_busy)
    assert not widget.views.is_embedded


def test_the_preview_gives_way_to_the_result_and_comes_back(widget, viewer, until, qtbot) -> None:
    widget.segment.preview.click()
    until(lambda: "two preview" in names(viewer))
    preview = viewer.layers["two preview"]
    widget.segment.segment_button.click()
    until(lambda: "two objects" in names(viewer) and not widget.session.state.is_busy)
    until(lambda: not preview.visible)
    viewer.scene.camera.zoom *= 1.1
    qtbot.wait(100)
    assert not preview.visible
    widget.segment.quick.editor("min_size").spin.setValue(1)
    until(lambda: preview.visible)
    objects, picture = viewer.layers["two objects"], viewer.layers["two embeddings"]
    assert not objects.visible
    assert not picture.visible
    widget.segment.preview.click()
    assert preview not in viewer.layers
    assert objects.visible


def test_all_layers_are_deleted_at_once(widget, viewer, until) -> None:
    widget.segment.preview.click()
    until(lambda: "two preview" in names(viewer))
    viewer.layers.select_all()
    viewer.layers.remove_selected()
    until(lambda: not viewer.layers)
    assert not widget.segment.preview.isEnabled()


def test_a_preview_that_the_user_has_hidden_stays_hidden(widget, viewer, until, qtbot) -> None:
    widget.segment.preview.click()
    until(lambda: "two preview" in names(viewer))
    preview = viewer.layers["two preview"]
    preview.visible = False
    with qtbot.waitSignal(widget.views.preview.clustering.found):
        widget.segment.quick.editor("min_size").spin.setValue(1)
    assert preview in viewer.layers
    assert not preview.visible


def test_a_layer_of_ours_comes_without_a_change_of_what_is_selected(viewer) -> None:
    image = viewer.add_image(np.zeros((8, 8)), name="first")
    other = viewer.add_image(np.zeros((8, 8)), name="second")
    for selected in ({image}, {image, other}, set()):
        viewer.layers.selection = selected
        layers.insert_above(viewer, image, napari.layers.Labels(np.zeros((8, 8), int)))
        assert set(viewer.layers.selection) == selected
        assert viewer.layers.selection.active is (image if selected == {image} else None)


def test_what_fails_is_said_once(widget, viewer, until, monkeypatch, qtbot) -> None:
    calls = []

    def fail(*_args, **_options):
        calls.append(1)
        raise ValueError("image: expected 3 channels, got 1.")

    monkeypatch.setattr(prediction, "predict_outputs", fail)
    widget.segment.preview.click()
    until(lambda: "expected 3 channels" in widget.footer.text and not widget.session.state.is_busy)
    qtbot.wait(100)
    assert len(calls) == 1


def begin_training(widget, viewer, processes, until) -> None:
    """Paint both objects in a plane, and train on them."""
    widget.annotate.new_button.click()
    ahead = (3,) * (viewer.layers["two"].ndim - 2)
    for label, (rows, columns) in OBJECTS.items():
        viewer.layers["two annotations"].data_setitem(
            tuple(np.array(i).ravel() for i in np.meshgrid(*ahead, np.r_[rows], np.r_[columns])), label
        )
    widget.annotate.count()
    widget.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)


def test_an_object_under_the_mouse_lights_up_and_is_annotated(widget, viewer, until) -> None:
    picked = light_up(widget, viewer, until, 12, 20)
    light = viewer.layers["two pick"]
    assert np.count_nonzero(light.data) == 16 * 20
    pixels = light.data
    move_mouse(widget, viewer, at(widget, 13, 21))
    assert viewer.layers["two pick"].data is pixels
    click(viewer, picked)
    until(lambda: "Annotated as object 1" in widget.footer.text)
    annotations = viewer.layers["two annotations"]
    truth = viewer.layers["two"].data == 2
    np.testing.assert_array_equal(annotations.data == 1, truth)
    click(viewer, picked)
    until(lambda: "annotated already" in widget.footer.text)
    annotations.undo()
    assert not annotations.data.any()
    move_mouse(widget, viewer, at(widget, -500, -500))
    until(lambda: not viewer.layers["two pick"].visible)
    move_mouse(widget, viewer, picked)
    until(lambda: viewer.layers["two pick"].visible)
    widget.embeddings.pick.click()
    assert "two pick" not in names(viewer)
    assert not viewer.mouse_move_callbacks


def test_objects_that_are_clicked_one_after_the_other_are_all_annotated(widget, viewer, until) -> None:
    pick(widget, until)
    click(viewer, at(widget, 12, 20))
    click(viewer, at(widget, 48, 48))  # The first one is still being looked for.
    until(lambda: "Annotated as object 2" in widget.footer.text)
    annotations, image = viewer.layers["two annotations"].data, viewer.layers["two"].data
    np.testing.assert_array_equal(annotations == 1, image == 2)
    np.testing.assert_array_equal(annotations == 2, image == 5)


def test_what_was_clicked_in_an_image_is_not_annotated_in_the_next_one(widget, viewer, until, monkeypatch) -> None:
    gate, n_begun = threading.Event(), []

    def wait(_job, image, pixel, _reach):
        n_begun.append(pixel)
        yield
        gate.wait(20)
        return Picked(np.ones((1,) * len(pixel), bool), pixel)

    monkeypatch.setattr(picking, "run_pick", wait)
    pick(widget, until)
    click(viewer, at(widget, 12, 20))
    click(viewer, at(widget, 48, 48))
    image = viewer.layers["two"]
    widget.annotate.image.choose(viewer.add_image(make_image(image.ndim), name="other", scale=image.scale))
    until(lambda: widget.views.picking.is_following and not widget.session.state.is_busy)
    gate.set()
    click(viewer, at(widget, 50, 50))
    until(lambda: "other annotations" in names(viewer) and "Annotated as object 1" in widget.footer.text)
    assert np.argwhere(viewer.layers["other annotations"].data).tolist() == [[*at(widget, 50, 50)]]
    assert n_begun == [at(widget, 12, 20), at(widget, 50, 50)]


def test_nothing_is_pointed_at_in_3d_and_it_is_said(widget, viewer, until) -> None:
    place = light_up(widget, viewer, until, 12, 20)
    light = viewer.layers["two pick"]
    viewer.dims.ndisplay = 3
    assert not light.visible
    assert "switch the view to 2D" in widget.footer.hint.text()
    move_mouse(widget, viewer, place)
    widget.views.picking.pointing._on_timeout()
    assert not light.visible
    viewer.dims.ndisplay = 2
    assert "Shift and the mouse wheel" in widget.footer.hint.text()
    move_mouse(widget, viewer, place)
    until(lambda: light.visible)
    button = widget.segment.background_button
    widget.tabs.reveal(button)
    widget.segment.foreground.choose("embedding")
    viewer.dims.ndisplay = 3
    button.click()
    assert button.text() == "The click waits for a plane of the image"
    assert "switch the view to 2D" in button.toolTip()
    assert "switch the view to 2D" in widget.footer.hint.text()
    click(viewer, place)
    assert widget.views.background.pixel(viewer.layers["two"]) is None
    viewer.dims.ndisplay = 2
    assert button.text() == "Now click on background in the image"
    click(viewer, place)
    assert widget.views.background.pixel(viewer.layers["two"]) == place


@pytest.fixture
def rim(widget, viewer, until):
    """Return the dock, picking in an image whose object 2 has a rim that is a little darker: 2.7 and 3."""
    image = np.array(viewer.layers["two"].data)
    box = (..., *OBJECTS[2])
    image[box][image[box] > 0] = 2.7
    inner = (..., slice(10, 22), slice(12, 28))
    image[inner][image[inner] > 0] = 3
    viewer.layers["two"].data = image
    light_up(widget, viewer, until, 14, 20)
    return widget


def turn_wheel(viewer, way: int, *modifiers: str, times: int = 1) -> None:
    event = types.SimpleNamespace(delta=(0.0, float(way)), modifiers=modifiers)
    ours = [callback for callback in viewer.mouse_wheel_callbacks if callback.__name__ == "_on_wheel_turned"]
    for callback in times * ours:
        callback(viewer, event)


def test_the_reach_of_a_pick_is_set_and_the_light_follows_at_once(rim, viewer, until, qtbot) -> None:
    reach, light = rim.embeddings.reach, viewer.layers["two pick"]
    assert reach.value() == 100
    assert np.count_nonzero(light.data) == 12 * 16  # The rim is 3 away, which is more than 1.28.
    assert "100 %" in reach.toolTip()
    rim.tabs.reveal(reach)
    reach.setFocus()
    reach.selectAll()
    qtbot.keyClicks(reach, "300")
    qtbot.keyClick(reach, Qt.Key.Key_Return)
    assert np.count_nonzero(light.data) == 16 * 20
    qtbot.keyClick(reach, Qt.Key.Key_Down)
    assert reach.value() == 290
    click(viewer, at(rim, 14, 20))
    until(lambda: "Annotated as object 1" in rim.footer.text)
    planes = 4 if viewer.layers["two"].data.ndim == 3 else 1
    assert (viewer.layers["two annotations"].data == 1).sum() == planes * 16 * 20


def test_shift_and_the_wheel_set_the_reach(rim, viewer) -> None:
    light = viewer.layers["two pick"]
    turn_wheel(viewer, 1, times=20)
    assert rim.embeddings.reach.value() == 100  # Without Shift it zooms.
    turn_wheel(viewer, 1, "Shift", times=20)
    assert rim.embeddings.reach.value() == 300
    assert np.count_nonzero(light.data) == 16 * 20
    turn_wheel(viewer, -1, "Shift", times=20)
    assert np.count_nonzero(light.data) == 12 * 16
    move_mouse(rim, viewer, at(rim, -500, -500))
    rim.views.picking.pointing._on_timeout()
    turn_wheel(viewer, 1, "Shift", times=20)
    assert not light.visible  # Nothing lights up where nothing is pointed at.
    rim.embeddings.pick.click()
    turn_wheel(viewer, 1, "Shift")
    assert rim.embeddings.reach.value() == 300


def test_a_drag_is_no_click(widget, viewer, until, qtbot) -> None:
    pick(widget, until)
    click(viewer, at(widget, 12, 20), moved=50)
    qtbot.wait(50)
    assert "two annotations" not in names(viewer)


def test_a_click_says_what_is_background(widget, viewer, until) -> None:
    button = widget.segment.background_button
    widget.tabs.reveal(button)
    widget.segment.foreground.choose("embedding")
    button.click()
    assert button.text() == "Now click on background in the image"
    outside = (3, 0, 0)[-viewer.layers["two"].ndim :]
    click(viewer, outside)
    assert button.text() == "Background: like the clicked place"
    assert button.isChecked()
    assert str(outside) in button.toolTip()
    assert "is background now" in widget.footer.text
    assert "higher Foreground radius" in widget.footer.text
    assert not widget.views.background.is_waiting
    widget.segment.radius.editor("foreground_radius").set_value(5.0)
    widget.segment.segment_button.click()
    until(lambda: not widget.session.state.is_busy)
    found = viewer.layers["two objects"].data
    np.testing.assert_array_equal(found > 0, viewer.layers["two"].data > 0)
    button.click()
    assert widget.views.background.pixel(viewer.layers["two"]) is None
    assert button.text() == "Click on background"


def test_the_preview_stays_and_follows_a_click_on_the_background(widget, viewer, until) -> None:
    widget.tabs.reveal(widget.segment.preview)
    widget.segment.advanced.editor("background").set_value("mode")
    widget.segment.segment_button.click()
    until(lambda: "two objects" in names(viewer) and not widget.session.state.is_busy)
    widget.segment.preview.click()
    until(lambda: "two preview" in names(viewer))
    preview, objects = viewer.layers["two preview"], viewer.layers["two objects"]
    middle = tuple(n // 2 for n in preview.data.shape[:-2])
    place = at(widget, 12, 20)
    if len(place) == 3:
        viewer.dims.set_current_step(0, place[0])
    until(lambda: preview.visible and preview.data[(*middle, 12, 20)])
    assert not preview.data[(*middle, 0, 0)]
    seen = []
    preview.events.visible.connect(lambda: seen.append(preview.visible))
    widget.segment.background_button.click()
    click(viewer, place)
    until(lambda: not preview.data[(*middle, 12, 20)])
    assert preview.data[(*middle, 0, 0)]
    assert not seen
    assert not objects.visible
    assert not widget.session.state.is_busy
    widget.segment.background_button.click()
    until(lambda: preview.data[(*middle, 12, 20)])


def test_a_click_that_would_be_ignored_cannot_be_made(widget, viewer, until) -> None:
    button = widget.segment.background_button
    widget.tabs.reveal(button)
    assert not button.isEnabled()  # The fixture has set Background to none.
    assert "choose “mode” there" in button.toolTip()
    widget.segment.advanced.editor("background").set_value("mode")
    widget.segment.changed.emit()
    assert button.isEnabled()
    widget.segment.foreground.choose("intensity")
    assert not button.isEnabled()
    assert "where the image is bright" in button.toolTip()
    widget.segment.foreground.choose("embedding")
    button.click()
    click(viewer, (3, 0, 0)[-viewer.layers["two"].ndim :])
    widget.segment.foreground.choose("intensity")
    assert button.text() == "The clicked background is not looked at"
    assert button.isEnabled()  # It can be taken back.
    button.click()
    assert not button.isEnabled()


def test_a_click_on_the_background_is_waited_for_in_its_tab_and_image_alone(widget, viewer) -> None:
    button = widget.segment.background_button
    widget.segment.foreground.choose("embedding")
    for leave in (
        lambda: widget.tabs.reveal(widget.annotate),
        lambda: viewer.add_image(make_image(viewer.layers["two"].ndim), name="other"),
        button.click,
    ):
        widget.tabs.reveal(button)
        widget.annotate.image.choose(viewer.layers["two"])
        button.click()
        assert widget.views.background.is_waiting
        leave()
        assert not widget.views.background.is_waiting
        assert not button.isChecked()


def test_a_pick_with_the_brush_in_hand_paints_nothing_else_and_is_undone_as_a_whole(widget, viewer, until) -> None:
    widget.annotate.new_button.click()
    annotations = viewer.layers["two annotations"]
    annotations.selected_label = 6
    annotations.mode = "paint"
    viewer.show()
    viewer.reset_view()
    pick(widget, until)
    place = at(widget, 12, 20)
    if len(place) == 3:
        viewer.dims.set_current_step(0, place[0])
    click_at(viewer, viewer.layers["two"], place)
    until(lambda: "Annotated as object 1" in widget.footer.text)
    assert {*np.unique(annotations.data)} == {0, 1}
    assert str(annotations.mode) == "paint"
    annotations.undo()
    assert not annotations.data.any()
    widget.tabs.reveal(widget.segment.background_button)
    widget.segment.foreground.choose("embedding")
    widget.segment.background_button.click()
    click_at(viewer, viewer.layers["two"], at(widget, 3, 3))
    assert widget.views.background.pixel(viewer.layers["two"]) == at(widget, 3, 3)
    assert not annotations.data.any()
    click_at(viewer, viewer.layers["two"], at(widget, 3, 3))
    assert {*np.unique(annotations.data)} == {0, 6}  # The brush is there again.


def test_the_mouse_on_the_canvas_lights_up_what_it_is_over(widget, viewer, until) -> None:
    viewer.show()
    viewer.reset_view()
    pick(widget, until)
    two, first = viewer.layers["two"], at(widget, 12, 20)
    if len(first) == 3:
        viewer.dims.set_current_step(0, first[0])
    point_at(viewer, two, first)
    until(lambda: "two pick" in names(viewer))
    light = viewer.layers["two pick"]
    until(lambda: np.count_nonzero(light.data) == 16 * 20)
    point_at(viewer, two, at(widget, 48, 48))
    until(lambda: np.count_nonzero(viewer.layers["two pick"].data) == 16 * 24)
    point_at(viewer, two, at(widget, -2, -2))
    until(lambda: not viewer.layers["two pick"].visible)
    point_at(viewer, two, first)
    until(lambda: viewer.layers["two pick"].visible)
    click_at(viewer, two, first)
    until(lambda: "Annotated as object 1" in widget.footer.text)
    np.testing.assert_array_equal(viewer.layers["two annotations"].data == 1, two.data == 2)


def test_what_is_lit_lies_on_top_and_goes_with_the_tab(widget, viewer, until) -> None:
    place = light_up(widget, viewer, until, 12, 20)
    light = viewer.layers["two pick"]
    assert names(viewer)[-1] == "two pick"
    edge = light.data[0] if light.ndim == 3 else light.data
    colours = {value: light.get_color(value) for value in (1, 2, 3)}
    assert colours[3][:3].max() == 0
    assert colours[2][:3].min() < colours[2][:3].max() == 1
    assert {*np.unique(edge[edge > 0])} >= {2, 3}
    widget.segment.segment_button.click()
    until(lambda: "two objects" in names(viewer) and not widget.session.state.is_busy)
    move_mouse(widget, viewer, at(widget, 48, 48))
    until(lambda: names(viewer)[-1] == "two pick")
    widget.tabs.reveal(widget.annotate)
    assert "two pick" not in names(viewer)
    assert widget.embeddings.pick.isChecked()
    assert not viewer.mouse_move_callbacks
    widget.tabs.reveal(widget.embeddings)
    move_mouse(widget, viewer, place)
    until(lambda: "two pick" in names(viewer))


def test_the_foot_says_how_to_pick(widget, until) -> None:
    widget.tabs.reveal(widget.embeddings.pick)
    assert "Shift and the mouse wheel" not in widget.footer.hint.text()
    pick(widget, until)
    until(lambda: "Shift and the mouse wheel" in widget.footer.hint.text())
    widget.embeddings.pick.click()
    assert "Shift and the mouse wheel" not in widget.footer.hint.text()


def test_picking_waits_for_a_training_and_says_so(widget, viewer, processes, until) -> None:
    widget.tabs.reveal(widget.embeddings)
    begin_training(widget, viewer, processes, until)
    assert not widget.embeddings.pick.isEnabled()
    assert "have to wait for the end of the training" in widget.embeddings.pick.toolTip()
    assert "picking in an image that has not been embedded" in widget.footer.hint.text()


def test_dots_that_are_not_of_the_image_and_the_model_go(widget, viewer, until) -> None:
    widget.tabs.reveal(widget.embeddings)
    widget.embeddings.embed_button.click()
    until(lambda: not widget.embeddings.scatter.isHidden() and not widget.session.state.is_busy)
    assert widget.embeddings.dots_source.text() == f"Dots: two, by {widget.session.model_name}"
    other = viewer.add_image(make_image(viewer.layers["two"].ndim), name="other")
    widget.annotate.image.choose(other)
    assert widget.embeddings.scatter.isHidden()
    assert widget.embeddings.dots_source.isHidden()
    widget.embeddings.embed_button.click()
    until(lambda: not widget.embeddings.scatter.isHidden() and not widget.session.state.is_busy)
    assert "Dots: other" in widget.embeddings.dots_source.text()
    widget.session._model_path = None
    widget.session.state_changed.emit()
    assert widget.embeddings.scatter.isHidden()


def test_the_scatter_plot_shows_annotated_pixels_in_their_colour(widget, viewer, until) -> None:
    widget.annotate.new_button.click()
    annotations = viewer.layers["two annotations"]
    annotations.data_setitem(np.nonzero(viewer.layers["two"].data == 5), 7)
    widget.embeddings.embed_button.click()
    until(lambda: widget.embeddings.scatter.n_dots > 0)
    points, ids = widget.session.embedded_image.dots
    assert set(ids) == {0, 7}
    assert widget.embeddings.scatter.n_dots == len(points) >= 1500
    assert layers.label_colours(annotations, np.array([0, 7]))[0] is None


def test_pointing_takes_the_left_button_inside_the_layer_only(viewer) -> None:
    viewer.add_image(make_image(2), name="two")
    pointing = Pointing(viewer)
    seen = []
    pointing.clicked.connect(seen.append)
    pointing.begin(viewer.layers["two"])
    click(viewer, (3, 4))
    click(viewer, (-30, 4))
    assert seen == [(3, 4)]
    pointing.end()
    click(viewer, (3, 4))
    assert seen == [(3, 4)]


def test_a_picked_object_knows_its_pixels() -> None:
    picked = Picked(np.array([[True, False]]), (4, 6))
    assert picked.holds((4, 6))
    assert not any(picked.holds(pixel) for pixel in [(4, 7), (4, 5), (5, 6), (4, 8)])


def test_accepted_objects_become_annotations(widget, viewer, until) -> None:
    widget.segment.segment_button.click()
    until(lambda: not widget.session.state.is_busy)
    objects = viewer.layers["two objects"]
    assert widget.review.labels.layer() == objects
    widget.review.start_button.click()
    until(lambda: widget.reviewing.queue is not None)
    widget.review.action_buttons["accept"].click()
    until(lambda: widget.reviewing.queue.accepted and not widget.reviewing.is_busy)
    (accepted,) = widget.reviewing.queue.accepted
    widget.review.annotations_button.click()
    until(lambda: "two objects accepted" in names(viewer))
    annotations = viewer.layers["two objects accepted"]
    np.testing.assert_array_equal(annotations.data > 0, objects.data == accepted)
    assert tuple(annotations.scale) == tuple(objects.scale)
    assert widget.annotate.annotations.layer() == annotations
    until(lambda: widget.annotate.summary.n_objects == 1)
