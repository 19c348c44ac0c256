"""One image from pixels to files, on the grid of the model and back on its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import NetworkConfig, SegmentationConfig
from napari_spoco.data.images import SourceImage, read_image, read_labels
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard
from napari_spoco.segmentation.prediction import PredictionStopped
from napari_spoco.segmentation.readout import ReadoutContext
from napari_spoco.whole_image import score_found, segment_source, write_results

SETTINGS = SegmentationConfig(foreground="intensity", method="components", min_size=4)


@pytest.fixture
def model() -> EmbeddingModel:
    """An untrained model of 1 um pixels; the settings above look at the intensities alone."""
    torch.manual_seed(0)
    network = NetworkConfig(feature_maps=(2, 4), embedding_dim=2)
    return EmbeddingModel.create(ModelCard(network=network, voxel_size=(1.0, 1.0), units=("micrometer",) * 2))


def image_of(size: float, units: str = "micrometer") -> SourceImage:
    """Return four bright disks of radius 8 um in 80 x 120 um, in pixels of this size."""
    y, x = (np.mgrid[0 : round(80 / size), 0 : round(120 / size)] + 0.5) * size
    disks = [(y - cy) ** 2 + (x - cx) ** 2 <= 64 for cy in (20, 60) for cx in (30, 80)]
    ground = np.random.default_rng(0).integers(0, 10, y.shape)
    data = (ground + 200 * np.any(disks, axis=0)).astype(np.uint8)
    return SourceImage(data[np.newaxis], (size, size), (units, units), ("y", "x"), "disks")


@pytest.mark.parametrize("size", [1.0, 0.5, 2.0])
def test_labels_come_back_on_the_grid_of_the_image(model: EmbeddingModel, size: float) -> None:
    source = image_of(size)
    found = segment_source(model, source, SETTINGS)
    assert found.labels.shape == source.data.shape[1:]
    assert found.embeddings.shape == (2, 80, 120)
    assert found.found.shape == (80, 120)
    assert found.pixel_size == pytest.approx((1, 1))
    assert found.n_objects == 4
    assert bool(found.notices) == (size != 1)
    areas = np.bincount(found.labels.ravel())[1:] * size**2
    assert areas == pytest.approx([np.pi * 64] * 4, rel=0.35)
    scores = score_found(found, model)
    assert scores.keys() == set(np.unique(found.labels)) - {0}
    assert all(0 <= score <= 1 for score in scores.values())


@pytest.mark.parametrize("size", [1.0, 0.5, 2.0])
@pytest.mark.parametrize(("share", "n_objects"), [(0.8, 4), (1.5, 0)])
def test_the_smallest_object_is_given_in_pixels_of_the_image(
    model: EmbeddingModel, size: float, share: float, n_objects: int
) -> None:
    least = round(share * np.pi * 64 / size**2)
    settings = SETTINGS.model_copy(update={"min_size": least})
    assert segment_source(model, image_of(size), settings).n_objects == n_objects


@pytest.mark.parametrize(("median", "n_objects"), [(1600.0, 4), (3000.0, 0)])
def test_sizes_that_follow_from_the_model_are_of_its_own_grid(
    model: EmbeddingModel, median: float, n_objects: int
) -> None:
    """An eighth of these are 200 and 375 of its pixels; the disks have about 250, and 1000 in the image."""
    model = replace(model, card=model.card.model_copy(update={"median_object_size": median}))
    settings = SETTINGS.model_copy(update={"min_size": None})
    assert segment_source(model, image_of(0.5), settings).n_objects == n_objects


@pytest.mark.parametrize(("share", "n_objects"), [(1 / 8, 4), (1 / 3, 0)])
def test_the_model_knows_which_share_of_an_object_is_none(model: EmbeddingModel, share: float, n_objects: int) -> None:
    model = replace(model, card=model.card.model_copy(update={"median_object_size": 1600.0, "smallest_share": share}))
    settings = SETTINGS.model_copy(update={"min_size": None})
    assert segment_source(model, image_of(0.5), settings).n_objects == n_objects


def test_what_the_user_has_shown_is_resampled_too(model: EmbeddingModel) -> None:
    source = image_of(0.5)
    mask = np.zeros((160, 240), np.uint8)
    mask[:80] = 1
    found = segment_source(model, source, SETTINGS, context=ReadoutContext(mask=mask, background_pixel=(0, 0)))
    assert found.labels[:78].any()
    assert not found.labels[82:].any()


@pytest.mark.parametrize("name", ["mask", "annotations"])
def test_what_was_shown_of_another_image_is_refused(model: EmbeddingModel, name: str) -> None:
    context = ReadoutContext(**{name: np.zeros((3, 3), np.int32)})
    with pytest.raises(ValueError, match=rf"{name}: expected the image's shape \(80, 120\), got \(3, 3\)"):
        segment_source(model, image_of(1.0), SETTINGS, context=context)
    with pytest.raises(ValueError, match=r"pixel: expected 2 indices, got \(1,\)"):
        segment_source(model, image_of(1.0), SETTINGS, context=ReadoutContext(background_pixel=(1,)))


def test_consistency_needs_a_teacher_and_takes_both(model: EmbeddingModel) -> None:
    settings = SegmentationConfig(method="consistency", min_size=0)
    with pytest.raises(ValueError, match="method: consistency compares student and teacher"):
        segment_source(model, image_of(1.0), settings)
    both = replace(model, teacher=EmbeddingModel.create(model.card).network)
    tiles: list[tuple[int, int]] = []
    student = segment_source(both, image_of(1.0), settings, on_tile=lambda *counts: tiles.append(counts))
    teacher = segment_source(both, image_of(1.0), SETTINGS)
    assert tiles == [(0, 1), (1, 1)] * 2
    np.testing.assert_array_equal(student.embeddings, segment_source(model, image_of(1.0), SETTINGS).embeddings)
    assert not np.array_equal(student.embeddings, teacher.embeddings)


def test_stop(model: EmbeddingModel) -> None:
    with pytest.raises(PredictionStopped):
        segment_source(model, image_of(1.0), SETTINGS, stop=lambda: True)


def test_results_are_written_with_their_geometry(model: EmbeddingModel, tmp_path: Path) -> None:
    source = image_of(0.5)
    labels = segment_source(model, source, SETTINGS).labels
    folder = tmp_path / "new" / "folder"
    outputs = {"tiff": folder / "a.tif", "ome_tiff": folder / "a.ome.tif", "objects": folder / "a.csv"}
    write_results(outputs, labels, source, {1: 0.5})
    for path in (outputs["tiff"], outputs["ome_tiff"]):
        np.testing.assert_array_equal(read_labels(path), labels)
        assert read_image(path).scale == pytest.approx((0.5, 0.5))
        assert read_image(path).units == ("micrometer",) * 2
    assert "score" in outputs["objects"].read_text().splitlines()[0]
