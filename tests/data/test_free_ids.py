"""Ids for new objects and for strokes."""

from __future__ import annotations

import pytest

from napari_spoco.data.free_ids import free_stroke_id, next_object_id


@pytest.mark.parametrize(
    ("ids", "reserved", "expected"),
    [([], (), 1), ([1, 2, 7], (), 8), ([-2, -1], (), 1), ([3], (4,), 5), ([3], (5, 4), 6), ([3], (100,), 4)],
)
def test_the_next_object(ids, reserved, expected) -> None:
    assert next_object_id(ids, reserved, limit=255) == expected


@pytest.mark.parametrize(("ids", "expected"), [([], 100), ([3], 100), ([99], 100), ([100], 200), ([230], 231)])
def test_strokes_get_round_ids_while_there_are_some(ids, expected) -> None:
    assert free_stroke_id(ids, limit=255) == expected


def test_no_id_is_left() -> None:
    with pytest.raises(ValueError, match="end at 255"):
        next_object_id([254], (255,), limit=255)
    with pytest.raises(ValueError, match="end at 255"):
        free_stroke_id([255], limit=255)
