"""Compares two Labels layers when the user presses Compare, in a thread; shows the mistakes, and goes to them.

The second one is the truth, or what another model has found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.jobs.worker import SideJob
from napari_spoco._qt.layers import layers
from napari_spoco._qt.layers.layer_view import bring_into_view
from napari_spoco._qt.segment.comparison_job import run_comparison
from napari_spoco._qt.segment.earlier_result import EarlierResults, ModelInUse
from napari_spoco._qt.segment.mistake_layer import MistakeLayer

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.segment.comparison import ComparisonForm
    from napari_spoco._qt.segment.comparison_job import Comparison


class Comparing(QObject):
    """The logic of a `ComparisonForm`.

    Parameters
    ----------
    viewer, form
        Whose layers, and what the user sees.
    find_model
        Returns the model in use.
    """

    failed = Signal(object)  # Exception
    progressed = Signal(int, int)  # 0 of 1 while something is compared, then 0 of 0

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        form: ComparisonForm,
        find_model: Callable[[], ModelInUse],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._form, self._find_model = viewer, form, find_model
        self._earlier = EarlierResults(viewer)
        self._layers: tuple[Layer, ...] = ()  # that were compared: objects and truth
        self._comparison: Comparison | None = None
        self._marks = MistakeLayer(viewer)
        self._has_changed = False
        self._job = SideJob(self)
        self._job.changed.connect(self._show_button)
        self._job.returned.connect(self._on_compared)
        self._job.failed.connect(self._on_failed)
        form.compare_requested.connect(self._on_compare_requested)
        form.chosen.connect(self._on_chosen)
        form.mistake_chosen.connect(self._on_mistake_chosen)
        self._show_button()

    @property
    def comparison(self) -> Comparison | None:
        """What came of the last comparison."""
        return self._comparison

    def note_found(self, objects: Layer) -> None:
        """Take note of what the model in use has found; offer what was found there otherwise just before.

        That is chosen unless something else is, which is no result of the image.
        """
        earlier = self._earlier.note(objects, self._find_model())
        chosen = self._form.truth.layer()
        if earlier is not None and (chosen is None or layers.MAKER in chosen.metadata):
            self._form.objects.choose(objects)
            self._form.truth.choose(earlier)

    def end(self) -> None:
        """Let go of the layers; what is being compared is of no interest any more."""
        self._earlier.end()
        self._forget()

    def _on_compare_requested(self) -> None:
        objects, truth = self._form.objects.layer(), self._form.truth.layer()
        if objects is None or truth is None or self._job.is_running:
            return
        self._forget()
        self._layers = (objects, truth)
        for layer in self._layers:
            for event in _changes_of(layer):
                event.connect(self._on_layer_changed)
        is_truth = layers.MAKER not in truth.metadata
        self._job.start(run_comparison, layers.labels_pixels(objects), layers.labels_pixels(truth), is_truth)

    def _on_compared(self, comparison: Comparison) -> None:
        if not self._layers:
            return
        self._comparison = comparison
        self._form.show_result(comparison)
        self._marks.show(self._layers, comparison)
        if self._has_changed:
            self._form.show_stale()

    def _on_failed(self, error: Exception) -> None:
        if self._layers:
            self._forget()
            self.failed.emit(error)

    def _on_chosen(self) -> None:
        if self._layers and (self._form.objects.layer(), self._form.truth.layer()) != self._layers:
            self._forget()
        self._show_button()

    def _on_layer_changed(self, _event: Any = None) -> None:
        self._has_changed = True
        if self._comparison is not None:
            self._form.show_stale()

    def _on_mistake_chosen(self, index: int) -> None:
        if self._comparison is not None and self._layers and self._layers[1] in self._viewer.layers:
            bring_into_view(self._viewer, self._layers[1], self._comparison.boxes[index])
            self._marks.choose(index)

    def _forget(self) -> None:
        is_removal = any(layer not in self._viewer.layers for layer in self._layers)
        for layer in self._layers:
            for event in _changes_of(layer):
                event.disconnect(self._on_layer_changed)
        self._layers, self._comparison, self._has_changed = (), None, False
        self._form.show_result(None)
        self._marks.drop(is_removal=is_removal)

    def _show_button(self) -> None:
        is_running = self._job.is_running
        self._form.show_button(is_running=is_running)
        self.progressed.emit(0, int(is_running))


def _changes_of(layer: Layer) -> tuple[Any, ...]:
    return layer.events.paint, layer.events.labels_update, layer.events.data
