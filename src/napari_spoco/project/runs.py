"""The folders of a project's trainings, numbered by day: `YYYY-MM-DD-NN`."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_RUN = re.compile(r"(\d{4}-\d\d-\d\d)-(\d{2,})")


def list_runs(folder: Path) -> tuple[Path, ...]:
    """Return the folders of trainings in a folder, oldest first."""
    runs = [path for path in folder.iterdir() if path.is_dir() and _RUN.fullmatch(path.name)]
    return tuple(sorted(runs, key=_run_number))


def new_run(folder: Path) -> Path:
    """Make the empty folder of the next training and return it."""
    today = date.today().isoformat()
    number = max((number for day, number in map(_run_number, list_runs(folder)) if day == today), default=0) + 1
    while True:
        path = folder / f"{today}-{number:02}"
        try:
            path.mkdir()
        except FileExistsError:  # Another process was first.
            number += 1
        else:
            return path


def _run_number(path: Path) -> tuple[str, int]:
    match = _RUN.fullmatch(path.name)
    if match is None:
        raise AssertionError("only folders of trainings have a number")
    return match[1], int(match[2])
