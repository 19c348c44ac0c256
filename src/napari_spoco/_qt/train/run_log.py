"""The log of a training on disk: `log.txt` in the folder of its run, line by line as things are said. No Qt.

A thread of its own writes it, since folders may lie on slow drives. The training makes the folder; what is said before
waits until it is there, so that of a training that was refused nothing is left.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from napari_spoco._qt.train.run_folders import LOG_FILE, discard_unless_kept

logger = logging.getLogger(__name__)


class RunLog:
    """Goes on with the log in a folder, from its making to `end`.

    Where it cannot be written the training goes on without; Python's own log says so.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._path = self._folder / LOG_FILE
        self._lines: list[str] = []
        self._n_written = 0
        self._thread = ThreadPoolExecutor(1, "spoco-log")

    def add(self, line: str) -> None:
        """Write a line, as soon as there is a folder."""
        self._thread.submit(self._add, line)

    def end(self, *, is_failed: bool) -> None:
        """Say nothing more; what is on its way is still written.

        Why a training failed is kept even where it kept nothing else; of others that kept nothing, nothing is left.
        """
        self._thread.submit(self._end, is_failed)
        self._thread.shutdown(wait=False)

    def _add(self, line: str) -> None:
        self._lines.append(line)
        if self._folder.is_dir():
            self._write()

    def _end(self, is_failed: bool) -> None:
        if not is_failed:
            discard_unless_kept(self._folder)
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            logger.warning("The log of a training cannot be written: %s", error)
        else:
            self._write()

    def _write(self) -> None:
        # The folder of a training that kept nothing is removed, and the lines with it.
        first = self._n_written if self._path.exists() else 0
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in self._lines[first:])
        except OSError as error:
            logger.warning("The log of a training cannot be written: %s", error)
        else:
            self._n_written = len(self._lines)
