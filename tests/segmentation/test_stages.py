"""What a memory of stages promises."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.segmentation.stages import StageMemory, Stopped


def scaled(array: np.ndarray, factor: float, *, offset: float = 0.0) -> np.ndarray:
    return factor * array + offset


@pytest.fixture
def memory() -> StageMemory:
    return StageMemory()


def test_the_same_inputs_give_the_same_object(memory: StageMemory) -> None:
    array = np.arange(3)
    first = memory("double", scaled, array, 2.0, offset=1.0)
    assert memory("double", scaled, array, 2.0, offset=1.0) is first
    assert memory.n_runs == {"double": 1}


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [((3.0,), {}), ((2.0,), {"offset": 1.0}), ((2,), {})],
    ids=["other value", "another setting", "other type"],
)
def test_other_settings_run_it_again(memory: StageMemory, arguments, settings) -> None:
    array = np.arange(3)
    memory("double", scaled, array, 2.0)
    np.testing.assert_array_equal(
        memory("double", scaled, array, *arguments, **settings), scaled(array, *arguments, **settings)
    )
    assert memory.n_runs["double"] == 2


def test_another_array_runs_it_again_though_it_is_equal(memory: StageMemory) -> None:
    for _ in range(2):
        memory("double", scaled, np.arange(3), 2.0)
    assert memory.n_runs["double"] == 2


def test_names_are_apart(memory: StageMemory) -> None:
    array = np.arange(3)
    for _ in range(2):
        memory("double", scaled, array, 2.0)
        memory("treble", scaled, array, 3.0)
    assert memory.n_runs == {"double": 1, "treble": 1}


def test_a_failed_run_leaves_nothing(memory: StageMemory) -> None:
    array = np.arange(3)
    memory("double", scaled, array, 2.0)
    with pytest.raises(TypeError):
        memory("double", scaled, array, None)
    memory("double", scaled, array, 2.0)
    assert memory.n_runs["double"] == 2


def test_stopping_comes_before_a_run_and_not_before_what_is_known(memory: StageMemory) -> None:
    array = np.arange(3)
    memory("double", scaled, array, 2.0)
    memory.stop = lambda: True
    memory("double", scaled, array, 2.0)
    with pytest.raises(Stopped, match="treble"):
        memory("treble", scaled, array, 3.0)
