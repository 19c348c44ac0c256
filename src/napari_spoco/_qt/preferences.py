"""Reads the page SPOCO in napari's Preferences: what the user has set there, and follows it.

napari makes the page from `configurations` in the manifest, and keeps it in a file of its own beside its settings. This
module alone knows how the groups of the page are called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_spoco._qt.keys import KeyChoice
    from napari_spoco._qt.train.training_settings import TrainingSettings

PLUGIN = "napari-spoco"
_FILES, _MACHINE = "files", "machine"


def find_page() -> Any:
    """Return the page; None where napari knows no such plugin, as in a copy that is not installed."""
    from napari.settings import get_plugin_settings

    return get_plugin_settings().get(PLUGIN)


class Preferences(QObject):
    """Follows the page until `end`; where there is none, nothing is preferred.

    Parameters
    ----------
    page
        What `find_page` returns.
    """

    noticed = Signal(object)  # Notice

    def __init__(self, page: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._page = page
        self._settings: TrainingSettings | None = None
        self._keys: Mapping[str, KeyChoice] = {}
        self._preferred: dict[str, Any] = {}

    def folder(self, default: Path) -> Path:
        """Return the folder of models and embeddings; a name without a beginning is one in the user's home."""
        name = str(self._values(_FILES).get("folder", "")).strip()
        return Path.home() / Path(name).expanduser() if name else default

    def follow(self, settings: TrainingSettings, keys: Mapping[str, KeyChoice]) -> None:
        """Let the settings of a training, and keys by the names of their groups, be as the page says, now and later."""
        self._settings, self._keys = settings, keys
        for name in (_MACHINE, *keys):
            if self._page is not None:
                getattr(self._page, name).events.connect(self._on_changed)
        self._on_changed()

    def end(self) -> None:
        """Follow the page no longer."""
        if self._page is not None and self._settings is not None:
            for name in (_MACHINE, *self._keys):
                getattr(self._page, name).events.disconnect(self._on_changed)
        self._settings, self._keys = None, {}

    def _on_changed(self, _event: Any = None) -> None:
        if not isalive(self) or self._settings is None:
            return
        machine = self._values(_MACHINE)
        if machine:
            machine["threads"] = machine["threads"] or None
        # What the user has set in the tab stays, unless it is this that has been changed on the page.
        self._settings.prefer({key: value for key, value in machine.items() if self._preferred.get(key, ...) != value})
        self._preferred = machine
        for group, choice in self._keys.items():
            for refusal in choice.wish(self._values(group)):
                self.noticed.emit(Notice(refusal, "bad"))

    def _values(self, group: str) -> dict[str, Any]:
        return {} if self._page is None else getattr(self._page, group).model_dump()
