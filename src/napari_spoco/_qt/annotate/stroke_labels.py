"""With which ids background and ignored regions are painted: the settings of the training say it.

An id that is picked here is one that nothing has. It is noted in the metadata of the layer that it was picked for, so
that it comes back with the layer, and in another layer, where it may be an object, nobody takes it for a stroke.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from napari_spoco._qt.annotate.stroke_colours import StrokeColours
from napari_spoco.data.annotations import BACKGROUND, IGNORE
from napari_spoco.data.free_ids import free_stroke_id

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari.layers import Layer

    from napari_spoco._qt.jobs.files_job import AnnotationSummary
    from napari_spoco._qt.train.training_settings import TrainingSettings
    from napari_spoco.config import AnnotationConfig

Stroke = Literal["background_label", "ignore_label"]
STROKES: dict[Stroke, tuple[str, int]] = {
    "background_label": ("background", BACKGROUND),
    "ignore_label": ("ignored", IGNORE),
}
"""Fields of `AnnotationConfig`: what the window calls them, and what they state."""
KEPT = "napari-spoco strokes"
"""Key of a layer's metadata; the value is a dict of fields of `AnnotationConfig` to ids."""


class StrokeLabels:
    """Reads and sets the ids in the settings, and shows them in the colours of strokes.

    Parameters
    ----------
    settings
        Of the training.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        self._settings = settings
        self._picked: dict[Stroke, int] = {}
        self._layer: Layer | None = None
        self._unchecked: Layer | None = None
        self._colours = StrokeColours()
        settings.changed.connect(self._show)

    @property
    def meaning(self) -> AnnotationConfig:
        """What painted ids mean; raises ValueError where the settings are wrong."""
        return self._settings.annotations()

    @property
    def reserved(self) -> tuple[int, ...]:
        """Ids that no object may get."""
        labels = (getattr(self.meaning, stroke) for stroke in STROKES)
        return tuple(label for label in labels if label is not None)

    def pick(self, layer: Layer, stroke: Stroke, ids: Collection[int], *, limit: int) -> int:
        """Return the id for a kind of stroke; where none is set, choose one that is not among the ids, and set it.

        Raises
        ------
        ValueError
            No id up to the limit is free.
        """
        label = getattr(self.meaning, stroke)
        if label is None:
            label = free_stroke_id([*ids, *self.reserved], limit=limit)
            self._set({stroke: label})
            self._picked[stroke] = label
        layer.metadata[KEPT] = {**layer.metadata.get(KEPT, {}), stroke: label}
        return int(label)

    def follow(self, layer: Layer | None) -> None:
        """Mean by ids what they mean in this layer, where that was once said."""
        if self._layer is not None:
            self._layer.events.colormap.disconnect(self._show)
        self._layer = self._unchecked = layer
        if layer is not None:
            layer.events.colormap.connect(self._show)
        kept: dict[Stroke, int] = {} if layer is None else layer.metadata.get(KEPT, {})
        self._picked |= kept
        if kept:
            self._set(kept)
        self._show()

    def check(self, layer: Layer, summary: AnnotationSummary) -> str:
        """Look once at what is painted in a layer that is new here.

        Returns
        -------
        str
            A sentence, where it has objects with an id that was picked for strokes in another layer: these ids mean
            strokes no longer. Else empty.
        """
        if self._unchecked is not layer:
            return ""
        self._unchecked = None
        kept = layer.metadata.get(KEPT, {})
        clashing: dict[Stroke, int] = {}
        for stroke, (_, stated) in STROKES.items():
            label = getattr(self.meaning, stroke)
            is_picked = label is not None and label == self._picked.get(stroke)
            if is_picked and stroke not in kept and summary.objects.row(stated) is not None:
                clashing[stroke] = label
        if not clashing:
            return ""
        self._set(dict.fromkeys(clashing))
        said = " and ".join(f"{label} ({STROKES[stroke][0]} elsewhere)" for stroke, label in clashing.items())
        return f"In “{layer.name}” label {said} is an object and stays one. Do not train on both layers together."

    def _show(self, _event: Any = None) -> None:
        """Show strokes in their colours; in others as long as the settings are wrong."""
        if self._layer is None:
            return
        with suppress(ValueError):
            meaning = self.meaning
            self._colours.show(self._layer, {stroke: getattr(meaning, stroke) for stroke in STROKES})

    def _set(self, labels: dict[Stroke, int | None]) -> None:
        new = self.meaning.model_copy(update=labels)
        if new != self.meaning:
            self._settings.advanced.group("annotations").set_values(new)
            self._settings.changed.emit()
