"""The voxel size in the Annotate tab: what the file says, what is typed, and what lies on the image."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari.layers import Labels, Shapes
from qtpy.QtCore import QPoint, Qt
from tests.qt.conftest import make_image, paint

from napari_spoco._qt.annotate.voxel_form import ShownVoxelSize, describe
from napari_spoco._qt.annotate.voxel_job import run_reading
from napari_spoco._qt.annotate.voxel_scaling import layers_on, set_voxel_size
from napari_spoco._qt.jobs.worker import JobContext
from napari_spoco._qt.layers.image_axes import voxel_size
from napari_spoco._qt.layers.layers import MAKER
from napari_spoco._qt.model.model_fit import find_unknown_size
from napari_spoco.models.registry import shipped_path

SIZE = (0.235, 0.15, 0.15)
MICRON = ("micrometer",) * 3
OVULES = str(shipped_path("ovules-small"))


@pytest.fixture
def stack(spoco, viewer, tmp_path, until):
    """Return a stack that napari has opened from a file that says how large a voxel is."""
    options = {"metadata": {"axes": "ZYX", "spacing": SIZE[0], "unit": "um"}, "resolution": (1 / SIZE[2], 1 / SIZE[1])}
    tifffile.imwrite(tmp_path / "stack.tif", make_image((12, 60, 80)), imagej=True, **options)
    (layer,) = viewer.open(tmp_path / "stack.tif", plugin="napari")
    until(lambda: spoco.voxel_sizes.offered)
    return layer


def form(spoco):
    return spoco.annotate.image_form.voxels


def type_sizes(spoco, qtbot, *sizes: str) -> None:
    for field, size in zip([f for f in form(spoco).fields.values() if f.isVisibleTo(form(spoco))], sizes, strict=True):
        field.selectAll()
        qtbot.keyClicks(field, size)


# What the file says


def test_what_the_file_says_is_offered(spoco, stack) -> None:
    assert voxel_size(stack) is None
    assert "The file says 0.235 \u00d7 0.15 \u00d7 0.15 µm a voxel" in form(spoco).about.text()
    assert form(spoco).button.text() == "Use"
    assert [field.value() for field in form(spoco).fields.values()] == pytest.approx(SIZE)


def test_one_press_takes_it_for_all_that_lies_on_the_image(spoco, viewer, stack, qtbot, until) -> None:
    spoco.annotate.new_button.click()
    annotations = viewer.layers["stack annotations"]
    paint(annotations, 2)
    spoco.annotate.view_button.click()
    spoco.annotate.count()
    qtbot.mouseClick(form(spoco).button, Qt.MouseButton.LeftButton)
    boxes = next(layer for layer in viewer.layers if isinstance(layer, Shapes))
    for layer in (stack, annotations, boxes):
        np.testing.assert_allclose(layer.scale, SIZE)
        assert tuple(map(str, layer.units)) == MICRON
    assert "0.235 \u00d7 0.15 \u00d7 0.15 µm" in spoco.annotate.image_form.about.text()
    assert form(spoco).button.text() == "Set"
    assert "has 0.235 \u00d7 0.15 \u00d7 0.15 µm a voxel now" in spoco.footer.text
    assert spoco.annotate.objects.rows.listed.unit == "µm"


def test_one_keeps_looking_at_the_same_place(spoco, viewer, stack) -> None:
    viewer.dims.set_point(0, 7)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 20.0, 50.0), 6.0
    form(spoco).button.click()
    assert viewer.dims.current_step[0] == 7
    np.testing.assert_allclose(viewer.scene.camera.center[1:], (20 * 0.15, 50 * 0.15))
    assert viewer.scene.camera.zoom == pytest.approx(6 / 0.15)


def test_a_file_that_says_nothing(spoco, viewer, tmp_path, until) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", make_image())
    viewer.open(tmp_path / "plain.tif", plugin="napari")
    until(lambda: not spoco.voxel_sizes._reading.is_running)
    assert form(spoco).about.text() == "Pixel size: not known. Enter it if you know it:"
    assert form(spoco).button.text() == "Set"


def test_each_image_has_a_file_of_its_own(spoco, viewer, stack) -> None:
    other = viewer.add_image(make_image((12, 60, 80)), name="other")
    spoco.annotate.image.choose(other)
    assert "not known" in form(spoco).about.text()
    spoco.annotate.image.choose(stack)
    assert "The file says" in form(spoco).about.text()


@pytest.mark.parametrize("content", [b"no TIFF", None], ids=["broken", "gone"])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path, content) -> None:
    path = tmp_path / "cells.tif"
    if content:
        path.write_bytes(content)
    body = run_reading(JobContext(lambda _: None, lambda: False), path)
    next(body)
    with pytest.raises(StopIteration) as end:
        next(body)
    assert end.value.value == {}


# What is typed


def test_a_size_is_typed(spoco, viewer, qtbot) -> None:
    layer = viewer.add_image(make_image((12, 60, 80)), name="cells")
    type_sizes(spoco, qtbot, "2", "0.5", "0.25")
    qtbot.mouseClick(form(spoco).button, Qt.MouseButton.LeftButton)
    assert voxel_size(layer) == pytest.approx((2, 0.5, 0.25))


def test_the_return_key_sets_it(spoco, viewer, qtbot) -> None:
    layer = viewer.add_image(make_image(), name="cells")
    type_sizes(spoco, qtbot, "0.5", "0.5")
    qtbot.keyClick(form(spoco).fields["X"], Qt.Key.Key_Return)
    assert voxel_size(layer) == pytest.approx((0.5, 0.5))


def test_a_decimal_comma_is_one(spoco, viewer, qtbot) -> None:
    layer = viewer.add_image(make_image(), name="cells")
    type_sizes(spoco, qtbot, "0,0046", "0,0046")
    qtbot.mouseClick(form(spoco).button, Qt.MouseButton.LeftButton)
    assert voxel_size(layer) == pytest.approx((0.0046, 0.0046))
    assert "0.0046 \u00d7 0.0046 µm a pixel" in spoco.footer.text


@pytest.mark.parametrize("press", ["button", "key"])
def test_what_is_no_number_is_marked_and_refused(spoco, viewer, qtbot, press) -> None:
    layer = viewer.add_image(make_image(), name="cells")
    type_sizes(spoco, qtbot, "1.000,5", "2")
    field = form(spoco).fields["Y"]
    assert field.property("refused")
    if press == "key":
        qtbot.keyClick(field, Qt.Key.Key_Return)
    else:
        qtbot.mouseClick(form(spoco).button, Qt.MouseButton.LeftButton)
    assert spoco.footer.text == "pixel size: Y: expected a number, got “1.000,5”."
    assert voxel_size(layer) is None
    assert not field.property("refused")
    type_sizes(spoco, qtbot, "1.5", "2")
    qtbot.mouseClick(form(spoco).button, Qt.MouseButton.LeftButton)
    assert voxel_size(layer) == (1.5, 2)


def test_one_press_is_for_all_images_alike(spoco, viewer, qtbot) -> None:
    alike = [viewer.add_image(make_image(), name=f"z{number}") for number in range(3)]
    other = viewer.add_image(make_image((32, 48)), name="other")
    known = viewer.add_image(make_image(), name="known", scale=(2, 2), units=("um", "um"))
    viewer.add_labels(make_image(), name="z0 objects", metadata={MAKER: str(alike[0].unique_id)})
    spoco.annotate.image.choose(alike[1])
    assert form(spoco).for_all.text() == "also for 2 other open images like this one"
    assert "z2, z0" in form(spoco).for_all.toolTip()
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 20.0, 50.0), 6.0
    type_sizes(spoco, qtbot, "0.5", "0.5")
    qtbot.mouseClick(form(spoco).button, Qt.MouseButton.LeftButton)
    assert [voxel_size(image) for image in alike] == [(0.5, 0.5)] * 3
    assert (voxel_size(other), voxel_size(known)) == (None, (2, 2))
    np.testing.assert_allclose(viewer.layers["z0 objects"].scale, 0.5)
    np.testing.assert_allclose(viewer.scene.camera.center[1:], (10, 25))
    assert viewer.scene.camera.zoom == pytest.approx(12)
    assert spoco.footer.text == "“z1”, “z2” and “z0” have 0.5 \u00d7 0.5 µm a pixel now."
    type_sizes(spoco, qtbot, "0.25", "0.25")
    qtbot.mouseClick(form(spoco).for_all, Qt.MouseButton.LeftButton, pos=QPoint(8, form(spoco).for_all.height() // 2))
    qtbot.mouseClick(form(spoco).button, Qt.MouseButton.LeftButton)
    assert [voxel_size(image) for image in alike] == [(0.5, 0.5), (0.25, 0.25), (0.5, 0.5)]
    assert not form(spoco).for_all.isVisibleTo(form(spoco))


def test_images_alike_come_and_go(spoco, viewer) -> None:
    viewer.add_image(make_image(), name="z0")
    assert not form(spoco).for_all.isVisibleTo(form(spoco))
    other = viewer.add_image(make_image(), name="z1")
    spoco.annotate.image.choose(viewer.layers["z0"])
    assert form(spoco).for_all.text() == "also for 1 other open image like this one"
    viewer.layers.remove(other)
    assert not form(spoco).for_all.isVisibleTo(form(spoco))


def test_half_a_size_is_refused(spoco, viewer, qtbot) -> None:
    layer = viewer.add_image(make_image(), name="cells")
    form(spoco).fields["Y"].setValue(0.5)
    form(spoco).button.click()
    assert "expected a number for Y, X, or for none of them, got 1 of 2" in spoco.footer.text
    assert voxel_size(layer) is None


def test_it_is_taken_back(spoco, viewer, stack) -> None:
    form(spoco).button.click()
    for field in form(spoco).fields.values():
        field.set_value(None)
    form(spoco).button.click()
    assert voxel_size(stack) is None
    np.testing.assert_allclose(stack.scale, 1)
    assert form(spoco).button.text() == "Use"


def test_a_scale_without_a_unit_is_asked_about(spoco, viewer) -> None:
    layer = viewer.add_image(make_image(), scale=(0.5, 0.25), name="cells")
    assert "Its scale, without a unit, says 0.5 \u00d7 0.25 µm a pixel" in form(spoco).about.text()
    form(spoco).button.click()
    assert voxel_size(layer) == pytest.approx((0.5, 0.25))


def test_fields_follow_the_layer(spoco, viewer, qtbot) -> None:
    layer = viewer.add_image(make_image((12, 60, 80)), name="cells")
    layer.units = MICRON
    layer.scale = SIZE
    assert [field.value() for field in form(spoco).fields.values()] == pytest.approx(SIZE)
    assert "0.235 \u00d7 0.15 \u00d7 0.15 µm" in spoco.annotate.image_form.about.text()


def test_without_an_image_there_are_no_fields(spoco, viewer) -> None:
    layer = viewer.add_image(make_image(), name="cells")
    assert form(spoco).isVisibleTo(spoco.annotate)
    viewer.layers.remove(layer)
    assert not form(spoco).isVisibleTo(spoco.annotate)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (ShownVoxelSize("ZYX", SIZE), "Voxel size:"),
        (ShownVoxelSize("YX", None), "Pixel size: not known. Enter it if you know it:"),
        (
            ShownVoxelSize("ZYX", None, (None, 0.5, 0.5), "The file"),
            "The file says ? \u00d7 0.5 \u00d7 0.5 µm a voxel; napari did not take it over. Enter Z, then press Use:",
        ),
    ],
)
def test_the_sentence(shown: ShownVoxelSize, text: str) -> None:
    assert describe(shown) == text


# What lies on an image


def test_a_work_box_stays_in_its_place(spoco, viewer, stack, until) -> None:
    spoco.annotate.new_button.click()
    whole = viewer.layers["stack annotations"]
    whole.corner_pixels = np.array([[0, 10, 20], [11, 29, 49]])  # As napari notes it when it draws.
    spoco.annotating.crop_here()
    until(lambda: "stack annotations box" in viewer.layers)
    part, labels = viewer.layers["stack box"], viewer.layers["stack annotations box"]
    before = [stack.world_to_data(layer.data_to_world((1, 2, 3))) for layer in (part, labels)]
    spoco.annotate.image.choose(part)
    set_voxel_size(viewer, part, SIZE)
    after = [stack.world_to_data(layer.data_to_world((1, 2, 3))) for layer in (part, labels)]
    np.testing.assert_allclose(after, before)
    assert voxel_size(stack) == voxel_size(part) == pytest.approx(SIZE)


def test_a_turned_image_keeps_its_box(viewer) -> None:
    turned = {"rotate": 30, "scale": (2.0, 1.0), "translate": (5.0, 7.0)}
    image = viewer.add_image(make_image(), name="cells", **turned)
    labels = viewer.add_labels(np.zeros((64, 64), int), name="on it", **turned)
    labels.metadata["napari-spoco image"] = str(image.unique_id)
    set_voxel_size(viewer, image, (0.5, 0.75))
    np.testing.assert_allclose(labels.data_to_world((9, 4)), image.data_to_world((9, 4)))


def test_channels_keep_their_axis(viewer) -> None:
    image = viewer.add_image(make_image((2, 60, 80)), name="cells", axis_labels=("c", "y", "x"))
    set_voxel_size(viewer, image, (0.5, 0.25))
    np.testing.assert_allclose(image.scale, (1, 0.5, 0.25))
    assert voxel_size(image) == (0.5, 0.25)


def test_other_images_are_left_alone(viewer) -> None:
    image, other = (viewer.add_image(make_image(), name=name) for name in ("cells", "others"))
    labels = Labels(np.zeros((64, 64), int), metadata={"napari-spoco image": str(other.unique_id)})
    viewer.add_layer(labels)
    assert layers_on(viewer, image) == []
    assert layers_on(viewer, other) == [labels]


# What a model is told


def test_a_model_with_a_voxel_size_warns_before_it_is_used(spoco, stack, until) -> None:
    spoco.session.load_model(OVULES)
    until(lambda: spoco.session.model_path is not None)
    assert not spoco.footer.warning.isVisibleTo(spoco)
    spoco.tabs.setCurrentIndex(3)
    assert spoco.footer.warning.text() == (
        "ovules-small was trained at 0.235 \u00d7 0.3 \u00d7 0.3 µm a voxel; the voxel size of this image is "
        "not known, so it is taken as it is. The file says it: press Use in Annotate."
    )
    form(spoco).button.click()
    assert not spoco.footer.warning.isVisibleTo(spoco)


def test_nothing_is_said_where_the_model_knows_no_size_or_does_not_suit(viewer) -> None:
    plane = viewer.add_image(make_image(), name="plane")
    assert find_unknown_size(OVULES, plane) == find_unknown_size(None, plane) == find_unknown_size(OVULES, None) == ""
