from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_spoco.config import NetworkConfig
from napari_spoco.models.checkpoint import ModelCard
from napari_spoco.models.network import UNet
from napari_spoco.segmentation.tiling import (
    bytes_per_pixel,
    choose_tiles,
    default_halo,
    default_tile_shape,
    overlapping_windows,
    padded_shape,
    receptive_reach,
)


@pytest.mark.parametrize("n_levels", [2, 3, 4])
def test_reach_is_exact(n_levels):
    """Positive weights: an input changes exactly the outputs that can depend on it."""
    config = NetworkConfig(feature_maps=(1,) * n_levels, embedding_dim=2)
    network = UNet(config).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.5)
    reach = receptive_reach(config)
    size = -(-2 * (reach + config.stride) // config.stride) * config.stride
    farthest = 0
    for position in range(size // 2, size // 2 + config.stride):
        image = torch.ones(1, 1, size, config.stride, dtype=torch.float64, requires_grad=True)
        network(image)[0, 0, position].sum().backward()
        rows = torch.nonzero(image.grad[0, 0].abs().sum(dim=1) > 0)
        farthest = max(farthest, position - int(rows.min()), int(rows.max()) - position)
    # Max-pooling passes the gradient to one pixel of a window only, so the outermost may be off by a window.
    assert reach - config.stride < farthest <= reach


def test_default_halo_covers_the_reach_up_to_a_cap():
    assert receptive_reach(NetworkConfig(feature_maps=(8,) * 4)) == 51
    assert default_halo(NetworkConfig(feature_maps=(8,) * 4)) == (56, 56)
    assert default_halo(NetworkConfig(feature_maps=(8,) * 6)) == (128, 128)
    assert default_halo(NetworkConfig(ndim=3, feature_maps=(8,) * 4)) == (56, 56, 56)
    assert default_halo(NetworkConfig(ndim=3, feature_maps=(8,) * 6)) == (64, 64, 64)


@pytest.mark.parametrize(
    ("ndim", "shape", "n_pixels", "expected"),
    [
        pytest.param(2, (512, 2048), 2**20, (512, 2048), id="fits"),
        pytest.param(2, (1024, 1100), 2**20, (488, 352), id="equal tiles instead of a thin last one"),
        pytest.param(3, (16, 64, 64), 2**16, (16, 64, 64), id="stack fits"),
        pytest.param(3, (64, 64, 64), 10, (4, 4, 4), id="no memory at all"),
    ],
)
def test_default_tile(ndim, shape, n_pixels, expected):
    config = NetworkConfig(ndim=ndim, feature_maps=(8, 8, 8))
    memory = n_pixels * bytes_per_pixel(config)
    assert default_tile_shape(config, shape, (24,) * ndim, memory=memory) == expected


def test_default_tile_with_halo_fits_in_memory():
    config = NetworkConfig(ndim=3, feature_maps=(8, 8, 8))
    tile = default_tile_shape(config, (48, 512, 512), (24,) * 3, memory=10**6 * bytes_per_pixel(config))
    outer = np.minimum(np.array(tile) + 48, (48, 512, 512))
    assert all(length % 4 == 0 for length in tile)
    assert 0.7 * 10**6 < outer.prod() <= 10**6
    assert tile[0] + 2 * 24 >= 48


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        pytest.param((40, 100), (16, 24), id="2D"),
        pytest.param((37, 41), (64, 16), id="padded, one axis in one window"),
        pytest.param((9, 50, 33), (8, 16, 24), id="3D"),
        pytest.param((20, 20), (16, 16), id="two windows nearly the same"),
    ],
)
def test_windows_add_up_to_the_image(shape, window, rng):
    image = rng.random(shape)
    padded = np.pad(image, [(0, to - size) for size, to in zip(shape, padded_shape(shape, 4), strict=True)])
    found = np.zeros(shape)
    windows = list(overlapping_windows(shape, padded.shape, window, 4))
    assert len(windows) > 1
    for tile in windows:
        assert all(
            part.start % 4 == 0 and part.stop <= size for part, size in zip(tile.outer, padded.shape, strict=True)
        )
        assert tuple(part.stop - part.start for part in tile.outer) == tuple(np.minimum(window, padded.shape))
        found[tile.inner] += padded[tile.outer][tile.crop] * tile.weights
    np.testing.assert_allclose(found, image, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        pytest.param((40, 100), (16, 24), id="2D"),
        pytest.param((37, 41), (64, 16), id="padded, one axis in one window"),
        pytest.param((9, 50, 33), (8, 16, 24), id="3D"),
    ],
)
def test_weights_are_tents_over_their_sum(shape, window):
    """As if the sum of all windows were taken pixel by pixel, in the whole image."""

    def tent(size, part):
        length = part.stop - part.start
        from_start = np.arange(length) + 0.5 if part.start else np.full(length, np.inf)
        from_end = np.arange(length)[::-1] + 0.5 if part.stop < size else np.full(length, np.inf)
        return np.maximum(np.minimum.reduce([from_start, from_end, np.full(length, length)]) - length / 8, 1e-3)

    padded = padded_shape(shape, 4)
    windows = list(overlapping_windows(shape, padded, window, 4))
    tents = [
        math.prod(np.ix_(*(tent(size, part) for size, part in zip(padded, tile.outer, strict=True))))
        for tile in windows
    ]
    total = np.zeros(padded)
    for tile, own in zip(windows, tents, strict=True):
        total[tile.outer] += own
    for tile, own in zip(windows, tents, strict=True):
        np.testing.assert_allclose(tile.weights, (own / total[tile.outer])[tile.crop], rtol=5e-7)
        assert tile.weights.dtype == np.float32


