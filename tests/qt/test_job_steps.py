"""What jobs say of their way, the bar that shows it, and the pace of a training."""

from __future__ import annotations

import pytest

from napari_spoco._qt import notices
from napari_spoco._qt.forms.spin_boxes import FloatEditor
from napari_spoco._qt.jobs.job_bar import JobBar
from napari_spoco._qt.jobs.job_steps import FINDING, FindingSteps, JobStep
from napari_spoco._qt.train.step_pace import StepPace
from napari_spoco.training.reports import LossTerms, StepReport, TrainingFinished


def test_the_steps_of_finding_objects_come_in_order_and_once() -> None:
    said = []
    steps = FindingSteps(said.append)
    for stage in ("strokes", "embeddings", "background", "embeddings", "segments", "growth", "objects", "background"):
        steps.note_stage(stage)
    steps.note(4)
    steps.note(5)
    assert [step.number for step in said] == [1, 2, 3, 4, 5]
    assert said[0] == JobStep(f"Finding the objects: {FINDING[0]}", 1, 5)


def test_the_bar_counts_seconds_where_nobody_knows_how_many(qtbot) -> None:
    moment = [100.0]
    bar = JobBar(now=lambda: moment[0])
    qtbot.addWidget(bar)
    bar.show_wait("step 2 of 5", 1, 5)
    assert (bar.format(), bar.value(), bar.maximum()) == ("step 2 of 5", 1, 5)
    moment[0] = 112.4
    bar._timer.timeout.emit()
    assert bar.format() == "step 2 of 5, 12 s"
    bar.show_wait("")
    assert bar.maximum() > 0  # else it is animated
    bar.show_share(3, 9, "tile 3 of 9, 40 s left")
    assert not bar._timer.isActive()
    bar.end()
    assert bar.isHidden()


def report(step: int, elapsed: float, remaining: float = 100.0) -> StepReport:
    return StepReport(step, 1500, LossTerms(1.0, 0.0, 0.0, 0.0, 0.0, 0.0), 1e-3, elapsed, remaining)


def test_the_pace_leaves_the_first_step_out() -> None:
    pace = StepPace()
    assert (pace.seconds, pace.minutes(100), pace.n_steps_left()) == (None, None, None)
    known = [pace.add(report(step, 30 + 5 * step, 102.0)) for step in range(1, 8)]
    assert known == [False, False, False, True, False, False, False]
    assert pace.seconds == 5.0
    assert pace.minutes(100) == 9
    assert pace.n_steps_left() == 20


def test_a_short_run_names_the_minutes_of_enough_steps() -> None:
    ended = TrainingFinished("run/last.safetensors", 22, True, 0)
    text = notices.finished(ended, None, "ovules-small", 9).text
    assert "ovules-small stays in use. Give it 9 more minutes: 100 steps." in text
    text = notices.too_short(36, 3.0, 9).text
    assert text.startswith("About 36 steps by the end of the 3 min: too few to tell whether")
    assert "100 steps take about 9 min" in text
    text = notices.too_short(96, 0.5, 2, is_new=True).text
    assert "too few for a new model. 250 steps take about 2 min; Resume goes on after the end." in text


@pytest.mark.parametrize(
    ("start", "n_steps", "expected"),
    [
        (4.0, 1, 5.0),
        (4.0, -1, 3.0),
        (4.3, 1, 5.0),
        (1.0, 1, 1.5),
        (1.5, 1, 2.0),
        (2.0, -1, 1.5),
        (2.0, 1, 3.0),
        (3.0, 3, 6.0),
    ],
)
def test_minutes_are_stepped_one_by_one(qtbot, start, n_steps, expected) -> None:
    editor = FloatEditor(0.0, None, "min", "no limit")
    qtbot.addWidget(editor)
    editor.set_value(start)
    editor.stepBy(n_steps)
    assert editor.value() == expected


def test_other_numbers_are_stepped_by_their_size(qtbot) -> None:
    editor = FloatEditor(0.0, None, "", None)
    qtbot.addWidget(editor)
    editor.set_value(0.02)
    editor.stepBy(1)
    assert editor.value() == pytest.approx(0.021)
