"""Steps of a review in a folder: written once, read as they were, and none that is broken is taken for whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_spoco.data import writers
from napari_spoco.data.label_change import LabelChange
from napari_spoco.review import step_files
from napari_spoco.review.editing import delete, merge
from napari_spoco.review.history import EditHistory, Step, Steps
from napari_spoco.review.step_files import read_steps, write_steps


@pytest.fixture
def labels() -> np.ndarray:
    array = np.zeros((4, 6, 6), np.uint32)
    array[0, :3], array[1, :3], array[3, 4:] = 1, 70_000, 3
    return array


@pytest.fixture
def history(labels: np.ndarray) -> EditHistory:
    history = EditHistory()
    history.make(labels, delete(labels, [3]), rejected_after=(3,))
    history.make(labels, merge(labels, [1, 70_000]))
    history.make(labels, delete(labels, [1]))
    history.undo(labels)
    return history


def contents(steps: Steps) -> tuple[int, list[tuple[object, ...]]]:
    return steps.n_done, [(one.change.digest, one.is_decision, *decided(one)) for one in steps.every]


def decided(step: Step) -> tuple[tuple[int, ...], ...]:
    return step.rejected_before, step.rejected_after, step.accepted_before, step.accepted_after


def test_steps_come_back(tmp_path: Path, labels: np.ndarray, history: EditHistory) -> None:
    folder = tmp_path / "reviews" / "cells"
    assert read_steps(folder).every == ()
    write_steps(folder, history.steps)
    read = read_steps(folder)
    assert contents(read) == contents(history.steps)
    for one, other in zip(read.every, history.steps.every, strict=True):
        for part in ("pixels", "before", "after"):
            np.testing.assert_array_equal(getattr(one.change, part), getattr(other.change, part))
            assert getattr(one.change, part).dtype == getattr(other.change, part).dtype
        assert one.change.shape == other.change.shape
    again = EditHistory(read)
    again.undo(labels)
    again.undo(labels)
    assert sorted(np.unique(labels)) == [0, 1, 3, 70_000]


def test_decisions_come_back_among_the_corrections(tmp_path: Path, labels: np.ndarray, history: EditHistory) -> None:
    history.decide(labels, (), (70_000, 1))
    history.decide(labels, (1,), ())
    write_steps(tmp_path, history.steps)
    read = read_steps(tmp_path)
    assert contents(read) == contents(history.steps)
    assert [decided(step)[2:] for step in read.done[-2:]] == [((), (1, 70_000)), ((1,), ())]
    assert contents(read.fitting(labels)) == contents(read)
    assert len([*tmp_path.glob("*.npz")]) == 3  # One for all that change no labels.


def test_nothing_is_made_of_nothing(tmp_path: Path) -> None:
    write_steps(tmp_path / "cells", Steps())
    assert not (tmp_path / "cells").exists()


def test_only_what_is_new_is_written_and_what_is_forgotten_goes(
    tmp_path: Path, labels: np.ndarray, history: EditHistory
) -> None:
    write_steps(tmp_path, history.steps)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    write_steps(tmp_path, history.steps)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    history.make(labels, delete(labels, [1]))  # The very change that was undone.
    history.undo(labels)
    history.undo(labels)
    history.make(labels, LabelChange.between(labels, labels * 0, (slice(None),) * 3))
    write_steps(tmp_path, history.steps)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert {path.stem for path in after} == {step.change.digest for step in history.steps.every}
    assert len({*after.items()} & {*before.items()}) == 1
    write_steps(tmp_path, Steps())
    assert [path.name for path in tmp_path.iterdir()] == ["steps.json"]


def test_until_the_list_is_replaced_the_steps_of_before_are_there(
    tmp_path: Path, labels: np.ndarray, history: EditHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_steps(tmp_path, history.steps)
    before = contents(history.steps)
    history.make(labels, LabelChange.between(labels, labels * 0, (slice(None),) * 3))
    replace = writers.os.replace

    def fail(source: Path, target: Path) -> None:
        if target.suffix == ".json":
            raise OSError("the plug was pulled")
        replace(source, target)

    monkeypatch.setattr(writers.os, "replace", fail)
    with pytest.raises(OSError, match="the plug was pulled"):
        write_steps(tmp_path, history.steps)
    assert contents(read_steps(tmp_path)) == before


@pytest.mark.parametrize("harm", ["cut off", "gone", "empty", "another one"])
@pytest.mark.parametrize(("broken", "left"), [(0, [1, 2]), (1, [2]), (2, [0, 1])])
def test_what_lies_beyond_a_broken_step_is_left_out(
    tmp_path: Path, history: EditHistory, harm: str, broken: int, left: list[int]
) -> None:
    write_steps(tmp_path, history.steps)
    paths = [tmp_path / f"{step.change.digest}.npz" for step in history.steps.every]
    if harm == "gone":
        paths[broken].unlink()
    elif harm == "another one":
        paths[broken].write_bytes(paths[broken - 1].read_bytes())
    else:
        paths[broken].write_bytes(paths[broken].read_bytes()[:100] if harm == "cut off" else b"")
    read = read_steps(tmp_path)
    n_done, expected = contents(history.steps)
    assert contents(read) == (sum(place < n_done for place in left), [expected[place] for place in left])
    write_steps(tmp_path, read)
    assert len([*tmp_path.glob("*.npz")]) == len(left)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format_version": 99}', "expected format_version 2, got 99; update napari-spoco"),
        ("nonsense", "expected JSON"),
        ('{"n_done": -1}', "n_done"),
        ('{"steps": [{"change": "../../other"}]}', "steps.0.change"),
    ],
)
def test_a_list_that_cannot_be_read_is_said_and_replaced(
    tmp_path: Path, history: EditHistory, text: str, said: str
) -> None:
    path = tmp_path / "steps.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        read_steps(tmp_path)
    assert str(path) in str(caught.value)
    write_steps(tmp_path, history.steps)
    assert contents(read_steps(tmp_path)) == contents(history.steps)
    path.write_text(text)
    write_steps(tmp_path, Steps())
    assert json.loads(path.read_text()) == {"format_version": step_files.FORMAT_VERSION, "n_done": 0, "steps": []}


def test_an_object_takes_little_place(tmp_path: Path) -> None:
    z, y, x = np.ogrid[-20:21, -20:21, -20:21]
    ball = (z**2 + y**2 + x**2 < 400).astype(np.uint32)
    step = Step(LabelChange.between(ball, ball * 0, (slice(None),) * 3))
    assert len(step.change.pixels) > 30_000
    write_steps(tmp_path, Steps((step,), 1))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < len(step.change.pixels) / 4
