"""Compile our loops before anybody needs them, without holding up the window.

Compiling takes some ten seconds once per installation, most of them with Python's global lock held, so that a thread
would freeze everything else. A child process does it instead, and leaves its work in numba's cache on disk: beside the
package, or in the user's cache folder where the package's cannot be written to. Then a thread of this process loads the
compiled code from there. Meanwhile the mutex watershed runs on bioimage-cpp.

    python -m napari_spoco.segmentation.warm_up     # what the child does; also for whoever builds an image of a system
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import threading
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_spoco.data.child_python import is_plain_python, run_module
from napari_spoco.segmentation.instance import instance_around, select_instance, without_compiled
from napari_spoco.segmentation.mutex_engine import compile_kernel

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_TIMEOUT = 300
"""Seconds after which a child that compiles is given up."""

State = Literal["compiling", "ready", "failed", "skipped"]


class WarmUp:
    """A thread that has the loops compiled by a child process and then loads them.

    Parameters
    ----------
    on_end
        Called with the final state, in the thread.
    """

    def __init__(self, on_end: Callable[[State], None] | None = None) -> None:
        self._state: State = "compiling"
        self._on_end = on_end
        self._thread = threading.Thread(target=self._run, name="spoco-warm-up", daemon=True)

    @property
    def state(self) -> State:
        """Return "compiling", or how it ended.

        "ready": the compiled loops serve. "failed": they cannot be had in this process, bioimage-cpp and NumPy serve.
        "skipped": nothing was done, because numba is missing or because this is no plain Python that could be started
        once more; in the second case the first segmentation compiles.
        """
        return self._state

    def start(self) -> None:
        """Begin, and return at once."""
        self._thread.start()

    def wait(self, timeout: float | None = None) -> State:
        """Wait for the end, at most so many seconds, and return the state."""
        self._thread.join(timeout)
        return self._state

    def _run(self) -> None:
        self._state = self._warm_up()
        if self._on_end is not None:
            self._on_end(self._state)

    def _warm_up(self) -> State:
        if importlib.util.find_spec("numba") is None or not is_plain_python():
            return "skipped"
        with without_compiled():
            is_ready = compile_kernel(before=_compile_in_child)
        if not is_ready:
            return "failed"
        _call_instance()
        return "ready"


def start_warm_up(on_end: Callable[[State], None] | None = None) -> WarmUp:
    """Have the loops compiled in the background and return at once; call it when the window opens.

    Parameters
    ----------
    on_end
        Called with the final state, in another thread.
    """
    warm_up = WarmUp(on_end)
    warm_up.start()
    return warm_up


def _compile_in_child() -> None:
    """Run this module in a child process, and wait for it; errors as `run_module`."""
    run_module("napari_spoco.segmentation.warm_up", timeout=_TIMEOUT)


def _call_instance() -> None:
    """Compile or load the loops behind a click."""
    embeddings = np.zeros((1, 2, 4), dtype=np.float32)
    select_instance(embeddings, (0, 0))
    instance_around(embeddings, (0, 0))


def main() -> int | str:
    """Compile everything into the cache on disk, and return 0 if it is there, or what went wrong."""
    is_ready = compile_kernel()
    _call_instance()
    if not is_ready:
        return "the kernel could not be compiled"
    from napari_spoco.segmentation.compiled import is_cached
    from napari_spoco.segmentation.mutex_kernel import merge_nodes

    return 0 if is_cached(merge_nodes) else "numba found no folder for its cache"


if __name__ == "__main__":
    sys.exit(main())
