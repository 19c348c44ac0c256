"""Runs a module of ours in a Python of its own, for what would hold up this one: compiling, importing torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def is_plain_python() -> bool:
    """Return whether `sys.executable` runs modules; in a frozen application it would open a second window."""
    is_frozen = getattr(sys, "frozen", False)
    return not is_frozen and bool(sys.executable) and Path(sys.executable).stem.lower().startswith("python")


def run_module(name: str, *, timeout: float) -> str:
    """Run a module in a child process, wait for it, at most so many seconds, and return what it has printed.

    Raises
    ------
    subprocess.SubprocessError
        The child failed or took too long.
    OSError
        It could not be started.
    """
    run = subprocess.run(
        [sys.executable, "-m", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        check=False,
    )
    if run.returncode:
        raise subprocess.SubprocessError(f"{name} failed in a child process: {run.stderr[-2000:]}")
    return run.stdout
