"""What of the viewer's layers a project keeps, and how they come back; with `layers`, all that touches layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes

from napari_spoco._qt.annotate.annotation_layer import find_layer, taken_box, whole_key
from napari_spoco._qt.annotate.channel_looks import ChannelLook, looks_of, split
from napari_spoco._qt.annotate.image_layers import WHOLE, parts_of
from napari_spoco._qt.annotate.stroke_colours import StrokeColours
from napari_spoco._qt.annotate.stroke_labels import STROKES
from napari_spoco._qt.layers import layers
from napari_spoco._qt.layers.image_axes import (
    AXES,
    CHANNELS,
    given_names,
    is_readable,
    name_channels,
    set_axes,
    voxel_size,
    with_channel_axis,
)
from napari_spoco._qt.layers.result_roles import free_title, give_role, role_of
from napari_spoco._qt.project.alone_layers import entry_of, read_alone, show_alone, title_of, was_alone
from napari_spoco._qt.project.project_session import KeptImage
from napari_spoco._qt.review.review_notes import note, noted
from napari_spoco.project.file import Placement
from napari_spoco.review.history import EditHistory

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Sequence

    import napari.viewer
    from numpy.typing import NDArray

    from napari_spoco._qt.annotate.annotated_images import AnnotatedImage
    from napari_spoco._qt.project.project_job import OpenedImage
    from napari_spoco._qt.project.project_writer import ProjectWriter
    from napari_spoco.project.file import PaintedLayer, ProjectImage, ShownLayer

PAINTED: tuple[PaintedLayer, ...] = ("annotations", "objects")


@dataclass(frozen=True)
class KeptLayers:
    """An image with its annotations and boxes, or with objects that were found in it; both where a project had both.

    An image that is only in use has neither.

    `parts` are the layers that are on show in place of the image. `alone` is the entry of annotations whose image is
    not there; `image` is None then.
    """

    image: Layer | None
    annotations: Layer | None = None
    boxes: Layer | None = None
    result: Layer | None = None
    parts: tuple[Layer, ...] = ()
    alone: ProjectImage | None = None

    @property
    def key(self) -> str:
        """What it is known by, as long as the layers live."""
        return layers.identity(self.annotations or self.result or self.image)

    @property
    def image_key(self) -> str:
        """What its image is known by; empty where that is not there."""
        return "" if self.image is None else layers.identity(self.image)

    @property
    def title(self) -> str:
        """What its image is called."""
        return self.image.name if self.alone is None else title_of(self.alone)

    @property
    def kinds(self) -> dict[ShownLayer, Layer | None]:
        """Its layers by what they are, those in front last."""
        return {"image": self.image, "objects": self.result, "annotations": self.annotations}

    @property
    def shown(self) -> dict[ShownLayer, tuple[Layer, ...]]:
        """The layers that are looked at, by what they are."""
        own = {kind: () if layer is None else (layer,) for kind, layer in self.kinds.items()}
        return {**own, "image": self.parts or own["image"]}

    @property
    def painted(self) -> list[Layer]:
        """The layers whose pixels change."""
        return [layer for layer in (self.annotations, self.result) if layer is not None]

    def read(self, changed: set[str], *, is_leaving: bool = False) -> KeptImage:
        """Return what is to be written; of the painted layers, those of these identities. Nothing is copied."""
        if self.alone is not None:
            pixels = _pixels(self.annotations, changed)
            return read_alone(self.annotations, self.alone, pixels, is_leaving=is_leaving)
        image = self.image
        known = None if self.result is None else noted(self.result)
        return KeptImage(
            key=self.key,
            image_key=self.image_key,
            title=self.title,
            file=image.source.path,
            pixels=layers.pixels_of(image),
            holder=layers.pixels_of(image),
            is_rgb=image.rgb,
            channels=given_names(image),
            kind="annotations" if self.result is None else "objects",
            found_title=self._found_title,
            found_as="" if self.result is None else role_of(self.result),
            found_by="" if self.result is None else layers.mark_of(self.result, layers.FOUND_BY) or "",
            is_copy=self.annotations is not None and taken_box(self.annotations) is not None,
            whole=("" if self.annotations is None else whole_key(self.annotations), image.metadata.get(WHOLE, "")),
            looks=looks_of(image, self.parts),
            placement=placement_of(image),
            annotations=_pixels(self.annotations, changed),
            boxes=self._read_boxes(),
            result=_pixels(self.result, changed),
            review=None if known is None else known.decisions,
            note=known,
            opened=() if is_leaving else tuple(kind for kind, layer in self.kinds.items() if layer is not None),
            hidden=tuple(kind for kind, shown in self.shown.items() if shown and not any(one.visible for one in shown)),
        )

    @property
    def _found_title(self) -> str:
        """The name of the layer of objects; empty where it is as usual."""
        is_usual = self.result is None or self.result.name == _usual_name(self.image)
        return "" if is_usual else self.result.name

    def _read_boxes(self) -> Any:
        """Return the boxes; None where they cannot be read at the moment, so that what is kept stays."""
        if self.boxes is None or self.annotations is None:
            # Of annotations that were shown alone no boxes were shown: those that they have are kept.
            return None if self.annotations is not None and was_alone(self.annotations) else ()
        try:
            return layers.read_boxes(self.boxes, self.annotations)
        except ValueError:
            return None


def find_kept(viewer: napari.viewer.Viewer, pairs: list[AnnotatedImage]) -> list[KeptLayers]:
    """Return what there is to keep: all annotations and all found objects, each with its image, and images in use.

    Annotations whose image is not there are kept without.
    """
    kept = [
        KeptLayers(pair.image, pair.annotations, pair.boxes, parts=tuple(parts_of(viewer, pair.image)))
        for pair in pairs
        if layers.spatial_shape(pair.annotations) == layers.spatial_shape(pair.image)
        if entry_of(pair.annotations) is None
    ]
    for image in layers.image_layers(viewer):
        parts = tuple(parts_of(viewer, image))
        kept += [KeptLayers(image, result=result, parts=parts) for result in _results(viewer, image)]
        if _is_in_use(image) and not any(image is item.image for item in kept):
            kept.append(KeptLayers(image, parts=parts))
    shown_instead = {part for item in kept for part in item.parts}
    kept = [item for item in kept if item.painted or item.image not in shown_instead]
    kept = [item for item in kept if is_readable(item.image)]
    alone = ((layer, entry_of(layer)) for layer in layers.labels_layers(viewer))
    return kept + [KeptLayers(None, layer, alone=entry) for layer, entry in alone if entry is not None]


def show_opened(
    viewer: napari.viewer.Viewer, opened: Sequence[OpenedImage], writer: ProjectWriter
) -> Generator[None, None, dict[str, KeptLayers]]:
    """Add layers of a project, hidden, in its order, and tell the writer which they are.

    napari takes long for a layer: after each of them others have their turn.

    Returns
    -------
    dict
        By name.
    """
    known = {source: find_layer(viewer, key) for source, key in writer.image_keys().items()}
    shown = {}
    for item in opened:
        entry = item.entry
        image = known.get(entry.source)
        if image is None:
            image = known[entry.source] = _image_layer(viewer, item)
            yield
            for part in split(image, [ChannelLook(*look) for look in entry.looks]) if image and entry.looks else ():
                viewer.add_layer(part)
                yield
        if image is None:
            show_alone(viewer, item, _placed(entry), writer)
            continue
        shown[entry.name] = kept = yield from _show_labels(viewer, image, item)
        keys = [layers.identity(layer) for layer in kept.painted]
        writer.adopt(entry.name, keys, layers.identity(image), layers.pixels_of(image))
    for item in opened:
        if item.entry.name in shown and item.entry.part_of in shown:
            _note_whole(shown[item.entry.name], shown[item.entry.part_of])
    return shown


def bring_to_front(viewer: napari.viewer.Viewer, kept: KeptLayers, hidden: Container[str]) -> None:
    """Show the layers of an image, but for those that the user had hidden, and select what is painted on."""
    for kind, shown in kept.shown.items():
        for layer in shown:
            layer.visible = kind not in hidden
    if kept.boxes is not None:
        kept.boxes.visible = "annotations" not in hidden
    front = kept.annotations or kept.result or kept.image
    if front in viewer.layers:
        viewer.layers.selection.active = front


def placement_of(layer: Layer) -> Placement:
    """Return where the spatial axes of a layer lie, in plain numbers."""
    place = layers.transforms(layer)
    return Placement(
        scale=_numbers(place["scale"]),
        translate=_numbers(place["translate"]),
        rotate=tuple(map(_numbers, place["rotate"])),
        shear=_numbers(place["shear"]),
        affine=tuple(map(_numbers, place["affine"].affine_matrix)),
        units=tuple(map(str, place["units"])),
        axis_labels=place["axis_labels"],
    )


def _image_layer(viewer: napari.viewer.Viewer, item: OpenedImage) -> Layer | None:
    entry = item.entry
    if item.pixels is None:
        return None
    place, has_channels = _placed(entry), not entry.is_rgb and item.pixels.ndim > len(entry.shape)
    if has_channels:
        place = with_channel_axis(place)
    layer = Image(item.pixels, rgb=entry.is_rgb, name=entry.title or entry.name, visible=False, **place)
    set_axes(layer, f"{'C' * has_channels}{'ZYX'[-len(entry.shape) :]}")
    if not entry.is_rgb:
        name_channels(layer, entry.channels)
    viewer.add_layer(layer)
    return layer


def _show_labels(viewer: napari.viewer.Viewer, image: Layer, item: OpenedImage) -> Generator[None, None, KeptLayers]:
    """Add what was painted and found."""
    place = {**layers.transforms(image), "visible": False}
    result = annotations = boxes = None
    if item.result is not None:
        metadata = {layers.MAKER: layers.identity(image)}
        name = free_title(viewer, item.entry.found_title or _usual_name(image))
        result = Labels(item.result, name=name, metadata=metadata, **place)
        give_role(result, item.entry.found_as)
        layers.mark(result, layers.FOUND_BY, item.entry.found_by)
        viewer.layers.insert(_place_below_painted(viewer, image), result)
        note(result, item.entry.review, EditHistory(item.steps))
        yield
    metadata = {layers.LINK: layers.identity(image)}
    if item.annotations is not None:
        annotations = Labels(item.annotations, name=f"{image.name} annotations", metadata=metadata, **place)
        StrokeColours().show(annotations, item.entry.meaning.model_dump(include=STROKES.keys()))
        viewer.add_layer(annotations)
        yield
    if item.annotations is not None and item.entry.boxes:
        boxes = Shapes(_rectangles(item.entry), name=f"{image.name} boxes", metadata=dict(metadata), **place)
        viewer.add_layer(boxes)
        yield
    return KeptLayers(image, annotations, boxes, result, tuple(parts_of(viewer, image)))


def _note_whole(part: KeptLayers, whole: KeptLayers) -> None:
    part.image.metadata[WHOLE] = layers.identity(whole.image)
    if part.annotations is not None and whole.annotations is not None:
        part.annotations.metadata[WHOLE] = layers.identity(whole.annotations)


def _rectangles(entry: ProjectImage) -> list[NDArray[np.float64]]:
    """Return the boxes as corners (4, ndim) in pixels; of a stack, one rectangle in each plane."""
    rectangles = []
    for box in entry.boxes:
        *ahead, (top, bottom), (left, right) = box
        corners = [(top, left), (top, right - 1), (bottom - 1, right - 1), (bottom - 1, left)]
        planes = range(*ahead[0]) if ahead else (None,)
        for plane in planes:
            first = () if plane is None else (plane,)
            rectangles.append(np.array([(*first, *corner) for corner in corners], float))
    return rectangles


def _placed(entry: ProjectImage) -> dict[str, Any]:
    """Return what places a layer, as napari takes it: matrices are arrays."""
    if entry.placement is None:
        return {}
    place = entry.placement.model_dump()
    return place | {name: np.array(place[name]) for name in ("rotate", "affine")}


def _results(viewer: napari.viewer.Viewer, image: Layer) -> list[Layer]:
    """Return the layers of objects that were found in an image, those in front last; not those of a part of it."""
    made = [layer for layer in layers.labels_layers(viewer) if layers.linked_image(layer) is None]
    found = [layer for layer in reversed(made) if layer.metadata.get(layers.MAKER) == layers.identity(image)]
    return [layer for layer in found if layers.spatial_shape(layer) == layers.spatial_shape(image)]


def _is_in_use(image: Layer) -> bool:
    """Say whether something is known of an image, as a rule from the user; parts are cut again from their image."""
    is_told = AXES in image.metadata or CHANNELS in image.metadata or voxel_size(image) is not None
    return is_told and WHOLE not in image.metadata


def _usual_name(image: Layer) -> str:
    return f"{image.name} objects"


def _place_below_painted(viewer: napari.viewer.Viewer, image: Layer) -> int:
    """Return the place in the list of layers that is below the annotations of an image, or on top of all."""
    key = layers.identity(image)
    painted = [place for place, layer in enumerate(viewer.layers) if layers.linked_image(layer) == key]
    return min(painted, default=len(viewer.layers))


def _pixels(layer: Layer | None, changed: set[str]) -> Any:
    return layers.pixels_of(layer) if layer is not None and layers.identity(layer) in changed else None


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
