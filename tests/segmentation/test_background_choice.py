"""Whether it matters what somebody has shown to be background: decided beforehand, and so it comes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from napari_spoco.config import NetworkConfig, SegmentationConfig
from napari_spoco.models.checkpoint import ModelCard
from napari_spoco.segmentation.background_choice import choose_background
from napari_spoco.segmentation.readout import ReadoutContext, read_out_view
from napari_spoco.segmentation.stages import StageMemory
from napari_spoco.segmentation.view import View

METHODS = ("mutex_watershed", "pixel_classes", "watershed", "components", "edges", "supervoxels", "hdbscan")
FOREGROUNDS = (None, "none", "intensity", "embedding", "pixel_classes")


def make_card(*, has_classes: bool, **known) -> ModelCard:
    network = NetworkConfig(ndim=2, embedding_dim=2, pixel_classes=has_classes)
    return ModelCard(network=network, foreground_radius=1.0, **known)


@pytest.mark.parametrize(
    ("settings", "known", "expected"),
    [
        pytest.param({}, {}, ("mutex_watershed", "none", "mode"), id="nothing said"),
        pytest.param({}, {"method": "edges"}, ("edges", "none", "shown"), id="by edges, as suits the model"),
        pytest.param({"method": "hdbscan"}, {"method": "edges"}, ("hdbscan", "none", "mode"), id="the user's method"),
        pytest.param({"background": "largest"}, {}, ("mutex_watershed", "none", "largest"), id="the user's pieces"),
        pytest.param({}, {"foreground": "embedding"}, ("mutex_watershed", "embedding", "none"), id="a foreground"),
        pytest.param(
            {"foreground": "none"}, {"foreground": "embedding"}, ("mutex_watershed", "none", "mode"), id="anywhere"
        ),
        pytest.param({"method": "edges"}, {"foreground": "embedding"}, ("edges", "none", "shown"), id="edges anywhere"),
        pytest.param(
            {"background": "mode", "foreground": "intensity"},
            {},
            ("mutex_watershed", "intensity", "none"),
            id="no pieces within a foreground",
        ),
        pytest.param({"method": "watershed"}, {}, ("watershed", "none", "none"), id="a method without pieces"),
        pytest.param({}, {"knows_outside": True}, ("mutex_watershed", "pixel_classes", "none"), id="classes"),
    ],
)
def test_what_is_not_set_is_what_suits_the_model(settings, known, expected) -> None:
    card = make_card(has_classes=True, **known)
    config = SegmentationConfig(**settings)
    assert choose_background(config, card, has_mask=False, has_classes=True) == expected


def test_a_mask_goes_before_everything_and_no_model_before_nothing() -> None:
    settings = SegmentationConfig(foreground="embedding")
    choice = choose_background(settings, make_card(has_classes=False), has_mask=True, has_classes=False)
    assert choice == ("mutex_watershed", "mask", "none")
    choice = choose_background(SegmentationConfig(), None, has_mask=False, has_classes=False)
    assert choice == ("mutex_watershed", "none", "mode")


def asks_for_background(card: ModelCard, settings: SegmentationConfig, context: ReadoutContext) -> bool:
    """Say whether a read-out asks what is background; one that is refused does not."""
    asked = []

    class Watched(View):
        @property
        def background(self):
            asked.append(1)
            return super().background

    embeddings = np.random.default_rng(0).normal(size=(2, 12, 12)).astype(np.float32)
    try:
        read_out_view(Watched(StageMemory(), embeddings, card, settings, context))
    except ValueError:
        return False
    return bool(asked)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("knows_outside", [None, False, True], ids=["no classes", "classes", "knows outside"])
def test_a_read_out_asks_for_the_background_where_that_was_decided(method, knows_outside) -> None:
    """Methods ask in places of their own."""
    has_classes = knows_outside is not None
    card = make_card(has_classes=has_classes, knows_outside=bool(knows_outside))
    for foreground, pieces, has_mask in product(FOREGROUNDS, (None, "mode", "none", "largest"), (False, True)):
        if not has_classes and "pixel_classes" in (method, foreground):
            continue  # It cannot be chosen.
        rng = np.random.default_rng(0)
        context = ReadoutContext(
            image=rng.random((1, 12, 12)),
            mask=np.ones((12, 12), bool) if has_mask else None,
            background_pixel=(0, 0),
            class_scores=rng.normal(size=(3, 12, 12)).astype(np.float32) if has_classes else None,
        )
        settings = SegmentationConfig(method=method, foreground=foreground, background=pieces)
        choice = choose_background(settings, card, has_mask=has_mask, has_classes=has_classes)
        assert choice.heeds_shown == asks_for_background(card, settings, context), settings
