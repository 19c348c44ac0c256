"""Settings to objects: what the user leaves empty follows from the annotated objects."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from napari_spoco.config import NetworkConfig, SegmentationConfig
from napari_spoco.models.checkpoint import ModelCard
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.readout import ReadoutContext, read_out

CARD = ModelCard(network=NetworkConfig(embedding_dim=3), median_object_size=90.0)
OBJECTS = (slice(4, 14), slice(4, 14)), (slice(20, 30), slice(4, 14)), (slice(4, 8), slice(30, 33))
"""Two of 100 pixels, one of 12: above an eighth of the median, below a third."""


@pytest.fixture
def embeddings() -> np.ndarray:
    """Background at 0, three objects far from it and from each other."""
    array = np.zeros((3, 40, 40), dtype=np.float32)
    for channel, box in enumerate(OBJECTS):
        array[channel][box] = 6.0
    return array


def test_empty_sizes_follow_from_the_annotated_objects(embeddings: np.ndarray) -> None:
    card = CARD.model_copy(update={"median_object_size": 90.0})
    assert read_out(embeddings, card, SegmentationConfig(smoothing=0)).max() == 2  # the small one grew away
    assert read_out(embeddings, card, SegmentationConfig(smoothing=0, fragment_size=0)).max() == 3
    assert read_out(embeddings, card, SegmentationConfig(smoothing=0, fragment_size=0, min_size=13)).max() == 2


def test_foreground_by_intensity_needs_the_image(embeddings: np.ndarray) -> None:
    settings = SegmentationConfig(foreground="intensity")
    with pytest.raises(ValueError, match="image: the foreground by intensity needs the image"):
        read_out(embeddings, CARD, settings)
    image = np.zeros((1, 40, 40))
    image[0][OBJECTS[0]] = 100.0
    labels = read_out(embeddings, CARD, settings, ReadoutContext(image=image))
    assert (labels[5:13, 5:13] == labels[9, 9]).all()
    assert labels[9, 9] > 0
    assert not labels[16:].any()


def test_mask_goes_before_the_setting(embeddings: np.ndarray) -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[OBJECTS[1]] = True
    labels = read_out(embeddings, CARD, SegmentationConfig(foreground="intensity"), ReadoutContext(mask=mask))
    np.testing.assert_array_equal(labels > 0, mask)


def test_radius_comes_from_setting_then_annotations_then_card(embeddings: np.ndarray) -> None:
    annotations = np.zeros((40, 40), dtype=int)
    annotations[OBJECTS[0]] = 5
    settings = SegmentationConfig(foreground="embedding", smoothing=0, fragment_size=0)
    with pytest.raises(ValueError, match="foreground_radius: expected a number or annotated objects"):
        read_out(embeddings, CARD, settings)
    nearer = embeddings * 0.9
    assert read_out(embeddings, CARD, settings.model_copy(update={"foreground_radius": 5.9})).max() == 3
    assert read_out(nearer, CARD, settings.model_copy(update={"foreground_radius": 5.9})).max() == 0
    # All annotated pixels are 5.4 away: none is farther than their own quantile.
    assert read_out(nearer, CARD, settings, ReadoutContext(annotations=annotations)).max() == 0
    card = CARD.model_copy(update={"foreground_radius": 3.0})
    assert read_out(nearer, card, settings).max() == 3


@pytest.mark.parametrize("method", get_args(SegmentationConfig.model_fields["method"].annotation))
def test_every_method_finds_the_objects(embeddings: np.ndarray, method: str) -> None:
    settings = SegmentationConfig(method=method, smoothing=0, fragment_size=0, min_size=0)
    truth = np.zeros((40, 40), dtype=int)
    for index, box in enumerate(OBJECTS, start=1):
        truth[box] = index
    context = ReadoutContext(image=np.zeros((1, 40, 40)), mask=truth > 0)
    assert evaluate_segmentation(read_out(embeddings, CARD, settings, context), truth)["sbd"] == 1.0


@pytest.mark.parametrize(
    ("method", "missing"), [("watershed", "foreground"), ("components", "foreground"), ("supervoxels", "image")]
)
def test_methods_name_what_they_lack(embeddings: np.ndarray, method: str, missing: str) -> None:
    with pytest.raises(ValueError, match=f"^{missing}: "):
        read_out(embeddings, CARD, SegmentationConfig(method=method))
