"""What a model is told at the end of its training: the read-out that agrees best with what was painted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_spoco.config import AnnotationConfig, LossConfig, NetworkConfig
from napari_spoco.data.annotations import SparseAnnotations
from napari_spoco.models.checkpoint import ModelCard
from napari_spoco.models.network import UNet
from napari_spoco.segmentation.readout import ReadoutContext
from napari_spoco.training.finishing import ModelMaker, _best_readout
from napari_spoco.training.inputs import TrainingImage

SIZE = 400


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return embeddings (4, 120, 160) of twelve squares, scores that know them, and three painted ones.

    One of these three is embedded as if it were two.
    """
    truth = np.zeros((120, 160), dtype=np.int32)
    embeddings = np.zeros((4, *truth.shape), dtype=np.float32)
    for i in range(12):
        y, x = divmod(i, 4)
        box = slice(10 + 40 * y, 30 + 40 * y), slice(10 + 40 * x, 30 + 40 * x)
        truth[box] = i + 1
        embeddings[(i % 4, *box)] = 6.0
    embeddings[:, 60:70, 50:70] = np.array([0.0, 0.0, 0.0, 6.0])[:, None, None]
    scores = 8.0 * np.stack([truth == 0, truth > 0, np.zeros_like(truth)]).astype(np.float32)
    return embeddings, scores, np.where(np.isin(truth, (1, 6, 11)), truth, 0)


def card(**changes: object) -> ModelCard:
    network = NetworkConfig(embedding_dim=4, pixel_classes=True)
    return ModelCard(network=network, median_object_size=SIZE, class_threshold=0.5, foreground_radius=3.0, **changes)


def test_pixel_classes_that_know_the_objects_are_used(scene) -> None:
    embeddings, scores, painted = scene
    chosen = _best_readout(card(knows_outside=True), [embeddings], [ReadoutContext(class_scores=scores)], [painted])
    assert chosen == {"method": "pixel_classes", "knows_outside": True}
    assert not _best_readout(card(), [embeddings], [ReadoutContext(class_scores=scores)], [painted])["knows_outside"]


def test_a_background_that_became_an_object_is_noticed_without_strokes(scene) -> None:
    embeddings, scores, painted = scene
    near = np.zeros(painted.shape, dtype=bool)
    for i in range(12):
        y, x = divmod(i, 4)
        near[6 + 40 * y : 34 + 40 * y, 6 + 40 * x : 34 + 40 * x] = True
    scores = np.where(near, scores, np.array([0.0, 8.0, 0.0], dtype=np.float32)[:, None, None])
    chosen = _best_readout(card(knows_outside=True), [embeddings], [ReadoutContext(class_scores=scores)], [painted])
    assert chosen == {"method": "mutex_watershed", "knows_outside": False}


@pytest.mark.parametrize(("n_doubtful", "by_classes"), [(1, True), (2, False)])
def test_embeddings_alone_have_to_agree_better_by_a_margin(scene, n_doubtful: int, by_classes: bool) -> None:
    """Classes have lost a corner of some painted objects, which embeddings know."""
    embeddings, scores, painted = scene
    embeddings[:, 60:70, 50:70] = embeddings[:, 52:53, 52:53]
    for i in (1, 11)[:n_doubtful]:
        rows, columns = np.nonzero(painted == i)
        lost = slice(rows.min(), rows.min() + 6 * n_doubtful), slice(columns.min(), columns.max() + 1)
        scores[(slice(None), *lost)] = np.array([8.0, 0.0, 0.0])[:, None, None]
    chosen = _best_readout(card(knows_outside=True), [embeddings], [ReadoutContext(class_scores=scores)], [painted])
    assert chosen["knows_outside"] == by_classes


@pytest.mark.parametrize(("voxel_size", "expected"), [((2.0, 1.0, 1.0), 1.0), (None, 2.0)], ids=["known", "unknown"])
def test_the_card_tells_the_size_of_whole_objects_though_one_plane_was_painted(
    voxel_size: tuple[float, ...] | None, expected: float
) -> None:
    """Without a voxel size, planes count as far apart as pixels, and balls as flat."""
    z, y, x = np.ogrid[:23, :44, :44]
    balls = [(2 * (z - 11)) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= 81 for cy in (11, 33) for cx in (11, 33)]
    painted = np.zeros((23, 44, 44), np.int32)
    for i, ball in enumerate(balls, start=1):
        painted[11][ball[11]] = i
    annotations = SparseAnnotations.from_labels(painted, config=AnnotationConfig(painted_in_planes=True))
    data = TrainingImage(np.zeros((1, *painted.shape), np.float32), annotations, voxel_size=voxel_size)
    network = NetworkConfig(ndim=3, feature_maps=(2, 4), embedding_dim=4)
    maker = ModelMaker(
        ModelCard(network=network), LossConfig(), (8, 16, 16), rim=0, voxel_size=None, device=torch.device("cpu")
    )
    model = maker.make((UNet(network).state_dict(), None), [data], [], is_measured=False)
    assert model.card.median_object_size == pytest.approx(expected * balls[0].sum(), rel=0.05)
