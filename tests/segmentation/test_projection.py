from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_spoco.segmentation.projection import PcaProjection


def correlations(one, other):
    """Return the correlation of each colour of two pictures."""
    return [np.corrcoef(one[..., c].ravel(), other[..., c].ravel())[0, 1] for c in range(3)]


@pytest.mark.parametrize("shape", [(40, 50), (6, 20, 24)], ids=["2D", "3D"])
def test_spans_the_components_of_largest_variance(shape, rng):
    scores = rng.normal(size=(3, *shape)) * np.array([6.0, 4.0, 2.0]).reshape(3, *[1] * len(shape))
    directions = np.linalg.qr(rng.normal(size=(8, 3)))[0]
    embeddings = np.tensordot(directions, scores, 1) + rng.normal(0, 0.01, (8, *shape)) + 5.0
    projection = PcaProjection()
    rgb = projection.fit_transform(embeddings)
    assert rgb.dtype == np.uint8
    assert rgb.shape == (*shape, 3)
    assert np.abs(np.linalg.svd(projection.basis.T @ directions)[1] - 1).max() < 1e-3
    for channel, score in zip(np.moveaxis(rgb, -1, 0), scores, strict=True):
        assert abs(np.corrcoef(channel.ravel(), score.ravel())[0, 1]) > 0.9
        assert channel.min() == 0
        assert channel.max() == 255


def test_colours_do_not_flicker_when_the_order_of_the_components_changes(rng):
    scores = rng.normal(size=(3, 60, 60))
    embeddings = np.zeros((6, 60, 60))
    projection = PcaProjection()
    pictures = []
    for gains in ((3.0, 2.9, 1.0), (2.9, 3.0, 1.0), (1.0, 2.0, 2.1)):
        embeddings[:3] = scores * np.array(gains)[:, None, None]
        pictures.append(projection.fit_transform(embeddings))
    for before, after in itertools.pairwise(pictures):
        assert min(correlations(before, after)) > 0.95


def test_colours_follow_a_slowly_turning_embedding(rng):
    scores = rng.normal(size=(3, 50, 50)) * np.array([3.0, 2.0, 1.5])[:, None, None]
    embeddings = np.zeros((5, 50, 50))
    embeddings[:3] = scores
    turn = np.eye(5)
    turn[:2, :2] = [[np.cos(0.05), -np.sin(0.05)], [np.sin(0.05), np.cos(0.05)]]
    projection = PcaProjection()
    before = projection.fit_transform(embeddings)
    for _ in range(10):
        embeddings = np.tensordot(turn, embeddings, 1)
        after = projection.fit_transform(embeddings)
        assert min(correlations(before, after)) > 0.98
        before = after


def test_same_embeddings_give_the_same_picture(rng):
    embeddings = rng.normal(size=(7, 20, 20))
    np.testing.assert_array_equal(PcaProjection().fit_transform(embeddings), PcaProjection().fit_transform(embeddings))


def test_outliers_do_not_take_the_contrast(rng):
    embeddings = rng.normal(size=(4, 100, 100))
    embeddings[:, 0, :3] = 50.0
    rgb = PcaProjection().fit_transform(embeddings)
    assert rgb.std(axis=(0, 1)).min() > 20


@pytest.mark.parametrize("n_channels", [1, 2])
def test_fewer_channels_than_colours(n_channels, rng):
    rgb = PcaProjection().fit_transform(rng.normal(size=(n_channels, 10, 10)))
    assert (rgb[..., n_channels:] == 128).all()


def test_constant_embeddings_are_grey():
    projection = PcaProjection()
    assert (projection.fit_transform(np.full((4, 5, 5), 3.0)) == 128).all()


def test_transform_uses_the_last_fit(rng):
    embeddings = rng.normal(size=(4, 30, 30))
    projection = PcaProjection()
    assert projection.basis is None
    rgb = projection.fit_transform(embeddings)
    np.testing.assert_array_equal(projection.transform(embeddings[:, 5:9]), rgb[5:9])


def test_another_size_of_embeddings_starts_afresh(rng):
    projection = PcaProjection()
    projection.fit(rng.normal(size=(4, 10, 10)))
    projection.fit(rng.normal(size=(6, 10, 10)))
    assert projection.basis.shape == (6, 3)


def test_errors_name_the_argument(rng):
    projection = PcaProjection()
    with pytest.raises(ValueError, match="embeddings: "):
        projection.transform(rng.normal(size=(4, 5, 5)))
    projection.fit(rng.normal(size=(4, 5, 5)))
    with pytest.raises(ValueError, match=r"embeddings: .*\(4\), got 3"):
        projection.transform(rng.normal(size=(3, 5, 5)))
    with pytest.raises(ValueError, match="NaN"):
        projection.fit(np.full((4, 5, 5), np.nan))
