"""What a training starts from: a new model, the current one, or a training that was stopped."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox

from napari_spoco._qt.editors import ignore_wheel
from napari_spoco._qt.session import Start
from napari_spoco.models.registry import shipped_models

_TEXTS = {
    Start.NEW: "a new model",
    Start.FINE_TUNE: "the current model",
    Start.RESUME: "the last run",
}
_OTHER = "another run …"


class StartChoice(QComboBox):
    """Offers what is possible, shipped models by name, and to look for another run."""

    chosen = Signal(object)  # Start
    shipped_requested = Signal(str)
    other_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._starts: tuple[Start, ...] = ()
        self._start = Start.NEW
        self.setToolTip(
            "A new model knows nothing. The current model, or one that ships with the plugin, is fine-tuned at a lower "
            "rate; it never gets worse by that. A run that was stopped, or "
            "killed, is resumed where it was last saved; its folder tells an earlier one."
        )
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        ignore_wheel(self)
        self.activated.connect(self._on_activated)

    @property
    def start(self) -> Start:
        """What is chosen."""
        return self._start

    def offer(self, starts: tuple[Start, ...], start: Start) -> None:
        """Offer these, and show which one it is."""
        if starts != self._starts:
            self.clear()
            self.addItems([*(_TEXTS[offered] for offered in starts), *shipped_models(), _OTHER])
        self._starts, self._start = starts, start
        self.setCurrentIndex(starts.index(start))

    def _on_activated(self, index: int) -> None:
        if index < len(self._starts):
            self.chosen.emit(self._starts[index])
            return
        name = self.itemText(index)
        self.setCurrentIndex(self._starts.index(self._start))
        if name == _OTHER:
            self.other_requested.emit()
        else:
            self.shipped_requested.emit(name)