def test_windows_share_what_they_know_of_an_axis():
    shape, window = (16, 400, 400), (16, 24, 24)
    windows = list(overlapping_windows(shape, shape, window, 8))
    arrays = {own.__array_interface__["data"][0]: own for tile in windows for own in tile.axis_weights}
    assert len(windows) > 500
    assert sum(own.nbytes for own in arrays.values()) < 0.01 * 4 * math.prod(shape)


def test_the_end_of_a_window_counts_only_at_the_end_of_the_image():
    windows = list(overlapping_windows((96, 16), (96, 16), (48, 16), 8))
    assert [tile.inner[0].start for tile in windows] == [0, 24, 48]
    first, _, last = (tile.weights[:, 0] for tile in windows)
    assert first[0] == last[-1] == 1
    assert first[-1] < 0.01
    assert last[0] < 0.01


@pytest.mark.parametrize(
    ("norm", "patch_shape", "options", "is_windows"),
    [
        pytest.param("group", (32, 32), {}, True, id="group"),
        pytest.param("batch", (32, 32), {}, False, id="batch"),
        pytest.param("group", (), {}, False, id="patches not known"),
        pytest.param("group", (32, 32), {"tile_shape": (64, 64)}, False, id="tile wanted"),
        pytest.param("group", (32, 32), {"halo": (8, 8)}, False, id="halo wanted"),
    ],
)
def test_windows_are_for_group_norm(norm, patch_shape, options, is_windows):
    config = NetworkConfig(feature_maps=(8, 8, 8), norm=norm)
    card = ModelCard(network=config, patch_shape=patch_shape)
    tiles = choose_tiles(card, (200, 200), memory=1e9, **options)
    assert (tiles[0].weights is not None) == is_windows
    if is_windows:
        assert {tuple(part.stop - part.start for part in tile.outer) for tile in tiles} == {(48, 48)}
        few = choose_tiles(card, (200, 200), memory=24 * 24 * bytes_per_pixel(config))
        assert {tuple(part.stop - part.start for part in tile.outer) for tile in few} == {(24, 24)}
