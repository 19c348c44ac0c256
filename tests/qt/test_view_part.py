"""A preview of a large image embeds what is on show alone."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco._qt import paths
from napari_spoco._qt.embeddings import embedding_job, view_part
from napari_spoco._qt.embeddings.embedding_job import Embedder, EmbeddingInputs
from napari_spoco._qt.embeddings.view_part import ViewPart, cut_inputs, part_around
from napari_spoco._qt.layers.sources import Geometry, ImageSource
from napari_spoco._qt.segment import view_preview
from napari_spoco._qt.segment.segmentation_job import run_view
from napari_spoco.config import NetworkConfig, SegmentationConfig
from napari_spoco.data.resampling import Resampling
from napari_spoco.segmentation import prediction
from napari_spoco.segmentation.reclustering import Reclustering

SHAPE = (300, 320)
UM = ("micrometer", "micrometer")


@pytest.fixture
def all_is_large(monkeypatch) -> None:
    monkeypatch.setattr(view_part, "_QUICK", 1000)


def box(*ends: tuple[int, int]) -> tuple[slice, ...]:
    return tuple(slice(*pair) for pair in ends)


def part_of(*ends: tuple[int, int]) -> ViewPart:
    return ViewPart(*3 * (box(*ends),))


def test_the_part_is_what_is_on_show_with_a_margin(all_is_large) -> None:
    resampling = Resampling((40, 1000, 1000), (40, 500, 500))
    view = box((10, 19), (200, 300), (0, 100))
    part = part_around(view, resampling, NetworkConfig(ndim=3))
    assert part.box == box((0, 40), (48, 444), (0, 244))  # 16 and 56 pixels of the model, from a multiple of 8 on
    assert part.trusted == box((0, 35), (168, 332), (0, 132))
    assert part.origin == (0, 48, 0)
    assert part.shows(box((10, 20), (200, 330), (0, 110)))
    assert not part.shows(box((10, 20), (200, 340), (0, 110)))
    assert part.within(box((10, 20), (200, 330), (0, 110))) == box((10, 20), (152, 282), (0, 110))
    by_groups = part_around(view, resampling, NetworkConfig(ndim=3, norm="group"))
    assert by_groups.box == box((0, 40), (128, 364), (0, 164))
    assert by_groups.trusted == part.trusted


def test_most_of_an_image_is_all_of_it(all_is_large) -> None:
    resampling = Resampling((1000, 1000), (1000, 1000))
    assert part_around(box((0, 700), (0, 700)), resampling, NetworkConfig()) is None


def test_a_small_image_is_embedded_as_a_whole() -> None:
    assert part_around(box((0, 9), (0, 9)), Resampling(SHAPE, SHAPE), NetworkConfig()) is None


class Here:
    """A job that is awaited."""

    def is_cancelled(self) -> bool:
        return False

    def report(self, _message: object) -> None:
        pass


@pytest.fixture
def embed(tmp_path, monkeypatch):
    """Return a function that embeds a view of an image, or all of it, with an untrained network of four levels."""
    from torch import Generator, float32, nn

    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model

    monkeypatch.setattr(prediction, "choose_precision", lambda *_: float32)
    config = NetworkConfig(embedding_dim=3, feature_maps=(4, 4, 4, 4))
    card = ModelCard(network=config, voxel_size=(1.0, 1.0), units=UM)
    model = EmbeddingModel.create(card, seed=0)
    generator = Generator().manual_seed(0)
    for module in model.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.3, generator=generator)
            nn.init.uniform_(module.running_var, 0.01, 0.1, generator=generator)
    path = str(save_model(model, tmp_path / "model.safetensors"))
    embedder = Embedder(tmp_path / "embeddings")

    def do(image, view, size=1.0, units=UM):
        source = ImageSource(image, Geometry((size, size), units, ("y", "x")), "cells")
        job = embedder.embed(Here(), EmbeddingInputs(source, path, SegmentationConfig(), device="cpu", view=view))
        while True:
            try:
                next(job)
            except StopIteration as end:
                return end.value

    return do


@pytest.mark.parametrize(
    ("view", "shape", "size"),
    [
        pytest.param(box((131, 160), (125, 170)), SHAPE, 1.0, id="middle"),
        pytest.param(box((0, 40), (290, 320)), SHAPE, 1.0, id="corner"),
        pytest.param(box((301, 330), (203, 260)), (600, 640), 0.7, id="resampled"),
    ],
)
def test_embeddings_of_a_part_are_those_of_the_whole_image(embed, all_is_large, view, shape, size) -> None:
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    image[-60:] *= 20  # What is bright elsewhere counts for the grey values of the part.
    embedded, whole = embed(image, view, size), embed(image, None, size)
    part = embedded.part
    assert whole.part is None
    trusted = view_part._scaled(part.trusted, shape, whole.resampling.model_shape)
    pairs = zip(trusted, part.model_box, strict=True)
    own = tuple(slice(one.start - all_of_it.start, one.stop - all_of_it.start) for one, all_of_it in pairs)
    expected = whole.embeddings[(slice(None), *trusted)].astype(np.float32)
    found = embedded.embeddings[(slice(None), *own)].astype(np.float32)
    assert embedded.rgb.shape[:2] == tuple(one.stop - one.start for one in part.box)
    assert expected.std() > 0.05
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)  # half precision


def test_sizes_in_pixels_of_the_image_are_the_same_in_a_part_and_in_the_whole(embed, all_is_large) -> None:
    image = np.random.default_rng(0).random((601, 643)).astype(np.float32)
    parts = [embed(image, view, 0.7) for view in (box((301, 330), (203, 260)), None)]
    assert [part.part is None for part in parts] == [False, True]
    given = SegmentationConfig(min_size=10_000, min_distance=100)
    own = [part.own_settings(given) for part in parts]
    assert own[0] == own[1]
    assert own[0].min_size == pytest.approx(4900, rel=0.005)
    assert own[0].min_distance == 70
    assert embed(image, None).own_settings(given) is given


@pytest.mark.parametrize(("units", "scale"), [(UM, (1.05, 1.05)), (("pixel", "pixel"), None)], ids=["um", "pixel"])
def test_an_image_without_a_voxel_size_has_that_of_the_model(embed, units, scale) -> None:
    image = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    assert embed(image, None, 1.05, units).context.scale == scale


@pytest.mark.parametrize("view", [None, box((301, 330), (203, 260))], ids=["whole", "part"])
def test_previews_and_results_take_sizes_in_pixels_of_the_image(embed, all_is_large, monkeypatch, view) -> None:
    image = np.random.default_rng(0).random((600, 640)).astype(np.float32)
    embedded = embed(image, view, 0.5)
    asked = []
    read_out = Reclustering.read_out
    monkeypatch.setattr(
        Reclustering, "read_out", lambda self, config, **how: asked.append(config) or read_out(self, config, **how)
    )
    config = SegmentationConfig(min_size=800)
    for _ in run_view(Here(), embedded, config, box((310, 320), (210, 220))):
        pass
    assert [one.min_size for one in asked] == [200]


def test_grey_values_of_the_whole_are_found_once(embed, all_is_large, monkeypatch) -> None:
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    shapes = []
    found = embedding_job.find_grey_values
    monkeypatch.setattr(embedding_job, "find_grey_values", lambda im, *of: shapes.append(im.shape) or found(im, *of))
    for view in (box((0, 40), (0, 40)), box((200, 240), (200, 240))):
        embed(image, view)
    assert shapes == [(1, *SHAPE)]
    embed(image + 1, view)
    assert len(shapes) == 2


def test_a_part_without_contrast_is_embedded(embed, all_is_large) -> None:
    image = np.zeros(SHAPE, np.float32)
    image[250:] = np.arange(SHAPE[1])
    assert embed(image, box((0, 40), (0, 40))).part is not None


def test_what_is_known_is_cut() -> None:
    image = ImageSource("cells", np.zeros((8, 9)), Geometry((1.0, 1.0), ("pixel", "pixel"), ("y", "x")))
    odd = np.zeros((3, 3), int)
    inputs = EmbeddingInputs(
        image, "", None, mask=odd, annotations=np.arange(72).reshape(8, 9), background_pixel=(2, 3)
    )
    cut = cut_inputs(inputs, part_of((1, 4), (2, 6)), (8, 9))
    np.testing.assert_array_equal(cut.annotations, inputs.annotations[1:4, 2:6])
    assert cut.mask is odd
    assert cut.background_pixel == (1, 1)
    assert cut_inputs(inputs, part_of((3, 4), (2, 6)), (8, 9)).background_pixel is None


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
