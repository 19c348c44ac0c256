"""Objects of other labels among the annotations: which, where, and under which ids."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.label_import import choose_ids, import_objects

PRESENT = np.array([1, 2, 3, 7, 9, 40])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", [1, 2, 3, 7, 9, 40]),
        ("  ", [1, 2, 3, 7, 9, 40]),
        ("9", [9]),
        ("1-5, 9", [1, 2, 3, 9]),
        ("2 \u2013 8,40", [2, 3, 7, 40]),
        ("1-99999999999", [1, 2, 3, 7, 9, 40]),
    ],
)
def test_ids_as_a_person_writes_them(text, expected) -> None:
    assert choose_ids(text, PRESENT).tolist() == expected


@pytest.mark.parametrize("text", ["one", "1;2", "1-", "-3", "1,,2", "1.5", "5", "10-20"])
def test_what_names_no_ids_is_refused(text) -> None:
    with pytest.raises(ValueError, match=f"ids: expected .*{text}"):
        choose_ids(text, PRESENT)


def row(*values: int, dtype=np.int32) -> np.ndarray:
    return np.array([values], dtype)


def imported(labels: np.ndarray, other: np.ndarray, *arguments, **options) -> list[int]:
    result = import_objects(labels, other, *arguments, **options)
    result.change.apply(labels)
    return labels[0].tolist()


def test_objects_keep_their_ids_where_they_can() -> None:
    assert imported(row(0, 0, 0, 3), row(1, 2, 2, 0)) == [1, 2, 2, 3]


def test_painted_pixels_stay() -> None:
    assert imported(row(5, 5, 0, 0), row(1, 1, 1, 2)) == [5, 5, 1, 2]


def test_ids_that_clash_get_new_ones() -> None:
    labels = row(0, 0, 0, 3)
    result = import_objects(labels, row(3, 8, 100, 0), reserved=(100,))
    assert result.renamed == {3: 101, 100: 102}
    result.change.apply(labels)
    assert labels[0].tolist() == [101, 8, 102, 3]


def test_only_chosen_objects_come() -> None:
    assert imported(row(0, 0, 0, 0), row(1, 2, 3, 4), "2-3") == [0, 2, 3, 0]


def test_objects_without_a_free_pixel_are_told() -> None:
    result = import_objects(row(5, 5, 0), row(1, 1, 2))
    assert (result.n_objects, result.n_left_out, result.renamed) == (1, 1, {})


def test_negative_values_are_no_objects() -> None:
    assert imported(row(0, 0, 0), row(-1, 4, -2)) == [0, 4, 0]


def test_ids_that_do_not_fit_are_renamed() -> None:
    assert imported(row(0, 0, 7, dtype=np.uint8), row(300, 4, 0, dtype=np.uint32)) == [8, 4, 7]


@pytest.mark.parametrize(
    ("labels", "other", "message"),
    [
        pytest.param(row(0, 0), row(1), "labels: expected the annotations' shape", id="shape"),
        pytest.param(row(0), np.ones((1, 1)), "labels: expected integers, got float64", id="type"),
        pytest.param(row(0), row(0), "labels: expected objects", id="empty"),
        pytest.param(row(255, 0, dtype=np.uint8), row(0, 255), "type uint8 ends at 255", id="no id left"),
    ],
)
def test_what_cannot_be_imported(labels, other, message) -> None:
    with pytest.raises(ValueError, match=message):
        import_objects(labels, other)
