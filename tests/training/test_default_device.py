"""Which device trains is asked in a child process: torch stays out of this one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_spoco.training import default_device
from napari_spoco.training.default_device import DefaultDevice, find_default_device

CODE = """
import sys
from napari_spoco.training.default_device import find_default_device
found = find_default_device()
assert "torch" not in sys.modules
print(found.kind)
"""


def test_it_is_what_auto_means_and_torch_is_not_imported() -> None:
    from napari_spoco.training.devices import choose_device

    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=280, check=True)
    assert run.stdout.strip() == choose_device("auto").type


def test_what_else_is_printed_does_not_matter(monkeypatch) -> None:
    said = 'Warning: something\n{"kind": "cuda", "name": "NVIDIA T4"}\n'
    monkeypatch.setattr(default_device, "run_module", lambda *_, **__: said)
    assert find_default_device() == DefaultDevice("cuda", "NVIDIA T4")


@pytest.mark.parametrize("said", ["", "no json", '{"other": 1}', "[]"])
def test_what_cannot_be_read_is_no_device(monkeypatch, said) -> None:
    monkeypatch.setattr(default_device, "run_module", lambda *_, **__: said)
    assert find_default_device() is None


def test_a_failing_child_is_no_device(monkeypatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, stderr="no"))
    assert find_default_device() is None


def test_an_application_is_not_started_once_more(monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/Viewer.app/Contents/MacOS/Viewer")
    assert find_default_device() is None
