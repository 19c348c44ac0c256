"""The layers that the plugin writes over an image.

They come and go at the user's will: nothing here trusts that a layer of a moment ago is still in the viewer. One result
of an image is on show at a time, and none comes up over what somebody paints on.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import CyclicLabelColormap

from napari_spoco._qt.annotate.image_layers import WHOLE
from napari_spoco._qt.layers.layers import MAKER, PASSING, identity, insert_above, mark, mark_of, transforms
from napari_spoco._qt.layers.painting_watch import PaintingWatch
from napari_spoco._qt.layers.result_roles import find_layer_of, free_title, give_role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import napari.viewer
    from napari.layers import Layer
    from numpy.typing import NDArray

_PICK_COLOURS = ("transparent", "#ffe14d59", "#ffe14d", "black")
"""Of the object under the pointer: its middle, and two lines at its edge, one of which stands off whatever is below.

A round of colours, as napari has for labels anyway: the first layer of a session with colours by label takes it half a
second longer."""
_PICK_LINE = 2
"""Width of each, in pixels of the screen."""


class ResultLayers:
    """The layers that the plugin writes: a picture of the embeddings, objects, and a preview of them, per image."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._pictures: dict[str, Callable[[], Layer | None]] = {}  # by the identity of their images
        self._dismissed: set[str] = set()
        self._passing: dict[str, Callable[[], Layer | None]] = {}
        self._hidden: set[str] = set()  # names of passing layers; what the user has hidden stays so
        self._put_by: weakref.WeakSet[Layer] = weakref.WeakSet()  # for the preview
        self._painting = PaintingWatch(viewer)

    def begin(self) -> None:
        """Begin a run: a picture that the user has deleted may come back."""
        self._dismissed.clear()
        self.expect()

    def expect(self) -> None:
        """Take note that the user has asked for a result, and does not paint until the next stroke."""
        self._painting.begin()

    def end(self) -> None:
        """Let go of the layers."""
        self._painting.end()

    def show_embeddings(
        self,
        image: Layer,
        rgb: NDArray[np.uint8],
        start: Sequence[int] | None = None,
        *,
        is_asked: bool | None = None,
    ) -> None:
        """Show a picture of the embeddings over the image, in place; once deleted, it stays so for this run.

        Parameters
        ----------
        image
            The layer whose box is shown.
        rgb
            uint8 (*spatial, 3).
        start
            First pixel of the box in the image.
        is_asked
            Whether it is shown alone, or, if it is new, stays out of sight; None leaves other results alone.
        """
        name = f"{image.name} embeddings"
        key = identity(image)
        picture = self._pictures.get(key, _nothing)()
        if picture is not None and picture not in self._viewer.layers:
            self._dismissed.add(key)
            del self._pictures[key]
        if key in self._dismissed:
            return
        placed = transforms(image, start)
        picture = find_layer_of(self._viewer, key, "embeddings") if picture is None else picture
        if picture is not None:
            picture.data = rgb
            picture.translate = placed["translate"]
        else:
            visible = is_asked is not False and not self._painting.is_painting
            picture = Image(rgb, rgb=True, name=name, opacity=0.7, metadata={MAKER: key}, visible=visible, **placed)
            give_role(picture, "embeddings")
            insert_above(self._viewer, image, picture)
        self._pictures[key] = weakref.ref(picture)
        if is_asked and not self._painting.is_painting:
            self._hide_passing("preview")
            self._show_alone(image, picture)

    def show_objects(self, image: Layer, labels: NDArray[np.uint32]) -> Layer:
        """Show found objects over the image; the last result is replaced unless the user has edited or reviewed it.

        Returns
        -------
        Layer
            The Labels layer; on top and selected, unless somebody paints: then it lies on the image.
        """
        self.hide_preview()
        layer = find_layer_of(self._viewer, identity(image), "objects")
        if layer is not None:
            layer.data = labels
        else:
            name = free_title(self._viewer, f"{image.name} objects")
            layer = Labels(labels, name=name, metadata={MAKER: identity(image)}, **transforms(image))
            if self._painting.is_painting:
                insert_above(self._viewer, image, layer)
            else:
                self._viewer.add_layer(layer)
        give_role(layer, "objects")
        self._show_alone(image, layer)
        if not self._painting.is_painting:
            self._viewer.layers.selection.active = layer
        return layer

    def show_preview(self, image: Layer, labels: NDArray[np.uint32], start: Sequence[int]) -> None:
        """Show the objects of a box of the image that begins at a pixel, in place of what was found before."""
        self._show_passing("preview", image, labels, start)
        layer = self._passing["preview"]()
        if layer is not None and layer.visible:
            self._put_by.update(self._show_alone(image, layer))

    def hide_preview(self) -> None:
        """Put the preview by until it is shown again: to remove a layer holds napari far longer."""
        self._hide_passing("preview")
        self._bring_back()

    def drop_preview(self) -> None:
        """Take the preview away; what it was shown in place of comes back."""
        self._drop_passing("preview")
        self._bring_back()

    def show_pick(self, image: Layer, mask: NDArray[np.bool_], start: Sequence[int]) -> None:
        """Show the object under the pointer, a box of the image that begins at a pixel, on top of all layers."""
        width = math.ceil(_PICK_LINE / (self._viewer.scene.camera.zoom * float(image.scale[-1])))
        box = _box_around(mask)
        begins = [first + part.start for first, part in zip(start, box, strict=True)]
        self._show_passing("pick", image, _outlined(mask[box], width), begins)

    def hide_pick(self) -> None:
        """Put the object under the pointer by; the pointer comes and goes."""
        self._hide_passing("pick")

    def drop_pick(self) -> None:
        """Take the object under the pointer away."""
        self._drop_passing("pick")

    def _show_passing(self, name: str, image: Layer, labels: NDArray[Any], start: Sequence[int]) -> None:
        layer = self._passing.get(name, _nothing)()
        placed = transforms(image, start)
        visible = name != "preview" or not self._painting.is_painting
        if layer is not None and layer in self._viewer.layers and layer.metadata[MAKER] == identity(image):
            layer.data = labels
            layer.translate = placed["translate"]
            if name == "pick" and layer is not self._viewer.layers[-1]:
                self._viewer.layers.move(self._viewer.layers.index(layer), len(self._viewer.layers))
            if name in self._hidden and visible:
                self._hidden.remove(name)
                layer.visible = True
            return
        self._drop_passing(name)
        how = {"opacity": 0.5, "metadata": {MAKER: identity(image)}, "visible": visible}
        if name == "pick":
            how |= {"opacity": 1.0, "colormap": CyclicLabelColormap(colors=_PICK_COLOURS, background_value=0)}
        layer = Labels(labels, name=f"{image.name} {name}", **how, **placed)
        mark(layer, PASSING, True)
        if not visible:
            self._hidden.add(name)
        below = self._viewer.layers[-1] if name == "pick" else self._pictures.get(identity(image), _nothing)()
        insert_above(self._viewer, image if below is None else below, layer)
        self._passing[name] = weakref.ref(layer)

    def _hide_passing(self, name: str) -> None:
        layer = self._passing.get(name, _nothing)()
        if layer is not None and layer.visible:
            self._hidden.add(name)
            layer.visible = False

    def _drop_passing(self, name: str) -> None:
        self._hidden.discard(name)
        layer = self._passing.pop(name, _nothing)()
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _show_alone(self, image: Layer, wanted: Layer) -> list[Layer]:
        """Show one result of an image, and hide the others of it, and of the one that it is a part of; return these."""
        images = (identity(image), image.metadata.get(WHOLE))
        others = [
            layer
            for layer in self._viewer.layers
            if layer != wanted and layer.visible and not mark_of(layer, PASSING)
            if layer.metadata.get(MAKER, self) in images
        ]
        for layer in others:
            layer.visible = False
        if not wanted.visible:
            wanted.visible = True
        return others

    def _bring_back(self) -> None:
        for layer in self._viewer.layers:
            if layer in self._put_by:
                layer.visible = True
        self._put_by.clear()


