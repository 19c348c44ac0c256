"""What the commands share with the terminal: one place to print, and sentences instead of tracebacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

console = Console()
"""Quiet in all processes of a training but the first."""
_errors = Console(stderr=True)
_OUT_OF_MEMORY = "the device ran out of memory; choose a smaller patch or batch"


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Turn errors that a person can mend into one sentence and exit code 1."""
    try:
        yield
    except (ValueError, TypeError, OSError, FloatingPointError, MemoryError, RuntimeError) as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        _errors.print(f"[bold red]Error:[/] {escape(sentence)}", highlight=False, soft_wrap=True)
        raise typer.Exit(code=1) from error


@contextlib.contextmanager
def no_empty_folder(folder: Path, *, is_new: bool) -> Iterator[None]:
    """Take a folder that is new or is made meanwhile, and those above it, away again if an error leaves it empty."""
    made = [path for path in (folder, *folder.parents) if not path.exists()] or [folder] * is_new
    try:
        yield
    except BaseException:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


def _sentence(error: Exception) -> str | None:
    """Return what to tell; None for an error of the program."""
    if isinstance(error, typer.Exit):
        return None
    if isinstance(error, MemoryError):
        return str(error) or _OUT_OF_MEMORY
    if isinstance(error, RuntimeError):
        from napari_spoco.training.devices import is_out_of_memory

        return f"{_OUT_OF_MEMORY} ({error})" if is_out_of_memory(error) else None
    return str(error)
