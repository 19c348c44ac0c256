"""Comparing with a ground truth, by mouse and keyboard; and the table of the objects that were found."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from skimage.color import rgb2lab

from napari_spoco._qt.jobs.worker import JobContext
from napari_spoco._qt.layers.layers import label_colours, labels_layers
from napari_spoco._qt.layers.sources import Geometry
from napari_spoco._qt.segment.comparison_job import find_boxes, run_comparison
from napari_spoco._qt.segment.earlier_result import ModelInUse
from napari_spoco._qt.segment.mistake_layer import COLOURS
from napari_spoco._qt.segment.segmentation_job import measure_features
from napari_spoco.config import SegmentationConfig

CONTEXT = JobContext(lambda _: None, lambda: False)


def make_truth(ndim: int = 2) -> np.ndarray:
    """Four squares in a row: 1, 2, 3, 4."""
    truth = np.zeros((3, 32, 64)[-ndim:], np.int32)
    for label in range(1, 5):
        truth[..., 8:20, 12 * label : 12 * label + 8] = label
    return truth


def make_found(ndim: int = 2) -> np.ndarray:
    """1 is found, 2 and 3 are one object, 4 is missed; there is one too many."""
    truth = make_truth(ndim)
    found = np.where(truth == 1, 7, 0)
    found[..., 8:20, 24:44] = 5
    found[..., 24:30, 2:10] = 9
    return found.astype(np.uint32)


@pytest.fixture
def compared(spoco, viewer, until, qtbot):
    """Return the form after a press of Compare, on a stack."""
    scale = (2.0, 0.5, 0.5)
    viewer.add_labels(make_truth(3), name="truth", scale=scale)
    objects = viewer.add_labels(make_found(3), name="objects", scale=scale)
    form = spoco.segment.comparison
    assert not form.button.isEnabled()
    form.objects.choose(objects)
    form.truth.choose(viewer.layers["truth"])
    spoco.tabs.reveal(form)
    qtbot.mouseClick(form.button, Qt.MouseButton.LeftButton)
    until(lambda: spoco.comparing.comparison is not None)
    return form


def test_one_press_says_how_good_it_is(compared) -> None:
    assert compared.scores.text().startswith("Merged or split (ARand)")
    assert "Objects (AP@0.5)&nbsp;<b>0.167</b>" in compared.scores.text()  # 1 of 4 true objects and 2 false ones
    assert "Count off by&nbsp;<b>1</b>" in compared.scores.text()
    for name in ("Merged or split (ARand)", "Outlines (SBD)", "Count off by", "Objects (AP@0.5)"):
        assert f"<b>{name}</b>: " in compared.scores.toolTip()
    assert compared.counts.text() == "1 of 4 objects found, 1 missed, 2 merged, 0 split; 1 extra."


def test_a_mistake_is_shown_where_it_is(compared, viewer, qtbot) -> None:
    lines = [compared.list.item(row).text() for row in range(compared.list.count())]
    assert lines == ["Missed: 4", "Merged: 2, 3 in object 5", "Extra: object 9"]
    viewer.dims.set_point(0, 0)
    compared.list.setFocus()
    qtbot.keyClick(compared.list, Qt.Key.Key_Down)
    qtbot.keyClick(compared.list, Qt.Key.Key_Down)
    assert viewer.dims.point[0] == 2.0  # the middle plane
    assert viewer.scene.camera.center[1:] == pytest.approx((14 * 0.5, 34 * 0.5))
    place = compared.list.visualItemRect(compared.list.item(2)).center()
    qtbot.mouseClick(compared.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert viewer.scene.camera.center[1:] == pytest.approx((26 * 0.5, 6 * 0.5))


def test_what_changes_afterwards_is_said(compared, viewer) -> None:
    assert "before the last change" not in compared.scores.text()
    viewer.layers["objects"].data_setitem((np.array([0]), np.array([0]), np.array([0])), 3)
    assert compared.scores.text().count("before the last change") == 1


def test_another_choice_forgets_the_result(compared, viewer, until) -> None:
    viewer.layers.remove("truth")
    assert compared.scores.isHidden()
    assert not compared.button.isEnabled()
    until(lambda: "objects mistakes" not in viewer.layers)  # Not while napari is removing layers.


# The mistakes in the image


def test_all_layers_are_deleted_at_once(spoco, compared, viewer, until) -> None:
    viewer.layers.select_all()
    viewer.layers.remove_selected()
    until(lambda: not viewer.layers)
    assert spoco.comparing.comparison is None


def colours(layer, *places: tuple[int, int, int]) -> list[tuple[int, ...] | None]:
    return label_colours(layer, np.array([layer.data[place] for place in places]))


MISSED, MERGED, ALSO_MERGED, EXTRA, FOUND = (1, 10, 50), (1, 10, 26), (1, 10, 38), (1, 26, 5), (1, 10, 14)


def test_mistakes_are_a_layer_above_both(compared, viewer) -> None:
    layer = viewer.layers["objects mistakes"]
    assert [one.name for one in viewer.layers] == ["truth", "objects", "objects mistakes"]
    assert viewer.layers.selection.active.name == "objects"
    assert layer.scale.tolist() == [2.0, 0.5, 0.5]
    assert layer.data[FOUND] == 0
    for place, kind in ((MISSED, "missed"), (MERGED, "merged"), (ALSO_MERGED, "merged"), (EXTRA, "extra")):
        colour = colours(layer, place)[0]
        assert f"#{bytes(colour[:3]).hex()}" == COLOURS[kind]
        assert colour[3] < 128
    assert "Merged: 2, 3 in object 5" in layer.get_status((2.0, 5, 13), world=True)["coordinates"]


def test_the_list_has_the_colours_of_the_layer(compared) -> None:
    for row, kind in enumerate(("missed", "merged", "extra")):
        picture = compared.list.item(row).icon().pixmap(12, 12).toImage()
        assert picture.pixelColor(6, 6).name() == COLOURS[kind]


def test_the_chosen_mistake_stands_out(compared, viewer, qtbot) -> None:
    layer = viewer.layers["objects mistakes"]
    layer.visible = False
    places = (MISSED, MERGED, ALSO_MERGED, EXTRA)
    compared.list.setFocus()
    for _ in range(2):
        qtbot.keyClick(compared.list, Qt.Key.Key_Down)
    opacities = [colour[3] for colour in colours(layer, *places)]
    assert min(opacities[1:3]) > 200 > 128 > max(opacities[0], opacities[3])
    assert layer.visible
    assert layer.selected_label == layer.data[MERGED]
    qtbot.keyClick(compared.list, Qt.Key.Key_Down)
    assert [colour[3] > 128 for colour in colours(layer, *places)] == [False, False, False, True]


def test_mistakes_are_nothing_to_work_on(compared, viewer) -> None:
    assert viewer.layers["objects mistakes"] not in labels_layers(viewer)


def test_the_next_comparison_brings_its_own_mistakes(spoco, compared, viewer, until, qtbot) -> None:
    viewer.layers.remove("objects mistakes")
    qtbot.keyClick(compared.list, Qt.Key.Key_Down)  # What the user has removed stays away.
    assert "objects mistakes" not in viewer.layers
    viewer.layers["objects"].data = np.where(make_truth(3) == 4, 0, make_truth(3)).astype(np.uint32)
    qtbot.mouseClick(compared.button, Qt.MouseButton.LeftButton)
    until(lambda: compared.list.count() == 1)
    layer = viewer.layers["objects mistakes"]
    assert [colour is None for colour in colours(layer, MISSED, MERGED)] == [False, True]
    spoco.release()
    assert "objects mistakes" not in viewer.layers


def test_without_mistakes_there_is_no_layer(spoco, viewer, until, qtbot) -> None:
    form = spoco.segment.comparison
    for choice, name in ((form.objects, "objects"), (form.truth, "truth")):
        choice.choose(viewer.add_labels(make_truth(), name=name))
    qtbot.mouseClick(form.button, Qt.MouseButton.LeftButton)
    until(lambda: spoco.comparing.comparison is not None)
    assert len(viewer.layers) == 2


# Two models


@pytest.fixture
def two_models(spoco, viewer, monkeypatch):
    """Return what stands for a press of Segment with a model of some name, and the image."""
    image = viewer.add_image(np.zeros((32, 64), np.float32), name="cells", scale=(0.5, 0.5)).__wrapped__

    def segment(name: str, found: np.ndarray, **settings):
        used = ModelInUse(f"/models/{name}.safetensors", name, SegmentationConfig(**settings))
        monkeypatch.setattr(spoco.comparing, "_find_model", lambda: used)
        objects = spoco._results.show_objects(image, found.astype(np.uint32))
        spoco.segmenting.segmented.emit(objects)
        return objects

    return segment


def test_what_two_models_have_found_is_compared_in_one_press(spoco, viewer, until, qtbot, two_models) -> None:
    two_models("first", make_truth())
    objects = two_models("second", make_found())
    assert [layer.name for layer in viewer.layers] == ["cells", "cells objects by first", "cells objects"]
    earlier = viewer.layers["cells objects by first"]
    assert not earlier.visible
    assert earlier.scale.tolist() == [0.5, 0.5]
    np.testing.assert_array_equal(earlier.data, make_truth())
    np.testing.assert_array_equal(objects.data, make_found())
    form = spoco.segment.comparison
    assert form.truth.currentText() == "cells objects by first"
    spoco.tabs.reveal(form)
    qtbot.mouseClick(form.button, Qt.MouseButton.LeftButton)
    until(lambda: spoco.comparing.comparison is not None)
    assert form.counts.text() == (
        "1 in both, 1 only here, 1 only in the other; of the other, 2 are joined here and 0 in pieces."
    )
    assert "not which is right" in form.counts.toolTip()
    assert "how like the other result" in form.scores.toolTip()
    lines = [form.list.item(row).text() for row in range(form.list.count())]
    assert "cells objects differences" in viewer.layers
    assert lines == ["Only in the other: 4", "Joined: 2, 3 of the other in object 5", "Only here: object 9"]


def test_of_one_model_the_last_result_is_enough(spoco, viewer, two_models) -> None:
    two_models("first", make_truth())
    two_models("first", make_found())
    assert len(viewer.layers) == 2
    assert spoco.segment.comparison.truth.layer() is None


def test_of_other_settings_the_result_is_kept_and_named_by_them(spoco, viewer, two_models) -> None:
    """One by another model stays beside it; the latest is chosen, unless a truth is."""
    two_models("first", make_truth())
    two_models("second", make_truth() * 2)
    two_models("second", make_found(), method="watershed", class_threshold=0.77)
    chosen = spoco.segment.comparison.truth
    assert chosen.currentText() == "cells objects with Method auto, Certainty auto"
    two_models("second", make_truth(), method="pixel_classes", class_threshold=0.77)
    names = ["cells", "cells objects by first", "cells objects with Method watershed", "cells objects"]
    assert sorted(layer.name for layer in viewer.layers) == sorted(names)
    assert chosen.currentText() == "cells objects with Method watershed"
    np.testing.assert_array_equal(viewer.layers["cells objects with Method watershed"].data, make_found())


def test_a_result_that_stands_in_a_layer_of_its_own_is_offered(spoco, viewer, two_models) -> None:
    """Because another image was segmented in between, or the user has edited it; whatever the pixel size is by now."""
    first = two_models("first", make_truth())
    other = viewer.add_image(np.zeros((32, 64), np.float32), name="other").__wrapped__
    spoco.segmenting.segmented.emit(spoco._results.show_objects(other, make_found().astype(np.uint32)))
    first.data_setitem((np.array([0]), np.array([0])), 8)
    viewer.layers["cells"].scale = (0.1, 0.1)
    second = two_models("second", make_found())
    form = spoco.segment.comparison
    assert second is not first
    assert (form.objects.layer(), form.truth.layer()) == (second, first)
    assert form.button.isEnabled()


def test_objects_are_compared_within_their_image(spoco, viewer, two_models) -> None:
    form = spoco.segment.comparison
    viewer.add_labels(make_truth(), name="truth")
    objects = two_models("first", make_truth())
    other = viewer.add_image(np.zeros((32, 64), np.float32), name="other").__wrapped__
    theirs = spoco._results.show_objects(other, make_found().astype(np.uint32))
    form.objects.choose(objects)
    assert [form.truth.itemText(row) for row in range(form.truth.count())] == ["truth, or another result", "truth"]
    form.objects.choose(theirs)
    assert "cells objects" not in [form.truth.itemText(row) for row in range(form.truth.count())]
    form.objects.choose("")
    assert form.truth.count() == 1 + 3


def test_one_earlier_result_is_kept(spoco, viewer, two_models) -> None:
    for name, found in (("first", make_truth()), ("second", make_found()), ("third", make_truth())):
        two_models(name, found)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells objects by second", "cells objects"]
    np.testing.assert_array_equal(viewer.layers["cells objects by second"].data, make_found())


@pytest.mark.parametrize("is_edited", [False, True], ids=["removed", "edited"])
def test_an_earlier_result_is_the_users(spoco, viewer, two_models, is_edited) -> None:
    two_models("first", make_truth())
    two_models("second", make_found())
    names = ["cells", "cells objects by second", "cells objects"]
    if is_edited:
        viewer.layers["cells objects by first"].data_setitem((np.array([0]), np.array([0])), 8)
        names.insert(2, "cells objects by first")
    else:
        viewer.layers.remove("cells objects by first")
    two_models("third", make_truth())
    assert sorted(layer.name for layer in viewer.layers) == sorted(names)
    if is_edited:
        assert viewer.layers["cells objects by first"].data[0, 0] == 8


def test_a_chosen_truth_stays_chosen(spoco, viewer, two_models) -> None:
    spoco.segment.comparison.truth.choose(viewer.add_labels(make_truth(), name="truth"))
    two_models("first", make_truth())
    two_models("second", make_found())
    assert spoco.segment.comparison.truth.currentText() == "truth"


COLOUR_BLIND = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Severity 1 of Machado, Oliveira and Fernandes 2009, on linear RGB."""


