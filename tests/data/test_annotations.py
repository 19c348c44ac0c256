from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
