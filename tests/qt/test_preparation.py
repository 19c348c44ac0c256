"""Compiled loops are got ready behind the open window; the user hears of it where it takes long."""

from __future__ import annotations

import threading

import pytest

from napari_spoco._qt import preparation
from napari_spoco._qt.preparation import Preparation


@pytest.fixture
def quick(monkeypatch) -> None:
    monkeypatch.setattr(preparation, "_BEGIN_MILLISECONDS", 1)
    monkeypatch.setattr(preparation, "_PATIENCE_MILLISECONDS", 5)


@pytest.mark.parametrize(
    ("state", "said"),
    [("ready", "is compiled"), ("failed", "could not be compiled"), ("skipped", None)],
)
def test_what_takes_long_is_told_from_begin_to_end(qtbot, quick, state, said) -> None:
    told, go_on = [], threading.Event()

    def warm_up(on_end) -> None:
        threading.Thread(target=lambda: go_on.wait(20) and on_end(state)).start()

    made = Preparation(warm_up)
    made.noticed.connect(lambda notice: told.append(notice.text))
    qtbot.waitUntil(lambda: len(told) == 1)
    assert told[0].startswith("Compiling the fast segmentation")
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


@pytest.mark.slow
def test_the_loops_of_this_process_are_got_ready(qtbot) -> None:
    states = []
    preparation.warm_up(states.append)
    qtbot.waitUntil(lambda: bool(states), timeout=240_000)
    from napari_spoco.segmentation.mutex_engine import is_kernel_ready

    assert (states == ["ready"]) == is_kernel_ready()
