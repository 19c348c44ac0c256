"""`project.toml` together with what was read of it last: it is parsed again only when it is another file by now.

This module alone knows by what that is seen: a file that replaces it, as `write_project_file` does in every process,
has a time, a size or a number in the file system of its own. To look at them takes microseconds, to parse a file of 400
images 50 ms and more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spoco.config_files import parse_parameters
from napari_spoco.data.writers import atomic_path
from napari_spoco.project.file import ProjectFile, read_project_file, write_project_file

if TYPE_CHECKING:
    from pathlib import Path

    Stamp = tuple[int, int, int]


class KeptFile:
    """The file at a path, which others may replace at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: tuple[Stamp, ProjectFile] | None = None

    def read(self) -> ProjectFile:
        """Return what stands in the file now; errors as `read_project_file`."""
        # Looked at before it is read: what replaces it between the two is then taken for another file, and read again.
        stamp = _stamp(self._path)
        last = self._last
        if last is None or last[0] != stamp:
            self._last = last = (stamp, read_project_file(self._path))
        return last[1]

    def write(self, content: ProjectFile) -> None:
        """Replace the file, all or nothing.

        Raises
        ------
        ValueError
            The content holds something that could not be read again.
        OSError
            The file cannot be written.
        """
        # As it would be read: what was put in unchecked may be a list that its owner goes on to change.
        values = content.model_dump(mode="json", warnings=False)
        checked = parse_parameters(ProjectFile, values, source=str(self._path))
        # Looked at before it takes its place: there it may be replaced before it could be.
        with atomic_path(self._path, flush=False) as temporary:
            write_project_file(temporary, checked)
            stamp = _stamp(temporary)
        self._last = (stamp, checked)


def _stamp(path: Path) -> Stamp:
    known = path.stat()
    return known.st_mtime_ns, known.st_size, known.st_ino
