"""The tools of the Annotate tab: who asks for what, whether it is possible, and who does it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate import annotation_layer, import_form
from napari_spoco._qt.annotate.annotation_status import ACTIONS, IMPORT, AnnotationStatus
from napari_spoco._qt.annotate.box_drawing import BoxDrawing
from napari_spoco._qt.annotate.brush import Brush
from napari_spoco._qt.annotate.image_keys import ImageKeys
from napari_spoco._qt.annotate.object_list import ListedObjects
from napari_spoco._qt.annotate.pixel_changes import PixelChanges
from napari_spoco._qt.annotate.stroke_labels import StrokeLabels
from napari_spoco._qt.annotate.work_box import WorkBoxes
from napari_spoco._qt.keys import KeyChoice, LayerKeys
from napari_spoco._qt.layers.image_axes import is_readable
from napari_spoco._qt.layers.layer_view import look_at, plane_axis
from napari_spoco._qt.layers.layers import labels_pixels, spatial_shape
from napari_spoco._qt.notices import Notice, failure
from napari_spoco.data.annotations import BACKGROUND, IGNORE

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Labels

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.jobs.files_job import AnnotationSummary
    from napari_spoco._qt.notices import Tone
    from napari_spoco._qt.train.training_settings import TrainingSettings


class Annotating(QObject):
    """Does what the buttons and keys of the tab say, on the annotations that are chosen in it.

    Every action of `annotation_status.ACTIONS` is a method without arguments; one that is not possible says why.

    Parameters
    ----------
    viewer
        Whose layers.
    tab
        What the user sees.
    settings
        Of the training; they say which ids are strokes.
    """

    noticed = Signal(object)  # Notice
    begun = Signal(object)  # Layer that is painted on

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        tab: AnnotateTab,
        settings: TrainingSettings,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._tab = viewer, tab
        self._strokes = StrokeLabels(settings)
        self._brush = Brush(viewer, tab, self._strokes)
        self.keys = KeyChoice({action.name: action.key for action in ACTIONS}, parent=self)
        self._image_keys = ImageKeys(viewer, tab, self.keys, parent=self)
        self._boxes, self._work_boxes = BoxDrawing(viewer, tab, parent=self), WorkBoxes(viewer, tab, parent=self)
        self._changes = PixelChanges(self)
        for part in (self._boxes, self._work_boxes, self._changes):
            part.noticed.connect(self.noticed)
        for part in (self._work_boxes, self._changes):
            part.failed.connect(self._on_failed)
            part.changed.connect(self._show)
        self._layer: Labels | None = None
        self._bound: LayerKeys | None = None
        self._may_set_labels = True
        tab.chosen.connect(self._on_chosen)
        tab.counted.connect(self._on_counted)
        tab.action_requested.connect(self.act)
        self._image_keys.pressed.connect(tab.press)
        tab.objects.opened.connect(self.go_to)
        tab.objects.removal_requested.connect(self._on_removal_requested)
        tab.objects.undo_requested.connect(self._on_undo_requested)
        tab.objects.chosen.connect(self._show)
        tab.importing.layer_requested.connect(self._on_layer_import_requested)
        tab.importing.file_requested.connect(self._on_file_import_requested)
        self.keys.changed.connect(self._show)
        viewer.dims.events.order.connect(self._on_view_changed)
        self._follow()

    @property
    def layer(self) -> Labels | None:
        """The annotations."""
        return self._layer

    def act(self, name: str) -> None:
        """Do one of `annotation_status.ACTIONS`, by its name."""
        getattr(self, name)()

    def allow_setting_labels(self, is_allowed: bool) -> None:
        """Let the meaning of labels be set, or not, as while a training runs."""
        self._may_set_labels = is_allowed
        self._show()

    def end(self) -> None:
        """Let go of viewer and layers."""
        self._viewer.dims.events.order.disconnect(self._on_view_changed)
        self._image_keys.end()
        self._release()
        self._strokes.follow(None)
        self._work_boxes.end()
        self._changes.end()

    # Actions

    def new_object(self) -> None:
        """Take the brush with the next free id."""
        self._take_brush("new_object", self._brush.begin_object)

    def paint_background(self) -> None:
        """Take the brush for background; choose a free id for it first where none is set."""
        self._take_brush("paint_background", partial(self._brush.take_for_strokes, "background_label"))

    def paint_ignore(self) -> None:
        """Take the brush for regions to ignore; choose a free id for it first where none is set."""
        self._take_brush("paint_ignore", partial(self._brush.take_for_strokes, "ignore_label"))

    def interpolate(self) -> None:
        """Fill the object of the brush between its painted planes."""
        if not self._refuses("interpolate"):
            self._changes.interpolate(self._layer, plane_axis(self._viewer, self._layer))

    def jump_next(self) -> None:
        """Go to the next object of the list, behind the last one to the first."""
        if self._refuses("jump_next"):
            return
        listed = self._tab.objects.rows.listed
        row = listed.row(int(self._layer.selected_label))
        self.go_to(listed.label(0 if row is None else (row + 1) % len(listed.summary.objects)))

    def delete_selected(self) -> None:
        """Remove the objects that are selected in the list."""
        self._on_removal_requested(self._tab.objects.selected())

    def crop_here(self) -> None:
        """Make layers of what is on show of image and annotations, to paint on."""
        if not self._refuses("crop_here"):
            self._work_boxes.crop(self._strokes.reserved)

    def write_back(self) -> None:
        """Put what was painted in a cropped part into the whole."""
        if not self._refuses("write_back"):
            self._work_boxes.write_back(self._strokes.reserved)

    def go_to(self, label: int) -> None:
        """Show what is painted with an id, and take the brush with it."""
        listed = self._tab.objects.rows.listed
        row = listed.row(label)
        if row is None or self._layer is None:
            return
        objects = listed.summary.objects
        place = objects.first[row].tolist(), objects.last[row].tolist(), objects.middles[row].tolist()
        look_at(self._viewer, self._layer, *place)
        self._tab.objects.reveal(label)
        if annotation_layer.is_paintable(self._layer):
            self._brush.take(label)

    # What the user wants

    def _on_removal_requested(self, ids: tuple[int, ...]) -> None:
        if not self._refuses("delete_selected"):
            self._changes.remove(self._layer, ids, self._strokes.meaning)

    def _on_undo_requested(self) -> None:
        if self._layer is not None:
            self._layer.undo()

    def _on_layer_import_requested(self) -> None:
        source = self._tab.importing.labels.layer()
        if source is self._layer:
            self._say("Choose another layer to import from: this one is the annotations.", "bad")
        elif source is not None:
            self._import(labels_pixels(source))

    def _on_file_import_requested(self) -> None:
        if path := import_form.ask_labels_to_import(self._tab):
            self._import(Path(path))

    def _import(self, source: Any) -> None:
        if not self._refuses(IMPORT):
            self._changes.bring_in(self._layer, source, self._tab.importing.ids.text(), self._strokes.reserved)

    def _take_brush(self, name: str, take: Callable[[], None]) -> None:
        """Take the brush, if that is possible now and an id is free."""
        if self._refuses(name):
            return
        self.begun.emit(self._layer)
        try:
            take()
        except ValueError as error:
            self._on_failed(error)

    def _refuses(self, name: str) -> bool:
        reason = self._status().reason(name)
        if reason:
            self._say(reason)
        return bool(reason)

    def _on_failed(self, error: Exception) -> None:
        self.noticed.emit(failure(error))

    # What is on show

    def _on_chosen(self) -> None:
        if self._tab.annotations.layer() is not self._layer:
            self._follow()
        else:
            self._show()

    def _follow(self) -> None:
        self._release()
        self._layer = layer = self._tab.annotations.layer()
        self._brush.follow(layer)
        self._tab.objects.rows.colour_of = self._colour
        if layer is not None:
            self._bound = LayerKeys(layer, self.keys, parent=self)
            self._bound.pressed.connect(self.act)
            layer.events.selected_label.connect(self._on_label_changed)
            self._tab.objects.follow(int(layer.selected_label))
        self._strokes.follow(layer)
        self._show()

    def _release(self) -> None:
        if self._layer is not None:
            self._layer.events.selected_label.disconnect(self._on_label_changed)
        if self._bound is not None:
            self._bound.end()
            self._bound.deleteLater()
        self._layer = self._bound = None
        self._brush.follow(None)

    def _on_counted(self) -> None:
        summary: AnnotationSummary = self._tab.summary
        layer, is_counted = self._layer, not self._tab.counting.uncounted
        if layer is not None and is_counted and (clash := self._strokes.check(layer, summary)):
            self._say(clash, "bad")
            return  # The settings have changed, and it is counted anew.
        self._tab.objects.show_objects(self._listed(summary))
        self._show()

    def _on_view_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self._show()

    def _on_label_changed(self, event: Any) -> None:
        if isalive(self):
            self._tab.objects.follow(int(event.source.selected_label))
            self._show()

    def _listed(self, summary: AnnotationSummary) -> ListedObjects:
        status = self._status()
        unit, size = ("", 1.0) if self._layer is None else annotation_layer.pixel_size(self._layer)
        if status.meaning is None:
            return ListedObjects(summary, unit=unit, pixel_size=size)
        background, ignored = status.meaning.background_label, status.meaning.ignore_label
        return ListedObjects(
            summary,
            BACKGROUND if background is None else background,
            IGNORE if ignored is None else ignored,
            unit,
            size,
        )

    def _colour(self, label: int) -> tuple[int, ...] | None:
        if self._layer is None:
            return None
        colour = self._layer.get_color(label)
        return None if colour is None else tuple(int(255 * part) for part in colour)

    def _status(self) -> AnnotationStatus:
        layer, image = self._layer, self._tab.image.layer()
        if layer is None:
            return AnnotationStatus(
                has_image=image is not None,
                may_set_labels=self._may_set_labels,
                is_working=self._work_boxes.is_working,
                is_box=self._work_boxes.is_box(),
                is_croppable=image is not None and is_readable(image),
            )
        try:
            meaning = self._strokes.meaning
        except ValueError:
            meaning = None
        is_alike = image is not None and is_readable(image) and spatial_shape(image) == spatial_shape(layer)
        return AnnotationStatus(
            has_image=image is not None,
            is_open=True,
            is_paintable=annotation_layer.is_paintable(layer),
            may_set_labels=self._may_set_labels,
            is_working=self._changes.is_working or self._work_boxes.is_working,
            is_box=self._work_boxes.is_box(),
            is_croppable=is_alike,
            summary=self._tab.summary,
            uncounted=self._tab.counting.uncounted,
            meaning=meaning,
            label=int(layer.selected_label),
            axis=plane_axis(self._viewer, layer),
            has_selection=self._tab.objects.selectionModel().hasSelection(),
        )

    def _show(self) -> None:
        self._tab.show_status(self._status(), self.keys.key)

    def _say(self, text: str, tone: Tone = "plain") -> None:
        self.noticed.emit(Notice(text, tone))
