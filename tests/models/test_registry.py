"""Shipped models load by name, are small, and find nuclei as they come."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.config import SegmentationConfig
from napari_spoco.data.samples import load_nuclei
from napari_spoco.models.checkpoint import load_model
from napari_spoco.models.registry import describe_shipped, shipped_models, shipped_path
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.prediction import predict_embeddings
from napari_spoco.segmentation.readout import read_out


def test_every_shipped_model_loads_by_name_and_is_small() -> None:
    assert "nuclei-small" in shipped_models()
    for name in shipped_models():
        assert load_model(name).card.history.steps > 1000
        assert shipped_path(name).stat().st_size < 8e6


def test_what_a_shipped_model_is_for_is_the_first_sentence_of_its_card() -> None:
    assert describe_shipped("nuclei-small") == "2D fluorescent nuclei, one channel"
    assert all(describe_shipped(name)[:2] in ("2D", "3D") for name in shipped_models())


def test_unknown_name_lists_the_shipped_models() -> None:
    with pytest.raises(FileNotFoundError, match=r"no shipped model of that name \(.*nuclei-small"):
        load_model("nuclei-huge")


@pytest.mark.parametrize("method", [None, "mutex_watershed"])
def test_nuclei_small_finds_nuclei_without_any_training(method: str | None) -> None:
    model = load_model("nuclei-small")
    settings = SegmentationConfig(method=method)
    rows = []
    for sample in load_nuclei("train")[:4]:
        found = read_out(predict_embeddings(model, sample.image), model.card, settings)
        rows.append(evaluate_segmentation(found.labels, sample.labels))
    assert np.mean([row["sbd"] for row in rows]) > 0.7
    assert np.mean([row["ap50"] for row in rows]) > 0.65
