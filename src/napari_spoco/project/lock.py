"""One window per project: a lock that the system gives back when its holder ends, however it ends."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from napari_spoco.data.writers import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

_LOCK, _HOLDER = ".lock", ".holder.json"


class ProjectInUseError(OSError):
    """Another window works on the project."""


class ProjectLock:
    """Keeps other windows from writing into a project's folder, from now until `release`.

    Parameters
    ----------
    folder
        The project's folder; it has to be there.

    Raises
    ------
    ProjectInUseError
        Another window has it; the sentence says which process, on which machine.
    OSError
        The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        # Threads of one window take turns in writing, and the last one gives it back.
        self._lock = FileLock(folder / _LOCK, timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise ProjectInUseError(
                f"The project in {folder} is open in another window ({_describe_holder(folder)}). Close it there first."
            ) from None
        with atomic_path(folder / _HOLDER) as temporary:
            temporary.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")

    def release(self) -> None:
        """Let others have the project."""
        self._lock.release()


def is_locked(folder: Path) -> bool:
    """Say whether a window works on the project."""
    lock = FileLock(folder / _LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def last_holder(folder: Path) -> tuple[int, str] | None:
    """Return process id and machine of the window that had the project last; None where it does not say."""
    try:
        holder = json.loads((folder / _HOLDER).read_text(encoding="utf-8"))
        return int(holder["pid"]), str(holder["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _describe_holder(folder: Path) -> str:
    holder = last_holder(folder)
    return "process {} on {}".format(*holder) if holder else "of another process"
