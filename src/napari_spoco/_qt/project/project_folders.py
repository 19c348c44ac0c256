"""Which projects there were: those of names that were opened last, and what was painted without one.

What is painted outside of a project is kept in a folder of its own per session, in the user's data; the last ones stay.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spoco.data.writers import atomic_path
from napari_spoco.project.lock import is_locked, last_holder
from napari_spoco.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.project.file import ProjectImage

_MOST_RECENT = 8
_MOST_UNTITLED = 10
_ANSWERED = ".answered"


@dataclass(frozen=True)
class LeftProject:
    """What a window has left: where it is kept, when it was saved last, and what was open then.

    `name` is empty where it was painted or reviewed without a project. `n_closed` counts what else there is of images.
    `is_news` says that the user has not been asked yet, or not answered, and that it comes from a window that is gone.
    """

    folder: Path
    name: str
    time: datetime
    n_images: int
    n_painted: int
    n_found: int
    n_closed: int
    has_model: bool
    is_news: bool

    @property
    def title(self) -> str:
        """Say it in words: "25 Nov, 23:10 (3 images)"."""
        return f"{self._when} ({count(self.n_images, 'image')})"

    @property
    def offer(self) -> str:
        """Ask whether all of it is to come back."""
        objects = ((self.n_painted, "painted"), (self.n_found, "found"))
        told = [f"{n} {kind}" for n, kind in objects if n]
        many = " object" if self.n_painted + self.n_found == 1 else " objects"
        model = "the model" if self.has_model else ""
        parts = [count(self.n_images, "image"), f"{' and '.join(told)}{many}" if told else "", model, "the settings"]
        *ahead, last = filter(None, parts)
        whose = f"the project “{self.name}” of {self._when}: " if self.name else ""
        when = "" if self.name else f" of {self._when}"
        return f"Restore {whose}{', '.join(ahead)} and {last}{when}?"

    @property
    def _when(self) -> str:
        return f"{self.time.day} {self.time:%b, %H:%M}"


class ProjectFolders:
    """Folders of projects of one user.

    Parameters
    ----------
    data
        The user's data folder; need not be there.
    """

    def __init__(self, data: Path) -> None:
        self._recovery, self._recent = data / "recovery", data / "projects.json"

    def is_untitled(self, folder: Path) -> bool:
        """Say whether a project is one that the user has not named."""
        return folder.parent == self._recovery

    def new_untitled(self) -> Path:
        """Return the folder of a session that has no project; it is not made."""
        stem = f"{datetime.now():%Y-%m-%d %H.%M.%S} {os.getpid()}"
        path, count = self._recovery / stem, 1
        while path.exists():
            count += 1
            path = self._recovery / f"{stem}-{count}"
        return path

    def recent(self) -> list[Path]:
        """Return the projects that were opened last and are still there, newest first."""
        try:
            paths = json.loads(self._recent.read_text(encoding="utf-8"))
            return [Path(path) for path in paths if Project.is_at(path)]
        except (OSError, ValueError, TypeError):
            return []

    def note_opened(self, folder: Path) -> None:
        """Remember a project; where that cannot be written it is forgotten."""
        paths = [folder, *(path for path in self.recent() if path != folder)][:_MOST_RECENT]
        try:
            self._recent.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(self._recent, flush=False) as temporary:
                temporary.write_text(json.dumps(list(map(str, paths))), encoding="utf-8")
        except OSError:
            return

    def untitled(self) -> list[LeftProject]:
        """Return what was painted without a project, in windows that are gone, newest first."""
        if not self._recovery.is_dir():
            return []
        found = [_describe(path, "") for path in self._recovery.iterdir() if Project.is_at(path)]
        return sorted(filter(None, found), key=lambda item: item.time, reverse=True)

    def last_named(self) -> LeftProject | None:
        """Return the project of a name that was opened last, unless a window works on it."""
        return next((_describe(path, path.name) for path in self.recent()), None)

    def prune(self) -> None:
        """Remove the oldest of what was painted without a project."""
        for item in self.untitled()[_MOST_UNTITLED:]:
            shutil.rmtree(item.folder, ignore_errors=True)


def count(n: int, noun: str) -> str:
    """Return "1 image", "2 images"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def to_open(entries: Sequence[ProjectImage], chosen: str | None) -> list[ProjectImage]:
    """Return what was open last, as far as napari can show it together: all in pixels, or all in units of length."""
    wanted = [entry for entry in entries if entry.is_open]
    first = next((entry for entry in wanted if entry.name == chosen), None) or next(iter(wanted), None)
    return [entry for entry in wanted if first is None or _has_length(entry) == _has_length(first)]


def n_closed(entries: Sequence[ProjectImage], opened: Sequence[ProjectImage]) -> int:
    """Return of how many images there is more than what was open: something painted or found."""
    return sum(bool(entry.painted) for entry in entries if entry not in opened)


def _has_length(entry: ProjectImage) -> bool:
    return entry.placement is not None and entry.placement.units[-1] not in ("pixel", "px")


def look_around(
    _context: JobContext, folders: ProjectFolders
) -> Generator[None, None, tuple[list[LeftProject], LeftProject | None]]:
    """Remove what is too old; return what was painted without a project, and what is to be offered: the newest news."""
    yield
    folders.prune()
    untitled = folders.untitled()
    news = [item for item in (*untitled, folders.last_named()) if item is not None and item.is_news]
    return untitled, max(news, key=lambda item: item.time, default=None)


def note_answered(folder: Path) -> None:
    """Remember that the user does not want to have back what is kept there, or has it elsewhere."""
    try:
        (folder / _ANSWERED).touch()
    except OSError:
        return


def note_open(folder: Path) -> None:
    """Remember that it is worked on again: the next window has to ask anew."""
    try:
        (folder / _ANSWERED).unlink(missing_ok=True)
    except OSError:
        return


def _describe(folder: Path, name: str) -> LeftProject | None:
    """Return what there is in a folder; None where nothing was painted, it cannot be read, or a window works on it."""
    try:
        project = Project.open(folder)
        kept = project.images
        files = [folder / file for image in kept for file in (image.annotation_file, image.result_file) if file]
        files += [folder] if name else []  # One that the user has named is of worth without anything painted.
        time = datetime.fromtimestamp(max(path.stat().st_mtime for path in files))
        if is_locked(folder):
            return None
    except (OSError, ValueError):
        return None
    is_own = last_holder(folder) == (os.getpid(), socket.gethostname())
    opened = to_open(kept, project.work.chosen)
    return LeftProject(
        folder,
        name,
        time,
        n_images=len({image.source for image in opened}),
        n_painted=sum(image.n_painted for image in opened if "annotations" in image.now_open and not image.is_copy),
        n_found=sum(image.n_found for image in opened if "objects" in image.now_open),
        n_closed=n_closed(kept, opened),
        has_model=project.work.model is not None,
        is_news=not is_own and not (folder / _ANSWERED).exists(),
    )
