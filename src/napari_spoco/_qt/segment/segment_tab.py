"""Segment: the model in use, settings of the segmentation, its buttons, and the comparison with the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QPushButton

from napari_spoco._qt.forms.editors import ignore_wheel
from napari_spoco._qt.forms.forms import ModelForm, read_parameters
from napari_spoco._qt.forms.layer_choice import LayerChoice
from napari_spoco._qt.forms.parts import buttons, folded, line, one_line, row, show_control
from napari_spoco._qt.layers import layers
from napari_spoco._qt.segment.comparison import ComparisonForm
from napari_spoco._qt.tabs import Tab
from napari_spoco.config import SegmentationConfig
from napari_spoco.models.registry import shipped_models

if TYPE_CHECKING:
    import napari.viewer
    import numpy as np
    from numpy.typing import NDArray

    from napari_spoco._qt.session import Controls

_QUICK = ("method", "fragment_size", "min_size")
_RADIUS, _THRESHOLD = "foreground_radius", "class_threshold"
_CLASSES = "pixel_classes"
_NO_CLASSES = "The model in use does not tell inside and outside of objects apart: it has no pixel classes."
_SHIPPED = "Take a shipped model …"
_BACKGROUND = "Click on background"
_BACKGROUND_HELP = (
    "Then click on a pixel of the background: what is like it is background. Strokes of background in the annotations "
    "say the same."
)
_WAITING = "Now click on background in the image"
_HINDERED = "The click waits for a plane of the image"
_WAITING_HELP = "The next click in the image says what is background, whatever tool is in hand. Press to give it up."
_CLICKED = "Background: like the clicked place"
_CLICKED_HELP = "What is like the pixel {} is background. Press to take it back."
_IGNORED = "The clicked background is not looked at"
_FOREGROUNDS = (
    ("", "as suits the model"),
    ("none", "everywhere"),
    ("intensity", "where the image is bright"),
    ("embedding", "far from the background's embedding"),
    (_CLASSES, "where pixels are classified as objects"),
)


class SegmentTab(Tab):
    """Model, settings, Segment and Cancel."""

    segment_requested = Signal()
    cancel_requested = Signal()
    load_requested = Signal()
    save_requested = Signal()
    shipped_requested = Signal(str)
    changed = Signal()
    preview_toggled = Signal(bool)
    background_requested = Signal(bool)

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__("Segment")
        self.about_model = one_line(keeps_end=True)
        self.shipped = QComboBox()
        self.shipped.addItems([_SHIPPED, *shipped_models()])
        self.shipped.setToolTip("Models that come with the plugin: take one that was trained on images like yours.")
        ignore_wheel(self.shipped)
        self.load_button, self.save_button = QPushButton(), QPushButton()
        self.quick = ModelForm(SegmentationConfig, _QUICK)
        elsewhere = (*_QUICK, _RADIUS, _THRESHOLD, "foreground")
        self.advanced = ModelForm(
            SegmentationConfig, [name for name in SegmentationConfig.model_fields if name not in elsewhere]
        )
        self.foreground = LayerChoice(viewer, layers.labels_layers, fixed=_FOREGROUNDS)
        self.foreground.setToolTip("Where objects may lie. A Labels layer counts where it is not 0.")
        self.radius = ModelForm(SegmentationConfig, [_RADIUS])
        self.radius.hide()
        self.threshold = ModelForm(SegmentationConfig, [_THRESHOLD])
        self._has_classes: bool | None = None
        self._is_editable = True
        self._forms = (self.quick, self.radius, self.threshold, self.advanced)
        self.background_button = QPushButton(_BACKGROUND)
        self.background_button.setCheckable(True)
        self.background_button.setToolTip(_BACKGROUND_HELP)
        self.preview = QCheckBox()
        self.segment_button, self.cancel_button = QPushButton(), QPushButton()
        self.comparison = ComparisonForm(viewer)
        self.column.addWidget(self.about_model)
        self.column.addWidget(self.shipped)
        self.column.addLayout(buttons(self.load_button, self.save_button))
        self.column.addLayout(row(self.foreground, title="Objects lie"))
        self.column.addWidget(self.radius)
        self.column.addWidget(self.threshold)
        self.column.addWidget(self.background_button)
        self.column.addWidget(self.quick)
        self.column.addWidget(folded("Advanced settings", self.advanced))
        self.column.addWidget(self.preview)
        self.column.addLayout(buttons(self.segment_button, self.cancel_button))
        self.column.addWidget(line())
        self.column.addWidget(self.comparison)
        self._connect()
        self.offer_classes(None)

    def config(self) -> SegmentationConfig:
        """Return the settings; raises ValueError with a sentence for the user."""
        return read_parameters(
            SegmentationConfig,
            *self._forms,
            foreground=self.foreground.key() or None,
        )

    def show_config(self, config: SegmentationConfig) -> None:
        """Fill the forms."""
        self.foreground.choose(config.foreground or "")
        for form in self._forms:
            form.set_values(config)
        self._show_classes()

    def offer_classes(self, has_classes: bool | None, threshold: float | None = None) -> None:
        """Offer what needs a model that classifies pixels; None without a model, which any may follow.

        `threshold` is the certainty of the model itself.
        """
        self._has_classes = has_classes
        self.threshold.editor(_THRESHOLD).show_meant(threshold if has_classes else None)
        self._show_classes()

    def mask(self) -> NDArray[np.integer] | None:
        """Return the pixels of the Labels layer in which objects may lie, if one is chosen; to be read only."""
        layer = self.foreground.layer()
        return None if layer is None else layers.labels_pixels(layer)

    @property
    def is_editable(self) -> bool:
        """Whether settings may be changed."""
        return self._is_editable

    def show_background(
        self, pixel: tuple[int, ...] | None, *, is_waiting: bool, ignored: str, hindrance: str = ""
    ) -> None:
        """Say on the button what was clicked, is waited for, or why a click would be ignored; it stays in place."""
        button, is_on = self.background_button, is_waiting or pixel is not None
        if is_waiting and hindrance:
            text, hint = _HINDERED, hindrance
        elif is_waiting:
            text, hint = _WAITING, _WAITING_HELP
        elif pixel is None:
            text, hint = _BACKGROUND, ignored or _BACKGROUND_HELP
        else:
            text, hint = _IGNORED if ignored else _CLICKED, ignored or _CLICKED_HELP.format(pixel)
        button.setText(text)
        button.setToolTip(hint)
        button.setEnabled(self._is_editable and (is_on or not ignored))
        button.blockSignals(True)
        button.setChecked(is_on)
        button.blockSignals(False)

    def show_controls(self, controls: Controls, *, model_summary: str) -> None:
        """Show what may be pressed and changed."""
        show_control(self.preview, controls.preview)
        show_control(self.load_button, controls.load_model)
        show_control(self.save_button, controls.save_model)
        self.shipped.setEnabled(controls.load_model.enabled)
        show_control(self.segment_button, controls.segment)
        show_control(self.cancel_button, controls.cancel)
        self._is_editable = controls.settings
        for widget in (self.quick, self.radius, self.advanced, self.foreground):
            widget.setEnabled(controls.settings)
        self._show_classes()
        self.about_model.setText(f"Model: {model_summary}" if model_summary else "No model yet: train or load one.")
        self.about_model.setToolTip(model_summary)

    def release(self) -> None:
        """Let go of the viewer."""
        self.foreground.disconnect_viewer()
        self.comparison.release()

    def _connect(self) -> None:
        self.load_button.clicked.connect(self._on_load_clicked)
        self.save_button.clicked.connect(self._on_save_clicked)
        self.shipped.activated.connect(self._on_shipped_chosen)
        self.segment_button.clicked.connect(self._on_segment_clicked)
        self.cancel_button.clicked.connect(self._on_cancel_clicked)
        self.foreground.chosen.connect(self._on_foreground_chosen)
        self.preview.toggled.connect(self.preview_toggled)
        self.background_button.toggled.connect(self.background_requested)
        self.foreground.model().rowsInserted.connect(self._show_classes)  # Listed anew, all entries are enabled.
        self.quick.changed.connect(self._show_classes)
        for form in self._forms:
            form.changed.connect(self.changed)

    def _on_load_clicked(self) -> None:
        self.load_requested.emit()

    def _on_save_clicked(self) -> None:
        self.save_requested.emit()

    def _on_shipped_chosen(self, index: int) -> None:
        name = self.shipped.itemText(index)
        self.shipped.setCurrentIndex(0)
        if name != _SHIPPED:
            self.shipped_requested.emit(name)

    def _on_segment_clicked(self) -> None:
        self.segment_requested.emit()

    def _on_cancel_clicked(self) -> None:
        self.cancel_requested.emit()

    def _on_foreground_chosen(self) -> None:
        self.radius.setVisible(self.foreground.key() == "embedding")
        self._show_classes()
        self.changed.emit()

    def _show_classes(self) -> None:
        """Let the certainty be set where it counts, and disable choices that the model does not suit."""
        method, reason = self.quick.editor("method"), _NO_CLASSES if self._has_classes is False else ""
        counts = self.foreground.key() in ("", _CLASSES) or method.value() == _CLASSES
        self.threshold.setEnabled(self._is_editable and bool(self._has_classes) and counts)
        for choice, index in (
            (self.foreground, [key for key, _ in _FOREGROUNDS].index(_CLASSES)),
            (method, method.findData(_CLASSES)),
        ):
            if (item := choice.model().item(index)) is not None:
                item.setEnabled(not reason)
                item.setToolTip(reason)
