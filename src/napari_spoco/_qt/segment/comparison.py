"""Compare with the truth, or another result: which layers, the scores in a line, what differs in another, a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from napari_spoco._qt.annotate.image_layers import owner
from napari_spoco._qt.forms.layer_choice import LayerChoice
from napari_spoco._qt.forms.parts import folded, row, sentence
from napari_spoco._qt.forms.swatches import swatch
from napari_spoco._qt.layers import layers
from napari_spoco._qt.segment.mistake_layer import COLOURS

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.segment.comparison_job import Comparison

_SCORES = {
    "arand_error": (
        "Merged or split (ARand)",
        "adapted Rand error, from 0 to 1: how often two pixels are wrongly in one object, or wrongly in two; 0 is "
        "perfect. Large objects count most.",
    ),
    "sbd": (
        "Outlines (SBD)",
        "symmetric best Dice, from 0 to 1: how far each object covers the true one that it fits best; 1 is perfect. "
        "Objects that are missed, or too many, lower it, too.",
    ),
    "abs_dic": (
        "Count off by",
        "difference in count (|DiC|): how many objects too many or too few; 0 is perfect, even if they are wrong ones.",
    ),
    "ap50": (
        "Objects (AP@0.5)",
        "average precision, from 0 to 1: objects that are found, of all that are there or were found; 1 is perfect. "
        "How good their outlines are hardly matters.",
    ),
}
"""Short names, and what they mean."""
_SCORES_NOTE = "An object is found if it shares more than half of all pixels of both (IoU > 0.5). 0 is background."
_COUNTS_HELP = (
    "Of the true objects, each is counted once. Missed: not found, or with a poor outline. Merged: lost to an object "
    "that holds another one too. Split: in several pieces. Extra: found where the truth has nothing."
)
_DIFFERENCES_HELP = (
    "The layer chosen as “With” is a result, too: this says in what the two differ, not which is right; go through the "
    "list below to see. In both: objects that share more than half of all their pixels. Only in the other: there is "
    "none here, or one with quite another outline. Joined: several of the other are one object here. In pieces: one of "
    "the other is several objects here."
)
_LIKENESS_NOTE = "Here they say how like the other result the objects are: 1, or 0 for errors, is the same."
_TRUTH_HELP = (
    "What to compare with, of the same image and shape: a Labels layer that is right, where 0 is background; or "
    "another result. Two models, methods or settings: press Segment with the one, take the other, press Segment again. "
    "What was found first is kept in a layer “… by” the model or “… with” the settings, and offered here."
)
_LIST_HELP = (
    "Choose a line: the view goes there, and the mistake stands out. The layer “… mistakes” shows all of them, in the "
    "colours of this list; point at one, and the status bar says what it is. Gaps within it are where true objects "
    "touch that were merged, and where one was cut that was split."
)
_STALE = " <i>(of before the last change)</i>"
_TITLE_WIDTH = 56
_N_LINES = (6, 14)
"""Of the list, in sight: at least and, where it has so many, at most."""
_MOST_ROWS = 1000


class ComparisonForm(QWidget):
    """Choose objects and truth, press Compare, read what comes of it."""

    compare_requested = Signal()
    chosen = Signal()
    mistake_chosen = Signal(int)

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.objects = LayerChoice(viewer, layers.labels_layers, fixed=(("", "choose a layer"),))
        self.truth = LayerChoice(viewer, self._find_others, fixed=(("", "truth, or another result"),))
        self.objects.chosen.connect(self.truth.refresh)
        self.objects.setToolTip("The Labels layer to judge: the last segmentation, or any other.")
        self.truth.setToolTip(_TRUTH_HELP)
        self.button = QPushButton("Compare")
        self.scores, self.counts = sentence(), sentence()
        self.list = QListWidget()
        self.list.setToolTip(_LIST_HELP)
        self._mistakes = folded("Mistakes", self.list)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row(self.objects, title="Objects", title_width=_TITLE_WIDTH))
        layout.addLayout(row(self.truth, self.button, title="With", title_width=_TITLE_WIDTH))
        for widget in (self.counts, self.scores, self._mistakes):
            layout.addWidget(widget)
        self.button.clicked.connect(self._on_clicked)
        self.list.currentRowChanged.connect(self._on_row_chosen)
        self.list.itemClicked.connect(self._on_item_clicked)
        for choice in (self.objects, self.truth):
            choice.chosen.connect(self.chosen)
        self.show_result(None)

    def show_button(self, *, is_running: bool) -> None:
        """Let Compare be pressed where there is something to compare."""
        objects, truth = self.objects.layer(), self.truth.layer()
        self.button.setText("Comparing …" if is_running else "Compare")
        self.button.setEnabled(not is_running and None not in (objects, truth) and objects is not truth)
        missing = "Choose the objects, and what is right or another result: two Labels layers of one shape."
        ready = "Score the objects, and count what was missed, merged or split, or what differs between two results."
        self.button.setToolTip(ready if self.button.isEnabled() else missing)

    def show_result(self, comparison: Comparison | None) -> None:
        """Show how the objects agree; None = nothing is known."""
        self.list.blockSignals(True)
        self.list.clear()
        for widget in (self.scores, self.counts):
            widget.setVisible(comparison is not None)
        if comparison is not None:
            self.scores.setText(_score_line(comparison))
            self.scores.setToolTip(_score_help(is_truth=comparison.is_truth))
            self.counts.setText(_count_line(comparison))
            self._mistakes.setText("Mistakes" if comparison.is_truth else "Differences")
            self.counts.setToolTip(_COUNTS_HELP if comparison.is_truth else _DIFFERENCES_HELP)
            icons = {kind: swatch(colour) for kind, colour in COLOURS.items()}
            for mistake, text in zip(comparison.mistakes.rows[:_MOST_ROWS], comparison.lines, strict=False):
                self.list.addItem(QListWidgetItem(icons[mistake.kind], text))
        n_lines = min(max(self.list.count(), _N_LINES[0]), _N_LINES[1])
        self.list.setFixedHeight(n_lines * (self.list.fontMetrics().lineSpacing() + 4))
        self._mistakes.setVisible(self.list.count() > 0)
        self.list.blockSignals(False)

    def show_stale(self) -> None:
        """Say that the layers have changed since."""
        if not self.scores.text().endswith(_STALE):
            self.scores.setText(self.scores.text() + _STALE)

    def _find_others(self, viewer: napari.viewer.Viewer) -> list[Layer]:
        """Return what the objects may be compared with: layers of their image, and of none."""
        objects = self.objects.layer()
        image = None if objects is None else owner(viewer, objects)
        others = [layer for layer in layers.labels_layers(viewer) if layer is not objects]
        return [layer for layer in others if image is None or owner(viewer, layer) in (image, None)]

    def release(self) -> None:
        """Let go of the viewer."""
        for choice in (self.objects, self.truth):
            choice.disconnect_viewer()

    def _on_clicked(self) -> None:
        self.compare_requested.emit()

    def _on_row_chosen(self, index: int) -> None:
        if index >= 0:
            self.mistake_chosen.emit(index)

    def _on_item_clicked(self) -> None:
        self.mistake_chosen.emit(self.list.currentRow())


def _score_line(comparison: Comparison) -> str:
    """Return the scores in a line; what says most comes first, which in stacks is the adapted Rand error."""
    names = ["sbd", "abs_dic", "ap50"]
    if comparison.ndim == 3:
        names = ["arand_error", *names]
    values = {name: comparison.scores[name] for name in names}
    shown = (f"{value:.0f}" if name == "abs_dic" else f"{value:.3f}" for name, value in values.items())
    return " · ".join(f"{_SCORES[name][0]}&nbsp;<b>{text}</b>" for name, text in zip(names, shown, strict=True))


def _score_help(*, is_truth: bool) -> str:
    notes = [_SCORES_NOTE] if is_truth else [_SCORES_NOTE, _LIKENESS_NOTE]
    return "<br>".join([*(f"<b>{name}</b>: {meaning}" for name, meaning in _SCORES.values()), *notes])


def _count_line(comparison: Comparison) -> str:
    """Return "38 of 45 objects found, 3 missed, 4 merged, 0 split; 2 extra.", or that of two results."""
    mistakes = comparison.mistakes
    if not comparison.is_truth:
        return (
            f"{mistakes.n_right} in both, {mistakes.n_extra} only here, {mistakes.n_missed} only in the other; of the "
            f"other, {mistakes.n_merged} are joined here and {mistakes.n_split} in pieces."
        )
    return (
        f"{mistakes.n_right} of {mistakes.n_true} objects found, {mistakes.n_missed} missed, {mistakes.n_merged} "
        f"merged, {mistakes.n_split} split; {mistakes.n_extra} extra."
    )
