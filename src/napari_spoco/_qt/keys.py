"""Keys on layers of ours: an action has its own, unless the user wishes another one in the Preferences.

napari 0.9 lists shortcuts of its own actions, but keeps those of plugins badly: an edit while the plugin is not open
forgets them, and each one is a warning at the next start. So ours are on the plugin's own page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app_model import Application
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from napari.layers import Layer


def napari_keys(kind: type[Layer] = Labels) -> set[str]:
    """Return the keys that napari has itself while a layer of this kind is selected, those of its menus too.

    Other kinds of layers have keys of their own, which do nothing then; ours do nothing while one of them is selected.
    """
    on_layers = {str(key) for provider in (kind, ViewerModel) for base in provider.__mro__ for key in _keymap(base)}
    application = Application.get_app("napari")
    menus = () if application is None else application.keybindings
    return on_layers | {str(coerce_keybinding(str(entry.keybinding))) for entry in menus}


def normalize(key: str) -> str:
    """Return a key as napari writes it, "Shift+A" for "shift-a"; raises ValueError for what is none."""
    text = str(coerce_keybinding("+".join(part.capitalize() for part in key.replace("-", "+").split("+"))))
    if not text:
        raise ValueError(f"“{key}” is not a key: expected such as A, F5 or Shift+A.")
    return text


class KeyChoice(QObject):
    """The keys of a group of actions; `changed` comes when the user has chosen others.

    Parameters
    ----------
    defaults
        The key of each action, by its name.
    """

    changed = Signal()

    def __init__(self, defaults: Mapping[str, str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._defaults = dict(defaults)
        self._keys = dict(defaults)

    @property
    def names(self) -> tuple[str, ...]:
        """The actions."""
        return tuple(self._keys)

    def key(self, name: str) -> str:
        """Return the key of an action; empty where it has none."""
        return self._keys[name]

    def wish(self, wished: Mapping[str, str]) -> list[str]:
        """Take the user's keys; return a sentence for each that cannot be had, and whose action keeps its default."""
        keys, refusals = {}, []
        for name, default in self._defaults.items():
            try:
                keys[name] = self._check(wished.get(name, default), keys)
            except ValueError as error:
                keys[name] = "" if default in keys.values() else default
                stays = f"stays {default}" if keys[name] else "has no key"
                refusals.append(f"{name.replace('_', ' ').capitalize()} {stays}: {error}")
        if keys != self._keys:
            self._keys = keys
            self.changed.emit()
        return refusals

    def _check(self, wish: str, keys: Mapping[str, str]) -> str:
        if not wish.strip():
            return ""
        key = normalize(wish.strip())
        if key in keys.values():
            raise ValueError(f"{key} is the key of another action.")
        if key in napari_keys():
            raise ValueError(f"{key} is one of napari's own keys.")
        return key


class LayerKeys(QObject):
    """Binds the keys of a group on one layer until `end`; `pressed` brings the name of the action.

    Parameters
    ----------
    layer, choice
        The layer, and the keys.
    names
        The actions; all by default.
    without
        Keys that are left alone on this layer.
    """

    pressed = Signal(str)

    def __init__(
        self,
        layer: Layer,
        choice: KeyChoice,
        names: Collection[str] | None = None,
        *,
        without: Collection[str] = (),
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._layer, self._choice = layer, choice
        self._names, self._without = choice.names if names is None else names, without
        self._bound: list[str] = []
        choice.changed.connect(self._bind)
        self._bind()

    def end(self) -> None:
        """Take the keys from the layer."""
        self._choice.changed.disconnect(self._bind)
        self._unbind()

    def _bind(self) -> None:
        self._unbind()
        for name in self._names:
            if (key := self._choice.key(name)) and key not in self._without:
                self._layer.bind_key(key, self._slot(name), overwrite=True)
                self._bound.append(key)

    def _unbind(self) -> None:
        for key in self._bound:
            self._layer.bind_key(key, None)
        self._bound.clear()

    def _slot(self, name: str) -> Callable[[Layer], None]:
        def on_key_pressed(_layer: Layer) -> None:  # napari asks for its name, which a partial has not.
            self.pressed.emit(name)

        return on_key_pressed


def _keymap(kind: Any) -> Mapping[Any, Any]:
    return vars(kind).get("class_keymap", {})
