"""Headers of model files for the event loop, which asks at every change of state: read once, until the file changes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spoco.models.header import read_header
from napari_spoco.models.registry import model_in_folder

if TYPE_CHECKING:
    from napari_spoco.models.header import ModelHeader


def header_of(path: str | Path) -> ModelHeader:
    """Return what `read_header` does, and raise what it does; a file of the same time and size is not read again."""
    file = model_in_folder(Path(path))
    try:
        state = file.stat()
    except OSError:
        return read_header(file)
    return _read(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _read(file: Path, _time: int, _size: int) -> ModelHeader:
    return read_header(file)
