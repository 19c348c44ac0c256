"""Results of stages that are kept until something they were made of changes.

What is promised: a stage runs again exactly when one of its inputs is another array, or a setting that is not equal to
the last one. A stage is a function that depends on its arguments alone and changes none of them; the memory holds one
result of each. What the stages are is not known here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


class Stopped(Exception):
    """Nobody waits for the result any more; the stages that were done are kept."""


class StageMemory:
    """Calls functions and remembers under a name the last function, its arguments and its result.

    Attributes
    ----------
    n_runs : Counter
        How often each stage was run, by name.
    stop : callable
        Asked before every run; true raises `Stopped`.
    on_run : callable
        Told the name of every stage before it is run.
    """

    def __init__(self) -> None:
        self.n_runs: Counter[str] = Counter()
        self.stop: Callable[[], bool] = lambda: False
        self.on_run: Callable[[str], object] = lambda _name: None
        self._kept: dict[str, tuple[tuple[Any, ...], Any]] = {}

    def __call__(self, name: str, stage: Callable[P, R], /, *inputs: P.args, **settings: P.kwargs) -> R:
        """Return `stage(*inputs, **settings)`, from memory if the last result of that name was made of the same."""
        made_of = (stage, *inputs, *settings, *settings.values())
        if name in self._kept and _are_same(self._kept[name][0], made_of):
            return self._kept[name][1]  # type: ignore[no-any-return]
        if self.stop():
            raise Stopped(f"Stopped before the stage {name}.")
        self.on_run(name)
        self._kept.pop(name, None)  # two results at once would take twice the memory
        result = stage(*inputs, **settings)
        self._kept[name] = made_of, result
        self.n_runs[name] += 1
        return result


def _are_same(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> bool:
    return len(ours) == len(theirs) and all(map(_is_same, ours, theirs))


def _is_same(ours: Any, theirs: Any) -> bool:
    """Return whether these are the same array, or equal values; what is compared pixel by pixel costs too much."""
    if ours is theirs:
        return True
    return type(ours) is type(theirs) and not hasattr(ours, "shape") and bool(ours == theirs)
