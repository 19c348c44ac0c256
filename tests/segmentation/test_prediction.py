from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_spoco.config import NetworkConfig, Normalization
from napari_spoco.data.images import normalize_image
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard
from napari_spoco.segmentation.prediction import PredictionStopped, predict_embeddings

EXACT = {"precision": "float32"}


def make_model(ndim=2, feature_maps=(4, 8, 8), in_channels=1, norm="batch"):
    """Return an untrained model whose running statistics are not the trivial ones."""
    torch.manual_seed(0)
    config = NetworkConfig(
        ndim=ndim, in_channels=in_channels, embedding_dim=5, feature_maps=feature_maps, norm=norm, groups=2
    )
    model = EmbeddingModel.create(ModelCard(network=config, normalization=Normalization(lower=2, upper=98)))
    for module in model.network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    return model


def embed_directly(model, image):
    """Run the network once on the whole image, which must be a multiple of the stride."""
    network = model.network.eval()
    with torch.inference_mode():
        return network(torch.from_numpy(normalize_image(image, model.card.normalization))[None])[0].numpy()


@pytest.mark.parametrize(
    ("model", "shape", "tile_shape"),
    [
        pytest.param(make_model(), (96, 128), (16, 20), id="2D"),
        pytest.param(make_model(in_channels=3), (64, 80), (64, 8), id="2D, three channels"),
        pytest.param(make_model(feature_maps=(4, 8)), (32, 48), (4, 48), id="2D, two levels"),
        pytest.param(make_model(feature_maps=(4, 4, 4, 4)), (160, 208), (24, 40), id="2D, four levels"),
        pytest.param(make_model(ndim=3), (12, 64, 72), (8, 16, 12), id="3D"),
        pytest.param(make_model(ndim=3, feature_maps=(2, 2, 2, 2)), (8, 136, 144), (8, 16, 24), id="3D, four levels"),
    ],
)
def test_tiles_give_the_result_of_one_piece(model, shape, tile_shape, rng):
    image = rng.random((model.config.in_channels, *shape)).astype(np.float32)
    expected = embed_directly(model, image)
    counts = []
    found = predict_embeddings(model, image, tile_shape=tile_shape, on_progress=lambda *of: counts.append(of), **EXACT)
    assert counts[-1][1] > 1
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(predict_embeddings(model, image, **EXACT), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 4), (5, 37), (41, 30), (63, 4)])
def test_any_size_and_any_remainder(shape, rng):
    model = make_model()
    image = rng.random(shape).astype(np.float32)
    whole = predict_embeddings(model, image, tile_shape=(1000, 1000), **EXACT)
    assert whole.shape == (5, *shape)
    for tile_shape in ((4, 4), (7, 12), (16, 100)):
        np.testing.assert_allclose(predict_embeddings(model, image, tile_shape=tile_shape, **EXACT), whole, atol=1e-5)


def test_any_size_in_3d(rng):
    model = make_model(ndim=3, feature_maps=(4, 4))
    image = rng.random((7, 13, 10)).astype(np.float32)
    whole = predict_embeddings(model, image, tile_shape=(100, 100, 100), **EXACT)
    np.testing.assert_allclose(predict_embeddings(model, image, tile_shape=(2, 4, 6), **EXACT), whole, atol=1e-5)


def test_the_padding_repeats_the_image_by_reflection(rng):
    model = make_model()
    image = rng.random((1, 30, 31)).astype(np.float32)
    padded = np.pad(normalize_image(image, model.card.normalization), [(0, 0), (0, 2), (0, 1)], mode="reflect")
    with torch.inference_mode():
        expected = model.network.eval()(torch.from_numpy(padded)[None])[0, :, :30, :31].numpy()
    np.testing.assert_allclose(predict_embeddings(model, image, **EXACT), expected, atol=1e-6)


@pytest.mark.parametrize("model", [make_model(), make_model(ndim=3)], ids=["2D", "3D"])
def test_bfloat16_moves_embeddings_a_little(model, rng):
    image = rng.random((16,) * model.config.ndim).astype(np.float32)
    exact = predict_embeddings(model, image, **EXACT)
    found = predict_embeddings(model, image, precision="bfloat16")
    assert found.dtype == np.float32
    assert 0 < np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
    assert all(parameter.dtype == torch.float32 for parameter in model.network.parameters())


def test_without_halo_the_seams_show(rng):
    model = make_model()
    image = rng.random((32, 32)).astype(np.float32)
    whole = predict_embeddings(model, image)
    seamed = predict_embeddings(model, image, tile_shape=(16, 16), halo=(0, 0))
    assert np.abs(seamed - whole).max() > 1e-3


def test_every_module_gets_its_mode_back(rng):
    model = make_model()
    model.network.train()
    frozen = model.network.encoders[0].eval()
    predict_embeddings(model, rng.random((16, 16)))
    assert model.network.training
    assert model.network.decoders[0].training
    assert not frozen.training
    with pytest.raises(PredictionStopped):
        predict_embeddings(model, rng.random((16, 16)), stop=lambda: True)
    assert model.network.training


