"""Compiled loops are got ready behind the open window; the user hears of it where it takes long."""

from __future__ import annotations

import threading

import pytest

from napari_spoco._qt.jobs import preparation
from napari_spoco._qt.jobs.preparation import Preparation
from napari_spoco.training.default_device import DefaultDevice


@pytest.fixture
def quick(monkeypatch) -> None:
    monkeypatch.setattr(preparation, "_BEGIN_MILLISECONDS", 1)
    monkeypatch.setattr(preparation, "_PATIENCE_MILLISECONDS", 5)


@pytest.mark.parametrize(
    ("state", "said"),
    [("ready", None), ("failed", "could not be made faster"), ("skipped", None)],
)
def test_what_takes_long_is_told_from_begin_to_end(qtbot, quick, state, said) -> None:
    told, go_on = [], threading.Event()

    def warm_up(on_end) -> None:
        threading.Thread(target=lambda: go_on.wait(20) and on_end(state)).start()

    made = Preparation(warm_up)
    made.noticed.connect(lambda notice: told.append(notice.text))
    qtbot.waitUntil(lambda: len(told) == 1)
    assert told[0].startswith("Making the segmentation faster")
    with qtbot.waitSignal(made._ended):
        go_on.set()
    assert told[1:] == [] if said is None else said in told[1]


def test_what_is_quick_is_not_worth_a_word(qtbot, quick, monkeypatch) -> None:
    monkeypatch.setattr(preparation, "_PATIENCE_MILLISECONDS", 10_000)
    told = []
    made = Preparation(lambda on_end: on_end("ready"))
    made.noticed.connect(told.append)
    with qtbot.waitSignal(made._ended):
        pass
    assert told == []
    assert not made._patience.isActive()


def test_a_window_that_closes_early_prepares_nothing(qtbot, monkeypatch) -> None:
    calls = []
    made = Preparation(lambda _on_end: calls.append(1))
    made.end()
    qtbot.wait(1100)
    assert calls == []


def test_the_device_is_found_in_a_thread_once_the_loops_are_ready(qtbot, quick) -> None:
    steps, found = [], DefaultDevice("cpu")

    def find_device() -> DefaultDevice:
        steps.append(threading.current_thread())
        return found

    made = Preparation(lambda on_end: steps.append("ready") or on_end("ready"), find_device=find_device)
    with qtbot.waitSignal(made.device_found) as signal:
        pass
    assert signal.args == [found]
    assert steps[0] == "ready"
    assert steps[1] is not threading.main_thread()


def test_a_window_that_has_closed_asks_for_no_device(qtbot, quick) -> None:
    asked = []
    made = Preparation(lambda _on_end: None, find_device=lambda: asked.append(1))
    made.end()
    made._ended.emit("ready")
    qtbot.wait(50)
    assert asked == []


@pytest.mark.slow
def test_the_loops_of_this_process_are_got_ready(qtbot) -> None:
    states = []
    preparation.warm_up(states.append)
    qtbot.waitUntil(lambda: bool(states), timeout=240_000)
    from napari_spoco.segmentation.mutex_engine import is_kernel_ready

    assert (states == ["ready"]) == is_kernel_ready()
