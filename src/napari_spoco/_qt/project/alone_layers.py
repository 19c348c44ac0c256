"""Annotations whose image is not there: shown by themselves, and kept in the entry of the project that they are of.

The entry is noted at their layer, and holds until they are chosen for an image. Only what is painted is kept: all else
that the project has of the image stays as it was, what was found in it included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_spoco._qt.layers import layers
from napari_spoco._qt.project.project_session import KeptImage

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.project.project_job import OpenedImage
    from napari_spoco._qt.project.project_writer import ProjectWriter
    from napari_spoco.project.file import ProjectImage

_ALONE = "napari-spoco alone"
"""Key of the mark of annotations whose image was not there; the value is their entry, its file absolute."""


def show_alone(viewer: napari.viewer.Viewer, item: OpenedImage, place: dict[str, Any], writer: ProjectWriter) -> None:
    """Show what was painted into an image that is not there, and tell the writer so, whether or not there is any."""
    entry, shown = item.entry, []
    if item.annotations is not None:
        layer = Labels(item.annotations, name=f"{title_of(entry)} annotations", **place)
        file = entry.file and str(writer.folder / entry.file)
        layers.mark(layer, _ALONE, entry.model_copy(update={"file": file}))
        viewer.add_layer(layer)
        shown.append(layers.identity(layer))
    writer.adopt_alone(entry.name, shown)


def entry_of(layer: Layer) -> ProjectImage | None:
    """Return the entry of annotations whose image is not there; None for all other layers."""
    return None if layers.linked_image(layer) is not None else layers.mark_of(layer, _ALONE)


def was_alone(layer: Layer) -> bool:
    """Say whether annotations were shown without their image, though they may be of one by now."""
    return layers.mark_of(layer, _ALONE) is not None


def title_of(entry: ProjectImage) -> str:
    """Return what an image is called on show."""
    return entry.title or entry.name


def read_alone(layer: Layer, entry: ProjectImage, pixels: Any, *, is_leaving: bool) -> KeptImage:
    """Return what is to be written of annotations whose image is not there; `pixels` are None where they are known."""
    return KeptImage(
        key=layers.identity(layer),
        image_key="",
        title=title_of(entry),
        file=None,
        pixels=None,
        holder=None,
        is_rgb=entry.is_rgb,
        placement=entry.placement,
        annotations=pixels,
        boxes=entry.slices,
        opened=() if is_leaving else ("annotations",),
        hidden=entry.hidden,
        alone=entry,
    )
