"""Read-outs one after the other: what `read_out` finds anew, though only what a change concerns is run again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import numpy as np
import pytest

from napari_spoco.config import Foreground, Method, NetworkConfig, SegmentationConfig
from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.models.checkpoint import ModelCard
from napari_spoco.segmentation.readout import ReadoutContext, read_out
from napari_spoco.segmentation.reclustering import Reclustering, half_precision
from napari_spoco.segmentation.stages import Stopped

CARD = ModelCard(network=NetworkConfig(embedding_dim=8), median_object_size=60.0)
METHODS = get_args(Method)
CHOICES: dict[str, tuple[Any, ...]] = {
    "method": METHODS,
    "foreground": (None, *get_args(Foreground)),
    "class_threshold": (None, 0.3, 0.8),
    "foreground_radius": (None, 1.0, 2.5),
    "foreground_quantile": (None, 0.1, 0.4),
    "intensity_threshold": ("local", "otsu"),
    "intensity_neighbourhood": (12.0, 4.0),
    "fragment_size": (None, 0, 15, 80),
    "min_size": (None, 0, 30, 300),
    "background": (None, "none", "largest", "mode"),
    "background_radius": (None, 1.0, 3.0),
    "smoothing": (0.0, 0.7, 1.0),
    "delta_dist": (None, 1.0, 3.0),
    "mutex_distances": ((3, 9, 27), (2, 5)),
    "mutex_stride": (1, 2),
    "min_distance": (5, 2),
    "distance_smoothing": (1.0, 0.0),
    "boundaries": ("image", "gradient"),
    "boundary_smoothing": (1.4, 0.0),
    "merge_distance": (None, 1.0, 3.0),
    "bandwidth": (None, 0.3, 1.5),
    "edge_threshold": (None, 0.4, 1.5),
    "edge_smoothing": (0.7, 1.2),
    "edge_image_share": (0.5, 0.0),
    "edge_spacing": (3, 6),
    "n_samples": (None, 200),
    "split_disconnected": (True, False),
    "iou_threshold": (0.6, 0.9),
    "n_anchors": (20, 3),
    "seed": (0, 1),
}


@pytest.fixture(params=[(44, 50), (8, 20, 21)], ids=["2D", "3D"])
def scene(request, make_cells, rng) -> tuple[np.ndarray, ReadoutContext]:
    """Noisy cells, one of them the background; two annotated objects and a stroke."""
    embeddings, truth = make_cells(request.param, 8, noise=0.1)
    annotations = np.where(np.isin(truth, (2, 3)), truth, 0).astype(np.int32)
    annotations[(truth == 1) & (rng.random(truth.shape) < 0.1)] = BACKGROUND
    image = (truth > 1) * 100.0 + rng.normal(0, 10, truth.shape)
    teacher = embeddings + rng.normal(0, 0.05, embeddings.shape).astype(np.float32)
    teacher[:, truth == 4] += rng.normal(0, 1.0, (8, (truth == 4).sum()))
    scores = np.stack([truth == 1, truth > 1, truth == 5]) * 3.0 + rng.normal(0, 1, (3, *truth.shape))
    context = ReadoutContext(image[None], annotations, teacher_embeddings=teacher, class_scores=scores)
    return embeddings, context


def test_the_choices_are_all_settings() -> None:
    assert set(CHOICES) == set(SegmentationConfig.model_fields)


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_fresh_read_out_after_any_changes(scene, seed: int) -> None:
    embeddings, context = scene
    rng = np.random.default_rng(seed)
    reclustering, settings = Reclustering(embeddings, CARD, context), SegmentationConfig()
    n_found = set()
    for _ in range(40):
        names = rng.choice(list(CHOICES), rng.integers(1, 4), replace=False)
        changes = {str(name): CHOICES[name][rng.integers(len(CHOICES[name]))] for name in names}
        settings = settings.model_copy(update=changes)
        if settings.method in ("watershed", "components") and settings.foreground in (None, "none"):
            settings = settings.model_copy(update={"foreground": "embedding"})
        found, expected = reclustering.read_out(settings), read_out(embeddings, CARD, settings, context)
        np.testing.assert_array_equal(found.labels, expected.labels, str(settings))
        assert found.notices == expected.notices
        found.labels[:] = 0  # a result is the caller's own
        n_found.add(int(expected.labels.max()))
    assert len(n_found) > 2


@pytest.mark.parametrize(
    ("before", "change", "expected"),
    [
        ({}, {}, set()),
        ({}, {"min_size": 50}, set()),
        ({}, {"fragment_size": 10}, {"growth", "objects"}),
        ({}, {"background_radius": 1.0}, {"objects"}),
        ({}, {"background": "largest"}, {"objects"}),
        ({}, {"delta_dist": 1.5}, {"segments", "growth", "objects", "notice"}),
        ({}, {"mutex_stride": 2}, {"segments", "growth", "objects"}),
        ({}, {"bandwidth": 1.0, "n_samples": 99, "boundaries": "gradient"}, set()),
        (
            {},
            {"smoothing": 0.5},
            {"embeddings", "background", "radius", "segments", "growth", "objects", "notice"},
        ),
        ({"method": "mean_shift"}, {"bandwidth": 1.0}, {"clusters", "merged", "parts", "objects", "growth"}),
        ({"method": "mean_shift"}, {"fragment_size": 10}, {"growth"}),
        ({"method": "mean_shift"}, {"min_size": 50}, set()),
        ({"method": "mean_shift"}, {"split_disconnected": False}, {"parts", "objects", "growth"}),
        ({"method": "mean_shift"}, {"seed": 1}, {"sample", "clusters", "merged", "parts", "objects", "growth"}),
        ({"method": "mean_shift"}, {"method": "consistency"}, {"teacher", "consistent", "growth"}),
        ({"method": "hdbscan"}, {"delta_dist": 1.0, "bandwidth": 1.0}, set()),
        ({"method": "hdbscan"}, {"merge_distance": 1.0}, {"merged", "parts", "objects", "growth"}),
        ({"method": "hdbscan"}, {"min_size": 50}, {"clusters", "merged", "parts", "objects", "growth"}),
        ({"method": "consistency"}, {"iou_threshold": 0.8}, {"consistent", "growth"}),
        ({"method": "supervoxels"}, {"merge_distance": 1.0}, {"segments", "growth", "objects"}),
        (
            {"method": "supervoxels"},
            {"boundary_smoothing": 2.0},
            {"heights", "supervoxels", "segments", "growth", "objects"},
        ),
        ({"method": "edges"}, {"edge_spacing": 5}, {"segments", "growth", "objects"}),
        ({"method": "edges"}, {"edge_threshold": 0.5}, {"segments", "growth", "objects"}),
        ({"method": "edges"}, {"edge_smoothing": 1.0}, {"edges", "expected", "segments", "growth", "objects"}),
        ({"method": "edges"}, {"edge_image_share": 1.0}, {"expected", "segments", "growth", "objects"}),
        ({"foreground": "embedding"}, {"foreground_radius": 2.2}, {"foreground", "segments", "growth", "objects"}),
        ({"foreground": "embedding", "method": "watershed"}, {"min_distance": 3}, {"objects"}),
        ({"foreground": "intensity"}, {"foreground_radius": 2.2}, set()),
        ({"foreground": "pixel_classes"}, {"min_size": 50}, {"objects"}),
        ({"foreground": "pixel_classes"}, {"fragment_size": 10}, {"growth", "objects"}),
        ({"foreground": "pixel_classes"}, {"class_threshold": 0.7}, {"cores", "segments", "growth", "objects"}),
        ({"method": "pixel_classes"}, {"class_threshold": 0.7}, {"objects"}),
        ({"method": "pixel_classes"}, {"delta_dist": 1.5}, set()),
    ],
    ids=lambda value: "+".join(sorted(value)) or "-" if isinstance(value, set) else str(value),
)
def test_only_what_a_change_concerns_is_run_again(scene, before, change, expected) -> None:
    embeddings, context = scene
    reclustering = Reclustering(embeddings, CARD, context)
    settings = SegmentationConfig(**before)
    reclustering.read_out(settings)
    n_before = reclustering.n_runs
    reclustering.read_out(settings.model_copy(update=change))
    again = reclustering.n_runs - n_before
    assert set(again) == expected
    assert set(again.values()) <= {1}


def test_other_annotations_concern_what_reads_them(scene) -> None:
    embeddings, context = scene
    reclustering = Reclustering(embeddings, CARD, context)
    reclustering.read_out(SegmentationConfig())
    n_before = reclustering.n_runs
    more = context.annotations.copy()
    more[more == 3] = 0
    changed = ReadoutContext(context.image, more)
    reclustering.set_context(changed)
    found = reclustering.read_out(SegmentationConfig())
    np.testing.assert_array_equal(found.labels, read_out(embeddings, CARD, SegmentationConfig(), changed).labels)
    again = set(reclustering.n_runs - n_before)
    assert {"strokes", "painted", "background", "radius"} <= again
    assert not again & {"embeddings", "segments", "growth"}


def test_half_precision_on_disk(scene, tmp_path) -> None:
    embeddings, context = scene
    on_disk = half_precision(embeddings.shape, tmp_path / "embeddings.npy")
    on_disk[:] = embeddings
    assert half_precision(embeddings.shape).dtype == on_disk.dtype == np.float16
    rounded = embeddings.astype(np.float16).astype(np.float32)
    found = Reclustering(on_disk, CARD, context).read_out(SegmentationConfig())
    np.testing.assert_array_equal(found.labels, read_out(rounded, CARD, SegmentationConfig(), context).labels)
    assert np.load(tmp_path / "embeddings.npy").shape == embeddings.shape


@pytest.mark.parametrize("shown", ["nothing", "strokes", "pixel"])
@pytest.mark.parametrize("foreground", ["none", "embedding"])
def test_a_part_is_read_as_the_whole(make_cells, rng, shown, foreground, assert_same_partition) -> None:
    """The background, and how far objects are from it, come from the whole image, also where the part shows neither."""
    embeddings, truth = make_cells((80, 90), 12, noise=0.1)
    embeddings[:, :, 30:60] = rng.normal(-3.0, 0.1, (12, 80, 30))  # the background, mostly outside of the part
    truth[:, 30:60] = 99
    annotations = np.where(np.isin(truth, truth[40, 85]), truth, 0).astype(np.int32)
    if shown == "strokes":
        annotations[10:20, 40] = BACKGROUND
    pixel = (70, 45) if shown == "pixel" else None
    context = ReadoutContext(annotations=annotations, background_pixel=pixel)
    settings = SegmentationConfig(foreground=foreground, fragment_size=20, min_size=0)
    box = (slice(0, 60), slice(5, 50))
    whole = read_out(embeddings, CARD, settings, context).labels
    part = Reclustering(embeddings, CARD, context).read_out(settings, box=box).labels
    assert part.shape == (60, 45)
    assert ((part > 0) == (whole[box] > 0)).mean() > 0.98
    assert not part[:, 28:].any()
    assert part.max() > 1


def test_a_part_of_everything_else(scene) -> None:
    embeddings, context = scene
    box = tuple(slice(1, size - 2) for size in embeddings.shape[1:])
    mask = np.zeros(embeddings.shape[1:], dtype=np.uint8)
    mask[box] = 1
    mask[box][0] = 0
    reclustering = Reclustering(embeddings, CARD, context)
    for method in METHODS:
        settings = SegmentationConfig(method=method, foreground="intensity", min_size=0)
        whole = read_out(embeddings, CARD, SegmentationConfig(foreground="intensity", min_size=0), context)
        found = reclustering.read_out(settings, box=box).labels
        assert found.shape == mask[box].shape
        assert not found[whole.labels[box] == 0].any(), method
    reclustering.set_context(ReadoutContext(mask=mask))
    found = reclustering.read_out(SegmentationConfig(method="components", min_size=0), box=box).labels
    np.testing.assert_array_equal(found, mask[box])


def test_a_stopped_call_keeps_what_was_done(scene) -> None:
    embeddings, context = scene
    reclustering = Reclustering(embeddings, CARD, context)
    with pytest.raises(Stopped):
        reclustering.read_out(SegmentationConfig(), stop=lambda: reclustering.n_runs["segments"] > 0)
    assert reclustering.n_runs["growth"] == 0
    found = reclustering.read_out(SegmentationConfig())
    assert reclustering.n_runs["segments"] == 1
    np.testing.assert_array_equal(found.labels, read_out(embeddings, CARD, SegmentationConfig(), context).labels)


def test_calls_from_several_threads_wait_for_each_other(scene) -> None:
    embeddings, context = scene
    reclustering = Reclustering(embeddings, CARD, context)
    several = [SegmentationConfig(fragment_size=size, min_size=0) for size in (0, 20, 60, 0, 20)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(reclustering.read_out, several))
    for settings, result in zip(several, found, strict=True):
        np.testing.assert_array_equal(result.labels, read_out(embeddings, CARD, settings, context).labels)


@pytest.mark.parametrize(
    "box",
    [(slice(0, 5),), (slice(0, 5), slice(9, 9)), (slice(0, 5), slice(0, 8, 2)), (slice(0, 5), slice(99, 120))],
    ids=str,
)
def test_wrong_boxes_are_refused(box) -> None:
    reclustering = Reclustering(np.zeros((8, 20, 20), dtype=np.float32), CARD)
    with pytest.raises(ValueError, match=r"^box: expected"):
        reclustering.read_out(SegmentationConfig(), box=box)
