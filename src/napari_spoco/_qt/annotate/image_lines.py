"""The name of the image that other tabs work on, on top of them, in one line: what is below stays in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_spoco._qt.forms.parts import one_line

if TYPE_CHECKING:
    from napari_spoco._qt.forms.layer_choice import LayerChoice
    from napari_spoco._qt.tabs import Tab

_HELP = "Choose another one in the tab Annotate, or select one of its layers in napari's layer list."


class ImageLines(QObject):
    """Puts a line on top of each of the tabs, which follows a choice of images and what they are called."""

    def __init__(self, choice: LayerChoice, *tabs: Tab, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._choice = choice
        self.lines = [one_line(keeps_end=True) for _ in tabs]
        for line, tab in zip(self.lines, tabs, strict=True):
            tab.column.insertWidget(0, line)
        choice.currentTextChanged.connect(self._show)
        self._show()

    def _show(self) -> None:
        image = self._choice.layer()
        for line in self.lines:
            line.setText("Image: none yet" if image is None else f"Image: {image.name}")
            line.setToolTip(_HELP if image is None else f"Image: {image.name}. {_HELP}")
