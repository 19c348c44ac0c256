"""The voxel size of the chosen image: what is known of it, what its file says, and what the user says it is.

napari's own reader drops the size that a TIFF file tells. It is offered, and taken when the user says so: the size that
a file tells may be that of a print, and what else lies on the image, such as points, keeps the size that it has.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate.image_layers import parts_of
from napari_spoco._qt.annotate.voxel_form import ShownVoxelSize
from napari_spoco._qt.annotate.voxel_job import SUFFIXES, run_reading
from napari_spoco._qt.annotate.voxel_scaling import images_alike, set_voxel_size
from napari_spoco._qt.jobs.worker import SideJob
from napari_spoco._qt.layers.image_axes import axes_of, voxel_size
from napari_spoco._qt.notices import Notice, failure

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab

_MOST_NAMES = 5
"""Of images in a message."""


class VoxelSizes(QObject):
    """Between the fields in the Annotate tab, the layers, and the file of the image.

    `changed` says that the size of the chosen image is another one, or that its file has told one, whoever did it.
    """

    noticed = Signal(object)  # Notice
    changed = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, tab: AnnotateTab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._tab, self._form = viewer, tab, tab.image_form.voxels
        self._image: Layer | None = None
        self._asked: Any = None
        self._said: WeakKeyDictionary[Layer, dict[str, float]] = WeakKeyDictionary()
        self._reading = SideJob(self)
        self._reading.returned.connect(self._on_read)
        tab.image.chosen.connect(self._follow)
        self._form.chosen.connect(self._on_chosen)
        self._form.refused.connect(self._on_refused)
        for event in self._layer_events():
            event.connect(self._on_layers_changed)
        self._follow()

    @property
    def offered(self) -> tuple[float | None, ...]:
        """What the file of the chosen image says, in micrometers per spatial axis; empty where it says nothing."""
        said = {} if self._image is None else self._said.get(self._image, {})
        sizes = tuple(said.get(axis) for axis in _spatial(self._image)) if said else ()
        return sizes if any(sizes) else ()

    def release(self) -> None:
        """Let go of viewer and layer."""
        for event in self._layer_events():
            event.disconnect(self._on_layers_changed)
        self._let_go()

    def _let_go(self) -> None:
        for event in self._events():
            event.disconnect(self._on_changed)
        self._image = None

    def _follow(self) -> None:
        image = self._tab.image.layer()
        if image is not self._image:
            self._let_go()
            self._image = image
            for event in self._events():
                event.connect(self._on_changed)
        self._look()
        self._show()

    def _events(self) -> tuple[Any, ...]:
        return () if self._image is None else (self._image.events.scale, self._image.events.units)

    def _layer_events(self) -> tuple[Any, ...]:
        return self._viewer.layers.events.inserted, self._viewer.layers.events.removed

    def _look(self) -> None:
        """Look up what the file says, unless that is known, or of no use."""
        image = self._image
        if image is None or image in self._said or self._reading.is_running or voxel_size(image) is not None:
            return
        path = _file_of(self._viewer, image)
        if path is None:
            self._said[image] = {}
        else:
            self._asked = ref(image)
            self._reading.start(run_reading, path)

    def _on_read(self, said: dict[str, float]) -> None:
        if (asked := self._asked()) is not None:
            self._said[asked] = said
        self._look()  # Another image may have been chosen meanwhile.
        self._on_changed()

    def _on_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self._show()
            self.changed.emit()

    def _on_layers_changed(self, _event: Any) -> None:
        if isalive(self):
            self._show_alike()

    def _show_alike(self) -> None:
        self._form.show_alike([image.name for image in self._alike()])

    def _alike(self) -> list[Layer]:
        image = self._image
        return images_alike(self._viewer, image) if image in self._viewer.layers and _spatial(image) else []

    def _show(self) -> None:
        self._show_alike()
        image = self._image
        axes = "" if image is None else _spatial(image)
        if image is None or not axes:
            self._form.show_size(None)
            return
        size, source = voxel_size(image), "The file"
        offered = () if size else self.offered
        if not (size or offered) and set(image.scale) != {1.0}:
            scale = dict(zip(axes_of(image), image.scale.tolist(), strict=True))
            offered, source = tuple(scale[axis] for axis in axes), "Its scale, without a unit,"
        self._form.show_size(ShownVoxelSize(axes, size, offered, source))

    def _on_refused(self, reason: str) -> None:
        self.noticed.emit(failure(ValueError(f"{_what(_spatial(self._image))} {reason}")))

    def _on_chosen(self, sizes: tuple[float | None, ...]) -> None:
        image = self._image
        if image is None:
            return
        known = tuple(size for size in sizes if size is not None)
        if known and len(known) < len(sizes):
            expected = f"voxel size: expected a number for {', '.join(_spatial(image))}, or for none of them"
            self.noticed.emit(failure(ValueError(f"{expected}, got {len(known)} of {len(sizes)}.")))
            return
        also = self._alike() if self._form.for_all.isChecked() else []
        if known != (voxel_size(image) or ()):
            set_voxel_size(self._viewer, image, known or None, also)
        self._on_changed()
        who, are = _names([image, *also]), len(also) > 0
        size = f"{'have' if are else 'has'} {_times(known)} µm a {_what(_spatial(image))}"
        text = f"{who} {size if known else 'are in pixels' if are else 'is in pixels'} now."
        self.noticed.emit(Notice(text, "good"))


def _spatial(image: Layer | None) -> str:
    """Return the letters of an image's spatial axes; nothing where they are not known."""
    return "" if image is None else axes_of(image).replace("C", "")


def _what(axes: str) -> str:
    return "voxel" if len(axes) > 2 else "pixel"


def _names(images: list[Layer]) -> str:
    """Name images: “z01”, “z00” and 2 others."""
    names = [f"“{image.name}”" for image in images]
    if len(names) > _MOST_NAMES:
        names[_MOST_NAMES - 1 :] = [f"{len(names) - _MOST_NAMES + 1} others"]
    *ahead, last = names
    return f"{', '.join(ahead)} and {last}" if ahead else last


def _file_of(viewer: napari.viewer.Viewer, image: Layer) -> Path | None:
    """Return the file that an image, or the channels that it is made of, was opened from."""
    paths = (layer.source.path for layer in (image, *parts_of(viewer, image)))
    path = next((Path(path) for path in paths if path), None)
    return path if path is not None and path.suffix.lower() in SUFFIXES else None


def _times(sizes: tuple[float, ...]) -> str:
    return " \u00d7 ".join(f"{size:.4g}" for size in sizes)
