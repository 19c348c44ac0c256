"""What is said of a click on the background is what the read-out does with it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from napari_spoco._qt.segment.background_use import find_use
from napari_spoco.config import NetworkConfig, SegmentationConfig

METHODS = ("mutex_watershed", "pixel_classes", "watershed", "components", "edges", "supervoxels", "hdbscan")
FOREGROUNDS = (None, "none", "intensity", "embedding", "pixel_classes")


def looks_at_background(config: SegmentationConfig, card, context) -> bool:
    """Say whether a read-out asks what is background; one that is refused does not."""
    from napari_spoco.segmentation.readout import read_out_view
    from napari_spoco.segmentation.stages import StageMemory
    from napari_spoco.segmentation.view import View

    asked = []

    class Watched(View):
        @property
        def background(self):
            asked.append(1)
            return super().background

    embeddings = np.random.default_rng(0).normal(size=(2, 12, 12)).astype(np.float32)
    try:
        read_out_view(Watched(StageMemory(), embeddings, card, config, context))
    except ValueError:
        return False
    return bool(asked)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("knows_outside", [None, False, True], ids=["no classes", "classes", "knows outside"])
def test_a_click_is_said_to_be_ignored_where_it_is(method, knows_outside) -> None:
    from napari_spoco.models.checkpoint import ModelCard
    from napari_spoco.segmentation.view import ReadoutContext

    has_classes = knows_outside is not None
    network = NetworkConfig(ndim=2, embedding_dim=2, pixel_classes=has_classes)
    card = ModelCard(network=network, knows_outside=bool(knows_outside), foreground_radius=1.0)
    for foreground, background, has_mask in product(FOREGROUNDS, (None, "mode", "none", "largest"), (False, True)):
        if not has_classes and "pixel_classes" in (method, foreground):
            continue  # It cannot be chosen.
        rng = np.random.default_rng(0)
        context = ReadoutContext(
            image=rng.random((1, 12, 12)),
            mask=np.ones((12, 12), bool) if has_mask else None,
            background_pixel=(0, 0),
            class_scores=rng.normal(size=(3, 12, 12)).astype(np.float32) if has_classes else None,
        )
        config = SegmentationConfig(method=method, foreground=foreground, background=background)
        use = find_use(config, card, has_mask=has_mask)
        assert (not use.ignored) == looks_at_background(config, card, context), config
        by_model = SegmentationConfig(foreground=foreground, background=background)
        assert find_use(by_model, card.model_copy(update={"method": method}), has_mask=has_mask) == use


def test_without_a_model_that_is_known_a_click_is_taken() -> None:
    assert not find_use(SegmentationConfig(), None, has_mask=False).ignored
    assert not find_use(SegmentationConfig(method="watershed"), None, has_mask=False).ignored
    assert find_use(SegmentationConfig(foreground="intensity"), None, has_mask=False).ignored