@pytest.mark.parametrize("eyes", ["normal", *COLOUR_BLIND])
def test_kinds_are_told_apart_by_all_eyes(eyes) -> None:
    shown = np.array([list(bytes.fromhex(colour[1:])) for colour in COLOURS.values()]) / 255
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(COLOUR_BLIND.get(eyes, np.eye(3))).T, 0, 1)
    seen = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(seen[np.newaxis])[0]
    distances = np.linalg.norm(lab[:, np.newaxis] - lab, axis=-1)
    assert distances[np.triu_indices(4, 1)].min() > 30  # 2.3 is the least that one sees


def test_other_shapes_are_refused_in_words(spoco, viewer, until, qtbot) -> None:
    form = spoco.segment.comparison
    form.objects.choose(viewer.add_labels(make_found(), name="objects"))
    form.truth.choose(viewer.add_labels(make_truth()[:16], name="half"))
    qtbot.mouseClick(form.button, Qt.MouseButton.LeftButton)
    until(lambda: "expected a layer of the shape of the objects (32, 64), got (16, 64)" in spoco.footer.text)
    assert form.button.isEnabled()


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_job_finds_scores_and_places(ndim) -> None:
    body = run_comparison(CONTEXT, make_found(ndim), make_truth(ndim))
    next(body)
    with pytest.raises(StopIteration) as end:
        next(body)
    comparison = end.value.value
    assert comparison.scores["abs_dic"] == 1
    missed, merged, extra = comparison.boxes
    assert missed[-1] == slice(48, 56)
    assert merged[-1] == slice(24, 44)  # around both true objects
    assert extra[-2:] == (slice(24, 30), slice(2, 10))
    assert missed[:-2] == (slice(0, 3),) * (ndim - 2)


