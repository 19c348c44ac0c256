"""What may be trained on, and what annotations of each kind come out as."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_spoco.config import AnnotationConfig, NetworkConfig, Normalization
from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED, AnnotationStore, SparseAnnotations
from napari_spoco.training.inputs import TrainingImage, check_sizes, prepare_images
from napari_spoco.training.scale import TrainingScale

SHAPE = (6, 16, 16)


def painted(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    labels = np.zeros(shape, dtype=int)
    labels[..., 2:6, 2:6] = 3
    labels[..., 10:12, 2:6] = 5
    return labels


def prepare(*annotations: Any, dense: bool = False, **config: Any) -> list[TrainingImage]:
    images = [np.random.default_rng(0).random((2, *SHAPE)) for _ in annotations]
    return prepare_images(images, annotations, Normalization(), config=AnnotationConfig(**config), dense=dense)


def test_arrays_mean_what_the_config_says() -> None:
    (data,) = prepare(painted(), background_label=5, painted_in_planes=True)
    assert data.image.shape == (2, *SHAPE)
    assert data.image.dtype == np.float32
    assert data.annotations.in_planes == {3}
    np.testing.assert_array_equal(data.annotations.labels, np.where(painted() == 5, BACKGROUND, painted()))


def test_images_know_the_voxel_size_of_the_run() -> None:
    given = (2.0, 0.5, 0.5), ("micrometer",) * 3
    image = np.random.default_rng(0).random(SHAPE)
    for scale, expected in (
        (None, None),
        (TrainingScale(given, (given,)), given[0]),
        (TrainingScale(None, (None,)), None),
    ):
        (data,) = prepare_images(
            [image], [painted()], Normalization(), config=AnnotationConfig(), dense=False, scale=scale
        )
        assert data.voxel_size == expected


@pytest.mark.parametrize("kind", [SparseAnnotations.from_labels, AnnotationStore], ids=["snapshot", "store"])
def test_snapshots_know_themselves_what_they_mean(kind: Any) -> None:
    (data,) = prepare(kind(painted()), background_label=5, painted_in_planes=True)
    np.testing.assert_array_equal(data.annotations.labels, painted())
    assert not data.annotations.in_planes


@pytest.mark.parametrize(
    "kind", [np.asarray, SparseAnnotations.from_labels, AnnotationStore], ids=["array", "snapshot", "store"]
)
def test_dense_holds_for_all_kinds(kind: Any) -> None:
    labels = painted()
    labels[0, 0] = IGNORE
    (data,) = prepare(kind(labels), dense=True)
    np.testing.assert_array_equal(data.annotations.labels, np.where(labels == UNLABELED, BACKGROUND, labels))


def test_of_a_store_the_newest_snapshot_is_taken() -> None:
    store = AnnotationStore(painted() * 0)
    newest = store.update(painted())
    assert prepare(store)[0].annotations is newest


def test_one_image_without_objects_is_allowed() -> None:
    assert [data.annotations.n_objects for data in prepare(painted(), painted() * 0)] == [2, 0]


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        pytest.param([painted(), painted()[1:]], r"annotations\[1\]: expected the image's shape", id="shape"),
        pytest.param([painted() * 0.5], r"annotations\[0\]: expected integers, got float64", id="floats"),
        pytest.param([painted() * 0], "annotations: expected at least one annotated object", id="nothing"),
        pytest.param([np.arange(6 * 16 * 16).reshape(SHAPE)], r"annotations\[0\]: .* 4 pixels", id="small"),
        pytest.param([], "images, annotations: expected one annotation per image", id="no image"),
    ],
)
def test_bad_annotations_are_named(annotations: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        prepare(*annotations)


def test_all_images_are_of_one_kind() -> None:
    images = [np.random.default_rng(0).random(shape) for shape in (SHAPE, (2, *SHAPE))]
    with pytest.raises(ValueError, match=r"^images: expected one dimensionality and channel count"):
        prepare_images(images, [painted()] * 2, Normalization(), config=AnnotationConfig(), dense=False)


@pytest.mark.parametrize(
    ("patch", "network", "message"),
    [
        pytest.param((4, 8, 8), {"in_channels": 1}, "images: .* 1 channels", id="channels"),
        pytest.param((8, 8), {}, "patch_shape: expected 3 axes", id="axes"),
        pytest.param((2, 8, 8), {}, "patch_shape: .* at least 4 pixels", id="patch"),
        pytest.param((8, 8, 8), {"feature_maps": (4,) * 4}, r"images\[0\]: .* at least 8 pixels", id="image"),
    ],
)
def test_sizes_must_fit_the_network(patch: tuple[int, ...], network: dict[str, Any], message: str) -> None:
    config = NetworkConfig(**({"ndim": 3, "in_channels": 2, "feature_maps": (4, 8, 8)} | network))
    check_sizes(prepare(painted()), (4, 8, 8), NetworkConfig(ndim=3, in_channels=2, feature_maps=(4, 8, 8)))
    with pytest.raises(ValueError, match=f"^{message}"):
        check_sizes(prepare(painted()), patch, config)
