"""What the user has taken out of the layer list: it is kept, which is said at once, and the menu brings it back.

Whether it has been saved yet makes no difference to the user: what waits for that is listed, too, and saved before it
is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_spoco._qt.layers import layers
from napari_spoco._qt.notices import Notice
from napari_spoco._qt.project.project_layers import PAINTED

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from napari.layers import Layer

    from napari_spoco._qt.project.project_layers import KeptLayers
    from napari_spoco._qt.project.project_watch import ProjectWatch
    from napari_spoco._qt.project.project_writer import ProjectWriter
    from napari_spoco.project.file import PaintedLayer, ProjectImage

_MOST_NAMES = 3
"""Of removed layers, that are listed."""


@dataclass(frozen=True)
class Removed:
    """What was removed of an image, which is called `title`.

    `name` is what the project has it under; None where the project may not have it yet: it is then known by the keys of
    `KeptImage`. `names` and `ids` are those of the layers, as far as they are known.
    """

    title: str
    kinds: tuple[PaintedLayer, ...]
    name: str | None = None
    key: str = ""
    image_key: str = ""
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    @classmethod
    def of_layers(cls, kept: KeptLayers, here: Container[Layer]) -> Removed | None:
        """Return what is not here any more; None for nothing: an empty layer is no loss."""
        gone = {
            kind: layer
            for kind in PAINTED
            if (layer := kept.kinds[kind]) is not None and layer not in here and _has_pixels(layer)
        }
        if not gone:
            return None
        names, ids = (tuple(map(take, gone.values())) for take in (attrgetter("name"), layers.identity))
        return cls(kept.title, tuple(gone), None, kept.key, kept.image_key, names, ids)

    @property
    def text(self) -> str:
        """Name it: "cells annotations and objects"; objects, of which there may be several layers, by their name."""
        if self.kinds == ("objects",) and self.names:
            return self.names[0]
        return f"{self.title} {' and '.join(self.kinds)}"

    def find(self, writer: ProjectWriter) -> str | None:
        """Return what the project has it under; None if it has it not yet."""
        return self.name or writer.name_of(self.key, None if "annotations" in self.kinds else self.image_key)


class RemovedLayers(QObject):
    """Says that layers which have left the viewer are kept, and lists them.

    Parameters
    ----------
    watch
        Knows which layers are here, and which have left.
    writer
        Returns the writer of the present project.
    is_training
        Says whether a training is running.
    """

    noticed = Signal(object)  # Notice
    wanted = Signal(object)  # Removed
    left = Signal(object)  # identities of layers

    def __init__(
        self,
        watch: ProjectWatch,
        writer: Callable[[], ProjectWriter],
        is_training: Callable[[], bool],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._watch, self._writer, self._is_training = watch, writer, is_training
        self._waiting: list[Removed] = []  # for the next save
        self._news: list[Removed] = []
        self._timer = QTimer(self)  # Several layers may leave one after the other.
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._tell)
        watch.removed.connect(self._on_removed)

    def listed(self) -> list[Removed]:
        """Return what the project has, or is about to have, and the viewer has not."""
        writer = self._writer()
        entries = {} if writer.project is None else {entry.name: entry for entry in writer.project.images}
        shown = self._shown()
        saved = [
            Removed(entry.title or name, kinds, name, names=tuple(filter(None, [entry.found_title])))
            for name, entry in entries.items()
            if (kinds := tuple(kind for kind in entry.painted if (name, kind) not in shown))
        ]
        self._waiting = [one for one in self._waiting if not _is_saved(one, entries.get(one.find(writer) or ""))]
        return [*saved, *self._waiting]

    def is_back(self, removed: Removed) -> bool:
        """Say whether something is in the viewer again."""
        name = removed.find(self._writer())
        return name is not None and {(name, kind) for kind in removed.kinds} <= self._shown()

    def forget(self) -> None:
        """Forget what was removed before: another project is open now."""
        self._waiting.clear()

    def stop(self) -> None:
        """Say nothing more."""
        self._timer.stop()

    def _shown(self) -> set[tuple[str | None, PaintedLayer]]:
        """Return what is in the viewer, by what the project has it under."""
        writer = self._writer()
        return {
            (writer.name_of(key, None if kind == "annotations" else image_key), kind)
            for key, image_key, kinds in self._watch.shown()
            for kind in kinds
        }

    def _on_removed(self, removed: Sequence[Removed]) -> None:
        self._waiting += removed
        self._news += removed
        self._timer.start()
        self.left.emit({one for item in removed for one in item.ids})

    def _tell(self) -> None:
        news, self._news = self._news, []
        names = [name for item in news for name in item.names]
        told = ", ".join(f"“{name}”" for name in names[:_MOST_NAMES]) + (" …" if len(names) > _MOST_NAMES else "")
        where = "" if self._writer().is_untitled else " in the project"
        training = " The training goes on with what was painted." if self._is_training() else ""
        text = f"Removed, but kept{where}: {told}. The menu on top brings it back.{training}"
        self.noticed.emit(Notice(text, bring_back=partial(self._bring_back, tuple(news))))

    def _bring_back(self, removed: tuple[Removed, ...]) -> None:
        for item in removed:
            self.wanted.emit(item)


def _is_saved(removed: Removed, entry: ProjectImage | None) -> bool:
    return entry is not None and set(removed.kinds) <= set(entry.painted)


def _has_pixels(layer: Layer) -> bool:
    """Say whether there is something in a Labels layer; what would have to be read or computed first counts."""
    pixels = layers.pixels_of(layer)
    return not isinstance(pixels, np.ndarray) or any(plane.any() for plane in pixels)
