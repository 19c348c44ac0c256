"""Compiling in a child process, and what serves when that does not work."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from napari_spoco.segmentation import mutex_engine, warm_up
from napari_spoco.segmentation.warm_up import start_warm_up

WARM_UP = """
import threading
from napari_spoco.segmentation.mutex_engine import is_kernel_ready
from napari_spoco.segmentation.warm_up import start_warm_up
job = start_warm_up()
assert job.state == "compiling" and not is_kernel_ready()
assert job.wait() == "ready", job.state
assert is_kernel_ready()
from napari_spoco.segmentation import flood, mutex_contraction, mutex_kernel, mutex_priorities
for module in (flood, mutex_contraction, mutex_kernel, mutex_priorities):
    for name, function in vars(module).items():
        for signature in getattr(function, "signatures", ()):
            assert function.stats.cache_hits[signature] == 1, name
"""


@pytest.fixture(autouse=True)
def _nothing_compiled(monkeypatch):
    monkeypatch.setattr(mutex_engine, "_is_ready", None)


@pytest.mark.slow
def test_a_child_compiles_and_this_process_loads(tmp_path, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    run = subprocess.run([sys.executable, "-c", WARM_UP], capture_output=True, text=True, timeout=280, check=False)
    assert run.returncode == 0, run.stderr
    assert list(tmp_path.rglob("*.nbc"))


def test_the_library_serves_while_the_child_compiles(monkeypatch):
    pytest.importorskip("numba")
    has_begun, may_end, ends = threading.Event(), threading.Event(), []

    def compile_slowly():
        has_begun.set()
        may_end.wait(60)

    monkeypatch.setattr(warm_up, "_compile_in_child", compile_slowly)
    monkeypatch.setattr(mutex_engine, "segment_by_kernel", lambda *_, **__: None)
    job = start_warm_up(ends.append)
    assert has_begun.wait(60)
    assert job.state == "compiling"
    assert not mutex_engine.compile_kernel(wait=False)
    may_end.set()
    assert job.wait(60) == "ready"
    assert ends == ["ready"]
    assert mutex_engine.is_kernel_ready()


def test_a_failing_child_leaves_the_library(monkeypatch, caplog):
    pytest.importorskip("numba")
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, stderr="disk full")
    )
    assert start_warm_up().wait(60) == "failed"
    assert "disk full" in caplog.text
    assert not mutex_engine.compile_kernel()


@pytest.mark.parametrize("executable", ["", "/opt/Viewer.app/Contents/MacOS/Viewer"], ids=["none", "an application"])
def test_an_application_is_not_started_once_more(monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    assert start_warm_up().wait(60) == "skipped"
    assert mutex_engine._is_ready is None


def test_without_numba_there_is_nothing_to_do(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert start_warm_up().wait(60) == "skipped"
