"""What the plugin does with layers: every transform is carried, nothing of the user's is overwritten."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from scipy.ndimage import binary_erosion, generate_binary_structure

from napari_spoco._qt.annotate.image_layers import WHOLE, ImageStage
from napari_spoco._qt.layers import layers
from napari_spoco._qt.layers.result_layers import ResultLayers, _outlined

GEOMETRY_2D = {
    "scale": (0.5, 0.25),
    "translate": (10.0, -3.0),
    "rotate": 30.0,
    "shear": [0.2],
    "affine": [[1.0, 0.1, 4.0], [0.0, 2.0, 5.0], [0.0, 0.0, 1.0]],
    "units": ("micrometer", "micrometer"),
    "axis_labels": ("y", "x"),
}
GEOMETRY_3D = {
    "scale": (2.0, 0.5, 0.25),
    "translate": (1.0, 10.0, -3.0),
    "rotate": [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]],  # napari cannot show planes that are tilted
    "shear": [0.0, 0.0, 0.2],
    "affine": np.diag([1.0, 2.0, 3.0, 1.0]),
    "units": ("nanometer",) * 3,
    "axis_labels": ("z", "y", "x"),
}
CASES = [
    pytest.param((40, 30), False, GEOMETRY_2D, id="2D"),
    pytest.param((40, 30), True, GEOMETRY_2D, id="2D colour"),
    pytest.param((8, 40, 30), False, GEOMETRY_3D, id="3D"),
    pytest.param((8, 40, 30), True, GEOMETRY_3D, id="3D colour"),
]


def add_image(viewer, shape, rgb, geometry):
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3) if rgb else shape).astype(np.uint8)
    viewer.add_image(pixels, rgb=rgb, name="cells", **geometry)
    return next(layer for layer in viewer.layers if layer.name == "cells")


def assert_same_place(layer, image, start=None) -> None:
    """Compare where pixels lie in the world, and what the axes are called."""
    start = np.zeros(image.ndim) if start is None else np.asarray(start)
    for pixel in (np.zeros(image.ndim), np.arange(1, image.ndim + 1)):
        np.testing.assert_allclose(layer.data_to_world(pixel), image.data_to_world(pixel + start), atol=1e-9)
    assert layer.units == image.units
    assert layer.axis_labels == image.axis_labels
    np.testing.assert_allclose(layer.scale, image.scale)


def test_units_that_differ_between_axes_come_to_micrometers(viewer) -> None:
    geometry = {"scale": (500, 0.2, 0.1), "units": ("nanometer", "micrometer", "micrometer")}
    image = add_image(viewer, (8, 40, 30), False, geometry)
    found = layers.read_image(image).geometry
    assert (found.scale, found.units) == (pytest.approx((0.5, 0.2, 0.1)), ("micrometer",) * 3)
    image.units = ("nanometer",) * 3
    assert layers.read_image(image).geometry.units == ("nanometer",) * 3


@pytest.mark.parametrize(("shape", "rgb", "geometry"), CASES)
def test_annotations_lie_on_the_image_ready_to_paint(viewer, shape, rgb, geometry) -> None:
    image = add_image(viewer, shape, rgb, geometry)
    annotations = layers.add_annotations(viewer, image)
    assert_same_place(annotations, image)
    assert annotations.data.shape == shape
    assert annotations.data.dtype == np.int32
    assert not annotations.data.any()
    assert (annotations.mode, annotations.selected_label) == ("paint", 1)
    assert viewer.layers.selection.active == annotations


@pytest.mark.parametrize(("shape", "rgb", "geometry"), CASES)
@pytest.mark.parametrize("is_box", [False, True], ids=["whole", "box"])
def test_a_picture_lies_where_its_box_does(viewer, shape, rgb, geometry, is_box) -> None:
    image = add_image(viewer, shape, rgb, geometry)
    results = ResultLayers(viewer)
    start = tuple(size // 4 for size in shape) if is_box else None
    box = tuple(size // 2 for size in shape) if is_box else shape
    for _ in range(2):  # made, then refreshed
        results.show_embeddings(image, np.zeros((*box, 3), np.uint8), start)
        assert_same_place(viewer.layers["cells embeddings"], image, start)


@pytest.mark.parametrize(("shape", "rgb", "geometry"), CASES)
def test_objects_lie_on_the_image(viewer, shape, rgb, geometry) -> None:
    image = add_image(viewer, shape, rgb, geometry)
    found = ResultLayers(viewer).show_objects(image, np.ones(shape, np.uint32))
    assert_same_place(found, image)
    assert viewer.layers.selection.active == found


@pytest.fixture
def image(viewer):
    return add_image(viewer, (40, 30), False, {})


@pytest.fixture
def results(viewer):
    return ResultLayers(viewer)


def picture(value: int, shape: tuple[int, ...] = (40, 30)) -> np.ndarray:
    return np.full((*shape, 3), value, np.uint8)


def objects(value: int = 1) -> np.ndarray:
    labels = np.zeros((40, 30), np.uint32)
    labels[5:15, 5:15] = value
    return labels


def test_a_picture_is_refreshed_in_place_below_the_annotations(viewer, image, results) -> None:
    annotations = layers.add_annotations(viewer, image)
    results.show_embeddings(image, picture(1))
    first = viewer.layers["cells embeddings"]
    first.opacity = 0.3
    results.show_embeddings(image, picture(2, (20, 10)), (5, 5))
    assert [layer.name for layer in viewer.layers] == ["cells", "cells embeddings", "cells annotations"]
    assert viewer.layers["cells embeddings"].data[0, 0, 0] == 2
    assert viewer.layers["cells embeddings"].opacity == 0.3
    assert viewer.layers.selection.active == annotations
    assert annotations.mode == "paint"


def test_a_deleted_picture_comes_back_with_the_next_run_only(viewer, image, results) -> None:
    results.show_embeddings(image, picture(1))
    viewer.layers.remove("cells embeddings")
    results.show_embeddings(image, picture(2))
    results.show_embeddings(image, picture(3))
    assert "cells embeddings" not in viewer.layers
    results.begin()
    results.show_embeddings(image, picture(4))
    assert "cells embeddings" in viewer.layers


def test_a_picture_of_a_deleted_image_is_no_error(viewer, image, results) -> None:
    viewer.layers.remove("cells")
    results.show_embeddings(image, picture(1))
    assert "cells embeddings" in viewer.layers


def test_one_result_is_on_show_at_a_time(viewer, image, results) -> None:
    results.show_embeddings(image, picture(1), is_asked=False)
    colours = viewer.layers["cells embeddings"]
    assert not colours.visible
    found = results.show_objects(image, objects(1))
    results.show_embeddings(image, picture(2), is_asked=True)
    assert (colours.visible, found.visible) == (True, False)
    results.show_preview(image, objects(2), (0, 0))
    assert (colours.visible, found.visible, viewer.layers["cells preview"].visible) == (False, False, True)
    results.drop_preview()
    assert (colours.visible, found.visible) == (True, False)
    results.show_objects(image, objects(3))
    assert (colours.visible, found.visible) == (False, True)


def test_the_results_of_a_part_take_the_place_of_those_of_the_whole(viewer, image, results) -> None:
    whole = results.show_objects(image, objects(1))
    part = viewer.add_image(np.zeros((8, 8)), name="cells box", metadata={WHOLE: layers.identity(image)})
    found = results.show_objects(part, np.ones((8, 8), np.uint32))
    assert (found.visible, whole.visible, image.visible) == (True, False, True)


def test_nothing_comes_up_over_what_is_painted_on(viewer, image, results) -> None:
    annotations = layers.add_annotations(viewer, image)
    results.begin()
    results.show_preview(image, objects(1), (0, 0))
    preview = viewer.layers["cells preview"]
    assert preview.visible  # It was asked for with the brush in hand.
    results.hide_preview()
    annotations.data_setitem((np.array([1]), np.array([1])), 1)
    results.show_preview(image, objects(2), (0, 0))
    results.show_embeddings(image, picture(1), is_asked=True)
    assert not preview.visible
    assert not viewer.layers["cells embeddings"].visible
    found = results.show_objects(image, objects(1))
    assert viewer.layers.index(found) < viewer.layers.index(annotations)
    assert viewer.layers.selection.active == annotations
    assert annotations.mode == "paint"
    results.expect()
    results.show_preview(image, objects(2), (0, 0))
    assert preview.visible


def test_an_untouched_result_is_replaced(viewer, image, results) -> None:
    first = results.show_objects(image, objects(1))
    assert results.show_objects(image, objects(2)) is first
    assert first.data.max() == 2


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda layer: layer.paint((1, 1), 9), id="paint"),
        pytest.param(lambda layer: layer.fill((6, 6), 9), id="fill"),
        pytest.param(lambda layer: layer.data_setitem((np.array([1]), np.array([1])), 9), id="set pixels"),
        pytest.param(lambda layer: setattr(layer, "data", objects(9)), id="new data"),
    ],
)
def test_an_edited_result_is_kept(viewer, image, results, edit) -> None:
    first = results.show_objects(image, objects(1))
    edit(first)
    kept = first.data.copy()
    second = results.show_objects(image, objects(2))
    assert second is not first
    assert second.name == "cells objects 2"
    np.testing.assert_array_equal(first.data, kept)
    assert results.show_objects(image, objects(3)) is second


def test_a_result_belongs_to_its_image(viewer, image, results) -> None:
    other = viewer.add_image(np.zeros((40, 30)), name="other").__wrapped__
    first = results.show_objects(image, objects(1))
    assert results.show_objects(other, objects(2)) is not first


def test_results_of_several_images_take_turns(viewer, image, results) -> None:
    other = viewer.add_image(np.zeros((40, 30)), name="other").__wrapped__
    first = results.show_objects(image, objects(1))
    results.show_objects(other, objects(2))
    assert results.show_objects(image, objects(3)) is first


def test_the_next_dock_finds_what_the_last_one_has_shown(viewer, image, results) -> None:
    found = results.show_objects(image, objects(1))
    results.show_embeddings(image, picture(1))
    results.end()
    after = ResultLayers(viewer)
    assert after.show_objects(image, objects(2)) is found
    after.show_embeddings(image, picture(2))
    assert [layer.name for layer in viewer.layers] == ["cells", "cells embeddings", "cells objects"]
    np.testing.assert_array_equal(viewer.layers["cells embeddings"].data, picture(2))
    after.end()


def test_a_deleted_result_is_made_anew(viewer, image, results) -> None:
    results.show_objects(image, objects(1))
    viewer.layers.remove("cells objects")
    assert results.show_objects(image, objects(2)) in viewer.layers


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda layer: layer.paint((1, 1), 9), id="paint"),
        pytest.param(lambda layer: layer.fill((1, 1), 9), id="fill"),
        pytest.param(lambda layer: layer.undo(), id="undo, which emits no event of its own"),
        pytest.param(lambda layer: setattr(layer, "data", objects(9)), id="new data"),
    ],
)
def test_every_change_of_the_annotations_is_seen(viewer, image, change) -> None:
    annotations = layers.add_annotations(viewer, image)
    annotations.paint((20, 20), 1)
    seen = []

    def on_painted(_event=None) -> None:
        seen.append(1)

    layers.watch_painting(annotations, on_painted)
    change(annotations)
    assert seen
    seen.clear()
    layers.unwatch_painting(annotations, on_painted)
    change(annotations)
    assert not seen


def test_the_work_of_showing_one_image_grows_as_the_number_of_layers(monkeypatch) -> None:
    identity, asked, n_asked = layers.identity, [], []
    monkeypatch.setattr(layers, "identity", lambda layer: asked.append(layer) or identity(layer))
    for n_images in (4, 8):
        viewer = ViewerModel()
        images = [viewer.add_image(np.zeros((8, 8))) for _ in range(n_images)]
        for image in images:
            layers.add_annotations(viewer, image)
        asked.clear()
        ImageStage(viewer).show(images[1])
        n_asked.append(len(asked))
        assert [layer.visible for layer in viewer.layers[:n_images]] == [image is images[1] for image in images]
        assert sum(layer.visible for layer in viewer.layers) == 2
    assert n_asked[1] <= 2 * n_asked[0]


@pytest.mark.parametrize("hidden", [False, True])
def test_another_plane_is_no_change_of_the_annotations(viewer, hidden) -> None:
    image = add_image(viewer, (8, 40, 30), False, {})
    annotations = layers.add_annotations(viewer, image)
    annotations.paint((0, 20, 20), 1)
    drawn, seen = [], []

    def on_painted(event) -> None:
        seen.append(event.source)

    layers.watch_painting(annotations, on_painted)
    annotations.events.set_data.connect(drawn.append)
    annotations.visible = not hidden
    viewer.dims.set_current_step(0, 3)
    seen.clear()
    for step in (4, 5):
        viewer.dims.set_current_step(0, step)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.ndisplay = 3
    assert bool(drawn) is not hidden
    assert not seen
    viewer.dims.ndisplay = 2
    annotations.visible = True
    seen.clear()
    annotations.undo()
    assert seen == [annotations]
    seen.clear()
    annotations.data[0, 0, 0] = 5  # as a script does
    annotations.refresh()
    assert seen == [annotations]


def test_an_image_is_read_without_a_copy(viewer) -> None:
    for shape, rgb, axes in [((40, 30), False, (40, 30)), ((40, 30), True, (3, 40, 30))]:
        layer = add_image(viewer, shape, rgb, {})
        source = layers.read_image(layer)
        assert source.data.shape == axes
        assert source.ndim == 2
        assert np.shares_memory(source.data, layer.data)
        viewer.layers.clear()


def test_transparency_is_no_channel() -> None:
    layer = Image(np.zeros((40, 30, 4), np.uint8), rgb=True)
    assert layers.read_image(layer).data.shape == (3, 40, 30)


def test_the_finest_level_of_a_pyramid_is_read() -> None:
    layer = Image([np.zeros((40, 30)), np.zeros((20, 15))], multiscale=True)
    assert layers.read_image(layer).data.shape == (40, 30)
    assert layers.spatial_shape(layer) == (40, 30)


@pytest.mark.parametrize("shape", [(2, 2, 3, 40, 30), (2, 2, 2, 3, 40, 30)])
def test_other_axes_are_refused(viewer, shape) -> None:
    layer = Image(np.zeros(shape))
    with pytest.raises(ValueError, match="expected 2 or 3 axes"):
        layers.read_image(layer)
    with pytest.raises(ValueError, match="expected 2 or 3 axes"):
        layers.add_annotations(viewer, layer)
    asked = "press Take this time point" if len(shape) == 5 else "choose an image with 2 or 3"
    assert asked in layers.describe_image(layer)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        pytest.param(Image(np.zeros((40, 30))), "Y 40, X 30", id="2D"),
        pytest.param(Image(np.zeros((40, 30, 3)), rgb=True), "Y 40, X 30, colours 3", id="colour"),
        pytest.param(
            Image(np.zeros((8, 40, 30)), scale=(2, 0.5, 0.25), units=("micrometer",) * 3),
            "Z 8, Y 40, X 30; pixels of 2 \u00d7 0.5 \u00d7 0.25 µm",
            id="3D with units",
        ),
    ],
)
def test_an_image_is_described(layer, text) -> None:
    assert layers.describe_image(layer) == text


def test_our_pictures_are_no_images_to_train_on(viewer, image, results) -> None:
    results.show_embeddings(image, picture(1))
    assert [layer.name for layer in layers.image_layers(viewer)] == ["cells"]


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("shape", [(40, 60), (1, 40, 60), (3, 40, 60), (5, 4), (1, 1)])
def test_the_lines_of_a_picked_object_are_so_many_pixels_wide(shape, width, rng) -> None:
    mask = rng.random(shape) < 0.98
    cross = generate_binary_structure(2, 1).reshape((1,) * (len(shape) - 2) + (3, 3))
    inside = binary_erosion(mask, cross, iterations=width)
    middle = binary_erosion(inside, cross, iterations=width)
    expected = np.select([middle, inside, mask], [1, 2, 3])
    np.testing.assert_array_equal(_outlined(mask, width), expected)


@pytest.mark.parametrize(("shape", "rgb", "geometry"), CASES)
def test_a_picked_object_is_shown_in_its_box_alone(viewer, shape, rgb, geometry) -> None:
    """However large the plane is, in which it was looked for."""
    image = add_image(viewer, shape, rgb, geometry)
    results = ResultLayers(viewer)
    ahead = (1,) * (len(shape) - 2)
    for first, size in ((4, 9), (12, 3)):
        plane = np.zeros((*ahead, 30, 25), bool)
        plane[..., first : first + size, 6:9] = True
        results.show_pick(image, plane, (*(2 for _ in ahead), 5, 1))
        picked = viewer.layers["cells pick"]
        assert picked.data.shape == (*ahead, size, 3)
        assert picked.data.all()
        assert_same_place(picked, image, (*(2 for _ in ahead), 5 + first, 1 + 6))
    results.show_pick(image, np.zeros((*ahead, 4, 4), bool), (0,) * len(shape))
    assert not viewer.layers["cells pick"].data.any()
