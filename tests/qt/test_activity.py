"""What napari shows of the jobs: bars in its activity dock, and notifications while our dock is out of sight."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari.utils import progress
from napari.utils.notifications import ErrorNotification, notification_manager

from napari_spoco._qt.notices import Notice
from napari_spoco.config import BatchConfig, SegmentationConfig


@pytest.fixture
def bars(until) -> object:
    """Return a function that waits for the bars to have these titles and shares."""
    return lambda *expected: until(
        lambda: (
            sorted((bar.desc.removesuffix(": "), bar.n / bar.total) for bar in progress._all_instances) == [*expected]
        )
    )


@pytest.fixture
def told(monkeypatch) -> list[object]:
    notifications: list[object] = []
    monkeypatch.setattr(notification_manager, "dispatch", notifications.append)
    return notifications


def test_a_training_has_a_bar_until_it_ends(training, processes, bars, capsys) -> None:
    bars(("SPOCO: training", 0.0))
    processes.last.step(25)
    bars(("SPOCO: training", 0.25))
    processes.last.step(75)
    bars(("SPOCO: training", 0.75))
    training.train.stop_button.click()
    bars(("SPOCO: stopping", 0.75))
    processes.last.finish(stopped=True)
    bars()
    assert "SPOCO" not in "".join(capsys.readouterr())


def test_the_bar_goes_with_the_dock(training, bars) -> None:
    bars(("SPOCO: training", 0.0))
    training.release()
    bars()


def test_slots_that_the_bar_lets_in_make_no_second_bar(training, processes, bars) -> None:
    activity = training.activity
    for number in range(1, 60):
        processes.last.step(number)
        activity._bar.update()
    bars(("SPOCO: training", 0.59))


def test_the_end_of_a_training_is_told_where_nobody_sees_the_dock(training, processes, told, until) -> None:
    training.parent().hide()
    processes.last.finish()
    until(lambda: told)
    assert [str(one.message) for one in told] == [training.footer.text]
    assert "Done after 400 steps." in training.footer.text


def test_what_the_dock_shows_is_not_told_twice(ready, told, qtbot) -> None:
    with qtbot.waitExposed(ready.window()):
        ready.window().show()
    ready.activity.tell(Notice("Done.", "good"))
    assert told == []
    ready.parent().hide()
    ready.activity.tell(Notice("Working …"))
    assert told == []
    ready.activity.tell(Notice("Done.", "good"))
    assert [one.message for one in told] == ["Done."]


def test_an_error_comes_with_its_traceback(ready, told) -> None:
    ready.activity.tell(Notice("No memory.", "bad", "Traceback: line 7 of loss.py"))
    (error,) = told
    assert isinstance(error, ErrorNotification)
    assert error.message == "No memory."
    assert "line 7 of loss.py" in error.as_text()


def test_what_runs_beside_a_training_has_bars_of_its_own(training, processes, bars) -> None:
    processes.last.step(25)
    training.batching.progressed.emit(1, 4)
    training.comparing.progressed.emit(0, 1)
    bars(("SPOCO: batch", 0.25), ("SPOCO: comparing", 0.0), ("SPOCO: training", 0.25))
    training.batching.progressed.emit(3, 4)
    training.comparing.progressed.emit(0, 0)
    bars(("SPOCO: batch", 0.75), ("SPOCO: training", 0.25))
    training.release()
    bars()


def shares_of(signal) -> list[tuple[int, int]]:
    shares: list[tuple[int, int]] = []
    signal.connect(lambda n_done, n_all: shares.append((n_done, n_all)))
    return shares


def test_a_batch_says_how_many_of_its_images_are_done(ready, tmp_path, until) -> None:
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((32, 32), np.uint8))
    shares, inputs = shares_of(ready.batching.progressed), str(tmp_path / "*.tif")
    settings = SegmentationConfig(foreground="intensity", method="components")
    batch = BatchConfig(model="nuclei-small", inputs=(inputs,), out=str(tmp_path / "out"), segmentation=settings)
    ready.batch.show_config(batch)
    ready.batch.run_button.click()
    until(lambda: not ready.batching.is_running)
    assert shares == [(0, 2), (1, 2), (2, 2), (0, 0)]


@pytest.fixture
def add_objects(viewer):
    """Return a function that adds a layer of two objects."""
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15], labels[20:30, 20:30] = 1, 2
    return lambda name: viewer.add_labels(labels.copy(), name=name)


def test_a_review_says_how_many_objects_are_measured(spoco, add_objects, until) -> None:
    measured = shares_of(spoco.reviewing.progressed)
    spoco.review.labels.choose(add_objects("objects"))
    spoco.review.start_button.click()
    until(lambda: spoco.reviewing.queue is not None)
    assert (2, 2) in measured
    assert measured[-1] == (0, 0)


def test_a_comparison_says_that_it_runs(spoco, add_objects, until) -> None:
    compared, form = shares_of(spoco.comparing.progressed), spoco.segment.comparison
    form.objects.choose(add_objects("objects"))
    form.truth.choose(add_objects("truth"))
    form.compare_requested.emit()
    until(lambda: spoco.comparing.comparison is not None)
    assert (0, 1) in compared
    assert compared[-1] == (0, 0)