def test_statistics_of_the_network_stay(rng):
    model = make_model()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    model.network.train()
    predict_embeddings(model, rng.random((16, 16)))
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_group_norm_in_one_tile(rng):
    model = make_model(norm="group")
    image = rng.random((1, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(predict_embeddings(model, image, **EXACT), embed_directly(model, image), atol=1e-5)


def test_group_norm_sees_as_much_as_in_training(rng):
    """Where windows do not overlap, embeddings are those of a window by itself, whatever the rest of the image is."""
    model = make_model(norm="group")
    model = EmbeddingModel(model.network, model.card.model_copy(update={"patch_shape": (32, 32)}))
    image = rng.random((1, 48, 112)).astype(np.float32)
    image[..., 48:] *= 100
    found = predict_embeddings(model, image, **EXACT)
    normalized = normalize_image(image, model.card.normalization)
    with torch.inference_mode():
        first = model.network.eval()(torch.from_numpy(normalized[None, :, :, :48]))[0].numpy()
    np.testing.assert_allclose(found[..., :32], first[..., :32], atol=1e-5)
    whole = embed_directly(model, image)
    assert np.abs(found - whole).max() > 1e-3
    out = np.full(found.shape, np.nan, dtype=np.float32)
    assert predict_embeddings(model, image, out=out, **EXACT) is out
    np.testing.assert_array_equal(out, found)
    tiled = predict_embeddings(model, image, tile_shape=(48, 112), **EXACT)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_teacher(rng):
    image = rng.random((16, 16))
    student, teacher = make_model(), make_model()
    nn.init.normal_(teacher.network.final_conv.weight)
    model = EmbeddingModel(student.network, student.card, teacher.network)
    np.testing.assert_array_equal(predict_embeddings(model, image, teacher=True), predict_embeddings(teacher, image))
    with pytest.raises(ValueError, match="teacher: "):
        predict_embeddings(student, image, teacher=True)


def test_progress_and_stop(rng):
    model = make_model()
    image = rng.random((32, 32)).astype(np.float32)
    seen = []
    predict_embeddings(model, image, tile_shape=(16, 16), halo=(0, 0), on_progress=lambda *counts: seen.append(counts))
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]

    out = np.full((5, 32, 32), np.nan, dtype=np.float32)
    answers = iter([False, False, True])
    with pytest.raises(PredictionStopped, match="2 of 4"):
        predict_embeddings(model, image, tile_shape=(16, 16), halo=(0, 0), out=out, stop=lambda: next(answers))
    assert np.isfinite(out[:, :16]).all()
    assert np.isnan(out[:, 16:]).all()


class SliceStore:
    """An array that can do nothing but take blocks, as one on disk."""

    def __init__(self, shape):
        self.shape = shape
        self.array = np.zeros(shape)

    def __setitem__(self, key, value):
        self.array[key] = value


def test_out_takes_blocks(rng):
    model = make_model()
    image = rng.random((21, 18)).astype(np.float32)
    out = SliceStore((5, 21, 18))
    assert predict_embeddings(model, image, tile_shape=(8, 8), out=out) is out
    np.testing.assert_allclose(out.array, predict_embeddings(model, image, tile_shape=(8, 8)), atol=1e-7)


def test_out_may_be_a_zarr_array(rng):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    model = make_model()
    image = rng.random((21, 18)).astype(np.float32)
    out = zarr.create_array({}, shape=(5, 21, 18), chunks=(5, 8, 8), dtype="float32")
    predict_embeddings(model, image, tile_shape=(8, 8), out=out)
    np.testing.assert_array_equal(out[:], predict_embeddings(model, image, tile_shape=(8, 8)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_intensities_of_any_type_are_normalised(dtype, rng):
    model = make_model()
    image = rng.integers(0, 255, (16, 16))
    np.testing.assert_allclose(
        predict_embeddings(model, image.astype(dtype)),
        predict_embeddings(model, (3.0 * image + 20).astype(np.float32)),
        atol=1e-4,
    )


RAMP = np.arange(256.0).reshape(16, 16)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        pytest.param(RAMP[:3], {}, r"image: .*4 pixels.*\(3, 16\)", id="smaller than the stride"),
        pytest.param(
            np.stack([RAMP] * 2), {}, "image: expected 1 channel, as the model takes, got an image of 2", id="channels"
        ),
        pytest.param(RAMP[None, None], {}, "image: ", id="axes"),
        pytest.param(np.where(RAMP > 3, RAMP, np.nan), {}, "image: ", id="NaN"),
        pytest.param(np.ones((16, 16)), {}, "image: ", id="constant"),
        pytest.param(RAMP, {"tile_shape": (8,)}, "tile_shape: expected 2 integers", id="tile axes"),
        pytest.param(RAMP, {"tile_shape": (0, 8)}, "tile_shape: .*at least 1", id="empty tile"),
        pytest.param(RAMP, {"precision": "half"}, "precision: expected one of auto, .*'half'", id="precision"),
        pytest.param(RAMP, {"halo": (-1, 8)}, "halo: .*at least 0", id="negative halo"),
        pytest.param(RAMP, {"out": np.zeros((5, 16, 15))}, r"out: expected shape \(5, 16, 16\)", id="out"),
    ],
)
def test_errors_name_the_argument(image, options, message):
    with pytest.raises(ValueError, match=message):
        predict_embeddings(make_model(), image, **options)


@pytest.mark.gpu
def test_gpu_equals_cpu(rng):
    model = make_model()
    image = rng.random((40, 50)).astype(np.float32)
    expected = predict_embeddings(model, image, tile_shape=(16, 16), **EXACT)
    found = predict_embeddings(model.to("cuda"), image, tile_shape=(16, 16), **EXACT)
    np.testing.assert_allclose(found, expected, atol=1e-3)
