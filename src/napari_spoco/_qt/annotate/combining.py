"""Channels that are layers of their own, as one image: the layer that is made of them.

The new layer refers to the pixels of the others and is hidden, so that one goes on looking at the channels together, in
their own colours; what is painted lies over them. Deleting it takes everything back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate.channel_layers import likely_channels
from napari_spoco._qt.annotate.image_layers import PARTS
from napari_spoco._qt.layers import image_axes, layers
from napari_spoco._qt.notices import Notice
from napari_spoco.data.channels import ChannelStack

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab

_LONGEST_NAME = 40
"""Characters of a name that is made of all names."""


class Combining(QObject):
    """Offers, in the image's form, to combine the chosen image with the layers that may be other channels of it."""

    noticed = Signal(object)  # Notice

    def __init__(self, viewer: napari.viewer.Viewer, tab: AnnotateTab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._tab = viewer, tab
        tab.image.chosen.connect(self._show)
        tab.image_form.combination_requested.connect(self.combine)
        for event in self._events():
            event.connect(self._on_layers_changed)
        self._show()

    def combine(self) -> None:
        """Make one image of the channels, choose it, and let what was painted for one of them belong to it."""
        channels = self._channels()
        if not channels:
            self._show()
            return
        image = combined(channels)
        before = {layers.identity(channel) for channel in channels}
        for layer in (*layers.labels_layers(self._viewer), *layers.shapes_layers(self._viewer)):
            if layers.linked_image(layer) in before:
                layers.link_to_image(layer, image)
        layers.insert_above(self._viewer, channels[-1], image)
        self._tab.image.choose(image)
        text = f"“{image.name}” is one image of {len(channels)} channels; its layers stay on show. Delete it to undo."
        self.noticed.emit(Notice(text, "good"))

    def release(self) -> None:
        """Let go of the viewer."""
        for event in self._events():
            event.disconnect(self._on_layers_changed)

    def _events(self) -> tuple[Any, ...]:
        events = self._viewer.layers.events
        return events.inserted, events.removed, events.renamed, self._viewer.layers.selection.events.changed

    def _on_layers_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self._show()

    def _show(self) -> None:
        self._tab.image_form.show_combinable(tuple(channel.name for channel in self._channels()))

    def _channels(self) -> list[Image]:
        image = self._tab.image.layer()
        return [] if image is None else likely_channels(self._viewer, image)


def combined(channels: Sequence[Image]) -> Image:
    """Return a hidden layer with these as its channels, in their place; nothing is read or copied."""
    first, names = channels[0], [channel.name for channel in channels]
    name = " + ".join(names)
    stacks = [ChannelStack(level) for level in zip(*map(image_axes.levels_of, channels), strict=True)]
    lows, highs = zip(*(channel.contrast_limits for channel in channels), strict=True)
    layer = Image(
        stacks if first.multiscale else stacks[0],
        multiscale=first.multiscale,
        rgb=False,
        name=name if len(name) <= _LONGEST_NAME else f"{first.name} and {len(channels) - 1} more",
        contrast_limits=(min(lows), max(highs)),  # Otherwise napari reads pixels to find out.
        visible=False,
        metadata={PARTS: tuple(map(layers.identity, channels))},
        **image_axes.with_channel_axis(layers.transforms(first)),
    )
    image_axes.set_axes(layer, f"C{image_axes.axes_of(first)}")
    image_axes.name_channels(layer, names)
    return layer
