"""Batch: which images, which model, where to, and the table of what becomes of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QListWidget, QListWidgetItem, QPushButton, QWidget

from napari_spoco._qt import paths
from napari_spoco._qt.batch.batch_table import BatchTable
from napari_spoco._qt.forms.editors import ChoiceEditor, ignore_wheel, make_editor
from napari_spoco._qt.forms.forms import ModelForm
from napari_spoco._qt.forms.parts import buttons, row, sentence, show_control
from napari_spoco._qt.session import Control
from napari_spoco._qt.tabs import Tab
from napari_spoco.batch.images import find_images, is_folder, is_pattern
from napari_spoco.config import BatchConfig
from napari_spoco.config_files import parse_parameters
from napari_spoco.models.registry import shipped_models

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_spoco.config import SegmentationConfig

_DEVICES = ("auto", "cpu", "cuda", "mps")
_FIELDS = BatchConfig.model_fields
_TITLE_WIDTH = 60
_LIST_HEIGHT = 72
_ALL = 1000
"""Stretch of what takes the room that is left, beside the 1 of the end of the tab."""
_INPUT = Qt.ItemDataRole.UserRole
"""Of an entry of the list: the file, folder or pattern."""
_SETTINGS_HELP = "Method, Certainty and all others are those of the tab Segment; change them there."
_RUN_HELP = "Segment every image with the settings of the Segment tab, and write the results."
_STOP_HELP = "End after the current tile. Results that are there stay; Run goes on with the images that have none."
_SAVE_HELP = "Keep this batch in a file, which `napari-spoco batch` runs too."
_LOAD_HELP = "Take all of this, and the settings of the Segment tab, from a file."


class FormatsEditor(QWidget):
    """A check box for each format that `BatchConfig` allows."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        kinds = get_args(get_args(_FIELDS["formats"].annotation)[0])
        self.boxes = {kind: QCheckBox(paths.LABEL_FILES[kind].title) for kind in kinds}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(2)
        for index, (kind, box) in enumerate(self.boxes.items()):
            box.setToolTip(paths.LABEL_FILES[kind].help)
            box.clicked.connect(self._on_clicked)
            layout.addWidget(box, index // 2, index % 2)
        self.setToolTip(_FIELDS["formats"].description or "")
        self.set_value(_FIELDS["formats"].default)

    def value(self) -> tuple[str, ...]:
        """Return the checked formats."""
        return tuple(kind for kind, box in self.boxes.items() if box.isChecked())

    def set_value(self, value: Iterable[str]) -> None:
        """Check formats without emitting `edited`."""
        checked = set(value)
        for kind, box in self.boxes.items():
            box.setChecked(kind in checked)

    def _on_clicked(self) -> None:
        self.edited.emit()


class BatchTab(Tab):
    """Inputs of a batch, its buttons, its table and its report; knows no model in use and runs nothing."""

    run_requested = Signal()
    stop_requested = Signal()
    load_requested = Signal()
    save_requested = Signal()
    other_model_requested = Signal()
    edited = Signal()
    added = Signal()

    def __init__(self) -> None:
        super().__init__("Batch")
        self.inputs = QListWidget()
        self.inputs.setFixedHeight(_LIST_HEIGHT)
        self.inputs.setToolTip(_FIELDS["inputs"].description or "")
        self.files_button, self.folder_button = QPushButton("Add files…"), QPushButton("Add folder…")
        self.clear_button = QPushButton("Clear")
        self.model = ChoiceEditor((("", "the model in use"), *((name, name) for name in shipped_models())))
        self.model.setToolTip(_FIELDS["model"].description or "")
        ignore_wheel(self.model)
        self.model_button = QPushButton("Other…")
        self.out, self.out_button = make_editor(_FIELDS["out"]), QPushButton("Choose…")
        self.formats = FormatsEditor()
        names = ("channels", "voxel_size", "overwrite", "device")
        blanks = {"channels": "as the model was trained", "voxel_size": "as the files say, else pixels"}
        self.form = ModelForm(BatchConfig, names, choices={"device": _DEVICES}, blanks=blanks)
        self.about_settings = sentence()
        self.about_settings.setToolTip(_SETTINGS_HELP)
        self.run_button, self.stop_button = QPushButton(), QPushButton()
        self.save_button, self.load_button = QPushButton(), QPushButton()
        self.table, self.report = BatchTable(), sentence()
        self.report.hide()
        self._lay_out()
        self._connect()

    def config(self, model_in_use: str | None, segmentation: SegmentationConfig) -> BatchConfig:
        """Return the batch; raises ValueError with a sentence for the user."""
        values = {
            "model": self.model.value() or model_in_use or "",
            "inputs": self._inputs(),
            "out": self.out.value(),
            "formats": self.formats.value(),
            "segmentation": segmentation.model_dump(),
        }
        return parse_parameters(BatchConfig, values | self.form.values())

    def show_config(self, config: BatchConfig) -> None:
        """Show another batch; the segmentation's settings have their own tab."""
        self.inputs.clear()
        self._list(config.inputs)
        self.model.set_value(config.model)
        self.out.set_value(config.out)
        self.formats.set_value(config.formats)
        self.form.set_values(config)
        self.edited.emit()

    def choose_model(self, path: str) -> None:
        """Choose a model by its path."""
        self.model.set_value(path)
        self.edited.emit()

    def offer_size(self, size: tuple[float, ...] | None) -> None:
        """Enter a pixel size, in micrometers, where none is entered."""
        field = self.form.editor("voxel_size")
        if size is not None and not field.text().strip():
            field.set_value(tuple(float(f"{step:.6g}") for step in size))

    def show_settings(self, text: str) -> None:
        """Say how objects will be found."""
        self.about_settings.setText(text)
        self.about_settings.setVisible(bool(text))

    def show_report(self, text: str) -> None:
        """Say how far the batch is, or how it has ended."""
        self.report.setText(text)
        self.report.show()

    def show_controls(self, *, has_model_in_use: bool, is_running: bool) -> None:
        """Show what may be pressed and changed."""
        missing = self._missing(has_model_in_use=has_model_in_use)
        running = "A batch is running." if is_running else ""
        show_control(self.run_button, _control("Run", _RUN_HELP, running or missing))
        show_control(self.stop_button, _control("Stop", _STOP_HELP, "" if is_running else "No batch is running."))
        show_control(self.save_button, _control("Save as YAML…", _SAVE_HELP, missing))
        show_control(self.load_button, _control("Load YAML…", _LOAD_HELP, running))
        self.form.set_editable(not is_running)
        for widget in (self.inputs, self.model, self.out, self.formats, *self._choosers()):
            widget.setEnabled(not is_running)

    def _inputs(self) -> tuple[str, ...]:
        return tuple(self.inputs.item(row).data(_INPUT) for row in range(self.inputs.count()))

    def _folder(self) -> str:
        """Return where the last image lies; empty without images."""
        inputs = self._inputs()
        return str(Path(inputs[-1]).parent) if inputs else ""

    def _list(self, inputs: Iterable[str]) -> None:
        for text in inputs:
            item = QListWidgetItem(describe_input(text), self.inputs)
            item.setData(_INPUT, text)
            item.setToolTip(text)

    def _missing(self, *, has_model_in_use: bool) -> str:
        """Say what is still to be chosen; empty where nothing is."""
        wanted = (
            (self.inputs.count(), "Add images first."),
            (self.model.value() or has_model_in_use, "Train, load or choose a model first."),
            (self.out.value(), "Choose a folder for the results first."),
            (self.formats.value(), "Choose a format first."),
        )
        return next((text for there, text in wanted if not there), "")

    def _choosers(self) -> tuple[QPushButton, ...]:
        return self.files_button, self.folder_button, self.clear_button, self.model_button, self.out_button

    def _lay_out(self) -> None:
        titles = {name: field.title or name for name, field in _FIELDS.items()}
        self._add_below(titles["inputs"], self.inputs)
        self.column.addLayout(buttons(self.files_button, self.folder_button, self.clear_button))
        self.column.addLayout(row(self.model, self.model_button, title=titles["model"], title_width=_TITLE_WIDTH))
        self.column.addLayout(row(self.out, self.out_button, title=titles["out"], title_width=_TITLE_WIDTH))
        self._add_below(titles["formats"], self.formats)
        self.column.addWidget(self.form)
        self.column.addWidget(self.about_settings)
        self.column.addLayout(buttons(self.run_button, self.stop_button))
        self.column.addWidget(self.table, _ALL)
        self.column.addWidget(self.report)
        self.column.addLayout(buttons(self.save_button, self.load_button))

    def _add_below(self, title: str, widget: QWidget) -> None:
        """Add a widget below its title, where a row is too narrow for both."""
        heading = QLabel(title)
        heading.setToolTip(widget.toolTip())
        self.column.addWidget(heading)
        self.column.addWidget(widget)

    def _connect(self) -> None:
        self.files_button.clicked.connect(self._on_files_clicked)
        self.folder_button.clicked.connect(self._on_folder_clicked)
        self.clear_button.clicked.connect(self._on_clear_clicked)
        self.out_button.clicked.connect(self._on_out_clicked)
        for editor in (self.model, self.out, self.formats):
            editor.edited.connect(self.edited)
        for button, wanted in (
            (self.model_button, self.other_model_requested),
            (self.run_button, self.run_requested),
            (self.stop_button, self.stop_requested),
            (self.save_button, self.save_requested),
            (self.load_button, self.load_requested),
        ):
            button.clicked.connect(lambda _checked=False, wanted=wanted: wanted.emit())

    def _on_files_clicked(self) -> None:
        self._add(paths.ask_images(self, self._folder()))

    def _on_folder_clicked(self) -> None:
        self._add(filter(None, [paths.ask_folder(self, "Folder of images", self._folder())]))

    def _on_clear_clicked(self) -> None:
        self.inputs.clear()
        self.edited.emit()

    def _on_out_clicked(self) -> None:
        if folder := paths.ask_folder(self, "Folder for the results", self.out.value() or self._folder()):
            self.out.set_value(folder)
            self.edited.emit()

    def _add(self, chosen: Iterable[str]) -> None:
        known = self._inputs()
        self._list(path for path in chosen if path not in known)
        self.added.emit()
        self.edited.emit()


def describe_input(text: str) -> str:
    """Say how many images there are in a folder, or of a pattern: "3 images in …"; a file stands for itself."""
    if not (is_folder(text) or is_pattern(text)):
        return text
    n_files = len(find_images(text))
    return f"{n_files or 'no'} image{'' if n_files == 1 else 's'} in {text}"


def _control(text: str, hint: str, reason: str) -> Control:
    """Enable a button unless there is a reason not to, which is the hint then."""
    return Control(not reason, text, reason or hint)
