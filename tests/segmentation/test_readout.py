"""Settings to objects: what the user leaves empty follows from the annotated objects."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from napari_spoco.config import Method, NetworkConfig, SegmentationConfig
from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.models.checkpoint import ModelCard
from napari_spoco.segmentation import readout
from napari_spoco.segmentation.edges import segment_between_edges
from napari_spoco.segmentation.foreground import split_foreground
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.readout import ReadoutContext, read_out
from napari_spoco.segmentation.stages import StageMemory
from napari_spoco.segmentation.view import View

CARD = ModelCard(network=NetworkConfig(embedding_dim=3), median_object_size=90.0)
OBJECTS = (slice(4, 14), slice(4, 14)), (slice(20, 30), slice(4, 14)), (slice(4, 8), slice(30, 33))
"""Two of 100 pixels, one of 12: above an eighth of the median, below a third."""


def objects(*arguments) -> np.ndarray:
    return read_out(*arguments).labels


@pytest.fixture
def embeddings() -> np.ndarray:
    """Background at 0, three objects far from it and from each other."""
    array = np.zeros((3, 40, 40), dtype=np.float32)
    for channel, box in enumerate(OBJECTS):
        array[channel][box] = 6.0
    return array


def test_empty_sizes_follow_from_the_annotated_objects(embeddings: np.ndarray) -> None:
    card = CARD.model_copy(update={"median_object_size": 90.0})
    assert objects(embeddings, card, SegmentationConfig(smoothing=0)).max() == 2  # the small one grew away
    assert objects(embeddings, card, SegmentationConfig(smoothing=0, fragment_size=0)).max() == 3
    assert objects(embeddings, card, SegmentationConfig(smoothing=0, fragment_size=0, min_size=13)).max() == 2


def test_foreground_by_intensity_needs_the_image(embeddings: np.ndarray) -> None:
    settings = SegmentationConfig(foreground="intensity")
    with pytest.raises(ValueError, match="image: the foreground by intensity needs the image"):
        objects(embeddings, CARD, settings)
    image = np.zeros((1, 40, 40))
    image[0][OBJECTS[0]] = 100.0
    labels = objects(embeddings, CARD, settings, ReadoutContext(image=image))
    assert (labels[5:13, 5:13] == labels[9, 9]).all()
    assert labels[9, 9] > 0
    assert not labels[16:].any()


def test_mask_goes_before_the_setting(embeddings: np.ndarray) -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[OBJECTS[1]] = True
    labels = objects(embeddings, CARD, SegmentationConfig(foreground="intensity"), ReadoutContext(mask=mask))
    np.testing.assert_array_equal(labels > 0, mask)


def test_radius_comes_from_setting_then_annotations_then_card(embeddings: np.ndarray) -> None:
    annotations = np.zeros((40, 40), dtype=int)
    annotations[OBJECTS[0]] = 5
    settings = SegmentationConfig(foreground="embedding", smoothing=0, fragment_size=0)
    with pytest.raises(ValueError, match="foreground_radius: expected a number or annotated objects"):
        objects(embeddings, CARD, settings)
    nearer = embeddings * 0.9
    assert objects(embeddings, CARD, settings.model_copy(update={"foreground_radius": 5.9})).max() == 3
    assert objects(nearer, CARD, settings.model_copy(update={"foreground_radius": 5.9})).max() == 0
    # All annotated pixels are 5.4 away: none is farther than their own quantile.
    assert objects(nearer, CARD, settings, ReadoutContext(annotations=annotations)).max() == 0
    card = CARD.model_copy(update={"foreground_radius": 3.0})
    assert objects(nearer, card, settings).max() == 3


def test_the_card_says_where_objects_may_be(embeddings: np.ndarray) -> None:
    far = {"smoothing": 0.0, "foreground_radius": 5.9}
    suited = CARD.model_copy(update={"foreground": "embedding"})
    by_embedding = objects(embeddings, CARD, SegmentationConfig(foreground="embedding", **far))
    np.testing.assert_array_equal(objects(embeddings, suited, SegmentationConfig(**far)), by_embedding)
    anywhere = objects(embeddings, CARD, SegmentationConfig(**far))
    assert not np.array_equal(by_embedding, anywhere)
    np.testing.assert_array_equal(objects(embeddings, suited, SegmentationConfig(foreground="none", **far)), anywhere)
    edges = SegmentationConfig(method="edges", **far)
    np.testing.assert_array_equal(objects(embeddings, suited, edges), objects(embeddings, CARD, edges))


@pytest.mark.parametrize("method", get_args(Method))
def test_every_method_finds_the_objects(embeddings: np.ndarray, method: str) -> None:
    by_edges = {"edge_smoothing": 0, "edge_spacing": 8}  # square objects have more than one middle
    settings = SegmentationConfig(method=method, smoothing=0, fragment_size=0, min_size=0, **by_edges)
    truth = np.zeros((40, 40), dtype=int)
    for index, box in enumerate(OBJECTS, start=1):
        truth[box] = index
    scores = 9.0 * np.stack([truth == 0, truth > 0, np.zeros_like(truth)])
    context = ReadoutContext(
        image=np.zeros((1, 40, 40)), mask=truth > 0, teacher_embeddings=embeddings, class_scores=scores
    )
    least = 0.9 if method == "edges" else 1.0  # an object that is nothing but edge is lost
    assert evaluate_segmentation(objects(embeddings, CARD, settings, context), truth)["sbd"] >= least


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        ("watershed", "foreground"),
        ("components", "foreground"),
        ("supervoxels", "image"),
        ("consistency", "teacher_embeddings"),
    ],
)
def test_methods_name_what_they_lack(embeddings: np.ndarray, method: str, missing: str) -> None:
    with pytest.raises(ValueError, match=f"^{missing}: "):
        objects(embeddings, CARD, SegmentationConfig(method=method))


@pytest.mark.parametrize("method", ["mutex_watershed", "supervoxels", "hdbscan", "mean_shift", "consistency"])
@pytest.mark.parametrize("kind", ["pixel", "strokes"])
def test_what_is_shown_is_the_background(embeddings: np.ndarray, method: str, kind: str) -> None:
    """Here the first object, though the most frequent embedding is another."""
    annotations = np.zeros((40, 40), dtype=int)
    annotations[6, 5:9] = BACKGROUND if kind == "strokes" else 0
    context = ReadoutContext(
        image=embeddings.max(axis=0, keepdims=True),
        annotations=annotations,
        background_pixel=(9, 9) if kind == "pixel" else None,
        teacher_embeddings=embeddings,
    )
    settings = SegmentationConfig(
        method=method, smoothing=0, fragment_size=0, min_size=0, boundaries="gradient", boundary_smoothing=0
    )
    found = objects(embeddings, CARD, settings, context)
    assert not found[5:13, 5:13].any()
    assert found[0, 0] > 0
    assert found[OBJECTS[1]].all()


def test_the_method_that_suits_the_model_is_the_default(embeddings: np.ndarray) -> None:
    context = ReadoutContext(mask=embeddings.any(axis=0))
    components = objects(embeddings, CARD, SegmentationConfig(method="components"), context)
    suited = CARD.model_copy(update={"method": "components"})
    np.testing.assert_array_equal(objects(embeddings, suited, SegmentationConfig(), context), components)
    watershed = objects(embeddings, CARD, SegmentationConfig(method="mutex_watershed"), context)
    np.testing.assert_array_equal(objects(embeddings, CARD, SegmentationConfig(), context), watershed)


@pytest.mark.parametrize("smoothing", [None, 0.8])
def test_objects_between_edges_are_those_of_the_function(make_cells, smoothing: float | None) -> None:
    embeddings, truth = make_cells((60, 64), 9, noise=0.1)
    card = CARD.model_copy(update={"median_object_size": 60.0})
    settings = SegmentationConfig(method="edges", smoothing=smoothing, background="none", min_size=0)
    found = objects(embeddings, card, settings)
    expected = segment_between_edges(embeddings, smoothing=smoothing or 0.5, fragment_size=7)
    np.testing.assert_array_equal(found, expected)
    image = np.stack([truth % 2, truth % 3]).astype(np.uint8) * 50
    np.testing.assert_array_equal(
        objects(embeddings, card, settings, ReadoutContext(image=image)),
        segment_between_edges(embeddings, image=image.mean(axis=0), smoothing=smoothing or 0.5, fragment_size=7),
    )
    wider = objects(embeddings, card.model_copy(update={"delta_var": 1.0}), settings)
    np.testing.assert_array_equal(wider, objects(embeddings, card, settings.model_copy(update={"edge_threshold": 1.6})))
    assert evaluate_segmentation(found, truth)["arand_error"] < 0.1
    mask = np.zeros(truth.shape, bool)
    mask[5:30, 5:30] = True
    masked = objects(embeddings, card, settings, ReadoutContext(mask=mask))
    np.testing.assert_array_equal(masked > 0, mask)


def test_strokes_and_pixel_are_both_background(embeddings: np.ndarray) -> None:
    annotations = np.zeros((40, 40), dtype=int)
    annotations[6, 5:9] = BACKGROUND
    context = ReadoutContext(annotations=annotations, background_pixel=(0, 0))
    found = objects(embeddings, CARD, SegmentationConfig(smoothing=0, fragment_size=0, foreground="embedding",
                                                         foreground_radius=1.0), context)  # fmt: skip
    np.testing.assert_array_equal(found > 0, (embeddings[1:] > 0).any(axis=0))


def test_sizes_come_from_the_image_where_the_card_knows_none(embeddings: np.ndarray) -> None:
    annotations = np.zeros((40, 40), dtype=int)
    annotations[OBJECTS[0]] = 5
    card = ModelCard(network=CARD.network)
    settings = SegmentationConfig(smoothing=0, background="largest")
    assert objects(embeddings, card, settings).max() == 3
    assert objects(embeddings, card, settings, ReadoutContext(annotations=annotations)).max() == 2


def test_the_card_gives_the_margins_unless_they_are_set(embeddings: np.ndarray, monkeypatch) -> None:
    seen: list[float] = []
    segment, shift = readout.segment_mutex_watershed, readout.mean_shift_clusters
    monkeypatch.setattr(
        readout, "segment_mutex_watershed", lambda *a, **k: seen.append(k["delta_dist"]) or segment(*a, **k)
    )
    monkeypatch.setattr(readout, "mean_shift_clusters", lambda *a: seen.append(a[1]) or shift(*a))
    card = CARD.model_copy(update={"delta_dist": 1.5, "delta_var": 0.4})
    for method in ("mutex_watershed", "mean_shift"):
        objects(embeddings, card, SegmentationConfig(method=method))
        objects(embeddings, card, SegmentationConfig(method=method, delta_dist=3.0, bandwidth=0.9))
    assert seen == [1.5, 3.0, 0.4, 0.9]


def test_noise_near_the_crossing_is_noticed(rng: np.random.Generator) -> None:
    noisy = rng.normal(0, 0.3, (8, 40, 40)).astype(np.float32)
    (notice,) = read_out(noisy, CARD, SegmentationConfig(smoothing=0)).notices
    assert notice.endswith("Set the smoothing to 1 pixel.")
    assert read_out(noisy, CARD, SegmentationConfig(smoothing=1.0)).notices == ()
    assert read_out(noisy, CARD, SegmentationConfig(smoothing=0, method="mean_shift")).notices == ()


@pytest.mark.parametrize("known_by", ["context", "card"])
def test_smoothing_has_one_physical_width(known_by: str) -> None:
    """Planes are 10 pixels apart: smoothing in the plane must not mix them."""
    embeddings = np.zeros((2, 6, 20, 20), dtype=np.float32)
    embeddings[0, 3:] = 6.0
    scale = (10.0, 1.0, 1.0)
    card = ModelCard(network=CARD.network, voxel_size=scale if known_by == "card" else None)
    context = ReadoutContext(scale=scale if known_by == "context" else None)
    settings = SegmentationConfig(foreground="embedding", foreground_radius=5.9, smoothing=2.0, method="components")
    expected = np.repeat([0, 1], 3)
    np.testing.assert_array_equal(objects(embeddings, card, settings, context)[:, 9, 9], expected)
    assert not objects(embeddings, ModelCard(network=CARD.network), settings)[3, 9, 9]


def test_supervoxels_take_a_layer_of_boundaries(embeddings: np.ndarray) -> None:
    boundaries = np.random.default_rng(0).random((40, 40))
    settings = SegmentationConfig(method="supervoxels", smoothing=0, fragment_size=0, min_size=0)
    context = ReadoutContext(image=np.zeros((1, 40, 40)), boundaries=boundaries)
    as_image = objects(embeddings, CARD, settings, ReadoutContext(image=boundaries[None]))
    np.testing.assert_array_equal(objects(embeddings, CARD, settings, context), as_image)
    assert as_image.max() > 0


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"image": np.zeros((40, 40))}, r"image: expected shape \(None, 40, 40\), got \(40, 40\)"),
        ({"annotations": np.zeros((40, 41), int)}, "annotations: expected shape"),
        ({"mask": np.zeros((4, 4), int)}, "mask: expected shape"),
        ({"teacher_embeddings": np.zeros((2, 40, 40))}, r"teacher_embeddings: expected shape \(3, 40, 40\)"),
        ({"boundaries": np.zeros((1, 40, 40))}, "boundaries: expected shape"),
    ],
    ids=["image", "annotations", "mask", "teacher", "boundaries"],
)
def test_what_is_of_another_shape_is_named(embeddings: np.ndarray, context, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        read_out(embeddings, CARD, SegmentationConfig(), ReadoutContext(**context))


@pytest.mark.parametrize("method", ["edges", "mutex_watershed"])
def test_cells_between_edges_are_no_background_unless_some_is_shown(embeddings: np.ndarray, method: str) -> None:
    settings = SegmentationConfig(method=method, smoothing=0, fragment_size=0, edge_smoothing=0, edge_spacing=8)
    outside = objects(embeddings, CARD, settings)[0, 0]
    assert (outside > 0) == (method == "edges")
    assert objects(embeddings, CARD, settings.model_copy(update={"background": "mode"}))[0, 0] == 0
    assert objects(embeddings, CARD, settings.model_copy(update={"background": "none"}))[0, 0] > 0
    stroke = np.zeros((40, 40), dtype=int)
    stroke[0, :5] = BACKGROUND
    for shown in (ReadoutContext(annotations=stroke), ReadoutContext(background_pixel=(0, 0))):
        assert objects(embeddings, CARD, settings, shown)[0, 0] == 0


@pytest.mark.parametrize("of_image", [False, True], ids=["of the model", "of the image"])
def test_the_split_by_shape_follows_the_voxel_size(of_image: bool) -> None:
    z, y, x = np.meshgrid(4 * np.arange(7), np.arange(30), np.arange(50), indexing="ij")
    mask = np.zeros(z.shape, dtype=bool)
    for centre in (14, 32):
        mask |= (z - 12) ** 2 + (y - 15) ** 2 + (x - centre) ** 2 < 110
    card = CARD if of_image else CARD.model_copy(update={"voxel_size": (4.0, 1.0, 1.0), "units": ("micrometer",) * 3})
    context = ReadoutContext(mask=mask, scale=(4.0, 1.0, 1.0) if of_image else None)
    found = objects(np.zeros((3, *mask.shape), np.float32), card, SegmentationConfig(method="watershed"), context)
    np.testing.assert_array_equal(found, split_foreground(mask, scale=(4, 1, 1)))
    assert not np.array_equal(found, split_foreground(mask))


@pytest.mark.parametrize("shape", [(1, 40, 40), (40, 40)], ids=["3D", "2D"])
@pytest.mark.parametrize("in_planes", [False, True])
def test_the_size_of_annotated_objects_is_that_of_the_whole(shape: tuple[int, ...], in_planes: bool) -> None:
    """Where the model's card knows none: a disc of 316 pixels is of a ball of 4240, and in 2D it is the object."""
    y, x = np.ogrid[:40, :40]
    disc = ((y - 20) ** 2 + (x - 20) ** 2 <= 100).astype(np.int32)
    n_planes = 41 if len(shape) == 3 else 1
    annotations = np.zeros((n_planes, 40, 40), np.int32)
    annotations[n_planes // 2] = disc
    annotations = annotations if len(shape) == 3 else annotations[0]
    context = ReadoutContext(annotations=annotations, in_planes=in_planes, scale=(2.0, 1.0, 1.0)[-len(shape) :])
    card = CARD.model_copy(update={"median_object_size": None})
    view = View(StageMemory(), np.zeros((3, *annotations.shape), np.float32), card, SegmentationConfig(), context)
    expected = 4 / (3 * np.sqrt(np.pi)) * disc.sum() ** 1.5 / 2 if in_planes and len(shape) == 3 else disc.sum()
    assert view.object_size == pytest.approx(expected)
