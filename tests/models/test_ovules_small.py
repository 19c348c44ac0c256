"""The shipped model of membranes finds cells as they come, at the voxel size that its card names."""

from __future__ import annotations

from napari_spoco.config import SegmentationConfig
from napari_spoco.data.samples import make_ovule
from napari_spoco.models.checkpoint import load_model
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.prediction import predict_embeddings
from napari_spoco.segmentation.readout import read_out


def test_it_finds_the_cells_of_the_sample_without_any_training() -> None:
    model, sample = load_model("ovules-small"), make_ovule()
    assert model.card.voxel_size == sample.scale
    assert model.card.units == ("micrometer",) * 3
    assert model.card.replay is not None
    found = read_out(predict_embeddings(model, sample.image), model.card, SegmentationConfig()).labels
    assert evaluate_segmentation(found, sample.labels)["arand_error"] < 0.2