def _box_around(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the box of what is True in a mask (*spatial); all of it where nothing is."""
    box = []
    for axis in range(mask.ndim):
        places = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, mask.shape[axis]))
    return tuple(box)


def _outlined(mask: NDArray[np.bool_], width: int) -> NDArray[np.uint8]:
    """Return a mask (*spatial) as places in `_PICK_COLOURS`, each line so many pixels wide in the last two axes."""
    inside = _shrunk(mask, width)
    return 3 * mask.view(np.uint8) - inside.view(np.uint8) - _shrunk(inside, width).view(np.uint8)


def _shrunk(mask: NDArray[np.bool_], n_pixels: int) -> NDArray[np.bool_]:
    """Return the pixels of a mask (*spatial) farther than so many steps from all others, along the last two axes.

    What is beyond the mask's sides counts as outside. The steps double: what is n pixels inside has others that are so,
    up to n further on each way, if and only if it is that much farther inside.
    """
    n_done = 0
    while n_done < n_pixels:
        step = min(max(n_done, 1), n_pixels - n_done)
        mask = _laid_over(mask, step)
        n_done += step
    return mask


def _laid_over(mask: NDArray[np.bool_], step: int) -> NDArray[np.bool_]:
    """Return the pixels of a mask (*spatial) that are in it, too, a step further on each way in the last two axes."""
    over = mask.copy()
    over[..., :step, :] = over[..., -step:, :] = over[..., :step] = over[..., -step:] = False
    over[..., step:, :] &= mask[..., :-step, :]
    over[..., :-step, :] &= mask[..., step:, :]
    over[..., step:] &= mask[..., :-step]
    over[..., :-step] &= mask[..., step:]
    return over


def _nothing() -> None:
    return None
