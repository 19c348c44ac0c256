"""A combo box of layers that follows the viewer: layers come, go, move and are renamed."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_spoco._qt.forms.editors import ignore_wheel
from napari_spoco._qt.forms.eliding_choice import ElidingChoice

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Layer


class LayerChoice(ElidingChoice):
    """Choose one of the layers that `find` returns.

    Parameters
    ----------
    viewer
        Whose layers.
    find
        Returns the layers on offer, in the order of the list.
    fixed
        Entries before the layers: (key, text); the first one stands for "no layer".
    takes_first
        Whether the first layer is chosen where none is, unless the user has chosen so.
    """

    chosen = Signal()

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        find: Callable[[napari.viewer.Viewer], list[Layer]],
        *,
        fixed: tuple[tuple[str, str], ...],
        takes_first: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._find, self._fixed, self._takes_first = viewer, find, fixed, takes_first
        self._layers: list[weakref.ref[Layer]] = []
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        ignore_wheel(self)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self._on_layers_changed)
        self.activated.connect(self._on_activated)
        self.refresh()

    def layer(self) -> Layer | None:
        """Return the chosen layer."""
        index = self.currentIndex() - len(self._fixed)
        return self._layers[index]() if 0 <= index < len(self._layers) else None

    def key(self) -> str | None:
        """Return the key of the chosen fixed entry; None while a layer is chosen."""
        index = self.currentIndex()
        return self._fixed[index][0] if 0 <= index < len(self._fixed) else None

    def choose(self, wanted: Layer | str) -> None:
        """Choose a layer, or a fixed entry by its key."""
        if isinstance(wanted, str):
            index = next(i for i, (key, _) in enumerate(self._fixed) if key == wanted)
        else:
            self.refresh()
            index = len(self._fixed) + [layer() for layer in self._layers].index(wanted)
        if index != self.currentIndex():
            self.setCurrentIndex(index)
            self.chosen.emit()

    def refresh(self) -> None:
        """List the layers anew; the choice stays, unless its layer is gone."""
        before, key = self.layer(), self.key()
        is_meant = key is not None and bool(self._layers)  # There were layers to choose instead.
        layers = self._find(self._viewer)
        self.clear()
        self.addItems([text for _, text in self._fixed])
        self.addItems([layer.name for layer in layers])
        self._layers = [weakref.ref(layer) for layer in layers]
        if before is not None and before in layers:
            self.setCurrentIndex(len(self._fixed) + layers.index(before))
        elif layers and self._takes_first and not is_meant:
            self.setCurrentIndex(len(self._fixed))
        elif key is not None:
            self.setCurrentIndex([fixed for fixed, _ in self._fixed].index(key))
        if self.layer() is not before:
            self.chosen.emit()

    def disconnect_viewer(self) -> None:
        """Follow the viewer no longer."""
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.disconnect(self._on_layers_changed)

    def _on_layers_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self.refresh()

    def _on_activated(self, _index: int) -> None:
        self.chosen.emit()
