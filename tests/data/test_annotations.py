from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.annotations import (
    BACKGROUND,
    IGNORE,
    MIN_OBJECT_PIXELS,
    UNLABELED,
    AnnotationStore,
    SparseAnnotations,
    check_annotations,
    keep_fraction,
)


def painted(*, shape: tuple[int, ...] = (8, 10), dtype: str = "int32") -> np.ndarray:
    labels = np.zeros(shape, dtype)
    labels[..., :2, :3] = 4
    labels[..., 4:6, :4] = 9
    return labels


def test_a_snapshot_counts_its_objects() -> None:
    labels = painted()
    labels[7] = BACKGROUND
    labels[6] = IGNORE
    annotations = SparseAnnotations.from_labels(labels)
    assert annotations.instance_ids == (4, 9)
    assert annotations.n_objects == 2
    assert annotations.sizes == {4: 6, 9: 8}
    assert annotations.median_size == 7


def test_a_snapshot_without_objects() -> None:
    annotations = SparseAnnotations.from_labels(np.zeros((3, 3), np.uint8))
    assert (annotations.instance_ids, annotations.sizes, annotations.median_size) == ((), {}, None)


def test_a_snapshot_cannot_be_changed_from_either_side() -> None:
    labels = painted()
    annotations = SparseAnnotations(labels)
    labels[:] = 1
    assert annotations.n_objects == 2
    with pytest.raises(ValueError, match="read-only"):
        annotations.labels[0, 0] = 5


def test_dense_labels_state_the_background() -> None:
    labels = painted(dtype="uint16")
    annotations = SparseAnnotations.from_labels(labels, dense=True)
    np.testing.assert_array_equal(annotations.labels == BACKGROUND, labels == 0)
    assert not (annotations.labels == UNLABELED).any()


@pytest.mark.parametrize("shape", [(8, 10), (5, 8, 10)], ids=["2d", "3d"])
def test_everything_in_a_box_is_annotated(shape: tuple[int, ...]) -> None:
    labels = painted(shape=shape)
    labels[..., 7, 7] = IGNORE
    boxes = [(slice(1, 5),) * len(shape), (slice(None),) * (len(shape) - 1) + (slice(6, 9),)]
    inside = np.zeros(shape, bool)
    for box in boxes:
        inside[box] = True
    expected = np.where(inside & (labels == UNLABELED), BACKGROUND, labels)
    np.testing.assert_array_equal(SparseAnnotations.from_labels(labels, boxes=boxes).labels, expected)


def test_background_and_ignored_regions_may_be_painted() -> None:
    config = AnnotationConfig(background_label=9, ignore_label=70000)
    labels = painted()
    labels[7] = 70000
    annotations = SparseAnnotations.from_labels(labels, config=config, boxes=[(slice(6, 8), slice(0, 10))])
    assert annotations.sizes == {4: 6}
    expected = np.select([labels == 9, labels == 70000], [BACKGROUND, IGNORE], labels)
    expected[6] = BACKGROUND
    np.testing.assert_array_equal(annotations.labels, expected)


def test_objects_painted_in_planes_are_unknown_elsewhere() -> None:
    labels = np.zeros((6, 8, 10), int)
    labels[1, :, 8:] = 3  # touches the end of its plane
    labels[2, 0, :2] = labels[5, 7, :] = 3
    labels[4, 2:5, 2:5] = 8
    annotations = SparseAnnotations.from_labels(labels, config=AnnotationConfig(painted_in_planes=True))
    assert annotations.in_planes == {3, 8}
    assert annotations.painted_planes == {3: (1, 2, 5), 8: (4,)}
    assert SparseAnnotations.from_labels(labels).painted_planes == {}
    left = annotations.without([3])
    assert (left.in_planes, left.painted_planes) == ({8}, {8: (4,)})


def test_objects_are_left_out() -> None:
    labels = painted()
    labels[7] = BACKGROUND
    annotations = SparseAnnotations.from_labels(labels, version=6)
    left = annotations.without({9, 1000})
    assert (left.instance_ids, left.version) == ((4,), 6)
    np.testing.assert_array_equal(left.labels, np.where(labels == 9, UNLABELED, labels))
    np.testing.assert_array_equal(annotations.labels, labels)


