"""How the channels look that are on show in place of a combined image, and these layers made anew from the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari.layers import Image
from napari.utils.colormaps import AVAILABLE_COLORMAPS
from vispy.color import Color

from napari_spoco._qt.annotate.image_layers import PARTS
from napari_spoco._qt.layers import image_axes, layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer


class ChannelLook(NamedTuple):
    """Name of a colormap, or "#rrggbb", the colour of what is brightest, and what is shown darkest and brightest."""

    colormap: str
    low: float
    high: float


def looks_of(image: Layer, parts: Sequence[Layer]) -> tuple[ChannelLook, ...]:
    """Return how the channels of a combined image look, given its `parts_of`; nothing where one of them is gone."""
    known = {layers.identity(part): part for part in parts}
    wanted = image.metadata.get(PARTS, ())
    return tuple(_look(known[key]) for key in wanted) if set(wanted) <= known.keys() else ()


def split(image: Layer, looks: Sequence[ChannelLook]) -> list[Image]:
    """Return a layer for each channel of an image, hidden as it is; from now on they are on show in its place.

    Nothing is copied. `looks` has as many entries as the image has channels, which come first.
    """
    pixels, place = layers.pixels_of(image), layers.transforms(image)
    parts = [
        Image(
            pixels[index],
            name=name,
            colormap=look.colormap,
            contrast_limits=(look.low, look.high),
            blending="additive" if index else "translucent_no_depth",  # as napari opens channels
            visible=image.visible,
            **place,
        )
        for index, (name, look) in enumerate(zip(image_axes.channel_names(image), looks, strict=True))
    ]
    image.metadata[PARTS] = tuple(map(layers.identity, parts))
    image.visible = False
    return parts


def _look(part: Layer) -> ChannelLook:
    name = part.colormap.name
    colour = name if name in AVAILABLE_COLORMAPS else Color(part.colormap.colors[-1]).hex
    low, high = part.contrast_limits
    return ChannelLook(colour, float(low), float(high))
