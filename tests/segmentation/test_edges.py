from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_spoco.data.tissue_geometry import grow_cells
from napari_spoco.segmentation.edges import add_expected, embedding_edges, segment_between_edges
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.supervoxels import segment_supervoxels

SHAPES = [pytest.param((90, 110), id="2D"), pytest.param((24, 48, 52), id="3D")]


def embedded(labels: np.ndarray, rng: np.random.Generator, apart: float, noise: float = 0.05) -> np.ndarray:
    """Embed cells about `apart` from each other, blurred by a pixel."""
    means = rng.normal(0, apart / np.sqrt(2 * 16), (16, labels.max() + 1))
    channels = [
        ndimage.gaussian_filter(mean[labels], 1.0) + noise * rng.standard_normal(labels.shape) for mean in means
    ]
    return np.array(channels, dtype=np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_edges_are_the_distances_of_neighbours(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    embeddings = rng.normal(size=(5, *shape)).astype(np.float32)
    edges = embedding_edges(embeddings, smoothing=0)
    assert edges.shape == shape
    assert edges.dtype == np.float32
    for pixel in [*rng.integers(0, shape, (20, len(shape))).tolist(), [0] * len(shape), [n - 1 for n in shape]]:
        expected = []
        for axis in range(len(shape)):
            low, high = list(pixel), list(pixel)
            low[axis], high[axis] = max(pixel[axis] - 1, 0), min(pixel[axis] + 1, shape[axis] - 1)
            expected.append(np.linalg.norm(embeddings[(slice(None), *low)] - embeddings[(slice(None), *high)]))
        assert edges[tuple(pixel)] == pytest.approx(max(expected), rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_cells_are_found_where_means_are_close(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    labels = grow_cells(shape, scale=(0.3,) * len(shape), rng=rng)
    embeddings = embedded(labels, rng, apart=4.0)
    found = segment_between_edges(embeddings, fragment_size=20)
    assert found.dtype == np.uint32
    assert found.min() == 1
    error = evaluate_segmentation(found, labels)["arand_error"]
    assert error < 0.1
    heights = embedding_edges(embeddings)
    assert (
        error
        < evaluate_segmentation(segment_supervoxels(embeddings, heights, merge_distance=2.5), labels)["arand_error"]
    )


def test_fragments_and_small_objects_are_cleaned_up(rng: np.random.Generator) -> None:
    labels = np.ones((40, 60), dtype=np.uint32)
    labels[:, 30:], labels[15:22, 10:17] = 2, 3
    embeddings = np.stack([(labels == k) * 4.0 for k in (1, 2, 3)]).astype(np.float32)
    assert segment_between_edges(embeddings, smoothing=0, min_distance=30).max() == 3
    assert segment_between_edges(embeddings, smoothing=0, min_distance=30, fragment_size=200).max() == 2
    assert (segment_between_edges(embeddings, smoothing=0, min_distance=30, min_size=200) == 0).sum() > 20


def test_the_threshold_says_which_edges_part_objects() -> None:
    labels = np.repeat(np.array([0, 1, 2]), 20)[None].repeat(30, axis=0)
    embeddings = np.array([0.0, 1.0, 5.0], dtype=np.float32)[labels][None]
    options = {"smoothing": 0, "edge_smoothing": 0, "min_distance": 60}
    n_found = [segment_between_edges(embeddings, edge_threshold=t, **options).max() for t in (0.5, 2.0, 6.0)]
    assert n_found == [3, 2, 1]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sign", [1, -1], ids=["bright boundaries", "dark boundaries"])
def test_an_image_of_the_boundaries_closes_gaps(shape: tuple[int, ...], sign: int, rng: np.random.Generator) -> None:
    labels = grow_cells(shape, scale=(0.3,) * len(shape), rng=rng)
    embeddings = embedded(labels, rng, apart=1.6, noise=0.1)
    image = sign * ndimage.gaussian_filter(find_boundaries(labels).astype(float), 1.0) * 100 + rng.normal(0, 5, shape)
    options = {"fragment_size": 20, "edge_threshold": 0.6}
    alone, with_image, unlike = (
        evaluate_segmentation(segment_between_edges(embeddings, image=of, **options), labels)["arand_error"]
        for of in (None, image, rng.normal(0, 5, shape))
    )
    assert with_image < 0.8 * alone
    assert unlike == pytest.approx(alone, abs=0.05)


def test_what_is_expected_of_edges_is_added(rng: np.random.Generator) -> None:
    contrast = rng.normal(size=(30, 40)).astype(np.float32)
    edges = 20 + 2 * contrast
    np.testing.assert_allclose(add_expected(edges, contrast + 7, 0.5), 20 + 3 * contrast, atol=0.15)
    np.testing.assert_array_equal(add_expected(edges, np.full_like(contrast, 3), 0.5), edges)
    assert add_expected(edges, contrast, 20.0).min() == 0


@pytest.mark.parametrize(("value", "n"), [(0.0, 1), (9.0, 0)], ids=["one object", "all edges"])
def test_extremes(value: float, n: int) -> None:
    embeddings = np.zeros((2, 12, 12), dtype=np.float32)
    embeddings[0] = value * np.indices((12, 12))[0]
    assert segment_between_edges(embeddings, smoothing=0, edge_smoothing=0).max() == n


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((8, 9))}, r"image: expected shape \(8, 8\), got \(8, 9\)"),
        ({"image_share": -1}, "image_share: "),
        ({"edge_threshold": 0}, "edge_threshold: "),
        ({"smoothing": -1}, "smoothing: "),
        ({"edge_smoothing": -1}, "edge_smoothing: "),
        ({"min_distance": 0}, "min_distance: "),
        ({"fragment_size": -1}, "fragment_size: "),
        ({"min_size": -1}, "min_size: "),
        ({"embeddings": np.full((2, 4, 4), np.nan, dtype=np.float32)}, "embeddings: "),
    ],
)
def test_bad_arguments_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        segment_between_edges(**{"embeddings": np.zeros((2, 8, 8), dtype=np.float32)} | changes)
