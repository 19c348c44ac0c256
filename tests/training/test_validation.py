"""Left-out objects: how they are drawn, and that the score tells networks that recover them from those that do not."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn

from napari_spoco.config import AnnotationConfig, LossConfig, NetworkConfig, ValidationConfig
from napari_spoco.data.annotations import IGNORE, SparseAnnotations
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
from napari_spoco.training import validation
from napari_spoco.training.inputs import TrainingImage
from napari_spoco.training.pixel_classes import OUTSIDE, pixel_classes
from napari_spoco.training.validation import (
    LeftOutScore,
    RunningScore,
    Validator,
    best_iou,
    deepest_pixel,
    split_left_out,
)

SHAPES = [pytest.param((96, 96), id="2D"), pytest.param((20, 64, 64), id="3D")]


class Oracle(nn.Module):
    """Embed pixel values 0, 1, 2 .. of an image at corners 4 apart."""

    def __init__(self) -> None:
        super().__init__()
        self.corners = nn.Parameter(4.0 * torch.eye(32))
        self.n_calls = 0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.n_calls += 1
        return torch.movedim(self.corners[image[:, 0].long()], -1, 1)


class Constant(Oracle):
    """Embed all pixels alike."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.zeros_like(image))


class Classifier(Constant):
    """Embed all pixels alike, but be sure of what is outside, inside and border of the values of an image."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        classes = torch.stack([pixel_classes(ids.long(), rim=0) for ids in image[:, 0]])
        classes = torch.where(image[:, 0] == 0, OUTSIDE, classes)
        scores = 9.0 * torch.movedim(torch.eye(3)[classes], -1, 1)
        return torch.cat((super().forward(image), scores), dim=1)


def blocks(shape: tuple[int, ...]) -> np.ndarray:
    """Return labels 1..4**2 of boxes on a grid in the plane, with gaps between them."""
    labels = np.zeros(shape, dtype=np.int32)
    height, width = shape[-2] // 4, shape[-1] // 4
    for index in range(16):
        y, x = (index // 4) * height + 1, (index % 4) * width + 1
        labels[..., y : y + height - 2, x : x + width - 2] = index + 1
    if len(shape) == 3:
        labels[[0, -1]] = 0
    return labels


def as_data(*labels: np.ndarray, truth: np.ndarray | None = None) -> list[TrainingImage]:
    """Make images that show the ids of the true objects."""
    return [
        TrainingImage((each if truth is None else truth)[None].astype(np.float32), SparseAnnotations.from_labels(each))
        for each in labels
    ]


def validator(data: list[TrainingImage]) -> Validator:
    return Validator(data, NetworkConfig(ndim=data[0].image.ndim - 1), LossConfig())


@pytest.mark.parametrize("shape", SHAPES)
def test_pixel_classes_count_where_the_network_has_them(shape: tuple[int, ...]) -> None:
    data = as_data(blocks(shape))
    network = NetworkConfig(ndim=len(shape), embedding_dim=32, pixel_classes=True)
    by_classes = Validator(data, network, LossConfig()).score(Classifier(), (frozenset({1, 6}),))
    without = Validator(data, network.model_copy(update={"pixel_classes": False}), LossConfig())
    assert by_classes.clustered_iou > {2: 0.9, 3: 0.6}[len(shape)]
    assert without.score(Classifier(), (frozenset({1, 6}),)).clustered_iou < 0.5


def test_fragments_are_a_third_of_whole_objects_though_one_plane_was_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def segment(embeddings: np.ndarray, *, fragment_size: int, **options: object) -> np.ndarray:
        asked.append(fragment_size)
        return segment_mutex_watershed(embeddings, fragment_size=fragment_size, **options)

    monkeypatch.setattr(validation, "segment_mutex_watershed", segment)
    z, y, x = np.ogrid[:20, :64, :64]
    ball = ((2 * (z - 10)) ** 2 + (y - 32) ** 2 + (x - 32) ** 2 <= 144).astype(np.int32)
    painted = np.where(z == 10, ball, 0)
    annotations = SparseAnnotations.from_labels(painted, config=AnnotationConfig(painted_in_planes=True))
    data = TrainingImage(ball[None].astype(np.float32), annotations, voxel_size=(2.0, 1.0, 1.0))
    validator([data]).score(Oracle(), (frozenset({1}),))
    assert asked == [pytest.approx(ball.sum() / 3, rel=0.05)]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_oracle_scores_near_one_and_a_constant_low(shape: tuple[int, ...]) -> None:
    data = as_data(blocks(shape), blocks(shape))
    left_out = (frozenset({1, 6}), frozenset({16}))
    good, bad = (validator(data).score(network, left_out) for network in (Oracle(), Constant()))
    assert good.n_objects == bad.n_objects == 3
    assert good.soft_iou == pytest.approx(1.0)
    # The smoothing blurs the border, of which a small object in 3D has a lot.
    assert good.clustered_iou > {2: 0.9, 3: 0.6}[len(shape)]
    assert good.score == pytest.approx((good.soft_iou + good.clustered_iou) / 2)
    assert bad.score < 0.3


@pytest.mark.parametrize("shape", SHAPES)
def test_the_score_is_deterministic_and_leaves_the_network_in_its_mode(shape: tuple[int, ...]) -> None:
    data = as_data(blocks(shape))
    network = Oracle().train()
    with torch.no_grad():
        network.corners += torch.randn(network.corners.shape, generator=torch.Generator().manual_seed(0))
    left_out = (frozenset(range(1, 17)),)
    ours = validator(data)
    assert ours.score(network, left_out) == ours.score(network, left_out) == validator(data).score(network, left_out)
    assert network.training


def test_a_limited_number_of_objects_is_scored_spread_over_the_images() -> None:
    data = as_data(*[blocks((96, 96))] * 3)
    left_out = (frozenset(range(1, 17)),) * 3
    network = Oracle()
    ours = validator(data)
    assert ours.score(network, left_out).n_objects == network.n_calls == 16
    assert {image for image, _ in ours._targets} == {0, 1, 2}


def test_objects_that_are_no_longer_annotated_are_passed_over() -> None:
    data = as_data(blocks((96, 96)))
    assert validator(data).score(Oracle(), (frozenset({3, 99}),)).n_objects == 1
    assert validator(data * 2).score(Oracle(), (frozenset({3}),)).n_objects == 1
    with pytest.raises(ValueError, match="left_out: expected at least one annotated object"):
        validator(data).score(Oracle(), (frozenset({99}),))


def test_ignored_pixels_do_not_count() -> None:
    truth = blocks((96, 96))
    labels = np.where(truth == 6, 6, 0)
    labels[24:48, 36:] = np.where(labels[24:48, 36:] == 6, 0, labels[24:48, 36:])  # painted by half
    left_out = (frozenset({6}),)
    half = validator(as_data(labels, truth=truth)).score(Oracle(), left_out)
    labels[24:48, 36:] = IGNORE
    whole = validator(as_data(labels, truth=truth)).score(Oracle(), left_out)
    assert half.soft_iou == pytest.approx(0.5, abs=0.1)
    assert whole.soft_iou == pytest.approx(1.0)


def test_objects_painted_in_planes_are_compared_in_them_alone() -> None:
    truth = blocks((20, 64, 64))
    labels = np.zeros_like(truth)
    labels[[6, 12]] = truth[[6, 12]]
    painted = SparseAnnotations.from_labels(labels, config=AnnotationConfig(painted_in_planes=True))
    through, in_planes = (
        validator([TrainingImage(truth[None].astype(np.float32), annotations)]).score(Oracle(), (frozenset({6}),))
        for annotations in (SparseAnnotations.from_labels(labels), painted)
    )
    assert through.score < 0.2
    assert in_planes.soft_iou == 1.0
    assert in_planes.clustered_iou > 0.7


def test_objects_larger_than_the_box_are_cut_and_seen_on_a_coarser_grid() -> None:
    truth = np.ones((700, 400), dtype=np.int32)
    truth[:, 260:] = 2
    score = validator(as_data(truth)).score(Oracle(), (frozenset({1}),))
    assert score.soft_iou == pytest.approx(1.0)
    assert score.clustered_iou > 0.9


def fold_objects(folds: tuple[tuple[frozenset[int], ...], ...]) -> list[list[tuple[int, int]]]:
    return [[(image, i) for image, ids in enumerate(fold) for i in ids] for fold in folds]


@pytest.mark.parametrize(("fraction", "n_folds"), [(0.1, 10), (0.3, 4), (0.5, 2), (0.001, 32)])
def test_in_turn_partitions_all_objects(fraction: float, n_folds: int, rng: np.random.Generator) -> None:
    data = as_data(blocks((64, 64)), np.zeros((64, 64), dtype=np.int32), blocks((64, 64)))
    folds = split_left_out(data, ValidationConfig(left_out="in_turn", fraction=fraction), rng)
    objects = fold_objects(folds)
    assert len(folds) == n_folds
    assert all(len(fold) == 3 and not fold[1] for fold in folds)
    assert sorted(chain.from_iterable(objects)) == [(image, i) for image in (0, 2) for i in range(1, 17)]
    assert max(map(len, objects)) - min(map(len, objects)) <= 1


@pytest.mark.parametrize(("fraction", "n_left_out"), [(0.05, 2), (0.1, 3), (0.5, 16)])
def test_one_fraction_is_left_out(fraction: float, n_left_out: int, rng: np.random.Generator) -> None:
    data = as_data(blocks((64, 64)), blocks((64, 64)))
    folds = split_left_out(data, ValidationConfig(fraction=fraction), rng)
    assert [len(objects) for objects in fold_objects(folds)] == [n_left_out]
    again = split_left_out(data, ValidationConfig(fraction=fraction), np.random.default_rng(0))
    assert folds == again


@pytest.mark.parametrize(
    ("config", "n_objects"),
    [
        pytest.param(ValidationConfig(left_out="none"), 16, id="none"),
        pytest.param(ValidationConfig(fraction=0.5), 5, id="fewer than six"),
        pytest.param(ValidationConfig(), 14, id="a fraction of one"),
        pytest.param(ValidationConfig(left_out="in_turn"), 5, id="fewer than six in turn"),
    ],
)
def test_nothing_is_left_out(config: ValidationConfig, n_objects: int, rng: np.random.Generator) -> None:
    labels = blocks((64, 64))
    assert split_left_out(as_data(np.where(labels <= n_objects, labels, 0)), config, rng) == ()


@pytest.mark.parametrize(("n_objects", "left_out"), [(2, []), (3, [1]), (100, [1])])
def test_a_single_object_is_left_out_where_it_is_better_than_none(
    n_objects: int, left_out: list[int], rng: np.random.Generator
) -> None:
    labels = blocks((64, 64))
    data = as_data(np.where(labels <= n_objects, labels, 0))
    folds = split_left_out(data, ValidationConfig(fraction=0.01), rng, fewest=1)
    assert [len(objects) for objects in fold_objects(folds)] == left_out


def test_the_anchor_is_the_deepest_pixel() -> None:
    mask = np.zeros((9, 20), dtype=bool)
    mask[2:7, 1:6] = mask[4, 6:] = True
    assert deepest_pixel(mask).tolist() == [4, 3]
    planes = np.zeros((5, *mask.shape), dtype=bool)
    planes[1, 0:3, 0:3], planes[3] = True, mask
    assert deepest_pixel(planes, in_planes=True).tolist() == [3, 4, 3]


def test_best_iou_takes_the_best_segment_over_the_counted_pixels() -> None:
    segments = np.array([1, 1, 2, 2, 2, 0], dtype=np.uint32)
    mask = np.array([False, True, True, True, False, False])
    counted = np.ones(6, dtype=bool)
    assert best_iou(segments, mask, counted) == pytest.approx(2 / 4)
    counted[4] = False
    assert best_iou(segments, mask, counted) == pytest.approx(2 / 3)
    assert best_iou(np.zeros(6, dtype=np.uint32), mask, counted) == 0.0


def test_the_running_score_is_the_mean_of_the_latest() -> None:
    running = RunningScore()
    assert running.mean is None
    running.update(3, LeftOutScore(0.0, 0.0, 2))
    running.update(0, LeftOutScore(0.2, 0.4, 3))
    running.update(3, LeftOutScore(0.6, 0.8, 2))
    assert running.mean is not None
    assert running.n_folds == 2
    assert running.mean.n_objects == 5
    assert (running.mean.soft_iou, running.mean.clustered_iou) == pytest.approx((0.4, 0.6))


def test_the_running_score_survives_its_state() -> None:
    running, other = RunningScore(), RunningScore()
    running.update(11, LeftOutScore(0.1, 0.7, 2))
    running.update(2, LeftOutScore(0.2, 0.4, 3))
    state = running.state_dict()
    assert {type(value) for value in state.values()} <= {int, float}
    other.load_state_dict(state)
    assert other.mean == running.mean
    assert other.state_dict() == state
