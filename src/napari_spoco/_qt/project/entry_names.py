"""Under which names a project has layers: an entry has annotations, found objects, or one of each. No Qt, no napari.

A layer keeps its entry as long as it lives, whatever else is painted or found in its image: so nothing that is kept of
one layer is ever replaced by another one.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_spoco._qt.project.project_session import KeptImage
    from napari_spoco.project.file import PaintedLayer, ProjectImage
    from napari_spoco.project.project import Project


class EntryNames:
    """Knows entries by the identities of layers, and of their images."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}  # by the identity of annotations or objects
        self._entries: dict[str, list[str]] = {}  # names by the identity of an image
        self._holders: dict[str, Callable[[], Any]] = {}  # by name
        self._alone: set[str] = set()  # names of entries whose image is not there

    def note(self, name: str, keys: Iterable[str], image_key: str, holder: Any) -> None:
        """Note which layers an entry has, of which image, and the object that is replaced when the image is."""
        entries = self._entries.setdefault(image_key, [])
        if name not in entries:
            entries.append(name)
        self._names.update(dict.fromkeys(keys, name))
        self._holders[name] = _reference(holder)
        self._alone.discard(name)

    def note_alone(self, name: str, keys: Iterable[str]) -> None:
        """Note which layers an entry has whose image is not there."""
        self._names.update(dict.fromkeys(keys, name))
        self._alone.add(name)

    def is_alone(self, name: str) -> bool:
        """Say whether the image of an entry is not there."""
        return name in self._alone

    def find(self, key: str, image_key: str | None = None) -> str | None:
        """Return the entry of a layer, or else the first one of an image."""
        return self._names.get(key) or next(iter(self._entries.get(image_key or "", ())), None)

    def images(self) -> dict[str, str]:
        """Return the identities of images by the names of their entries."""
        return {name: key for key, names in self._entries.items() for name in names}

    def is_of(self, name: str, image: KeptImage) -> bool:
        """Say whether an entry is of what is in the layer of the image now."""
        return name not in self._alone and self._holders[name]() is image.holder

    def of_image(self, image: KeptImage) -> list[str]:
        """Return the entries of what is in the layer of an image now."""
        return [name for name in self._entries.get(image.image_key, ()) if self.is_of(name, image)]

    def free(self, project: Project, image: KeptImage, images: Iterable[KeptImage]) -> str | None:
        """Return an entry of an image for a layer that has none yet; None where it is to have a new one.

        Objects that have left the viewer give their place to others, unless they were reviewed or changed by hand;
        annotations never do.
        """
        taken = {self._names.get(one.key) for one in images if one.kind == image.kind}
        entries = (name for name in self.of_image(image) if name not in taken)
        return next((name for name in entries if _has_room(project.image(name), image.kind)), None)


def _has_room(entry: ProjectImage, kind: PaintedLayer) -> bool:
    # Objects have a role until the user changes them.
    return kind not in entry.painted or (kind == "objects" and bool(entry.found_as) and not entry.is_reviewed)


def _reference(holder: Any) -> Callable[[], Any]:
    """Return a function that returns the object as long as it lives: whole images must not be kept for this."""
    try:
        return weakref.ref(holder)
    except TypeError:
        return lambda: holder
