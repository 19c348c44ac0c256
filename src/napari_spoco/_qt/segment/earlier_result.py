"""What another model has found in an image: kept as a layer of its own when the next result takes its place.

The next result of one model replaces the last; so there would be nothing to compare two models by. Of each layer of
objects the result of the model before the last is kept, and no more: each may be as large as the image.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from napari.layers import Labels

from napari_spoco._qt.annotate.image_layers import owner
from napari_spoco._qt.layers import MAKER, insert_above, transforms

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Layer
    from numpy.typing import NDArray


class ModelInUse(NamedTuple):
    """Its file, and what it is called."""

    path: str | None
    name: str


class EarlierResults:
    """Keeps results in layers next below those that have taken their places, out of sight.

    Parameters
    ----------
    viewer
        Whose layers.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._found: WeakKeyDictionary[Layer, tuple[NDArray[Any], ModelInUse]] = WeakKeyDictionary()
        self._kept: WeakKeyDictionary[Layer, Callable[[], Layer | None]] = WeakKeyDictionary()

    def note(self, objects: Layer, model: ModelInUse) -> Layer | None:
        """Take note of what a model has found; return the layer of what another one found there just before.

        A layer that the user has edited is left to him, and the next one is made anew.
        """
        pixels, earlier = self._found.get(objects, (None, model))
        self._found[objects] = objects.data, model
        return None if earlier.path == model.path else self._keep(objects, pixels, f"{objects.name} by {earlier.name}")

    def _keep(self, objects: Layer, pixels: NDArray[Any], name: str) -> Layer:
        layer = self._kept.pop(objects, _nothing)()  # Not ours while it changes.
        if layer is not None and layer in self._viewer.layers:
            layer.data, layer.name = pixels, name
        else:
            metadata = {MAKER: objects.metadata[MAKER]}
            layer = Labels(pixels, name=name, visible=False, metadata=metadata, **transforms(objects))
            insert_above(self._viewer, owner(self._viewer, objects), layer)
            for event in (layer.events.paint, layer.events.labels_update, layer.events.data):
                event.connect(self._on_changed)
        self._kept[objects] = weakref.ref(layer)
        return layer

    def _on_changed(self, event: Any) -> None:
        for objects, kept in list(self._kept.items()):
            if kept() is event.source:
                del self._kept[objects]


def _nothing() -> None:
    return None