def test_a_snapshot_becomes_dense() -> None:
    labels = painted(shape=(2, 8, 10))
    sparse = SparseAnnotations.from_labels(labels, config=AnnotationConfig(painted_in_planes=True), version=2)
    dense = sparse.as_dense()
    np.testing.assert_array_equal(dense.labels, SparseAnnotations.from_labels(labels, dense=True).labels)
    assert (dense.version, dense.in_planes) == (2, {4, 9})
    assert dense.as_dense() is dense


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"boxes": [(slice(0, 4),)]}, r"boxes\[0\]: .* the 2 axes, got 1", id="axes of a box"),
        pytest.param({"boxes": [(slice(0, 4), slice(5, 11))]}, r"boxes\[0\]: .* shape \(8, 10\)", id="box outside"),
        pytest.param({"boxes": [(slice(-2, 4), slice(5, 6))]}, r"boxes\[0\]: expected slices inside", id="negative"),
        pytest.param({"boxes": [(slice(4, 4), slice(5, 6))]}, r"boxes\[0\]: expected slices inside", id="empty box"),
        pytest.param({"boxes": [(slice(0, 8, 2), slice(5, 6))]}, r"boxes\[0\]: expected slices inside", id="step"),
        pytest.param(
            {"config": AnnotationConfig(background_label=3, ignore_label=3)}, "config: .* to differ, got 3", id="labels"
        ),
        pytest.param(
            {"config": AnnotationConfig(painted_in_planes=True)}, "config.*expected 3D .* got 2D", id="planes"
        ),
    ],
)
def test_contradictory_statements_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        SparseAnnotations.from_labels(painted(), **arguments)


def test_planes_need_a_volume() -> None:
    with pytest.raises(ValueError, match=r"^in_planes: .* 2D labels"):
        SparseAnnotations(painted(), in_planes=frozenset({4}))


@pytest.mark.parametrize("shape", [(8, 10), (3, 8, 10)], ids=["2D", "3D"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "uint64"])
def test_good_annotations_pass(shape: tuple[int, ...], dtype: str) -> None:
    annotations = check_annotations(painted(shape=shape, dtype=dtype), shape)
    assert annotations.labels.dtype == np.int32
    assert check_annotations(annotations, shape) is annotations


def single(value: int, n_pixels: int = MIN_OBJECT_PIXELS, dtype: str = "int64") -> np.ndarray:
    labels = np.zeros((8, 10), dtype)
    labels.flat[:n_pixels] = value
    return labels


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param(single(0), "at least one annotated object .* got none", id="nothing painted"),
        pytest.param(single(BACKGROUND), "at least one annotated object", id="background only"),
        pytest.param(painted(shape=(10, 8)), r"image's shape \(8, 10\), got \(10, 8\)", id="turned"),
        pytest.param(painted(shape=(1, 8, 10)), r"image's shape \(8, 10\), got \(1, 8, 10\)", id="another axis"),
        pytest.param(np.zeros((0, 0), int), r"image's shape \(8, 10\), got \(0, 0\)", id="empty"),
        pytest.param(single(1, 1), "at least 4 pixels, got fewer for id 1; paint", id="one pixel"),
        pytest.param(single(1) * 1.0, "expected integers, got float64", id="floats"),
        pytest.param(single(1) > 0, "expected integers, got bool", id="boolean"),
        pytest.param(single(-3), "expected no negative ids but -1 .* got -3", id="negative"),
        pytest.param(single(2**31), "expected ids up to 2147483647, got 2147483648", id="huge"),
        pytest.param(single(2**63, dtype="uint64"), "got 9223372036854775808", id="would wrap to a negative id"),
    ],
)
def test_bad_annotations_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=f"^paint: .*{message}"):
        check_annotations(labels, (8, 10), name="paint")


@pytest.mark.parametrize("value", [UNLABELED, BACKGROUND])
def test_annotations_may_be_empty_where_that_is_said(value: int) -> None:
    assert check_annotations(single(value), (8, 10), may_be_empty=True).n_objects == 0
    with pytest.raises(ValueError, match="at least 4 pixels"):
        check_annotations(single(1, 1), (8, 10), may_be_empty=True)


def test_the_greatest_id_passes() -> None:
    assert check_annotations(single(2**31 - 1), (8, 10)).instance_ids == (2**31 - 1,)


def test_an_error_names_the_small_objects_but_not_hundreds() -> None:
    with pytest.raises(ValueError, match="ids 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 70 more;"):
        check_annotations(np.arange(1, 81).reshape(8, 10), (8, 10))


@settings(max_examples=50, deadline=None)
@given(
    n_objects=st.lists(st.integers(0, 20), min_size=1, max_size=4).filter(any),
    fraction=st.floats(0.01, 1),
    seed=st.integers(0, 99),
)
def test_a_fraction_of_all_objects_is_kept_whole(n_objects: list[int], fraction: float, seed: int) -> None:
    full = [np.arange(n + 1, dtype=np.uint16).repeat(5).reshape(-1, 5) for n in n_objects]
    sparse = keep_fraction(full, fraction, np.random.default_rng(seed))
    n_kept = sum(SparseAnnotations.from_labels(labels).n_objects for labels in sparse)
    assert n_kept == max(1, round(fraction * sum(n_objects)))
    for before, after in zip(full, sparse, strict=True):
        assert after.dtype == before.dtype
        np.testing.assert_array_equal(after, np.where(np.isin(before, after), before, UNLABELED))


