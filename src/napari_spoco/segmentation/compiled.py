"""The numba decorator of our loops: cached on disk, without the GIL, without threads of numba's own.

No `parallel=True`: its threads would go on spinning and starve PyTorch. Importing this module needs numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Function = TypeVar("Function", bound="Callable[..., Any]")


def compiled(function: Function) -> Function:
    """Compile on the first call, and keep the result on disk where there is a folder to write to."""
    try:
        return cast("Function", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba finds no place for its cache
        return cast("Function", njit(nogil=True)(function))


def is_cached(function: Callable[..., Any]) -> bool:
    """Return whether what `compiled` returned has a folder on disk for its code."""
    return bool(cast("Any", function).stats.cache_path)
