"""What a training starts from: a new model, the current one, or a training that was stopped."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox

from napari_spoco._qt.forms.editors import ignore_wheel
from napari_spoco._qt.forms.eliding_choice import ElidingChoice
from napari_spoco._qt.session import Start
from napari_spoco.models.registry import describe_shipped, shipped_models

_TEXTS = {
    Start.NEW: "a new model",
    Start.RESUME: "the last run",
}
_OTHER = "another run …"
_IN_USE = "in use: {}"


def advise_start(start: Start, model_summary: str, ndim: int | None) -> str:
    """Say what is started from; of a new model, which shipped one may know such an image already.

    Parameters
    ----------
    start
        What is chosen.
    model_summary
        What the model in use is called; empty without one.
    ndim
        Number of spatial axes of an image of one channel; None for other images, which no shipped model knows.
    """
    if start is Start.FINE_TUNE:
        return f"The model in use: {model_summary}."
    known = [name for name in shipped_models() if describe_shipped(name).startswith(f"{ndim}D")]
    if start is Start.RESUME or not known:
        return ""
    models = "; ".join(f"{name} ({describe_shipped(name)})" for name in known)
    return f"A new model knows nothing yet. If your image is alike, start from {models}: less to paint, less to wait."


class StartChoice(ElidingChoice):
    """Offers what is possible, shipped models by name, and to look for another run."""

    chosen = Signal(object)  # Start
    shipped_requested = Signal(str)
    other_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._starts: tuple[Start, ...] = ()
        self._start = Start.NEW
        self.setToolTip(
            "A new model knows nothing. The model in use, or one that ships with the plugin, is fine-tuned at a lower "
            "rate; it never gets worse by that. A run that was stopped, or killed, is resumed where it was last saved; "
            "one that came to its end is trained on, for the steps and minutes of the fields once more. “another run "
            "…” asks for the folder of an earlier one."
        )
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        ignore_wheel(self)
        self.activated.connect(self._on_activated)

    @property
    def start(self) -> Start:
        """What is chosen."""
        return self._start

    def offer(self, starts: tuple[Start, ...], start: Start, model: str, loading: str = "") -> None:
        """Offer these, and show which one it is.

        Parameters
        ----------
        starts, start
            What is possible, and what is chosen.
        model, loading
            What the model in use is called, and the one that is being loaded, which is shown as chosen by now.
        """
        texts = [_IN_USE.format(model) if one is Start.FINE_TUNE else _TEXTS[one] for one in starts]
        shipped = [name for name in shipped_models() if name != model]
        items = [*texts, *shipped, *([loading] if loading and loading not in shipped else []), _OTHER]
        if items != [self.itemText(index) for index in range(self.count())]:
            self.clear()
            self.addItems(items)
            for name in shipped:
                self.setItemData(self.findText(name), describe_shipped(name), Qt.ItemDataRole.ToolTipRole)
        self._starts, self._start = starts, start
        self.setCurrentIndex(self.findText(loading) if loading else starts.index(start))

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
