"""What another model, or the same one with other settings, has found in an image: kept when the next result comes.

The next result replaces the last in its layer; so there would be nothing to compare it with. Of each image the result
of the model before the last is kept in a layer of its own, and that of the settings before the last, and no more: each
may be as large as the image. Where the last result stands in another layer it is kept already.

How a result was found is noted at its layer, in words that a project keeps.
"""

from __future__ import annotations

import json
import weakref
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from napari.layers import Labels

from napari_spoco._qt.annotate.image_layers import owner
from napari_spoco._qt.layers.layers import FOUND_BY, MAKER, insert_above, mark, mark_of, transforms
from napari_spoco._qt.layers.result_roles import find_layer_of, give_role
from napari_spoco._qt.notices import changed_settings
from napari_spoco.config import SegmentationConfig

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_spoco._qt.layers.result_roles import Role

_MOST_SETTINGS = 2
"""In the name of a layer."""


class ModelInUse(NamedTuple):
    """Its file, what it is called, and with which settings objects are found."""

    path: str | None
    name: str
    settings: SegmentationConfig = SegmentationConfig()

    def noted(self) -> str:
        """Return it as JSON."""
        settings = self.settings.model_dump(mode="json", exclude_defaults=True)
        return json.dumps({"path": self.path, "name": self.name, "settings": settings})

    @classmethod
    def read(cls, noted: str) -> ModelInUse | None:
        """Return what `noted` has returned; None for anything else, such as settings that there are no longer."""
        try:
            known = json.loads(noted)
            return cls(known["path"], known["name"], SegmentationConfig(**known["settings"]))
        except (ValueError, KeyError, TypeError):
            return None


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
        for layer in viewer.layers:
            self._adopt(layer)
        viewer.layers.events.inserted.connect(self._on_inserted)

    def end(self) -> None:
        """Let go of the viewer."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)

    def note(self, objects: Layer, model: ModelInUse) -> Layer | None:
        """Take note of what a model has found; return the layer of what was found otherwise just before.

        A layer that the user has edited is left to him, and the next one is made anew.
        """
        image = objects.metadata[MAKER]
        last = self._last.get(image, _nothing)()
        self._last[image] = weakref.ref(objects)
        pixels, earlier = self._found.get(objects, (None, model))
        self._found[objects] = objects.data, model
        mark(objects, FOUND_BY, model.noted())
        if last is not None and last is not objects and last in self._viewer.layers:
            return last
        if earlier.path != model.path:
            return self._keep("by model", objects, pixels, f"{objects.name} by {earlier.name}")
        others = list(islice(changed_settings(earlier.settings, model.settings), _MOST_SETTINGS))
        if others:
            return self._keep("by settings", objects, pixels, f"{objects.name} with {', '.join(others)}")
        return None

    def _keep(self, role: Role, objects: Layer, pixels: NDArray[Any], name: str) -> Layer:
        layer = find_layer_of(self._viewer, objects.metadata[MAKER], role)
        if layer is not None:
            layer.data, layer.name = pixels, name
        else:
            metadata = {MAKER: objects.metadata[MAKER]}
            layer = Labels(pixels, name=name, visible=False, metadata=metadata, **transforms(objects))
            insert_above(self._viewer, owner(self._viewer, objects), layer)
        give_role(layer, role)
        return layer

    def _adopt(self, layer: Layer) -> None:
        """Take note of a result that was there before, or was restored."""
        found_by = ModelInUse.read(mark_of(layer, FOUND_BY) or "")
        if found_by is not None:
            self._last[layer.metadata[MAKER]] = weakref.ref(layer)
            self._found[layer] = layer.data, found_by

    def _on_inserted(self, event: Any) -> None:
        self._adopt(event.value)


def _nothing() -> None:
    return None
