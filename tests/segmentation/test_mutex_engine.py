"""Who computes the mutex watershed, and when."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from napari_spoco.segmentation import mutex_engine
from napari_spoco.segmentation.mutex_engine import compile_kernel, is_kernel_ready, segment_edges

EDGES = ((1, 0), (0, 1)), ((0, 3),)
IMAGE = np.zeros((2, 6, 6), dtype=np.float32)


@pytest.fixture
def served(monkeypatch):
    """Return the names of who served, in turn, in a process where nothing is compiled yet."""
    names = []
    for name in ("kernel", "library"):
        function = f"segment_by_{name}"
        monkeypatch.setattr(mutex_engine, function, lambda *_, name=name, **__: names.append(name))
    monkeypatch.setattr(mutex_engine, "_is_ready", None)
    monkeypatch.setattr(mutex_engine, "_try_kernel", lambda _: True)
    return names


def test_a_call_compiles_first(served):
    assert not is_kernel_ready()
    segment_edges(IMAGE, *EDGES)
    assert is_kernel_ready()
    assert served == ["kernel"]


def test_the_library_serves_while_another_thread_compiles(served, monkeypatch):
    has_begun, may_end = threading.Event(), threading.Event()

    def compile_slowly(_):
        has_begun.set()
        return may_end.wait(60)

    monkeypatch.setattr(mutex_engine, "_try_kernel", compile_slowly)
    thread = threading.Thread(target=compile_kernel)
    thread.start()
    assert has_begun.wait(60)
    segment_edges(IMAGE, *EDGES)
    assert not is_kernel_ready()
    assert not compile_kernel(wait=False)
    may_end.set()
    assert compile_kernel()
    thread.join()
    segment_edges(IMAGE, *EDGES)
    assert served == ["library", "kernel"]


def test_the_library_serves_where_compiling_fails(monkeypatch, caplog):
    def fail(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(mutex_engine, "_is_ready", None)
    monkeypatch.setattr(mutex_engine, "segment_by_kernel", fail)
    np.testing.assert_array_equal(segment_edges(IMAGE, *EDGES), np.ones((6, 6)))
    assert not is_kernel_ready()
    assert "no space left" in caplog.text
    assert not compile_kernel()


def test_without_numba_the_library_serves():
    code = """
import sys
sys.modules["numba"] = None
import numpy as np
from napari_spoco.segmentation.mutex_engine import compile_kernel
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
assert not compile_kernel()
assert segment_mutex_watershed(np.zeros((2, 6, 6), dtype=np.float32)).max() == 1
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr


def test_importing_does_not_import_numba():
    code = "import sys, napari_spoco.segmentation.mutex_watershed; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], timeout=120, check=True)


def test_a_place_without_a_cache_compiles_all_the_same(monkeypatch):
    compiled = pytest.importorskip("napari_spoco.segmentation.compiled")
    real = compiled.njit

    def njit_without_a_folder(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(compiled, "njit", njit_without_a_folder)
    assert compiled.compiled(lambda x: x + 1)(1) == 2
