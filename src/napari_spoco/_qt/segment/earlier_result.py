"""What another model, or the same one with other settings, has found in an image: kept when the next result comes.

The next result replaces the last in its layer; so there would be nothing to compare it with. Of each layer of objects
the result of the model before the last is kept in a layer of its own, and that of the settings before the last, and no
more: each may be as large as the image. Where the last result stands in another layer it is kept already.
"""

from __future__ import annotations

import weakref
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from napari.layers import Labels

from napari_spoco._qt.annotate.image_layers import owner
from napari_spoco._qt.layers.layers import MAKER, insert_above, transforms
from napari_spoco._qt.notices import changed_settings
from napari_spoco.config import SegmentationConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Layer
    from numpy.typing import NDArray


_MOST_SETTINGS = 2
"""In the name of a layer."""


class ModelInUse(NamedTuple):
    """Its file, what it is called, and with which settings objects are found."""

    path: str | None
    name: str
    settings: SegmentationConfig = SegmentationConfig()


class _Kept(WeakKeyDictionary["Layer", "Callable[[], Layer | None]"]):
    """Kept layers by the layer of objects that has taken their place."""


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
        self._last: dict[str, weakref.ref[Layer]] = {}  # by the identity of the image
        self._by_model, self._by_settings = _Kept(), _Kept()

    def note(self, objects: Layer, model: ModelInUse) -> Layer | None:
        """Take note of what a model has found; return the layer of what was found otherwise just before.

        A layer that the user has edited is left to him, and the next one is made anew.
        """
        image = objects.metadata[MAKER]
        last = self._last.get(image, _nothing)()
        self._last[image] = weakref.ref(objects)
        pixels, earlier = self._found.get(objects, (None, model))
        self._found[objects] = objects.data, model
        if last is not None and last is not objects and last in self._viewer.layers:
            return last
        if earlier.path != model.path:
            return self._keep(self._by_model, objects, pixels, f"{objects.name} by {earlier.name}")
        others = list(islice(changed_settings(earlier.settings, model.settings), _MOST_SETTINGS))
        if others:
            return self._keep(self._by_settings, objects, pixels, f"{objects.name} with {', '.join(others)}")
        return None

    def _keep(self, kept: _Kept, objects: Layer, pixels: NDArray[Any], name: str) -> Layer:
        layer = kept.pop(objects, _nothing)()  # Not ours while it changes.
        if layer is not None and layer in self._viewer.layers:
            layer.data, layer.name = pixels, name
        else:
            metadata = {MAKER: objects.metadata[MAKER]}
            layer = Labels(pixels, name=name, visible=False, metadata=metadata, **transforms(objects))
            insert_above(self._viewer, owner(self._viewer, objects), layer)
            for event in (layer.events.paint, layer.events.labels_update, layer.events.data):
                event.connect(self._on_changed)
        kept[objects] = weakref.ref(layer)
        return layer

    def _on_changed(self, event: Any) -> None:
        for kept in (self._by_model, self._by_settings):
            for objects in [objects for objects, layer in kept.items() if layer() is event.source]:
                del kept[objects]


def _nothing() -> None:
    return None