def test_the_kept_fraction_depends_on_the_seed_only() -> None:
    full = [np.arange(101).repeat(5)]
    draws = [keep_fraction(full, 0.2, np.random.default_rng(seed))[0] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_background_survives_keeping_a_fraction() -> None:
    labels = single(3)
    labels[7] = BACKGROUND
    np.testing.assert_array_equal(keep_fraction([labels], 1.0, np.random.default_rng(0))[0], labels)


@pytest.mark.parametrize(
    ("labels", "fraction", "message"),
    [
        pytest.param([single(1)], 0.0, "fraction: .* got 0.0", id="zero"),
        pytest.param([single(1)], 1.5, "fraction: .* got 1.5", id="above one"),
        pytest.param([single(1)], float("nan"), "fraction: .* got nan", id="NaN"),
        pytest.param([single(0)], 0.5, "label_images: expected at least one object", id="no object"),
        pytest.param([], 0.5, "label_images: expected at least one object", id="no image"),
    ],
)
def test_a_bad_fraction_is_refused(labels: list[np.ndarray], fraction: float, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        keep_fraction(labels, fraction, np.random.default_rng(0))


def test_the_store_hands_out_versions() -> None:
    store = AnnotationStore(np.zeros((8, 10), int))
    first = store.snapshot()
    labels = painted()
    second = store.update(labels)
    labels[:] = 0
    assert (first.version, second.version) == (0, 1)
    assert (first.n_objects, second.n_objects) == (0, 2)
    assert store.snapshot() is second


def test_a_box_replaces_what_was_painted_there() -> None:
    store = AnnotationStore(painted())
    first = store.snapshot()
    store.update_box((3, 2), np.array([[7, 7], [0, 7], [7, 7]]))
    assert store.snapshot() is store.snapshot()
    assert store.snapshot().version == 1
    expected = painted()
    expected[3:6, 2:4] = [[7, 7], [0, 7], [7, 7]]
    np.testing.assert_array_equal(store.snapshot().labels, expected)
    np.testing.assert_array_equal(first.labels, painted())


def test_the_store_keeps_what_is_painted_and_what_that_states() -> None:
    labels = painted()
    labels[0] = 5
    store = AnnotationStore(labels, ((slice(0, 2), slice(0, 2)),), AnnotationConfig(background_label=5))
    assert (store.snapshot().labels[0] == BACKGROUND).all()
    store.update_box((0, 0), np.zeros((1, 10), int))
    np.testing.assert_array_equal(store.snapshot().labels[0], [BACKGROUND] * 2 + [UNLABELED] * 8)
    assert (AnnotationStore(labels, dense=True).update(labels * 0).labels == BACKGROUND).all()


@pytest.mark.parametrize(
    ("start", "labels", "message"),
    [
        pytest.param((0, 0), np.ones((2, 11), int), r"start, labels: .* shape \(8, 10\)", id="too wide"),
        pytest.param((-1, 0), np.ones((2, 2), int), "start, labels: expected slices inside", id="before the image"),
        pytest.param((0, 0), np.ones((0, 2), int), "start, labels: expected slices inside", id="empty"),
        pytest.param((0,), np.ones((2, 2), int), "start: expected one index for each of the 2 axes", id="start"),
        pytest.param((0, 0, 0), np.ones((1, 2, 2), int), "start, labels: .* the 2 axes, got 3", id="axes"),
        pytest.param((0, 0), np.full((2, 2), -5), "labels: expected no negative ids", id="values"),
    ],
)
def test_a_refused_box_changes_nothing(start: tuple[int, ...], labels: np.ndarray, message: str) -> None:
    store = AnnotationStore(painted())
    before = store.snapshot()
    with pytest.raises(ValueError, match=f"^{message}"):
        store.update_box(start, labels)
    assert store.snapshot() is before


@pytest.mark.parametrize("labels", [np.zeros((3, 3), int), np.full((8, 10), 0.5)], ids=["shape", "floats"])
def test_a_refused_update_changes_nothing(labels: np.ndarray) -> None:
    store = AnnotationStore(painted())
    before = store.snapshot()
    with pytest.raises(ValueError, match=r"^labels: expected"):
        store.update(labels)
    assert store.snapshot() is before


def test_updates_from_many_threads_are_all_counted() -> None:
    store = AnnotationStore(painted())
    threads = [threading.Thread(target=lambda: [store.update(painted()) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.snapshot().version == 200


def test_boxes_from_many_threads_all_arrive() -> None:
    store = AnnotationStore(np.zeros((8, 10), int))

    def paint(row: int) -> None:
        for column in range(10):
            store.update_box((row, column), np.full((1, 1), row + 1))
            store.snapshot()

    threads = [threading.Thread(target=paint, args=(row,)) for row in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.snapshot().version == 80
    assert store.snapshot().sizes == dict.fromkeys(range(1, 9), 10)
