"""A preview of a large image embeds what is on show alone."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco._qt import paths
from napari_spoco._qt.embeddings import view_part
from napari_spoco._qt.embeddings.embedding_job import EmbeddingInputs
from napari_spoco._qt.embeddings.view_part import cut_inputs, part_around
from napari_spoco._qt.segment import view_preview
from napari_spoco._qt.sources import Geometry, ImageSource
from napari_spoco.config import NetworkConfig
from napari_spoco.data.resampling import Resampling
from napari_spoco.segmentation import prediction

SHAPE = (300, 320)


@pytest.fixture
def all_is_large(monkeypatch) -> None:
    monkeypatch.setattr(view_part, "_QUICK", 1000)


def box(*ends: tuple[int, int]) -> tuple[slice, ...]:
    return tuple(slice(*pair) for pair in ends)


def test_the_part_is_what_is_on_show_with_a_margin(all_is_large) -> None:
    resampling = Resampling((40, 1000, 1000), (40, 500, 500))
    part = part_around(box((10, 19), (200, 300), (0, 100)), resampling)
    assert part.box == box((0, 40), (136, 364), (0, 164))
    assert part.trusted == box((0, 35), (168, 332), (0, 132))
    assert part.origin == (0, 136, 0)
    assert part.shows(box((10, 20), (200, 330), (0, 110)))
    assert not part.shows(box((10, 20), (200, 340), (0, 110)))
    assert part.within(box((10, 20), (200, 330), (0, 110))) == box((10, 20), (64, 194), (0, 110))


def test_most_of_an_image_is_all_of_it(all_is_large) -> None:
    resampling = Resampling((1000, 1000), (1000, 1000))
    assert part_around(box((0, 700), (0, 700)), resampling) is None


def test_a_small_image_is_embedded_as_a_whole() -> None:
    assert part_around(box((0, 9), (0, 9)), Resampling(SHAPE, SHAPE)) is None


def test_what_is_known_is_cut() -> None:
    image = ImageSource("cells", np.zeros((8, 9)), Geometry((1.0, 1.0), ("pixel", "pixel"), ("y", "x")))
    odd = np.zeros((3, 3), int)
    inputs = EmbeddingInputs(
        image, "", None, mask=odd, annotations=np.arange(72).reshape(8, 9), background_pixel=(2, 3)
    )
    cut = cut_inputs(inputs, box((1, 4), (2, 6)), (8, 9))
    np.testing.assert_array_equal(cut.annotations, inputs.annotations[1:4, 2:6])
    assert cut.mask is odd
    assert cut.background_pixel == (1, 1)
    assert cut_inputs(inputs, box((3, 4), (2, 6)), (8, 9)).background_pixel is None


@pytest.fixture
def embedded() -> list[tuple[int, ...]]:
    """Return the shapes that were embedded."""
    return []


@pytest.fixture
def look_at(viewer, monkeypatch):
    """Return a function that brings 40 pixels around one into view; a viewer that is not shown sees all of an image."""

    def do(*middle: int) -> None:
        view = box(*((index - 20, index + 20) for index in middle))
        monkeypatch.setattr(view_preview, "visible_box", lambda *_args, **_options: view)
        viewer.scene.camera.center = (0, *middle)

    return do


@pytest.fixture
def widget(spoco, viewer, tmp_path, monkeypatch, until, embedded, all_is_large):
    """Return the dock with an image of a chequered pattern, zoomed in to a part of it."""
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

    def embed(_model, image, *, out, **_options) -> None:
        embedded.append(image.shape[1:])
        out[:] = 0
        out[0] = 10 * image[0]

    config = NetworkConfig(embedding_dim=2, feature_maps=(2, 2), norm="group", groups=1)
    path = save_model(EmbeddingModel.create(ModelCard(network=config)), tmp_path / "model.safetensors")
    monkeypatch.setattr(prediction, "predict_outputs", embed)
    monkeypatch.setattr(paths, "ask_model_to_load", lambda *_: str(path))
    rows, columns = np.indices(SHAPE) // 20
    viewer.add_image(((rows + columns) % 2).astype(np.float32), name="two")
    spoco.segment.load_button.click()
    until(lambda: spoco.session.model_path is not None and not spoco.session.state.is_busy)
    spoco.segment.advanced.editor("smoothing").set_value(0.0)
    spoco.segment.advanced.editor("background").set_value("none")
    return spoco


def first_pixel(viewer) -> list[int]:
    preview, image = viewer.layers["two preview"], viewer.layers["two"]
    return np.rint(image.world_to_data(preview.data_to_world([0, 0]))).astype(int).tolist()


def test_a_preview_embeds_the_part_on_show_and_segment_all_of_it(widget, viewer, until, embedded, look_at) -> None:
    look_at(60, 60)
    widget.segment.preview.click()
    until(lambda: "two preview" in [layer.name for layer in viewer.layers])
    assert len(embedded) == 1
    assert np.prod(embedded[0]) < 0.5 * np.prod(SHAPE)
    assert "Only what is on show" in widget.footer.text
    assert "two embeddings" not in [layer.name for layer in viewer.layers]
    assert widget.session.embedded_image is None
    start, pixels = first_pixel(viewer), viewer.layers["two preview"].data
    truth = viewer.layers["two"].data[tuple(slice(s, s + n) for s, n in zip(start, pixels.shape, strict=True))]
    for instance_id in np.unique(pixels):
        assert np.ptp(truth[pixels == instance_id]) == 0
    look_at(240, 240)
    until(lambda: len(embedded) == 2 and first_pixel(viewer)[0] > start[0] + 100)
    widget.segment.segment_button.click()
    until(lambda: "two objects" in [layer.name for layer in viewer.layers] and not widget.session.state.is_busy)
    assert embedded[2] == SHAPE
    look_at(60, 240)
    widget.segment.changed.emit()
    until(lambda: first_pixel(viewer)[1] > 100 > first_pixel(viewer)[0])
    assert len(embedded) == 3


def test_a_part_is_not_tried_twice_for_one_view(widget, viewer, until, look_at, qtbot) -> None:
    look_at(60, 60)
    widget.segment.preview.click()
    until(lambda: "two preview" in [layer.name for layer in viewer.layers] and not widget.session.state.is_busy)
    wanted = []
    widget.views.embedding_wanted.disconnect()  # As if what is wanted were cancelled.
    widget.views.embedding_wanted.connect(wanted.append)
    look_at(240, 240)
    until(lambda: wanted == [box((220, 260), (220, 260))])
    widget.views.follow()
    qtbot.wait(700)
    assert len(wanted) == 1
