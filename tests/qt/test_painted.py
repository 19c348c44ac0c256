"""The difference between painted labels and what a training has of them, against the obvious way."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco._qt.train import painted
from napari_spoco._qt.train.painted import PaintedCopy

SHAPES = [pytest.param((20, 30), id="2D"), pytest.param((7, 20, 30), id="3D")]


def apply(update, labels: np.ndarray) -> None:
    box = tuple(slice(first, first + n) for first, n in zip(update.start, update.labels.shape, strict=True))
    labels[box] = update.labels


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slab", [1, 10**9], ids=["thin slabs", "one slab"])
def test_updates_bring_the_other_side_up_to_date(shape, slab, rng, monkeypatch) -> None:
    monkeypatch.setattr(painted, "_SLAB_PIXELS", slab)
    layer = np.zeros(shape, np.int32)
    copy, there = PaintedCopy(layer.copy(), image_index=3), layer.copy()
    for label in range(1, 20):
        pixel = tuple(rng.integers(0, shape))
        layer[pixel] = label
        layer[tuple(slice(max(0, i - 2), i) for i in pixel)] = label
        before = there.copy()
        update = copy.take_changes(layer)
        apply(update, there)
        np.testing.assert_array_equal(there, layer)
        changed = np.argwhere(layer != before)
        assert update.start == tuple(changed.min(axis=0))
        assert update.labels.shape == tuple(np.ptp(changed, axis=0) + 1)
        assert update.image_index == 3


@pytest.mark.parametrize("shape", SHAPES)
def test_no_change_is_no_update(shape) -> None:
    layer = np.ones(shape, np.int32)
    copy = PaintedCopy(layer.copy())
    assert copy.take_changes(layer) is None
    layer[...] = 2
    assert copy.take_changes(layer) is not None
    assert copy.take_changes(layer) is None


def test_what_was_sent_is_out_of_reach_of_the_brush() -> None:
    layer = np.zeros((20, 30), np.int32)
    copy = PaintedCopy(layer.copy())
    layer[3, 4] = 1
    update = copy.take_changes(layer)
    layer[3, 4] = 7
    assert update.labels.tolist() == [[1]]


def test_erased_is_a_change() -> None:
    layer = np.ones((20, 30), np.int32)
    copy = PaintedCopy(layer.copy())
    layer[5:7, 8] = 0
    update = copy.take_changes(layer)
    assert (update.start, update.labels.tolist()) == ((5, 8), [[0], [0]])


def test_another_image_is_left_alone() -> None:
    assert PaintedCopy(np.zeros((20, 30), np.int32)).take_changes(np.ones((20, 31), np.int32)) is None


def test_ids_that_mean_nothing_are_refused_once() -> None:
    layer = np.zeros((20, 30), np.int32)
    copy = PaintedCopy(layer.copy())
    layer[3, 4] = -7
    with pytest.raises(ValueError, match="-7"):
        copy.take_changes(layer)
    assert copy.take_changes(layer) is None
    layer[3, 4] = 7
    assert copy.take_changes(layer).labels.tolist() == [[7]]


def test_lazy_pixels_are_read_slab_by_slab(monkeypatch) -> None:
    monkeypatch.setattr(painted, "_SLAB_PIXELS", 600)
    stack = np.zeros((7, 20, 30), np.uint16)

    class Lazy:
        shape = stack.shape
        most = 0

        def __getitem__(self, item):
            Lazy.most = max(Lazy.most, len(stack[item]))
            return stack[item]

    copy = PaintedCopy(stack.copy())
    stack[3, 4, 5] = 2
    assert copy.take_changes(Lazy()).start == (3, 4, 5)
    assert Lazy.most == 1