def test_boxes_of_ids_of_any_size() -> None:
    labels = np.array([[0, 2**31, 2**31], [5, 0, 2**31]], np.uint32)
    assert find_boxes(labels, [2**31, 4]) == {2**31: (slice(0, 2), slice(1, 3))}
    assert find_boxes(labels, []) == {}


@pytest.mark.parametrize("ndim", [2, 3])
def test_features_are_in_the_units_of_the_layer(ndim) -> None:
    scale, units = (2.0, 0.5, 0.5)[-ndim:], ("micrometer",) * ndim
    table = measure_features(make_truth(ndim).astype(np.uint32), Geometry(scale, units, tuple("zyx"[-ndim:])))
    assert table["index"].tolist() == [1, 2, 3, 4]
    n_pixels = 96 * 3 ** (ndim - 2)
    size = {2: "area (micrometer²)", 3: "volume (micrometer³)"}[ndim]
    assert table["pixels"].tolist() == [n_pixels] * 4
    assert table[size] == pytest.approx(n_pixels * np.prod(scale))
    assert table["x (micrometer)"][0] == pytest.approx((12 + 3.5) * 0.5)
    assert table["y (micrometer)"][0] == pytest.approx((8 + 5.5) * 0.5)
    if ndim == 3:
        assert table["z (micrometer)"][0] == pytest.approx(2.0)


def test_no_features_where_units_have_no_common_measure() -> None:
    labels = make_truth(3).astype(np.uint32)
    assert measure_features(labels, Geometry((1.0,) * 3, ("second", "micrometer", "micrometer"), tuple("tyx"))) == {}


def test_features_go_with_the_objects_that_they_describe(viewer) -> None:
    from napari_spoco._qt.layers import layers

    labels = viewer.add_labels(make_truth(), name="objects")
    geometry = Geometry((1.0, 1.0), ("pixel",) * 2, ("y", "x"))
    layers.show_features(labels, measure_features(labels.data.astype(np.uint32), geometry))
    assert "area (pixel²): 96," in labels.get_status((14, 40), world=True)["coordinates"]
    labels.data_setitem((np.array([0]), np.array([0])), 3)
    assert labels.features.empty
    layers.show_features(labels, {"index": [1], "pixels": [2]})
    assert len(labels.features) == 1
