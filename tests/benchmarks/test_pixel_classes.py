"""What a classifier of pixels learns from masks and strokes, and the time it is given."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.annotation_budget import budget
from benchmarks.annotation_budget.pixel_classes import BORDER, INSIDE, OUTSIDE, UNKNOWN, classify_pixels, readouts

from napari_spoco.data.annotations import BACKGROUND, SparseAnnotations


@pytest.fixture
def labels() -> np.ndarray:
    """Return two touching objects and a stroke."""
    labels = np.zeros((16, 24), dtype=np.int32)
    labels[4:12, 4:10], labels[4:12, 10:16] = 1, 2
    labels[0, :] = BACKGROUND
    return labels


def test_objects_have_an_inside_and_a_border(labels) -> None:
    classes = classify_pixels(labels, is_tissue=False)
    assert (classes[5:11, 5:9] == INSIDE).all()
    assert (classes[4:12, 9:11] == BORDER).all()
    assert (classes[4, 4:16] == BORDER).all()
    assert np.isin(classes[labels > 0], (INSIDE, BORDER)).all()


@pytest.mark.parametrize(("is_tissue", "around"), [(False, OUTSIDE), (True, BORDER)])
def test_what_surrounds_an_object(labels, is_tissue: bool, around: int) -> None:
    classes = classify_pixels(labels, is_tissue=is_tissue)
    assert (classes[12:14, 4:16] == around).all()
    assert (classes[14:, :] == UNKNOWN).all()
    assert (classes[0] == OUTSIDE).all()


def test_volumes(labels) -> None:
    volume = np.zeros((5, *labels.shape), dtype=np.int32)
    volume[1:4] = labels
    classes = classify_pixels(volume, is_tissue=False)
    assert (classes[2, 5:11, 5:9] == INSIDE).all()
    assert (classes[1, 5:11, 5:9] == BORDER).all()
    assert (classes[0, 5:11, 5:9] == OUTSIDE).all()


def test_certain_classes_give_the_objects_back(labels) -> None:
    labels[:, 10] = np.where(labels[:, 10] == 2, 0, labels[:, 10])
    classes = np.where(labels > 0, classify_pixels(labels, is_tissue=False), OUTSIDE)
    probabilities = np.stack([classes == k for k in (OUTSIDE, INSIDE, BORDER)]).astype(np.float32)
    (readout,) = readouts([SparseAnnotations(labels)], is_tissue=False).values()
    found = [setting.segment(None, probabilities) for setting in readout.settings if setting.name == "threshold 0.5"]
    assert len(found) == 1
    np.testing.assert_array_equal(found[0] > 0, labels > 0)
    assert len(np.unique(found[0])) == 3


def test_minutes_become_steps(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(budget.time, "process_time", lambda: now[0])

    def rehearse(n_steps, tick) -> None:
        for step in range(n_steps):
            now[0] += 9.0 if step < 2 else 0.25  # the first steps are slow
            tick()

    assert budget.steps_for(0.5, rehearse) == 120
    assert budget.steps_for(1e-6, rehearse) == 1
