"""Writes what is on show into a project, as far as it has changed. No Qt, no napari; for one thread at a time.

A project without a name of its own is made when there is something to keep in it: the first painted pixel, a
review, or objects that are removed from the layer list.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco._qt.project.entry_names import EntryNames
from napari_spoco._qt.project.image_files import keep_image, shape_of
from napari_spoco._qt.project.project_session import Saved
from napari_spoco.data.writers import atomic_path
from napari_spoco.project.file import ProjectImage, ProjectWork, ReviewDecisions
from napari_spoco.project.images import free_name
from napari_spoco.project.lock import ProjectLock
from napari_spoco.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from napari_spoco._qt.project.project_session import KeptImage, KeptSession
    from napari_spoco.config import AnnotationConfig
    from napari_spoco.project.file import ShownLayer

TRAINING, SEGMENTATION, TRAIN_ON = "training.json", "segmentation.json", "train_on.json"
"""Settings in a project's folder."""
_IMAGE: ShownLayer = "image"
_OBJECTS: ShownLayer = "objects"


class ProjectWriter:
    """Keeps a window's session in a folder.

    Parameters
    ----------
    folder
        Of the project; one that is not there is made when there is something to keep.
    is_untitled
        Whether the user has not named it.

    Raises
    ------
    ProjectInUseError
        Another window works on it.
    FileNotFoundError, ValueError
        The folder is there, and holds no project that can be read.
    """

    def __init__(self, folder: Path, *, is_untitled: bool = False) -> None:
        self.folder, self.is_untitled = folder, is_untitled
        self._turn = threading.Lock()
        self._names = EntryNames()
        self._digests: dict[tuple[str, str], bytes] = {}
        self._settings: dict[str, str] = {}
        self._project: Project | None = None
        self._lock: ProjectLock | None = None
        self._is_closed = False
        if folder.exists():
            self._project = Project.open(folder)
            self._lock = ProjectLock(folder)

    @classmethod
    def create(cls, folder: Path) -> ProjectWriter:
        """Make a project in a new or empty folder; errors as `Project.create`."""
        Project.create(folder)
        return cls(folder)

    @property
    def project(self) -> Project | None:
        """The project, as soon as there is one."""
        return self._project

    @property
    def name(self) -> str:
        """What the project is called; empty where the user has not named it."""
        return "" if self.is_untitled else self.folder.name

    def note_read(self, name: str, painted: NDArray[Any] | None, result: NDArray[Any] | None) -> None:
        """Note what was read of the project under a name: it needs no writing."""
        image = self._begin().image(name)
        if painted is not None:
            self._digests[name, "annotations"] = _digest(painted, image.slices, image.meaning)
        if result is not None:
            self._digests[name, "result"] = _digest(result)

    def adopt(self, name: str, keys: Iterable[str], image_key: str, holder: Any) -> None:
        """Note that layers show what the project has under a name."""
        self._names.note(name, keys, image_key, holder)

    def adopt_alone(self, name: str, keys: Iterable[str]) -> None:
        """Note that the image of an entry is not there, and which layers show what was painted in it, if any."""
        self._names.note_alone(name, keys)

    def name_of(self, key: str, image_key: str | None) -> str | None:
        """Return what the project has of layers: of annotations or objects by their key, or else of the image."""
        return self._names.find(key, image_key)

    def image_keys(self) -> dict[str, str]:
        """Return the identities of the layers of images that are known, by what `ProjectImage.source` has for them."""
        return {self._begin().image(name).source: key for name, key in self._names.images().items()}

    def write(self, session: KeptSession) -> Saved:
        """Write what has changed; problems with one image do not keep the others from being written.

        Raises OSError where the project's folder cannot be written at all.
        """
        with self._turn:
            return self._write(session)

    def finish(self, session: KeptSession) -> Saved:
        """Write for the last time, and close; a save still waiting comes too late. Errors as `write`."""
        with self._turn:
            try:
                return self._write(session)
            finally:
                self._close()

    def close(self) -> None:
        """Let other windows have the project; nothing is written into it any more."""
        with self._turn:
            self._close()

    def discard(self) -> None:
        """Remove a project without a name, of which everything has been written elsewhere."""
        self.close()
        if self.is_untitled:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _close(self) -> None:
        self._is_closed = True
        if self._lock is not None:
            self._lock.release()
        self._lock = None

    def _write(self, session: KeptSession) -> Saved:
        begin = datetime.now()
        is_worth = any(_is_worth(image) for image in session.images)
        if self._is_closed or (self._project is None and not is_worth):
            return Saved(None, (), 0.0)
        project = self._begin()
        problems = [problem for image in session.images for problem in self._write_image(project, image, session)]
        for image in session.images:
            self._note_whole(project, image)
        self._write_settings(TRAINING, session.training)
        self._write_settings(SEGMENTATION, session.segmentation)
        self._write_settings(TRAIN_ON, session.train_on)
        self._note_open(project, session)
        chosen = self._names.find(session.chosen or "", session.chosen) or project.work.chosen
        project.set_work(ProjectWork(session.model, session.run, chosen, session.start, session.is_training))
        end = datetime.now()
        return Saved(end, tuple(problems), (end - begin).total_seconds())

    def _write_settings(self, file: str, text: str | None) -> None:
        if text is not None and self._settings.get(file) != text:
            with atomic_path(self.folder / file) as temporary:
                temporary.write_text(text, encoding="utf-8")
            self._settings[file] = text

    def _begin(self) -> Project:
        if self._project is None:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._project = Project.create(self.folder)
            self._lock = ProjectLock(self.folder)
        return self._project

    def _write_image(self, project: Project, image: KeptImage, session: KeptSession) -> list[str]:
        """Write what has changed of an image, and return what could not be."""
        problems: list[str] = []
        try:
            if image.alone is not None:
                name = self._names.find(image.key) or self._add_alone(project, image.key, image.alone)
                self._write_annotations(project, name, image, image.alone.meaning)
                return []
            # An image that is only in use goes into any entry that it has.
            entry_of = image.image_key if image.key == image.image_key else None
            name = self._names.find(image.key, entry_of) or self._names.free(project, image, session.images)
            if name is not None and self._is_found_again(project, name, image):
                problems = self._give_image(project, name, image)
            elif name is None or self._is_replaced(project, name, image):
                name, problems = self._add(project, image)
            self.adopt(name, (image.key,), image.image_key, image.holder)
            shown = {"title": image.title, "channels": image.channels, "looks": image.looks}
            if image.kind == "objects":
                shown |= {"found_title": image.found_title, "found_as": image.found_as, "found_by": image.found_by}
            if image.is_copy:  # A layer that was restored has forgotten it.
                shown["is_copy"] = True
            project.change_image(name, placement=image.placement, **shown)
            self._write_annotations(project, name, image, session.meaning)
            self._write_result(project, name, image)
        except (ValueError, OSError) as error:
            problems.append(f"“{image.title}” could not be saved: {error}")
        return problems

    def _note_whole(self, project: Project, image: KeptImage) -> None:
        name, whole = self._names.find(image.key), self._names.find(*image.whole)
        if name is not None and whole is not None:
            project.change_image(name, part_of=whole)

    def _write_annotations(
        self, project: Project, name: str, image: KeptImage, meaning: AnnotationConfig | None
    ) -> None:
        if image.annotations is None:
            return
        painted, boxes = np.array(image.annotations), image.boxes
        digest = _digest(painted, boxes, meaning)
        write = partial(project.set_annotations, name, painted, boxes=boxes, meaning=meaning)
        self._write_once(name, "annotations", digest, write)

    def _write_result(self, project: Project, name: str, image: KeptImage) -> None:
        review, note = image.review, image.note
        if image.result is not None:
            result = np.array(image.result)
            # Read after the copy was made: what is decided holds for it, and no step that led to it is missing.
            review, steps = (None, None) if note is None else (note.decisions, note.history.steps)
            write = partial(project.set_result, name, result, review, steps)
            self._write_once(name, "result", _digest(result), write)
        if review is not None:
            project.change_image(name, review=review)
        if note is not None:
            project.set_steps(name, note.history.steps)

    def _write_once(self, name: str, kind: str, digest: bytes, write: Callable[[], None]) -> None:
        if self._digests.get((name, kind)) != digest:
            write()
            self._digests[name, kind] = digest

    def _is_replaced(self, project: Project, name: str, image: KeptImage) -> bool:
        """Say whether there is another image in the layer: one of the same shape."""
        # What is painted belongs to the image of its own shape, though another one may be in the layer now.
        return not self._names.is_of(name, image) and shape_of(image) == project.image(name).shape

    def _is_found_again(self, project: Project, name: str, image: KeptImage) -> bool:
        """Say whether an image is the one that was not there: one with something painted or found is another one."""
        if not self._names.is_alone(name) or shape_of(image) != project.image(name).shape:
            return False
        return not any(project.image(other).painted for other in self._names.of_image(image))

    def _note_open(self, project: Project, session: KeptSession) -> None:
        """Note which layers were open; as long as none is, what was open before counts: a window may be closing."""
        opened: dict[str, set[ShownLayer]] = {}
        hidden: dict[str, set[ShownLayer]] = {}
        for image in session.images:
            if image.opened and (name := self._names.find(image.key)) is not None:
                opened.setdefault(name, set()).update(image.opened)
                hidden.setdefault(name, set()).update(image.hidden)
        for entry in project.images if opened else ():
            there = opened.get(entry.name, set())
            if self._names.is_alone(entry.name):  # What cannot be shown without the image has not been closed.
                there |= {_IMAGE, _OBJECTS} - {*entry.closed}
            closed = tuple(kind for kind in entry.painted or (_IMAGE,) if kind not in there)
            unseen = tuple(sorted(hidden.get(entry.name, entry.hidden)))
            project.change_image(entry.name, closed=closed, hidden=unseen)

    def _add(self, project: Project, image: KeptImage) -> tuple[str, list[str]]:
        name = free_name(image.title, (known.name for known in project.images))
        file, problems = self._file_for(project, name, image)
        project.add_entry(ProjectImage(name=name, file=file, shape=shape_of(image), is_rgb=image.is_rgb))
        return name, problems

    def _file_for(self, project: Project, name: str, image: KeptImage) -> tuple[str, list[str]]:
        """Return the file of an image, that of another entry of it where there is one; else as `keep_image`."""
        same = next(iter(self._names.of_image(image)), None)
        return keep_image(project, image, name) if same is None else (project.image(same).file, [])

    def _add_alone(self, project: Project, key: str, entry: ProjectImage) -> str:
        """Add what another project has of an image that is not there; what was found in it stays there alone."""
        name = free_name(entry.title or entry.name, (known.name for known in project.images))
        found = {"result_file": None, "found_title": "", "found_as": "", "found_by": "", "n_found": 0}
        changes = {
            "name": name,
            "annotation_file": None,
            "review": ReviewDecisions(),
            "closed": (),
            "part_of": "",
            **found,
        }
        project.add_entry(entry.model_copy(update=changes))
        self.adopt_alone(name, (key,))
        return name

    def _give_image(self, project: Project, name: str, image: KeptImage) -> list[str]:
        """Give an image to the entries of one that was not there, and return what could not be."""
        file, problems = self._file_for(project, name, image)
        source = project.image(name).source
        for entry in project.images:
            if entry.source == source:
                project.change_image(entry.name, file=file or entry.file, is_rgb=image.is_rgb)
                self.adopt(entry.name, (), image.image_key, image.holder)
        return problems


def _is_worth(image: KeptImage) -> bool:
    """Say whether a project is to be made for an image: it was painted or reviewed, or its objects are leaving."""
    leaving = None if image.opened else image.result
    return image.review is not None or _has_pixels(image.annotations) or _has_pixels(leaving)


def _has_pixels(annotations: Any) -> bool:
    return annotations is not None and bool(np.asarray(annotations).any())


def _digest(array: NDArray[Any], *beside: object) -> bytes:
    digest = hashlib.blake2b(np.ascontiguousarray(array), digest_size=16)
    digest.update(f"{array.shape} {array.dtype} {beside!r}".encode())
    return digest.digest()
