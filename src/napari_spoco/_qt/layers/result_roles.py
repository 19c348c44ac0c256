"""Which of our layers the next result takes the place of: told by their marks, so that a restored layer is one, too.

A layer has its role until the user changes its pixels: from then on it is his, and whatever comes next has a layer of
its own. So has a layer something of which is reviewed, and one that the user has made by duplicating another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari.layers import Labels

from napari_spoco._qt.layers.layers import MAKER, mark, mark_of
from napari_spoco._qt.review.review_notes import is_reviewed

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

Role = Literal["", "objects", "by model", "by settings", "embeddings"]
"""The last objects of an image, those of the model before, those of the settings before, and a picture."""
_ROLE = "napari-spoco role"
"""Key of the mark."""


def give_role(layer: Layer, role: Role) -> None:
    """Let a layer have a role until its pixels are changed; whoever changes them for the plugin gives it anew."""
    mark(layer, _ROLE, role)
    if isinstance(layer, Labels):
        for event in (layer.events.paint, layer.events.labels_update, layer.events.data):
            event.connect(_on_changed)


def role_of(layer: Layer) -> Role:
    """Return the role of a layer, empty where it has none."""
    return mark_of(layer, _ROLE) or ""


def find_layer_of(viewer: napari.viewer.Viewer, image_key: str, role: Role) -> Layer | None:
    """Return the topmost layer that has a role for an image of this identity; None where there is none."""
    for layer in list(viewer.layers)[::-1]:
        if layer.metadata.get(MAKER) == image_key and role_of(layer) == role and not is_reviewed(layer):
            return layer
    return None


def free_title(viewer: napari.viewer.Viewer, title: str) -> str:
    """Return a name for a layer that no other has: "cells objects", "cells objects 2", and so on."""
    names = {layer.name for layer in viewer.layers}
    number, free = 1, title
    while free in names:
        number += 1
        free = f"{title} {number}"
    return free


def _on_changed(event: Any) -> None:
    event.source.metadata.pop(_ROLE, None)
