"""What is said of a click on the background, under some settings."""

from __future__ import annotations

import pytest

from napari_spoco._qt.segment.background_use import find_use
from napari_spoco.config import NetworkConfig, SegmentationConfig


@pytest.mark.parametrize(
    ("settings", "knows_outside", "has_mask", "start"),
    [
        pytest.param({}, False, False, "", id="looked at"),
        pytest.param({"method": "edges"}, True, False, "", id="by edges"),
        pytest.param({"foreground": "embedding"}, True, True, "Objects lie where the chosen layer says", id="mask"),
        pytest.param({}, True, False, "The model itself tells", id="classes"),
        pytest.param({"method": "pixel_classes"}, False, False, "The model itself tells", id="method by classes"),
        pytest.param({"foreground": "intensity"}, False, False, "Objects lie where the image is bright", id="bright"),
        pytest.param({"method": "watershed"}, False, False, "This method divides what is given", id="shapes"),
        pytest.param(
            {"background": "largest"}, False, False, "Background (Advanced settings) is “largest”", id="largest"
        ),
    ],
)
def test_a_click_that_changes_nothing_is_said_to(settings, knows_outside, has_mask, start) -> None:
    from napari_spoco.models.checkpoint import ModelCard

    card = ModelCard(network=NetworkConfig(ndim=2, pixel_classes=True), knows_outside=knows_outside)
    use = find_use(SegmentationConfig(**settings), card, has_mask=has_mask)
    assert use.ignored.startswith(start)
    assert bool(use.ignored) == bool(start)


def test_the_field_is_named_that_says_how_like_it() -> None:
    assert find_use(SegmentationConfig(foreground="embedding"), None, has_mask=False).radius == "Foreground radius"
    assert find_use(SegmentationConfig(), None, has_mask=False).radius == "Background radius (Advanced settings)"


def test_without_a_model_that_is_known_a_click_is_taken() -> None:
    assert not find_use(SegmentationConfig(), None, has_mask=False).ignored
    assert not find_use(SegmentationConfig(method="watershed"), None, has_mask=False).ignored
    assert find_use(SegmentationConfig(foreground="intensity"), None, has_mask=False).ignored
