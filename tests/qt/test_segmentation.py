"""From a model file to objects in the viewer: a tiny untrained network, predicted and clustered for real."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from napari_spoco._qt import paths
from napari_spoco._qt.jobs.job_steps import FINDING
from napari_spoco._qt.session import SessionState
from napari_spoco.config import NetworkConfig
from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation import prediction, readout, reclustering


def names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers]


def save_tiny_model(path, **network):
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

    config = NetworkConfig(**{"embedding_dim": 4, "feature_maps": (4, 8, 8), **network})
    return save_model(EmbeddingModel.create(ModelCard(network=config, median_object_size=30.0)), path)


@pytest.fixture
def load(ready, tmp_path, monkeypatch, until):
    """Return a function that loads a tiny model of that architecture through the dock."""

    def do(**network):
        path = save_tiny_model(tmp_path / "tiny.safetensors", **network)
        monkeypatch.setattr(paths, "ask_model_to_load", lambda *_: str(path))
        ready.segment.load_button.click()
        until(lambda: not ready.session.state.is_busy)
        assert ready.footer.text == "The model is loaded."
        return ready

    return do


@pytest.fixture
def segment(until):
    def do(widget) -> str:
        widget.segment.segment_button.click()
        assert widget.session.state is SessionState.PREDICTING
        until(lambda: not widget.session.state.is_busy)
        return widget.footer.text

    return do


def test_a_loaded_model_is_described(load) -> None:
    widget = load()
    assert widget.segment.about_model.text() == "Model: tiny: 2D, 1 channel, 0 steps on 0 objects"
    assert widget.segment.segment_button.isEnabled()


def test_objects_of_the_whole_image_in_a_new_layer(load, viewer, segment) -> None:
    widget = load()
    viewer.layers["cells"].scale = (0.5, 0.25)
    message = segment(widget)
    objects = viewer.layers["cells objects"]
    assert message == f"Found {objects.data.max()} objects."
    assert objects.data.dtype == np.uint32
    assert tuple(objects.scale) == (0.5, 0.25)
    assert viewer.layers["cells embeddings"].data.shape == (64, 64, 3)
    assert widget.export.labels.layer() is not None
    assert widget.export.save_button.isEnabled()
    assert widget.session.state is SessionState.IDLE


def test_each_step_is_said(load, segment) -> None:
    widget = load()
    said = []
    widget.session.noticed.connect(lambda notice: said.append(notice.text))
    segment(widget)
    assert said[:4] == [
        "Computing the embeddings …",
        "Reading the image and the model …",
        "Starting the model …",
        "Computing the embeddings …",
    ]
    finding = [text for text in said if text.startswith("Finding the objects: ")]
    assert finding == [f"Finding the objects: {step} …" for step in FINDING]


def test_other_settings_cost_no_prediction(load, viewer, segment, monkeypatch) -> None:
    widget = load()
    segment(widget)
    calls = []
    predict = prediction.predict_outputs
    monkeypatch.setattr(prediction, "predict_outputs", lambda *a, **k: calls.append(1) or predict(*a, **k))
    widget.segment.quick.editor("min_size").set_value(40)
    segment(widget)
    assert not calls
    viewer.layers["cells"].data = 255 - viewer.layers["cells"].data
    segment(widget)
    assert len(calls) == 1


def test_strokes_of_background_are_no_objects(load, viewer, segment, monkeypatch) -> None:
    widget = load()
    annotations = widget.annotate.annotations.layer()
    annotations.data_setitem((np.full(10, 60), np.arange(10)), 99)
    widget.train.settings.advanced.group("annotations").editor("background_label").set_value(99)
    seen = []
    set_context = reclustering.Reclustering.set_context
    monkeypatch.setattr(
        reclustering.Reclustering, "set_context", lambda it, c: seen.append(c.annotations) or set_context(it, c)
    )
    assert segment(widget).startswith("Found")
    assert set(np.unique(seen[0][60, :10])) == {BACKGROUND}
    assert 99 not in seen[0]
    assert seen[0].max() > 0


def test_what_is_painted_after_the_press_belongs_to_the_next_one(load, viewer, segment) -> None:
    widget = load()
    segment(widget)
    known = widget.session.embedded_image.context.annotations
    before = known.copy()
    widget.annotate.annotations.layer().data_setitem((np.full(3, 40), np.arange(3)), 8)
    np.testing.assert_array_equal(known, before)
    segment(widget)
    assert (widget.session.embedded_image.context.annotations == 8).sum() == 3


@pytest.mark.parametrize("key", ["intensity", "embedding"])
def test_objects_lie_in_the_foreground(load, segment, key) -> None:
    widget = load()
    widget.segment.foreground.choose(key)
    assert widget.segment.radius.isVisibleTo(widget.segment) == (key == "embedding")
    assert widget.segment.config().foreground == key
    assert segment(widget).startswith("Found")


def test_objects_lie_in_a_mask(load, viewer, segment) -> None:
    widget = load()
    mask = np.zeros((64, 64), int)
    mask[10:30, 10:30] = 1
    viewer.add_labels(mask, name="mask")
    widget.segment.foreground.choose(viewer.layers["mask"])
    segment(widget)
    assert not viewer.layers["cells objects"].data[mask == 0].any()


def other_image(pixels):
    def change(viewer, widget) -> None:
        viewer.add_image(pixels, name="odd")
        widget.annotate.image.choose(viewer.layers["odd"])

    return change


def other_mask(viewer, widget) -> None:
    viewer.add_labels(np.ones((10, 10), int), name="odd")
    widget.segment.foreground.choose(viewer.layers["odd"])


def random(shape):
    return np.random.default_rng(0).random(shape)


@pytest.mark.parametrize(
    ("network", "change", "sentence"),
    [
        pytest.param({}, other_image(random((64, 2))), "at least", id="smaller than the stride"),
        pytest.param({}, other_image(np.zeros((64, 64))), "with contrast", id="constant"),
        pytest.param({}, other_image(np.full((64, 64), np.nan)), "finite", id="NaN"),
        pytest.param({}, other_mask, "foreground: expected the image's shape", id="mask of another shape"),
    ],
)
def test_what_does_not_suit_is_refused_with_a_sentence(load, viewer, segment, network, change, sentence) -> None:
    widget = load(**network)
    change(viewer, widget)
    before = names(viewer)
    message = segment(widget)
    assert sentence in message
    assert "expected" in message
    assert widget.session.state is SessionState.IDLE
    assert names(viewer) == before


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        pytest.param({"in_channels": 3}, "tiny takes 3 channels, and “cells” has 1: take", id="channels"),
        pytest.param({"ndim": 3}, "tiny is for 3D images, and “cells” is 2D: take another model", id="dimensions"),
    ],
)
def test_a_model_for_other_images_cannot_be_used(load, network, sentence) -> None:
    widget = load(**network)
    for button in (widget.segment.segment_button, widget.embeddings.embed_button, widget.train.train_button):
        assert not button.isEnabled()
        assert button.toolTip().startswith(sentence)
    assert widget.footer.hint.text().startswith(sentence)


def test_consistency_says_what_to_do_without_a_teacher(load, segment, until) -> None:
    widget = load()
    segment(widget)
    widget.segment.quick.editor("method").set_value("consistency")
    widget.segment.preview.click()
    until(lambda: "press Segment, then preview it" in widget.footer.text)
    assert "saved without a teacher; choose mean_shift" in segment(widget)


def test_a_model_that_has_gone_is_named(load, segment) -> None:
    widget = load()
    path = widget.session.model_path
    Path(path).unlink()
    assert path in segment(widget)


def test_an_unforeseen_error_comes_with_details(load, segment, monkeypatch) -> None:
    widget = load()

    def fail(*_args, **_kwargs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(reclustering.Reclustering, "read_out", fail)
    assert segment(widget) == "RuntimeError: mat1 and mat2 shapes cannot be multiplied"
    assert "Traceback" in widget.footer.details
    assert widget.session.state is SessionState.FAILED
    assert widget.segment.segment_button.isEnabled()


def test_a_cancelled_segmentation_brings_nothing(load, viewer, monkeypatch, until, qtbot) -> None:
    widget = load()
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def wait(*_args, **_kwargs):
        started.set()
        go_on.wait(20)
        ended.set()
        return readout.Readout(np.ones((64, 64), np.uint32))

    monkeypatch.setattr(reclustering.Reclustering, "read_out", wait)
    widget.segment.segment_button.click()
    until(started.is_set)
    until(lambda: widget.session.state is SessionState.SEGMENTING)
    widget.segment.cancel_button.click()
    assert widget.session.state is SessionState.IDLE
    assert widget.footer.text == "Cancelled."
    go_on.set()
    until(ended.is_set)
    qtbot.wait(50)
    assert "cells objects" not in names(viewer)
    assert widget.footer.text == "Cancelled."


@pytest.mark.parametrize("tab", ["segment", "embeddings"])
def test_a_prediction_is_cancelled_between_tiles(load, viewer, monkeypatch, until, tab) -> None:
    widget = load()
    asked, ended = threading.Event(), threading.Event()

    def predict(_model, image, *, stop, on_progress, **_kwargs):
        on_progress(0, 100)
        asked.set()
        while not stop():
            pass
        ended.set()
        raise prediction.PredictionStopped("stopped")

    monkeypatch.setattr(prediction, "predict_outputs", predict)
    (widget.segment.segment_button if tab == "segment" else widget.embeddings.embed_button).click()
    until(asked.is_set)
    until(lambda: widget.footer.bar.format() == "tile 1 of 100")
    assert widget.footer.text == "Starting the model …"
    (widget.segment if tab == "segment" else widget.embeddings).cancel_button.click()
    until(ended.is_set)
    assert widget.footer.text == "Cancelled."
    assert "cells embeddings" not in names(viewer)


def test_objects_of_an_image_deleted_meanwhile_are_not_shown(load, viewer, until) -> None:
    widget = load()
    widget.segment.segment_button.click()
    viewer.layers.remove("cells")
    until(lambda: not widget.session.state.is_busy)
    assert "cells objects" not in names(viewer)
    assert "it was removed meanwhile" in widget.footer.text


# What needs a model that classifies pixels


def is_offered(combo, text: str) -> bool:
    item = combo.model().item(combo.findText(text))
    assert item.isEnabled() != bool(item.toolTip())
    return item.isEnabled()


def classes_on_offer(widget) -> tuple[bool, bool, bool]:
    """Return whether the certainty may be set, and whether the two choices may be taken."""
    tab = widget.segment
    method = is_offered(tab.quick.editor("method"), "pixel classes")
    return tab.threshold.isEnabled(), is_offered(tab.foreground, "where pixels are classified as objects"), method


def test_pixel_classes_are_offered_for_models_that_have_them(load, viewer) -> None:
    widget = load()
    assert classes_on_offer(widget) == (False, False, False)
    viewer.add_labels(np.zeros((64, 64), int), name="mask")
    assert classes_on_offer(widget) == (False, False, False)
    load(pixel_classes=True)
    assert classes_on_offer(widget) == (True, True, True)


def test_without_a_model_all_may_be_chosen(ready) -> None:
    assert classes_on_offer(ready) == (False, True, True)


def test_the_certainty_may_be_set_where_it_counts(load, viewer, qtbot) -> None:
    widget = load(pixel_classes=True)
    tab, method = widget.segment, widget.segment.quick.editor("method")
    viewer.add_labels(np.ones((64, 64), int), name="mask")
    for wanted, counts in (("pixel_classes", True), ("intensity", False), (viewer.layers["mask"], False), ("", True)):
        tab.foreground.choose(wanted)
        assert tab.threshold.isEnabled() == counts
    tab.foreground.choose("intensity")
    method.setFocus()
    qtbot.keyClicks(method, "pix")
    assert method.value() == "pixel_classes"
    assert tab.threshold.isEnabled()
    tab.show_config(tab.config().model_copy(update={"method": "watershed"}))
    assert not tab.threshold.isEnabled()
