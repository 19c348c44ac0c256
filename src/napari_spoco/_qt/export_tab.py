"""Export: labels, a table of objects, or the model as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton

from napari_spoco._qt.annotate.image_layers import newest_objects, owner, parts_of
from napari_spoco._qt.forms.editors import ChoiceEditor, ignore_wheel
from napari_spoco._qt.forms.layer_choice import LayerChoice
from napari_spoco._qt.forms.parts import buttons, line, row, sentence, show_control
from napari_spoco._qt.jobs.files_job import LabelsToWrite
from napari_spoco._qt.layers import layers
from napari_spoco._qt.layers.image_axes import is_readable
from napari_spoco._qt.paths import LABEL_FILES
from napari_spoco._qt.tabs import Tab

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.session import Controls

_TITLE_WIDTH = 60
_LABELS_HELP = (
    "The layer to write. File > Save Selected Layers writes the same if you choose “SPOCO Labels as TIFF” or “… as "
    "OME-Zarr” as the type of the file there: the first one in that list is napari's own TIFF, without the pixel size."
)
_PACKAGE_HELP = (
    "Make a zip for the BioImage Model Zoo (bioimage.io), for other programs to run. To upload it, the zoo wants to "
    "know authors and licence, which `napari-spoco export` puts in."
)


class ExportTab(Tab):
    """Choose a Labels layer and a format, and save; save the model in use."""

    chosen = Signal()
    save_requested = Signal()
    model_requested = Signal()
    package_requested = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__("Export")
        self._viewer = viewer
        self.labels = LayerChoice(viewer, layers.labels_layers, fixed=(("none", "no labels"),))
        self.labels.setToolTip(_LABELS_HELP)
        self.format = ChoiceEditor(tuple((kind, file.title) for kind, file in LABEL_FILES.items()))
        ignore_wheel(self.format)
        self.about_format = sentence()
        self.save_button, self.model_button = QPushButton(), QPushButton()
        self.package_button = QPushButton("BioImage.IO package…")
        self.column.addLayout(row(self.labels, title="Labels", title_width=_TITLE_WIDTH))
        self.column.addLayout(row(self.format, self.save_button, title="Format", title_width=_TITLE_WIDTH))
        self.column.addWidget(self.about_format)
        self.column.addWidget(line())
        self.column.addLayout(buttons(self.model_button, self.package_button))
        self.labels.chosen.connect(self._on_labels_chosen)
        self.format.edited.connect(self._describe)
        self.save_button.clicked.connect(self._on_save_clicked)
        self.model_button.clicked.connect(self._on_model_clicked)
        self.package_button.clicked.connect(self._on_package_clicked)
        viewer.layers.selection.events.active.connect(self._on_active_changed)
        self._describe()

    def labels_to_write(self) -> LabelsToWrite | None:
        """Return the chosen labels and, for a table, the image they lie on, not copied; None where none is chosen."""
        layer = self.labels.layer()
        if layer is None:
            return None
        image = self._image_of(layer)
        pixels = None if image is None else layers.read_image(image).data
        return LabelsToWrite(layers.labels_pixels(layer), layers.transforms(layer), pixels)

    def image_folder(self) -> Path | None:
        """Return where the file lies of the image that the chosen labels are of; None where there is none."""
        layer = self.labels.layer()
        image = None if layer is None else owner(self._viewer, layer) or self._image_of(layer)
        files = [] if image is None else [one.source.path for one in (image, *parts_of(self._viewer, image))]
        folders = (Path(file).parent for file in files if file)
        return next((folder for folder in folders if folder.is_dir()), None)

    def show_controls(self, controls: Controls) -> None:
        """Show what may be pressed."""
        show_control(self.save_button, controls.save_labels)
        show_control(self.model_button, controls.save_model)
        self.package_button.setEnabled(controls.save_model.enabled)
        self.package_button.setToolTip(_PACKAGE_HELP if controls.save_model.enabled else controls.save_model.hint)
        self._describe()

    def release(self) -> None:
        """Let go of the viewer."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active_changed)
        self.labels.disconnect_viewer()

    def _image_of(self, labels: Layer) -> Layer | None:
        """Return the image that the labels were found in, or else the topmost of their shape that can be read."""
        shape, readable = layers.spatial_shape(labels), filter(is_readable, layers.image_layers(self._viewer))
        images = [image for image in readable if layers.spatial_shape(image) == shape]
        made_of = [image for image in images if labels.metadata.get(layers.MAKER) == layers.identity(image)]
        return next(iter(made_of or images), None)

    def _describe(self) -> None:
        text, layer = LABEL_FILES[str(self.format.value())].help, self.labels.layer()
        self.format.setToolTip(text)
        if self.format.value() == "objects" and layer is not None:
            image = self._image_of(layer)
            text += " No image of this shape can be read, so there are no intensities." if image is None else ""
            text += "" if image is None else f" Intensities are those of “{image.name}”."
        self.about_format.setText(text)

    def _on_active_changed(self, _event: Any = None) -> None:
        """Choose what was found in the image that is looked at, unless a layer of it, or of no image, is chosen."""
        if not isalive(self):
            return
        image, chosen = owner(self._viewer, self._viewer.layers.selection.active), self.labels.layer()
        if image is None or (chosen is not None and owner(self._viewer, chosen) in (image, None)):
            return
        if (objects := newest_objects(self._viewer, image)) is not None:
            self.labels.choose(objects)

    def _on_labels_chosen(self) -> None:
        self._describe()
        self.chosen.emit()

    def _on_save_clicked(self) -> None:
        self.save_requested.emit()

    def _on_model_clicked(self) -> None:
        self.model_requested.emit()

    def _on_package_clicked(self) -> None:
        self.package_requested.emit()
