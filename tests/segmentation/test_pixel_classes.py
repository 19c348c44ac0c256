"""From scores of pixel classes to probabilities, a foreground, and objects."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import softmax

from napari_spoco.config import NetworkConfig, SegmentationConfig
from napari_spoco.models.checkpoint import ModelCard
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.pixel_classes import (
    class_probabilities,
    foreground_by_classes,
    segment_pixel_classes,
)
from napari_spoco.segmentation.readout import read_out
from napari_spoco.segmentation.reclustering import Reclustering
from napari_spoco.segmentation.smoothing import smooth_embeddings
from napari_spoco.segmentation.view import ReadoutContext


def discs(shape):
    """Return labels (*shape) of discs or balls, two of which touch, and the scores (3, *shape) of a good network."""
    grid = np.indices(shape)
    labels = np.zeros(shape, dtype=np.uint32)
    depth = (shape[0] // 2,) * (len(shape) - 2)
    for i, centre in enumerate([(20, 20), (20, 37), (60, 30), (60, 70)], start=1):
        steps = grid - np.array((*depth, *centre)).reshape(-1, *(1,) * len(shape))
        labels[(np.square(steps).sum(axis=0) < 81) & (labels == 0)] = i
    edge = ndimage.minimum_filter(labels, 3) != ndimage.maximum_filter(labels, 3)
    classes = np.where(labels == 0, 0, np.where(edge, 2, 1))
    return labels, (5.0 * np.eye(3)[classes]).astype(np.float32).transpose(-1, *range(len(shape)))


@pytest.fixture(params=[(80, 96), (24, 80, 96)], ids=["2D", "3D"])
def scene(request):
    return discs(request.param)


def test_probabilities_are_the_softmax_smoothed(scene, rng):
    scores = rng.standard_normal(scene[1].shape).astype(np.float16)
    expected = softmax(scores.astype(np.float32), axis=0)
    np.testing.assert_allclose(class_probabilities(scores), expected, atol=1e-6)
    smooth = class_probabilities(scores, 1.5)
    np.testing.assert_allclose(smooth, smooth_embeddings(expected, 1.5), atol=1e-6)
    np.testing.assert_allclose(smooth.sum(axis=0), 1.0, atol=1e-5)


def test_foreground_is_what_is_not_outside(scene):
    labels, scores = scene
    assert np.array_equal(foreground_by_classes(class_probabilities(scores), 0.5), labels > 0)
    unsure = np.zeros((3, *labels.shape), dtype=np.float32)
    unsure[0] = 0.4
    assert foreground_by_classes(unsure, 0.55).all()
    assert not foreground_by_classes(unsure, 0.65).any()


def test_cores_grow_over_the_border_and_touching_objects_come_apart(scene):
    labels, scores = scene
    found = segment_pixel_classes(class_probabilities(scores))
    assert found.dtype == np.uint32
    assert found.max() == 4
    assert evaluate_segmentation(found, labels)["sbd"] > 0.97
    assert np.array_equal(found > 0, labels > 0)


def test_small_objects_and_what_lies_outside_of_a_given_foreground_go(scene):
    labels, scores = scene
    probabilities = class_probabilities(scores)
    mask = labels != 3
    found = segment_pixel_classes(probabilities, foreground=mask)
    assert found.max() == 3
    assert not found[labels == 3].any()
    assert segment_pixel_classes(probabilities, min_size=int((labels == 1).sum() * 1.1)).max() == 0


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"scores: expected shape \(3, \*spatial\), got \(2, 5, 5\)"):
        class_probabilities(np.zeros((2, 5, 5)))
    probabilities = class_probabilities(np.zeros((3, 5, 5), dtype=np.float32))
    with pytest.raises(ValueError, match="threshold: expected a number below 1, got 1"):
        segment_pixel_classes(probabilities, threshold=1.0)
    with pytest.raises(ValueError, match="foreground"):
        segment_pixel_classes(probabilities, foreground=np.ones((4, 5), dtype=bool))


# --- in the read-out -------------------------------------------------------------------------------------------


def card(**changes):
    return ModelCard(network=NetworkConfig(embedding_dim=4, pixel_classes=True), **changes)


def embedded(labels, rng):
    """Return embeddings (4, *spatial) that tell the two that touch apart; the rest are as the background."""
    embeddings = rng.normal(0, 0.1, (4, *labels.shape)).astype(np.float32)
    embeddings[0, labels == 1] += 5
    embeddings[1, labels == 2] += 5
    return embeddings


def test_a_model_that_knows_outside_has_it_as_foreground_by_itself(scene, rng):
    labels, scores = scene
    embeddings, context = embedded(labels, rng), ReadoutContext(class_scores=scores)
    by_classes = read_out(embeddings, card(knows_outside=True), SegmentationConfig(fragment_size=0), context).labels
    assert evaluate_segmentation(by_classes, labels)["sbd"] > 0.9
    asked = SegmentationConfig(foreground="pixel_classes", fragment_size=0)
    assert np.array_equal(read_out(embeddings, card(), asked, context).labels, by_classes)
    for one, settings in (
        (card(), SegmentationConfig()),
        (card(knows_outside=True), SegmentationConfig(foreground="none")),
    ):
        anywhere = read_out(embeddings, one, settings.model_copy(update={"fragment_size": 0}), context).labels
        assert set(np.unique(anywhere[labels >= 3])) == {0}  # They are embedded as the background.


def test_the_method_grows_cores_and_reads_the_threshold(scene, rng):
    labels, scores = scene
    embeddings, context = embedded(labels, rng), ReadoutContext(class_scores=scores)
    found = read_out(embeddings, card(knows_outside=True), SegmentationConfig(method="pixel_classes"), context).labels
    assert evaluate_segmentation(found, labels)["sbd"] > 0.9
    strict = SegmentationConfig(method="pixel_classes", class_threshold=0.999)
    assert read_out(embeddings, card(), strict, context).labels.max() == 0
    masked = ReadoutContext(class_scores=scores, mask=labels == 1)
    assert read_out(embeddings, card(), SegmentationConfig(method="pixel_classes"), masked).labels.max() == 1


def test_without_scores_the_method_and_the_foreground_say_what_is_missing(scene, rng):
    embeddings = embedded(scene[0], rng)
    for settings in (SegmentationConfig(method="pixel_classes"), SegmentationConfig(foreground="pixel_classes")):
        with pytest.raises(ValueError, match="class_scores: expected those of a network that classifies pixels"):
            read_out(embeddings, card(), settings)
    with pytest.raises(ValueError, match="class_scores: expected shape"):
        read_out(embeddings, card(), SegmentationConfig(), ReadoutContext(class_scores=scene[1][..., 1:]))


@pytest.mark.parametrize("method", ["pixel_classes", "mutex_watershed"])
def test_a_box_has_the_foreground_of_the_whole(scene, rng, method):
    labels, scores = scene
    half = scores.astype(np.float16)
    reclustering = Reclustering(embedded(labels, rng), card(knows_outside=True), ReadoutContext(class_scores=half))
    settings = SegmentationConfig(method=method, fragment_size=0)
    whole = reclustering.read_out(settings).labels
    box = tuple(slice(n // 8, n - n // 8) for n in labels.shape)
    part = reclustering.read_out(settings, box=box).labels
    assert np.array_equal(part > 0, whole[box] > 0)
    runs = reclustering.n_runs["classes"]
    reclustering.read_out(settings.model_copy(update={"class_threshold": 0.6}), box=box)
    assert reclustering.n_runs["classes"] == runs
