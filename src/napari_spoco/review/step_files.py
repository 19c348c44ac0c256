"""The steps of a review in a folder: a file per change, and one that says which there are, and which are made.

    steps.json    format version, number of steps that are made, and per step its file and what is decided
    DIGEST.npz    the pixels of a change, as distances from one to the next, and their labels before and after it

A change is written once, whatever becomes of it later; `steps.json` is replaced as a whole after that, so that steps of
before or of now can be read at any time. What it names no more is removed.
"""

from __future__ import annotations

import logging
import zlib
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from pydantic import Field

from napari_spoco.config import Parameters
from napari_spoco.config_files import parse_parameters, read_document
from napari_spoco.data.label_change import LabelChange
from napari_spoco.data.writers import atomic_path
from napari_spoco.review.history import Step, Steps

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

logger = logging.getLogger(__name__)

FORMAT_VERSION = 2
_INDEX = "steps.json"
_DECIDED = ("rejected_before", "rejected_after", "accepted_before", "accepted_after")


class _Entry(Parameters):
    """What `steps.json` says of one step."""

    change: str = Field(pattern="^[0-9a-f]{32}$")
    rejected_before: tuple[int, ...] = ()
    rejected_after: tuple[int, ...] = ()
    accepted_before: tuple[int, ...] = ()
    accepted_after: tuple[int, ...] = ()

    @classmethod
    def of(cls, step: Step) -> _Entry:
        return cls(change=step.change.digest, **{name: getattr(step, name) for name in _DECIDED})


class _Index(Parameters):
    """All of `steps.json`."""

    format_version: int = FORMAT_VERSION
    n_done: int = Field(0, ge=0)
    steps: tuple[_Entry, ...] = ()

    @classmethod
    def of(cls, steps: Steps) -> _Index:
        return cls(n_done=steps.n_done, steps=tuple(map(_Entry.of, steps.every)))


def write_steps(folder: Path, steps: Steps) -> None:
    """Keep steps in place of those in a folder, which is made if need be; changes that are there already stay.

    Raises OSError where the folder cannot be written.
    """
    index = _Index.of(steps)
    if index == _known(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for step in steps.every:
        if not (path := _file(folder, step.change.digest)).exists():
            _write_change(path, step.change)
    with atomic_path(folder / _INDEX) as temporary:
        temporary.write_text(index.model_dump_json(), encoding="utf-8")
    named = {_file(folder, entry.change) for entry in index.steps}
    for path in {*folder.glob("*.npz")} - named:
        path.unlink(missing_ok=True)


def read_steps(folder: Path) -> Steps:
    """Return the steps in a folder, none where nothing is kept; those beyond one that is broken are left out.

    Raises
    ------
    OSError
        The folder cannot be read.
    ValueError
        `steps.json` is broken, or made by a newer version.
    """
    path = folder / _INDEX
    if not path.exists():
        return Steps()
    index = _read_index(path)
    done = _read_until_broken(folder, reversed(index.steps[: index.n_done]))
    undone = _read_until_broken(folder, index.steps[index.n_done :])
    return Steps((*reversed(done), *undone), len(done))


def _known(folder: Path) -> _Index | None:
    """Return what a folder says of its steps; None where that cannot be read."""
    path = folder / _INDEX
    try:
        return _read_index(path) if path.exists() else _Index()
    except (OSError, ValueError):
        return None


def _read_index(path: Path) -> _Index:
    values = read_document(path)
    version = values.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ValueError(f"{path}: expected format_version {FORMAT_VERSION}, got {version}; update napari-spoco")
    return parse_parameters(_Index, values, source=str(path))


def _read_until_broken(folder: Path, entries: Iterable[_Entry]) -> list[Step]:
    steps = []
    for entry in entries:
        if (step := _read_step(folder, entry)) is None:
            break
        steps.append(step)
    return steps


def _read_step(folder: Path, entry: _Entry) -> Step | None:
    path = _file(folder, entry.change)
    try:
        change = _read_change(path)
        if change.digest != entry.change:
            raise ValueError(f"{path}: expected a change of this digest, got {change.digest}")
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error):
        logger.warning("A step of a review cannot be read", exc_info=True)
        return None
    return Step(change, **{name: getattr(entry, name) for name in _DECIDED})


def _file(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.npz"


def _write_change(path: Path, change: LabelChange) -> None:
    # Pixels of an object lie in rows: nearly all distances are 1, which takes next to no place.
    distances = np.diff(change.pixels, prepend=0)
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary, distances=distances, before=change.before, after=change.after, shape=np.array(change.shape)
        )


def _read_change(path: Path) -> LabelChange:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        pixels, shape = np.cumsum(file["distances"]), tuple(file["shape"].tolist())
        return LabelChange(pixels, file["before"], file["after"], shape)
