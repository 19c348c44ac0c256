"""What napari shows of the jobs: bars in its activity dock, and notifications while our dock is out of sight."""

from __future__ import annotations

import pytest
from napari.utils import progress
from napari.utils.notifications import ErrorNotification, notification_manager

from napari_spoco._qt.notices import Notice


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
        activity._on_timeout()
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
